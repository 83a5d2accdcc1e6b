"""Sound scattered by a surface: Kirchhoff (physical-optics) scattering from a triangle mesh.

Each facet that faces source and receiver adds, for a source of unit pressure at 1 m (the direct path would be
``exp(-jkr) / r``),

``H(f) = (j k / 2 pi) rho A v (cos_t + cos_r) / 2  exp(-j k (r_t + r_r)) / (r_t r_r)  g(f)``

with the convention exp(+j w t), so that a delay multiplies by ``exp(-j 2 pi f tau)``. The field of the incident wave
is doubled on the lit side of a rigid surface and carried to the receiver by the Kirchhoff-Helmholtz integral; taking
the mean of the two cosines makes it reciprocal. `v` is the visibility, `rho` the reflectivity, and `g` the mean of
``exp(-j delta)`` over the facet, where delta, the two-way phase less its mean, is taken as linear between corners.
By Hermite's and Genocchi's theorem that mean is a divided difference; with corner phases d1 + d2 + d3 = 0,
``a = -(d1 d2 + d2 d3 + d3 d1)`` and ``b = d1 d2 d3``, it is the series sum_n 2 (-j)^n h_n / (n + 2)! with the complete
symmetric polynomials h_n of the three, which need only a and b: no division, so no special cases, for facets of up
to half a wavelength. So edges of 5-6 mm do at 23 kHz, where the centroid alone would need 3 mm.

The carrier's phase is taken per facet at the centre of the band, the delay is binned linearly on a fine grid, and one
small Fourier sum per frame leads to the frequencies: the cost follows the number of facets, not of frequencies.

References: Pierce, "Acoustics" (2019), section 4-6, the Kirchhoff-Helmholtz integral; Gordon, "Far-field
approximations to the Kirchhoff-Helmholtz representations of scattered fields", IEEE Trans. Antennas Propag. 23 (1975).
"""

import math
from collections.abc import Iterator

import numpy as np
from numba import njit

from mien.simulate.visibility import DepthView

ONE_VIEW_M = 0.025
"""Source and receiver up to this far apart see the same: one depth image from their midpoint serves both."""

NEAREST_M = 0.01
"""A surface nearer than this to source or receiver is refused: physical optics says nothing there."""

GRID_PER_HALF_BAND = 85
"""Delay bins per second over half the band: 192 kHz for 4.5 kHz of band keeps linear binning's error below -60 dB."""

_COORDINATES = 3
_HUGE = 1e300


def channel_frequencies(probe_band_hz: tuple[float, float], step_hz: float = 250.0) -> np.ndarray:
    """Return the frequencies on which a channel is kept: the band with one step beyond each end.

    Args:
        probe_band_hz: lowest and highest frequency emitted.
        step_hz: spacing; 250 Hz holds echoes from up to 0.6 m of path difference twice over.

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
        ValueError: a wrong shape, a number that is not finite, a triangle that names no point, a surface behind the
            device or within `NEAREST_M` of it.

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
    band = _Band(frequencies_hz, speed_m_s, len(triangles))
    views = _Views(frames.shape[1], triangles, source, visible)
    several = receivers.reshape(-1, _COORDINATES)
    responses = np.empty((len(frames), len(several), len(frequencies_hz)), dtype=np.complex128)
    for points, by_receiver in zip(frames, responses, strict=True):
        for visibility, point, response in zip(views.of(points, several), several, by_receiver, strict=True):
            visibility *= reflectivity
            band.fill(response, points, triangles, visibility, source, point)
    return responses.reshape(vertices.shape[:-2] + receivers.shape[:-1] + frequencies_hz.shape)


def _checked_surface(
    vertices: np.ndarray, triangles: np.ndarray, reflectivity: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vertices, triangles = np.asarray(vertices), np.asarray(triangles)
    reflectivity = np.ascontiguousarray(reflectivity, dtype=np.float64)
    if vertices.ndim not in (2, 3) or vertices.shape[-1] != _COORDINATES:
        raise ValueError(f"vertices have shape {vertices.shape}; (time point xyz) or (point xyz) is needed")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu" or not len(triangles):
        raise ValueError(
            f"triangles are {triangles.dtype} of shape {triangles.shape}; whole numbers (facet 3) are needed"
        )
    if reflectivity.shape != triangles.shape[:1]:
        raise ValueError(f"reflectivity has shape {reflectivity.shape} for {len(triangles)} facets; (facet) is needed")
    n_points = vertices.shape[-2]
    if triangles.min() < 0 or triangles.max() >= n_points:
        raise ValueError(f"triangles name points {triangles.min()} to {triangles.max()}; there are 0 to {n_points - 1}")
    vertices = np.ascontiguousarray(vertices, dtype=np.float64)
    if not (np.isfinite(vertices).all() and np.isfinite(reflectivity).all()):
        raise ValueError("vertices or reflectivity hold NaN or infinity; every number must be finite")
    return vertices, np.ascontiguousarray(triangles, dtype=np.int32), reflectivity


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


class _Band:
    """The frequencies of a response, the delay bins that lead to them and their work arrays."""

    __slots__ = ("_bins", "_center_hz", "_facets", "_frequencies_hz", "_speed_m_s", "_step_m", "_steps")

    def __init__(self, frequencies_hz: np.ndarray, speed_m_s: float, n_facets: int) -> None:
        low_hz, high_hz = frequencies_hz.min(), frequencies_hz.max()
        self._frequencies_hz, self._speed_m_s = frequencies_hz, speed_m_s
        self._center_hz = (low_hz + high_hz) / 2
        self._step_m = speed_m_s / (GRID_PER_HALF_BAND * max((high_hz - low_hz) / 2, 1_000.0))
        self._facets = np.empty((4, n_facets))
        self._make_bins(256)

    def _make_bins(self, n_bins: int) -> None:
        """Tabulate what each bin contributes off the centre of the band, (bin freq).

        Spreading a delay over two bins multiplies its response by sinc squared in the mean; that is divided out.
        """
        off_turns = (self._frequencies_hz - self._center_hz) * self._step_m / self._speed_m_s
        self._steps = np.exp(-2j * np.pi * np.arange(n_bins)[:, None] * off_turns) / np.sinc(off_turns) ** 2
        self._bins = np.empty((n_bins, 4))

    def fill(
        self,
        response: np.ndarray,
        points: np.ndarray,
        triangles: np.ndarray,
        amplitude: np.ndarray,
        source: np.ndarray,
        receiver: np.ndarray,
    ) -> None:
        """Fill `response` (freq) for one frame, whose facets scatter with `amplitude` (facet), 0 for those not seen."""
        wave_per_m = 2 * np.pi * self._center_hz / self._speed_m_s
        n_lit, least_m, most_m, nearest_m = _light(
            points, triangles, amplitude, source, receiver, wave_per_m, self._facets
        )
        if n_lit == 0:
            response[:] = 0.0
            return
        if nearest_m < NEAREST_M:
            raise ValueError(
                f"a facet is {nearest_m * 1000:.1f} mm from source or receiver; "
                f"{NEAREST_M * 1000:g} mm is the least at which this theory holds: move the surface away"
            )
        n_bins = int((most_m - least_m) / self._step_m) + 2
        if n_bins > len(self._bins):
            self._make_bins(2 * n_bins)
        bins = self._bins[:n_bins]
        _collect(self._facets, n_lit, least_m, self._step_m, self._center_hz / self._speed_m_s, bins)
        _transform(bins, self._steps, self._frequencies_hz, self._center_hz, response)
        turns = self._frequencies_hz / self._speed_m_s
        response *= 1j * turns * np.exp(-2j * np.pi * turns * least_m)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", boundscheck=False)
def _light(points, triangles, amplitude, source, receiver, wave_per_m, facets):  # type: ignore[no-untyped-def]
    """List the facets that face both ends: (weight, range, a, b) in `facets`; return their number and range's extent.

    The weight is rho A v (cos_t + cos_r) / 2 / (r_t r_r); the range is the mean of r_t + r_r over the facet, for which
    the centroid counts 3/4 and the corners 1/4 (exact for a quadratic); a and b are those of the module's series.
    """
    n_lit = 0
    least_m, most_m, nearest_m = _HUGE, -_HUGE, _HUGE
    for f in range(triangles.shape[0]):
        weight = amplitude[f]
        if weight == 0.0:
            continue
        p, q, r = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        px, py, pz = points[p, 0], points[p, 1], points[p, 2]
        qx, qy, qz = points[q, 0], points[q, 1], points[q, 2]
        rx, ry, rz = points[r, 0], points[r, 1], points[r, 2]
        ux, uy, uz = qx - px, qy - py, qz - pz
        vx, vy, vz = rx - px, ry - py, rz - pz
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        cx, cy, cz = px + (ux + vx) / 3.0, py + (uy + vy) / 3.0, pz + (uz + vz) / 3.0
        tx, ty, tz = source[0] - cx, source[1] - cy, source[2] - cz
        sx, sy, sz = receiver[0] - cx, receiver[1] - cy, receiver[2] - cz
        facing_t, facing_r = nx * tx + ny * ty + nz * tz, nx * sx + ny * sy + nz * sz
        if facing_t <= 0.0 or facing_r <= 0.0:
            continue
        range_t, range_r = math.sqrt(tx * tx + ty * ty + tz * tz), math.sqrt(sx * sx + sy * sy + sz * sz)
        nearest_m = min(nearest_m, range_t, range_r)
        at_p = _reach(px, py, pz, source, receiver)
        at_q = _reach(qx, qy, qz, source, receiver)
        at_r = _reach(rx, ry, rz, source, receiver)
        mean_m = (at_p + at_q + at_r) / 3.0
        range_m = 0.75 * (range_t + range_r) + 0.25 * mean_m
        d1, d2, d3 = wave_per_m * (at_p - mean_m), wave_per_m * (at_q - mean_m), wave_per_m * (at_r - mean_m)
        inverse = 1.0 / (range_t * range_r)
        facets[0, n_lit] = 0.25 * weight * (facing_t * range_r + facing_r * range_t) * inverse * inverse
        facets[1, n_lit] = range_m
        facets[2, n_lit] = 0.5 * (d1 * d1 + d2 * d2 + d3 * d3)
        facets[3, n_lit] = d1 * d2 * d3
        least_m, most_m = min(least_m, range_m), max(most_m, range_m)
        n_lit += 1
    return n_lit, least_m, most_m, nearest_m


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _reach(x, y, z, source, receiver):  # type: ignore[no-untyped-def]
    tx, ty, tz = source[0] - x, source[1] - y, source[2] - z
    sx, sy, sz = receiver[0] - x, receiver[1] - y, receiver[2] - z
    return math.sqrt(tx * tx + ty * ty + tz * tz) + math.sqrt(sx * sx + sy * sy + sz * sz)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", boundscheck=False)
def _collect(facets, n_lit, least_m, step_m, cycles_per_m, bins):  # type: ignore[no-untyped-def]
    """Add each facet's carrier, times g and times dg/d(ln f), to the two delay bins around it."""
    bins[:] = 0.0
    for f in range(n_lit):
        weight, range_m, a, b = facets[0, f], facets[1, f], facets[2, f], facets[3, f]
        excess_m = range_m - least_m
        turns = excess_m * cycles_per_m
        angle = 2 * np.pi * (turns - math.floor(turns))
        cosine, sine = weight * math.cos(angle), -weight * math.sin(angle)
        real = 1.0 - a / 12.0 + a * a / 360.0 - (a * a * a + b * b) / 20160.0 + a * (a * a * a + 3 * b * b) / 1814400.0
        imag = b * (1.0 / 60.0 - a / 1260.0 + a * a / 60480.0)
        real_slope = -a / 6.0 + a * a / 90.0 - (a * a * a + b * b) / 3360.0 + a * (a * a * a + 3 * b * b) / 226800.0
        imag_slope = b * (1.0 / 20.0 - a / 252.0 + a * a / 8640.0)
        place = excess_m / step_m
        i = int(place)
        later = place - i
        sooner = 1.0 - later
        re, im = cosine * real - sine * imag, cosine * imag + sine * real
        re_slope, im_slope = cosine * real_slope - sine * imag_slope, cosine * imag_slope + sine * real_slope
        bins[i, 0] += sooner * re
        bins[i, 1] += sooner * im
        bins[i, 2] += sooner * re_slope
        bins[i, 3] += sooner * im_slope
        bins[i + 1, 0] += later * re
        bins[i + 1, 1] += later * im
        bins[i + 1, 2] += later * re_slope
        bins[i + 1, 3] += later * im_slope


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", boundscheck=False)
def _transform(bins, steps, frequencies_hz, center_hz, response):  # type: ignore[no-untyped-def]
    """Fill `response` (freq) with the Fourier sum of the delay bins off the centre of the band."""
    response[:] = 0.0
    for i in range(bins.shape[0]):
        base = complex(bins[i, 0], bins[i, 1])
        slope = complex(bins[i, 2], bins[i, 3])
        for k in range(len(frequencies_hz)):
            response[k] += steps[i, k] * (base + (frequencies_hz[k] / center_hz - 1.0) * slope)
