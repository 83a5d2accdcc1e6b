"""What is emitted: the one home of band, period, code and every quantity that follows from them.

A probe is a frozen value. It knows its waveform in closed form, so that it can be sampled at any time and any rate
without rounding a period to whole samples, and it answers every question about itself: nobody else computes a range
cell or a number of samples per period.

References: FacER (Wang et al.), section IV-A and Eq. 1, 4, 5; FaceListener (Song et al.), section 3.
"""

from mien.probe.base import SPEED_OF_SOUND_M_S, Probe
from mien.probe.chirp import Chirp
from mien.probe.composite import Composite
from mien.probe.sonicface import sonicface_probe
from mien.probe.tones import PureTones
from mien.probe.words import at_rate, describe, probe_from_json, probe_to_json

__all__ = [
    "SPEED_OF_SOUND_M_S",
    "Chirp",
    "Composite",
    "Probe",
    "PureTones",
    "at_rate",
    "describe",
    "probe_from_json",
    "probe_to_json",
    "sonicface_probe",
]
