# SPDX-License-Identifier: MIT
"""Tests of layers on disk."""

from pathlib import Path

import geopandas
import pytest
import shapely

from torchgeo_vqa.prediction.layer import verify_format, write_layer

LAYER = geopandas.GeoDataFrame(
    {'answer': ['yes', 'no']},
    geometry=[shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)],
    crs='EPSG:32633',
)


@pytest.mark.parametrize('name', ['a.gpkg', 'a.parquet'])
def test_written_layer_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / 'new' / name
    for _ in range(2):  # the second in its place
        write_layer(LAYER, path)
    read = geopandas.read_file if path.suffix == '.gpkg' else geopandas.read_parquet
    layer = read(path)
    assert layer['answer'].tolist() == ['yes', 'no']
    assert layer.crs == LAYER.crs
    assert layer.geometry.geom_equals(LAYER.geometry).all()
    assert [p.name for p in path.parent.iterdir()] == [name]


@pytest.mark.parametrize('name', ['a.gpkg', 'a.parquet'])
def test_what_was_there_stays(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir()
    with pytest.raises(OSError, match=f'{name} cannot be written'):
        write_layer(LAYER, path)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_other_format() -> None:
    with pytest.raises(ValueError, match=r"\.parquet or \.gpkg, got 'a\.shp'"):
        verify_format('a.shp')
