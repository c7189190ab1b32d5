# SPDX-License-Identifier: MIT
"""Tests of adaptive multi-expert fusion."""

import math

import pytest
import torch

from torchgeo_vqa.models import (
    AdaptiveFusion,
    Expert,
    GuidedPooling,
    MeanFusion,
    MeanPooling,
    RegionalQualityAwareFusion,
    UniformGate,
)
from torchgeo_vqa.models.position import position_encoding

NUM_ANSWERS = 7


def test_quality_weighs_the_modalities() -> None:
    torch.manual_seed(0)
    fusion = RegionalQualityAwareFusion(16, 4, 1.0)
    patches = {m: torch.randn(3, 9, 16) for m in ('optical', 'sar')}
    fused, quality = fusion(patches, torch.randn(3, 16))
    assert fused.shape == (3, 9, 16)
    torch.testing.assert_close(quality.sum(-1), torch.ones(3, 9))
    assert quality.std() > 0.01
    # nothing to weigh where a modality is alone
    _, quality = fusion({'sar': patches['sar']}, torch.randn(3, 16))
    assert quality.eq(1).all()


def test_quality_against_one_written_out() -> None:
    torch.manual_seed(0)
    fusion = RegionalQualityAwareFusion(16, 2, 1.0)
    patches = {m: torch.randn(1, 9, 16) for m in ('optical', 'sar')}
    summary = torch.randn(1, 16)
    fused, quality = fusion(patches, summary)
    query = fusion.query(summary[0])
    for n in range(9):
        views = [fusion.linears[m](fusion.norm(x[0, n])) for m, x in patches.items()]
        mixed, weights = torch.zeros(16), torch.zeros(2)
        for head in (slice(0, 8), slice(8, 16)):
            scores = [view[head] @ query[head] / math.sqrt(8) for view in views]
            share = torch.stack(scores).softmax(0)
            mixed[head] = share[0] * views[0][head] + share[1] * views[1][head]
            weights += share / 2
        torch.testing.assert_close(quality[0, n], weights)
        torch.testing.assert_close(fused[0, n], mixed + fusion.mlp(mixed))


def test_mean_fusion() -> None:
    """It is the quality-aware fusion where all scores are the same."""
    torch.manual_seed(0)
    mean, aware = MeanFusion(16, 1.0), RegionalQualityAwareFusion(16, 4, 1.0)
    aware.load_state_dict(mean.state_dict(), strict=False)
    for parameter in aware.query.parameters():
        torch.nn.init.zeros_(parameter)
    patches = {m: torch.randn(3, 9, 16) for m in ('optical', 'sar')}
    summary = torch.randn(3, 16)
    torch.testing.assert_close(mean(patches, summary), aware(patches, summary))


def test_guided_pooling_finds() -> None:
    """The question and where patches lie matter; the attention adds up to 1."""
    torch.manual_seed(0)
    pooling = GuidedPooling(16, 4)
    patches, guide = torch.randn(3, 16, 16), torch.randn(3, 16)
    pooled, attention = pooling(patches, guide)
    assert attention is not None
    torch.testing.assert_close(attention.sum(-1), torch.ones(3))
    for other in (pooling(patches.flip(1), guide), pooling(patches, -guide)):
        assert not torch.allclose(pooled, other[0], atol=1e-5)


def test_guided_pooling_against_one_written_out() -> None:
    torch.manual_seed(0)
    pooling = GuidedPooling(16, 2)
    pooling.position_gain.data = torch.tensor([0.3, 0.9])
    patches, guide = torch.randn(1, 16, 16), torch.randn(1, 16)
    pooled, attention = pooling(patches, guide)
    what, where = pooling.norm(patches[0]), position_encoding(16, 16)
    parts: list[list[torch.Tensor]] = [[] for _ in range(7)]
    looks = torch.zeros(16)
    for h, gain in enumerate((0.3, 0.9)):
        focus, gate = (
            linear(guide[0])[32 * h : 32 * h + 32]
            for linear in (pooling.focus, pooling.gate)
        )
        bias = pooling.gate_bias(guide[0])[h]
        scores, matches = (
            what @ query[:16] / math.sqrt(16) + gain * (where @ query[16:])
            for query in (focus, gate)
        )
        share, gates = scores.softmax(0), (matches + bias).sigmoid()
        passed = gates / (1 + gates.sum())
        looks += (share + gates / gates.sum()) / 4
        found = share @ what, share @ where, passed @ what, passed @ where
        best = scores.max(), (matches + bias).max(), (1 + gates.sum()).log()
        for part, x in zip(parts, (*found, *best), strict=True):
            part.append(x.reshape(-1))
    features = torch.cat([x for part in parts for x in part])
    torch.testing.assert_close(pooled[0], pooling.pool(features))
    torch.testing.assert_close(attention[0], looks)


def test_mean_pooling_knows_no_question() -> None:
    torch.manual_seed(0)
    pooling = MeanPooling(16)
    patches, guide = torch.randn(3, 16, 16), torch.randn(3, 16)
    pooled, attention = pooling(patches, guide)
    assert attention is None
    torch.testing.assert_close(pooled, pooling.pool(pooling.norm(patches).mean(1)))
    torch.testing.assert_close(pooled, pooling(patches.flip(1), -guide)[0])


def test_expert_knows_question_and_patches() -> None:
    torch.manual_seed(0)
    expert = Expert(MeanPooling(16), 16, NUM_ANSWERS, 0.0)
    patches, guide, summary = torch.randn(3, 16, 16), *torch.randn(2, 3, 16)
    logits, pooled, attention = expert(patches, guide, summary)
    assert (logits.shape, pooled.shape, attention) == ((3, NUM_ANSWERS), (3, 16), None)
    for other in (expert(-patches, guide, summary), expert(patches, guide, -summary)):
        assert not torch.allclose(logits, other[0], atol=1e-5)


@pytest.mark.parametrize('adaptive', [True, False])
def test_gates(adaptive: bool) -> None:
    torch.manual_seed(0)
    gate = AdaptiveFusion(16, 3) if adaptive else UniformGate()
    weights = gate(torch.randn(5, 3, 16), torch.randn(5, 16))
    torch.testing.assert_close(weights.sum(-1), torch.ones(5))
    assert torch.allclose(weights, torch.tensor(1 / 3)) is not adaptive
