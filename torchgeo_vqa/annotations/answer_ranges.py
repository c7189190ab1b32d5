# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Ranges that RSVQA's numbers are published in."""

import re
from itertools import pairwise

#: Upper ends of the ranges, which begin one above the one before.
UPPER_ENDS = (0, 10, 100, 1000)

_COUNT = re.compile(r'\d+')
_AREA = re.compile(r'(\d+(?:\.\d+)?) ?m2')


def count_range(answer: str) -> str:
    """Return the range of a count, as 'between 11 and 100' for '37'; else the answer itself.

    `RSVQA's published evaluation <https://doi.org/10.1109/TGRS.2020.2988782>`__ of the
    low-resolution dataset has five: 0, 1 to 10, 11 to 100, 101 to 1000, and above.
    """
    return _range(float(answer), '') if _COUNT.fullmatch(answer) else answer


def area_range(answer: str) -> str:
    """Return the range of an area, as 'between 11m2 and 100m2' for '37m2'.

    Ranges are those of :func:`count_range`, in square metres. What is no area is returned.
    """
    match = _AREA.fullmatch(answer)
    return _range(float(match[1]), 'm2') if match else answer


def _range(number: float, unit: str) -> str:
    """Return the range of a number that is not negative."""
    if number == 0:
        return f'0{unit}'
    for below, end in pairwise(UPPER_ENDS):
        if number <= end:
            return f'between {below + 1}{unit} and {end}{unit}'
    return f'more than {UPPER_ENDS[-1]}{unit}'
