"""Playing a probe and recording what comes back: what is emitted, sound cards, and other sources of blocks."""

from mien.capture.cards import Card, Pair, choose_cards, list_cards
from mien.capture.emission import MODEST_LEVEL, CheckEmission, check_emission, looped
from mien.capture.soundcard import Block, SoundCard

__all__ = [
    "MODEST_LEVEL",
    "Block",
    "Card",
    "CheckEmission",
    "Pair",
    "SoundCard",
    "check_emission",
    "choose_cards",
    "list_cards",
    "looped",
]
