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
from typing import Any, override

import numpy as np
import rasterio
from numpy.typing import NDArray

# What GDAL finds wrong while properties are read comes as one of these, which are no
# RasterioError and have no other home
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from .grid import Array, Grid, warp
from .units import band_names

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
        names: Standard names of the bands, '' where the file does not name them.
    """

    path: str
    grid: Grid
    bands: tuple[int, ...]
    num_bands: int
    nodata: float | None
    dtype: str
    count: int
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: str) -> 'ImageFile':
        """Read the header of a file.

        Raise an OSError that names it if that fails, a ValueError if its pixels are complex.
        """
        with opened(path) as src:
            meanings = zip(src.indexes, src.colorinterp, strict=True)
            bands = tuple(band for band, m in meanings if m != ColorInterp.alpha)
            num_bands = 3 if src.colorinterp[0] == ColorInterp.palette else len(bands)
            if any(name.startswith('complex') for name in src.dtypes):
                raise ValueError(
                    f'{path} holds complex numbers ({src.dtypes[0]}), as single-look '
                    'complex SAR images do; detect it and bring it to dB first: '
                    '10 * log10(abs(x) ** 2)'
                )
            grid = Grid(src.crs, src.transform, src.height, src.width)
            # Interned, since there are half a million of some datasets
            dtype = sys.intern(np.result_type(*src.dtypes).name)
            names = band_names([src.descriptions[band - 1] for band in bands])
            return cls(
                path, grid, bands, num_bands, src.nodata, dtype, src.count, names
            )

    def read_on(self, grid: Grid) -> NDArray[np.float32]:
        """Read what lies on a grid, (num_bands, H, W), NaN where there is no data.

        Only the part of the file that lies there is read, and not many more pixels than the
        grid has.
        """
        window = self.grid.window_of(grid)
        if window is None:
            shape = self.num_bands, grid.height, grid.width
            return np.full(shape, np.nan, np.float32)
        part = self.grid.crop(window)
        step = int(grid.coarseness(part))
        if step < 2:
            return warp(self.read(window), part, grid)
        part = part.resized(-(-part.height // step), -(-part.width // step))
        return warp(self.read(window, (part.height, part.width)), part, grid)

    def read(
        self, window: Window | None = None, shape: tuple[int, int] | None = None
    ) -> Array:
        """Read the pixels of a window or all, (num_bands, H, W), NaN where there is no data.

        This is the only place that decides where files have no data: see :func:`_missing`.
        The type is the file's if it is an integer type and all pixels have data, else float32.
        Scale and offset that the file declares are applied. *shape* (H, W) reads fewer
        pixels, the nearest ones, from overviews where there are some.

        Raise an OSError if the file cannot be read, a ValueError if that is too much at once.
        """
        with in_large_folders(), opened(self.path) as src:
            size = (window.height, window.width) if window else src.shape
            height, width = shape or size
            pixel = src.count * np.result_type(*src.dtypes).itemsize
            num_bytes = height * width * pixel
            if num_bytes > MAX_BYTES:
                raise ValueError(
                    f'{self.path}: {width} x {height} pixels in {src.count} bands are '
                    f'{num_bytes / 2**30:,.1f} GiB, more than {MAX_BYTES / 2**30:.0f} at '
                    'once; cut it into patches, such as with `torchgeo-vqa generate`'
                )
            part: dict[str, Any] = {'window': window}
            if shape is not None:
                part['out_shape'] = (len(self.bands), *shape)
            array: Array = src.read(self.bands, **part)
            missing = _missing(src, self.bands, array, part)
            if src.colorinterp[0] == ColorInterp.palette:
                table = np.zeros((256, 3), np.uint8)
                for value, color in src.colormap(1).items():
                    table[value] = color[:3]
                array = np.moveaxis(table[array[0]], -1, 0)
            scales, offsets = (
                np.array(x, np.float32)[np.subtract(self.bands, 1), None, None]
                for x in (src.scales, src.offsets)
            )
            if (scales != 1).any() or offsets.any():
                array = array * scales + offsets
            if missing is not None or array.dtype.kind == 'f':
                with np.errstate(over='ignore'):
                    array = array.astype(np.float32)
                array[~np.isfinite(array)] = np.nan
            if missing is not None:
                array[np.broadcast_to(missing, array.shape)] = np.nan
            return array


def _missing(
    src: DatasetReader, bands: Sequence[int], array: Array, part: dict[str, Any]
) -> NDArray[np.bool_] | None:
    """Find where bands of a file, read as *array* (C, H, W), have no data; None if nowhere.

    That is where they have the no-data value that the file declares, and where a mask or an
    alpha band says so. In 8-bit pictures, a colour may have the no-data value in one band:
    only where all bands have it there is no data.
    """
    missing = np.zeros_like(array, bool)
    flags = {flag for band in bands for flag in src.mask_flag_enums[band - 1]}
    if flags != {MaskFlags.all_valid}:
        missing = src.read_masks(bands, **part) == 0
        if array.dtype == np.uint8 and MaskFlags.nodata in flags:
            missing[:] = missing.all(axis=0)
    alpha = [i for i, x in enumerate(src.colorinterp, 1) if x == ColorInterp.alpha]
    if alpha:
        shape = part.get('out_shape', array.shape)[1:]
        missing |= src.read(alpha[0], window=part['window'], out_shape=shape) == 0
    return missing if missing.any() else None


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
        header['names'] = ()
        return cls(**header, paths=tuple(paths))

    @override
    def read(
        self, window: Window | None = None, shape: tuple[int, int] | None = None
    ) -> Array:
        """Bands of another resolution are brought to the first's grid."""
        bands = [self._read_band(path, window) for path in self.paths]
        return np.concatenate(bands)

    def _read_band(self, path: str, window: Window | None) -> Array:
        """Read a band, (1, H, W)."""
        file = replace(ImageFile.open(path), bands=(1,))
        if file.grid.is_same(self.grid):
            return file.read(window)
        grid = self.grid if window is None else self.grid.crop(window)
        return warp(file.read(), file.grid, grid)
