"""Changed copies of windows that keep their label (FacER section IV-B-1), made afresh for every batch of training.

Amplitudes are changed before the network's normaliser. The front ends have already divided by the level of the
recording, or of its neutral face, so this gain stands for what is left within a recording.

The paper enlarges its data once, with several views of each sample; here each window has one fresh view per batch. The
paper also shifts the segment by the distance: 3 cm is 0.17 ms, or 28 Hz of beat, which lies below one bin (100 Hz) and
one column (4 ms) of the spectrogram and is left out. Range profiles have `shift_cells`.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from torch import Tensor

Spread = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far windows may be changed; zero leaves them alone.

    Args:
        gain_spread: standard deviation of the multiplier of all magnitudes. The paper draws it with mean 0, which
            would mute one half of the samples and flip the rest's sign: a multiplier has mean 1, and we use that.
        distance_spread: amplitude changes as if the face were nearer or farther by up to this share of its distance,
            by the inverse square, the paper's exponent. That is a law of intensity; for pressure it holds for the
            two-way spreading of a small scatterer.
        turn_phase: multiply complex windows by one random phase each (speaker, microphone and half a wavelength of
            distance leave the phase of all echoes free). Needs real and imaginary channels.
        shift_cells: move the profile by up to this many cells along height, zeros entering.
        noise_spread: standard deviation of added white noise, relative to the window's root mean square.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    gain_spread: Spread = 0.1
    distance_spread: Spread = 0.1
    turn_phase: bool = False
    shift_cells: Annotated[int, Field(ge=0, le=64)] = 0
    noise_spread: Spread = 0.0


NO_AUGMENTATION = Augmentation(gain_spread=0.0, distance_spread=0.0)


def distance_gain(relative_distance: Tensor) -> Tensor:
    """Return the amplitude at a multiple of the first distance, by the inverse square (FacER section IV-B-1).

    Example:
        >>> distance_gain(torch.tensor([1.0, 2.0])).tolist()
        [1.0, 0.25]
    """
    return relative_distance**-2


def turned(windows: Tensor, phase_rad: Tensor) -> Tensor:
    """Return complex windows, stored as real then imaginary channels, times exp(j phase).

    Args:
        windows: (batch channel height time) with an even number of channels.
        phase_rad: (batch)
    """
    real, imaginary = windows.chunk(2, dim=1)
    cosine, sine = phase_rad.cos()[:, None, None, None], phase_rad.sin()[:, None, None, None]
    return torch.cat([real * cosine - imaginary * sine, real * sine + imaginary * cosine], dim=1)


def shifted(windows: Tensor, cells: Tensor) -> Tensor:
    """Return windows moved along height by whole cells, zeros entering.

    Args:
        windows: (batch channel height time)
        cells: (batch) int, positive away from cell 0.
    """
    height = windows.shape[2]
    source = torch.arange(height, device=windows.device)[None, :] - cells[:, None]
    inside = (source >= 0) & (source < height)
    index = source.clamp(0, height - 1)[:, None, :, None].expand_as(windows)
    return windows.gather(2, index) * inside[:, None, :, None]


def augment(windows: Tensor, options: Augmentation, generator: torch.Generator) -> Tensor:
    """Return changed copies of windows, each changed by draws of its own.

    Args:
        windows: (batch channel height time), before normalisation, on the generator's device.
    """
    n_windows = len(windows)
    if options.gain_spread or options.distance_spread:
        gain = 1 + options.gain_spread * torch.randn(n_windows, generator=generator)
        moved = 1 + options.distance_spread * (2 * torch.rand(n_windows, generator=generator) - 1)
        windows = windows * (gain * distance_gain(moved))[:, None, None, None]
    if options.turn_phase:
        windows = turned(windows, 2 * torch.pi * torch.rand(n_windows, generator=generator))
    if options.shift_cells:
        reach = options.shift_cells
        windows = shifted(windows, torch.randint(-reach, reach + 1, (n_windows,), generator=generator))
    if options.noise_spread:
        level = windows.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        noise = torch.randn(windows.shape, generator=generator)
        windows = windows + options.noise_spread * level * noise
    return windows
