# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Conversion of question files and image folders into the layout of OSVQA's release."""

from .convert import convert
from .report import Report
from .row import Refusal

__all__ = ('Refusal', 'Report', 'convert')
