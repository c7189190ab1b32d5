# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Trainers for visual question answering."""

from .answer import Answer
from .checkpoint_file import DamagedCheckpoint
from .clip import CLIPTask
from .explanation import Explanation, Opinion, plot_explanation
from .prediction import PredictionWriter
from .preemption import PreemptionCheckpoint
from .random_state import RandomState
from .robustness import DegradationTest
from .vqa import VQATask, tgfnet

__all__ = (
    'Answer',
    'CLIPTask',
    'DamagedCheckpoint',
    'DegradationTest',
    'Explanation',
    'Opinion',
    'PredictionWriter',
    'PreemptionCheckpoint',
    'RandomState',
    'VQATask',
    'plot_explanation',
    'tgfnet',
)
