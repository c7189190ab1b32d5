# SPDX-License-Identifier: MIT
"""Datasets."""

from .bigearthnettext import BigEarthNetText
from .mapvqa import MapVQA
from .osvqa import OSVQA
from .osvqamini import OSVQAMini
from .pair_vqa import PairVQA
from .rsvqa import RSVQA
from .rsvqahr import RSVQAHR
from .rsvqalr import RSVQALR
from .rsvqaxben import RSVQAxBEN
from .vqa_dataset import VQADataset

__all__ = (
    'OSVQA',
    'RSVQA',
    'RSVQAHR',
    'RSVQALR',
    'BigEarthNetText',
    'MapVQA',
    'OSVQAMini',
    'PairVQA',
    'RSVQAxBEN',
    'VQADataset',
)
