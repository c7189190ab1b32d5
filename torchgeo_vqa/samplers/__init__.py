# SPDX-License-Identifier: MIT
"""Samplers."""

from .block import BlockSampler, split_blocks
from .rank import RankSampler
from .tile import TileSampler

__all__ = ('BlockSampler', 'RankSampler', 'TileSampler', 'split_blocks')
