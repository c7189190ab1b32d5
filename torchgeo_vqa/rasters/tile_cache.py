# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Cache of decoded images."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from numpy.typing import NDArray


class TileCache:
    """Keeps the arrays used last, up to a number of bytes.

    A pickled cache is empty: every worker process fills its own.
    """

    def __init__(self, max_bytes: int) -> None:
        """Initialize a new TileCache instance.

        Args:
            max_bytes: Bytes to keep; 0 keeps nothing.
        """
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._arrays: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of arrays kept.

        Returns:
            Number of arrays.
        """
        return len(self._arrays)

    def __reduce__(self) -> tuple[type['TileCache'], tuple[int]]:
        """Pickle without the arrays.

        Returns:
            How to make an empty cache.
        """
        return TileCache, (self.max_bytes,)

    def get(self, key: Hashable, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return an array, reading it if it is not kept.

        Args:
            key: Key of the array.
            read: Reads it.

        Returns:
            The array, not to be written to.
        """
        if key in self._arrays:
            self._arrays.move_to_end(key)
            return self._arrays[key]
        array = read()
        if array.nbytes <= self.max_bytes:
            self._arrays[key] = array
            self.num_bytes += array.nbytes
        while self.num_bytes > self.max_bytes:
            self.num_bytes -= self._arrays.popitem(last=False)[1].nbytes
        return array
