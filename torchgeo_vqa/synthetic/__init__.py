# SPDX-License-Identifier: MIT
"""The synthetic world of the embedded sample."""

from .area import write_area

__all__ = ('write_area',)
