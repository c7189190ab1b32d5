# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Datasets."""

from ..annotations.question_table import QuestionTable
from ..synthetic.area import write_area
from .bigearthnettext import BigEarthNetText
from .mapvqa import MapVQA
from .osvqa import OSVQA
from .osvqamini import OSVQAMini
from .pair_vqa import PairVQA
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
    'write_area',
)
