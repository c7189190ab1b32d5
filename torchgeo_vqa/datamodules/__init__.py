# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Data modules."""

from .osvqa import OSVQADataModule
from .osvqamini import OSVQAMiniDataModule

__all__ = ('OSVQADataModule', 'OSVQAMiniDataModule')
