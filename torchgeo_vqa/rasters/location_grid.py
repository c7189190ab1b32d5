# SPDX-License-Identifier: MIT
"""Numbers for the locations of patches."""

import math
from collections.abc import Sequence

import numpy as np
from geopandas import GeoSeries
from numpy.typing import NDArray
from pyproj import CRS
from shapely import box

# Sides in pixels that a number can tell; 0 stands for those of other patches
_NUM_SIDES = 4096


class LocationGrid:
    """Numbers for the locations of square patches, from which they are found again.

    A number tells the upper left corner, to the next pixel, and the side. A patch may begin
    outside *bounds* (xmin, ymin, xmax, ymax) by as much as these are wide and high. In an
    area of too many pixels for *max_number*, corners are told to two pixels, to four, ...
    """

    def __init__(
        self, bounds: Sequence[float], res: tuple[float, float], max_number: int
    ) -> None:
        """Initialize a new LocationGrid instance."""
        xmin, ymin, xmax, ymax = bounds
        self.res = res
        columns = math.ceil((xmax - xmin) / res[0])
        rows = math.ceil((ymax - ymin) / res[1])
        self._corner = xmin - columns * res[0], ymin + 2 * rows * res[1]
        self._cell = res
        columns, rows = 3 * columns + 1, 3 * rows + 1
        while columns * rows * _NUM_SIDES >= max_number:
            columns, rows = columns // 2 + 1, rows // 2 + 1
            self._cell = 2 * self._cell[0], 2 * self._cell[1]
        self._shape = rows, columns

    def number(self, x: slice, y: slice) -> int:
        """Return the number of the location of a patch [xmin:xmax, ymin:ymax]."""
        rows, columns = self._shape
        column = round((x.start - self._corner[0]) / self._cell[0])
        row = round((self._corner[1] - y.stop) / self._cell[1])
        cell = min(max(row, 0), rows - 1) * columns + min(max(column, 0), columns - 1)
        width = round((x.stop - x.start) / self.res[0])
        height = round((y.stop - y.start) / self.res[1])
        side = width if width == height < _NUM_SIDES else 0
        return cell * _NUM_SIDES + side

    def corners(
        self, numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y of the upper left corners of N numbers."""
        rows, columns = np.divmod(numbers // _NUM_SIDES, self._shape[1])
        xs = self._corner[0] + columns * self._cell[0]
        return xs, self._corner[1] - rows * self._cell[1]

    def names(self, numbers: NDArray[np.int64]) -> list[str]:
        """Return upper left corners as texts such as '617301.82 9625098.23'."""
        # A thousandth of a pixel tells one from the next
        digits = max(0, 3 - int(np.floor(np.log10(min(self._cell)))))
        corners = zip(*(axis.tolist() for axis in self.corners(numbers)), strict=True)
        return [f'{x:.{digits}f} {y:.{digits}f}' for x, y in corners]

    def outlines(self, numbers: NDArray[np.int64], crs: CRS) -> GeoSeries:
        """Return the square of each number.

        Raise a ValueError if a patch was not square, or larger than 4,095 pixels.
        """
        sides = numbers % _NUM_SIDES
        if not sides.all():
            raise ValueError(
                f'only square patches of less than {_NUM_SIDES} pixels are known by '
                'their number; choose such a patch size'
            )
        xs, ys = self.corners(numbers)
        width, height = sides * self.res[0], sides * self.res[1]
        return GeoSeries(box(xs, ys - height, xs + width, ys), crs=crs)
