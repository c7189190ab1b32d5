# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Models for visual question answering."""

from .amef import AdaptiveFusion, Expert, RegionalQualityAwareFusion
from .api import register
from .baselines.blind import Blind, blind
from .baselines.clip_concat import CLIPConcat, clip_concat
from .baselines.cnn import CNNEncoder, cnn_encoder
from .baselines.gftransformer import (
    GatedAttention,
    GFTransformer,
    MutualFusion,
    gftransformer,
)
from .baselines.main import MAIN, Inception, MutualAttention, main
from .baselines.recurrent import RecurrentEncoder
from .baselines.rsvqa import RSVQA, rsvqa
from .cfar import (
    CFAR,
    ImageEnhancement,
    KeyRegionRouting,
    MultiHeadCrossAttention,
    RefinementStage,
    Routing,
)
from .clip import PairCLIP, load_clip, pair_clip
from .encoder import ImageEncoder, TextEncoder
from .feature_cache import ImageFeatureCache, TextFeatureCache
from .tgfnet import Questions, TGFNet, TGFNetOutput, tgfnet, tgfnet_tiny
from .vqa import VQAModel, VQAOutput
from .weights import TGFNet_Weights

__all__ = (
    'CFAR',
    'MAIN',
    'RSVQA',
    'AdaptiveFusion',
    'Blind',
    'CLIPConcat',
    'CNNEncoder',
    'Expert',
    'GFTransformer',
    'GatedAttention',
    'ImageEncoder',
    'ImageEnhancement',
    'ImageFeatureCache',
    'Inception',
    'KeyRegionRouting',
    'MultiHeadCrossAttention',
    'MutualAttention',
    'MutualFusion',
    'PairCLIP',
    'Questions',
    'RecurrentEncoder',
    'RefinementStage',
    'RegionalQualityAwareFusion',
    'Routing',
    'TGFNet',
    'TGFNetOutput',
    'TGFNet_Weights',
    'TextEncoder',
    'TextFeatureCache',
    'VQAModel',
    'VQAOutput',
    'blind',
    'clip_concat',
    'cnn_encoder',
    'gftransformer',
    'load_clip',
    'main',
    'pair_clip',
    'register',
    'rsvqa',
    'tgfnet',
    'tgfnet_tiny',
)
