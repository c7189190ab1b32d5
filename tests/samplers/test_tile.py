# SPDX-License-Identifier: MIT
"""Tests of whole-tile sampling."""

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchgeo.datasets import GeoDataset, stack_samples
from torchgeo.datasets.utils import GeoSlice, Sample
from torchgeo.samplers import (
    RandomTimestampSampler,
    SequentialTimestampSampler,
    SpatialSampler,
    SpatioTemporalSampler,
)

from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.samplers import TileSampler

DAYS = [pd.Timestamp(2020, 1, day) for day in (1, 2, 3)]


class Tiles(GeoDataset):
    """Three places in a row that touch; the first has two acquisitions."""

    _res = (1.0, 1.0)

    def __init__(self) -> None:
        """Make the index."""
        # Bounds may differ by rounding
        west = [0, 1e-9, 10, 20]
        geometry = [shapely.box(x, 0, x + 10, 10) for x in west]
        days = [DAYS[0], DAYS[1], DAYS[1], DAYS[2]]
        times = pd.IntervalIndex.from_arrays(days, days, closed='both', name='datetime')
        self.index = gpd.GeoDataFrame(index=times, geometry=geometry, crs='EPSG:32633')

    def __getitem__(self, index: GeoSlice) -> Sample:
        """Return the query."""
        return {'bounds': self._slice_to_tensor(index)}


def wests(sampler: SpatialSampler | SpatioTemporalSampler) -> list[float]:
    return [round(location[0].start) for location in sampler]


def days(sampler: SpatioTemporalSampler) -> list[tuple[int, int]]:
    return [(round(x.start), t.start.day) for x, _, t in sampler]


class TestTileSampler:
    def test_sequential(self) -> None:
        sampler = TileSampler(Tiles())
        assert sampler.strategy == 'sequential'
        assert list(sampler) == [
            (slice(x, x + 10), slice(0, 10)) for x in (0.0, 10.0, 20.0)
        ]
        assert len(sampler) == 3

    def test_random(self) -> None:
        sampler = TileSampler(Tiles(), shuffle=True, generator=0)
        assert sampler.strategy == 'random'
        epochs = [wests(sampler) for _ in range(10)]
        assert all(sorted(epoch) == [0, 10, 20] for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) > 2
        again = TileSampler(Tiles(), shuffle=True, generator=0)
        assert [wests(again) for _ in range(10)] == epochs

    def test_follows_the_global_seed(self) -> None:
        def epochs(seed: int) -> list[list[float]]:
            torch.manual_seed(seed)
            sampler = TileSampler(Tiles(), shuffle=True)
            return [wests(sampler) for _ in range(10)]

        assert epochs(0) == epochs(0) != epochs(1)

    @pytest.mark.parametrize('shuffle', [False, True])
    @pytest.mark.parametrize('length', [1, 3, 8])
    def test_length(self, shuffle: bool, length: int) -> None:
        sampler = TileSampler(Tiles(), shuffle=shuffle, length=length)
        drawn = wests(sampler)
        assert len(drawn) == len(sampler) == length
        counts = [drawn.count(x) for x in (0, 10, 20)]
        assert max(counts) - min(counts) <= 1

    def test_roi(self) -> None:
        dataset = Tiles()
        assert wests(TileSampler(dataset, roi=shapely.box(5, 0, 30, 10))) == [10, 20]
        with pytest.raises(ValueError, match='roi must hold a whole tile'):
            TileSampler(dataset, roi=shapely.box(5, 0, 15, 10))

    def test_invalid_length(self) -> None:
        with pytest.raises(ValueError, match='length must be at least 1, got 0'):
            TileSampler(Tiles(), length=0)

    def test_with_times(self) -> None:
        dataset = Tiles()
        # Neighbours touch, yet their times are theirs
        expected = [(0, 1), (0, 2), (10, 2), (20, 3)]
        sampler = TileSampler(dataset) @ SequentialTimestampSampler(dataset)
        assert days(sampler) == expected
        assert len(sampler) == 4
        shuffled = TileSampler(dataset, shuffle=True) @ RandomTimestampSampler(dataset)
        assert len(shuffled) == len(days(shuffled)) == 3
        drawn = {pair for _ in range(20) for pair in days(shuffled)}
        assert drawn == set(expected)

    def test_leaves_the_temporal_sampler_as_it_is(self) -> None:
        dataset = Tiles()
        times = SequentialTimestampSampler(dataset)
        TileSampler(dataset) @ times
        assert times.index is dataset.index


class TestWithLoader:
    @pytest.mark.parametrize('num_workers', [0, 2])
    def test_tiles_of_a_loader(self, release_root: Path, num_workers: int) -> None:
        dataset = OSVQA(release_root)
        loader: DataLoader[Sample] = DataLoader(
            dataset,
            batch_size=2,
            sampler=TileSampler(dataset),
            num_workers=num_workers,
            collate_fn=stack_samples,
        )
        ids = _ids(loader)
        assert sorted(ids.tolist()) == list(range(len(dataset.table)))

    def test_combined_datasets(self, release_root: Path) -> None:
        train, val = OSVQA(release_root), OSVQA(release_root, 'val')
        both = train | val
        assert len(TileSampler(both)) == len(train) + len(val)
        bounds = np.array([[x.start, y.start] for x, y in TileSampler(both)])
        expected = both.index.geometry.bounds.to_numpy()[:, :2]
        np.testing.assert_array_equal(bounds, expected)


def _ids(loader: DataLoader[Sample]) -> Tensor:
    """Questions that a loader returns."""

    def columns() -> Iterator[Tensor]:
        for batch in loader:
            yield batch['question_id'][batch['question_id'] >= 0]

    return torch.cat(list(columns()))
