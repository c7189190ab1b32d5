# SPDX-License-Identifier: MIT
"""Tiles: pairs of image files of one location."""

from dataclasses import dataclass

import numpy as np
from rasterio.windows import Window

from .grid import Array, Grid, warp
from .image_file import ImageFile


@dataclass(frozen=True)
class Tile:
    """Image file of each modality of a pair, and the north-up grid of the first image."""

    name: str
    grid: Grid
    files: dict[str, ImageFile]

    def read(
        self, modality: str, num_bands: int, window: Window | None = None
    ) -> Array:
        """Read an image, (num_bands, H, W); it is warped only where its grid is not the tile's.

        A single band is repeated, and further bands are left out. A *window* of the tile can be
        read where :meth:`has_pixels_of`. The type is the file's, unless it is warped.
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
        """Tell whether an image has the very pixels of the tile, so is never warped."""
        return self._grid_of(modality).is_same(self.grid)

    def _grid_of(self, modality: str) -> Grid:
        """Return the grid of an image; without a CRS, it has the bounds of its partner."""
        grid = self.files[modality].grid
        return grid if grid.crs else self.grid.resized(grid.height, grid.width)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.grid.height, self.grid.width
