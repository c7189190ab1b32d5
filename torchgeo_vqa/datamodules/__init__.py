# SPDX-License-Identifier: MIT
"""Data modules."""

from .bigearthnet import BigEarthNetTextDataModule, RSVQAxBENDataModule
from .mapvqa import MapVQADataModule
from .osvqa import OSVQADataModule
from .osvqamini import OSVQAMiniDataModule
from .pair import PairDataModule
from .pair_vqa import PairVQADataModule, VQADataModule
from .rsvqa import RSVQAHRDataModule, RSVQALRDataModule
from .worker import start_worker

__all__ = (
    'BigEarthNetTextDataModule',
    'MapVQADataModule',
    'OSVQADataModule',
    'OSVQAMiniDataModule',
    'PairDataModule',
    'PairVQADataModule',
    'RSVQAHRDataModule',
    'RSVQALRDataModule',
    'RSVQAxBENDataModule',
    'VQADataModule',
    'start_worker',
)
