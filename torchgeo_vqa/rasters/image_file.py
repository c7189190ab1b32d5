# SPDX-License-Identifier: MIT
"""Image files: extensions, headers and pixels."""

import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import PurePath
from typing import override

import numpy as np
import rasterio

# What GDAL finds wrong while properties are read comes as one of these, which are no
# RasterioError and have no other home
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from .grid import Array, Grid, warp

#: Format of the images that can be read, by the end of their name. Other formats of GDAL
#: may name further files, here or elsewhere: a download must not make one of them pass
#: for an image.
DRIVERS = dict.fromkeys(('.tif', '.tiff'), 'GTiff') | {'.png': 'PNG'}
DRIVERS |= dict.fromkeys(('.jpg', '.jpeg'), 'JPEG')

#: Images of OSVQA's release, in the order in which a server is asked for them.
IMAGE_EXTENSIONS = ('.png', '.tif', '.tiff')

#: Images that become PNGs in it.
JPEG_EXTENSIONS = ('.jpg', '.jpeg')

#: Rasters that are looked for in a folder that the user names.
RASTER_EXTENSIONS = ('.tif', '.tiff', '.vrt', '.jp2', '.img')


def pattern_of(extensions: Iterable[str]) -> str:
    """Return an expression, for Python and Arrow, of an extension at the end of a name."""
    return rf'(?i)({"|".join(map(re.escape, extensions))})$'


#: Bytes that are read of an image at once, at most.
MAX_BYTES = 2**31


@dataclass(frozen=True)
class ImageFile:
    """Header of an image file.

    Attributes:
        path: Path of the file.
        grid: Its pixels.
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
            meanings = zip(src.indexes, src.colorinterp, strict=True)
            bands = tuple(band for band, m in meanings if m != ColorInterp.alpha)
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
            pixel = src.count * np.result_type(*src.dtypes).itemsize
            num_bytes = height * width * pixel
            if num_bytes > MAX_BYTES:
                raise ValueError(
                    f'{self.path}: {width} x {height} pixels in {src.count} bands are '
                    f'{num_bytes / 2**30:,.1f} GiB, more than {MAX_BYTES / 2**30:.0f} at '
                    'once; cut it into patches, such as with `torchgeo-vqa generate`'
                )
            array: Array = src.read(self.bands, window=window)
            if src.colorinterp[0] == ColorInterp.palette:
                table = np.zeros((256, 3), np.uint8)
                for value, color in src.colormap(1).items():
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


@dataclass(frozen=True)
class BandStack(ImageFile):
    """An image of which each band is a file of *paths*; its grid is that of the first."""

    paths: tuple[str, ...]

    @classmethod
    def stack(cls, paths: Sequence[str]) -> 'BandStack':
        """Read the header of the first band; raise FileNotFoundError if another is missing.

        A dataset of half a million patches opens in half of the time that way.
        """
        for path in paths:
            if not os.path.exists(path):
                raise FileNotFoundError(f'no band {path}')
        first = ImageFile.open(paths[0])
        header = {field.name: getattr(first, field.name) for field in fields(ImageFile)}
        header |= {'bands': (1,), 'num_bands': len(paths), 'count': len(paths)}
        return cls(**header, paths=tuple(paths))

    @override
    def read(self, window: Window | None = None) -> Array:
        """Bands of another resolution are brought to the first's grid."""
        return np.concatenate([self._read_band(path, window) for path in self.paths])

    def _read_band(self, path: str, window: Window | None) -> Array:
        """Read a band, (1, H, W)."""
        file = replace(ImageFile.open(path), bands=(1,))
        if file.grid.is_same(self.grid):
            return file.read(window)
        grid = self.grid if window is None else self.grid.crop(window)
        return warp(file.read(), file.grid, grid, file.nodata)
