# SPDX-License-Identifier: MIT
"""LocationGrid: locations from numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from torchgeo_vqa.rasters.location_grid import LocationGrid

BOUNDS = (400_000.0, 5_000_000.0, 400_960.0, 5_001_280.0)
UTM = CRS.from_epsg(32633)


@given(st.integers(-60, 60), st.integers(-60, 60), st.integers(1, 90))
def test_outline_of_a_number(column: int, row: int, side: int) -> None:
    grid = LocationGrid(BOUNDS, (10.0, 10.0), 2**50)
    x, y = BOUNDS[0] + 10 * column, BOUNDS[3] - 10 * row
    number = grid.number(slice(x, x + 10 * side), slice(y - 10 * side, y))
    assert 0 <= number < 2**50
    (outline,) = grid.outlines(np.array([number]), UTM)
    assert outline.bounds == (x, y - 10 * side, x + 10 * side, y)
    assert grid.names(np.array([number])) == [f'{x:.2f} {y:.2f}']


def test_numbers_are_unique() -> None:
    grid = LocationGrid(BOUNDS, (10.0, 10.0), 2**50)
    xs = np.arange(BOUNDS[0], BOUNDS[2], 10)
    ys = np.arange(BOUNDS[1], BOUNDS[3], 10)
    numbers = {
        grid.number(slice(x, x + 320), slice(y, y + 320)) for x in xs for y in ys
    }
    assert len(numbers) == len(xs) * len(ys)


def test_large_areas_are_told_to_some_pixels() -> None:
    bounds = (0.0, 0.0, 1e7, 1e7)
    grid = LocationGrid(bounds, (10.0, 10.0), 2**45)
    x, y = 1_234_560.0, 7_654_320.0
    number = grid.number(slice(x, x + 640), slice(y - 640, y))
    assert 0 <= number < 2**45
    outline = grid.outlines(np.array([number]), UTM)[0]
    assert abs(outline.bounds[0] - x) <= 640
    assert abs(outline.bounds[3] - y) <= 640
    assert outline.area == pytest.approx(640**2)


@pytest.mark.parametrize(('width', 'height'), [(3, 4), (5000, 5000)])
def test_no_outline(width: int, height: int) -> None:
    grid = LocationGrid(BOUNDS, (10.0, 10.0), 2**50)
    x, y = BOUNDS[0], BOUNDS[3]
    number = grid.number(slice(x, x + 10 * width), slice(y - 10 * height, y))
    assert grid.names(np.array([number])) == [f'{x:.2f} {y:.2f}']
    with pytest.raises(ValueError, match='only square patches of less than 4096'):
        grid.outlines(np.array([number]), UTM)
