import pytest

from mien.errors import StudyError
from mien.simulate.levels import LEVELS, level_named

# The bench's table: own position; between takes (m, degrees), within (m), style; recipe; head (m, degrees); noise,
# clutter, residual (dB); phone.
TABLE = {
    "easy": (False, 0.0, 0.0, 0.0, 0.05, 0.0, 0.0, 0.0, 45, -30, None, False),
    "medium": (False, 0.001, 0.4, 0.0001, 0.15, 2.0, 0.001, 0.5, 45, -30, None, False),
    "hard": (True, 0.003, 1.0, 0.0003, 0.25, 1.0, 0.003, 1.5, 35, -20, -10, True),
    "wild": (True, 0.010, 3.0, 0.001, 0.25, 1.0, 0.010, 4.0, 25, -15, -10, True),
}


@pytest.mark.parametrize("name", LEVELS)
def test_a_level_has_the_numbers_of_its_version(name):
    values = LEVELS[name].to_json()
    assert (values.pop("name"), values.pop("version")) == (name, 2)
    assert tuple(values.values()) == TABLE[name]
    first = level_named(name, version=1).to_json()
    assert (first.pop("name"), first.pop("version")) == (name, 1)
    assert tuple(first.values()) == TABLE[name][:6] + TABLE[name][8:]


def test_an_unknown_version_is_refused_with_those_that_are_known():
    with pytest.raises(StudyError, match="version 3 of the levels is unknown; known are 1, 2"):
        level_named("hard", version=3)


def test_an_unknown_level_is_refused_with_those_that_are_known():
    with pytest.raises(StudyError, match="'extreme' is unknown; known are easy, medium, hard, wild"):
        level_named("extreme")
