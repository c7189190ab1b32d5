# SPDX-License-Identifier: MIT
"""Units of images: what their numbers mean, how they are converted, and what does not fit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..sample import TITLES

# C bands, H/W pixels

DB, POWER = 'dB', 'linear power'
REFLECTANCE, REFLECTANCE_DN = 'reflectance', 'reflectance x 10,000'
EIGHT_BIT, UNKNOWN = 'digital numbers 0..255', 'unknown'

#: Least and greatest value that pixels of each unit can have; others have no data.
RANGES = {
    DB: (-100.0, 60.0),
    POWER: (0.0, 1e6),
    REFLECTANCE: (-0.5, 4.0),
    REFLECTANCE_DN: (-5000.0, 40_000.0),
    EIGHT_BIT: (0.0, 255.0),
    UNKNOWN: (-1e6, 1e6),
}

#: Reflectance that 8-bit pictures show as 255.
WHITE = 0.3


class Scale(NamedTuple):
    """What the pixels of a user's files are: the modality, and the unit they come to.

    That is ``factor * x + offset``, or of *decibels* ``factor * log10(x)``.
    """

    modality: str
    unit: str
    factor: float = 1.0
    offset: float = 0.0
    decibels: bool = False


#: Scales that users can name.
SCALES = {
    'dB': Scale('sar', DB),
    'linear': Scale('sar', DB, 10.0, decibels=True),
    'amplitude': Scale('sar', DB, 20.0, decibels=True),
    '8bit': Scale('optical', EIGHT_BIT),
    'reflectance': Scale('optical', REFLECTANCE),
    'sentinel2-l2a': Scale('optical', REFLECTANCE_DN),
    'sentinel2-l2a-offset': Scale('optical', REFLECTANCE_DN, offset=-1000.0),
}

# What an optical unit is in reflectance
_REFLECTANCE = {REFLECTANCE: 1.0, REFLECTANCE_DN: 1e-4, EIGHT_BIT: WHITE / 255}

#: Names of bands, by how files call them.
_NAMES = {'b02': 'blue', 'b03': 'green', 'b04': 'red', 'b2': 'blue', 'b3': 'green'}
_NAMES |= {'b4': 'red', 'b08': 'nir', 'b8': 'nir'}
_NAMES |= {name: name for name in ('red', 'green', 'blue', 'nir')}
_NAMES |= {name.lower(): name for name in ('VV', 'VH', 'HH', 'HV')}

#: Names of bands in the order that models take them, by modality and number of bands.
ORDER = {('optical', 3): ('red', 'green', 'blue'), ('sar', 2): ('VV', 'VH')}


def band_names(descriptions: Sequence[str | None]) -> tuple[str, ...]:
    """Return the standard names of bands that files describe; '' for what is not known."""

    def name(text: str | None) -> str:
        words = (text or '').lower().replace('-', '_').replace(' ', '_').split('_')
        found = [_NAMES[word] for word in words if word in _NAMES]
        return found[0] if len(found) == 1 else ''

    return tuple(name(text) for text in descriptions)


def verify_order(path: str, modality: str, names: Sequence[str]) -> None:
    """Raise a ValueError if the bands of a file are named, and others than expected."""
    expected = ORDER.get((modality, len(names)))
    if expected and all(names) and tuple(names) != expected:
        way_out = 'bring them into that order'
        if modality == 'optical' and set(names) == set(expected):
            order = ' '.join(str(names.index(name) + 1) for name in expected)
            way_out = f'choose them with optical_bands {order}'
        raise ValueError(
            f'the bands of {path} are {", ".join(names)}, expected '
            f'{", ".join(expected)}: {way_out}'
        )


def verify_scales(scales: Mapping[str, str | None]) -> dict[str, str]:
    """Return the scales that are given, by modality; ValueError for one of no such name."""
    given = {modality: name for modality, name in scales.items() if name is not None}
    for modality, name in given.items():
        known = [key for key, scale in SCALES.items() if scale.modality == modality]
        if name not in known:
            raise ValueError(f'{modality}_scale must be one of {known}, got {name!r}')
    return given


def convert(image: Tensor, scale: str | None, unit: str | None = None) -> Tensor:
    """Convert an image (..., C, H, W) float32 of a scale to a unit (defaults to the scale's).

    Without a *scale* it is returned as it is. Power that is not positive has no data: NaN.
    Raise a ValueError if that unit cannot be made of it.
    """
    if scale is None:
        return image
    own = SCALES[scale]
    if own.decibels:
        image = own.factor * torch.where(image > 0, image, torch.nan).log10()
    elif own.offset:
        image = image + own.offset
    if unit in (None, own.unit):
        return image
    if own.unit not in _REFLECTANCE or unit not in _REFLECTANCE:
        raise ValueError(
            f'images of the scale {scale!r} are in {own.unit}, which cannot be converted '
            f'to {unit}, the unit of the images that the model was trained on'
        )
    image = image * (_REFLECTANCE[own.unit] / _REFLECTANCE[unit])
    # Pictures are cut off where they are white
    return image.clamp(*RANGES[EIGHT_BIT]) if unit == EIGHT_BIT else image


@dataclass(frozen=True)
class ImageSpec:
    """What a model was told of the images of a modality.

    Attributes:
        bands: Names of the bands, '' where they are not known.
        unit: One of :data:`RANGES`.
        declared: Whether the user named the unit; else it is a guess.
        low: Least value that was seen.
        high: Greatest value that was seen.
    """

    bands: tuple[str, ...]
    unit: str
    declared: bool
    low: float
    high: float


def spec_of(
    modality: str,
    statistics: Mapping[str, Sequence[float]],
    scale: str | None = None,
    extremes: tuple[float, float] | None = None,
    bands: Sequence[str] = (),
) -> ImageSpec:
    """Describe the images of a modality by their statistics, and by their *scale* if it is named.

    *extremes* are the least and the greatest value seen (defaults to three standard
    deviations from the mean).
    """
    numbers = list(zip(statistics['mean'], statistics['std'], strict=True))
    if extremes is None:
        unit = _guess_from_means(modality, numbers)
        low = max(min(mean - 3 * std for mean, std in numbers), RANGES[unit][0])
        high = min(max(mean + 3 * std for mean, std in numbers), RANGES[unit][1])
    else:
        low, high = extremes
        unit = guess_unit(modality, low, high)
    if scale is not None:
        unit = SCALES[scale].unit
    return ImageSpec(tuple(bands), unit, scale is not None, low, high)


def _guess_from_means(modality: str, numbers: Sequence[tuple[float, float]]) -> str:
    """Guess the unit of images from mean and standard deviation of each band."""
    means = [mean for mean, _ in numbers]
    if modality == 'sar':
        return DB if -60 < max(means) < 0 else UNKNOWN
    return EIGHT_BIT if 4 < min(means) and max(means) < 255 else UNKNOWN


def guess_unit(modality: str, low: float, high: float) -> str:
    """Guess the unit of images from their least and greatest value."""
    if not (math.isfinite(low) and math.isfinite(high)) or low == high:
        return UNKNOWN
    if modality == 'sar':
        if low < 0:
            return DB if RANGES[DB][0] <= low and high <= RANGES[DB][1] else UNKNOWN
        return (
            EIGHT_BIT if high > 60 and high <= 255 else POWER if high <= 60 else UNKNOWN
        )
    if low < -0.5 and low >= -100:
        return UNKNOWN
    if high <= 4:
        return REFLECTANCE
    return EIGHT_BIT if low >= 0 and high <= 255 else REFLECTANCE_DN


def describe(modality: str, low: float, high: float) -> str:
    """Say what values an image has, and what they look like."""
    text = f'values of {low:,.4g} to {high:,.4g}'
    guess = guess_unit(modality, low, high)
    return text if guess == UNKNOWN else f'{text}, which look like {guess}'


class Finding(NamedTuple):
    """What is wrong with an image; an image that is *refused* cannot be answered about."""

    text: str
    refused: bool = False


#: From these on, an image looks unlike those of the training: distance of the means and
#: ratio of the spreads, in standard deviations of the training.
MAX_DISTANCE, MAX_SPREAD, MIN_SPREAD = 4.0, 5.0, 0.005

#: Pixels of an image that are looked at, at most four times as many.
MAX_INSPECTED = 2**20

#: Share without data, and change of size, from which a note says so.
MAX_NODATA, MAX_REDUCTION = 0.1, 8.0

#: Length of an image in widths, or width in lengths, from which a note says so.
MAX_ASPECT = 4.0


def mask_range(image: Tensor, unit: str) -> Tensor:
    """Return an image (..., C, H, W), NaN where a unit cannot have such values."""
    low, high = RANGES[unit]
    return torch.where((image >= low) & (image <= high), image, torch.nan)


def inspect(
    image: Tensor,
    modality: str,
    spec: ImageSpec,
    statistics: Mapping[str, Sequence[float]],
    image_size: int | None = None,
) -> list[Finding]:
    """Find what is wrong with an image (C, H, W) float32, in the unit of the model.

    *spec* and *statistics* are those of the training, *image_size* is the side that the
    image is resized to, None if that does not matter. Nothing is found in an image that is like those of the training.
    """
    name = TITLES[modality] if modality == 'sar' else modality
    step = math.isqrt(max(1, image.shape[-1] * image.shape[-2] // MAX_INSPECTED))
    pixels = image[..., :: step or 1, :: step or 1].flatten(1).double()
    finite = pixels.isfinite()
    total = finite.numel()
    if not finite.any():
        return [Finding(f'the {name} image has no data')]
    seen = pixels[finite]
    low, high = float(seen.min()), float(seen.max())
    least, most = RANGES[spec.unit]
    outside = int(((seen < least) | (seen > most)).sum())
    expected = f'{spec.unit}, {spec.low:,.4g} to {spec.high:,.4g}'
    if outside > len(seen) / 2:
        other = f'{modality}_scale'
        names = ', '.join(k for k, s in SCALES.items() if s.modality == modality)
        text = (
            f'the {name} image has {describe(modality, low, high)}; the model was trained '
            f'on {expected}: name its scale, {other} = one of {names}'
        )
        return [Finding(text, refused=True)]
    finite &= (pixels >= least) & (pixels <= most)
    findings = []
    if outside:
        findings.append(
            f'{outside:,} values of the {name} image cannot be {spec.unit} (up to '
            f'{max(abs(low), abs(high)):.3g}) and count as no data'
        )
    seen = pixels[finite]
    low, high = float(seen.min()) + 0.0, float(seen.max()) + 0.0  # no -0
    missing = 1 - len(seen) / total
    if missing > MAX_NODATA:
        findings.append(f'{missing:.0%} of the {name} image has no data')
    if image_size is not None:
        findings += _misshapen(image, name, image_size)
    zeros = float((pixels == 0).all(dim=0).double().mean())
    if zeros > MAX_NODATA and low < high:
        findings.append(
            f'{zeros:.0%} of the {name} image is exactly 0: if that stands for no data, '
            'declare it, as with `rio edit-info --nodata 0`'
        )
    if low == high:
        findings.append(f'the {name} image shows nothing: all pixels are {low:g}')
    elif unlike := _unlike(pixels, finite, statistics, spec.unit):
        findings.append(
            f'the {name} image is unlike those of the training: {unlike}; it has '
            f'{describe(modality, low, high)}, they had {expected}'
        )
    return [Finding(text) for text in findings]


def _misshapen(image: Tensor, name: str, image_size: int) -> list[str]:
    """Say what is lost when an image (C, H, W) is brought to a side of pixels."""
    height, width = image.shape[-2:]
    reduction = min(height, width) / image_size
    aspect = max(height, width) / min(height, width)
    start = f'the {name} image of {width:,} x {height:,} pixels is'
    if reduction > MAX_REDUCTION:
        return [f'{start} reduced {reduction:.0f} times: ask about its patches']
    if 1 / reduction > MAX_REDUCTION:
        return [f'{start} enlarged {1 / reduction:.0f} times, and shows little']
    if aspect > MAX_ASPECT:
        return [f'{start} made a square: ask about its patches']
    return []


def _unlike(
    pixels: Tensor, finite: Tensor, statistics: Mapping[str, Sequence[float]], unit: str
) -> str:
    """Say in which way pixels (C, N) are unlike those of the training, '' if they are like them."""
    if unit == DB and not (pixels[finite] < 0).any():
        return 'no value is below 0 dB'
    bands = zip(pixels, finite, statistics['mean'], statistics['std'], strict=True)
    for band, (values, known, mean, std) in enumerate(bands, 1):
        own = values[known]
        if not len(own):
            continue
        distance = abs(float(own.mean()) - mean) / std
        spread = float(own.std(correction=0)) / std
        if distance > MAX_DISTANCE or not MIN_SPREAD < spread < MAX_SPREAD:
            return (
                f'band {band} has mean {float(own.mean()):.4g} and standard deviation '
                f'{spread * std:.4g}, the training had {mean:.4g} and {std:.4g}'
            )
    return ''
