"""What the page plays, as bytes: raw float32 for programs, WAV for who wants a file."""

import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import soundfile

from mien.capture.emission import FADE_S, check_emission, looped
from mien.collecting.protocol import Protocol
from mien.probe import Probe, describe
from mien.serving.messages import Emission
from mien.serving.settings import Settings

LOOP_S = 1.0


@dataclass(frozen=True, eq=False)
class Sound:
    """One sound to be played.

    Args:
        name: under which it is served. samples: (time) float32. loop: it repeats without a seam.
    """

    name: str
    samples: np.ndarray
    rate_hz: int
    loop: bool
    description: str

    @property
    def told(self) -> Emission:
        """Return what a client is told of it."""
        return Emission(
            url=f"/emission/{self.name}.f32",
            wav_url=f"/emission/{self.name}.wav",
            rate_hz=self.rate_hz,
            n_samples=len(self.samples),
            loop=self.loop,
            fade_s=FADE_S if self.loop else 0.0,
            level=float(np.abs(self.samples).max()),
            description=self.description,
        )

    @cached_property
    def pcm(self) -> bytes:
        return self.samples.astype("<f4").tobytes()

    @cached_property
    def wav(self) -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, self.samples, self.rate_hz, subtype="FLOAT", format="WAV")
        return buffer.getvalue()


def sounds_of(settings: Settings) -> dict[str, Sound]:
    """Return the sounds of the views that a server offers, by view; live and calibrate share one.

    Raises:
        ProbeError: a probe that does not repeat in whole samples.
    """
    check = check_emission()
    described = f"three sweeps and between them chirps at two levels, {check.duration_s:g} s, audible"
    found = {"check": Sound("check", check.samples(), check.rate_hz, False, described)}
    if settings.model is not None:
        found["live"] = found["calibrate"] = _repeated("live", settings.model.probe, settings.level)
    if settings.study is not None:
        protocol = settings.protocol or Protocol()
        found["collect"] = _repeated("collect", protocol.emitted, protocol.level)
    return found


def _repeated(name: str, probe: Probe, level: float) -> Sound:
    return Sound(name, looped(probe, LOOP_S, level=level), probe.rate_hz, True, describe(probe))
