# SPDX-License-Identifier: MIT
"""Tests of rasters by zone."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import CRS, Transformer
from rasterio.transform import Affine

from torchgeo_vqa.rasters.image_file import ImageFile
from torchgeo_vqa.rasters.zones import (
    LabelRaster,
    find_rasters,
    find_zones,
    read_header,
    verify_bands,
)

# 3 degrees east of the central meridian of zone 33, and west of that of zone 34
WEST = {33: 735_000.0, 34: 265_000.0}


@pytest.fixture
def write(tmp_path: Path, write_image: Any) -> Any:
    """Function that writes an image of 16 x 16 pixels in a zone, and opens it."""

    def write(
        name: str, zone: int = 33, east: float = 0.0, value: int = 1, **profile: Any
    ) -> ImageFile:
        path = tmp_path / f'{name}.tif'
        pixels = np.full((profile.pop('bands', 1), 16, 16), value, np.uint8)
        crs = f'EPSG:326{zone}'
        write_image(path, pixels, WEST[zone] + east, crs=crs, **profile)
        return read_header(str(path))

    return write


class TestFindRasters:
    def test_folder(self, tmp_path: Path) -> None:
        names = ['b.TIF', 'a.vrt', 'sub/c.jp2', 'd.txt', 'e.tif.aux.xml']
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text('')
        found = [os.path.relpath(path, tmp_path) for path in find_rasters(tmp_path)]
        assert found == ['a.vrt', 'b.TIF', 'sub/c.jp2']

    def test_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever its extension; its path is good in other folders too."""
        (tmp_path / 'a.hdf').write_text('')
        monkeypatch.chdir(tmp_path)
        assert find_rasters('a.hdf') == (str(tmp_path / 'a.hdf'),)
        assert find_rasters(None) == ()

    def test_none(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / 'none.tif'):
            with pytest.raises(
                FileNotFoundError, match='neither a raster nor a folder of'
            ):
                find_rasters(path)


def test_header_without_crs(tmp_path: Path, write_image: Any) -> None:
    write_image(tmp_path / 'a.tif', np.zeros((1, 4, 4), np.uint8))
    with pytest.raises(ValueError, match=r'a\.tif has no CRS; give it one'):
        read_header(str(tmp_path / 'a.tif'))


@pytest.mark.parametrize('bands', [(1, 2), (1, 2, 5), (0, 1, 2), (1, 2, 3, 4)])
def test_bands(bands: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r'three of 1 to 4, the bands of a\.tif, got'):
        verify_bands('a.tif', 4, bands)
    verify_bands('a.tif', 4, (4, 1, 1))


class TestFindZones:
    def test_one_of_each_crs(self, write: Any) -> None:
        """Files keep the order that they have in their layer."""
        layers = {
            'optical': [write('a', 34), write('b'), write('c', 34, 160.0)],
            'quality': [],
            'sar': [write('d', 34), write('e'), write('f', east=100_000.0)],
        }
        first, second = find_zones(layers)
        assert first.crs == CRS.from_epsg(32633)
        assert second.crs == CRS.from_epsg(32634)
        optical, sar = layers['optical'], layers['sar']
        assert first.files == {'optical': optical[1:2], 'sar': sar[1:2]}
        assert second.files == {'optical': optical[::2], 'sar': sar[:1]}
        assert first.area.equals(shapely.box(*optical[1].grid.bounds))
        assert second.area.equals(shapely.box(*optical[0].grid.bounds))

    @pytest.mark.parametrize('east', [160.0, 2000.0, 500_000.0])
    def test_nothing_in_common(self, write: Any, east: float) -> None:
        """Also where they meet in an edge."""
        assert (
            find_zones({'optical': [write('a')], 'sar': [write('b', east=east)]}) == []
        )

    def test_layer_elsewhere(self, write: Any) -> None:
        """A zone where one of the layers has no file is left out."""
        layers = {'sar': [write('a'), write('b', 34)], 'labels': [write('c', 34)]}
        (zone,) = find_zones(layers)
        assert zone.files['sar'] == layers['sar'][1:]

    @pytest.mark.parametrize('res', [10.0, 7.3])
    def test_area_is_that_of_torchgeo(
        self, tmp_path: Path, write: Any, write_image: Any, res: float
    ) -> None:
        """Of files in another CRS, and of turned ones, which are warped."""
        turned = Affine(res, res, WEST[33] + 50, res, -res, 4_999_900)
        profile = {'driver': 'GTiff', 'count': 1, 'height': 20, 'width': 30}
        profile |= {'dtype': 'uint8', 'crs': 'EPSG:32633', 'transform': turned}
        with rasterio.open(tmp_path / 'turned.tif', 'w', **profile) as file:
            file.write(np.ones((1, 20, 30), np.uint8))
        transformer = Transformer.from_crs(32633, 32634, always_xy=True)
        x, y = transformer.transform(WEST[33] + 50, 5_000_050)
        other, pixels = tmp_path / 'other.tif', np.ones((1, 20, 20), np.uint8)
        write_image(other, pixels, x, y, 'EPSG:32634', res)
        for name in ('turned', 'other'):
            layers = {
                'optical': [write('a')],
                'sar': [read_header(str(tmp_path / f'{name}.tif'))],
            }
            (zone,) = find_zones(layers)
            outlines = [d.index.union_all() for d in zone.open().values()]
            assert zone.area.equals(shapely.intersection_all(outlines))
            assert 0 < zone.area.area < 160 * 160


class TestOpen:
    def test_datasets(self, write: Any) -> None:
        layers = {
            'optical': [write('a', bands=4, value=3)],
            'sar': [write('b', bands=2)],
            'labels': [write('c', value=7)],
        }
        (zone,) = find_zones(layers)
        datasets = zone.open({'optical': (4, 2, 1)}, labels=('labels', 'quality'))
        assert list(datasets) == ['optical', 'sar', 'labels']
        assert all(dataset.crs == zone.crs for dataset in datasets.values())
        samples = {name: dataset[:, :] for name, dataset in datasets.items()}
        assert samples['optical']['image'].shape == (3, 16, 16)
        assert samples['sar']['image'].shape == (2, 16, 16)
        assert isinstance(datasets['labels'], LabelRaster)
        assert samples['labels']['mask'].unique().tolist() == [7]
