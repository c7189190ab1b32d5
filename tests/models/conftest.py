# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Fixtures for the tests of models."""

import open_clip
import pytest
import torch
from torch import Tensor

QUESTIONS = [
    'Is there a ship?',
    'How many ships are there in the upper left quadrant?',
    'Is the bridge left of the ship?',
    'What covers most of the scene, forest, water or cropland?',
]


@pytest.fixture
def batch() -> dict[str, Tensor]:
    """Three pairs of 64 px images, with three questions, two and none."""
    generator = torch.Generator().manual_seed(0)
    tokens = open_clip.tokenize(QUESTIONS)
    question = torch.stack(
        [
            tokens[[0, 1, 2]],
            torch.stack([tokens[3], tokens[0], torch.zeros_like(tokens[0])]),
            torch.zeros_like(tokens[:3]),
        ]
    )
    return {
        'image_optical': torch.randn(3, 3, 64, 64, generator=generator),
        'image_sar': torch.randn(3, 2, 64, 64, generator=generator),
        'question': question,
    }
