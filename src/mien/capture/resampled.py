"""A stream at another rate, resampled as it comes: the same samples as of the whole, a tenth of a second later."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from mien.capture.soundcard import Block
from mien.capture.sources import BLOCK_S, Source
from mien.dsp import resample_rate

EDGE_S = 0.01
"""The filter reaches 3 ms to either side; so much is resampled with each piece and thrown away."""

LARGEST_STEP_S = 0.05
"""Pieces must hold whole numbers of samples at both rates: of 47,999 and 48,000 Hz that is a whole second."""


def can_be_resampled(rate_hz: int, new_rate_hz: int) -> bool:
    """Return whether the rates have short pieces in common.

    Example:
        >>> [can_be_resampled(rate_hz, 48_000) for rate_hz in (96_000, 88_200, 50_000, 47_999)]
        [True, True, True, False]
    """
    return Fraction(new_rate_hz, rate_hz).denominator <= LARGEST_STEP_S * rate_hz


def resampled(source: Source, rate_hz: int) -> Source:
    """Return a source without gaps (a file, a pipe) at another rate."""
    return replace(source, rate_hz=rate_hz, blocks=_blocks(source, Fraction(rate_hz, source.rate_hz)))


def _blocks(source: Source, ratio: Fraction) -> Iterator[Block]:
    down = ratio.denominator
    n_edge, n_step = (down * max(1, round(length_s * source.rate_hz / down)) for length_s in (EDGE_S, BLOCK_S))
    held = np.zeros((source.n_channels, n_edge), np.float32)
    n_in, n_out, clipped = 0, 0, False

    def pieces() -> Iterator[Block]:
        nonlocal held, clipped, n_out
        while held.shape[1] >= n_step + 2 * n_edge:
            made = resample_rate(held[:, : n_step + 2 * n_edge], source.rate_hz, round(source.rate_hz * ratio))
            first = int(n_edge * ratio)
            made = made[:, first : first + int(n_step * ratio)].astype(np.float32)
            yield Block(made, n_out, clipped=clipped)
            held, clipped, n_out = held[:, n_step:], False, n_out + made.shape[1]

    for block in source.blocks:
        held, clipped = np.concatenate([held, block.samples], axis=1), clipped or block.clipped
        n_in += block.samples.shape[1]
        yield from pieces()
    held = np.pad(held, ((0, 0), (0, n_step + n_edge)))
    n_whole = -(-n_in * ratio.numerator // down)
    for piece in pieces():
        if piece.first_sample < n_whole:
            yield replace(piece, samples=piece.samples[:, : n_whole - piece.first_sample])
