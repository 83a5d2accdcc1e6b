"""The real page and the real server, on sound that really went through a sound system. In real time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import launched
from real_server import running

import mien
from mien.collecting.protocol import Protocol
from mien.probe import Chirp
from mien.serving.settings import Settings
from virtual_card import VirtualCard, pulse_server  # noqa: F401

pytestmark = pytest.mark.alone

ALLOWED = ["--use-fake-ui-for-media-stream"]
BAND_DB = 0.5


@pytest.fixture
def page(pulse_server: VirtualCard) -> Iterator[Any]:  # noqa: F811
    """A page of a browser whose sound card is the virtual one: what it plays on the left, it hears."""
    options = {"env": pulse_server.environment, "ignore_default_args": ["--mute-audio"]}
    with pulse_server.joined(), launched(ALLOWED, **options) as browser:
        page = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
        page.set_default_timeout(120_000)
        yield page


def spectrum_db(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (freq) and level in dB of a signal (time), averaged over bands of 250 Hz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequency_hz = np.fft.rfftfreq(len(samples), 1 / 48_000)
    edges = np.arange(19_250, 23_000, 250)
    bands = [power[(frequency_hz >= low) & (frequency_hz < low + 250)].mean() for low in edges]
    return edges + 125.0, 10 * np.log10(np.array(bands))


def test_a_collected_take_keeps_its_band(page: Any, tmp_path: Path) -> None:
    """A study collected through the page loads, and 19-23 kHz came back as it was played."""
    study = tmp_path / "study"
    quick = Protocol(expressions=("happiness",), n_takes=1, n_neutral_takes=0, duration_s=2.0, neutral_s=0.5,
                     countdown_s=1.0, masks=("open",))  # fmt: skip
    with running(Settings(study=study, protocol=quick)) as port:
        page.goto(f"http://127.0.0.1:{port}/#collect")
        page.wait_for_selector("#link[data-state=good]")
        page.check("#agree")
        page.click("[data-start=collect]")
        page.wait_for_selector("#collect .verdict")
    loaded = mien.load_study(study)
    assert list(loaded.table["expression"]) == ["happiness"]
    heard = loaded.recording(0).samples[0]
    played = Chirp().emit(len(heard))
    (_, heard_db), (_, played_db) = spectrum_db(heard), spectrum_db(played)
    gain_db = heard_db - played_db
    assert np.ptp(gain_db) < BAND_DB


def test_the_device_check_of_a_cable(page: Any) -> None:
    """What leads sound back unchanged is ready, and its band is usable."""
    with running(Settings()) as port:
        page.goto(f"http://127.0.0.1:{port}/#check")
        page.wait_for_selector("#link[data-state=good]")
        page.click("[data-start=check]")
        page.wait_for_selector("#check .verdict")
        assert "can be used" in page.inner_text("#check .verdict")
        assert page.inner_text("#granted").count("off") >= 3
        report = page.request.get(f"http://127.0.0.1:{port}/results/check.json").json()
        assert report["carries_probe"] and "echo-cancellation" not in report["problems"]


def test_live_predictions_reach_the_screen(page: Any) -> None:
    """The model that comes along answers what the card leads back; of a cable without a face anything may be said."""
    model = mien.Recognizer.load(Path(mien.__file__).parent / "builtin")
    with running(Settings(model=model, model_name="builtin")) as port:
        page.goto(f"http://127.0.0.1:{port}/#live")
        page.wait_for_selector("#link[data-state=good]")
        page.click("[data-start=live]")
        page.wait_for_selector("#live .sure:has-text('sure'), #live .sure:has-text('Nothing stands out')")
        assert "simulated people only" in page.inner_text("#live [data-part=belief]")
        page.keyboard.press("Escape")
        page.wait_for_selector("#sound-bar", state="hidden")
