# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of grids, tiles, and warping."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin

from torchgeo_vqa.rasters.grid import Grid, warp
from torchgeo_vqa.rasters.image_file import ImageFile
from torchgeo_vqa.rasters.tile import Tile

UTM = CRS.from_epsg(32633)


def grid(
    west: float = 0.0,
    north: float = 0.0,
    size: int = 16,
    res: float = 10.0,
    crs: CRS | None = UTM,
) -> Grid:
    return Grid(crs, from_origin(west, north, res, res), size, size)


def centers(grid: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
    """Coordinates of the pixels' centres."""
    a, b, c, d, e, f = grid.transform[:6]
    columns, rows = np.meshgrid(
        np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5
    )
    return a * columns + b * rows + c, d * columns + e * rows + f


def plane(grid: Grid) -> NDArray[np.float32]:
    """Image of a function that bilinear interpolation knows exactly."""
    x, y = centers(grid)
    return np.stack([0.1 * x + 0.3 * y, 5 - 0.2 * x]).astype(np.float32)


class TestWarp:
    @given(st.integers(-20, 20), st.integers(-20, 20))
    def test_whole_pixels_are_shifted(self, column: int, row: int) -> None:
        source = grid(10.0 * column, -10.0 * row)
        assert source.offset(grid()) == (row, column)
        warped = warp(plane(source), source, grid())
        expected = plane(grid())
        expected[:, : max(row, 0)] = np.nan
        expected[:, max(row + 16, 0) :] = np.nan
        expected[:, :, : max(column, 0)] = np.nan
        expected[:, :, max(column + 16, 0) :] = np.nan
        np.testing.assert_allclose(warped, expected, atol=1e-4)

    @pytest.mark.parametrize('crs', [UTM, None])
    @pytest.mark.parametrize(
        'source',
        [
            {'west': 3.0, 'north': 4.0, 'size': 20},
            {'west': -30.0, 'north': 50.0, 'size': 20, 'res': 15.0},
            {'west': -7.0, 'north': 7.0, 'size': 64, 'res': 4.0},
        ],
    )
    def test_plane(self, source: dict[str, Any], crs: CRS | None) -> None:
        given = grid(**source, crs=crs)
        target = grid(crs=crs)
        warped = warp(plane(given), given, target)
        x, y = centers(target)
        xmin, ymin, xmax, ymax = given.bounds
        step = given.transform.a
        inside = (x > xmin + step) & (x < xmax - step)
        inside &= (y > ymin + step) & (y < ymax - step)
        assert inside.sum() > 100
        np.testing.assert_allclose(
            warped[:, inside], plane(target)[:, inside], atol=0.02
        )
        outside = (x < xmin) | (x > xmax) | (y < ymin) | (y > ymax)
        assert np.isnan(warped[:, outside]).all()

    def test_turned_grid(self) -> None:
        turned = Grid(UTM, Affine(0, 10, 0, 10, 0, -160), 16, 16)
        south_up = Grid(UTM, Affine(10, 0, 0, 0, 10, -160), 16, 16)
        for source in (turned, south_up):
            assert source.bounds == grid().bounds
            warped = warp(plane(source), source, grid())
            np.testing.assert_allclose(
                warped[:, 1:-1, 1:-1], plane(grid())[:, 1:-1, 1:-1], atol=0.02
            )

    def test_nodata(self) -> None:
        array = np.full((1, 16, 16), 5.0)
        array[0, 0, 0] = -9999
        assert np.isnan(warp(array, grid(), grid(), -9999)).sum() == 1
        # It must not bleed into its neighbours either
        shifted = warp(array, grid(5.0), grid(), -9999)
        assert np.nanmin(shifted) == np.nanmax(shifted) == 5


class TestTile:
    def read(self, tmp_path: Path, write_image: Any, **place: Any) -> NDArray[Any]:
        """SAR image of a pair whose optical image is the grid's."""
        optical, sar = tmp_path / 'optical.tif', tmp_path / 'sar.tif'
        write_image(optical, np.zeros((3, 16, 16), np.uint8), 0.0, 0.0)
        size, res = place.pop('size', 16), place.pop('res', 10.0)
        west, north = place.get('west') or 0.0, place.get('north', 0.0)
        image = grid(west, north, size, res)
        write_image(sar, plane(image), **({'west': 0.0, 'north': 0.0} | place))
        files = {
            'optical': ImageFile.open(str(optical)),
            'sar': ImageFile.open(str(sar)),
        }
        return Tile('a', files['optical'].grid, files).read('sar', 2)

    def test_same_grid_is_not_warped(self, tmp_path: Path, write_image: Any) -> None:
        # But for float rounding
        array = self.read(tmp_path, write_image, west=1e-6, north=-1e-6)
        np.testing.assert_array_equal(array, plane(grid(1e-6, -1e-6)))

    def test_other_grid_is_warped(self, tmp_path: Path, write_image: Any) -> None:
        array = self.read(tmp_path, write_image, west=-14.0, north=13.0, size=24)
        np.testing.assert_allclose(array, plane(grid()), atol=0.02)

    def test_larger_image_is_cut(self, tmp_path: Path, write_image: Any) -> None:
        array = self.read(tmp_path, write_image, size=24)
        np.testing.assert_array_equal(array, plane(grid()))

    def test_without_crs(self, tmp_path: Path, write_image: Any) -> None:
        # It shows what its partner shows, at half the resolution
        array = self.read(tmp_path, write_image, west=None, size=8, res=20.0)
        expected = plane(grid())
        np.testing.assert_allclose(
            array[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=0.02
        )


def test_header_of_no_image(tmp_path: Path) -> None:
    path = tmp_path / 'a.tif'
    path.write_text('text')
    with pytest.raises(OSError, match=r'cannot read .*a\.tif'):
        ImageFile.open(str(path))
