# SPDX-License-Identifier: MIT
"""Adaptive multi-expert fusion (AMEF).

Our own implementation of the description in https://doi.org/10.48550/arXiv.2411.15770,
which publishes neither equations nor code.
"""

import functools
import math

import torch
from einops import rearrange
from timm.layers import Mlp
from torch import Tensor, nn

from ..sample import MODALITIES
from .position import position_encoding

# Q questions, N patches, D width, h heads, d = D / h, P width of a position,
# M modalities, E experts, A answers

POSITION_WIDTH = 16


class RegionalQualityAwareFusion(nn.Module):
    """Regional quality-aware fusion (RQAF): weighs the modalities patch by patch."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float) -> None:
        """Initialize a new instance of width D, h heads and the MLP's ratio to the width."""
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width)
        self.linears = nn.ModuleDict({m: nn.Linear(width, width) for m in MODALITIES})
        self.query = nn.Linear(width, width)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(
        self, patches: dict[str, Tensor], summary: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fuse patches (Q, N, D) of the modalities that are there, by summaries (Q, D).

        Return fused patches (Q, N, D), and the quality map: the weight of every modality at
        every patch, averaged over the heads, (Q, N, M).
        """
        views = [self.linears[m](self.norm(x)) for m, x in patches.items()]
        query = self._per_head(self.query(summary))
        weights = torch.stack([view @ query for view in views], dim=2).softmax(2)
        heads = (
            rearrange(view, 'q n (h d) -> q n h d', h=self.num_heads)
            * weights[:, :, m, :, None]
            for m, view in enumerate(views)
        )
        mixed = rearrange(functools.reduce(torch.add, heads), 'q n h d -> q n (h d)')
        return mixed + self.mlp(mixed), weights.mean(-1)

    def _per_head(self, query: Tensor) -> Tensor:
        """Lay out queries so that one product scores every head, (Q, D) to (Q, D, h)."""
        query = rearrange(query, 'q (h d) -> q h d 1', h=self.num_heads)
        query = query / math.sqrt(query.shape[2])
        heads = torch.eye(self.num_heads, dtype=query.dtype, device=query.device)
        return rearrange(query * heads[:, None], 'q h d k -> q (h d) k')


class MeanFusion(nn.Module):
    """Mean of the modalities: the ablation of :class:`RegionalQualityAwareFusion`."""

    def __init__(self, width: int, mlp_ratio: float) -> None:
        """Initialize a new instance of width D and the MLP's ratio to the width."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linears = nn.ModuleDict({m: nn.Linear(width, width) for m in MODALITIES})
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(
        self, patches: dict[str, Tensor], summary: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return fused patches, shape (Q, N, D), and equal weights, shape (Q, N, M)."""
        share = 1 / len(patches)
        views = (self.linears[m](self.norm(x)) * share for m, x in patches.items())
        mixed = functools.reduce(torch.add, views)
        weights = mixed.new_full((*mixed.shape[:2], len(patches)), share)
        return mixed + self.mlp(mixed), weights


class GuidedPooling(nn.Module):
    """Pooling of the patches by what the question looks for, in two ways.

    A softmax *focus* finds things, but it averages: it cannot tell how many there are or
    how much area they take. Sigmoid *gates* beside it keep the amount. Both score a patch
    by what it shows and by where it lies. The weight of the position rises from head to
    head, from 0 to 1 at first.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        """Initialize a new GuidedPooling instance of width D and h heads."""
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width)
        size = num_heads * (width + POSITION_WIDTH)
        self.focus = nn.Linear(width, size)
        self.gate = nn.Linear(width, size)
        self.gate_bias = nn.Linear(width, num_heads)
        self.position_gain = nn.Parameter(torch.linspace(0, 1, num_heads))
        # What and where focus and gates find, the best match of each, the amount
        self.pool = nn.Linear(2 * size + 3 * num_heads, width)

    def forward(self, patches: Tensor, guide: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pool patches (Q, N, D) by what to look for, a guide (Q, D).

        Return features (Q, D), and the attention, mean of focus and gates over the heads, which
        adds up to 1, (Q, N).
        """
        what = self.norm(patches)
        where = position_encoding(what.shape[1], POSITION_WIDTH, what.device)
        where = where.to(what.dtype)
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
        return self.pool(torch.cat(features, dim=-1)), shares.mean(1)

    def _scores(self, query: Tensor, what: Tensor, where: Tensor) -> Tensor:
        """Score patches by what they show and where they lie.

        From (Q, h * (D + P)), (Q, N, D) and (N, P) to (Q, h, N).
        """
        query = rearrange(query, 'q (h d) -> q h d', h=self.num_heads)
        width = what.shape[-1]
        content = query[..., :width] @ what.mT / math.sqrt(width)
        position = query[..., width:] @ where.mT
        return content + self.position_gain[:, None] * position


class MeanPooling(nn.Module):
    """Mean of the patches, whatever the question: the ablation of GuidedPooling."""

    def __init__(self, width: int) -> None:
        """Initialize a new MeanPooling instance of width D."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(width, width)

    def forward(self, patches: Tensor, guide: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return pooled features, shape (Q, D), and None: a mean attends to nothing."""
        return self.pool(self.norm(patches).mean(1)), None


class Expert(nn.Module):
    """An expert's view of the patches and its own answer."""

    def __init__(
        self, pooling: nn.Module, width: int, num_answers: int, dropout: float
    ) -> None:
        """Initialize an expert of width D that pools by GuidedPooling or MeanPooling."""
        super().__init__()
        self.pooling = pooling
        self.hidden = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Linear(4 * width, num_answers)

    def forward(
        self, patches: Tensor, guide: Tensor, summary: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Answer the questions from patches (Q, N, D).

        *guide* (Q, D) is what the expert looks for, *summary* (Q, D) that of the question. Return
        logits (Q, A), pooled features (Q, D) and attention (Q, N) or None.
        """
        pooled, attention = self.pooling(patches, guide)
        logits = self.classifier(self.hidden(torch.cat([pooled, summary], dim=-1)))
        return logits, pooled, attention


class AdaptiveFusion(nn.Module):
    """Adaptive fusion (AF): weights that blend the experts into one answer."""

    def __init__(self, width: int, num_experts: int) -> None:
        """Initialize a new AdaptiveFusion instance of width D and E experts."""
        super().__init__()
        size = (num_experts + 1) * width
        self.gate = nn.Sequential(
            nn.LayerNorm(size),
            nn.Linear(size, width),
            nn.GELU(),
            nn.Linear(width, num_experts),
        )

    def forward(self, pooled: Tensor, summary: Tensor) -> Tensor:
        """Return the weights of the experts (Q, E), which add up to 1.

        They come from the experts' pooled features (Q, E, D) and question summaries (Q, D).
        """
        scores: Tensor = self.gate(torch.cat([pooled.flatten(1), summary], -1))
        return scores.softmax(-1)


class UniformGate(nn.Module):
    """The same weight for all experts: the ablation of :class:`AdaptiveFusion`."""

    def forward(self, pooled: Tensor, summary: Tensor) -> Tensor:
        """Return equal weights, shape (Q, E)."""
        return pooled.new_full(pooled.shape[:2], 1 / pooled.shape[1])
