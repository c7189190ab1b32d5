# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Datasets."""

from .cache_folder import cache_folder
from .mapvqa import MapVQA
from .osvqa import OSVQA
from .osvqamini import OSVQAMini
from .question_table import QuestionTable

__all__ = ('OSVQA', 'MapVQA', 'OSVQAMini', 'QuestionTable', 'cache_folder')
