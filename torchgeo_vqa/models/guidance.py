# SPDX-License-Identifier: MIT
"""What guides TGFNet's refinement, fusion and pooling."""

import torch
from torch import nn

from .vqa import EncodedQuestions

# D width


class TextGuidance(nn.Module):
    """The question guides refinement, fusion and the experts' pooling."""

    def forward(self, questions: EncodedQuestions) -> EncodedQuestions:
        """Return the questions as they are."""
        return questions


class ConstantGuidance(nn.Module):
    """A learned vector guides, whatever the question: the ablation of TextGuidance."""

    def __init__(self, width: int) -> None:
        """Initialize a new ConstantGuidance instance of width D."""
        super().__init__()
        self.vector = nn.Parameter(torch.randn(width))

    def forward(self, questions: EncodedQuestions) -> EncodedQuestions:
        """Return the vector as the summary and only token of each question."""
        guide = self.vector.expand_as(questions.summary)
        return EncodedQuestions(guide[:, None], guide, questions.mask[:, :1])
