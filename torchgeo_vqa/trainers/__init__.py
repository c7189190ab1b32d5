# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Trainers for visual question answering."""

import warnings
from typing import Any

from .. import callbacks, prediction
from .clip import CLIPTask
from .vqa import VQATask, tgfnet

__all__ = ('CLIPTask', 'VQATask', 'tgfnet')

# What stood here before, for one release
_MOVED = {
    name: room
    for room in (callbacks, prediction)
    for name in room.__all__
    if name
    in (
        'Answer',
        'DamagedCheckpoint',
        'DegradationTest',
        'Explanation',
        'PredictionWriter',
        'PreemptionCheckpoint',
        'RandomState',
        'plot_explanation',
    )
}


def __getattr__(name: str) -> Any:
    """Return what has moved to another module."""
    if name not in _MOVED:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    room = _MOVED[name].__name__
    warnings.warn(
        f'{__name__}.{name} is deprecated, use {room}.{name}',
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(_MOVED[name], name)
