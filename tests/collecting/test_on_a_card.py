"""A collection on sound that went through a sound system: the study loads, and the band is as the air made it."""

import numpy as np
import pytest
from plays import PROBE, QUICK
from rich.console import Console

from air import Air, AirBetween, plain_taps
from mien.capture import SoundCard, looped
from mien.collecting.guide import Guide
from mien.collecting.screen import Screen
from mien.collecting.session import Collection
from mien.datasets.check import check_study
from mien.datasets.study import load_study
from mien.errors import DeviceError
from virtual_card import RATE_HZ, pulse_server, skip_if_busy, virtual_card  # noqa: F401

RULES = QUICK.model_copy(
    update={"expressions": ("anger",), "masks": ("open",), "n_takes": 1, "duration_s": 1.0, "n_retries": 5}
)


@pytest.mark.alone
def test_takes_through_a_sound_system_keep_their_band(virtual_card, tmp_path):  # noqa: F811
    taps, emitted = plain_taps(), looped(PROBE, 1.0)
    with (
        AirBetween(virtual_card, Air(taps)),
        Collection(tmp_path / "study", RULES, "001") as collection,
        Screen(Console(quiet=True)) as screen,
        SoundCard(emitted, RATE_HZ, device="pulse") as card,
    ):
        collection.accept_consent()
        try:
            assert Guide(collection, card, lambda: None, screen, hands_free=True).run()
        except DeviceError as error:
            skip_if_busy(str(error))
            raise
    study = load_study(tmp_path / "study")
    if set(study.table["quality"]) != {"ok"}:
        skip_if_busy(f"quality {sorted(study.table['quality'])}")
    assert check_study(study.path, progress=False) == [] and len(study) == 2
    assert (study.table["neutral_until_s"] >= RULES.neutral_s).all()
    # A second holds whole periods, so that wherever it begins its power is that of what was played, through the air.
    freq_hz = np.fft.rfftfreq(RATE_HZ, 1 / RATE_HZ)
    expected = np.abs(np.fft.rfft(emitted) * np.fft.rfft(taps[0], RATE_HZ)) ** 2
    for row in range(len(study)):
        power = np.abs(np.fft.rfft(study.recording(row).samples[0])) ** 2
        for low_hz in range(19_000, 23_000, 500):
            inside = (freq_hz >= low_hz) & (freq_hz < low_hz + 500)
            assert abs(10 * np.log10(power[inside].sum() / expected[inside].sum())) < 0.5, (row, low_hz)
