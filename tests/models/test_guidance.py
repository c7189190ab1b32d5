# SPDX-License-Identifier: MIT
"""Tests of what guides TGFNet."""

import torch

from torchgeo_vqa.models import ConstantGuidance, EncodedQuestions, TextGuidance

QUESTIONS = EncodedQuestions(
    torch.randn(3, 5, 8), torch.randn(3, 8), torch.ones(3, 5, dtype=torch.bool)
)


def test_text() -> None:
    assert TextGuidance()(QUESTIONS) is QUESTIONS


def test_constant() -> None:
    """One token that is also the summary, the same for all questions."""
    guidance = ConstantGuidance(8)
    tokens, summary, mask = guidance(QUESTIONS)
    assert (tokens.shape, mask.shape) == ((3, 1, 8), (3, 1))
    assert torch.equal(tokens[:, 0], summary)
    assert torch.equal(summary, guidance.vector.expand(3, 8))
    assert mask.all()
