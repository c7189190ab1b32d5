# SPDX-License-Identifier: MIT
"""Tests of adaptive multi-expert fusion."""

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
