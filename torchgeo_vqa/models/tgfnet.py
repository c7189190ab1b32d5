# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Text-guided coarse-to-fine fusion network (TGFNet).

Our own implementation from the published description, whose equations,
hyper-parameters, code and weights are not public. If you use this model in your
research, please cite the following paper:

* https://doi.org/10.1016/j.isprsjprs.2025.08.029
"""

import os
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from ..sample import MODALITIES
from .amef import AdaptiveFusion, Expert, RegionalQualityAwareFusion
from .cfar import CFAR, Routing
from .clip import TINY_CLIP, ImageEncoder, TextEncoder, load_clip, position_encoding
from .vqa import VQAModel, trim
from .weights import TGFNet_Weights

# B pairs, Q questions in all, U unique questions, K questions per pair (padded),
# N patches, L tokens, D width, E experts, A answers, M modalities


class Questions(NamedTuple):
    """Encoded unique questions."""

    #: Token features, (U, L, D).
    tokens: Tensor
    #: Summaries, (U, D).
    summary: Tensor
    #: True where there is a token, False at padding, (U, L).
    mask: Tensor


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
        image_encoder: ImageEncoder | None,
        sar_encoder: ImageEncoder | None,
        text_encoder: TextEncoder,
        num_answers: int,
        width: int = 256,
        num_heads: int = 8,
        mlp_ratio: float = 2.0,
        grids: Sequence[int] = (7, 14),
        keeps: Sequence[int | None] = (16, 32),
        dropout: float = 0.1,
        cfar: bool = True,
        share_cfar: bool = False,
        rqaf: bool = True,
        adaptive_fusion: bool = True,
        experts: Literal['all', 'fusion'] = 'all',
        text_guidance: bool = True,
        guided_pooling: bool = True,
    ) -> None:
        """Initialize a new TGFNet instance.

        Args:
            image_encoder: Encoder of the optical image, None for a SAR-only model.
            sar_encoder: Encoder of the SAR image, None for an optical-only model.
            text_encoder: Encoder of the question.
            num_answers: Number of answers A.
            width: Width D of refinement and fusion.
            num_heads: Number of attention heads.
            mlp_ratio: Width of the MLPs' hidden layers as a multiple of *width*.
            grids: Regions per side in each refinement stage, coarse first.
            keeps: Number of regions each stage routes to (None: all, no routing).
            dropout: Dropout rate before the answers.
            cfar: If False, patches go to the experts unrefined (ablation).
            share_cfar: If True, both modalities are refined with the same weights.
            rqaf: If False, the fusion expert sees the mean of both modalities (ablation).
            adaptive_fusion: If False, the experts are averaged (ablation).
            experts: Whether to use all three experts or only the one that fuses.
            text_guidance: If False, refinement, fusion and the experts' pooling do not
                know the question, only the experts' last layers do (ablation).
            guided_pooling: If False, the experts average the patches instead of looking
                for what the question is about (ablation).

        Raises:
            ValueError: If there is no image encoder at all, *width* does not suit
                *num_heads*, or *experts* is unknown.
        """
        super().__init__()
        encoders = {'optical': image_encoder, 'sar': sar_encoder}
        present = {m: e for m, e in encoders.items() if e is not None}
        if not present:
            raise ValueError(
                'image_encoder and sar_encoder are None, give at least one'
            )
        if width % num_heads or width % 4:
            raise ValueError(
                f'width must be a multiple of num_heads ({num_heads}) and of 4, got {width}'
            )
        if experts not in ('all', 'fusion'):
            raise ValueError(f"experts must be 'all' or 'fusion', got {experts!r}")
        self.modalities = tuple(present)
        self.num_answers = num_answers
        self.image_size = next(iter(present.values())).image_size
        self.context_length = text_encoder.context_length
        self.image_encoders = nn.ModuleDict(present)
        self.text_encoder = text_encoder

        self.image_projections = nn.ModuleDict(
            {
                m: nn.Sequential(nn.LayerNorm(e.width), nn.Linear(e.width, width))
                for m, e in present.items()
            }
        )
        self.token_projection = nn.Linear(text_encoder.width, width)
        self.summary_projection = nn.Linear(2 * text_encoder.width, width)

        # Small at first, or where a patch lies would drown what it shows
        self.position_scale = nn.Parameter(torch.tensor(0.3))

        # What guides in the question's place
        self.guide: nn.Parameter | None = None
        if not text_guidance:
            self.guide = nn.Parameter(torch.randn(width))
            self.token_projection.requires_grad_(False)

        self.cfar: nn.ModuleDict | None = None
        if cfar:
            args = (width, num_heads, mlp_ratio, tuple(grids), tuple(keeps))
            shared = CFAR(*args)
            self.cfar = nn.ModuleDict(
                {m: shared if share_cfar else CFAR(*args) for m in present}
            )

        self.expert_names = ('fusion',)
        if experts == 'all':
            self.expert_names = self.modalities
            if len(present) == 2:
                self.expert_names += ('fusion',)
        if 'fusion' in self.expert_names:
            self.rqaf = RegionalQualityAwareFusion(width, num_heads, mlp_ratio, rqaf)
        self.guided_pooling = guided_pooling
        self.experts = nn.ModuleDict(
            {
                name: Expert(width, num_heads, num_answers, dropout, guided_pooling)
                for name in self.expert_names
            }
        )
        self.adaptive_fusion = AdaptiveFusion(
            width, len(self.expert_names), adaptive_fusion
        )

    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Encode pairs of images; either may be absent.

        Args:
            image_optical: Normalised optical images, shape (B, 3, H, W).
            image_sar: Normalised SAR images, shape (B, C, H, W).

        Returns:
            Patches of each modality that is there, shape (B, N, D) each.

        Raises:
            ValueError: If there is no image, or none that the model can use.
        """
        images = {'optical': image_optical, 'sar': image_sar}
        patches: dict[str, Tensor] = {}
        for modality in self.modalities:
            image = images[modality]
            if image is not None:
                x = self.image_encoders[modality](image)
                x = self.image_projections[modality](x)
                position = position_encoding(x.shape[1], x.shape[2], x.device)
                patches[modality] = x + self.position_scale * position.to(x.dtype)
        if not patches:
            given = [f'image_{m}' for m, image in images.items() if image is not None]
            raise ValueError(
                f'the model uses {self.modalities} but was given {given or "no image"}'
            )
        return patches

    def encode_questions(self, tokens: Tensor) -> Questions:
        """Encode unique questions.

        Args:
            tokens: Token ids, 0-padded, shape (U, L).

        Returns:
            Token features, summaries and padding mask; L is trimmed to the longest.
        """
        tokens = trim(tokens)
        x, end = self.text_encoder(tokens)
        mask = tokens != 0
        # The end token knows the sentence; beside it, every word keeps its own weight
        words = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).sqrt()
        summary = self.summary_projection(torch.cat([end, words], dim=-1))
        return Questions(self.token_projection(x), summary, mask)

    def answer(
        self,
        images: Mapping[str, Tensor],
        questions: Questions,
        pair_index: Tensor,
        question_index: Tensor,
        explain: bool = False,
    ) -> TGFNetOutput:
        """Answer questions about pairs.

        Args:
            images: Output of :meth:`encode_images` for B pairs.
            questions: Output of :meth:`encode_questions` for U unique questions.
            pair_index: Pair each question is about, shape (Q,), int64.
            question_index: Which of the unique questions it is, shape (Q,), int64.
            explain: Whether to return regions, attention and quality.

        Returns:
            Logits of the blend and of every expert, and what *explain* adds.
        """
        tokens, summary, mask = (x.index_select(0, question_index) for x in questions)
        guide = summary
        if self.guide is not None:
            guide = self.guide.expand_as(summary)
            tokens, mask = guide[:, None], mask[:, :1]
        views: dict[str, Tensor] = {}
        reads: dict[str, Tensor] = {}
        regions: dict[str, list[Routing | None]] = {}
        attention: dict[str, list[Tensor]] = {}
        for m, patches in images.items():
            if self.cfar is None:
                views[m] = patches.index_select(0, pair_index)
                reads[m] = torch.zeros_like(summary)
            else:
                views[m], reads[m], regions[m], attention[m] = self.cfar[m](
                    patches, tokens, guide, mask, pair_index, explain
                )

        quality: Tensor | None = None
        # An expert that lacks its modality says nothing; the one that fuses needs both,
        # unless it is the only one
        complete = len(images) == len(self.modalities) or self.expert_names == (
            'fusion',
        )
        if 'fusion' in self.expert_names and complete:
            fused = {m: views[m] for m in self.modalities if m in views}
            views['fusion'], quality = self.rqaf(fused, guide)
            reads['fusion'] = torch.stack([reads[m] for m in fused]).mean(0)
        present = [name for name in self.expert_names if name in views]
        logits, pooled, looks = zip(
            *(
                self.experts[name](
                    views[name], guide + reads[name], summary + reads[name]
                )
                for name in present
            ),
            strict=True,
        )
        expert_logits = torch.stack(logits, dim=1)
        if len(present) == len(self.expert_names):
            blend, weights = self.adaptive_fusion(
                expert_logits, torch.stack(pooled, dim=1), guide
            )
        else:
            blend = expert_logits.mean(1)
            slots = [self.expert_names.index(name) for name in present]
            size = (len(blend), len(self.expert_names))
            weights = blend.new_zeros(size)
            weights[:, slots] = 1 / len(present)
            padded = blend.new_zeros(*size, blend.shape[-1])
            padded[:, slots] = expert_logits
            expert_logits = padded
        routing_loss: Tensor | None = None
        if self.training and self.guided_pooling:
            share = weights[:, [self.expert_names.index(name) for name in present]]
            look = torch.einsum('qen,qe->qn', torch.stack(looks, dim=1), share)
            routing_loss = self._routing_loss(regions, look.detach())
        if not explain:
            return TGFNetOutput(blend, expert_logits, weights, routing_loss)
        return TGFNetOutput(
            blend, expert_logits, weights, routing_loss, regions, attention, quality
        )

    def _routing_loss(
        self, regions: Mapping[str, Sequence[Routing | None]], look: Tensor
    ) -> Tensor | None:
        """How far the routers are from where the experts looked.

        Args:
            regions: Routing of each modality and stage.
            look: Attention of the experts, shape (Q, N).

        Returns:
            Mean divergence over modalities and stages, shape (Q,), None if nothing routes.
        """
        if self.cfar is None:
            return None
        divergences = (
            cast(CFAR, self.cfar[m]).divergence(r, look) for m, r in regions.items()
        )
        losses = [loss for loss in divergences if loss is not None]
        return torch.stack(losses).mean(0) if losses else None


def tgfnet(
    num_answers: int,
    clip: str = 'ViT-B-16',
    pretrained: str | os.PathLike[str] | None = None,
    modalities: Sequence[str] = MODALITIES,
    sar_channels: int = 2,
    image_size: int | None = None,
    share_image_encoder: bool = False,
    width: int = 256,
    num_heads: int = 8,
    mlp_ratio: float = 2.0,
    grids: Sequence[int] = (7, 14),
    keeps: Sequence[int | None] = (16, 32),
    dropout: float = 0.1,
    cfar: bool = True,
    share_cfar: bool = False,
    rqaf: bool = True,
    adaptive_fusion: bool = True,
    experts: Literal['all', 'fusion'] = 'all',
    text_guidance: bool = True,
    guided_pooling: bool = True,
) -> TGFNet:
    """TGFNet on the towers of any CLIP of open_clip.

    Args:
        num_answers: Number of answers.
        clip: Architecture, any of ``open_clip.list_models()``.
        pretrained: Tag or local file of open_clip weights, None for random weights.
        modalities: Modalities to use, of 'optical' and 'sar'.
        sar_channels: Number of channels of the SAR image.
        image_size: Image size in pixels (defaults to the architecture's own).
        share_image_encoder: If True, one tower encodes both images.
        width: Width of refinement and fusion.
        num_heads: Number of attention heads.
        mlp_ratio: Width of the MLPs' hidden layers as a multiple of *width*.
        grids: Regions per side in each refinement stage, coarse first.
        keeps: Number of regions each stage routes to (None: all, no routing).
        dropout: Dropout rate before the answers.
        cfar: If False, patches go to the experts unrefined (ablation).
        share_cfar: If True, both modalities are refined with the same weights.
        rqaf: If False, the fusion expert sees the mean of both modalities (ablation).
        adaptive_fusion: If False, the experts are averaged (ablation).
        experts: Whether to use all three experts or only the one that fuses.
        text_guidance: If False, refinement, fusion and the experts' pooling do not know
            the question, only the experts' last layers do (ablation).
        guided_pooling: If False, the experts average the patches instead of looking for
            what the question is about (ablation).

    Returns:
        The model.

    Raises:
        ValueError: If *modalities* holds anything but 'optical' and 'sar'.
    """
    if not modalities or not set(modalities) <= set(MODALITIES):
        raise ValueError(f'modalities must be of {MODALITIES}, got {tuple(modalities)}')
    channels = {'optical': 3, 'sar': sar_channels}
    images, text = load_clip(
        clip,
        pretrained,
        {m: channels[m] for m in MODALITIES if m in modalities},
        image_size,
        share_image_encoder,
    )
    return TGFNet(
        images.get('optical'),
        images.get('sar'),
        text,
        num_answers,
        width=width,
        num_heads=num_heads,
        mlp_ratio=mlp_ratio,
        grids=grids,
        keeps=keeps,
        dropout=dropout,
        cfar=cfar,
        share_cfar=share_cfar,
        rqaf=rqaf,
        adaptive_fusion=adaptive_fusion,
        experts=experts,
        text_guidance=text_guidance,
        guided_pooling=guided_pooling,
    )


def tgfnet_tiny(
    num_answers: int | None = None,
    clip: str = TINY_CLIP,
    pretrained: str | os.PathLike[str] | None = None,
    modalities: Sequence[str] = MODALITIES,
    sar_channels: int = 2,
    image_size: int | None = None,
    share_image_encoder: bool = False,
    width: int = 64,
    num_heads: int = 8,
    mlp_ratio: float = 1.0,
    grids: Sequence[int] = (4, 8),
    keeps: Sequence[int | None] = (4, 8),
    dropout: float = 0.0,
    cfar: bool = True,
    share_cfar: bool = False,
    rqaf: bool = True,
    adaptive_fusion: bool = True,
    experts: Literal['all', 'fusion'] = 'all',
    text_guidance: bool = True,
    guided_pooling: bool = True,
    weights: TGFNet_Weights | None = None,
) -> TGFNet:
    """TGFNet on a small CLIP that trains from scratch on a CPU, for 64 px images.

    The arguments are those of :func:`tgfnet`.

    Args:
        num_answers: Number of answers (defaults to that of the *weights*).
        clip: Architecture, any of ``open_clip.list_models()``.
        pretrained: Local file of open_clip weights, None for random weights.
        modalities: Modalities to use, of 'optical' and 'sar'.
        sar_channels: Number of channels of the SAR image.
        image_size: Image size in pixels (defaults to the architecture's own).
        share_image_encoder: If True, one tower encodes both images.
        width: Width of refinement and fusion.
        num_heads: Number of attention heads.
        mlp_ratio: Width of the MLPs' hidden layers as a multiple of *width*.
        grids: Regions per side in each refinement stage, coarse first.
        keeps: Number of regions each stage routes to (None: all, no routing).
        dropout: Dropout rate before the answers.
        cfar: If False, patches go to the experts unrefined (ablation).
        share_cfar: If True, both modalities are refined with the same weights.
        rqaf: If False, the fusion expert sees the mean of both modalities (ablation).
        adaptive_fusion: If False, the experts are averaged (ablation).
        experts: Whether to use all three experts or only the one that fuses.
        text_guidance: If False, refinement, fusion and the experts' pooling do not know
            the question, only the experts' last layers do (ablation).
        guided_pooling: If False, the experts average the patches instead of looking for
            what the question is about (ablation).
        weights: Trained weights. If *num_answers* differs from theirs, the layers that
            give the answers start anew, to be trained on another vocabulary.

    Returns:
        The model.

    Raises:
        TypeError: If neither *num_answers* nor *weights* are given.
        RuntimeError: If the other arguments make another model than that of the *weights*.
    """
    if weights is None and num_answers is None:
        raise TypeError('tgfnet_tiny needs num_answers, or weights')
    weights = TGFNet_Weights.verify(weights)
    known = len(weights.metadata['answers']) if weights else 0
    model = tgfnet(
        known if num_answers is None else num_answers,
        clip=clip,
        pretrained=pretrained,
        modalities=modalities,
        sar_channels=sar_channels,
        image_size=image_size,
        share_image_encoder=share_image_encoder,
        width=width,
        num_heads=num_heads,
        mlp_ratio=mlp_ratio,
        grids=grids,
        keeps=keeps,
        dropout=dropout,
        cfar=cfar,
        share_cfar=share_cfar,
        rqaf=rqaf,
        adaptive_fusion=adaptive_fusion,
        experts=experts,
        text_guidance=text_guidance,
        guided_pooling=guided_pooling,
    )
    if weights is not None:
        state = weights.get_state_dict()
        if num_answers not in (None, known):
            own = model.state_dict()
            state |= {name: own[name] for name in own if '.classifier.' in name}
        model.load_state_dict(state)
    return model
