import pytest

from mien.errors import StudyError
from mien.simulate.levels import LEVELS, level_named

# The bench's table: between takes (m, degrees), within (m), style, head motion, noise, clutter, residual (dB).
TABLE = {
    "easy": (False, 0.0, 0.0, 0.0, 0.05, 0.0, 45, -30, None, False),
    "medium": (False, 0.001, 0.4, 0.0001, 0.15, 2.0, 45, -30, None, False),
    "hard": (True, 0.003, 1.0, 0.0003, 0.25, 1.0, 35, -20, -10, True),
    "wild": (True, 0.010, 3.0, 0.001, 0.25, 1.0, 25, -15, -10, True),
}


@pytest.mark.parametrize("name", LEVELS)
def test_a_level_has_the_numbers_of_its_version(name):
    values = LEVELS[name].to_json()
    assert (values.pop("name"), values.pop("version")) == (name, 1)
    assert tuple(values.values()) == TABLE[name]


def test_an_unknown_level_is_refused_with_those_that_are_known():
    with pytest.raises(StudyError, match="'extreme' is unknown; known are easy, medium, hard, wild"):
        level_named("extreme")
