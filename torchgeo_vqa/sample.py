# SPDX-License-Identifier: MIT
"""What every sample is made of: modalities, splits, and keys with their padding."""

from typing import Any

import torch
from torch import Tensor

# K questions of a pair, L tokens, B pairs

#: Modalities of images, in the order that models take them.
MODALITIES = ('optical', 'sar')

#: How modalities are titled in figures and messages.
TITLES = {'optical': 'Optical', 'sar': 'SAR'}

#: Splits of a dataset, in the order of their numbers.
SPLITS = ('train', 'val', 'test')

#: Tokens of a question, padding included: what every CLIP text tower takes.
CONTEXT_LENGTH = 77

#: Keys with an entry per question, and the value that pads them.
PADDING = {
    'question': 0,
    'question_type': -1,
    'question_id': -1,
    'label': -1,
    'group': -1,
}


def pad(value: Tensor, length: int, fill: int) -> Tensor:
    """Pad a tensor (K, ...) to (length, ...) along its first axis."""
    padded = value.new_full((length, *value.shape[1:]), fill)
    padded[: len(value)] = value
    return padded


def mask_questions(sample: dict[str, Any], kept: Tensor) -> dict[str, Any]:
    """Turn the questions of a sample (K,) or batch (B, K) that are not kept into padding.

    Return the entries of :data:`PADDING` that the sample has, of the same shapes.
    """
    masked = {}
    for key, fill in PADDING.items():
        if key in sample:
            value: Tensor = sample[key]
            mask = kept if value.ndim == kept.ndim else kept[..., None]
            masked[key] = torch.where(mask, value, fill)
    return masked
