# SPDX-License-Identifier: MIT
"""Tests of the ranges that numbers are evaluated in."""

import pytest

from torchgeo_vqa.datasets.rsvqa import area_range, count_range

# Written from the article: 0, 1 to 10, 11 to 100, 101 to 1000, and above
RANGES = {
    0: '0',
    1: 'between 1 and 10',
    10: 'between 1 and 10',
    11: 'between 11 and 100',
    100: 'between 11 and 100',
    101: 'between 101 and 1000',
    1000: 'between 101 and 1000',
    1001: 'more than 1000',
    1885: 'more than 1000',
}


@pytest.mark.parametrize(('number', 'expected'), RANGES.items())
def test_count_range(number: int, expected: str) -> None:
    assert count_range(str(number)) == expected


@pytest.mark.parametrize(
    ('area', 'expected'),
    [
        ('0m2', '0m2'),
        ('1m2', 'between 1m2 and 10m2'),
        ('10m2', 'between 1m2 and 10m2'),
        ('11m2', 'between 11m2 and 100m2'),
        ('100m2', 'between 11m2 and 100m2'),
        ('1000m2', 'between 101m2 and 1000m2'),
        ('10631m2', 'more than 1000m2'),
        ('0.4m2', 'between 1m2 and 10m2'),
    ],
)
def test_area_range(area: str, expected: str) -> None:
    assert area_range(area) == expected


@pytest.mark.parametrize(
    'answer', ['yes', 'rural', 'between 1 and 10', '-3', '1.5', '']
)
def test_no_count(answer: str) -> None:
    assert count_range(answer) == answer


@pytest.mark.parametrize('answer', ['yes', '37', 'm2', 'between 1m2 and 10m2'])
def test_no_area(answer: str) -> None:
    assert area_range(answer) == answer
