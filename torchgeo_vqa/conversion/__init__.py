# SPDX-License-Identifier: MIT
"""Conversion of question files and image folders into the layout of OSVQA's release."""

from .convert import convert
from .question_file import QuestionFormat
from .report import RejectedRow, Report
from .selection import SplitRule

__all__ = ('QuestionFormat', 'RejectedRow', 'Report', 'SplitRule', 'convert')
