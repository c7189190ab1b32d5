# SPDX-License-Identifier: MIT
"""Annotations: questions with their answers, read from files and kept in Arrow."""

from .question_table import QuestionTable

__all__ = ('QuestionTable',)
