# SPDX-License-Identifier: MIT
"""Images that visitors upload."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..prediction import read_pair
from ..rasters.image_file import DRIVERS, opened
from ..sample import TITLES
from .limits import MAX_BANDS, MAX_PIXELS, MAX_UPLOAD, MAX_VALUES

Images = dict[str, NDArray[np.float32]]


def read_uploads(paths: Mapping[str, str | None]) -> Images:
    """Read uploaded images, (C, H, W), of each modality that has a file.

    Raise an OSError if a file is no image, a ValueError if there is none, or one is too
    large or of another format.
    """
    given = {m: path for m, path in paths.items() if path}
    if not given:
        raise ValueError('upload an optical image, a SAR image, or both')
    for modality, path in given.items():
        name, suffix = Path(path).name, Path(path).suffix.lower()
        if suffix not in DRIVERS:
            known = ', '.join(DRIVERS)
            raise ValueError(f'{name} is no image that can be read: take {known}')
        if os.path.getsize(path) > MAX_UPLOAD:
            limit = f'{MAX_UPLOAD // 2**20} MiB'
            raise ValueError(f'{name} is larger than {limit}: cut out a part of it')
        try:
            with opened(path) as file:
                height, width, bands = file.height, file.width, file.count
                # A block is decoded as a whole, and may be larger than the image
                blocks = max(h * w for h, w in file.block_shapes)
        except OSError as error:
            reason = _without_folder(error.__cause__, given)
            raise OSError(f'{name} is no {TITLES[modality]} image: {reason}') from error
        if (
            max(height * width, blocks) > MAX_PIXELS
            or bands > MAX_BANDS
            or height * width * bands > MAX_VALUES
        ):
            raise ValueError(
                f'{name} has {width} x {height} pixels in {bands} bands, in blocks of up to '
                f'{blocks:,}; at most {MAX_PIXELS:,} pixels, {MAX_BANDS} bands and '
                f'{MAX_VALUES:,} values can be taken: cut out a part of it'
            )
    try:
        return read_pair(given)
    except (OSError, ValueError) as error:
        raise ValueError(_without_folder(error, given)) from error


def _without_folder(error: object, given: Mapping[str, str]) -> str:
    """Return an error with the names of the files only: their folder is nothing to visitors."""
    text = str(error)
    for path in given.values():
        text = text.replace(path, Path(path).name)
    return text
