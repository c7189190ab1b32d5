# SPDX-License-Identifier: MIT
"""A web page to ask on."""

from .app import make_app
from .server import run_app

__all__ = ('make_app', 'run_app')
