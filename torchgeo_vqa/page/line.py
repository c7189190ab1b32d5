# SPDX-License-Identifier: MIT
"""The line of visitors who wait for an answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

#: Seconds between two looks at how many are before.
_LOOK_SECONDS = 1.0


class LineError(RuntimeError):
    """A visitor cannot wait any longer, and is told to come back."""


class Place:
    """A place in the line."""

    def __init__(self, address: str, round: int) -> None:
        """Initialize a place of a visitor of an address in a round."""
        self.address, self.round = address, round
        #: How many visitors are before: 0 if it is this one's turn, None without a place.
        self.before: int | None = None
        #: It is this one's turn, or its place is lost.
        self.called = asyncio.Event()


class Line:
    """Visitors who wait for their turn, in rounds: one of each address, and again.

    Who asks once does not wait for all questions of one who asks often.
    """

    def __init__(self, max_waiting: int, seconds: float) -> None:
        """Initialize a line of *max_waiting* visitors, who wait for *seconds* at most."""
        self.max_waiting, self.seconds = max_waiting, seconds
        self._waiting: list[Place] = []
        self._served: Place | None = None
        self._round = 0

    def join(self, address: str) -> Place:
        """Take a place. In a full line, the last one loses its own."""
        own = [
            p.round
            for p in (*self._waiting, self._served)
            if p and p.address == address
        ]
        place = Place(address, max([self._round, *own]) + 1)
        self._waiting.append(place)
        if len(self._waiting) > self.max_waiting:
            last = self._order()[-1]
            self._waiting.remove(last)
            last.before = None
            last.called.set()
        self._move()
        return place

    def leave(self, place: Place) -> None:
        """Give a place back, which is nothing if it is lost or given back already."""
        if self._served is place:
            self._served = None
        elif place in self._waiting:
            self._waiting.remove(place)
        self._move()

    async def wait(self, place: Place) -> AsyncIterator[int]:
        """Yield how many visitors are before, again when that changes, until it is the turn.

        Raise a LineError if the place is lost, or the time is up.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        told = 0
        while place.before != 0:
            if place.before is None or loop.time() >= end:
                raise LineError(
                    'many questions are waiting, and the page cannot take yours now: '
                    'come back in a minute'
                )
            if place.before != told:
                told = place.before
                yield told
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(place.called.wait(), _LOOK_SECONDS)

    def _order(self) -> list[Place]:
        """Who waits, the next one first."""
        return sorted(self._waiting, key=lambda place: place.round)

    def _move(self) -> None:
        """Call the next one if nobody is served, and count who is before the others."""
        if self._served is None and self._waiting:
            self._served = self._order()[0]
            self._waiting.remove(self._served)
            self._served.before, self._round = 0, self._served.round
            self._served.called.set()
        for before, place in enumerate(self._order(), 1):
            place.before = before
