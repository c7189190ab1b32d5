# SPDX-License-Identifier: MIT
"""Tests of the line of visitors."""

import asyncio
from typing import Any

import pytest

from torchgeo_vqa.page import line as line_module
from torchgeo_vqa.page.line import Line, LineError


def served(line: Line, places: dict[str, Any]) -> list[str]:
    """Serve everybody, and return the names in the order of their turns."""
    found = []
    while turn := [name for name, place in places.items() if place.before == 0]:
        assert len(turn) == 1
        found += turn
        line.leave(places.pop(turn[0]))
    return found


def test_first_come_first_served() -> None:
    line = Line(8, 60)
    places = {name: line.join(name) for name in 'abc'}
    assert [place.before for place in places.values()] == [0, 1, 2]
    assert served(line, places) == ['a', 'b', 'c']


def test_who_asks_often_does_not_stop_others() -> None:
    line = Line(8, 60)
    places = {name: line.join(name[0]) for name in ('a1', 'a2', 'a3', 'b1', 'c1', 'b2')}
    assert [place.before for place in places.values()] == [0, 1, 4, 2, 3, 5]
    assert served(line, places) == ['a1', 'a2', 'b1', 'c1', 'a3', 'b2']


def test_full_line_takes_from_who_asks_most() -> None:
    line = Line(3, 60)
    places = [line.join(address) for address in 'aaaab']
    assert [place.before for place in places] == [0, 1, 3, None, 2]
    assert line.join('b').before is None  # all others are there for as long


def test_who_leaves() -> None:
    line = Line(8, 60)
    first, second, third = (line.join(name) for name in 'abc')
    line.leave(second)
    assert third.before == 1
    line.leave(first)
    line.leave(first)  # twice is once
    assert third.before == 0
    line.leave(second)
    assert third.before == 0


def test_says_how_many_are_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, '_LOOK_SECONDS', 0.01)

    async def wait() -> list[int]:
        line = Line(8, 60)
        others = [line.join(name) for name in 'ab']
        found = []
        async for before in line.wait(line.join('c')):
            found.append(before)
            line.leave(others.pop(0))
        return found

    assert asyncio.run(wait()) == [2, 1]


def test_place_is_lost_or_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, '_LOOK_SECONDS', 0.01)

    async def wait(line: Line, joining: str) -> list[int]:
        line.join('a')
        line.join('a')
        place = line.join('a')
        for address in joining:
            line.join(address)
        return [before async for before in line.wait(place)]

    with pytest.raises(LineError, match='come back in a minute'):
        asyncio.run(wait(Line(2, 60), 'b'))
    with pytest.raises(LineError, match='come back in a minute'):
        asyncio.run(wait(Line(2, 0.05), ''))
