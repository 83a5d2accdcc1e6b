"""Sound cards: what is there, and which one is meant by a part of a name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mien.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Card:
    """A device as the system lists it.

    Args:
        index: its number there.
        name: its name there.
        host: the system's part that speaks to it (ALSA, Core Audio, WASAPI, ...).
        n_inputs, n_outputs: channels it records and plays.
        rate_hz: that it would use unasked.
        is_default_input, is_default_output: whether it is used when none is named.
    """

    index: int
    name: str
    host: str
    n_inputs: int
    n_outputs: int
    rate_hz: float = 48_000.0
    is_default_input: bool = False
    is_default_output: bool = False

    def __str__(self) -> str:
        what = " and ".join(
            word for word, number in (("microphone", self.n_inputs), ("loudspeaker", self.n_outputs)) if number
        )
        return f"{self.index}: {self.name} ({self.host}; {what})"


@dataclass(frozen=True, slots=True)
class Pair:
    """What records and what plays: one card, or two."""

    microphone: Card
    loudspeaker: Card

    @property
    def name(self) -> str:
        if self.microphone.index == self.loudspeaker.index:
            return self.microphone.name
        return f"{self.microphone.name} / {self.loudspeaker.name}"


def sounddevice() -> Any:
    """Return the module sounddevice.

    Raises:
        DeviceError: it, or the PortAudio library that it speaks to, is not installed.
    """
    try:
        import sounddevice as module
    except ImportError:
        raise DeviceError("a sound card needs the package sounddevice: pip install 'mien[live]'") from None
    except OSError as error:
        raise DeviceError(
            f"sounddevice finds no PortAudio library ({error}); install it, on Debian: apt install libportaudio2"
        ) from None
    return module


def list_cards() -> tuple[Card, ...]:
    """Return every sound card of this machine that records or plays.

    Raises:
        DeviceError: sounddevice or PortAudio is missing, or the sound system does not answer.
    """
    module = sounddevice()
    try:
        devices, hosts = module.query_devices(), module.query_hostapis()
    except module.PortAudioError as error:
        raise DeviceError(f"the sound system does not answer ({error}); is one running?") from None
    record, play = module.default.device
    return tuple(
        Card(
            number,
            str(device["name"]),
            str(hosts[device["hostapi"]]["name"]),
            int(device["max_input_channels"]),
            int(device["max_output_channels"]),
            float(device["default_samplerate"]),
            number == record,
            number == play,
        )
        for number, device in enumerate(devices)
        if device["max_input_channels"] or device["max_output_channels"]
    )


def choose_cards(named: str | None, cards: Sequence[Card]) -> Pair:
    """Return the microphone and the loudspeaker that a part of a name means.

    Args:
        named: a part of one card's name in any case, its number, or two of either with a slash, `microphone/speaker`.
            A part that fits one card that does both, or one microphone and one loudspeaker, is enough. None takes the
            system's defaults.
        cards: what there is.

    Raises:
        DeviceError: none, or several, fit; they are listed.

    Example:
        >>> cards = [Card(0, "Built-in mic", "A", 1, 0), Card(1, "Built-in out", "A", 0, 2), Card(2, "USB", "A", 1, 1)]
        >>> choose_cards("usb", cards).name, choose_cards("built-in", cards).name, choose_cards("usb/out", cards).name
        ('USB', 'Built-in mic / Built-in out', 'USB / Built-in out')
    """
    if named is None:
        return Pair(_default(cards, "microphone"), _default(cards, "loudspeaker"))
    found = _fitting(named, cards)
    if not found and "/" in named:
        first, _, second = named.partition("/")
        return Pair(_one(first, cards, "microphone"), _one(second, cards, "loudspeaker"))
    both = [card for card in found if card.n_inputs and card.n_outputs]
    if len(both) == 1:
        return Pair(both[0], both[0])
    if not both:
        record, play = [c for c in found if c.n_inputs], [c for c in found if c.n_outputs]
        if len(record) == 1 and len(play) == 1:
            return Pair(record[0], play[0])
        if len(record) == 1 and not play:
            return Pair(record[0], _default(cards, "loudspeaker"))
        if len(play) == 1 and not record:
            return Pair(_default(cards, "microphone"), play[0])
    raise _not_one(named, both or found, cards, "sound card")


def _fitting(named: str, cards: Sequence[Card]) -> list[Card]:
    """Return the cards of this number or name, else those whose name holds it."""
    wanted = named.strip().casefold()
    if wanted.isdigit():
        return [card for card in cards if card.index == int(wanted)]
    exact = [card for card in cards if card.name.casefold() == wanted]
    return exact or [card for card in cards if wanted and wanted in card.name.casefold()]


def _one(named: str, cards: Sequence[Card], what: str) -> Card:
    able = [card for card in cards if _able(card, what)]
    found = _fitting(named, able)
    if len(found) != 1:
        raise _not_one(named, found, able, what)
    return found[0]


def _able(card: Card, what: str) -> bool:
    return bool(card.n_inputs if what == "microphone" else card.n_outputs)


def _default(cards: Sequence[Card], what: str) -> Card:
    for card in cards:
        if _able(card, what) and (card.is_default_input if what == "microphone" else card.is_default_output):
            return card
    able = [card for card in cards if _able(card, what)]
    if len(able) == 1:
        return able[0]
    if not able:
        raise DeviceError(f"this machine has no {what}; connect one, or start the sound system; {_listed(cards)}")
    raise DeviceError(f"the system names no default {what}; choose one with --device: {_listed(able)}")


def _not_one(named: str, found: Sequence[Card], cards: Sequence[Card], what: str) -> DeviceError:
    if found:
        return DeviceError(
            f"{len(found)} fit {named!r}: {_listed(found)}; name one more fully, by its number, or as "
            "microphone/loudspeaker"
        )
    return DeviceError(f"no {what} fits {named!r}; {_listed(cards)}")


def _listed(cards: Sequence[Card]) -> str:
    return ", ".join(str(card) for card in cards) or "no sound card is there"
