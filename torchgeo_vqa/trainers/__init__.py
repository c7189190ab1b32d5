# SPDX-License-Identifier: MIT
"""Trainers for visual question answering."""

import warnings
from typing import Any

from .. import callbacks, prediction
from .clip import CLIPTask
from .vqa import VQATask, tgfnet

__all__ = ('CLIPTask', 'VQATask', 'tgfnet')


def __getattr__(name: str) -> Any:
    """Return what stood here before, for one release."""
    for room in (callbacks, prediction):
        if name in room.__all__:
            warnings.warn(
                f'{__name__}.{name} is deprecated, use {room.__name__}.{name}',
                DeprecationWarning,
                stacklevel=2,
            )
            return getattr(room, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
