# SPDX-License-Identifier: MIT
"""Sampling of whole tiles."""

import copy
from collections.abc import Iterator
from typing import Literal

import numpy as np
import shapely
import torch
from numpy.random import Generator
from shapely import Polygon
from torchgeo.datasets import GeoDataset
from torchgeo.samplers import SpatialSampler, SpatioTemporalSampler, TemporalSampler


class TileSampler(SpatialSampler):
    """Sample whole tiles, each location once per epoch.

    A question is asked about a whole tile, so that a :term:`patch` of another size
    comes without it. Several acquisitions of a tile are one location; combine with a
    temporal sampler to tell them apart:

    .. code-block:: python

       sampler = TileSampler(dataset) @ SequentialTimestampSampler(dataset)
    """

    def __init__(
        self,
        dataset: GeoDataset,
        *,
        shuffle: bool = False,
        length: int | None = None,
        roi: Polygon | None = None,
        generator: int | Generator | None = None,
    ) -> None:
        """Initialize a new TileSampler instance.

        Args:
            dataset: Dataset to sample from.
            shuffle: Whether to draw tiles at random, without replacement until all are
                drawn, instead of in the order of the index.
            length: Number of tiles per epoch (defaults to all of them). If there are fewer,
                they repeat.
            roi: Region of interest to sample from; tiles that are not fully inside are left out
                (defaults to the bounds of ``dataset.index``).
            generator: Pseudo-random number generator (PRNG). By default it is seeded by
                PyTorch's, so that ``seed_everything`` makes runs repeatable.

        Raises:
            ValueError: If *length* is not positive, or *roi* holds no whole tile.
        """
        super().__init__(dataset, roi=roi)
        if length is not None and length < 1:
            raise ValueError(f'length must be at least 1, got {length}')

        self.shuffle = shuffle
        bounds = dataset.index.geometry.bounds.to_numpy()
        # Bounds of two acquisitions may differ by rounding
        rounded = np.round(bounds / np.tile(self.res, 2), 3)
        first = np.unique(rounded, axis=0, return_index=True)[1]
        self.tiles = bounds[np.sort(first)]
        if roi is not None:
            # By as much as bounds may differ by rounding
            slack = 1e-3 * max(self.res)
            inside = shapely.covers(roi.buffer(slack), shapely.box(*self.tiles.T))
            self.tiles = self.tiles[inside]
            if not len(self.tiles):
                raise ValueError(
                    f'roi must hold a whole tile of {self.bounds}, got {roi.bounds}'
                )
        self._length = length or len(self.tiles)
        if generator is None:
            generator = int(torch.randint(2**63 - 1, ()))
        self.generator = np.random.default_rng(generator)

    @property
    def strategy(self) -> Literal['random', 'sequential']:
        """Sampling strategy: 'random' if shuffled, else 'sequential'."""
        return 'random' if self.shuffle else 'sequential'

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        """Yield [xmin:xmax, ymin:ymax] coordinates of the tiles of an epoch."""
        num_tiles = len(self.tiles)
        for start in range(0, self._length, num_tiles):
            order = np.arange(num_tiles)
            if self.shuffle:
                self.generator.shuffle(order)
            order = order[: self._length - start]
            for xmin, ymin, xmax, ymax in self.tiles[order].tolist():
                yield slice(xmin, xmax), slice(ymin, ymax)

    def __matmul__(self, other: TemporalSampler) -> SpatioTemporalSampler:
        """Return the product with a temporal sampler."""
        # A temporal sampler takes the times of all footprints that touch a location,
        # neighbouring tiles among them; halved they do not touch
        other = copy.copy(other)
        halved = other.index.geometry.scale(0.5, 0.5, origin='centroid')
        other.index = other.index.set_geometry(halved)
        return super().__matmul__(other)
