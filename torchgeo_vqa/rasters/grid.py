# SPDX-License-Identifier: MIT
"""Grids of pixels, and warping from one to another."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import Affine, array_bounds, from_bounds, xy
from rasterio.warp import calculate_default_transform, reproject, transform_bounds
from rasterio.windows import Window
from rasterio.windows import transform as window_transform

Array = NDArray[Any]

# Grids that differ by less than this share of a pixel are the same: float rounding.
_TOLERANCE = 0.01

# Between grids without a CRS, warping is affine; any projected CRS on both sides does it.
_ANY_CRS = CRS.from_epsg(3857)


@dataclass(frozen=True)
class Grid:
    """Grid of pixels: its CRS or None, its transform from (column, row) to (x, y), its size."""

    crs: CRS | None
    transform: Affine
    height: int
    width: int

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Bounds as xmin, ymin, xmax, ymax."""
        west, south, east, north = array_bounds(self.height, self.width, self.transform)
        return min(west, east), min(south, north), max(west, east), max(south, north)

    @property
    def is_north_up(self) -> bool:
        """Whether rows run from north to south and columns from west to east."""
        a, b, _, d, e, _ = self.transform[:6]
        return b == d == 0 and a > 0 and e < 0

    def is_same(self, other: 'Grid') -> bool:
        """Tell whether another grid has the same pixels, but for float rounding."""
        size = self.height, self.width
        return self.offset(other) == (0, 0) and size == (other.height, other.width)

    @property
    def outline(self) -> shapely.Polygon:
        """Outline of the pixels, which may be turned."""
        rows, columns = (0, 0, self.height, self.height), (0, self.width, self.width, 0)
        xs, ys = xy(self.transform, rows, columns, offset='ul')
        return shapely.Polygon(np.column_stack([xs, ys]))

    def to_crs(self, crs: CRS) -> 'Grid':
        """Return the north-up grid on which GDAL warps the pixels to a CRS."""
        transform, width, height = calculate_default_transform(
            self.crs, crs, self.width, self.height, *self.bounds
        )
        return Grid(crs, transform, int(height or 0), int(width or 0))

    def resized(self, height: int, width: int) -> 'Grid':
        """Lay a north-up grid of another size over the same bounds."""
        transform = from_bounds(*self.bounds, width=width, height=height)
        return Grid(self.crs, transform, height, width)

    def overlap(self, other: 'Grid') -> Window | None:
        """Return the window that another grid shares, None if no pixels coincide."""
        offset = other.offset(self)
        if offset is None:
            return None
        row, column = offset
        top, left = max(row, 0), max(column, 0)
        height = min(row + other.height, self.height) - top
        width = min(column + other.width, self.width) - left
        if height <= 0 or width <= 0:
            return None
        return Window(left, top, width, height)  # type: ignore[no-untyped-call]

    def bounds_in(self, crs: CRS | None) -> tuple[float, float, float, float]:
        """Bounds in another CRS as xmin, ymin, xmax, ymax."""
        if crs == self.crs or crs is None:
            return self.bounds
        return tuple(transform_bounds(self.crs, crs, *self.bounds))  # type: ignore[return-value]

    def window_of(self, other: 'Grid') -> Window | None:
        """Return the window whose pixels another grid needs, None if there are none.

        Interpolation needs two pixels more on each side.
        """
        rows, columns = (0, self.height), (0, self.width)
        west, south, east, north = other.bounds_in(self.crs)
        if self.is_north_up and np.isfinite([west, south, east, north]).all():
            a, _, left, _, e, top = self.transform[:6]
            columns = _clip((west - left) / a, (east - left) / a, self.width)
            rows = _clip((north - top) / e, (south - top) / e, self.height)
        if rows[0] >= rows[1] or columns[0] >= columns[1]:
            return None
        return Window.from_slices(rows, columns)  # type: ignore[no-untyped-call,no-any-return]

    def coarseness(self, other: 'Grid') -> float:
        """Return how many pixels of another grid a pixel of this one is wide or high, at least."""
        west, south, east, north = self.bounds_in(other.crs)
        if not other.is_north_up:
            return 1.0
        width, height = (east - west) / self.width, (north - south) / self.height
        return min(width / other.transform.a, height / -other.transform.e)

    def crop(self, window: Window) -> 'Grid':
        """Return the grid of a window."""
        transform = window_transform(window, self.transform)
        return Grid(self.crs, transform, window.height, window.width)

    def offset(self, other: 'Grid') -> tuple[int, int] | None:
        """Return row and column of the first pixel on another grid, None if pixels differ."""
        if self.crs != other.crs or not (self.is_north_up and other.is_north_up):
            return None
        # Where the first and the last corner of this grid lie, in pixels of the other
        left, top = other.transform.c, other.transform.f
        xmin, ymin, xmax, ymax = self.bounds
        x = (np.array([xmin, xmax]) - left) / other.transform.a
        y = (np.array([ymax, ymin]) - top) / other.transform.e
        ends = np.stack([y, x])
        whole = np.round(ends).astype(int)
        size = np.diff(whole).ravel().tolist()
        if np.abs(ends - whole).max() > _TOLERANCE or size != [self.height, self.width]:
            return None
        return int(whole[0, 0]), int(whole[1, 0])


def _clip(start: float, stop: float, size: int) -> tuple[int, int]:
    """Widen a range of pixels by two, and cut it to those that there are."""
    return max(math.floor(start) - 2, 0), min(math.ceil(stop) + 2, size)


def warp(array: Array, source: Grid, target: Grid) -> NDArray[np.float32]:
    """Bring an array (C, H, W) from one grid onto another, as float32.

    Where pixels coincide they are shifted, else interpolated bilinearly, each band by itself.
    Where there is no data, both are NaN.
    """
    array = array.astype(np.float32)
    shape = len(array), target.height, target.width
    out = np.full(shape, np.nan, np.float32)
    offset = source.offset(target)
    if offset is not None:
        window = source.overlap(target)
        if window is not None:
            rows, columns = window.toslices()
            row, column = offset[0] + rows.start, offset[1] + columns.start
            part = array[:, rows, columns]
            out[:, row : row + window.height, column : column + window.width] = part
        return out
    for band, warped in zip(array, out, strict=True):
        reproject(
            band,
            warped,
            src_transform=source.transform,
            src_crs=source.crs or _ANY_CRS,
            src_nodata=np.nan,
            dst_transform=target.transform,
            dst_crs=target.crs or _ANY_CRS,
            dst_nodata=np.nan,
            resampling=Resampling.bilinear,
        )
    return out
