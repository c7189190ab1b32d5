# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Image files, the grids of their pixels, and tiles: pairs of images of one place."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

# What GDAL finds wrong while properties are read comes as one of these, which are no
# RasterioError and have no other home
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.transform import Affine, array_bounds, from_bounds
from rasterio.warp import reproject
from rasterio.windows import Window
from rasterio.windows import transform as window_transform

Array = NDArray[Any]

#: How images are read, by the end of their name. Other formats of GDAL may name further
#: files, here or elsewhere: a download must not make one of them pass for an image.
DRIVERS = {
    '.tif': 'GTiff',
    '.tiff': 'GTiff',
    '.png': 'PNG',
    '.jpg': 'JPEG',
    '.jpeg': 'JPEG',
}

#: Bytes that are read of an image at once, at most.
MAX_BYTES = 2**31

# Grids that differ by less than this share of a pixel are the same: float rounding.
_TOLERANCE = 0.01

# Between grids without a CRS, warping is affine; any projected CRS on both sides does it.
_ANY_CRS = CRS.from_epsg(3857)


@dataclass(frozen=True)
class Grid:
    """A pixel grid: where an image's pixels are.

    Attributes:
        crs: Coordinate reference system, or None.
        transform: From (column, row) to (x, y).
        height: Number of rows.
        width: Number of columns.
    """

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

    def resized(self, height: int, width: int) -> 'Grid':
        """Lay a north-up grid of another size over the same bounds.

        Args:
            height: Number of rows.
            width: Number of columns.

        Returns:
            The new grid.
        """
        transform = from_bounds(*self.bounds, width=width, height=height)
        return Grid(self.crs, transform, height, width)

    def overlap(self, other: 'Grid') -> Window | None:
        """Tell which of this grid's pixels another grid wants, if their pixels coincide.

        Args:
            other: Another grid.

        Returns:
            Window of this grid, or None if they share no pixel or some do not coincide.
        """
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

    def crop(self, window: Window) -> 'Grid':
        """Return the grid of a window.

        Args:
            window: Window of this grid.

        Returns:
            Its grid.
        """
        transform = window_transform(window, self.transform)
        return Grid(self.crs, transform, window.height, window.width)

    def offset(self, other: 'Grid') -> tuple[int, int] | None:
        """Tell how this grid lies on another if their pixels coincide.

        Args:
            other: Another grid.

        Returns:
            Row and column of this grid's first pixel on the other grid, or None if some
            pixels do not coincide.
        """
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


@dataclass(frozen=True)
class ImageFile:
    """What the header of an image file says.

    Attributes:
        path: Path of the file.
        grid: Its pixel grid.
        bands: Numbers of its bands without alpha, counted from 1.
        num_bands: Number of bands when read, more than it has if it holds a palette.
        nodata: Value of pixels without data, if any.
    """

    path: str
    grid: Grid
    bands: tuple[int, ...]
    num_bands: int
    nodata: float | None

    @classmethod
    def open(cls, path: str) -> 'ImageFile':
        """Read the header of a file.

        Args:
            path: Path of the file.

        Returns:
            What the header says.

        Raises:
            OSError: If the file cannot be read.
        """
        with opened(path) as src:
            bands = tuple(
                band
                for band, meaning in zip(src.indexes, src.colorinterp, strict=True)
                if meaning != ColorInterp.alpha
            )
            num_bands = 3 if src.colorinterp[0] == ColorInterp.palette else len(bands)
            grid = Grid(src.crs, src.transform, src.height, src.width)
            return cls(path, grid, bands, num_bands, src.nodata)

    def read(self, window: Window | None = None) -> Array:
        """Read the pixels.

        Args:
            window: Part of the image to read (defaults to all of it).

        Returns:
            Array of shape (num_bands, H, W), of the file's type.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If that is too much at once.
        """
        with in_large_folders(), opened(self.path) as src:
            height, width = (window.height, window.width) if window else src.shape
            num_bytes = (
                src.count * height * width * np.result_type(*src.dtypes).itemsize
            )
            if num_bytes > MAX_BYTES:
                raise ValueError(
                    f'{self.path}: {width} x {height} pixels in {src.count} bands are '
                    f'{num_bytes / 2**30:,.1f} GiB, and at most {MAX_BYTES / 2**30:.0f} '
                    'are read at once; cut it into patches, for example with '
                    '`torchgeo-vqa generate`'
                )
            array: Array = src.read(self.bands, window=window)
            if src.colorinterp[0] == ColorInterp.palette:
                colors = src.colormap(1)
                table = np.zeros((256, 3), np.uint8)
                for value, color in colors.items():
                    table[value] = color[:3]
                array = np.moveaxis(table[array[0]], -1, 0)
            return array


def in_large_folders() -> rasterio.Env:
    """Keep GDAL from listing the whole folder whenever it opens a file.

    Returns:
        A context in which to open files.
    """
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN='TRUE')


@contextmanager
def opened(path: str) -> Iterator[DatasetReader]:
    """Open a file for reading, so that errors name it and no CRS is no warning.

    Args:
        path: Path of the file.

    Yields:
        The open file.

    Raises:
        OSError: If the file cannot be read.
    """
    driver = DRIVERS.get(PurePath(path).suffix.lower())
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NotGeoreferencedWarning)
        try:
            with rasterio.open(path, driver=driver) as src:
                yield src
        except (RasterioError, CPLE_BaseError) as error:
            kind = f' as {driver}' if driver else ''
            raise OSError(f'cannot read {path}{kind}: {error}') from error


def warp(
    array: Array, source: Grid, target: Grid, nodata: float | None = None
) -> NDArray[np.float32]:
    """Bring pixels onto another grid, by shifting where they coincide, else bilinearly.

    Args:
        array: Array of shape (C, source.height, source.width).
        source: Grid of the array.
        target: Grid of the result.
        nodata: Value of pixels without data, beside NaN.

    Returns:
        Array of shape (C, target.height, target.width), NaN where there is no data.
    """
    array = array.astype(np.float32)
    if nodata is not None:
        array[array == np.float32(nodata)] = np.nan
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
    reproject(
        array,
        out,
        src_transform=source.transform,
        src_crs=source.crs or _ANY_CRS,
        src_nodata=np.nan,
        dst_transform=target.transform,
        dst_crs=target.crs or _ANY_CRS,
        dst_nodata=np.nan,
        resampling=Resampling.bilinear,
    )
    return out


@dataclass(frozen=True)
class Tile:
    """A place: its images, and the grid their pixels are returned on.

    Attributes:
        name: Name of the pair.
        grid: North-up grid, that of the first image.
        files: Image file of each modality.
    """

    name: str
    grid: Grid
    files: dict[str, ImageFile]

    def read(
        self, modality: str, num_bands: int, window: Window | None = None
    ) -> Array:
        """Read an image; it is warped only where its grid is not the tile's.

        Args:
            modality: One of *files*.
            num_bands: Number of bands to return: a single band is repeated, and bands
                beyond are left out.
            window: Part of the tile to read, where :meth:`has_pixels_of` (defaults to
                all of it).

        Returns:
            Array of shape (num_bands, H, W), of the file's type unless it is warped.
        """
        file = self.files[modality]
        array = file.read(window)
        if len(array) == 1:
            array = np.repeat(array, num_bands, axis=0)
        array = array[:num_bands]
        if window is not None or self.has_pixels_of(modality):
            return array
        return warp(array, self._grid_of(modality), self.grid, file.nodata)

    def has_pixels_of(self, modality: str) -> bool:
        """Tell whether an image has the very pixels of the tile, so is never warped.

        Args:
            modality: One of *files*.

        Returns:
            True if it has.
        """
        grid = self._grid_of(modality)
        size = grid.height, grid.width
        return grid.offset(self.grid) == (0, 0) and size == self.shape

    def _grid_of(self, modality: str) -> Grid:
        """Grid of an image; without a CRS, it shows what its partner shows."""
        grid = self.files[modality].grid
        return grid if grid.crs else self.grid.resized(grid.height, grid.width)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.grid.height, self.grid.width
