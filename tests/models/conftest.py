# SPDX-License-Identifier: MIT
"""Fixtures for the tests of models."""

import json

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

#: A small CLIP of open_clip's own towers, of 4 x 4 patches.
VIT = {
    'embed_dim': 32,
    'vision_cfg': {'image_size': 64, 'layers': 2, 'width': 64, 'patch_size': 16},
    'text_cfg': {
        'context_length': 77,
        'vocab_size': 49408,
        'width': 32,
        'heads': 2,
        'layers': 2,
    },
}


@pytest.fixture(scope='session', autouse=True)
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let open_clip know the small CLIP under the name 'tiny-vit'."""
    folder = tmp_path_factory.mktemp('configs')
    (folder / 'tiny-vit.json').write_text(json.dumps(VIT))
    open_clip.add_model_config(folder)


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
