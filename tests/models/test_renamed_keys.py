# SPDX-License-Identifier: MIT
"""Tests of loading weights that were saved under former names."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from torchgeo_vqa.models import TGFNet_Weights, tgfnet_tiny, weights
from torchgeo_vqa.models.api import builder

#: Current and former names.
FORMER = {
    r'^guidance\.vector$': 'guide',
    r'^(cfar\..*|rqaf)\.mlp\.fc1\.': r'\1.mlp.0.',
    r'^(cfar\..*|rqaf)\.mlp\.fc2\.': r'\1.mlp.2.',
    r'pooling\.position_gain': 'place_gain',
    r'(experts\..*)\.pooling\.': r'\1.',
    r'^((en|de)coder\.\d\.mlp|\w+_pooling\.score|fusion\.gate)\.fc1': r'\1.0',
    r'^((en|de)coder\.\d\.mlp|\w+_pooling\.score|fusion\.gate)\.fc2': r'\1.3',
    r'gated\.position\.': 'gated.place.',
}

GFTRANSFORMER = {'backbone': 'tgfnet_tiny_conv', 'width': 16, 'num_layers': 1}


def former(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give parameters the names they had."""
    renamed = {}
    for name, value in state.items():
        for current, old in FORMER.items():
            name = re.sub(current, old, name)
        renamed[name] = value
    return renamed


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('tgfnet_tiny', {}),
        ('tgfnet_tiny', {'text_guidance': False, 'guided_pooling': False}),
        ('tgfnet_tiny', {'rqaf': False, 'share_cfar': True}),
        ('gftransformer', GFTRANSFORMER),
    ],
    ids=str,
)
def test_former_names(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    state = builder(name)(3, **options).state_dict()
    old = former(state)
    assert len(set(old) - set(state)) > 5
    for prefix in ('', 'model.'):  # alone, and in a task's checkpoint
        model = builder(name)(3, **options)
        owner = torch.nn.ModuleDict({'model': model}) if prefix else model
        owner.load_state_dict({f'{prefix}{key}': value for key, value in old.items()})
        for key, value in model.state_dict().items():
            assert torch.equal(value, state[key]), key


def test_shipped_file() -> None:
    """It has former names, in the order in which parameters are today.

    The state of an optimizer knows parameters by their order.
    """
    tiny = TGFNet_Weights.TINY_OSVQA_MINI
    own = tgfnet_tiny(len(tiny.metadata.answers)).state_dict()
    raw = weights.unpack(weights._read(Path(tiny.url).name)['state_dict'])
    assert list(raw) != list(own)
    assert sorted(raw) == sorted(former(own))
    ours = [name for name in tiny.get_state_dict() if 'token_embedding' not in name]
    assert ours == [name for name in own if 'token_embedding' not in name]


def test_what_does_not_fit_is_still_an_error() -> None:
    model = tgfnet_tiny(3)
    state = former(model.state_dict()) | {'experts.sar.unknown': torch.zeros(1)}
    with pytest.raises(RuntimeError, match=r'Unexpected key.*experts\.sar\.unknown'):
        model.load_state_dict(state)
