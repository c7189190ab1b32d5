# SPDX-License-Identifier: MIT
"""Coordinates and times of images: made up for those without a CRS, read off names."""

import hashlib
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd
from pyproj import CRS
from rasterio.transform import Affine, from_origin
from torchgeo.datasets.utils import disambiguate_timestamp

_DATE = re.compile(r'(?P<day>\d{8})T(?P<time>\d{5,6})(?!\d)')

# Tiles of a split stand in a strip of columns, a tile's width apart.
_COLUMNS = 64

# Distance of the splits' strips. Small enough that pixel coordinates are exact in float32.
_STRIP = 2**17


def engineering_crs(root: Path) -> CRS:
    """Make a coordinate reference system for images without a location on Earth.

    Its unit is the pixel. There is no way from it to any other, so that combining such
    images with georeferenced ones fails, and so does combining the images of two folders.
    """
    root = root.resolve()
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
    name = f'Image tiles of {root.name} ({key})'
    return CRS.from_wkt(
        f'ENGCRS["{name}",EDATUM["{name}"],CS[Cartesian,2],'
        'AXIS["x",east],AXIS["y",north],LENGTHUNIT["pixel",1]]'
    )


def lay_out(
    strip: int, positions: Sequence[int], sizes: Sequence[tuple[int, int]]
) -> list[Affine]:
    """Return the transform of each image on a grid in units of pixels, with gaps.

    Images stand a multiple of the largest side apart, so that a gridded sampler of that size
    meets whole tiles. *strip* is the number of the split, *positions* are those within it,
    *sizes* heights and widths. Raise a ValueError if the images are too large.
    """
    pitch = 2 * max(max(size) for size in sizes)
    if pitch > _STRIP:
        raise ValueError(
            f'images without a CRS may have a side of up to {_STRIP // 2} pixels, got '
            f'{pitch // 2}; georeference them'
        )
    columns = min(_COLUMNS, _STRIP // pitch)
    west = strip * _STRIP
    transforms = []
    for position, (height, _) in zip(positions, sizes, strict=True):
        row, column = divmod(position, columns)
        south = float(row * pitch)
        transforms.append(from_origin(west + column * pitch, south + height, 1.0, 1.0))
    return transforms


def acquisition_time(name: str) -> tuple[datetime, datetime]:
    """Parse start and end of the second in a name with something like 20170613T101031.

    Without one, that is all time.
    """
    match = _DATE.search(name)
    if match:
        # Older BigEarthNet names leave out the hour's leading zero
        date = f'{match["day"]}T{match["time"].zfill(6)}'
        try:
            return disambiguate_timestamp(date, '%Y%m%dT%H%M%S')
        except ValueError:
            pass  # digits of another meaning
    return pd.Timestamp.min, pd.Timestamp.max
