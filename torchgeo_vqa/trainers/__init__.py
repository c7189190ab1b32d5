# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Trainers for visual question answering."""

from ..callbacks.checkpoint_file import DamagedCheckpoint
from ..callbacks.degradation import DegradationTest
from ..callbacks.prediction import PredictionWriter
from ..callbacks.preemption import PreemptionCheckpoint
from ..callbacks.random_state import RandomState
from ..prediction.answer import Answer
from ..prediction.explanation import Explanation, Opinion, plot_explanation
from .clip import CLIPTask
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
