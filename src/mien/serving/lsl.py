"""Predictions as a stream of the Lab Streaming Layer, for programs that record it beside EEG, gaze or stimuli."""

from typing import Any

from mien.errors import DeviceError
from mien.serving.live import LivePrediction, LiveSession


class LslOutlet:
    """A stream of probabilities, one sample per prediction, and one of the words that were answered.

    The first, "mien", has a channel per expression and one of confidence; the second, "mien-expression", is of markers:
    a word whenever the answer changes.

    Args:
        session: whose predictions.
        module: what stands in for pylsl.

    Raises:
        DeviceError: pylsl, or the library beneath it, is not installed.
    """

    def __init__(self, session: LiveSession, module: Any = None) -> None:
        self._lsl = module or _pylsl()
        self._names = session.names
        rate_hz = 1 / session.hop_s
        info = self._lsl.StreamInfo(
            "mien", "Expression", len(self._names) + 1, rate_hz, "float32", "mien-probabilities"
        )
        channels = info.desc().append_child("channels")
        for name in (*self._names, "confidence"):
            channels.append_child("channel").append_child_value("label", name).append_child_value("unit", "probability")
        self._numbers = self._lsl.StreamOutlet(info)
        markers = self._lsl.StreamInfo("mien-expression", "Markers", 1, 0, "string", "mien-expression")
        self._words = self._lsl.StreamOutlet(markers)
        self._word = ""

    def push(self, prediction: LivePrediction) -> None:
        """Send one prediction, stamped with the present; what is missing of a window is nothing sent."""
        now = self._lsl.local_clock()
        values = [prediction.probabilities[name] for name in self._names]
        self._numbers.push_sample([*values, prediction.confidence], now)
        if prediction.expression != self._word:
            self._word = prediction.expression
            self._words.push_sample([self._word], now)


def _pylsl() -> Any:
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        raise DeviceError(
            f"the Lab Streaming Layer is not there ({' '.join(str(error).split())[:120]}); pip install 'mien[lsl]'"
        ) from None
    return pylsl
