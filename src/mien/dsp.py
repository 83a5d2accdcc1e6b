"""Signal processing that several rooms need: zero-phase filters, analytic signal, fractional delay, resampling.

All functions are pure and linear in `samples`, work along the last axis (time) and return float64 (or complex128).
Filters multiply the spectrum by a real gain, so that no frequency is delayed: an echo's phase is the thing measured,
and half a degree of it is 0.01 mm of face.
"""

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy import fft, signal

ABSOLUTE_ZERO_C = -273.15


def speed_of_sound(temperature_c: float = 20.0) -> float:
    """Return the speed of sound in dry air, ``331.3 sqrt(1 + temperature / 273.15)`` in m/s.

    Raises:
        ValueError: a temperature at or below absolute zero.

    Example:
        >>> round(speed_of_sound(20.0), 1), round(speed_of_sound(0.0), 1)
        (343.2, 331.3)

    References: Cramer, J. Acoust. Soc. Am. 93 (1993); the ideal-gas form is within 0.1 % of it from 0 to 40 C.
    """
    if not temperature_c > ABSOLUTE_ZERO_C:
        raise ValueError(f"temperature_c is {temperature_c!r}; it must lie above {ABSOLUTE_ZERO_C}")
    return 331.3 * math.sqrt(1 + temperature_c / 273.15)


def raised_cosine_step(position: np.ndarray, start: float, stop: float) -> np.ndarray:
    """Return 0 up to `start`, 1 from `stop`, and half a cosine between them. Shape in, shape out.

    Example:
        >>> raised_cosine_step(np.array([0.0, 1.0, 1.5, 2.0, 9.0]), 1.0, 2.0).round(3).tolist()
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    if stop <= start:
        return (np.asarray(position) >= stop).astype(np.float64)
    return 0.5 - 0.5 * np.cos(np.pi * np.clip((np.asarray(position) - start) / (stop - start), 0.0, 1.0))


def band_gain(freq_hz: np.ndarray, low_hz: float, high_hz: float, skirt_hz: float) -> np.ndarray:
    """Return a gain of 1 from `low_hz` to `high_hz` that falls to 0 within `skirt_hz` outside. Shape in, shape out."""
    rise = raised_cosine_step(freq_hz, low_hz - skirt_hz, low_hz)
    return rise * (1 - raised_cosine_step(freq_hz, high_hz, high_hz + skirt_hz))


def _check_band(low_hz: float, high_hz: float, rate_hz: float) -> None:
    if not 0 <= low_hz < high_hz <= rate_hz / 2:
        raise ValueError(
            f"a band from {low_hz:g} to {high_hz:g} Hz was asked for at {rate_hz:g} Hz; "
            f"it must rise and lie between 0 and {rate_hz / 2:g} Hz"
        )


def _padded_length(n_samples: int, rate_hz: float, skirt_hz: float) -> int:
    # A skirt of width w rings for about 1 / w; as much silence keeps the end from ringing into the start.
    return fft.next_fast_len(n_samples + math.ceil(2 * rate_hz / skirt_hz), real=True)


def band_pass(
    samples: np.ndarray, rate_hz: float, low_hz: float, high_hz: float, skirt_hz: float = 200.0
) -> np.ndarray:
    """Keep a band without delaying any frequency.

    Args:
        samples: (... time).
        rate_hz: samples per second.
        low_hz, high_hz: the band that passes unchanged.
        skirt_hz: over this width outside the band the gain falls to zero along a raised cosine.

    Returns:
        (... time) float64.

    Raises:
        ValueError: a band that does not rise or passes half the rate.

    Example:
        >>> time_s = np.arange(4800) / 48000
        >>> tones = np.sin(2 * np.pi * 21000 * time_s) + np.sin(2 * np.pi * 15000 * time_s)
        >>> error = band_pass(tones, 48000, 19000, 23000)[1000:-1000] - np.sin(2 * np.pi * 21000 * time_s[1000:-1000])
        >>> bool(np.abs(error).max() < 0.01)
        True
    """
    _check_band(low_hz, high_hz, rate_hz)
    n_samples = np.shape(samples)[-1]
    n_padded = _padded_length(n_samples, rate_hz, skirt_hz)
    spectrum = fft.rfft(np.asarray(samples, dtype=np.float64), n_padded)
    spectrum *= band_gain(fft.rfftfreq(n_padded, 1 / rate_hz), low_hz, high_hz, skirt_hz)
    return fft.irfft(spectrum, n_padded)[..., :n_samples]


def high_pass(samples: np.ndarray, rate_hz: float, low_hz: float, skirt_hz: float = 500.0) -> np.ndarray:
    """Remove what lies below `low_hz` without delaying any frequency; gone altogether below ``low_hz - skirt_hz``.

    Args:
        samples: (... time).

    Returns:
        (... time) float64.

    Raises:
        ValueError: `low_hz` at or above half the rate.
    """
    _check_band(low_hz, rate_hz / 2, rate_hz)
    n_samples = np.shape(samples)[-1]
    n_padded = _padded_length(n_samples, rate_hz, skirt_hz)
    spectrum = fft.rfft(np.asarray(samples, dtype=np.float64), n_padded)
    spectrum *= raised_cosine_step(fft.rfftfreq(n_padded, 1 / rate_hz), low_hz - skirt_hz, low_hz)
    return fft.irfft(spectrum, n_padded)[..., :n_samples]


def analytic(samples: np.ndarray) -> np.ndarray:
    """Return the analytic signal: the samples as real part, their Hilbert transform as imaginary part.

    Args:
        samples: (... time) real.

    Returns:
        (... time) complex128, without negative frequencies. The record is taken as periodic.

    Example:
        >>> time_s = np.arange(480) / 48000
        >>> bool(np.allclose(analytic(np.cos(2 * np.pi * 1000 * time_s)), np.exp(2j * np.pi * 1000 * time_s)))
        True
    """
    samples = np.asarray(samples, dtype=np.float64)
    n_samples = samples.shape[-1]
    gain = np.zeros(n_samples)
    gain[0] = 1
    gain[1 : (n_samples + 1) // 2] = 2
    if n_samples % 2 == 0:
        gain[n_samples // 2] = 1
    return fft.ifft(fft.fft(samples) * gain)


def fractional_delay(samples: np.ndarray, delay_samples: float) -> np.ndarray:
    """Delay by any number of samples with band-limited interpolation: ``exp(-j 2 pi f delay)`` on the spectrum.

    What is shifted out at one end is lost, and silence comes in at the other.

    Args:
        samples: (... time).
        delay_samples: positive is later.

    Returns:
        (... time) float64.

    Example:
        >>> fractional_delay(np.array([1.0, 2.0, 3.0, 4.0]), 1).round(9).tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    samples = np.asarray(samples, dtype=np.float64)
    n_samples = samples.shape[-1]
    whole = math.floor(delay_samples)
    n_padded = fft.next_fast_len(n_samples + abs(whole) + 256, real=True)
    spectrum = fft.rfft(samples, n_padded)
    spectrum *= np.exp(-2j * np.pi * fft.rfftfreq(n_padded) * delay_samples)
    return fft.irfft(spectrum, n_padded)[..., :n_samples]


@lru_cache(maxsize=1)
def _kaiser_window() -> tuple[np.ndarray, np.ndarray]:
    """Return positions from 0 (middle) to 1 (edge) and a Kaiser window (beta 9) there, for interpolation to 1e-7."""
    position = np.linspace(0.0, 1.0, 8193)
    return position, np.i0(9.0 * np.sqrt(1 - position**2)) / np.i0(9.0)


def _kaiser_sinc(offset: np.ndarray, half_width: int, cutoff: float) -> np.ndarray:
    return cutoff * np.sinc(cutoff * offset) * np.interp(np.abs(offset) / half_width, *_kaiser_window(), right=0.0)


def resample(samples: np.ndarray, ratio: float, half_width: int = 64) -> np.ndarray:
    """Return the signal at `ratio` times its rate, for any ratio (1.0001 corrects a clock by 100 ppm).

    ``y(n) = x(n / ratio)`` by a windowed sinc of ``2 half_width`` samples (Kaiser, beta 9: -90 dB), exact to that
    level up to 0.47 of the lower of the two rates.

    Args:
        samples: (... time).
        ratio: new rate divided by old rate.

    Returns:
        (... time) float64 of ``ceil(time * ratio)`` samples.

    Raises:
        ValueError: a ratio that is not a positive number.

    Example:
        >>> tone = np.sin(2 * np.pi * 0.4 * np.arange(4000))
        >>> error = resample(tone, 1.0003)[500:3500] - np.sin(2 * np.pi * 0.4 * np.arange(500, 3500) / 1.0003)
        >>> bool(np.abs(error).max() < 1e-4)
        True
    """
    if not (math.isfinite(ratio) and ratio > 0):
        raise ValueError(f"ratio is {ratio!r}; a positive number is needed")
    samples = np.asarray(samples, dtype=np.float64)
    cutoff = min(1.0, ratio)
    half_width = math.ceil(half_width / cutoff)
    n_out = math.ceil(samples.shape[-1] * ratio)
    padded = np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(half_width, half_width + 1)])
    taps = np.arange(1 - half_width, half_width + 1)
    out = np.empty((*samples.shape[:-1], n_out))
    for start in range(0, n_out, 8192):
        position = np.arange(start, min(start + 8192, n_out)) / ratio
        whole = np.floor(position).astype(np.int64)
        kernel = _kaiser_sinc(taps - (position - whole)[:, None], half_width, cutoff)
        around = padded[..., np.minimum(whole[:, None] + taps + half_width, padded.shape[-1] - 1)]
        out[..., start : start + len(position)] = np.einsum("...nt,nt->...n", around, kernel)
    return out


SURVIVES = 0.49
"""Of the lower rate: a band up to here is kept by `resample_rate` to 0.01 dB."""

_MOST_PHASES = 2_000


def resample_rate(samples: np.ndarray, rate_hz: int, new_rate_hz: int) -> np.ndarray:
    """Return the signal at another whole rate, delayed by nothing, exact to -80 dB up to 0.49 of the lower rate.

    A polyphase filter where the rates have a small ratio, else `resample`. soxr is not used: its best recipe is 8 dB
    down at 23 kHz of 48 kHz, where the paper's chirp ends.

    Args:
        samples: (... time).

    Returns:
        (... time) float64 of ``ceil(time * new_rate / rate)`` samples.

    Example:
        >>> tone = np.sin(2 * np.pi * 23_000 * np.arange(96_000) / 96_000)
        >>> error = resample_rate(tone, 96_000, 48_000)[2000:-2000] - tone[::2][2000:-2000]
        >>> bool(np.abs(error).max() < 1e-4)
        True
    """
    ratio = Fraction(int(new_rate_hz), int(rate_hz))
    up, down = ratio.numerator, ratio.denominator
    if max(up, down) > _MOST_PHASES:
        return resample(samples, float(ratio), half_width=256)
    # At `up` times the old rate, the lower of the two Nyquist frequencies lies at 1 / (2 max(up, down)).
    most = max(up, down)
    width = 2 * (0.5 - SURVIVES) / most
    n_taps = 2 * math.ceil((90 - 7.95) / (2.285 * 2 * np.pi * width) / 2) + 1  # Kaiser's formula for -90 dB
    taps = signal.firwin(n_taps, 1 / most, window=("kaiser", 9.0))
    return signal.resample_poly(np.asarray(samples, dtype=np.float64), up, down, axis=-1, window=taps)
