# SPDX-License-Identifier: MIT
"""Tests of GFTransformer."""

import math

import pytest
import torch

from torchgeo_vqa.models import gftransformer
from torchgeo_vqa.models.baselines.gftransformer import (
    GatedAttention,
    WordAttention,
    offsets_between,
)


def test_offsets() -> None:
    offsets = offsets_between(2, 3)
    assert offsets.shape == (6, 6, 3)
    # from the upper left to the lower right: one row down, two columns to the right
    assert offsets[0, 5].tolist() == [1, 2, 5]
    assert offsets[5, 0].tolist() == [-1, -2, 5]


def test_heads_look_to_all_sides_at_first() -> None:
    attention = GatedAttention(8, 4)
    offsets = offsets_between(5, 5)
    centre = 2 * 5 + 2
    shares = attention.position(offsets)[centre].softmax(0)
    right, below, left, above = centre + 1, centre + 5, centre - 1, centre - 5
    assert shares.argmax(0).tolist() == [right, below, left, above]


def test_gated_attention() -> None:
    """Against the mix of both attentions written out head by head."""
    torch.manual_seed(0)
    attention = GatedAttention(8, 2)
    torch.nn.init.normal_(attention.gate)
    offsets = offsets_between(3, 3)
    patches = torch.randn(1, 9, 8)
    query, key, value = attention.inputs(patches)[0].chunk(3, dim=-1)
    heads = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        content = (query[:, part] @ key[:, part].T / math.sqrt(4)).softmax(-1)
        place = attention.position(offsets)[..., head].softmax(-1)
        gate = attention.gate[head].sigmoid()
        heads.append(((1 - gate) * content + gate * place) @ value[:, part])
    expected = attention.output(torch.cat(heads, dim=-1))
    torch.testing.assert_close(attention(patches, offsets)[0], expected)


def test_word_attention() -> None:
    """Against PyTorch's own."""
    torch.manual_seed(0)
    ours = WordAttention(8, 2)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    weight = torch.cat([ours.query.weight, ours.inputs.weight])
    theirs.in_proj_weight.data.copy_(weight)
    bias = torch.cat([ours.query.bias, ours.inputs.bias])
    theirs.in_proj_bias.data.copy_(bias)
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    x, words = torch.randn(2, 5, 8), torch.randn(2, 4, 8)
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
    expected, _ = theirs(x, words, words, key_padding_mask=~mask)
    torch.testing.assert_close(ours(x, words, mask), expected)


def test_width_does_not_fit() -> None:
    with pytest.raises(ValueError, match='width must be a multiple of num_heads'):
        gftransformer(7, backbone='tgfnet_tiny_conv', word_width=8, width=30)
