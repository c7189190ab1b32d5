# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Image files: their headers and their pixels."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import rasterio

# What GDAL finds wrong while properties are read comes as one of these, which are no
# RasterioError and have no other home
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from .extensions import DRIVERS
from .grid import Array, Grid

#: Bytes that are read of an image at once, at most.
MAX_BYTES = 2**31


@dataclass(frozen=True)
class ImageFile:
    """Header of an image file.

    Attributes:
        path: Path of the file.
        grid: Its pixel grid.
        bands: Numbers of its bands without alpha, counted from 1.
        num_bands: Number of bands when read, more than it has if it holds a palette.
        nodata: Value of pixels without data, if any.
        dtype: Type of the pixels.
        count: Number of all bands of the file.
    """

    path: str
    grid: Grid
    bands: tuple[int, ...]
    num_bands: int
    nodata: float | None
    dtype: str
    count: int

    @classmethod
    def open(cls, path: str) -> 'ImageFile':
        """Read the header of a file; raise an OSError that names it if that fails."""
        with opened(path) as src:
            bands = tuple(
                band
                for band, meaning in zip(src.indexes, src.colorinterp, strict=True)
                if meaning != ColorInterp.alpha
            )
            num_bands = 3 if src.colorinterp[0] == ColorInterp.palette else len(bands)
            grid = Grid(src.crs, src.transform, src.height, src.width)
            # Interned, since there are half a million of some datasets
            dtype = sys.intern(np.result_type(*src.dtypes).name)
            return cls(path, grid, bands, num_bands, src.nodata, dtype, src.count)

    def read(self, window: Window | None = None) -> Array:
        """Read the pixels, of a window or all, as an array (num_bands, H, W) of the file's type.

        Raise an OSError if the file cannot be read, a ValueError if that is too much at once.
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
    """Return a context in which GDAL does not list a folder whenever it opens a file."""
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN='TRUE')


@contextmanager
def opened(path: str) -> Iterator[DatasetReader]:
    """Open a file for reading, so that errors name it (OSError) and no CRS is no warning.

    An image's extension tells its format (:data:`.DRIVERS`): a download whose name was
    chosen by a stranger is nothing else. All formats of GDAL are open to others.
    """
    driver = DRIVERS.get(PurePath(path).suffix.lower())
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NotGeoreferencedWarning)
        try:
            with rasterio.open(path, driver=driver) as src:
                yield src
        except (RasterioError, CPLE_BaseError) as error:
            as_driver = f' as {driver}' if driver else ''
            raise OSError(f'cannot read {path}{as_driver}: {error}') from error
