# SPDX-License-Identifier: MIT
"""Tests of MAIN."""

import math

import pytest
import torch
from torch import nn

from torchgeo_vqa.models.baselines.main import Inception, MutualAttention


def test_mutual_attention() -> None:
    """Against the attention written out place by place and word by word."""
    generator = torch.Generator().manual_seed(0)
    places, keys = torch.randn(2, 1, 6, 4, generator=generator)
    words = torch.randn(1, 5, 4, generator=generator)
    mask = torch.tensor([[True, True, True, False, False]])
    seen, read = MutualAttention()(places, keys, words, mask)
    affinity = [[float(k @ w) / math.sqrt(4) for w in words[0, :3]] for k in keys[0]]
    for n in range(6):
        share = torch.tensor(affinity[n]).softmax(0)
        expected = places[0, n] * sum(share[i] * words[0, i] for i in range(3))
        torch.testing.assert_close(seen[0, n], expected)
    for i in range(3):
        share = torch.tensor([affinity[n][i] for n in range(6)]).softmax(0)
        expected = words[0, i] * sum(share[n] * places[0, n] for n in range(6))
        torch.testing.assert_close(read[0, i], expected)


def test_inception_reads_to_the_end_only() -> None:
    torch.manual_seed(0)
    inception = Inception(nn.Conv1d, 12, (1, 3, 5))
    words = torch.randn(1, 12, 9)
    mask = torch.ones(1, 1, 9)
    mask[..., 4:] = 0
    expected = inception(words[..., :4], mask[..., :4])
    torch.testing.assert_close(inception(words, mask), expected)
    assert expected.shape == (1, 12)


@pytest.mark.parametrize(('size', 'reach'), [(1, 0), (3, 1), (5, 2)])
def test_inception_kernels(size: int, reach: int) -> None:
    """A branch sees as far as its kernel is wide."""
    inception = Inception(nn.Conv2d, 4, (size,))
    x = torch.randn(1, 4, 7, 7, requires_grad=True)
    (inception.convs[0](inception.reduce[0](x))[0, 0, 3, 3]).backward()
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero()[:, 0].tolist()
    assert rows == list(range(3 - reach, 4 + reach))
