"""What a device can see of a surface: a perspective depth image, read softly.

The surface is drawn into a square image of the nearest inverse depth (which is linear on the screen along a plane,
unlike depth), as seen from one point. Each facet then looks at the four pixels around its centroid and asks how far
behind what is drawn there its own plane lies: up to `SLACK_M` it is in sight, beyond `SLACK_M + RAMP_M` it is hidden,
and between the two its visibility falls linearly. Pixels are weighted bilinearly. So a facet does not vanish at once
when something moves a tenth of a millimetre, which a hard test turns into noise near -25 dB.

Only facets whose front faces the device hide others: for a closed surface that is all that matters.

References: Catmull, "A subdivision algorithm for computer display of curved surfaces" (1974), the z-buffer; Reeves,
Salesin and Cook, "Rendering antialiased shadows with depth maps", SIGGRAPH 1987, percentage-closer comparison.
"""

import math

import numpy as np

from mien.simulate.compiled import compiled

SLACK_M = 0.003
"""Depth behind the drawn surface that counts as the surface itself: its curvature within a pixel or two."""

RAMP_M = 0.004
"""Further depth over which visibility falls from one to zero."""

LEAST_PIXELS, MOST_PIXELS = 32, 256

_HUGE = 1e300


def image_pixels(n_facets: int) -> int:
    """Return the edge of the depth image: about one pixel per facet of a head, of which half faces the device.

    Example:
        >>> image_pixels(8000), image_pixels(24000), image_pixels(1)
        (89, 155, 32)
    """
    return int(np.clip(round(math.sqrt(n_facets)), LEAST_PIXELS, MOST_PIXELS))


@compiled(nogil=True, fastmath=True, error_model="numpy", boundscheck=False)
def _project(points, viewpoint, n_pixels, screen):  # type: ignore[no-untyped-def]
    """Fill `screen` (point, 3) with column, row (pixels), inverse depth (1/m); return False if a point lies behind.

    The view runs from the viewpoint to the points' mean, and the image just holds them all: it follows the surface
    without steps, and each frame is seen by itself.
    """
    n_points = points.shape[0]
    mean_x = mean_y = mean_z = 0.0
    for i in range(n_points):
        mean_x += points[i, 0]
        mean_y += points[i, 1]
        mean_z += points[i, 2]
    forward_x = mean_x / n_points - viewpoint[0]
    forward_y = mean_y / n_points - viewpoint[1]
    forward_z = mean_z / n_points - viewpoint[2]
    scale = 1.0 / math.sqrt(forward_x * forward_x + forward_y * forward_y + forward_z * forward_z)
    forward_x, forward_y, forward_z = forward_x * scale, forward_y * scale, forward_z * scale
    # right = forward x y axis, or forward x x axis where the view runs along y
    right_x, right_y, right_z = -forward_z, 0.0, forward_x
    if forward_y * forward_y > 0.98:
        right_x, right_y, right_z = 0.0, forward_z, -forward_y
    scale = 1.0 / math.sqrt(right_x * right_x + right_y * right_y + right_z * right_z)
    right_x, right_y, right_z = right_x * scale, right_y * scale, right_z * scale
    up_x = right_y * forward_z - right_z * forward_y
    up_y = right_z * forward_x - right_x * forward_z
    up_z = right_x * forward_y - right_y * forward_x
    left = bottom = _HUGE
    right = top = -_HUGE
    deepest = -_HUGE
    for i in range(n_points):
        x, y, z = points[i, 0] - viewpoint[0], points[i, 1] - viewpoint[1], points[i, 2] - viewpoint[2]
        inverse = 1.0 / (x * forward_x + y * forward_y + z * forward_z)
        column = (x * right_x + y * right_y + z * right_z) * inverse
        row = (x * up_x + y * up_y + z * up_z) * inverse
        screen[i, 0], screen[i, 1], screen[i, 2] = column, row, inverse
        left, right = min(left, column), max(right, column)
        bottom, top = min(bottom, row), max(top, row)
        # a point behind has a negative inverse depth, one beside the viewpoint a huge one
        deepest = max(deepest, max(-inverse * 1e9, inverse))
    if deepest > 1e3:
        return False
    pixels = n_pixels / (max(right - left, top - bottom) * (1.0 + 1e-9) + 1e-12)
    for i in range(n_points):
        screen[i, 0] = (screen[i, 0] - left) * pixels
        screen[i, 1] = (screen[i, 1] - bottom) * pixels
    return True


@compiled(nogil=True, fastmath=True, error_model="numpy", boundscheck=False)
def _draw(screen, triangles, image):  # type: ignore[no-untyped-def]
    """Fill `image` (row column) with the largest inverse depth at each pixel's centre; 0 where nothing is."""
    image[:] = 0.0
    last = image.shape[0] - 1
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay = screen[a, 0], screen[a, 1]
        bx, by = screen[b, 0] - ax, screen[b, 1] - ay
        cx, cy = screen[c, 0] - ax, screen[c, 1] - ay
        # twice the area on the screen; `right` and `up` make front faces run the positive way round
        double = bx * cy - by * cx
        if double <= 1e-12:
            continue
        first_column = max(int(math.ceil(ax + min(0.0, bx, cx) - 0.5)), 0)
        last_column = min(int(math.floor(ax + max(0.0, bx, cx) - 0.5)), last)
        first_row = max(int(math.ceil(ay + min(0.0, by, cy) - 0.5)), 0)
        last_row = min(int(math.floor(ay + max(0.0, by, cy) - 0.5)), last)
        if first_column > last_column or first_row > last_row:
            continue
        share = 1.0 / double
        depth_a, step_b, step_c = screen[a, 2], screen[b, 2] - screen[a, 2], screen[c, 2] - screen[a, 2]
        x = first_column + 0.5 - ax
        for row in range(first_row, last_row + 1):
            y = row + 0.5 - ay
            weight_b = (x * cy - y * cx) * share
            weight_c = (bx * y - by * x) * share
            for column in range(first_column, last_column + 1):
                if weight_b >= 0.0 and weight_c >= 0.0 and weight_b + weight_c <= 1.0:
                    inverse = depth_a + weight_b * step_b + weight_c * step_c
                    if inverse > image[row, column]:
                        image[row, column] = inverse
                weight_b += cy * share
                weight_c -= by * share


@compiled(nogil=True, fastmath=True, error_model="numpy", boundscheck=False)
def _look(screen, triangles, image, visibility):  # type: ignore[no-untyped-def]
    """Multiply `visibility` (facet) by the share of each facet, 0 to 1, that the drawn image does not hide."""
    last = image.shape[0] - 1
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay, depth_a = screen[a, 0], screen[a, 1], screen[a, 2]
        bx, by = screen[b, 0] - ax, screen[b, 1] - ay
        cx, cy = screen[c, 0] - ax, screen[c, 1] - ay
        double = bx * cy - by * cx
        if double <= 1e-12:
            visibility[f] = 0.0
            continue
        step_b, step_c = screen[b, 2] - depth_a, screen[c, 2] - depth_a
        slope_x = (step_b * cy - step_c * by) / double
        slope_y = (step_c * bx - step_b * cx) / double
        x, y = ax + (bx + cx) / 3.0, ay + (by + cy) / 3.0
        inverse = depth_a + (step_b + step_c) / 3.0
        to_metres = 1.0 / (inverse * inverse)
        column, row = math.floor(x - 0.5), math.floor(y - 0.5)
        part_x, part_y = x - 0.5 - column, y - 0.5 - row
        own = inverse + slope_x * (column + 0.5 - x) + slope_y * (row + 0.5 - y)
        i, k = int(column), int(row)
        i0, i1 = max(i, 0), min(i + 1, last)
        k0, k1 = max(k, 0), min(k + 1, last)
        seen = (1.0 - part_x) * (1.0 - part_y) * _seen((image[k0, i0] - own) * to_metres)
        seen += part_x * (1.0 - part_y) * _seen((image[k0, i1] - own - slope_x) * to_metres)
        seen += (1.0 - part_x) * part_y * _seen((image[k1, i0] - own - slope_y) * to_metres)
        seen += part_x * part_y * _seen((image[k1, i1] - own - slope_x - slope_y) * to_metres)
        visibility[f] *= seen


@compiled(nogil=True, fastmath=True, error_model="numpy", inline="always")
def _seen(behind_m):  # type: ignore[no-untyped-def]
    return min(1.0, max(0.0, 1.0 - (behind_m - SLACK_M) / RAMP_M))


class DepthView:
    """The work arrays of one surface's depth image, used again from frame to frame.

    Args:
        n_points: points of the surface.
        triangles: (facet 3) int32 rows of points, counter-clockwise as seen from outside.
    """

    __slots__ = ("_image", "_screen", "_triangles")

    def __init__(self, n_points: int, triangles: np.ndarray) -> None:
        self._triangles = triangles
        self._screen = np.empty((n_points, 3))
        self._image = np.empty((image_pixels(len(triangles)),) * 2)

    def multiply(self, visibility: np.ndarray, points: np.ndarray, viewpoint: np.ndarray) -> None:
        """Multiply `visibility` (facet) in place by what is seen of `points` (point xyz) from `viewpoint` (xyz).

        Raises:
            ValueError: part of the surface lies behind the viewpoint or within a millimetre of its plane.
        """
        if not _project(points, viewpoint, len(self._image), self._screen):
            raise ValueError(f"part of the surface lies behind or at the viewpoint {viewpoint} m; move it in front")
        _draw(self._screen, self._triangles, self._image)
        _look(self._screen, self._triangles, self._image, visibility)


def facet_visibility(points: np.ndarray, triangles: np.ndarray, viewpoint: np.ndarray) -> np.ndarray:
    """Return how much of each facet is seen from a point.

    Args:
        points: (point xyz) in metres.
        triangles: (facet 3) rows of points, counter-clockwise as seen from outside.
        viewpoint: (xyz) in metres.

    Returns:
        (facet) 0 (hidden or facing away) to 1.

    Raises:
        ValueError: part of the surface lies behind the viewpoint or within a millimetre of it.

    Example:
        >>> points = np.array([[-1, -1, 0], [1, -1, 0], [0, 1, 0]]) * 0.003
        >>> facet_visibility(points, np.array([[0, 1, 2], [0, 2, 1]]), np.array([0, 0, 0.3]))
        array([1., 0.])
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    triangles = np.ascontiguousarray(triangles, dtype=np.int32)
    visibility = np.ones(len(triangles))
    DepthView(len(points), triangles).multiply(visibility, points, np.asarray(viewpoint, dtype=np.float64))
    return visibility
