# SPDX-License-Identifier: MIT
"""A synthetic area as files: an optical image, a SAR image and a land-cover map."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import from_origin

from ..storage import write_geotiff
from .landscape import CLASSES, make_area
from .optical import render_optical
from .sar import render_sar

#: Pixels of synthetic images have this many metres.
RESOLUTION = 10.0

_CORNER = 400_000.0, 5_100_000.0


def write_image(
    path: str | os.PathLike[str],
    image: NDArray[np.uint8] | NDArray[np.float32],
    corner: tuple[float, float],
    **profile: Any,
) -> None:
    """Write pixels (C, H, W) as a GeoTIFF whose upper left corner is at (east, north)."""
    write_geotiff(
        path,
        image,
        crs=CRS.from_epsg(32633),
        transform=from_origin(*corner, RESOLUTION, RESOLUTION),
        compress='deflate',
        zlevel=1,
        **profile,
    )


def write_area(
    folder: str | os.PathLike[str],
    size: int = 1024,
    cloud_cover: float = 0.3,
    seed: int = 0,
) -> dict[int, str]:
    """Write a synthetic area as three GeoTIFFs, to try out what works on one's own.

    Writes ``sentinel2.tif`` (red, green and blue, uint8), ``sentinel1.tif`` (VV and VH in
    dB, float32) and ``land_cover.tif`` (class codes, uint8, 0 is no data), of 10 m pixels
    in UTM. The land cover is true also under clouds.

    Args:
        folder: Folder to write to, made if need be.
        size: Side in pixels.
        cloud_cover: Share of the optical image under clouds, in [0, 1).
        seed: Seed of all that is random.

    Returns:
        The name of each class code.

    Raises:
        ValueError: If *size* is not positive, or *cloud_cover* not in [0, 1).
    """
    if size < 1:
        raise ValueError(f'size must be at least 1 pixel, got {size}')
    if not 0 <= cloud_cover < 1:
        raise ValueError(f'cloud_cover must be in [0, 1), got {cloud_cover}')
    rng = np.random.default_rng(seed)
    area = make_area(rng, size, cloud_cover)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / 'sentinel2.tif', render_optical(area, rng), _CORNER)
    write_image(folder / 'sentinel1.tif', render_sar(area, rng), _CORNER)
    write_image(folder / 'land_cover.tif', area.label[None] + 1, _CORNER, nodata=0)
    return dict(enumerate(CLASSES, start=1))
