# SPDX-License-Identifier: MIT
"""What every request to the page passes: limits to its body, and headers of its answer."""

import asyncio
import secrets
import time
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .limits import BODY_SECONDS, MAX_BODY, MAX_STORED, MAX_UPLOAD, UPLOAD_SECONDS

#: Where files are uploaded to. Only there, a body may be large.
UPLOAD_PATH = '/gradio_api/upload'

#: Bytes of an upload that are not the file.
_ENVELOPE = 2**16

#: Gradio sets styles on elements. Its scripts are files, but for those that carry the nonce.
POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)

#: Headers of every answer.
HEADERS = {
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
}


class BodyLimit:
    """ASGI middleware that takes no body that is large or slow.

    What is declared too large is answered 413 before a byte of it is read, the rest when too
    much has arrived. No upload is taken while too many are kept.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        """Initialize a new BodyLimit instance. *folder* keeps the uploads."""
        self.app, self.folder = app, folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whose body *receive* receives, through *send*."""
        if scope['type'] != 'http':
            return await self.app(scope, receive, send)
        is_upload = scope['path'] == UPLOAD_PATH
        limit = MAX_UPLOAD + _ENVELOPE if is_upload else MAX_BODY
        declared = Headers(scope=scope).get('content-length', '0')
        too_large = f'the body is larger than {limit:,} bytes'
        if not declared.isdecimal() or int(declared) > limit:
            return await PlainTextResponse(too_large, 413)(scope, receive, send)
        if is_upload and await asyncio.to_thread(clear, self.folder) > MAX_STORED:
            refusal = PlainTextResponse(
                'the page keeps as many uploads as it can: come back in ten minutes',
                503,
                {'Retry-After': str(UPLOAD_SECONDS)},
            )
            return await refusal(scope, receive, send)
        arrived, complete = 0, False
        end = time.monotonic() + BODY_SECONDS

        async def limited() -> Message:
            nonlocal arrived, complete
            if complete:  # waits for the visitor to leave
                return await receive()
            try:
                left = max(end - time.monotonic(), 0)
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError as error:
                reason = f'the body did not arrive in {BODY_SECONDS:.0f} s'
                raise HTTPException(408, reason) from error
            arrived += len(message.get('body', b''))
            complete = not message.get('more_body', False)
            if arrived > limit:
                raise HTTPException(413, too_large)
            return message

        await self.app(scope, limited, send)


def clear(folder: Path) -> int:
    """Remove uploads that are too old, also parts of broken ones; return the bytes of the rest."""
    total = 0
    for path in folder.rglob('*'):
        try:
            status = path.lstat()
            if path.is_dir():
                continue
            if time.time() - status.st_mtime > UPLOAD_SECONDS:
                path.unlink()
            else:
                total += status.st_size
        except OSError:  # somebody else removed it
            continue
    return total


class SecureHeaders:
    """ASGI middleware that tells browsers what the page may do, and marks its scripts."""

    def __init__(self, app: ASGIApp) -> None:
        """Initialize a new SecureHeaders instance."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request through *send*, with headers."""
        if scope['type'] != 'http':
            return await self.app(scope, receive, send)
        nonce = secrets.token_urlsafe(16)
        # A page is changed, and so must not be compressed
        if 'text/html' in Headers(scope=scope).get('accept', ''):
            MutableHeaders(scope=scope)['accept-encoding'] = 'identity'
        start: Message = {}
        parts: list[bytes] = []

        async def secured(message: Message) -> None:
            nonlocal start
            if message['type'] == 'http.response.start':
                start, headers = message, MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers['Content-Security-Policy'] = POLICY.format(nonce=nonce)
                if not _is_page(headers):
                    await send(message)
            elif _is_page(Headers(scope=start)):
                parts.append(message.get('body', b''))
                if not message.get('more_body', False):
                    # Gradio escapes "<" in all data between its scripts
                    mark = f'<script nonce="{nonce}"'.encode()
                    body = b''.join(parts).replace(b'<script', mark)
                    MutableHeaders(scope=start)['content-length'] = str(len(body))
                    await send(start)
                    await send({'type': 'http.response.body', 'body': body})
            else:
                await send(message)

        await self.app(scope, receive, secured)


def _is_page(headers: Headers) -> bool:
    """Tell whether an answer is a page that can be changed."""
    is_html = headers.get('content-type', '').startswith('text/html')
    return is_html and headers.get('content-encoding', 'identity') == 'identity'
