"""Where things are: the head before the phone, and how long sound takes over it."""

import numpy as np

from mien.simulate.performance import Performance
from mien.simulate.scene import SPEED_OF_SOUND_M_S

_MARGIN_S = 0.15e-3
"""Room on either side for what moves between the instants looked at, and for a mask: 2.5 cm of distance."""


def place_head(points: np.ndarray, performance: Performance, pivot_m: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Return (time point xyz) points turned about a pivot and moved as the head is in a performance.

    Args:
        points: (time point xyz) of a head that keeps still.
        towards: (xyz) unit vector from the face to the phone.
    """
    pitch, turn, roll = np.deg2rad(performance.attitude_deg).T
    left_up_m, towards_m = performance.head_m[:, :2], performance.head_m[:, 2:]
    shift = performance.shift_m + towards_m * towards
    shift[:, :2] += left_up_m
    turned = rotations(pitch, turn, roll).transpose(0, 2, 1)
    placed = points @ turned
    placed += (pivot_m - pivot_m @ turned + shift)[:, None, :]
    return placed


def rotations(pitch_rad: np.ndarray, turn_rad: np.ndarray, roll_rad: np.ndarray) -> np.ndarray:
    """Return (time xyz xyz) matrices: roll to the left shoulder first, then pitch up, then turn to the left.

    Example:
        A face that looks up moves its nose, 10 cm before the axis, up.

        >>> up = rotations(np.deg2rad([90.0]), np.zeros(1), np.zeros(1))[0] @ np.array([0, 0, 0.1])
        >>> up.round(6).tolist()
        [0.0, 0.1, 0.0]
    """
    zero, one = np.zeros_like(pitch_rad), np.ones_like(pitch_rad)

    def matrix(*rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    sp, cp, st, ct = np.sin(pitch_rad), np.cos(pitch_rad), np.sin(turn_rad), np.cos(turn_rad)
    sr, cr = np.sin(roll_rad), np.cos(roll_rad)
    pitch = matrix((one, zero, zero), (zero, cp, sp), (zero, -sp, cp))
    turn = matrix((ct, zero, st), (zero, one, zero), (-st, zero, ct))
    roll = matrix((cr, sr, zero), (-sr, cr, zero), (zero, zero, one))
    return turn @ pitch @ roll


def delays_between(points: np.ndarray, speaker_m: np.ndarray, microphones_m: np.ndarray) -> tuple[float, float]:
    """Return the shortest and longest delay over a surface, with a margin for its motion."""
    out = np.linalg.norm(points - speaker_m, axis=1)
    back = np.linalg.norm(points[:, None] - (speaker_m + microphones_m), axis=2)
    paths_s = (out[:, None] + back) / SPEED_OF_SOUND_M_S
    return float(paths_s.min()) - _MARGIN_S, float(paths_s.max()) + _MARGIN_S
