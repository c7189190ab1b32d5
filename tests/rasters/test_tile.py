# SPDX-License-Identifier: MIT
"""Tests of tiles."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.windows import Window

from torchgeo_vqa.rasters.grid import Grid
from torchgeo_vqa.rasters.image_file import ImageFile
from torchgeo_vqa.rasters.pairing import Tile

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

    def test_bands(self, tmp_path: Path, write_image: Any) -> None:
        """A single one is repeated, and those beyond are left out."""
        path, pixels = tmp_path / 'a.tif', plane(grid())
        write_image(path, pixels[:1], 0.0, 0.0)
        one = ImageFile.open(str(path))
        np.testing.assert_array_equal(
            Tile('a', one.grid, {'sar': one}).read('sar', 2), pixels[[0, 0]]
        )
        write_image(path, pixels, 0.0, 0.0)
        two = ImageFile.open(str(path))
        np.testing.assert_array_equal(
            Tile('a', two.grid, {'sar': two}).read('sar', 1), pixels[:1]
        )

    def test_window(self, tmp_path: Path, write_image: Any) -> None:
        path, pixels = tmp_path / 'a.tif', plane(grid())
        write_image(path, pixels, 0.0, 0.0)
        file = ImageFile.open(str(path))
        tile = Tile('a', file.grid, {'sar': file})
        assert tile.has_pixels_of('sar')
        assert tile.shape == (16, 16)
        part = tile.read('sar', 2, Window(2, 3, 5, 4))
        np.testing.assert_array_equal(part, pixels[:, 3:7, 2:7])
