# SPDX-License-Identifier: MIT
"""Splits that are drawn: of images, or of blocks of a map."""

from collections.abc import Hashable, Sequence

import numpy as np

from ..sample import SPLITS


def verify_fractions(fractions: Sequence[float]) -> None:
    """Raise a ValueError unless these are the shares of the three splits."""
    if (
        len(fractions) != len(SPLITS)
        or not all(0 <= fraction <= 1 for fraction in fractions)
        or abs(sum(fractions) - 1) > 1e-6
    ):
        raise ValueError(
            f'fractions must be three numbers that sum to 1, got {list(fractions)!r}'
        )


def split_sizes(number: int, fractions: Sequence[float]) -> list[int]:
    """Divide a number among splits; each size differs from its share by less than one.

    But no split with a share is left without any if there are enough things.
    """
    ends = np.rint(np.cumsum(fractions) * number).astype(int)
    sizes = np.diff(ends, prepend=0).tolist()
    for i, fraction in enumerate(fractions):
        if fraction and not sizes[i] and max(sizes) > 1:
            sizes[sizes.index(max(sizes))] -= 1
            sizes[i] = 1
    return sizes


def draw_splits[Key: Hashable](
    keys: Sequence[Key], fractions: Sequence[float], seed: int
) -> dict[Key, str]:
    """Draw a split for each key, in their order."""
    splits = np.repeat(SPLITS, split_sizes(len(keys), fractions)).tolist()
    order = np.random.default_rng(seed).permutation(len(keys))
    drawn = {keys[i]: split for i, split in zip(order, splits, strict=True)}
    return {key: drawn[key] for key in keys}
