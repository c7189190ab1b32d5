# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Models for visual question answering."""

from .amef import AdaptiveFusion, Expert, RegionalQualityAwareFusion
from .api import register
from .cfar import (
    CFAR,
    ImageEnhancement,
    KeyRegionRouting,
    MultiHeadCrossAttention,
    RefinementStage,
    Routing,
)
from .clip import ImageEncoder, TextEncoder, load_clip
from .tgfnet import Questions, TGFNet, TGFNetOutput, tgfnet, tgfnet_tiny
from .vqa import VQAModel, VQAOutput

__all__ = (
    'CFAR',
    'AdaptiveFusion',
    'Expert',
    'ImageEncoder',
    'ImageEnhancement',
    'KeyRegionRouting',
    'MultiHeadCrossAttention',
    'Questions',
    'RefinementStage',
    'RegionalQualityAwareFusion',
    'Routing',
    'TGFNet',
    'TGFNetOutput',
    'TextEncoder',
    'VQAModel',
    'VQAOutput',
    'load_clip',
    'register',
    'tgfnet',
    'tgfnet_tiny',
)
