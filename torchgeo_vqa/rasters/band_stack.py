# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Images of which each band is a file of its own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import override

import numpy as np
from rasterio.windows import Window

from .grid import Array, warp
from .image_file import ImageFile


@dataclass(frozen=True)
class BandStack(ImageFile):
    """An image of which each band is a file of its own.

    Attributes:
        paths: Path of each band's file. The first is also *path*, and its grid is that of
            the image.
    """

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
