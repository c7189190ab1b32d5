# SPDX-License-Identifier: MIT
"""Where patches lie, and which split each is in."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np
import shapely
from rasterio.warp import transform_bounds

from ..annotations.split_draw import split_sizes
from ..datasets.map_source import OpenMaps
from ..rasters.coverage import Query
from ..sample import SPLITS
from ..samplers import BlockSampler, split_blocks
from ..samplers.block import locate


class Patch(NamedTuple):
    """A patch to be written: its name, split, number of the open maps, and query."""

    name: str
    split: str
    zone: int
    query: Query

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """xmin, ymin, xmax, ymax in the CRS of its zone."""
        x, y, _ = self.query
        return x.start, y.start, x.stop, y.stop


@dataclass
class Plan:
    """Patches by split and location, number of blocks of each split, and of patches left out.

    Left out is what overlaps another split's patch in another CRS.
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
    """Choose patches of a grid, or *num_patches* at random; sizes are in pixels.

    The plane is cut into square blocks, blocks are drawn for the splits, and every patch
    lies inside one block: no two splits share a pixel. Patches are cut along the pixels
    of the images. Raise a ValueError if there are too few blocks or patches.
    """
    step = stride if num_patches is None else 1
    samplers = [
        BlockSampler(zone.dataset, patch_size, block_size, origin=zone.origin)
        for zone in maps
    ]
    blocks = [(i, block) for i, own in enumerate(samplers) for block in own.blocks]
    split_of = split_blocks(blocks, block_size, fractions, seed)
    sizes: Sequence[int | None] = [None] * len(SPLITS)
    if num_patches is not None:
        sizes = split_sizes(num_patches, fractions)
    patches: list[Patch] = []
    for code, (split, number) in enumerate(zip(SPLITS, sizes, strict=True)):
        zones = [
            own.within([b for b in own.blocks if split_of[i, b] == split])
            for i, own in enumerate(samplers)
        ]
        rng = np.random.default_rng([seed, code])
        patches += _choose(zones, split, number, step, rng)
    num_blocks = {s: sum(x == s for x in split_of.values()) for s in SPLITS}
    kept = _apart(patches, maps)
    counts = {split: count() for split in SPLITS}
    named = [p._replace(name=f'{p.split}_{next(counts[p.split]):06d}') for p in kept]
    return Plan(named, num_blocks, len(patches) - len(kept))


def _choose(
    zones: Sequence[BlockSampler],
    split: str,
    number: int | None,
    step: int,
    rng: np.random.Generator,
) -> list[Patch]:
    """Choose patches of a split, all or a number at random."""
    cells = [(zone, cell) for zone, own in enumerate(zones) for cell in own.cells]
    ends = np.cumsum(np.concatenate([own.num_positions(step) for own in zones]))
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
    for position in positions.tolist():
        i, inside = locate(ends, position)
        zone, cell = cells[i]
        query = zones[zone].query(cell, inside, step)
        patches.append(Patch('', split, zone, query))
    return patches


def _apart(patches: list[Patch], maps: Sequence[OpenMaps]) -> list[Patch]:
    """Leave out patches that overlap one of another split in an earlier CRS.

    Blocks keep the splits of one CRS apart, but UTM zones overlap.
    """
    if len(maps) < 2:
        return patches
    crs = [zone.dataset.crs.to_wkt() for zone in maps]
    bounds = [transform_bounds(crs[p.zone], 'EPSG:4326', *p.bounds) for p in patches]
    outlines = shapely.box(*np.array(bounds).T)
    dropped: set[int] = set()
    for i, j in shapely.STRtree(outlines).query(outlines, predicate='intersects').T:
        one, other = patches[i], patches[j]
        if one.split != other.split and one.zone < other.zone:
            dropped.add(int(j))
    return [patch for i, patch in enumerate(patches) if i not in dropped]
