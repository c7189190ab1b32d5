# SPDX-License-Identifier: MIT
"""Tests of where patches lie."""

from types import SimpleNamespace
from typing import Any

import shapely
from pyproj import CRS, Transformer

from torchgeo_vqa.generation.plan import Patch, _apart

ZONES = ('EPSG:32633', 'EPSG:32632')


def patch(split: str, zone: int, west: float, north: float) -> Patch:
    """Patch of 64 pixels of 10 m."""
    x, y = slice(west, west + 640.0, 10.0), slice(north - 640.0, north, 10.0)
    return Patch('', split, zone, (x, y, slice(None)))  # type: ignore[arg-type]


def test_zones_that_overlap() -> None:
    """No patch of a split shares ground with one of another split in another zone."""
    maps: Any = [SimpleNamespace(dataset=SimpleNamespace(crs=CRS(c))) for c in ZONES]
    to_other = Transformer.from_crs(*ZONES, always_xy=True)
    patches = []
    for i in range(6):
        west, north = 300_000.0 + 2000 * i, 5_600_000.0
        patches.append(patch('train', 0, west, north))
        east = to_other.transform(west + 320, north - 320)
        # The same place, one beside it, and one far from it
        for split, shift in (('train', 0), ('test', 300), ('val', 900)):
            patches.append(patch(split, 1, east[0] - 320 + shift, east[1] + 320))
    kept = _apart(patches, maps)
    assert len(kept) == 18

    def outline(p: Patch) -> shapely.Polygon:
        points = shapely.get_coordinates(shapely.box(*p.bounds))
        to = Transformer.from_crs(ZONES[p.zone], 'EPSG:4326', always_xy=True)
        return shapely.Polygon([to.transform(*point) for point in points])

    for one in kept:
        for other in kept:
            if one.split != other.split and one.zone != other.zone:
                assert not outline(one).intersects(outline(other))
    assert sum(p.split == 'train' for p in kept) == 12
