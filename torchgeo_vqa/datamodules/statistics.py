# SPDX-License-Identifier: MIT
"""Mean and standard deviation of each band of each modality."""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torchgeo.datasets import GeoDataset
from torchgeo.datasets.utils import GeoSlice
from tqdm import tqdm

from ..rasters.units import RANGES, UNKNOWN, convert, mask_range
from ..transforms.preprocessing import Statistics

# Locations read: enough for two digits, few enough to take seconds.
NUM_LOCATIONS = 512


#: Values that often stand for no data in files that do not declare it.
SENTINELS = (-9999.0, -32768.0, -999.0)

#: Pixels of an image among which extremes are looked for.
NUM_PIXELS = 2**14


def evenly[T](items: Sequence[T], number: int) -> list[T]:
    """Choose so many items, evenly spaced, or all."""
    step = max(1, len(items) / number)
    return [items[int(i * step)] for i in range(min(len(items), number))]


def compute_statistics(
    dataset: GeoDataset,
    locations: Sequence[GeoSlice],
    modalities: Sequence[str],
    scales: Mapping[str, str],
) -> tuple[Statistics, dict[str, tuple[float, float]]]:
    """Compute mean and standard deviation per band from evenly spaced locations.

    Images are converted from their *scales*, where they are named. Pixels that are not finite
    do not count. Also return the least and the greatest value of each modality, but for one in
    a thousand.

    Raise a ValueError if a band has no finite pixel. Warn if many pixels have a value that
    usually stands for no data.
    """
    chosen = evenly(locations, NUM_LOCATIONS)
    sums: dict[str, Tensor] = {}
    extremes: dict[str, list[tuple[float, float]]] = {m: [] for m in modalities}
    values = (*SENTINELS, math.inf)
    suspects = dict.fromkeys(itertools.product(modalities, values), 0)
    # The dataset draws questions: it must not shift the random numbers of the run.
    with torch.random.fork_rng(devices=[]):
        for location in tqdm(chosen, desc='Band statistics', leave=False, delay=2):
            sample = dataset[location]
            for modality in modalities:
                image = convert(sample[f'image_{modality}'], scales.get(modality))
                pixels = image.flatten(1)
                possible = mask_range(pixels, UNKNOWN)
                excess = int((pixels.isfinite() & possible.isnan()).sum())
                suspects[modality, math.inf] += excess
                pixels = possible
                if seen := find_extremes(pixels):
                    extremes[modality].append(seen)
                    for value in SENTINELS:
                        if seen[0] <= value <= seen[1]:
                            found = int((pixels == value).sum())
                            suspects[modality, value] += found
                pixels = pixels.double()
                finite = pixels.isfinite()
                pixels = pixels.where(finite, 0.0)
                moments = torch.stack(
                    [finite.sum(1), pixels.sum(1), (pixels**2).sum(1)]
                )
                sums[modality] = sums.get(modality, torch.zeros_like(moments)) + moments
    statistics: Statistics = {}
    for modality, (count, total, squares) in sums.items():
        if not count.all():
            band = int((count == 0).nonzero()[0])
            raise ValueError(
                f'band {band} of the {modality} images has no finite pixel in '
                f'{len(chosen)} locations, check the files'
            )
        mean = total / count
        variance = (squares / count - mean**2).clamp(min=0)
        # A constant band carries nothing; dividing by 1 leaves it at 0.
        std = variance.sqrt().where(variance > 1e-12 * (mean**2 + 1e-12), 1.0)
        statistics[modality] = {'mean': mean.tolist(), 'std': std.tolist()}
    for (modality, value), found in suspects.items():
        what = f'are {value:g}, which usually stands for no data,'
        if value == math.inf:
            what = f'are beyond {RANGES[UNKNOWN][1]:g}, and count as no data,'
        if found > (0 if value == math.inf else 0.001 * sums[modality][0].sum()):
            warnings.warn(
                f'{found:,} values of the {modality} images {what} but the files do not '
                'say so: declare it, as with `rio edit-info --nodata`',
                UserWarning,
            )
    ends = {
        m: (min(low for low, _ in own), max(high for _, high in own))
        for m, own in extremes.items()
    }
    return statistics, ends


def find_extremes(pixels: Tensor) -> tuple[float, float] | None:
    """Find the least and greatest of pixels (C, N), but for one in a thousand; None without any."""
    seen = pixels[:, :: 1 + pixels.shape[1] // NUM_PIXELS].flatten().numpy()
    seen = seen[np.isfinite(seen)]
    if not len(seen):
        return None
    low, high = np.quantile(seen, [0.001, 0.999], method='nearest').tolist()
    return low, high


def check_statistics(
    statistics: Mapping[str, Mapping[str, Sequence[float]]], modalities: Sequence[str]
) -> Statistics:
    """Return statistics given by hand as plain floats.

    Raise a ValueError if a modality is missing or a number is impossible.
    """
    if missing := [m for m in modalities if m not in statistics]:
        raise ValueError(
            f'statistics must hold mean and std of {missing}, got those of '
            f'{list(statistics)}'
        )
    plain: Statistics = {}
    for modality, numbers in statistics.items():
        if not {'mean', 'std'} <= set(numbers):
            raise ValueError(
                f"statistics of {modality} must hold 'mean' and 'std', got {list(numbers)}"
            )
        mean, std = [[float(x) for x in numbers[key]] for key in ('mean', 'std')]
        possible = all(s > 0 for s in std) and all(map(math.isfinite, [*mean, *std]))
        if len(mean) != len(std) or not possible:
            raise ValueError(
                f'statistics of {modality} need one mean and one positive std per band, '
                f'got mean={mean}, std={std}'
            )
        plain[modality] = {'mean': mean, 'std': std}
    return plain
