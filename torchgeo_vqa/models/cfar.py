# SPDX-License-Identifier: MIT
"""Text-guided coarse-to-fine attention refinement (CFAR).

Our own implementation of the description in https://doi.org/10.48550/arXiv.2411.15770,
which publishes neither equations nor code.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from timm.layers import Mlp
from torch import Tensor, nn

from .vqa import EncodedQuestions

# B images, Q questions, N patches, R regions, k kept regions, n = N / R patches per region,
# L tokens, D width, h heads, d = D / h


class Routing(NamedTuple):
    """Key regions of each question."""

    #: Kept regions, best first, (Q, k) int64.
    regions: Tensor
    #: Share of each kept region, softmax over the kept, (Q, k).
    weights: Tensor
    #: Patches of the kept regions, (Q, k * n) int64.
    patches: Tensor
    #: Scores of all regions, -inf where there is no choice, (Q, R).
    scores: Tensor


class Refinement(NamedTuple):
    """Patches of one modality that were refined for each question."""

    #: Patches, (Q, N, D).
    patches: Tensor
    #: What the question read in its key regions, (Q, D).
    read: Tensor
    #: Routing of each stage.
    routings: list[Routing | None]
    #: With ``explain=True``: attention of each stage as a map over all patches, averaged
    #: over heads and tokens, (Q, N) each.
    attentions: list[Tensor]


def _per_question(x: Tensor, pair_index: Tensor | None) -> Tensor:
    """Return what belongs to each question's image, (B or Q, ...) to (Q, ...)."""
    return x if pair_index is None else x.index_select(0, pair_index)


def _select(x: Tensor, routing: Routing | None, pair_index: Tensor | None) -> Tensor:
    """Return the patches of each question's key regions, (Q, k * n, D)."""
    if routing is None:
        return _per_question(x, pair_index)
    image = torch.arange(len(x), device=x.device) if pair_index is None else pair_index
    rows = image[:, None] * x.shape[1] + routing.patches
    return x.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, rows.shape)


def _mean_over_tokens(x: Tensor, mask: Tensor) -> Tensor:
    """Average over the tokens of each question, (Q, L, D) to (Q, D)."""
    share = mask / mask.sum(-1, keepdim=True)
    return torch.einsum('qld,ql->qd', x, share.to(x.dtype))


class KeyRegionRouting(nn.Module):
    """Key region routing (KRR): picks the regions that matter for the question."""

    def __init__(self, width: int, grid: int, keep: int) -> None:
        """Initialize a new instance that keeps some of grid x grid regions.

        Raise a ValueError if *keep* is not between 1 and the number of regions.
        """
        super().__init__()
        if not 1 <= keep <= grid**2:
            raise ValueError(f'keep must be between 1 and {grid**2}, got {keep}')
        self.grid = grid
        self.keep = keep
        self.region = nn.Linear(width, width, bias=False)
        self.question = nn.Linear(width, width)

    def patches_of_regions(self, num_patches: int, device: torch.device) -> Tensor:
        """Return the indices of the patches of each region, (R, n), int64.

        Raise a ValueError if the patches cannot be cut into grid x grid equal regions.
        """
        side = math.isqrt(num_patches)
        if side**2 != num_patches or side % self.grid:
            raise ValueError(
                f'{num_patches} patches cannot be cut into {self.grid} x {self.grid} '
                'equal regions, choose an image size or region grids that divide'
            )
        pattern = '(g1 a g2 b) -> (g1 g2) (a b)'
        index = torch.arange(num_patches, device=device)
        return rearrange(
            index, pattern, g1=self.grid, g2=self.grid, b=side // self.grid
        )

    def forward(
        self,
        patches: Tensor,
        summary: Tensor,
        pair_index: Tensor | None,
        inside: Tensor | None = None,
    ) -> Routing:
        """Route each question, of summary (Q, D), to its key regions.

        *patches* are those of each image (B, N, D), if *pair_index* (Q,) is given, or of
        each question (Q, N, D). A region can be chosen if it lies *inside*, a mask (Q, N).
        """
        members = self.patches_of_regions(patches.shape[1], patches.device)
        alone = len(members) == patches.shape[1]  # each patch is a region
        means = patches if alone else patches[:, members].mean(2)
        # (W_r r) . (W_q s) = r . (W_r^T W_q s): no per-question, per-region projection
        query = self.question(summary) @ self.region.weight
        query = query / math.sqrt(query.shape[-1])
        scores = torch.einsum('qrd,qd->qr', _per_question(means, pair_index), query)
        if inside is not None:
            scores = scores.masked_fill(~inside[:, members].all(-1), -torch.inf)
        top, regions = scores.topk(self.keep, dim=-1)
        return Routing(regions, top.softmax(-1), members[regions].flatten(1), scores)

    def divergence(self, routing: Routing, attention: Tensor) -> Tensor:
        """Compute how far the scores of the regions are from the attention they received.

        Of the regions that were not kept nothing is read, so the answer cannot tell the
        router that it should have kept them. What can is the attention (Q, N) of a part that
        sees the whole image. Return the Kullback-Leibler divergence of the scores' softmax from
        it, over the regions to choose from, (Q,).
        """
        members = self.patches_of_regions(attention.shape[1], attention.device)
        choice = routing.scores > -torch.inf
        target = attention[:, members].sum(-1).where(choice, 0.0)
        target = target / target.sum(-1, keepdim=True).clamp(min=1e-6)
        log_share = routing.scores.log_softmax(-1).where(choice, 0.0)
        return (torch.xlogy(target, target) - target * log_share).sum(-1)


class MultiHeadCrossAttention(nn.Module):
    """Multi-head cross-attention (MCA): the question reads its key regions."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float) -> None:
        """Initialize a new MultiHeadCrossAttention instance of width D with h heads."""
        super().__init__()
        self.num_heads = num_heads
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(
        self,
        tokens: Tensor,
        patches: Tensor,
        routing: Routing | None,
        pair_index: Tensor | None,
        explain: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Fuse the question with its key regions.

        Tokens (Q, L, D) read normalised patches, (B, N, D) with *pair_index* (Q,) or (Q, N, D),
        of all regions where *routing* is None. Return refined tokens (Q, L, D) and, to *explain*
        them, the attention, mean of the heads, (Q, L, k * n).
        """
        if pair_index is None:
            patches = _select(patches, routing, None)
        key, value = self.key(patches), self.value(patches)
        if pair_index is not None:
            # Projected once per image, not once per question
            key = _select(key, routing, pair_index)
            value = _select(value, routing, pair_index)
        if routing is not None:
            # The router learns through the share it gives to what is read
            share = routing.weights * routing.weights.shape[-1]
            per_region = routing.patches.shape[-1] // share.shape[-1]
            value = value * share.repeat_interleave(per_region, -1)[..., None]
        query, key, value = (
            rearrange(x, 'q l (h d) -> q h l d', h=self.num_heads)
            for x in (self.query(self.norm1(tokens)), key, value)
        )
        attention = None
        if explain:
            scores = query @ key.mT / math.sqrt(query.shape[-1])
            attention = scores.softmax(-1).mean(1)
        x = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.out(rearrange(x, 'q h l d -> q l (h d)'))
        return tokens + self.mlp(self.norm2(tokens)), attention


class ImageEnhancement(nn.Module):
    """Image enhancement (IE): patches that match what MCA read stand out."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float) -> None:
        """Initialize a new ImageEnhancement instance of width D with h heads."""
        super().__init__()
        self.num_heads = num_heads
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.patch = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, num_heads * width)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        # Start as the identity: early on, what MCA read is noise
        for parameter in (*self.value.parameters(), *self.mlp.fc2.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self,
        patches: Tensor,
        normalised: Tensor,
        read: Tensor,
        pair_index: Tensor | None,
    ) -> Tensor:
        """Enhance the patches by multi-head similarity.

        In each head, the similarity of a normalised patch to what MCA has *read* (Q, D), mean of
        the tokens, gates how much of it the patch receives. Patches are (B, N, D) with
        *pair_index* (Q,), or (Q, N, D). Return (Q, N, D).
        """
        read = self.norm1(read)
        key = rearrange(self.key(read), 'q (h d) -> q h d', h=self.num_heads)
        key = key / math.sqrt(key.shape[-1])
        value = rearrange(self.value(read), 'q (h d) -> q h d', h=self.num_heads)
        patches = _per_question(patches, pair_index)
        normalised = _per_question(normalised, pair_index)
        # (W_h x) . k_h = x . (W_h^T k_h): one product per patch instead of a projection
        weight = rearrange(self.patch.weight, '(h d) e -> h d e', h=self.num_heads)
        bias = rearrange(self.patch.bias, '(h d) -> h d', h=self.num_heads)
        query = torch.einsum('qhd,hde->qhe', key, weight)
        gate = (normalised @ query.mT + (key * bias).sum(-1)[:, None]).sigmoid()
        patches = patches + gate @ (value / math.sqrt(self.num_heads))
        return patches + self.mlp(self.norm2(patches))


class RefinementStage(nn.Module):
    """One KRR -> MCA -> IE structure."""

    def __init__(
        self, width: int, num_heads: int, mlp_ratio: float, grid: int, keep: int | None
    ) -> None:
        """Initialize a stage of width D and h heads on grid x grid regions.

        *mlp_ratio* is the width of the MLPs' hidden layers as a multiple of *width*, *keep*
        the number of regions to keep (None: all of them, no routing).
        """
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.krr = None if keep is None else KeyRegionRouting(width, grid, keep)
        self.mca = MultiHeadCrossAttention(width, num_heads, mlp_ratio)
        self.ie = ImageEnhancement(width, num_heads, mlp_ratio)

    def forward(
        self,
        patches: Tensor,
        questions: EncodedQuestions,
        pair_index: Tensor | None,
        inside: Tensor | None,
        explain: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor, Routing | None, Tensor | None]:
        """Refine patches and tokens of Q questions.

        *patches* are those of each image (B, N, D), if *pair_index* (Q,) is given, or of
        each question (Q, N, D); *inside* (Q, N) is a mask of those to route to. Return
        enhanced patches (Q, N, D), refined tokens (Q, L, D), their mean (Q, D), the routing
        and, with *explain*, the attention as a map over all patches, averaged over heads
        and tokens (Q, N).
        """
        tokens, summary, mask = questions
        normalised = self.norm(patches)
        routing = None
        if self.krr is not None:
            routing = self.krr(normalised, summary, pair_index, inside)
        tokens, attention = self.mca(tokens, normalised, routing, pair_index, explain)
        read = _mean_over_tokens(tokens, mask)
        if attention is not None:
            attention = _mean_over_tokens(attention, mask)
            if routing is not None:
                everywhere = attention.new_zeros(len(tokens), patches.shape[1])
                attention = everywhere.scatter(1, routing.patches, attention)
        patches = self.ie(patches, normalised, read, pair_index)
        return patches, tokens, read, routing, attention


class CFAR(nn.Module):
    """Coarse-to-fine attention refinement of one modality."""

    def __init__(self, stages: Iterable[RefinementStage] = ()) -> None:
        """Initialize CFAR of stages, coarse first; without any, patches stay as they are."""
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def divergence(
        self, routings: Sequence[Routing | None], attention: Tensor
    ) -> Tensor | None:
        """Return the mean of :meth:`KeyRegionRouting.divergence` over the stages that route, (Q,).

        None if none does. The attention (Q, N) adds up to 1.
        """
        divergences = [
            cast(KeyRegionRouting, stage.krr).divergence(routing, attention)
            for stage, routing in zip(self.stages, routings, strict=True)
            if routing is not None
        ]
        return torch.stack(divergences).mean(0) if divergences else None

    def forward(
        self,
        patches: Tensor,
        questions: EncodedQuestions,
        pair_index: Tensor,
        explain: bool = False,
    ) -> Refinement:
        """Lead the attention from broad areas to finer details.

        Refine the patches of each image (B, N, D) for Q questions, *pair_index* (Q,) tells
        about which image; *explain* keeps the attention.
        """
        index: Tensor | None = pair_index
        read = torch.zeros_like(questions.summary)
        inside: Tensor | None = None
        routings: list[Routing | None] = []
        attentions: list[Tensor] = []
        for stage in self.stages:
            patches, tokens, read, routing, attention = stage(
                patches, questions, index, inside, explain
            )
            questions = questions._replace(tokens=tokens)
            index = None  # from here on every question has patches of its own
            routings.append(routing)
            if routing is not None:
                nowhere = torch.zeros_like(patches[..., 0], dtype=torch.bool)
                inside = nowhere.scatter(1, routing.patches, True)
            if attention is not None:
                attentions.append(attention)
        return Refinement(_per_question(patches, index), read, routings, attentions)
