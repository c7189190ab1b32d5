# SPDX-License-Identifier: MIT
"""Search of a GeoDataset's index by location and time."""

from typing import Any

import numpy as np
import pandas as pd
import shapely
from geopandas import GeoDataFrame
from numpy.typing import NDArray

Bounds = tuple[float, float, float, float]
Rows = NDArray[np.int64]


class FootprintIndex:
    """Finds rows of a GeoDataset's index, as ascending numbers.

    Bounds are xmin, ymin, xmax, ymax; those that differ by less than *tolerance* in x and y
    are the same. A GeoDataFrame answers the same, but a thousand times slower, and a sample
    is asked for every millisecond.
    """

    def __init__(self, index: GeoDataFrame, tolerance: tuple[float, float]) -> None:
        """Initialize a new FootprintIndex instance."""
        self.index = index
        self.tolerance = tolerance
        #: xmin, ymin, xmax, ymax of each row, (N, 4).
        self.bounds = index.geometry.bounds.to_numpy()
        self._geometry = index.geometry.to_numpy()
        self._left = index.index.left.to_numpy()
        self._right = index.index.right.to_numpy()
        #: Start and end of x, y and t of all rows.
        self.extent = (
            (float(self.bounds[:, 0].min()), float(self.bounds[:, 2].max())),
            (float(self.bounds[:, 1].min()), float(self.bounds[:, 3].max())),
            (index.index.left.min(), index.index.right.max()),
        )
        self._equal: dict[Bounds, Rows] = {}

    def equal(self, bounds: Bounds) -> Rows:
        """Find rows of given bounds."""
        rows = self._equal.get(bounds)
        if rows is None:
            near = np.abs(self.bounds - bounds) < self.tolerance * 2
            rows = np.flatnonzero(near.all(axis=1))
            # Of tiles only: random patches would fill the memory
            if len(rows):
                self._equal[bounds] = rows
        return rows

    def touching(self, bounds: Bounds) -> Rows:
        """Find rows within given bounds or at their edge."""
        xmin, ymin, xmax, ymax = self.bounds.T
        near = (xmin <= bounds[2]) & (xmax >= bounds[0])
        near &= (ymin <= bounds[3]) & (ymax >= bounds[1])
        rows = np.flatnonzero(near)
        patch = shapely.box(*bounds)
        return rows[shapely.intersects(self._geometry[rows], patch)]

    def inside(self, rows: Rows, bounds: Bounds) -> NDArray[np.bool_]:
        """Return a mask of the rows that lie entirely within bounds."""
        outer = np.array(bounds) + np.multiply(self.tolerance * 2, (-1, -1, 1, 1))
        low = self.bounds[rows, :2] > outer[:2]
        high = self.bounds[rows, 2:] < outer[2:]
        return np.asarray((low & high).all(axis=1))

    def during(self, rows: Rows, start: Any, stop: Any) -> Rows:
        """Keep rows of a time, whose end belongs to it."""
        start = pd.Timestamp(start).to_datetime64()
        stop = pd.Timestamp(stop).to_datetime64()
        return rows[(self._left[rows] <= stop) & (self._right[rows] >= start)]

    def uncovered(self, rows: Rows, tolerance: float) -> NDArray[np.bool_]:
        """Return a mask of the rows, top first, that share at most an area with earlier ones."""
        geometry = self._geometry[rows]
        lower, upper = shapely.STRtree(geometry).query(geometry, 'intersects')
        lower, upper = lower[upper < lower], upper[upper < lower]
        shared = shapely.area(shapely.intersection(geometry[lower], geometry[upper]))
        free = np.ones(len(rows), bool)
        free[lower[shared > tolerance]] = False
        return free
