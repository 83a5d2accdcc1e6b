"""A disposable mask: a cloth before the lower face that returns part of the sound and weakens what passes, twice.

The cloth is a resistive sheet: what passes, t, and what returns, r, add to one, ``r = 1 - t`` with
``t = 10^(-loss / 20)``, the loss being what a person's mask takes from sound that passes once. It hangs as a taut,
smooth drape over what lies beneath, outside the skin everywhere by a gap, and takes up a share of the skin's motion
(jaw and cheeks), smoothed over a centimetre. Its rim lies on the skin and is faded, so that it rings nothing.
What lies behind is seen through it: scattering between cloth and skin is left out. Nothing is published on masks at
20 kHz; shape, gap, share and loss are assumptions, different from person to person (`people.MaskFit`).

Reference: Morse and Ingard, Theoretical Acoustics (1968), for thin resistive sheets.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from mien.simulate.face import FaceModel
from mien.simulate.people import MaskFit

CELL_M = 0.004
"""Edge of the cloth's grid: fine enough for the analytic facets of `scatter`."""

DRAPE_M = 0.010
RIM_M = 0.012
STEEPEST = 1.0
"""Cloth spans what falls away more steeply than 45 degrees, such as the sides of the nose and the edge of the jaw."""


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A mask cut for a face model.

    Args:
        skin: (node point) sparse weights that give the skin beneath each node of the cloth.
        drape: (node node) sparse weights that smooth over `DRAPE_M`.
        fall_m: (node node) how far the cloth may fall from one node to another; infinite from where no skin is.
        triangles: (facet 3) of nodes.
        taper: (facet) 1 inside, 0 at the rim.
        covered: (facet of the face) True where the face lies behind the mask.
    """

    skin: csr_array
    drape: csr_array
    fall_m: np.ndarray
    triangles: np.ndarray
    taper: np.ndarray
    covered: np.ndarray

    def hang(self, shape: np.ndarray, frames: np.ndarray, fit: MaskFit) -> np.ndarray:
        """Return (time node xyz) the cloth over a moving face.

        Args:
            shape: (point xyz) the person's face at rest.
            frames: (time point xyz) the face over time, without the head's own motion.
            fit: how it sits.
        """
        skin = self.skin @ shape
        outside = self.drape @ skin
        smooth_m = self.drape @ self._taut(skin[:, 2])
        outside[:, 2] = self._taut(np.maximum(smooth_m, skin[:, 2])) + fit.gap_m
        n_times, n_points = frames.shape[:2]
        displacement = (frames - shape).transpose(1, 0, 2).reshape(n_points, -1)
        motion = self.drape @ (self.skin @ displacement)
        return outside + fit.follows * motion.reshape(len(skin), n_times, 3).transpose(1, 0, 2)

    def _taut(self, heights_m: np.ndarray) -> np.ndarray:
        """Return (node) the lowest cloth over some heights that nowhere falls more steeply than `STEEPEST`."""
        return np.max(heights_m[None, :] - self.fall_m, axis=1)

    def cloth_reflectivity(self, fit: MaskFit) -> np.ndarray:
        """Return (facet) pressure reflection coefficient of the cloth."""
        return self.taper * (1 - passing(fit))

    def face_reflectivity(self, reflectivity: np.ndarray, fit: MaskFit) -> np.ndarray:
        """Return (facet of the face) `reflectivity` with the loss on the way in and out where covered."""
        return np.where(self.covered, reflectivity * passing(fit) ** 2, reflectivity)


def passing(fit: MaskFit) -> float:
    """Return the amplitude that passes the cloth once.

    Example:
        >>> round(passing(MaskFit(loss_db=6.0, gap_m=0.006, follows=0.5)), 3)
        0.501
    """
    return 10 ** (-fit.loss_db / 20)


def cut_mask(face: FaceModel) -> Mask:
    """Cut a mask for a face: from half way up the nose to under the chin, and over most of the cheeks."""
    marks = {name: face.neutral[point] for name, point in face.landmarks.items()}
    eyes_y = (marks["eye_left"][1] + marks["eye_right"][1]) / 2
    top_y = (eyes_y + marks["nose_tip"][1]) / 2
    bottom_y = marks["chin"][1] - 0.006
    centre = np.array([0.0, (top_y + bottom_y) / 2])
    half = np.array([0.42 * abs(marks["ear_left"][0] - marks["ear_right"][0]), (top_y - bottom_y) / 2])

    centroids = face.neutral[face.triangles].mean(axis=1)
    in_front = centroids[:, 2] > (marks["ear_left"][2] + marks["ear_right"][2]) / 2 + 0.02
    covered = in_front & (_outline(centroids[:, :2], centre, half) < 1)

    counts = np.ceil(2 * half / CELL_M).astype(int) + 1
    x, y = np.meshgrid(
        np.linspace(-half[0], half[0], counts[0]) + centre[0], np.linspace(-half[1], half[1], counts[1]) + centre[1]
    )
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    skin, found = _skin_beneath(face, places)
    square = np.sum((places[:, None] - places[None]) ** 2, axis=-1)
    drape = np.where(found & (square < (3 * DRAPE_M) ** 2), np.exp(-square / (2 * DRAPE_M**2)), 0.0)
    drape /= np.maximum(drape.sum(axis=1, keepdims=True), 1e-12)
    fall_m = np.where(found, STEEPEST * np.sqrt(square), np.inf)

    triangles = _grid_triangles(*counts)
    middle = places[triangles].mean(axis=1)
    from_rim_m = (1 - _outline(middle, centre, half)) * half.min()
    taper = np.sin(np.pi / 2 * np.clip(from_rim_m / RIM_M, 0.0, 1.0)) ** 2
    kept = (taper > 0) & found[triangles].all(axis=1)
    return Mask(skin, csr_array(drape), fall_m, triangles[kept], taper[kept], covered)


def _outline(places: np.ndarray, centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return (place) 1 on the outline, a rectangle with round corners, and less inside."""
    return np.sum(np.abs((places - centre) / half) ** 4, axis=1) ** 0.25


def _grid_triangles(n_across: int, n_up: int) -> np.ndarray:
    corner = (np.arange(n_up - 1)[:, None] * n_across + np.arange(n_across - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + n_across + 1], axis=1)
    upper = np.stack([corner, corner + n_across + 1, corner + n_across], axis=1)
    return np.concatenate([lower, upper]).astype(np.int32)


def _skin_beneath(face: FaceModel, places: np.ndarray) -> tuple[csr_array, np.ndarray]:
    """Return (place point) weights of the foremost skin at each place of the frontal plane, and where there is any."""
    corners = face.neutral[face.triangles]
    a, b, c = (corners[:, k, :2] for k in range(3))
    area = _cross(b - a, c - a)
    reaches = (corners.max(axis=1)[:, :2] > places.min(axis=0)) & (corners.min(axis=1)[:, :2] < places.max(axis=0))
    facing = np.flatnonzero((area > 1e-9) & reaches.all(axis=1))
    rows, points, weights = [], [], []
    for row, place in enumerate(places):
        beta = _cross(place - a[facing], c[facing] - a[facing]) / area[facing]
        gamma = _cross(b[facing] - a[facing], place - a[facing]) / area[facing]
        inside = np.flatnonzero((beta >= -1e-9) & (gamma >= -1e-9) & (beta + gamma <= 1 + 1e-9))
        if not inside.size:
            continue
        share = np.stack([1 - beta - gamma, beta, gamma], axis=1)[inside]
        chosen = np.argmax(np.sum(share * corners[facing[inside], :, 2], axis=1))
        rows += [row] * 3
        points += face.triangles[facing[inside[chosen]]].tolist()
        weights += share[chosen].tolist()
    found = np.isin(np.arange(len(places)), rows)
    return csr_array((weights, (rows, points)), shape=(len(places), len(face.neutral))), found


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
