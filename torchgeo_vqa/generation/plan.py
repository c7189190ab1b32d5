# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Where patches lie, and which split each is in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shapely
from rasterio.warp import transform_bounds

from ..annotations.split_draw import draw_splits, split_sizes
from ..sample import SPLITS
from .maps import OpenMaps

# Share of a pixel by which coordinates may be off by rounding
_TOLERANCE = 1e-3

_Block = tuple[int, int, int]


class Patch(NamedTuple):
    """A patch to be written.

    Attributes:
        name: Name of its images.
        split: Its split.
        zone: Which of the open maps it is of.
        bounds: xmin, ymin, xmax, ymax in their CRS.
        time: Start and end of the time it is taken from.
    """

    name: str
    split: str
    zone: int
    bounds: tuple[float, float, float, float]
    time: tuple[pd.Timestamp, pd.Timestamp]

    @property
    def query(self) -> tuple[slice, slice, slice]:
        """What to ask the dataset for."""
        xmin, ymin, xmax, ymax = self.bounds
        return slice(xmin, xmax), slice(ymin, ymax), slice(*self.time)


class _Cell(NamedTuple):
    """Patches that may be cut from one image inside one block.

    Attributes:
        block: Zone, row and column of the block.
        left: x of the leftmost patches.
        top: y of the uppermost patches.
        rows: Number of positions from north to south.
        columns: Number of positions from west to east.
        time: Time of the image.
    """

    block: _Block
    left: float
    top: float
    rows: int
    columns: int
    time: tuple[pd.Timestamp, pd.Timestamp]


@dataclass
class Plan:
    """Which patches there are.

    Attributes:
        patches: The patches, by split and place.
        num_blocks: Number of blocks of each split.
        num_overlapping: Number of patches left out because they overlap another split's
            in another CRS.
    """

    patches: list[Patch]
    num_blocks: dict[str, int]
    num_overlapping: int


def make_plan(
    maps: Sequence[OpenMaps],
    patch_size: int,
    num_patches: int | None,
    stride: int,
    block_size: int,
    fractions: Sequence[float],
    seed: int,
) -> Plan:
    """Choose patches.

    The plane is cut into square blocks, blocks are drawn for the splits, and every patch
    lies inside one block: no two splits share a pixel. Patches are cut along the pixels
    of the images.

    Args:
        maps: Images and maps.
        patch_size: Side of a patch in pixels.
        num_patches: Number of patches drawn at random; None takes a grid.
        stride: Distance of the grid's patches in pixels.
        block_size: Side of a block in pixels.
        fractions: Shares of the blocks, and of the patches drawn, of each split.
        seed: Seed of what is drawn.

    Returns:
        The patches.

    Raises:
        ValueError: If there are too few blocks or patches.
    """
    step = stride if num_patches is None else 1
    cells = [
        cell
        for zone, opened in enumerate(maps)
        for cell in _cells(opened, zone, patch_size, block_size, step)
    ]
    blocks = sorted({cell.block for cell in cells})
    needed = sum(fraction > 0 for fraction in fractions)
    if len(blocks) < needed:
        raise ValueError(
            f'the maps hold {len(blocks)} blocks of {block_size} pixels with room for a '
            f'patch of {patch_size}, but there are {needed} splits; choose a smaller '
            'block_size or patch_size'
        )
    split_of = draw_splits(blocks, fractions, seed)
    sizes: Sequence[int | None] = [None] * len(SPLITS)
    if num_patches is not None:
        sizes = split_sizes(num_patches, fractions)
    patches: list[Patch] = []
    for code, (split, number) in enumerate(zip(SPLITS, sizes, strict=True)):
        own = [cell for cell in cells if split_of[cell.block] == split]
        rng = np.random.default_rng([seed, code])
        patches += _choose(own, maps, split, number, patch_size, step, rng)
    num_blocks = {s: sum(x == s for x in split_of.values()) for s in SPLITS}
    kept = _apart(patches, maps)
    return Plan(_named(kept), num_blocks, len(patches) - len(kept))


def _cells(
    maps: OpenMaps, zone: int, patch_size: int, block_size: int, step: int
) -> list[_Cell]:
    """List where patches may lie."""
    dataset = maps.dataset
    width, height = dataset.res
    west, _, _, north = dataset.index.total_bounds
    cells: dict[Any, _Cell] = {}
    for time, box in zip(
        dataset.index.index, dataset.index.bounds.to_numpy(), strict=True
    ):
        xmin, ymin, xmax, ymax = box.tolist()
        x0, y0 = maps.origin((xmin + xmax) / 2, (ymin + ymax) / 2) or (xmin, ymax)
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
                counts.append(max(0, (end - start - patch_size) // step + 1))
            if counts[0] and counts[1]:
                cell = _Cell(
                    (zone, row, column),
                    x0 + starts[0] * width,
                    y0 - starts[1] * height,
                    counts[1],
                    counts[0],
                    (time.left, time.right),
                )
                # several images of the same pixels, with one time, are one place
                cells.setdefault(cell, cell)
    return list(cells.values())


def _choose(
    cells: Sequence[_Cell],
    maps: Sequence[OpenMaps],
    split: str,
    number: int | None,
    patch_size: int,
    step: int,
    rng: np.random.Generator,
) -> list[Patch]:
    """Choose patches of a split, all or a number at random."""
    ends = np.cumsum([cell.rows * cell.columns for cell in cells], dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    if number is None:
        positions = np.arange(total)
    elif number > total:
        raise ValueError(
            f'{split} has room for {total} different patches, got num_patches that asks '
            f'for {number} of it; choose fewer, or a smaller patch_size'
        )
    else:
        positions = np.sort(rng.choice(total, number, replace=False, shuffle=False))
    patches = []
    for position in positions:
        i = int(np.searchsorted(ends, position, side='right'))
        cell = cells[i]
        row, column = divmod(int(position - (ends[i - 1] if i else 0)), cell.columns)
        width, height = maps[cell.block[0]].dataset.res
        left = cell.left + column * step * width
        top = cell.top - row * step * height
        bounds = left, top - patch_size * height, left + patch_size * width, top
        patches.append(Patch('', split, cell.block[0], bounds, cell.time))
    return patches


def _apart(patches: list[Patch], maps: Sequence[OpenMaps]) -> list[Patch]:
    """Leave out patches that overlap one of another split in an earlier CRS.

    Blocks keep the splits of one CRS apart, but UTM zones overlap.
    """
    if len(maps) < 2:
        return patches
    outlines = [
        shapely.box(
            *transform_bounds(maps[p.zone].dataset.crs.to_wkt(), 'EPSG:4326', *p.bounds)
        )
        for p in patches
    ]
    dropped: set[int] = set()
    for i, j in shapely.STRtree(outlines).query(outlines, predicate='intersects').T:
        one, other = patches[i], patches[j]
        if one.split != other.split and one.zone < other.zone:
            dropped.add(int(j))
    return [patch for i, patch in enumerate(patches) if i not in dropped]


def _named(patches: Sequence[Patch]) -> list[Patch]:
    """Name patches by split and number."""
    named = []
    counts = dict.fromkeys(SPLITS, 0)
    for patch in patches:
        named.append(patch._replace(name=f'{patch.split}_{counts[patch.split]:06d}'))
        counts[patch.split] += 1
    return named


def _ceil(number: float) -> int:
    """Round up, unless it is a whole number but for rounding."""
    return math.ceil(number - _TOLERANCE)


def _floor(number: float) -> int:
    """Round down, unless it is a whole number but for rounding."""
    return math.floor(number + _TOLERANCE)
