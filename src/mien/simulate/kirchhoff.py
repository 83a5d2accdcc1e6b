"""The Kirchhoff sum over facets, compiled: geometry, lighting, carrier and facet integral, delay bins, Fourier sum.

Per facet and for a source of unit pressure at 1 m, with the convention exp(+j w t),

``H(f) = (j k / 2 pi) rho A v (cos_t + cos_r) / 2  exp(-j k (r_t + r_r)) / (r_t r_r)  g(f)``

where `v` is the visibility, `rho` the reflectivity, and two refinements let facets have edges of 5-6 mm at 23 kHz
where flat ones with the phase of their centroids would need less than 3 mm:

- `g` is the mean of ``exp(-j delta)`` over the facet, delta being the two-way phase less its mean, taken as linear
  between the corners. By Hermite's and Genocchi's theorem that mean is a divided difference of the exponential. With
  corner phases d1 + d2 + d3 = 0, ``a = -(d1 d2 + d2 d3 + d3 d1)`` and ``b = d1 d2 d3``, it is the series
  sum_n 2 (-j)^n h_n / (n + 2)!, whose symmetric polynomials h_n come from 1 / (1 - a t^2 - b t^3): no division, so no
  special cases (Gordon's closed form has three). Ten terms are exact to 0.003 for edges of 0.7 wavelengths.
- the surface bulges from the plane of the facet. A quadratic through the corners whose normals are the mesh's stands
  ``(n_j - n_i) . (p_j - p_i) / 8`` above the middle of each edge and, in the mean over the facet, a third of the sum
  of the three; the range is shortened by that height times (cos_t + cos_r).

The carrier's phase is taken per facet at the centre of the band, the delay is binned linearly on a fine grid, and one
small Fourier sum per frame leads to the frequencies: the cost follows the number of facets, not of frequencies.

References: Pierce, "Acoustics" (2019), section 4-6, the Kirchhoff-Helmholtz integral; Gordon, "Far-field
approximations to the Kirchhoff-Helmholtz representations of scattered fields", IEEE Trans. Antennas Propag. 23 (1975);
de Boor, "Divided differences", Surveys in Approximation Theory 1 (2005), section 8; Vlachos et al., "Curved PN
triangles", I3D 2001, surfaces from corner normals.
"""

import math
from typing import Any

import numpy as np

from mien.simulate.compiled import compiled

GRID_PER_HALF_BAND = 85
"""Delay bins per second over half the band: 192 kHz for 4.5 kHz of band keeps linear binning's error below -60 dB."""

LEAST_HALF_BAND_HZ = 1_000.0
"""Narrower bands are binned as if they were this wide; one tone alone needs no grid."""

MOST_TURNED = 20.0
"""Largest a: a slanting facet of 0.7 wavelengths, whose g is some 0.2. Larger ones count as if they had it."""

_HUGE = 1e300
_COMPILED: dict[str, Any] = {
    "nogil": True,
    "fastmath": True,
    "error_model": "numpy",
    "boundscheck": False,
}


class KirchhoffSum:
    """One surface seen at one set of frequencies; its work arrays are used again from frame to frame.

    Args:
        n_points: points of the surface.
        triangles: (facet 3) int32 rows of points, counter-clockwise as seen from outside.
        frequencies_hz: (freq).
        speed_m_s: speed of sound.
    """

    __slots__ = (
        *("_areas", "_bins", "_center_hz", "_facets", "_frequencies_hz", "_normals", "_points", "_speed_m_s"),
        *("_step_m", "_steps", "_triangles"),
    )

    def __init__(self, n_points: int, triangles: np.ndarray, frequencies_hz: np.ndarray, speed_m_s: float) -> None:
        low_hz, high_hz = frequencies_hz.min(), frequencies_hz.max()
        self._triangles, self._frequencies_hz, self._speed_m_s = triangles, frequencies_hz, speed_m_s
        self._center_hz = (low_hz + high_hz) / 2
        self._step_m = speed_m_s / (GRID_PER_HALF_BAND * max((high_hz - low_hz) / 2, LEAST_HALF_BAND_HZ))
        self._points = np.empty((n_points, 3))
        self._normals, self._areas = np.empty((n_points, 3)), np.empty((len(triangles), 3))
        self._facets = np.empty((5, len(triangles)))
        self._make_bins(256)

    def _make_bins(self, n_bins: int) -> None:
        """Tabulate what each bin contributes off the centre of the band, (bin freq).

        Spreading a delay over two bins multiplies its response by sinc squared in the mean; that is divided out.
        """
        off_turns = (self._frequencies_hz - self._center_hz) * self._step_m / self._speed_m_s
        self._steps = np.exp(-2j * np.pi * np.arange(n_bins)[:, None] * off_turns) / np.sinc(off_turns) ** 2
        self._bins = np.empty((n_bins, 4))

    def place(self, points: np.ndarray) -> None:
        """Take the frame's `points` (point xyz) and compute their normals and the facets' areas."""
        self._points = points
        _measure(points, self._triangles, self._normals, self._areas)

    def fill(self, response: np.ndarray, amplitude: np.ndarray, source: np.ndarray, receiver: np.ndarray) -> float:
        """Fill `response` (freq) for the placed frame and return the distance of the nearest lit facet in metres.

        Args:
            response: (freq) complex128, overwritten.
            amplitude: (facet) reflectivity times visibility.
            source: (xyz) in metres.
            receiver: (xyz) in metres.
        """
        turns_per_m = self._center_hz / self._speed_m_s
        surface = (self._points, self._normals, self._areas, self._triangles)
        n_lit, least_m, most_m, nearest_m = _light(
            *surface, amplitude, source, receiver, 2 * np.pi * turns_per_m, self._facets
        )
        if n_lit == 0:
            response[:] = 0.0
            return _HUGE
        n_bins = int((most_m - least_m) / self._step_m) + 2
        if n_bins > len(self._bins):
            self._make_bins(2 * n_bins)
        bins = self._bins[:n_bins]
        _modulate(self._facets, n_lit, least_m, turns_per_m)
        _collect(self._facets, n_lit, least_m, self._step_m, bins)
        _transform(bins, self._steps, self._frequencies_hz / self._center_hz - 1.0, response)
        turns_per_m = self._frequencies_hz / self._speed_m_s
        response *= 1j * turns_per_m * np.exp(-2j * np.pi * turns_per_m * least_m)
        return nearest_m


@compiled(**_COMPILED)
def mean_edge_m(points, triangles):  # type: ignore[no-untyped-def]
    """Return the mean length of the facets' edges; 0 without facets."""
    total = 0.0
    for f in range(triangles.shape[0]):
        for corner in range(3):
            i, k = triangles[f, corner], triangles[f, (corner + 1) % 3]
            x, y, z = points[i, 0] - points[k, 0], points[i, 1] - points[k, 1], points[i, 2] - points[k, 2]
            total += math.sqrt(x * x + y * y + z * z)
    return total / max(1, 3 * triangles.shape[0])


@compiled(**_COMPILED)
def _measure(points, triangles, normals, areas):  # type: ignore[no-untyped-def]
    """Fill `areas` (facet xyz), twice the area along each facet's normal, and unit `normals` (point xyz)."""
    normals[:] = 0.0
    for f in range(triangles.shape[0]):
        p, q, r = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy, uz = points[q, 0] - points[p, 0], points[q, 1] - points[p, 1], points[q, 2] - points[p, 2]
        vx, vy, vz = points[r, 0] - points[p, 0], points[r, 1] - points[p, 1], points[r, 2] - points[p, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        areas[f, 0], areas[f, 1], areas[f, 2] = nx, ny, nz
        for i in (p, q, r):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(normals.shape[0]):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-200)
        normals[i, 0], normals[i, 1], normals[i, 2] = nx * scale, ny * scale, nz * scale


@compiled(**_COMPILED)
def _light(points, normals, areas, triangles, amplitude, source, receiver, wave_per_m, facets):  # type: ignore[no-untyped-def]
    """List the facets that face both ends in `facets`; return their number, extent of range and nearest distance.

    Rows of `facets`: weight amplitude A (cos_t + cos_r) / 2 / (r_t r_r); range, the mean of r_t + r_r over the curved
    facet, for which the centroid counts 3/4 and the corners 1/4 (exact for a quadratic); a and b of the series above.
    """
    n_lit = 0
    least_m, most_m, nearest_m = _HUGE, -_HUGE, _HUGE
    for f in range(triangles.shape[0]):
        if amplitude[f] == 0.0:
            continue
        p, q, r = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        px, py, pz = points[p, 0], points[p, 1], points[p, 2]
        qx, qy, qz = points[q, 0], points[q, 1], points[q, 2]
        rx, ry, rz = points[r, 0], points[r, 1], points[r, 2]
        nx, ny, nz = areas[f, 0], areas[f, 1], areas[f, 2]
        cx, cy, cz = (px + qx + rx) / 3.0, (py + qy + ry) / 3.0, (pz + qz + rz) / 3.0
        tx, ty, tz = source[0] - cx, source[1] - cy, source[2] - cz
        sx, sy, sz = receiver[0] - cx, receiver[1] - cy, receiver[2] - cz
        facing_t, facing_r = nx * tx + ny * ty + nz * tz, nx * sx + ny * sy + nz * sz
        if facing_t <= 0.0 or facing_r <= 0.0:
            continue
        range_t, range_r = math.sqrt(tx * tx + ty * ty + tz * tz), math.sqrt(sx * sx + sy * sy + sz * sz)
        inverse = 1.0 / (range_t * range_r)
        # |2 A| (cos_t + cos_r)
        lit = (facing_t * range_r + facing_r * range_t) * inverse
        bulge = _rise(points, normals, p, q) + _rise(points, normals, q, r) + _rise(points, normals, r, p)
        closer_m = bulge / 24.0 * lit / math.sqrt(nx * nx + ny * ny + nz * nz)
        at_p, at_q, at_r = (
            _reach(px, py, pz, source, receiver),
            _reach(qx, qy, qz, source, receiver),
            _reach(rx, ry, rz, source, receiver),
        )
        mean_m = (at_p + at_q + at_r) / 3.0
        range_m = 0.75 * (range_t + range_r) + 0.25 * mean_m - closer_m
        d1, d2, d3 = wave_per_m * (at_p - mean_m), wave_per_m * (at_q - mean_m), wave_per_m * (at_r - mean_m)
        facets[0, n_lit] = 0.25 * amplitude[f] * lit * inverse
        facets[1, n_lit] = range_m
        facets[2, n_lit] = 0.5 * (d1 * d1 + d2 * d2 + d3 * d3)
        facets[3, n_lit] = d1 * d2 * d3
        if facets[2, n_lit] > MOST_TURNED:
            part = MOST_TURNED / facets[2, n_lit]
            facets[2, n_lit] = MOST_TURNED
            facets[3, n_lit] *= part * math.sqrt(part)
        least_m, most_m, nearest_m = min(least_m, range_m), max(most_m, range_m), min(nearest_m, range_t, range_r)
        n_lit += 1
    return n_lit, least_m, most_m, nearest_m


@compiled(inline="always", **_COMPILED)
def _rise(points, normals, i, k):  # type: ignore[no-untyped-def]
    """Return (n_k - n_i) . (p_k - p_i): eight times the height of the surface above the middle of an edge."""
    x = (normals[k, 0] - normals[i, 0]) * (points[k, 0] - points[i, 0])
    y = (normals[k, 1] - normals[i, 1]) * (points[k, 1] - points[i, 1])
    return x + y + (normals[k, 2] - normals[i, 2]) * (points[k, 2] - points[i, 2])


@compiled(inline="always", **_COMPILED)
def _reach(x, y, z, source, receiver):  # type: ignore[no-untyped-def]
    """Return the way from source over a point to the receiver."""
    tx, ty, tz = source[0] - x, source[1] - y, source[2] - z
    sx, sy, sz = receiver[0] - x, receiver[1] - y, receiver[2] - z
    return math.sqrt(tx * tx + ty * ty + tz * tz) + math.sqrt(sx * sx + sy * sy + sz * sz)


@compiled(**_COMPILED)
def _modulate(facets, n_lit, least_m, turns_per_m):  # type: ignore[no-untyped-def]
    """Replace weight, a and b by the facet's carrier times g (rows 0 and 2) and times dg / d ln f (rows 3 and 4).

    Sine and cosine are Taylor's polynomials of half the angle, exact to 6e-8, so that the loop runs in vectors.
    """
    weights, ranges, a_row, b_row, slopes = facets[0], facets[1], facets[2], facets[3], facets[4]
    for f in range(n_lit):
        weight, a, b = weights[f], a_row[f], b_row[f]
        turns = (ranges[f] - least_m) * turns_per_m
        half = np.pi * (turns - math.floor(turns + 0.5))
        x = half * half
        sine = 1 - x / 6 * (1 - x / 20 * (1 - x / 42 * (1 - x / 72 * (1 - x / 110))))
        cosine = 1 - x / 2 * (1 - x / 12 * (1 - x / 30 * (1 - x / 56 * (1 - x / 90 * (1 - x / 132)))))
        sine *= half
        carrier, quadrature = weight * (cosine * cosine - sine * sine), -2 * weight * sine * cosine
        h4, h5, h6, h7 = a * a, 2 * a * b, a * a * a + b * b, 3 * a * a * b
        h8, h9, h10 = a * (a * a * a + 3 * b * b), b * (4 * a * a * a + b * b), a * a * (a * a * a + 6 * b * b)
        real = 1 - a / 12 + h4 / 360 - h6 / 20160 + h8 / 1814400 - h10 / 239500800
        imag = b / 60 - h5 / 2520 + h7 / 181440 - h9 / 19958400
        real_slope = -a / 6 + h4 / 90 - h6 / 3360 + h8 / 226800 - h10 / 23950080
        imag_slope = b / 20 - h5 / 504 + h7 / 25920 - h9 / 2217600
        weights[f] = carrier * real - quadrature * imag
        a_row[f] = carrier * imag + quadrature * real
        b_row[f] = carrier * real_slope - quadrature * imag_slope
        slopes[f] = carrier * imag_slope + quadrature * real_slope


@compiled(**_COMPILED)
def _collect(facets, n_lit, least_m, step_m, bins):  # type: ignore[no-untyped-def]
    """Add each facet's real, imaginary, real slope and imaginary slope to the two delay bins around it."""
    bins[:] = 0.0
    steps_per_m = 1.0 / step_m
    for f in range(n_lit):
        place = (facets[1, f] - least_m) * steps_per_m
        i = int(place)
        later = place - i
        sooner = 1.0 - later
        real, imag, real_slope, imag_slope = facets[0, f], facets[2, f], facets[3, f], facets[4, f]
        bins[i, 0] += sooner * real
        bins[i, 1] += sooner * imag
        bins[i, 2] += sooner * real_slope
        bins[i, 3] += sooner * imag_slope
        bins[i + 1, 0] += later * real
        bins[i + 1, 1] += later * imag
        bins[i + 1, 2] += later * real_slope
        bins[i + 1, 3] += later * imag_slope


@compiled(**_COMPILED)
def _transform(bins, steps, off_center, response):  # type: ignore[no-untyped-def]
    """Fill `response` (freq) with the Fourier sum of the bins; `off_center` (freq) is f / center - 1."""
    response[:] = 0.0
    for i in range(bins.shape[0]):
        value = complex(bins[i, 0], bins[i, 1])
        slope = complex(bins[i, 2], bins[i, 3])
        for k in range(response.shape[0]):
            response[k] += steps[i, k] * (value + off_center[k] * slope)
