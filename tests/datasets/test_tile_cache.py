# SPDX-License-Identifier: MIT
"""Tests of the cache of decoded images."""

import pickle
from typing import Any

import numpy as np

from torchgeo_vqa.datasets.tile_reader import TileCache


def test_is_bounded() -> None:
    cache, reads = TileCache(100), []

    def get(key: str, size: int = 40) -> None:
        def read() -> Any:
            reads.append(key)
            return np.zeros(size, np.uint8)

        assert len(cache.load(key, read)) == size

    for key in 'abacab':
        get(key)
    # c takes the place of b, the one used longest ago, and b that of c
    assert reads == ['a', 'b', 'c', 'b']
    assert (len(cache), cache.currsize) == (2, 80)
    get('large', 200)
    assert (len(cache), cache.currsize) == (2, 80)
    assert reads[-1] == 'large'


def test_keeps_nothing() -> None:
    cache, array = TileCache(0), np.zeros(1)
    for _ in range(2):
        assert cache.load('a', lambda: array) is array
    assert (len(cache), cache.currsize) == (0, 0)


def test_same_array() -> None:
    cache = TileCache(100)
    first = cache.load('a', lambda: np.zeros(8))
    assert cache.load('a', lambda: np.ones(8)) is first


def test_pickled_cache_is_empty() -> None:
    cache = TileCache(100)
    cache.load('a', lambda: np.zeros(8))
    copy = pickle.loads(pickle.dumps(cache))
    assert isinstance(copy, TileCache)
    assert (len(copy), copy.currsize, copy.maxsize) == (0, 0, 100)
    copy.load('a', lambda: np.ones(8))
    assert (len(copy), copy.currsize) == (1, 64)
