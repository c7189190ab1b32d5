# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Adaptive multi-expert fusion (AMEF).

Our own implementation of the description in https://doi.org/10.48550/arXiv.2411.15770,
which publishes neither equations nor code.
"""

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from .cfar import MLP

# Q questions, N patches, D width, h heads, d = D / h, M modalities, E experts, A answers


class RegionalQualityAwareFusion(nn.Module):
    """Regional quality-aware fusion (RQAF): mixes the modalities place by place."""

    def __init__(
        self, width: int, num_heads: int, mlp_ratio: float, quality_aware: bool = True
    ) -> None:
        """Initialize a new RegionalQualityAwareFusion instance.

        Args:
            width: Width D.
            num_heads: Number of heads h.
            mlp_ratio: Width of the MLP's hidden layer as a multiple of *width*.
            quality_aware: If False, modalities are averaged (ablation).
        """
        super().__init__()
        self.num_heads = num_heads
        self.quality_aware = quality_aware
        self.norm = nn.LayerNorm(width)
        self.linears = nn.ModuleDict(
            {modality: nn.Linear(width, width) for modality in ('optical', 'sar')}
        )
        if quality_aware:
            self.query = nn.Linear(width, width)
        self.mlp = MLP(width, mlp_ratio)

    def forward(
        self, patches: dict[str, Tensor], summary: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fuse the modalities.

        Args:
            patches: Patches of each modality that is there, shape (Q, N, D) each.
            summary: Question summaries, shape (Q, D).

        Returns:
            Fused patches, shape (Q, N, D), and the weight of every modality at every
            patch (the quality map), averaged over the heads, shape (Q, N, M).
        """
        views = torch.stack(
            [self.linears[m](self.norm(x)) for m, x in patches.items()], dim=2
        )
        views = rearrange(views, 'q n m (h d) -> q n m h d', h=self.num_heads)
        if self.quality_aware:
            query = rearrange(self.query(summary), 'q (h d) -> q h d', h=self.num_heads)
            scores = torch.einsum('qnmhd,qhd->qnmh', views, query)
            weights = (scores / math.sqrt(query.shape[-1])).softmax(dim=2)
        else:
            weights = views.new_full(views.shape[:-1], 1 / views.shape[2])
        mixed = rearrange((views * weights[..., None]).sum(2), 'q n h d -> q n (h d)')
        return mixed + self.mlp(mixed), weights.mean(-1)


class Expert(nn.Module):
    """An expert's view of the patches and its own answer."""

    def __init__(
        self,
        width: int,
        num_heads: int,
        mlp_ratio: float,
        num_answers: int,
        dropout: float,
    ) -> None:
        """Initialize a new Expert instance.

        Args:
            width: Width D.
            num_heads: Number of heads h.
            mlp_ratio: Width of the hidden layer as a multiple of *width*.
            num_answers: Number of answers A.
            dropout: Dropout rate before the answers.
        """
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width)
        self.focus = nn.Linear(width, num_heads * width)
        self.amount = nn.Linear(width, num_heads * (width + 1))
        # What the focus finds, what the gates let through, and how much of it
        self.pool = nn.Linear(2 * num_heads * width + num_heads, width)
        self.hidden = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, int(mlp_ratio * width)),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Linear(int(mlp_ratio * width), num_answers)

    def forward(self, patches: Tensor, summary: Tensor) -> tuple[Tensor, Tensor]:
        """Answer the questions.

        A softmax pooling finds things but cannot tell how many there are or how much
        area they take: it averages. Sigmoid gates beside it keep the amount.

        Args:
            patches: Patches, shape (Q, N, D).
            summary: Question summaries, shape (Q, D).

        Returns:
            Logits, shape (Q, A), and the pooled features, shape (Q, D).
        """
        x = self.norm(patches)
        scale = math.sqrt(x.shape[-1])
        focus = rearrange(self.focus(summary), 'q (h d) -> q h d', h=self.num_heads)
        attention = (focus @ x.mT / scale).softmax(-1)
        amount = rearrange(self.amount(summary), 'q (h d) -> q h d', h=self.num_heads)
        weight, bias = amount[..., :-1], amount[..., -1:]
        gate = (weight @ x.mT / scale + bias).sigmoid()
        total = gate.sum(-1, keepdim=True)
        found = (attention @ x).flatten(1)
        passed = (gate @ x / (1 + total)).flatten(1)
        # One object on one patch and half an image of forest both show on this scale
        amounts = total.squeeze(-1).log1p()
        pooled = self.pool(torch.cat([found, passed, amounts], dim=-1))
        logits = self.classifier(self.hidden(torch.cat([pooled, summary], dim=-1)))
        return logits, pooled


class AdaptiveFusion(nn.Module):
    """Adaptive fusion (AF): weights that blend the experts into one answer."""

    def __init__(self, width: int, num_experts: int, adaptive: bool = True) -> None:
        """Initialize a new AdaptiveFusion instance.

        Args:
            width: Width D.
            num_experts: Number of experts E.
            adaptive: If False, experts are averaged (ablation).
        """
        super().__init__()
        self.gate: nn.Module | None = None
        if adaptive and num_experts > 1:
            size = (num_experts + 1) * width
            self.gate = nn.Sequential(
                nn.LayerNorm(size),
                nn.Linear(size, width),
                nn.GELU(),
                nn.Linear(width, num_experts),
            )

    def forward(
        self, expert_logits: Tensor, pooled: Tensor, summary: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Blend the experts.

        Args:
            expert_logits: Logits of each expert, shape (Q, E, A).
            pooled: Pooled features of each expert, shape (Q, E, D).
            summary: Question summaries, shape (Q, D).

        Returns:
            Blended logits, shape (Q, A), and the experts' weights, shape (Q, E).
        """
        if self.gate is None:
            share = 1 / expert_logits.shape[1]
            weights = expert_logits.new_full(expert_logits.shape[:2], share)
        else:
            weights = self.gate(torch.cat([pooled.flatten(1), summary], -1)).softmax(-1)
        return torch.einsum('qea,qe->qa', expert_logits, weights), weights
