# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Data modules."""

from .bigearthnettext import BigEarthNetTextDataModule
from .osvqa import OSVQADataModule
from .osvqamini import OSVQAMiniDataModule
from .pair_vqa import PairVQADataModule
from .rsvqahr import RSVQAHRDataModule
from .rsvqalr import RSVQALRDataModule
from .rsvqaxben import RSVQAxBENDataModule
from .worker import start_worker

__all__ = (
    'BigEarthNetTextDataModule',
    'OSVQADataModule',
    'OSVQAMiniDataModule',
    'PairVQADataModule',
    'RSVQAHRDataModule',
    'RSVQALRDataModule',
    'RSVQAxBENDataModule',
    'start_worker',
)
