# SPDX-License-Identifier: MIT
"""Size of what a query asks for."""

#: Pixels of a sample at most: a square of 32,768, some 20 GB of both modalities.
MAX_PIXELS = 2**30


def verify_extent(x: slice, y: slice) -> tuple[int, int]:
    """Return height and width in pixels of x and y of a complete query.

    Raise a ValueError if that is more than a sample can be.
    """
    width = max(1, round((x.stop - x.start) / x.step))
    height = max(1, round((y.stop - y.start) / y.step))
    if width * height > MAX_PIXELS:
        raise ValueError(
            f'a sample of {width:,} x {height:,} pixels is more than fits in memory: ask '
            'for a part of it, by a sampler of tiles or patches. A sampler of times alone '
            'takes everything from one end to the other: combine it, as '
            '`TileSampler(dataset) @ SequentialTimestampSampler(dataset)`'
        )
    return height, width
