# SPDX-License-Identifier: MIT
"""Tests of what every request to the page passes."""

import asyncio
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('gradio')
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from torchgeo_vqa.page import guard
from torchgeo_vqa.page.guard import BodyLimit, SecureHeaders, clear

Ask = Callable[..., tuple[int, dict[str, str], bytes]]


async def length(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def html(request: Request) -> Response:
    return HTMLResponse('<script>1</script><script src="a.js"></script>')


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Function that sends a body in parts, and returns status, headers and body."""
    routes = [Route(p, length, methods=['POST']) for p in ('/a', guard.UPLOAD_PATH)]
    app = Starlette(routes=[*routes, Route('/', html)])
    guarded = SecureHeaders(BodyLimit(app, tmp_path))

    def ask(
        path: str, *parts: bytes, seconds: float = 0, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        left, sent = list(parts), []

        async def receive() -> Any:
            await asyncio.sleep(seconds)
            body = left.pop(0)
            return {'type': 'http.request', 'body': body, 'more_body': bool(left)}

        async def send(message: Any) -> None:
            sent.append(message)

        given = {k.replace('_', '-'): v for k, v in headers.items()}
        scope = {
            'type': 'http',
            'method': 'POST' if parts else 'GET',
            'path': path,
            'headers': [(k.encode(), v.encode()) for k, v in given.items()],
            'query_string': b'',
        }
        asyncio.run(guarded(scope, receive, send))  # type: ignore[arg-type]
        found = {k.decode(): v.decode() for k, v in sent[0]['headers']}
        return sent[0]['status'], found, b''.join(m['body'] for m in sent[1:])

    return ask


def test_large_body(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, 'MAX_BODY', 10)
    assert ask('/a', b'12345', b'67890')[2] == b'10'
    # Nothing of it is received, since there is nothing
    status, _, body = ask('/a', b'', content_length='11')
    assert (status, body) == (413, b'the body is larger than 10 bytes')
    assert ask('/a', b'12345', b'67890', b'1')[0] == 413
    assert ask('/a', b'12345', b'67890', b'1', content_length='5')[0] == 413
    for declared in ('-1', 'many', '1e9'):
        assert ask('/a', b'', content_length=declared)[0] == 413
    # Only uploads may be larger, and nothing that is called alike
    assert ask(guard.UPLOAD_PATH, bytes(11))[2] == b'11'
    assert ask('/gradio_api/run/upload', b'', content_length='11')[0] == 413


def test_slow_body(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, 'BODY_SECONDS', 0.05)
    start = time.monotonic()
    assert ask('/a', *[b'1'] * 100, seconds=0.02)[0] == 408
    assert time.monotonic() - start < 1


def test_uploads_are_bounded(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, 'MAX_STORED', 10)
    (tmp_path / 'a').mkdir()
    kept, old = tmp_path / 'a/kept.tif', tmp_path / 'old.part'
    kept.write_bytes(bytes(10))
    old.write_bytes(bytes(10))
    os.utime(old, (0, time.time() - guard.UPLOAD_SECONDS - 1))
    assert ask(guard.UPLOAD_PATH, b'1')[0] == 200
    assert kept.exists()
    assert not old.exists()
    kept.write_bytes(bytes(11))
    status, headers, body = ask(guard.UPLOAD_PATH, b'1')
    assert (status, headers['retry-after']) == (503, str(guard.UPLOAD_SECONDS))
    assert b'come back in ten minutes' in body
    assert clear(tmp_path) == 11


def test_headers(ask: Ask) -> None:
    """Only the scripts of the page itself run, and nobody frames it."""
    _, headers, body = ask('/', accept='text/html', accept_encoding='br')
    assert int(headers['content-length']) == len(body)
    nonces = re.findall(rb'<script nonce="(.+?)"', body)
    assert len(nonces) == 2
    policy = headers['content-security-policy']
    assert policy.count('nonce-') == 1
    assert {f"'nonce-{nonce.decode()}'" in policy for nonce in nonces} == {True}
    assert 'unsafe-eval' not in policy
    assert "script-src 'self' 'nonce" in policy
    assert "frame-ancestors 'none'" in policy
    assert ask('/', accept='text/html')[1]['content-security-policy'] != policy
    for path, *parts in [('/a', b'1'), ('/missing',), ('/a', bytes(2**20))]:
        found = ask(str(path), *parts)[1]  # type: ignore[arg-type]
        assert found['x-content-type-options'] == 'nosniff'
        assert found['x-frame-options'] == 'DENY'
        assert found['referrer-policy'] == 'no-referrer'
