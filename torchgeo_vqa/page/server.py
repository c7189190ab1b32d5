# SPDX-License-Identifier: MIT
"""The server of the page."""

import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import matplotlib as mpl
import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from ..prediction import Predictor
from ..storage import cache_folder, scratch_folder
from .app import make_app
from .guard import BodyLimit, SecureHeaders
from .limits import MAX_CONNECTIONS, MAX_UPLOAD, REQUESTS
from .rate_limit import RateLimit

#: Addresses of the machine itself, and those that stand for all of them.
_LOCAL = ('localhost', '127.0.0.1', '[::1]')
_ANY = ('0.0.0.0', '::')


def run_app(
    predictor: Predictor,
    host: str = '127.0.0.1',
    port: int = 7860,
    allowed_hosts: Sequence[str] = (),
) -> None:
    """Serve the page until it is interrupted; other hosts than this one's own are open to all.

    *allowed_hosts* are names by which visitors may call the page beside *host* and those of
    the machine itself. Uploads are removed at the end, also after SIGTERM, and those of a
    killed server at the next start. An address that cannot be listened on is an OSError.
    """
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with (
        socket.create_server((host, port), family=family) as listener,
        scratch_folder(cache_folder() / 'uploads') as folder,
    ):
        folder.chmod(0o700)
        os.environ['GRADIO_TEMP_DIR'] = tempfile.tempdir = str(folder)
        # What was asked is nobody else's, and memory for numbers that nobody looks at
        os.environ['GRADIO_RUN_HISTORY'] = 'False'
        os.environ['GRADIO_ANALYTICS_MAX_EVENTS'] = '100'
        mpl.use('agg')  # windows can be opened by the main thread only
        names = [*host_names(host), *allowed_hosts]
        app = guarded(make_app(predictor), folder, names)
        config = uvicorn.Config(
            app,
            ws='none',
            log_level='warning',
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        # Without this, SIGTERM would end the process before the folder is removed
        signal.signal(signal.SIGTERM, _stop)
        address = listener.getsockname()
        name = f'[{address[0]}]' if family == socket.AF_INET6 else address[0]
        print(f'The page is at http://{name}:{address[1]}', flush=True)
        _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that ends without a word."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, where uvicorn prints a stack for every page that is open."""
        logging.getLogger('uvicorn.error').setLevel(logging.CRITICAL)
        await super().shutdown(sockets)


def _stop(number: int, _: Any) -> None:
    """End the process as the signal does, with all that is to be done at its end."""
    sys.exit(128 + number)


def host_names(host: str) -> list[str]:
    """Names by which visitors may call the page: its address, and the machine's own."""
    names = {*_LOCAL, f'[{host}]' if ':' in host else host}
    if host in _ANY:
        own = socket.gethostname()
        names |= {own, socket.getfqdn()}
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(own, None)}
        except OSError:  # a machine whose name nobody knows
            found = set()
        names |= {f'[{name}]' if ':' in name else name for name in found}
    return sorted(names)


def guarded(app: gr.Blocks, folder: Path, names: Sequence[str]) -> ASGIApp:
    """Put the page behind its limits. *folder* keeps the uploads, *names* are the page's."""
    # Gradio takes the path of any file of the machine for an upload unless it has started itself
    app.has_launched = True
    server: ASGIApp = gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        app,
        path='/',
        max_file_size=MAX_UPLOAD,
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        footer_links=[],
    )
    server = BodyLimit(server, folder)
    server = RateLimit(server, limits=REQUESTS)
    server = TrustedHostMiddleware(server, names, www_redirect=False)
    return SecureHeaders(server)
