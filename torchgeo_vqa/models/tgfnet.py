# SPDX-License-Identifier: MIT
"""Text-guided coarse-to-fine fusion network (TGFNet).

Our own implementation from the published description, whose equations,
hyper-parameters, code and weights are not public. If you use this model in your
research, please cite the following paper:

* https://doi.org/10.1016/j.isprsjprs.2025.08.029
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast, override

import torch
from torch import Tensor, nn

from ..sample import MODALITIES
from .amef import (
    AdaptiveFusion,
    Expert,
    GuidedPooling,
    MeanFusion,
    MeanPooling,
    RegionalQualityAwareFusion,
    UniformGate,
)
from .cfar import CFAR, Refinement, RefinementStage, Routing
from .clip import TINY_CLIP, load_clip
from .encoder import ImageEncoder, TextEncoder
from .guidance import ConstantGuidance, TextGuidance
from .modality import channels_of, present_images
from .options import options_of
from .position import position_encoding
from .renamed_keys import rename_keys
from .vqa import EncodedQuestions, VQAModel, trim
from .weights import TGFNet_Weights

# B pairs, Q questions in all, U unique questions, K questions per pair (padded),
# N patches, L tokens, D width, E experts, A answers, M modalities

#: What tells the sizes apart: defaults of :func:`tgfnet` and of :func:`tgfnet_tiny`.
SIZES: dict[str, dict[str, Any]] = {
    'tgfnet': {
        'clip': 'ViT-B-16',
        'width': 256,
        'mlp_ratio': 2.0,
        'grids': (7, 14),
        'keeps': (16, 32),
        'dropout': 0.1,
    },
    'tgfnet_tiny': {
        'clip': TINY_CLIP,
        'width': 64,
        'mlp_ratio': 1.0,
        'grids': (4, 8),
        'keeps': (4, 8),
        'dropout': 0.0,
    },
}


class TGFNetOutput(NamedTuple):
    """Output of :class:`TGFNet` for Q questions."""

    #: Blended logits, (Q, A).
    logits: Tensor
    #: Logits of each expert, in the order of :attr:`TGFNet.expert_names`, (Q, E, A). The
    #: logits of an expert whose modality is absent are 0.
    expert_logits: Tensor
    #: Weights of the experts, (Q, E); 0 where the modality is absent.
    expert_weights: Tensor
    #: In training, where anything routes and the experts look: divergence of the routers
    #: from where they looked, (Q,).
    routing_loss: Tensor | None = None
    #: With ``explain=True``: per modality, the routing of each stage.
    regions: dict[str, list[Routing | None]] | None = None
    #: With ``explain=True``: per modality, MCA's attention of each stage, (Q, N) each.
    attention: dict[str, list[Tensor]] | None = None
    #: With ``explain=True`` and a fusion expert: weight of each modality that is there
    #: at each patch, (Q, N, M).
    quality: Tensor | None = None


class TGFNet(VQAModel):
    """Text-guided coarse-to-fine fusion network."""

    def __init__(
        self,
        image_encoders: Mapping[str, ImageEncoder],
        text_encoder: TextEncoder,
        image_projections: Mapping[str, nn.Module],
        token_projection: nn.Module,
        summary_projection: nn.Module,
        guidance: TextGuidance | ConstantGuidance,
        cfar: Mapping[str, CFAR],
        rqaf: RegionalQualityAwareFusion | MeanFusion | None,
        experts: Mapping[str, Expert],
        adaptive_fusion: AdaptiveFusion | UniformGate,
    ) -> None:
        """Initialize TGFNet of its parts.

        For each modality there are an encoder of the image, a projection of its patches to
        width D, and a refinement; *summary_projection* maps the end token and the mean of
        the words to width D. *rqaf* fuses the modalities (None without an expert for it),
        *experts* are named after the modality that each looks at, or 'fusion', and
        *adaptive_fusion* gives their weights.
        """
        super().__init__()
        self.modalities = tuple(image_encoders)
        self.expert_names = tuple(experts)
        self.num_answers = next(iter(experts.values())).classifier.out_features
        self.image_size = next(iter(image_encoders.values())).image_size
        self.context_length = text_encoder.context_length
        # Small at first, or the position of a patch would drown what it shows
        self.position_scale = nn.Parameter(torch.tensor(0.3))
        self.guidance = guidance
        self.image_encoders = nn.ModuleDict(image_encoders)
        self.text_encoder = text_encoder
        self.image_projections = nn.ModuleDict(image_projections)
        self.token_projection = token_projection
        self.summary_projection = summary_projection
        self.cfar = nn.ModuleDict(cfar)
        self.rqaf = rqaf
        self.experts = nn.ModuleDict(experts)
        self.adaptive_fusion = adaptive_fusion
        self.register_load_state_dict_pre_hook(rename_keys)

    @override
    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the patches of each modality that is there, shape (B, N, D) each."""
        images = present_images(image_optical, image_sar, self.modalities)
        patches: dict[str, Tensor] = {}
        for modality, image in images.items():
            x = self.image_encoders[modality](image)
            x = self.image_projections[modality](x)
            position = position_encoding(x.shape[1], x.shape[2], x.device)
            patches[modality] = x + self.position_scale * position.to(x.dtype)
        return patches

    @override
    def encode_questions(self, tokens: Tensor) -> EncodedQuestions:
        """Return tokens, summaries and padding mask; L is trimmed to the longest."""
        tokens = trim(tokens)
        x, end = self.text_encoder(tokens)
        mask = tokens != 0
        # The end token knows the sentence; beside it, every word keeps its own weight
        words = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).sqrt()
        summary = self.summary_projection(torch.cat([end, words], dim=-1))
        return EncodedQuestions(self.token_projection(x), summary, mask)

    @override
    def answer(
        self,
        images: Mapping[str, Tensor],
        questions: EncodedQuestions,
        pair_index: Tensor,
        question_index: Tensor,
        explain: bool = False,
    ) -> TGFNetOutput:
        """Answer questions; *explain* adds regions, attention and quality."""
        asked = EncodedQuestions(
            *(x.index_select(0, question_index) for x in questions)
        )
        guidance = self.guidance(asked)
        summary, guide = asked.summary, guidance.summary
        refined: dict[str, Refinement] = {
            m: self.cfar[m](patches, guidance, pair_index, explain)
            for m, patches in images.items()
        }
        views = {m: one.patches for m, one in refined.items()}
        reads = {m: one.read for m, one in refined.items()}

        quality: Tensor | None = None
        # The expert that fuses needs all modalities, unless it is the only expert
        complete = len(images) == len(self.modalities) or len(self.experts) == 1
        if self.rqaf is not None and complete:
            fused, quality = self.rqaf(views, guide)
            reads['fusion'] = torch.stack([reads[m] for m in views]).mean(0)
            views['fusion'] = fused

        present = [name for name in self.expert_names if name in views]
        logits, pooled, looks = zip(
            *(
                self.experts[m](views[m], guide + reads[m], summary + reads[m])
                for m in present
            ),
            strict=True,
        )
        expert_logits = torch.stack(logits, dim=1)
        slots = [self.expert_names.index(name) for name in present]
        if len(present) == len(self.expert_names):
            weights = self.adaptive_fusion(torch.stack(pooled, dim=1), guide)
        else:  # an expert that lacks its modality says nothing
            size = (len(guide), len(self.expert_names))
            weights = expert_logits.new_zeros(size)
            weights[:, slots] = 1 / len(present)
            padded = expert_logits.new_zeros(*size, self.num_answers)
            padded[:, slots] = expert_logits
            expert_logits = padded
        return TGFNetOutput(
            torch.einsum('qea,qe->qa', expert_logits, weights),
            expert_logits,
            weights,
            self._routing_loss(refined, looks, weights[:, slots]),
            {m: one.routings for m, one in refined.items()} if explain else None,
            {m: one.attentions for m, one in refined.items()} if explain else None,
            quality if explain else None,
        )

    def _routing_loss(
        self,
        refined: Mapping[str, Refinement],
        looks: Sequence[Tensor | None],
        weights: Tensor,
    ) -> Tensor | None:
        """Compute how far the routers are from where the experts looked, (Q,).

        Experts that average (None of *looks*) look nowhere. Only training needs it.
        """
        attentions = [look for look in looks if look is not None]
        if not self.training or not attentions:
            return None
        look = torch.einsum('qen,qe->qn', torch.stack(attentions, dim=1), weights)
        divergences = (
            cast(CFAR, self.cfar[m]).divergence(one.routings, look.detach())
            for m, one in refined.items()
        )
        losses = [loss for loss in divergences if loss is not None]
        return torch.stack(losses).mean(0) if losses else None


def _refinement(
    modalities: Sequence[str],
    width: int,
    num_heads: int,
    mlp_ratio: float,
    *,
    grids: Sequence[int],
    keeps: Sequence[int | None],
    cfar: bool = True,
    share_cfar: bool = False,
) -> dict[str, CFAR]:
    """Build the refinement of each modality."""
    if not cfar:
        return {m: CFAR() for m in modalities}
    if len(grids) != len(keeps):
        raise ValueError(f'grids {grids} and keeps {keeps} must have the same length')

    def build() -> CFAR:
        return CFAR(
            RefinementStage(width, num_heads, mlp_ratio, grid, keep)
            for grid, keep in zip(grids, keeps, strict=True)
        )

    # Built even if not used, so that a seed gives the same weights as ever
    shared = build()
    return {m: shared if share_cfar else build() for m in modalities}


@options_of(_refinement)
def _assemble(
    images: Mapping[str, ImageEncoder],
    text: TextEncoder,
    num_answers: int,
    *,
    width: int,
    num_heads: int = 8,
    mlp_ratio: float,
    dropout: float,
    rqaf: bool = True,
    adaptive_fusion: bool = True,
    experts: Literal['all', 'fusion'] = 'all',
    text_guidance: bool = True,
    guided_pooling: bool = True,
    **refinement: Any,
) -> TGFNet:
    """Build the parts on top of CLIP's towers; ablations are parts of other classes."""
    if width % num_heads or width % 4:
        raise ValueError(
            f'width must be a multiple of num_heads ({num_heads}) and of 4, got {width}'
        )
    if experts not in ('all', 'fusion'):
        raise ValueError(f"experts must be 'all' or 'fusion', got {experts!r}")
    names = tuple(images) if experts == 'all' else ()
    if len(names) != 1:
        names += ('fusion',)

    # In this order, so that a seed gives the same weights as ever
    image_projections = {
        m: nn.Sequential(nn.LayerNorm(e.width), nn.Linear(e.width, width))
        for m, e in images.items()
    }
    token_projection = nn.Linear(text.width, width)
    summary_projection = nn.Linear(2 * text.width, width)
    guidance = TextGuidance() if text_guidance else ConstantGuidance(width)
    token_projection.requires_grad_(text_guidance)
    cfar = _refinement(tuple(images), width, num_heads, mlp_ratio, **refinement)
    fusion: RegionalQualityAwareFusion | MeanFusion | None = None
    if 'fusion' in names and rqaf:
        fusion = RegionalQualityAwareFusion(width, num_heads, mlp_ratio)
    elif 'fusion' in names:
        fusion = MeanFusion(width, mlp_ratio)
    heads = {}
    for name in names:
        pooling = (
            GuidedPooling(width, num_heads) if guided_pooling else MeanPooling(width)
        )
        heads[name] = Expert(pooling, width, num_answers, dropout)
    adaptive = adaptive_fusion and len(names) > 1
    return TGFNet(
        images,
        text,
        image_projections,
        token_projection,
        summary_projection,
        guidance,
        cfar,
        fusion,
        heads,
        AdaptiveFusion(width, len(names)) if adaptive else UniformGate(),
    )


@options_of(_assemble)
def _build(
    num_answers: int,
    *,
    clip: str,
    pretrained: str | os.PathLike[str] | None = None,
    modalities: Sequence[str] = MODALITIES,
    sar_channels: int = 2,
    image_size: int | None = None,
    share_image_encoder: bool = False,
    **parts: Any,
) -> TGFNet:
    """Build TGFNet of any size."""
    channels = channels_of(modalities, sar_channels)
    images, text = load_clip(
        clip, pretrained, channels, image_size, share_image_encoder
    )
    return _assemble(images, text, num_answers, **parts)


@options_of(_build, defaults=SIZES['tgfnet'])
def tgfnet(num_answers: int, **options: Any) -> TGFNet:
    """TGFNet on the towers of any CLIP of open_clip.

    Args:
        num_answers: Number of answers.
        **options: What follows, by keyword.
        clip: Architecture, any of ``open_clip.list_models()``.
        pretrained: Tag or local file of open_clip weights, None for random weights.
        modalities: Modalities to use, of 'optical' and 'sar'.
        sar_channels: Number of channels of the SAR image.
        image_size: Image size in pixels (defaults to the architecture's own).
        share_image_encoder: If True, one tower encodes both images.
        width: Width of refinement and fusion.
        num_heads: Number of attention heads.
        mlp_ratio: Width of the MLPs' hidden layers as a multiple of *width*.
        dropout: Dropout rate before the answers.
        rqaf: If False, the fusion expert sees the mean of both modalities (ablation).
        adaptive_fusion: If False, the experts are averaged (ablation).
        experts: Whether to use all three experts or only the one that fuses.
        text_guidance: If False, refinement, fusion and the experts' pooling do not know
            the question, only the experts' last layers do (ablation).
        guided_pooling: If False, the experts average the patches instead of looking for
            what the question is about (ablation).
        grids: Regions per side in each refinement stage, coarse first.
        keeps: Number of regions each stage routes to (None: all, no routing).
        cfar: If False, patches go to the experts unrefined (ablation).
        share_cfar: If True, both modalities are refined with the same weights.

    Returns:
        The model.

    Raises:
        ValueError: If *modalities* holds anything but 'optical' and 'sar', *experts* is
            unknown, *width* does not suit *num_heads*, or *grids* does not suit *keeps*.
    """
    return _build(num_answers, **(SIZES['tgfnet'] | options))


@options_of(_build, defaults=SIZES['tgfnet_tiny'])
def tgfnet_tiny(
    num_answers: int | None = None,
    weights: TGFNet_Weights | None = None,
    **options: Any,
) -> TGFNet:
    """TGFNet on a small CLIP that trains from scratch on a CPU, for 64 px images.

    Trained *weights* tell the number of answers; if *num_answers* differs from theirs, the
    layers that give the answers start anew, to be trained on another vocabulary. *options*
    are those of :func:`tgfnet`.

    Raises:
        TypeError: If neither *num_answers* nor *weights* are given.
        RuntimeError: If the other arguments make another model than that of the *weights*.
    """
    options = SIZES['tgfnet_tiny'] | options
    weights = TGFNet_Weights.verify(weights)
    if weights is None:
        if num_answers is None:
            raise TypeError('tgfnet_tiny needs num_answers, or weights')
        return _build(num_answers, **options)
    known = len(weights.metadata.answers)
    model = _build(known if num_answers is None else num_answers, **options)
    state = weights.get_state_dict()
    if model.num_answers != known:
        own = model.state_dict()
        state |= {name: own[name] for name in own if '.classifier.' in name}
    model.load_state_dict(state)
    return model
