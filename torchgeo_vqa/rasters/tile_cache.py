# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Cache of decoded images."""

from collections.abc import Callable, Hashable
from operator import attrgetter
from typing import Any

from cachetools import LRUCache
from numpy.typing import NDArray


class TileCache(LRUCache):
    """Keeps the arrays used last, up to a number of bytes.

    A pickled cache is empty: every worker process fills its own.
    """

    def __init__(self, max_bytes: int) -> None:
        """Initialize a new TileCache instance."""
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
