# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Raster files that a user names, and what their headers say."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
from rasterio.warp import transform_bounds

from .tile import opened

#: Rasters that are looked for in a folder.
EXTENSIONS = ('.tif', '.tiff', '.vrt', '.jp2', '.img')

_WGS84 = 'EPSG:4326'


class RasterHeader(NamedTuple):
    """What the header of a raster says.

    Attributes:
        path: The file.
        crs: Its coordinate reference system, as WKT.
        origin: Upper left corner.
        bounds: xmin, ymin, xmax, ymax.
        outline: Bounds in degrees.
        dtype: Type of its pixels.
        num_bands: Number of its bands.
    """

    path: str
    crs: str
    origin: tuple[float, float]
    bounds: tuple[float, float, float, float]
    outline: shapely.Polygon
    dtype: str
    num_bands: int


def find_rasters(path: str | os.PathLike[str] | None) -> tuple[str, ...]:
    """List rasters.

    Args:
        path: A raster, a folder with some, or None.

    Returns:
        Their absolute paths.

    Raises:
        FileNotFoundError: If there is none.
    """
    if path is None:
        return ()
    root = Path(path)
    if root.is_dir():
        files = sorted(p for p in root.rglob('*') if p.suffix.lower() in EXTENSIONS)
    else:
        files = [root] if root.exists() else []
    if not files:
        raise FileNotFoundError(
            f'{path} is neither a raster nor a folder with one ({", ".join(EXTENSIONS)})'
        )
    return tuple(str(file.resolve()) for file in files)


def read_header(path: str) -> RasterHeader:
    """Read the header of a raster.

    Args:
        path: The file.

    Returns:
        What it says.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it has no CRS.
    """
    with opened(path) as src:
        if src.crs is None:
            raise ValueError(
                f'{path} has no CRS; give it one, for example with `rio edit-info`'
            )
        outline = shapely.box(*transform_bounds(src.crs, _WGS84, *src.bounds))
        dtype = np.result_type(*src.dtypes).name
        wkt = src.crs.to_wkt(version='WKT2_2018')
        corner = src.transform.c, src.transform.f
        return RasterHeader(path, wkt, corner, src.bounds, outline, dtype, src.count)


def by_crs(headers: Iterable[RasterHeader]) -> list[list[RasterHeader]]:
    """Group files by their CRS.

    A dataset of TorchGeo has one CRS. Warping all images to that of the first would
    spoil the pixels of every other UTM zone.

    Args:
        headers: Headers of the files.

    Returns:
        Those of each CRS, in the order of their names.
    """
    groups: dict[str, list[RasterHeader]] = defaultdict(list)
    for header in headers:
        groups[header.crs].append(header)
    return [group for _, group in sorted(groups.items())]


def verify_bands(path: str, num_bands: int, bands: Sequence[int]) -> None:
    """Verify that an optical file has the bands that are asked for.

    Args:
        path: The file.
        num_bands: Number of its bands.
        bands: Red, green and blue among them, counted from 1.

    Raises:
        ValueError: If they are not three that the file has.
    """
    if len(bands) != 3 or not all(1 <= band <= num_bands for band in bands):
        raise ValueError(
            f'optical_bands must be three of 1 to {num_bands}, the bands of {path}, got '
            f'{list(bands)}'
        )
