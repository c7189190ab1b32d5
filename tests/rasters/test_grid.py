# SPDX-License-Identifier: MIT
"""Tests of grids and warping."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin
from rasterio.windows import Window

from torchgeo_vqa.rasters.grid import Grid, warp

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


class TestGrid:
    def test_bounds_and_outline(self) -> None:
        assert grid(5.0).bounds == (5, -160, 165, 0)
        assert grid(5.0).outline.bounds == grid(5.0).bounds
        # On its tip: half of what its bounds hold
        tilted = Grid(UTM, Affine(10, 10, 0, 10, -10, 0), 16, 16)
        assert tilted.bounds == (0, -160, 320, 160)
        assert tilted.outline.area == 320 * 320 / 2
        assert not tilted.is_north_up

    @given(st.integers(-20, 20), st.integers(-20, 20), st.sampled_from([8, 16, 30]))
    def test_overlap(self, column: int, row: int, size: int) -> None:
        mine, other = grid(), grid(10.0 * column, -10.0 * row, size)
        window = mine.overlap(other)
        shared = {(r, c) for r in range(16) for c in range(16)} & {
            (r + row, c + column) for r in range(size) for c in range(size)
        }
        if window is None:
            assert not shared
            return
        rows, columns = window.toslices()
        found = {
            (r, c)
            for r in range(rows.start, rows.stop)
            for c in range(columns.start, columns.stop)
        }
        assert found == shared
        assert mine.crop(window).offset(mine) == (window.row_off, window.col_off)

    @pytest.mark.parametrize(
        'other',
        [
            grid(3.0),
            grid(res=5.0),
            grid(res=10.01),
            grid(crs=None),
            grid(crs=CRS.from_epsg(32634)),
            Grid(UTM, Affine(10, 0, 0, 0, 10, -160), 16, 16),
        ],
    )
    def test_other_pixels(self, other: Grid) -> None:
        assert grid().offset(other) is None
        assert other.offset(grid()) is None
        assert grid().overlap(other) is None

    def test_is_same(self) -> None:
        assert grid().is_same(grid(1e-6))
        assert not grid().is_same(grid(10.0))
        assert not grid().is_same(grid(size=17))

    def test_resized(self) -> None:
        small = grid(5.0).resized(8, 32)
        assert (small.height, small.width, small.crs) == (8, 32, UTM)
        assert small.bounds == grid(5.0).bounds

    def test_crop(self) -> None:
        part = grid().crop(Window(2, 3, 5, 4))
        assert (part.height, part.width) == (4, 5)
        assert part.bounds == (20, -70, 70, -30)

    def test_to_crs(self) -> None:
        """Nothing is left out, and pixels stay about as large."""
        mine = grid(500_000.0, 5_000_000.0)
        assert mine.to_crs(UTM) == mine
        other = mine.to_crs(CRS.from_epsg(32634))
        assert other.is_north_up
        assert other.transform.a == pytest.approx(10, rel=0.15)
        back = other.to_crs(UTM).outline
        assert back.contains(mine.outline)


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
        array[0, 0, 0] = np.nan
        assert np.isnan(warp(array, grid(), grid())).sum() == 1
        # It must not bleed into its neighbours either
        shifted = warp(array, grid(5.0), grid())
        assert np.nanmin(shifted) == np.nanmax(shifted) == 5
