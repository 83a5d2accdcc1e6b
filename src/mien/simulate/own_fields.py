"""Displacement fields on the average head: pulls of windows of skin, along given directions and along the normal.

Millimetres throughout this file.
"""

from dataclasses import dataclass

import numpy as np

from mien.simulate.own_mesh import HeadMesh
from mien.simulate.own_surface import EYE_CENTRE_MM, MOUTH_HALF_WIDTH_MM, fall_onto_head, seam_height, surface_normals


@dataclass(frozen=True, slots=True)
class Pull:
    """Move a window of the front of the face.

    Args:
        at: (x, y) middle of the window, on the left side of the face.
        reach: (x, y) distance from the middle at which the window has fallen to 0.
        move: (left, up, forward) displacement in the middle, mm.
        out: displacement along the outward normal, mm.
        lip: "both", or "upper" or "lower": which side of the line between the lips moves.
    """

    at: tuple[float, float]
    reach: tuple[float, float]
    move: tuple[float, float, float] = (0.0, 0.0, 0.0)
    out: float = 0.0
    lip: str = "both"


_BONY = 0.5  # chosen: eyebrows ride on a pad of fat, the forehead on bone
_LID_STEP_MM = 2.0  # a lid that closes lays its thickness over the eyeball


class HeadFields:
    """The quantities at the points of a head's mesh from which displacement fields are made.

    Args:
        mesh: the head. All fields are (point xyz) in millimetres.
    """

    def __init__(self, mesh: HeadMesh) -> None:
        self.mesh = mesh
        self.points = mesh.points
        inside = mesh.depth > 0
        self.normals = surface_normals(mesh.points)
        self.normals[inside] = (0.0, 0.0, 1.0)
        self.front = smooth_step(mesh.points[:, 2], 10.0, 45.0)
        self.below_lips = self._below_lips()

    def _below_lips(self) -> np.ndarray:
        """Return (point) 1 below the line between the lips and 0 above, smooth beyond the corners of the mouth."""
        x, y = np.abs(self.points[:, 0]), self.points[:, 1]
        towards_corner = np.minimum(x / MOUTH_HALF_WIDTH_MM, 1.0)
        blur_mm = 0.01 + 8.0 * towards_corner**6 + np.maximum(x - MOUTH_HALF_WIDTH_MM, 0.0)
        below = smooth_step(seam_height(x) - y, -blur_mm, blur_mm)
        on_seam = 0.5 - 0.5 * self.mesh.lip * (1.0 - towards_corner**4)
        return np.where((self.mesh.lip == 0) & (self.mesh.depth == 0), below, on_seam)

    def pull(self, pull: Pull) -> np.ndarray:
        """Return the field of one pull on the left side."""
        return self._shares(pull)[:, None] * (np.asarray(pull.move) + pull.out * self.normals)

    def slide(self, pulls: tuple[Pull, ...]) -> np.ndarray:
        """Return the field of several pulls of skin that slides over what lies below it.

        Over bone the surface keeps its shape while the skin slides along it; flesh carries its shape along. Brow,
        forehead and the bridge of the nose are taken half as the one and half as the other; cheeks, lips and chin
        are flesh.
        """
        move = np.zeros_like(self.points)
        raised = np.zeros_like(self.points)
        for pull in pulls:
            share = self._shares(pull)[:, None]
            move += share * np.asarray(pull.move)
            raised += share * pull.out * self.normals
        bone = _BONY * smooth_step(self.points[:, 1], 5.0, 32.0)
        sliding = np.flatnonzero((bone > 0) & (np.linalg.norm(move, axis=1) > 1e-3))
        if len(sliding):
            fallen = fall_onto_head(self.points[sliding] + move[sliding]) - self.points[sliding]
            move[sliding] += bone[sliding, None] * (fallen - move[sliding])
        return move + raised

    def _shares(self, pull: Pull) -> np.ndarray:
        share = self.window(pull.at, pull.reach) * self.front
        if pull.lip != "both":
            share = share * (self.below_lips if pull.lip == "lower" else 1.0 - self.below_lips)
        return share

    def window(self, at: tuple[float, float], reach: tuple[float, float]) -> np.ndarray:
        """Return (point) 1 in the middle of an ellipse, 0 outside, with two continuous derivatives."""
        across = (self.points[:, 0] - at[0]) / reach[0]
        up = (self.points[:, 1] - at[1]) / reach[1]
        return np.maximum(1.0 - across**2 - up**2, 0.0) ** 3

    def mirrored(self, field: np.ndarray) -> np.ndarray:
        """Return the same field on the other side of the face."""
        return field[self.mesh.mirror] * (-1.0, 1.0, 1.0)

    def one_side(self, field: np.ndarray) -> np.ndarray:
        """Return the left half of a field; left and right halves add up to the whole."""
        return field * smooth_step(self.points[:, 0], -9.0, 9.0)[:, None]

    def lid(self, upper_mm: float, lower_mm: float, closing: float = 0.0) -> np.ndarray:
        """Return the field of the left eye's lids sliding over the eyeball.

        Args:
            upper_mm: how far the middle of the upper lid's margin rises.
            lower_mm: how far the middle of the lower lid's margin rises.
            closing: share of the opening by which the upper lid descends as well.
        """
        centre = np.array(EYE_CENTRE_MM)
        arm = self.points - centre
        across = np.clip((arm[:, 0] + 0.6) / 15.0, -1.0, 1.0)
        bow = (1.0 - across**2) ** 0.8
        tilt = 1.0 * across
        top, bottom = tilt + 5.8 * bow, tilt - 4.7 * bow
        share = np.clip((arm[:, 1] - bottom) / np.maximum(top - bottom, 0.5), 0.0, 1.0)
        above = np.clip(1.0 - (arm[:, 1] - top) / 10.0, 0.0, 1.0)
        under = np.clip(1.0 - (bottom - arm[:, 1]) / 12.0, 0.0, 1.0)
        upper = np.where(arm[:, 1] > top, above**2, share)
        lower = np.where(arm[:, 1] < bottom, under**2, 1.0 - share)
        rise = (upper_mm * bow - closing * (top - bottom)) * upper + lower_mm * bow * lower
        near = (arm[:, 2] > 0) & (np.abs(arm[:, 0]) < 18) & (np.abs(arm[:, 1]) < 20)
        rise = np.where(near, rise, 0.0) * smooth_step(-np.abs(arm[:, 0]), -17.0, -13.0)
        # the lid stays on its sphere: what it loses in height it gains in depth
        radius2 = arm[:, 1] ** 2 + arm[:, 2] ** 2
        floor = 0.2 * radius2
        before = np.sqrt(np.maximum(radius2 - arm[:, 1] ** 2, floor))
        after = np.sqrt(np.maximum(radius2 - (arm[:, 1] + rise) ** 2, floor))
        covered = _LID_STEP_MM * np.clip(-rise / 6.0, 0.0, 1.0) * np.minimum(share, 1.0) * (arm[:, 1] <= top)
        forward = after - before + covered
        return np.stack([np.zeros_like(rise), rise, forward], axis=1)


def smooth_step(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """Rise from 0 at `low` to 1 at `high` with a continuous derivative."""
    share = np.clip((values - low) / (np.asarray(high) - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
