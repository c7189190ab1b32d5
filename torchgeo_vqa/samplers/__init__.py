# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Samplers."""

from .rank import RankSampler
from .tile import TileSampler

__all__ = ('RankSampler', 'TileSampler')
