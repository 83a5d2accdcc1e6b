"""The facade: a front end, a method and what it learnt, from recordings to probabilities."""

from mien.learning.methods import parse_options
from mien.recognizer.facade import Recognizer
from mien.recognizer.hearing import recordings_in
from mien.recognizer.teaching import is_labelled

__all__ = ["Recognizer", "is_labelled", "parse_options", "recordings_in"]
