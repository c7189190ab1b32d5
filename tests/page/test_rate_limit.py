# SPDX-License-Identifier: MIT
"""Tests of the limit to what a visitor may ask."""

import asyncio
from typing import Any

import pytest

from torchgeo_vqa.page import rate_limit
from torchgeo_vqa.page.rate_limit import RateLimit


class Visit:
    """A page with a limit, and a clock that stands still until it is set."""

    def __init__(self, limits: dict[str, int]) -> None:
        """Initialize a new Visit instance."""
        self.now = 0.0
        self.limit = RateLimit(self.answer, limits, 60, lambda: self.now)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer what is not refused."""
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})

    def __call__(
        self, path: str = '/ask', host: str = 'a', method: str = 'POST'
    ) -> dict[str, Any]:
        """Send a request, and return the start of the answer."""
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {'type': 'http', 'method': method, 'path': path, 'client': (host, 1)}
        asyncio.run(self.limit(scope, None, send))  # type: ignore[arg-type]
        return sent[0]


def test_window() -> None:
    visit = Visit({'': 2})
    times = [0, 10, 20, 59, 61, 65, 71, 72]
    found = []
    for visit.now in times:
        found.append(visit()['status'])
    # what is refused does not count
    assert found == [200, 200, 429, 429, 200, 429, 200, 429]


def test_how_long_to_wait() -> None:
    visit = Visit({'': 1})
    visit()
    visit.now = 20.5
    assert dict(visit()['headers'])[b'retry-after'] == b'40'


def test_each_address_and_path_by_itself() -> None:
    visit = Visit({'/upload': 1, '': 2})
    assert [visit('/x/upload')['status'] for _ in range(2)] == [200, 429]
    assert [visit('/ask')['status'] for _ in range(3)] == [200, 200, 429]
    assert visit('/ask', 'b')['status'] == 200
    assert visit('/ask', method='GET')['status'] == 200


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, 'MAX_VISITORS', 5)
    visit = Visit({'': 1})
    for host in range(50):
        visit(host=str(host))
    assert len(visit.limit._seen) == 5
    # it is the first visitors who are forgotten
    assert [visit(host=host)['status'] for host in ('45', '49', '0')] == [429, 429, 200]


def test_it_is_not_seen_longest_who_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not who came first: who is refused comes again, and is kept in mind."""
    monkeypatch.setattr(rate_limit, 'MAX_VISITORS', 3)
    visit = Visit({'': 1})
    for host in ('a', 'b', 'c', 'a', 'd'):
        visit(host=host)
    found = {host: visit(host=host)['status'] for host in ('a', 'c', 'd')}
    assert found == {'a': 429, 'c': 429, 'd': 429}
    assert visit(host='b')['status'] == 200


def test_other_protocols_pass() -> None:
    visit = Visit({'': 1})
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    for _ in range(3):
        asyncio.run(visit.limit({'type': 'websocket'}, None, send))  # type: ignore[arg-type]
    assert len(sent) == 3
