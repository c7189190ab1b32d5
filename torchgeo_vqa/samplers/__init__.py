# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Samplers."""

from .tile import TileSampler

__all__ = ('TileSampler',)
