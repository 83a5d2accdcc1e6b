"""A grid of triangles over the front of the average head, with a mouth that can open.

Millimetres throughout this file. The grid is laid by rays from inside the head, relaxed along the surface so that
its edges are even, and mirrored. Its rows follow the face: one of them is the line between the lips, along which the
grid is cut and a pocket (the mouth) is sewn in.
"""

from dataclasses import dataclass

import numpy as np

from mien.simulate.own_surface import MOUTH_HALF_WIDTH_MM, head_distance, seam_height

# Each row's ray starts at height `start` on the axis of the head and rises by `front_deg` at the midline and by
# `side_deg` at the rim; `density` is rows per millimetre, relative, from this row to the next.
_ROWS = (
    # start, front_deg, side_deg, density
    (55.0, 43.0, 38.0, 0.4),  # scalp
    (55.0, 24.0, 26.0, 0.5),  # hairline
    (45.0, 12.0, 17.0, 0.8),  # forehead
    (38.0, 3.0, 8.0, 1.0),  # brow
    (22.0, 0.0, 3.0, 1.0),  # pupils
    (3.0, 0.0, 2.0, 1.0),  # lower rim of the orbits
    (-12.0, 0.0, 4.0, 1.5),  # tip of the nose
    (-23.0, 0.0, 5.0, 1.0),  # base of the nose
    (-45.0, 0.0, 9.0, 1.0),  # lips
    (-50.0, -6.5, 1.0, 1.0),  # above the chin
    (-50.0, -13.5, -5.0, 1.0),  # chin
    (-50.0, -20.5, -12.0, 0.6),  # lower edge of the chin
    (-50.0, -31.0, -23.0, 0.5),  # under the chin
    (-52.0, -44.0, -32.0, 0.5),  # throat
    (-106.0, -44.0, -36.0, 0.5),  # neck
)
_SEAM_ROW = 8
_RIM_DEG = 91.0
_RIM_STRETCH = 0.4  # columns are even near the midline and up to three times as wide at the rim
_POCKET_ROWS = 3
_POCKET_DEPTH_MM = 11.0
_POCKET_GAP_MM = (0.35, 2.0)  # half the height of the closed mouth, between the lips and at its back
_POCKET_BACK_ROWS = 6


@dataclass(frozen=True, slots=True, eq=False)
class HeadMesh:
    """The meshed head.

    Args:
        points: (point xyz) millimetres.
        triangles: (facet 3).
        lip: (point) 1 on the upper and -1 on the lower side of the line between the lips and of the mouth behind it,
            between the two at its back, 0 elsewhere.
        depth: (point) how far a point of the mouth's pocket lies behind the lips, mm; 0 elsewhere.
        pocket: (facet) the facet lies inside the mouth.
        mirror: (point) the point at the same place on the other side.
    """

    points: np.ndarray
    triangles: np.ndarray
    lip: np.ndarray
    depth: np.ndarray
    pocket: np.ndarray
    mirror: np.ndarray


def mesh_head(n_facets: int) -> HeadMesh:
    """Return the average head as a mesh of about `n_facets` triangles, within 4 %."""
    table = np.array(_ROWS)
    midline = _cast(table[:, 0], table[:, 1], np.zeros(len(table)))
    lengths = np.linalg.norm(np.diff(midline, axis=0), axis=1) * table[:-1, 3]
    candidates = np.arange(1.2, 8.0, 0.01)
    sizes = np.array([4 * len(_row_places(lengths, mm)) * _n_columns(mm) for mm in candidates])
    spacing_mm = float(candidates[np.argmin(np.abs(sizes - 0.985 * n_facets))])
    places, n_columns = _row_places(lengths, spacing_mm), _n_columns(spacing_mm)
    across = np.linspace(0.0, 1.0, n_columns)
    azimuth_deg = _RIM_DEG * ((1.0 - _RIM_STRETCH) * across + _RIM_STRETCH * across**4)
    half = _lay_grid(places, azimuth_deg)
    seam_row = int(np.argmin(np.abs(places - _SEAM_ROW)))
    corner = int(np.argmin(np.abs(azimuth_deg - 16.5)))
    _relax(half, seam_row, corner)
    return _sew(half, seam_row, corner)


def _row_places(lengths: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Return (row) where the grid's rows lie in `_ROWS`, as fractional positions."""
    counts = np.maximum(np.round(lengths / spacing_mm), 1).astype(int)
    return np.concatenate([k + np.arange(count) / count for k, count in enumerate(counts)] + [[float(len(counts))]])


def _n_columns(spacing_mm: float) -> int:
    """Return the number of columns from the midline to the rim."""
    return round(0.92 * _RIM_DEG * (1.0 - _RIM_STRETCH) * 1.75 / spacing_mm)


def _lay_grid(places: np.ndarray, azimuth_deg: np.ndarray) -> np.ndarray:
    """Return (row column xyz) of the left half, by rays from the head's axis."""
    table = np.array(_ROWS)
    start, front, side = (np.interp(places, np.arange(len(table)), table[:, k]) for k in range(3))
    share = np.sin(np.radians(np.minimum(azimuth_deg, 90.0))) ** 2
    elevation_deg = front[:, None] + (side - front)[:, None] * share
    n_rows, n_columns = elevation_deg.shape
    points = _cast(np.repeat(start, n_columns), elevation_deg.ravel(), np.tile(azimuth_deg, n_rows))
    return points.reshape(n_rows, n_columns, 3)


def _cast(start: np.ndarray, elevation_deg: np.ndarray, azimuth_deg: np.ndarray) -> np.ndarray:
    """Return (ray xyz) where rays from the head's axis, at heights `start`, leave the head."""
    elevation, azimuth = np.radians(elevation_deg), np.radians(azimuth_deg)
    direction = np.stack(
        [np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], axis=1
    )
    origin = np.stack([np.zeros_like(start), start, np.zeros_like(start)], axis=1)
    reach = np.full(len(start), 150.0)
    for _ in range(24):
        reach = reach - 0.9 * head_distance(origin + reach[:, None] * direction)
    return origin + reach[:, None] * direction


def _relax(grid: np.ndarray, seam_row: int, corner: int, n_rounds: int = 16) -> None:
    """Even out the edges: move each point to the mean of its neighbours along the surface, in place."""
    held = np.zeros(grid.shape[:2], dtype=bool)
    held[[0, -1]] = held[:, -1] = True
    held[seam_row, : corner + 1] = True
    grid[seam_row, : corner + 1, 0] = MOUTH_HALF_WIDTH_MM * np.linspace(0, 1, corner + 1)
    grid[seam_row, : corner + 1, 1] = seam_height(grid[seam_row, : corner + 1, 0])
    along_z = np.zeros(grid.shape[:2], dtype=bool)
    along_z[seam_row, : corner + 1] = True
    for round_ in range(n_rounds):
        wide = np.concatenate([grid[:, 1:2] * [-1, 1, 1], grid], axis=1)
        step = np.zeros_like(grid)
        step[1:-1, :-1] = (
            wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * grid[1:-1, :-1]
        ) / 4
        step[held] = 0.0
        points = grid.reshape(-1, 3)
        gradient, distance = _gradient(points)
        normal = gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
        move = step.reshape(-1, 3)
        move = 0.6 * (move - np.einsum("ij,ij->i", move, normal)[:, None] * normal)
        back = -distance[:, None] * gradient / np.einsum("ij,ij->i", gradient, gradient)[:, None]
        length = np.linalg.norm(back, axis=1, keepdims=True)
        back *= np.minimum(1.0, 2.0 / np.maximum(length, 1e-9))
        lip = along_z.ravel()
        back[lip] = 0.0
        back[lip, 2] = -np.clip(distance[lip] / gradient[lip, 2], -2, 2)
        grid += (move * (round_ < n_rounds - 2) + back).reshape(grid.shape)
        grid[:, 0, 0] = 0.0


def _gradient(points: np.ndarray, step_mm: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    distance = head_distance(points)
    shifts = step_mm * np.eye(3)
    return np.stack([(head_distance(points + shift) - distance) / step_mm for shift in shifts], axis=1), distance


def _sew(half: np.ndarray, seam_row: int, corner: int) -> HeadMesh:
    """Mirror the half, cut it between the lips and sew the mouth's pocket into the cut."""
    n_rows, n_half = half.shape[:2]
    grid = np.concatenate([half[:, :0:-1] * [-1, 1, 1], half], axis=1)
    n_columns = grid.shape[1]
    index = np.arange(n_rows * n_columns).reshape(n_rows, n_columns)
    mouth = np.arange(n_half - corner, n_half - 1 + corner)  # columns strictly between the corners
    seam = grid[seam_row, mouth]
    deep = np.sqrt(np.maximum(1.0 - (seam[:, 0] / MOUTH_HALF_WIDTH_MM) ** 2, 0.0))
    # from the upper lip's edge inwards, down the back of the mouth, and out to the lower lip's edge
    inwards = np.linspace(0.0, 1.0, _POCKET_ROWS + 1)
    back = np.ones(_POCKET_BACK_ROWS - 1)
    inward = np.concatenate([inwards, back, inwards[::-1]])
    side = np.concatenate([np.ones(len(inwards)), np.linspace(1, -1, len(back) + 2)[1:-1], -np.ones(len(inwards))])
    half_gap = _POCKET_GAP_MM[0] + (_POCKET_GAP_MM[1] - _POCKET_GAP_MM[0]) * inward
    pocket_depth = _POCKET_DEPTH_MM * inward[:, None] * deep
    height = (half_gap * side)[:, None] * deep
    rows = seam + np.stack([np.zeros_like(height), height, -pocket_depth], axis=2)
    grid[seam_row, mouth] = rows[0]
    first_new = n_rows * n_columns
    new = first_new + np.arange((len(rows) - 1) * len(mouth)).reshape(len(rows) - 1, len(mouth))
    strip = np.concatenate([index[seam_row, mouth][None], new])
    points = np.concatenate([grid.reshape(-1, 3), rows[1:].reshape(-1, 3)])

    below = index.copy()
    below[seam_row, mouth] = strip[-1]
    skin = np.concatenate([_quads(index[: seam_row + 1], points), _quads(below[seam_row:], points)])
    ends = index[seam_row, [mouth[0] - 1, mouth[-1] + 1]]
    wide = np.concatenate([np.full((len(strip), 1), ends[0]), strip, np.full((len(strip), 1), ends[1])], axis=1)
    inside = _quads(wide, points)
    triangles = np.concatenate([skin, inside]).astype(np.int32)
    lip = np.zeros(len(points))
    lip[strip] = side[:, None]
    depth = np.zeros(len(points))
    depth[strip] = pocket_depth
    mirror = np.arange(len(points))
    mirror[index] = index[:, ::-1]
    mirror[strip] = strip[:, ::-1]
    pocket = np.arange(len(triangles)) >= len(skin)
    return HeadMesh(points, triangles, lip, depth, pocket, mirror)


def _quads(index: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return (facet 3): each square of a grid of points cut along its shorter diagonal, outward side up.

    Rows run downwards and columns towards the person's left; squares with two corners in one point give one facet.
    """
    a, b, c, d = index[:-1, :-1].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel(), index[:-1, 1:].ravel()
    down = np.linalg.norm(points[a] - points[c], axis=1)
    up = np.linalg.norm(points[b] - points[d], axis=1)
    centre_left = points[b][:, 0] + points[d][:, 0] + points[a][:, 0] + points[c][:, 0]
    first = np.where(np.abs(down - up) < 1e-6, centre_left > 0, down < up)[:, None]
    one = np.where(first, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    two = np.where(first, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    facets = np.concatenate([one, two])
    ordered = np.sort(facets, axis=1)
    return facets[(np.diff(ordered, axis=1) > 0).all(axis=1)]
