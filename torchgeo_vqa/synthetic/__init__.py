# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The synthetic world of the embedded sample."""

from .area import write_area

__all__ = ('write_area',)
