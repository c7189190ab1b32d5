# SPDX-License-Identifier: MIT
"""Operations on rasters: smooth noise and blurring."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Fields are made larger by this many pixels and cropped, since a field made by FFT wraps around.
_PAD = 32


@lru_cache(maxsize=64)
def _low_pass(size: int, sigma: float) -> NDArray[np.float64]:
    """Return the Fourier transform of a Gaussian of *sigma* pixels on a square grid."""
    rows = np.fft.fftfreq(size)[:, None]
    columns = np.fft.rfftfreq(size)[None, :]
    return np.exp(-2 * (np.pi * sigma) ** 2 * (rows**2 + columns**2))


def smooth_noise(
    rng: np.random.Generator, num: int, size: int, sigma: float
) -> NDArray[np.float64]:
    """Draw fields (num, size, size) that a Gaussian of *sigma* pixels has smoothed.

    Their mean is zero and their standard deviation 1, up to what the crop changes.
    """
    # float64 throughout: a different FFT or SIMD path then changes no rounded pixel
    full = size + _PAD
    white = rng.standard_normal((num, full, full))
    spectrum = np.fft.rfft2(white) * _low_pass(full, sigma)
    spectrum[:, 0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(full, full))
    field /= field.std(axis=(1, 2), keepdims=True)
    return field[:, :size, :size]


def blur(image: NDArray[np.float64], weight: float = 0.25) -> NDArray[np.float64]:
    """Blur the first two axes by the kernel [w, 1 - 2w, w], edges repeated."""
    for axis in (0, 1):
        image = np.swapaxes(image, 0, axis)
        padded = np.concatenate([image[:1], image, image[-1:]])
        image = (1 - 2 * weight) * image + weight * (padded[:-2] + padded[2:])
        image = np.swapaxes(image, 0, axis)
    return image
