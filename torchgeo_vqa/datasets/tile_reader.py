# SPDX-License-Identifier: MIT
"""Reader of the images of tiles."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from ..rasters.grid import Grid, warp
from ..rasters.pairing import Tile


class TileCache(LRUCache):
    """Keeps the arrays used last, up to a number of bytes.

    A pickled cache is empty: every worker process fills its own.
    """

    def __init__(self, max_bytes: int) -> None:
        """Initialize an empty cache."""
        super().__init__(max_bytes, attrgetter('nbytes'))

    def __reduce__(self) -> tuple[type['TileCache'], tuple[float]]:
        """Pickle without the arrays."""
        return TileCache, (self.maxsize,)

    def load(self, key: Hashable, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the array of a key, not to be written to; *read* it if it is not kept."""
        if key in self:
            return self[key]
        array = read()
        if array.nbytes <= self.maxsize:
            self[key] = array
        return array


class TileReader:
    """Reads the images of tiles as they are, or brings them onto another grid."""

    def __init__(self, num_bands: Mapping[str, int], cache_size: int) -> None:
        """Initialize a reader that keeps so many bytes of decoded images in memory."""
        self.num_bands = num_bands
        self.cache = TileCache(cache_size)

    def read(self, tile: Tile, modality: str) -> NDArray[np.float32]:
        """Return a copy of a tile's image, (C, H, W) float32, NaN where there is no data."""
        return self._decode(tile, modality).astype(np.float32)

    def merge(
        self, tiles: Sequence[Tile], modality: str, grid: Grid
    ) -> NDArray[np.float32]:
        """Warp images of tiles onto a grid and merge them, (C, H, W) float32.

        The first tile is on top. Where none has data, the result is NaN.
        """
        shape = self.num_bands[modality], grid.height, grid.width
        merged = np.full(shape, np.nan, np.float32)
        for tile in reversed(tiles):
            layer = self._warp(tile, modality, grid)
            np.copyto(merged, layer, where=~np.isnan(layer))
        return merged

    def _decode(self, tile: Tile, modality: str) -> NDArray[Any]:
        """Read an image of a tile, or take it from the cache."""
        num_bands = self.num_bands[modality]
        key = tile.name, modality
        return self.cache.load(key, lambda: tile.read(modality, num_bands))

    def _warp(self, tile: Tile, modality: str, grid: Grid) -> NDArray[np.float32]:
        """Warp an image of a tile onto a grid, NaN where it has no data."""
        window = tile.grid.overlap(grid)
        if window is not None and self._is_large(tile) and tile.has_pixels_of(modality):
            part = tile.read(modality, self.num_bands[modality], window)
            return warp(part, tile.grid.crop(window), grid)
        return warp(self._decode(tile, modality), tile.grid, grid)

    def _is_large(self, tile: Tile) -> bool:
        """Return whether only few tiles of this size fit into the cache, or none."""
        num_pixels = tile.grid.height * tile.grid.width
        return num_pixels * sum(self.num_bands.values()) > self.cache.maxsize / 16
