# SPDX-License-Identifier: MIT
"""Tests of the search of an index, against GeoPandas."""

import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas import GeoDataFrame

from torchgeo_vqa.rasters.footprint_index import FootprintIndex

BOUNDS = (2.0, 3.0, 6.0, 7.0)


@pytest.fixture
def frame() -> GeoDataFrame:
    """Squares at whole numbers, some turned, of ten days each."""
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 10, (200, 2))
    boxes = [shapely.box(x, y, x + 2, y + 2) for x, y in corners]
    boxes[::7] = [shapely.affinity.rotate(box, 45) for box in boxes[::7]]
    start = pd.Timestamp('2020-01-01') + pd.to_timedelta(rng.integers(0, 90, 200), 'D')
    times = pd.IntervalIndex.from_arrays(start, start + pd.Timedelta('10D'), 'both')
    return GeoDataFrame(geometry=boxes, index=times, crs='EPSG:32633')


@pytest.fixture
def index(frame: GeoDataFrame) -> FootprintIndex:
    return FootprintIndex(frame, (0.1, 0.1))


def test_extent(frame: GeoDataFrame, index: FootprintIndex) -> None:
    xmin, ymin, xmax, ymax = frame.total_bounds
    x, y, t = index.extent
    assert (x, y) == ((xmin, xmax), (ymin, ymax))
    assert t == (frame.index.left.min(), frame.index.right.max())


def test_equal(frame: GeoDataFrame, index: FootprintIndex) -> None:
    near = (2.05, 2.95, 4.0, 5.0)
    expected = np.flatnonzero(
        [box.equals(shapely.box(2, 3, 4, 5)) for box in frame.geometry]
    )
    assert len(expected) > 0
    for _ in range(2):  # the second time from memory
        np.testing.assert_array_equal(index.equal(near), expected)
    assert len(index.equal((2.2, 3.0, 4.0, 5.0))) == 0


def test_touching(frame: GeoDataFrame, index: FootprintIndex) -> None:
    expected = np.flatnonzero(frame.geometry.intersects(shapely.box(*BOUNDS)))
    np.testing.assert_array_equal(index.touching(BOUNDS), expected)


def test_inside(frame: GeoDataFrame, index: FootprintIndex) -> None:
    rows = index.touching(BOUNDS)
    patch = shapely.box(*BOUNDS).buffer(0.1, join_style='mitre')
    expected = frame.geometry.iloc[rows].within(patch)
    np.testing.assert_array_equal(index.inside(rows, BOUNDS), expected)
    assert 0 < expected.sum() < len(rows)


def test_during(frame: GeoDataFrame, index: FootprintIndex) -> None:
    start, stop = pd.Timestamp('2020-01-20'), pd.Timestamp('2020-02-01')
    rows = np.arange(0, 200, 3)
    overlap = frame.index.overlaps(pd.Interval(start, stop, 'both'))
    expected = rows[overlap[rows]]
    np.testing.assert_array_equal(index.during(rows, start, stop), expected)
    assert 0 < len(expected) < len(rows)


def test_uncovered() -> None:
    boxes = [shapely.box(x, 0, x + 2, 2) for x in (0, 1, 2, 4, 0)]
    times = pd.IntervalIndex.from_tuples([(0, 1)] * 5, closed='both')
    index = FootprintIndex(GeoDataFrame(geometry=boxes, index=times), (0.1, 0.1))
    free = index.uncovered(np.array([0, 1, 2, 3, 4]), 0.01)
    assert free.tolist() == [True, False, False, True, False]
    # Another order has others on top, and two units may be shared
    assert index.uncovered(np.array([1, 0, 2]), 0.01).tolist() == [True, False, False]
    assert index.uncovered(np.array([0, 1, 4]), 2.0).tolist() == [True, True, False]
