"""Sound scattered by a moving surface, at a band of frequencies: Kirchhoff scattering with visibility.

The direct path from a source of unit pressure at 1 m would be ``exp(-jkr) / r``; a delay tau multiplies by
``exp(-j 2 pi f tau)``. `kirchhoff` has the equation, `visibility` what hides what. Air absorbs nothing here, source and
receiver are alike in all directions, and each frame stands still (`scene` names what that leaves out).
"""

import math
from collections.abc import Iterator

import numpy as np

from mien.simulate.kirchhoff import KirchhoffSum, mean_edge_m
from mien.simulate.visibility import DepthView

ONE_VIEW_M = 0.025
"""Source and receiver up to this far apart see the same: one depth image from their midpoint serves both."""

NEAREST_M = 0.01
"""A surface nearer than this to source or receiver is refused: physical optics says nothing there."""

_COORDINATES = 3


def channel_frequencies(probe_band_hz: tuple[float, float], step_hz: float = 250.0) -> np.ndarray:
    """Return the frequencies on which a channel is kept: the band with one step beyond each end.

    Args:
        probe_band_hz: lowest and highest frequency emitted.
        step_hz: spacing; 250 Hz tells apart paths that differ by up to 1.37 m (c / step).

    Returns:
        (freq) in Hz.

    Example:
        >>> channel_frequencies((19_000, 23_000))[[0, 1, -1]], len(channel_frequencies((19_000, 23_000)))
        (array([18750., 19000., 23250.]), 19)
    """
    low_hz, high_hz = probe_band_hz
    if not (0 < step_hz < low_hz <= high_hz and math.isfinite(high_hz)):
        raise ValueError(f"a band {probe_band_hz} Hz in steps of {step_hz:g} Hz; need 0 < step < low <= high")
    n_steps = math.ceil((high_hz - low_hz) / step_hz - 1e-9)
    return low_hz + step_hz * np.arange(-1, n_steps + 2)


def scatter_frames(
    vertices: np.ndarray,
    triangles: np.ndarray,
    reflectivity: np.ndarray,
    source: np.ndarray,
    receiver: np.ndarray,
    frequencies_hz: np.ndarray,
    *,
    speed_m_s: float = 343.0,
    visible: bool = True,
) -> np.ndarray:
    """Return the pressure that a moving surface scatters to one or several receivers.

    Every frame is computed by itself, so that a take may be cut into pieces. One core is used; run processes for more.
    Facets should have edges of at most 5-6 mm at 23 kHz (a third of the wavelength).

    Args:
        vertices: (time point xyz) or (point xyz) in metres.
        triangles: (facet 3) rows of points, counter-clockwise as seen from outside.
        reflectivity: (facet) amplitude, 1 for a rigid surface; taper it to 0 towards an open rim.
        source: (xyz) in metres.
        receiver: (xyz) or (receiver xyz) in metres.
        frequencies_hz: (freq).
        speed_m_s: speed of sound.
        visible: drop what the surface hides from source or receiver. Up to `ONE_VIEW_M` apart they share one view
            from their midpoint; farther apart, what either does not see is dropped. False keeps the facing test only.

    Returns:
        (time freq) complex128, or (time receiver freq) for several receivers; without time if `vertices` has none.

    Raises:
        ValueError: a wrong shape, a number that is not finite, a triangle that names no point, edges longer than the
            wavelength in the mean, a surface behind the device or within `NEAREST_M` of it.

    Example:
        A square of 2 x 2 mm at 0.5 m is a point of strength k A / 2 pi, over 0.5 m squared.

        >>> square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 0.001
        >>> device = np.array([0, 0, 0.5])
        >>> pressure = scatter_frames(square, [[0, 1, 2], [0, 2, 3]], [1, 1], device, device, [21_000])
        >>> round(float(abs(pressure[0]) / (21_000 / 343 * 4e-6 / 0.25)), 3)
        1.0
    """
    vertices, triangles, reflectivity = _checked_surface(vertices, triangles, reflectivity)
    source, receivers = _checked_point(source, "source"), _checked_point(receiver, "receiver", several=True)
    frequencies_hz = _checked_frequencies(frequencies_hz)
    if not (math.isfinite(speed_m_s) and speed_m_s > 0):
        raise ValueError(f"speed_m_s is {speed_m_s!r}; a positive speed of sound is needed")
    frames = vertices.reshape(-1, *vertices.shape[-2:])
    _refuse_coarse(frames[0], triangles[reflectivity != 0], speed_m_s / frequencies_hz.max())
    facets = KirchhoffSum(frames.shape[1], triangles, frequencies_hz, speed_m_s)
    views = _Views(frames.shape[1], triangles, source, visible)
    several = receivers.reshape(-1, _COORDINATES)
    responses = np.empty((len(frames), len(several), len(frequencies_hz)), dtype=np.complex128)
    nearest_m = math.inf
    for points, by_receiver in zip(frames, responses, strict=True):
        facets.place(points)
        for amplitude, point, response in zip(views.of(points, several), several, by_receiver, strict=True):
            amplitude *= reflectivity
            nearest_m = min(nearest_m, facets.fill(response, amplitude, source, point))
    if nearest_m < NEAREST_M:
        raise ValueError(
            f"a facet is {nearest_m * 1000:.1f} mm from source or receiver; {NEAREST_M * 1000:g} mm is the least "
            "at which this theory holds: move the surface away"
        )
    return responses.reshape(vertices.shape[:-2] + receivers.shape[:-1] + frequencies_hz.shape)


def _checked_surface(
    vertices: np.ndarray, triangles: np.ndarray, reflectivity: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vertices, triangles, reflectivity = np.asarray(vertices), np.asarray(triangles), np.asarray(reflectivity)
    if vertices.ndim not in (2, 3) or vertices.shape[-1] != _COORDINATES or not vertices.size:
        raise ValueError(f"vertices have shape {vertices.shape}; (time point xyz) or (point xyz) is needed")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu" or not len(triangles):
        raise ValueError(
            f"triangles are {triangles.dtype} of shape {triangles.shape}; whole numbers (facet 3) are needed"
        )
    if reflectivity.dtype.kind not in "fiu":
        raise ValueError(f"reflectivity is {reflectivity.dtype}; a real amplitude for each facet is needed")
    if reflectivity.shape != triangles.shape[:1]:
        raise ValueError(f"reflectivity has shape {reflectivity.shape} for {len(triangles)} facets; (facet) is needed")
    n_points = vertices.shape[-2]
    if triangles.min() < 0 or triangles.max() >= n_points:
        raise ValueError(f"triangles name points {triangles.min()} to {triangles.max()}; there are 0 to {n_points - 1}")
    vertices = np.ascontiguousarray(vertices, dtype=np.float64)
    reflectivity = reflectivity.astype(np.float64)
    # a sum is finite only if every term is, and takes no array of its own
    if not (np.isfinite(vertices.sum()) and np.isfinite(reflectivity.sum())):
        raise ValueError("vertices or reflectivity hold NaN or infinity; every number must be finite")
    return vertices, np.ascontiguousarray(triangles, dtype=np.int32), reflectivity


def _refuse_coarse(points: np.ndarray, triangles: np.ndarray, wavelength_m: float) -> None:
    edge_m = mean_edge_m(points, triangles)
    if edge_m > wavelength_m:
        raise ValueError(
            f"facets have edges of {edge_m * 1000:.4g} mm in the mean; {wavelength_m * 1000:.1f} mm, one wavelength, "
            "is the most allowed and a third of it is accurate: refine the mesh, and check that it is in metres"
        )


def _checked_point(point: np.ndarray, name: str, several: bool = False) -> np.ndarray:
    point = np.ascontiguousarray(point, dtype=np.float64)
    if point.shape[-1:] != (_COORDINATES,) or point.ndim not in ((1, 2) if several else (1,)) or not point.size:
        allowed = f"(xyz) or ({name} xyz)" if several else "(xyz)"
        raise ValueError(f"{name} has shape {point.shape}; {allowed} is needed")
    if not np.isfinite(point).all():
        raise ValueError(f"{name} {point} holds NaN or infinity; every number must be finite")
    return point


def _checked_frequencies(frequencies_hz: np.ndarray) -> np.ndarray:
    frequencies_hz = np.ascontiguousarray(frequencies_hz, dtype=np.float64)
    if frequencies_hz.ndim != 1 or not frequencies_hz.size:
        raise ValueError(f"frequencies_hz has shape {frequencies_hz.shape}; (freq) with at least one is needed")
    if not (np.isfinite(frequencies_hz).all() and frequencies_hz.min() > 0):
        raise ValueError("frequencies_hz must all be positive and finite")
    return frequencies_hz


class _Views:
    """What each receiver's sound can reach of a surface, frame by frame."""

    __slots__ = ("_from_source", "_source", "_view", "_visibility", "_visible")

    def __init__(self, n_points: int, triangles: np.ndarray, source: np.ndarray, visible: bool) -> None:
        self._view = DepthView(n_points, triangles)
        self._source, self._visible = source, visible
        self._visibility, self._from_source = np.ones(len(triangles)), np.ones(len(triangles))

    def of(self, points: np.ndarray, receivers: np.ndarray) -> Iterator[np.ndarray]:
        """Yield (facet) visibility 0 to 1 for each receiver; the array is used again for the next."""
        source_seen = False
        for receiver in receivers:
            self._visibility[:] = 1.0
            if self._visible and np.linalg.norm(receiver - self._source) <= ONE_VIEW_M:
                self._view.multiply(self._visibility, points, (self._source + receiver) / 2)
            elif self._visible:
                if not source_seen:
                    self._from_source[:] = 1.0
                    self._view.multiply(self._from_source, points, self._source)
                    source_seen = True
                self._visibility[:] = self._from_source
                self._view.multiply(self._visibility, points, receiver)
            yield self._visibility
