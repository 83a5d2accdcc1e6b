"""The probe of the `sonicface` baseline: FacER's chirp, and pure tones below its band at the same time."""

from mien.probe.chirp import Chirp
from mien.probe.composite import Composite
from mien.probe.tones import PureTones

TONES_HZ = (16_000.0, 17_000.0, 18_000.0)


def sonicface_probe(chirp: Chirp | None = None) -> Composite:
    """Return a chirp with three tones, 16, 17 and 18 kHz: one recording for all methods to listen to.

    SonicFace "uses both FMCW and pure tone signals" (FacER section VI-B), whose frequencies FacER does not state. The
    chirp is FacER's, so that all methods hear the same; the tones lie below it, a kilohertz from its skirt and from
    each other, and repeat with its period. Being of different wavelengths (21, 20 and 19 mm) they see a movement by
    different phases.

    Args:
        chirp: another than the paper's; its band must begin above the tones.

    Raises:
        ProbeError: the chirp's band meets the tones.

    Example:
        >>> sonicface_probe().band_hz, sonicface_probe().period_s
        ((16000.0, 23000.0), 0.05)
    """
    chirp = chirp or Chirp()
    return Composite((chirp, PureTones(TONES_HZ, chirp.rate_hz)))
