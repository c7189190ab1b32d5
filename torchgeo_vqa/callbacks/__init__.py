# SPDX-License-Identifier: MIT
"""Callbacks of trainings and evaluations."""

from .defaults import DamagedCheckpoint, FiniteLoss, PreemptionCheckpoint
from .degradation import DegradationTest
from .feature_cache import FeatureCache
from .prediction import PredictionWriter
from .report import EvaluationReport

__all__ = (
    'DamagedCheckpoint',
    'DegradationTest',
    'EvaluationReport',
    'FeatureCache',
    'FiniteLoss',
    'PredictionWriter',
    'PreemptionCheckpoint',
)
