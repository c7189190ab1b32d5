# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Datasets."""

from .cache_folder import cache_folder
from .osvqa import OSVQA
from .osvqamini import OSVQAMini
from .question_table import QuestionTable

__all__ = ('OSVQA', 'OSVQAMini', 'QuestionTable', 'cache_folder')
