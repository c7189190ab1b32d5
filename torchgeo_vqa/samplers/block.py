# SPDX-License-Identifier: MIT
"""Sampling of patches inside square blocks, each of which belongs to one split."""

import copy
import math
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple, Self, override

import numpy as np
import pandas as pd
import shapely
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import GeoDataset
from torchgeo.samplers import GeoSampler

from ..annotations.split_draw import draw_splits
from ..rasters.coverage import Query

#: Row and column of a block.
Block = tuple[int, int]

#: Returns the upper left corner of the image that holds a point, or None.
Origin = Callable[[float, float], tuple[float, float] | None]

# Share of a pixel by which coordinates may be off by rounding
_TOLERANCE = 1e-3

# How often a patch is drawn again if too little of it is in the region of interest
_MAX_DRAWS = 1000


class Cell(NamedTuple):
    """Patches that may be cut from one image inside one block."""

    block: Block
    #: x and y of the patch in the upper left corner.
    left: float
    top: float
    #: Number of positions from north to south and from west to east, a pixel apart.
    rows: int
    columns: int
    #: Start and end of the time of the image.
    time: tuple[pd.Timestamp, pd.Timestamp]


class BlockSampler(GeoSampler):
    """Sample patches that lie inside square blocks of the plane.

    Samplers of different blocks never share a pixel, whatever patches they draw. Give
    each split blocks of its own:

    .. code-block:: python

       everywhere = BlockSampler(dataset, size=64, block_size=256)
       split_of = split_blocks(everywhere.blocks, 256, (0.8, 0.1, 0.1), seed=0)
       train, val = (
           {block for block in everywhere.blocks if split_of[block] == split}
           for split in ('train', 'val')
       )
       train_sampler = everywhere.within(train, length=1000)
       val_sampler = everywhere.within(val)

    Patches are cut along the pixels of the images, and each is of the time of an image.
    """

    def __init__(
        self,
        dataset: GeoDataset,
        size: int,
        block_size: int,
        *,
        stride: int | None = None,
        length: int | None = None,
        origin: Origin | None = None,
        roi: BaseGeometry | None = None,
        min_share: float = 1.0,
        generator: int | Generator | None = None,
    ) -> None:
        """Initialize a new BlockSampler instance.

        Args:
            dataset: Dataset to sample from.
            size: Side of a patch in pixels.
            block_size: Side of a block in pixels. Blocks are counted from the upper left
                corner of the dataset.
            stride: Distance in pixels of the patches of the grid (defaults to *size*).
            length: Number of patches per epoch, which are drawn at random and anew in
                each epoch (defaults to the grid, the same in each epoch).
            origin: Returns the upper left corner of the image that holds a point, from
                which its pixels are counted, or None (defaults to that of the row of
                ``dataset.index``).
            roi: Region of interest to sample from (defaults to the bounds of
                ``dataset.index``).
            min_share: Share of a patch that must lie in *roi*.
            generator: Pseudo-random number generator (PRNG). By default it is seeded by
                PyTorch's, so that ``seed_everything`` makes runs repeatable.

        Raises:
            ValueError: If a number is not positive, *block_size* is less than *size*, or
                patches are to be drawn, and there is no room for one.
        """
        for name, number in (('size', size), ('stride', stride), ('length', length)):
            if number is not None and number < 1:
                raise ValueError(f'{name} must be at least 1, got {number}')
        if block_size < size:
            raise ValueError(
                f'block_size must be at least size ({size}), got {block_size}'
            )
        self.size = size
        self.block_size = block_size
        self.stride = stride or size
        self.res = dataset.res
        self.min_share = min_share
        self.roi = None if roi is None else shapely.STRtree(shapely.get_parts(roi))
        self.cells = _find_cells(dataset, size, block_size, origin)
        if roi is not None:
            used = {cell for cell, _ in self._grid()}
            self.cells = [cell for cell in self.cells if cell in used]
        self._restart(length, generator)

    def _restart(self, length: int | None, generator: Any) -> None:
        """Set the number of patches per epoch, and the random numbers."""
        if length is not None and not self.cells:
            raise ValueError(
                f'no block of {self.block_size} pixels has room for a patch of '
                f'{self.size} pixels that is known; choose a smaller size'
            )
        self.is_random = length is not None
        self._length = length or sum(1 for _ in self._grid())
        if generator is None:
            generator = int(torch.randint(2**63 - 1, ()))
        self.generator = np.random.default_rng(generator)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks with room for a patch, by row and column."""
        return tuple(sorted({cell.block for cell in self.cells}))

    def within(
        self,
        blocks: Collection[Block],
        length: int | None = None,
        generator: Any = None,
    ) -> Self:
        """Return a sampler of some blocks, of *length* random patches or of the grid.

        Raise a ValueError if patches are to be drawn, and there is no room for one.
        """
        sampler = copy.copy(self)
        sampler.cells = [cell for cell in self.cells if cell.block in blocks]
        sampler._restart(length, generator)
        return sampler

    def num_positions(self, stride: int) -> NDArray[np.int64]:
        """Count the patches of each of the cells that are *stride* pixels apart."""
        shapes = np.array([(c.rows, c.columns) for c in self.cells], np.int64)
        return ((shapes.reshape(-1, 2) - 1) // stride + 1).prod(axis=1)

    def query(self, cell: Cell, position: int, stride: int) -> Query:
        """Return [xmin:xmax, ymin:ymax, tmin:tmax] of a patch of a cell, counted row by row."""
        row, column = divmod(position, (cell.columns - 1) // stride + 1)
        width, height = self.res
        left = cell.left + column * stride * width
        top = cell.top - row * stride * height
        x = slice(left, left + self.size * width)
        return x, slice(top - self.size * height, top), slice(*cell.time)

    @override
    def __iter__(self) -> Iterator[Query]:
        if not self.is_random:
            yield from (query for _, query in self._grid())
            return
        ends = np.cumsum(self.num_positions(1))
        for _ in range(self._length):
            for _ in range(_MAX_DRAWS):
                i, position = locate(ends, int(self.generator.integers(ends[-1])))
                query = self.query(self.cells[i], position, 1)
                if self._is_inside(query):
                    break
            yield query

    def _grid(self) -> Iterator[tuple[Cell, Query]]:
        """Yield the patches of the grid, each with its cell."""
        numbers = self.num_positions(self.stride).tolist()
        for cell, number in zip(self.cells, numbers, strict=True):
            for position in range(number):
                query = self.query(cell, position, self.stride)
                if self._is_inside(query):
                    yield cell, query

    def _is_inside(self, query: Query) -> bool:
        """Tell whether enough of a patch lies in the region of interest."""
        if self.roi is None:
            return True
        x, y, _ = query
        box = shapely.box(x.start, y.start, x.stop, y.stop)
        near = self.roi.geometries[self.roi.query(box)]
        share = shapely.area(shapely.intersection(near, box)).sum() / box.area
        return bool(share > self.min_share - _TOLERANCE)


def locate(ends: NDArray[np.int64], position: int) -> tuple[int, int]:
    """Return which of some ranges, given their ends, holds a position, and where."""
    i = int(np.searchsorted(ends, position, side='right'))
    return i, position - (int(ends[i - 1]) if i else 0)


def split_blocks[Key: Hashable](
    blocks: Sequence[Key], block_size: int, fractions: Sequence[float], seed: int
) -> dict[Key, str]:
    """Draw a split for each block; raise a ValueError if there are fewer than splits."""
    needed = sum(fraction > 0 for fraction in fractions)
    if len(blocks) < needed:
        raise ValueError(
            f'the maps hold {len(blocks)} blocks of {block_size} pixels with room for a '
            f'known patch, but there are {needed} splits; choose a smaller block_size or '
            'patch_size'
        )
    return draw_splits(blocks, fractions, seed)


def _find_cells(
    dataset: GeoDataset, size: int, block_size: int, origin: Origin | None
) -> list[Cell]:
    """Find where patches may lie."""
    width, height = dataset.res
    west, _, _, north = dataset.index.total_bounds
    cells: dict[Cell, None] = {}
    boxes = dataset.index.bounds.to_numpy().tolist()
    for time, (xmin, ymin, xmax, ymax) in zip(dataset.index.index, boxes, strict=True):
        middle = (xmin + xmax) / 2, (ymin + ymax) / 2
        x0, y0 = (origin and origin(*middle)) or (xmin, ymax)
        # columns and rows of pixels that lie inside, counted from that corner
        first = _ceil((xmin - x0) / width), _ceil((y0 - ymax) / height)
        last = _floor((xmax - x0) / width), _floor((y0 - ymin) / height)
        # where that corner is among the blocks
        shift = (x0 - west) / width, (north - y0) / height
        ranges = [
            range(
                math.floor((first[axis] + shift[axis]) / block_size),
                math.ceil((last[axis] + shift[axis]) / block_size),
            )
            for axis in (0, 1)
        ]
        for column, row in product(*ranges):
            starts, counts = [], []
            for axis, number in enumerate((column, row)):
                start = max(first[axis], _ceil(number * block_size - shift[axis]))
                end = min(last[axis], _floor((number + 1) * block_size - shift[axis]))
                starts.append(start)
                counts.append(max(0, end - start - size + 1))
            if counts[0] and counts[1]:
                corner = x0 + starts[0] * width, y0 - starts[1] * height
                times = time.left, time.right
                # several images of the same pixels, with one time, are one location
                cells[Cell((row, column), *corner, counts[1], counts[0], times)] = None
    return list(cells)


def _ceil(number: float) -> int:
    """Round up, unless it is a whole number but for rounding."""
    return math.ceil(number - _TOLERANCE)


def _floor(number: float) -> int:
    """Round down, unless it is a whole number but for rounding."""
    return math.floor(number + _TOLERANCE)
