# SPDX-License-Identifier: MIT
"""Models for visual question answering."""

from .amef import (
    AdaptiveFusion,
    Expert,
    GuidedPooling,
    MeanFusion,
    MeanPooling,
    RegionalQualityAwareFusion,
    UniformGate,
)
from .api import builder_options, register, register_model
from .baselines.blind import Blind, blind
from .baselines.clip_concat import CLIPConcat, clip_concat
from .baselines.cnn import CNNEncoder, cnn_encoder
from .baselines.gftransformer import GFTransformer, gftransformer
from .baselines.main import MAIN, main_vqa
from .baselines.rsvqa import RSVQAModel, rsvqa
from .baselines.single_head import CNNModel, SingleHeadModel
from .cfar import CFAR, Refinement, RefinementStage, Routing
from .clip import PairCLIP, load_clip, pair_clip
from .encoder import ImageEncoder, TextEncoder
from .feature_cache import ImageFeatureCache, TextFeatureCache
from .guidance import ConstantGuidance, TextGuidance
from .metadata import Metadata
from .tgfnet import TGFNet, TGFNetOutput, tgfnet, tgfnet_tiny
from .vqa import EncodedQuestions, VQAModel, VQAOutput
from .weights import TGFNet_Weights

__all__ = (
    'CFAR',
    'MAIN',
    'AdaptiveFusion',
    'Blind',
    'CLIPConcat',
    'CNNEncoder',
    'CNNModel',
    'ConstantGuidance',
    'EncodedQuestions',
    'Expert',
    'GFTransformer',
    'GuidedPooling',
    'ImageEncoder',
    'ImageFeatureCache',
    'MeanFusion',
    'MeanPooling',
    'Metadata',
    'PairCLIP',
    'RSVQAModel',
    'Refinement',
    'RefinementStage',
    'RegionalQualityAwareFusion',
    'Routing',
    'SingleHeadModel',
    'TGFNet',
    'TGFNetOutput',
    'TGFNet_Weights',
    'TextEncoder',
    'TextFeatureCache',
    'TextGuidance',
    'UniformGate',
    'VQAModel',
    'VQAOutput',
    'blind',
    'builder_options',
    'clip_concat',
    'cnn_encoder',
    'gftransformer',
    'load_clip',
    'main_vqa',
    'pair_clip',
    'register',
    'register_model',
    'rsvqa',
    'tgfnet',
    'tgfnet_tiny',
)
