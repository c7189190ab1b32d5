# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Callbacks of trainings and evaluations."""

from .damaged_checkpoint import DamagedCheckpoint
from .degradation import DegradationTest
from .feature_cache import FeatureCache
from .finite_loss import FiniteLoss
from .prediction import PredictionWriter
from .preemption import PreemptionCheckpoint
from .random_state import RandomState
from .report import EvaluationReport

__all__ = (
    'DamagedCheckpoint',
    'DegradationTest',
    'EvaluationReport',
    'FeatureCache',
    'FiniteLoss',
    'PredictionWriter',
    'PreemptionCheckpoint',
    'RandomState',
)
