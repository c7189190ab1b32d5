# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Datasets."""

from .cache_folder import cache_folder
from .osvqa import OSVQA
from .question_table import QuestionTable

__all__ = ('OSVQA', 'QuestionTable', 'cache_folder')
