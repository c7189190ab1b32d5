# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Datasets."""

from .area import write_area
from .bigearthnettext import BigEarthNetText
from .cache_folder import cache_folder
from .mapvqa import MapVQA
from .osvqa import OSVQA
from .osvqamini import OSVQAMini
from .pair_vqa import PairVQA
from .question_table import QuestionTable
from .rsvqa import RSVQA
from .rsvqahr import RSVQAHR
from .rsvqalr import RSVQALR
from .rsvqaxben import RSVQAxBEN

__all__ = (
    'OSVQA',
    'RSVQA',
    'RSVQAHR',
    'RSVQALR',
    'BigEarthNetText',
    'MapVQA',
    'OSVQAMini',
    'PairVQA',
    'QuestionTable',
    'RSVQAxBEN',
    'cache_folder',
    'write_area',
)
