# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Adaptive multi-expert fusion (AMEF).

Our own implementation of the description in https://doi.org/10.48550/arXiv.2411.15770,
which publishes neither equations nor code.
"""

import functools
import math

import torch
from einops import rearrange
from torch import Tensor, nn

from .cfar import MLP
from .clip import position_encoding

# Q questions, N patches, D width, h heads, d = D / h, P width of a position,
# M modalities, E experts, A answers

PLACE_WIDTH = 16


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
        views = [self.linears[m](self.norm(x)) for m, x in patches.items()]
        if self.quality_aware:
            query = self._per_head(self.query(summary))
            weights = torch.stack([view @ query for view in views], dim=2).softmax(2)
        else:
            size = (*views[0].shape[:2], len(views), self.num_heads)
            weights = views[0].new_full(size, 1 / len(views))
        heads = (
            rearrange(view, 'q n (h d) -> q n h d', h=self.num_heads)
            * weights[:, :, m, :, None]
            for m, view in enumerate(views)
        )
        mixed = rearrange(functools.reduce(torch.add, heads), 'q n h d -> q n (h d)')
        return mixed + self.mlp(mixed), weights.mean(-1)

    def _per_head(self, query: Tensor) -> Tensor:
        """Lay out queries so that one product gives the score of every head.

        Args:
            query: Queries, shape (Q, D).

        Returns:
            Scaled queries with each head's part in a column of its own, shape (Q, D, h).
        """
        query = rearrange(query, 'q (h d) -> q h d 1', h=self.num_heads)
        query = query / math.sqrt(query.shape[2])
        heads = torch.eye(self.num_heads, dtype=query.dtype, device=query.device)
        return rearrange(query * heads[:, None], 'q h d k -> q (h d) k')


class Expert(nn.Module):
    """An expert's view of the patches and its own answer.

    The question looks at the patches in two ways. A softmax *focus* finds things, but it
    averages: it cannot tell how many there are or how much area they take. Sigmoid
    *gates* beside it keep the amount. Both score a patch by what it shows and by where it
    lies; the heads start between the two, from what alone to where as much as what.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        num_answers: int,
        dropout: float,
        guided: bool = True,
    ) -> None:
        """Initialize a new Expert instance.

        Args:
            width: Width D.
            num_heads: Number of heads h.
            num_answers: Number of answers A.
            dropout: Dropout rate before the answers.
            guided: If False, the patches are averaged, whatever the question (ablation).
        """
        super().__init__()
        self.num_heads = num_heads
        self.guided = guided
        self.norm = nn.LayerNorm(width)
        if guided:
            size = num_heads * (width + PLACE_WIDTH)
            self.focus = nn.Linear(width, size)
            self.gate = nn.Linear(width, size)
            self.gate_bias = nn.Linear(width, num_heads)
            self.place_gain = nn.Parameter(torch.linspace(0, 1, num_heads))
            # What and where focus and gates find, the best match of each, the amount
            self.pool = nn.Linear(2 * size + 3 * num_heads, width)
        else:
            self.pool = nn.Linear(width, width)
        self.hidden = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Linear(4 * width, num_answers)

    def forward(
        self, patches: Tensor, guide: Tensor, summary: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Answer the questions.

        Args:
            patches: Patches, shape (Q, N, D).
            guide: What the expert looks for, shape (Q, D).
            summary: Question summaries, shape (Q, D).

        Returns:
            Logits, shape (Q, A), the pooled features, shape (Q, D), and the attention,
            mean of focus and gates over the heads, which adds up to 1, shape (Q, N).
        """
        what = self.norm(patches)
        if self.guided:
            features, attention = self._look(what, guide)
        else:
            features = what.mean(1)
            attention = what.new_full(what.shape[:2], 1 / what.shape[1])
        pooled = self.pool(features)
        logits = self.classifier(self.hidden(torch.cat([pooled, summary], dim=-1)))
        return logits, pooled, attention

    def _look(self, what: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """Look at the patches.

        Args:
            what: Normalised patches, shape (Q, N, D).
            guide: What the expert looks for, shape (Q, D).

        Returns:
            What it finds, shape (Q, F), and the attention, shape (Q, N).
        """
        where = position_encoding(what.shape[1], PLACE_WIDTH, what.device).to(
            what.dtype
        )

        scores = self._scores(self.focus(guide), what, where)
        focus = scores.softmax(-1)
        matches = self._scores(self.gate(guide), what, where)
        matches = matches + self.gate_bias(guide)[..., None]
        gates = matches.sigmoid()
        amount = gates.sum(-1)
        passed = gates / (1 + amount[..., None])

        features = [
            (share @ x).flatten(1) for share in (focus, passed) for x in (what, where)
        ]
        # One object on one patch and half an image of forest both show on a log scale
        features += [scores.amax(-1), matches.amax(-1), amount.log1p()]
        shares = torch.cat([focus, gates / amount[..., None]], dim=1)
        return torch.cat(features, dim=-1), shares.mean(1)

    def _scores(self, query: Tensor, what: Tensor, where: Tensor) -> Tensor:
        """Score patches by what they show and where they lie.

        Args:
            query: What and where each head looks for, shape (Q, h * (D + P)).
            what: Patches, shape (Q, N, D).
            where: Encoded positions, shape (N, P).

        Returns:
            Scores, shape (Q, h, N).
        """
        query = rearrange(query, 'q (h d) -> q h d', h=self.num_heads)
        width = what.shape[-1]
        content = query[..., :width] @ what.mT / math.sqrt(width)
        place = query[..., width:] @ where.mT
        return content + self.place_gain[:, None] * place


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
