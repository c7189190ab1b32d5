# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Models for visual question answering."""

from .amef import AdaptiveFusion, Expert, RegionalQualityAwareFusion
from .api import register
from .blind import Blind, blind
from .cfar import (
    CFAR,
    ImageEnhancement,
    KeyRegionRouting,
    MultiHeadCrossAttention,
    RefinementStage,
    Routing,
)
from .clip import PairCLIP, load_clip, pair_clip
from .clip_concat import CLIPConcat, clip_concat
from .cnn import CNNEncoder, cnn_encoder
from .encoder import ImageEncoder, TextEncoder
from .feature_cache import ImageFeatureCache, TextFeatureCache
from .gftransformer import GatedAttention, GFTransformer, MutualFusion, gftransformer
from .main import MAIN, Inception, MutualAttention, main
from .recurrent import RecurrentEncoder
from .rsvqa import RSVQA, rsvqa
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
