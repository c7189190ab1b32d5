# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Generation of a dataset of questions from maps, in the layout of OSVQA's release."""

from .generate import Generated, generate

__all__ = ('Generated', 'generate')
