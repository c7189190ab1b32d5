# SPDX-License-Identifier: MIT
"""Generation of a dataset of questions from maps, in the layout of OSVQA's release."""

from .generate import Generated, generate

__all__ = ('Generated', 'generate')
