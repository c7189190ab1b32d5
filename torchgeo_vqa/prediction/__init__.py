# SPDX-License-Identifier: MIT
"""Asking a trained model."""

from .answer import Answer
from .area import ask_area
from .explanation import ExpertPrediction, Explanation, plot_explanation
from .pair import ask_pair, read_pair
from .predictor import Predictor

__all__ = (
    'Answer',
    'ExpertPrediction',
    'Explanation',
    'Predictor',
    'ask_area',
    'ask_pair',
    'plot_explanation',
    'read_pair',
)
