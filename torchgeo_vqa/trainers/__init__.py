# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Trainers for visual question answering."""

from .answer import Answer
from .prediction import PredictionWriter
from .vqa import VQATask, tgfnet

__all__ = ('Answer', 'PredictionWriter', 'VQATask', 'tgfnet')
