# SPDX-License-Identifier: MIT
"""Mean and standard deviation of each band of each modality."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchgeo.datasets import GeoDataset
from torchgeo.datasets.utils import GeoSlice
from tqdm import tqdm

from ..transforms.preprocessing import Statistics

# Locations read: enough for two digits, few enough to take seconds.
NUM_LOCATIONS = 512


def compute_statistics(
    dataset: GeoDataset, locations: Sequence[GeoSlice], modalities: Sequence[str]
) -> Statistics:
    """Compute mean and standard deviation per band from evenly spaced locations.

    Pixels that are not finite do not count. Raise a ValueError if a band has no other.
    """
    step = max(1, len(locations) / NUM_LOCATIONS)
    chosen = [
        locations[int(i * step)] for i in range(min(len(locations), NUM_LOCATIONS))
    ]
    sums: dict[str, Tensor] = {}
    # The dataset draws questions: it must not shift the random numbers of the run.
    with torch.random.fork_rng(devices=[]):
        for location in tqdm(chosen, desc='Band statistics', leave=False, delay=2):
            sample = dataset[location]
            for modality in modalities:
                pixels = sample[f'image_{modality}'].double().flatten(1)
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
    return statistics


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
        if len(mean) != len(std) or not all(s > 0 for s in std):
            raise ValueError(
                f'statistics of {modality} need one mean and one positive std per band, '
                f'got mean={mean}, std={std}'
            )
        plain[modality] = {'mean': mean, 'std': std}
    return plain
