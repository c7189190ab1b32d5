# SPDX-License-Identifier: MIT
"""ObjectLayer: sources of objects, and layers that are rejected."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import CRS
from torchgeo.datasets import VectorDataset

from torchgeo_vqa.questions import ObjectLayer

WEST, NORTH, RES, SIZE = 400_000.0, 5_000_000.0, 10.0, 96


def box(row: float, column: float, height: float, width: float) -> shapely.Polygon:
    """Outline on the map, in pixels from its upper left corner."""
    x, y = WEST + column * RES, NORTH - row * RES
    return shapely.box(x, y - height * RES, x + width * RES, y)


@pytest.fixture
def objects() -> gpd.GeoDataFrame:
    tank = shapely.Point(WEST + 30.5 * RES, NORTH - 10.5 * RES)
    return gpd.GeoDataFrame(
        {'class': ['ship', 'ship', 'tank', 'crane']},
        geometry=[box(2, 3, 4, 6), box(90, 20, 9, 4), tank, box(60, 60, 2, 2)],
        crs='EPSG:32633',
    )


def find(layer: ObjectLayer) -> Any:
    x, y = slice(WEST, WEST + SIZE * RES, RES), slice(NORTH - SIZE * RES, NORTH, RES)
    return layer.find(x, y, (SIZE, SIZE))


def test_whole_and_partial_objects(objects: gpd.GeoDataFrame) -> None:
    layer = ObjectLayer(objects)
    assert layer.categories == ('crane', 'ship', 'tank')
    whole, partial = find(layer)
    assert {(o.category, *np.round(o.box, 6)) for o in whole} == {
        ('ship', 2, 3, 6, 9),
        ('tank', 10, 30, 11, 31),
        ('crane', 60, 60, 62, 62),
    }
    assert partial == {'ship'}


def test_points_and_touching_objects() -> None:
    """A point is in the pixel that holds it; what only touches the patch is outside."""
    layer = ObjectLayer(
        gpd.GeoDataFrame(
            {'class': ['tank', 'ship', 'crane']},
            geometry=[
                shapely.Point(WEST + 30.7 * RES, NORTH - 10.9 * RES),
                box(-4, 3, 4, 6),
                box(20, SIZE, 4, 6),
            ],
            crs='EPSG:32633',
        )
    )
    (tank,), partial = find(layer)
    assert (tank.top, tank.left) == (10, 30)
    assert not partial


def test_categories_that_were_looked_for(objects: gpd.GeoDataFrame) -> None:
    layer = ObjectLayer(
        objects.rename(columns={'class': 'type'}), 'type', ['ship', 'whale']
    )
    assert layer.categories == ('ship', 'whale')
    assert {o.category for o in find(layer)[0]} == {'ship'}


def test_another_crs_is_another_layer(objects: gpd.GeoDataFrame) -> None:
    layer = ObjectLayer(objects.to_crs(4326))
    there = layer.to_crs(CRS.from_epsg(32633))
    assert len(find(there)[0]) == 3
    assert find(layer)[0] == ()


@pytest.mark.parametrize('source', ['file', 'parquet', 'dataset'])
def test_sources(tmp_path: Path, objects: gpd.GeoDataFrame, source: str) -> None:
    folder = tmp_path / 'objects'
    folder.mkdir()
    layer: Any = folder / ('a.parquet' if source == 'parquet' else 'a.gpkg')
    if source == 'parquet':
        objects.to_parquet(layer)
    else:
        objects.to_file(layer)
    found = ObjectLayer(VectorDataset(folder) if source == 'dataset' else layer)
    assert find(found) == find(ObjectLayer(objects))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda o: o.set_crs(None, allow_override=True), 'no CRS'),
        (lambda o: o.rename(columns={'class': 'type'}), r"\['type'\], got 'class'"),
        (lambda o: o.assign(**{'class': [None, *'abc']}), '1 of 4 objects .* category'),
        (lambda o: o.assign(**{'class': [' ', *'abc']}), '1 of 4 objects .* category'),
        (
            lambda o: o.assign(geometry=o.geometry.where(o.index > 0)),
            '1 of 4 objects have no geometry',
        ),
    ],
)
def test_bad_layers(objects: gpd.GeoDataFrame, change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObjectLayer(change(objects))
