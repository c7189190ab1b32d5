# SPDX-License-Identifier: MIT
"""Tests of splits that are drawn."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchgeo_vqa.annotations.split_draw import (
    draw_splits,
    split_sizes,
    verify_fractions,
)

SHARES = st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any)


@given(number=st.integers(0, 200), shares=SHARES)
def test_sizes(number: int, shares: list[int]) -> None:
    fractions = [share / sum(shares) for share in shares]
    verify_fractions(fractions)
    sizes = split_sizes(number, fractions)
    assert sum(sizes) == number
    for size, fraction in zip(sizes, fractions, strict=True):
        assert size >= 0
        assert fraction or not size
        if number >= 3:
            assert size or not fraction
        # rounded, and up to two given to splits that would have none
        assert abs(size - fraction * number) < 3


@pytest.mark.parametrize(
    ('number', 'sizes'),
    [(100, [80, 10, 10]), (10, [8, 1, 1]), (3, [1, 1, 1]), (1, [1, 0, 0])],
)
def test_usual_fractions(number: int, sizes: list[int]) -> None:
    assert split_sizes(number, (0.8, 0.1, 0.1)) == sizes


def test_draw() -> None:
    keys = [f'image {i}' for i in range(50)]
    drawn = draw_splits(keys, (0.5, 0.3, 0.2), 0)
    assert list(drawn) == keys
    assert Counter(drawn.values()) == {'train': 25, 'val': 15, 'test': 10}
    assert draw_splits(keys, (0.5, 0.3, 0.2), 0) == drawn
    assert draw_splits(keys, (0.5, 0.3, 0.2), 1) != drawn
    # it is a draw, not a cut
    assert len(set(list(drawn.values())[:15])) > 1


@pytest.mark.parametrize('fractions', [(0.5, 0.5), (1.5, -0.5, 0), (0.2, 0.2, 0.2)])
def test_bad_fractions(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match='sum to 1'):
        verify_fractions(fractions)
