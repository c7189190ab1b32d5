# SPDX-License-Identifier: MIT
"""CLIP for pairs of images, built through open_clip.

If you use a CLIP tower in your research, please cite the following papers:

* https://doi.org/10.48550/arXiv.2103.00020
* https://doi.org/10.5281/zenodo.5143773
"""

import copy
import logging
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import open_clip
from open_clip.model import resize_pos_embed
from timm.models import register_model
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from torch import Tensor, nn

from .clip_checkpoint import check_clip_checkpoint, read_clip_checkpoint, strip_prefix
from .encoder import CONTRASTIVE_HEADS, ImageEncoder, TextEncoder, set_trainable

# B images, H/W pixels, C channels, N = h * w patches, U texts, L tokens, D width

#: Name of the small CLIP that :func:`~torchgeo_vqa.models.tgfnet_tiny` uses.
TINY_CLIP = 'tgfnet-tiny'

open_clip.add_model_config(Path(__file__).parent / 'clip_configs')


@register_model
def tgfnet_tiny_conv(pretrained: bool = False, **kwargs: Any) -> ByobNet:
    """Build timm's trunk for :data:`TINY_CLIP`, a small residual network of total stride 8.

    timm passes *kwargs* to the network. There are no pretrained weights (ValueError).
    """
    if pretrained:
        raise ValueError(
            'tgfnet_tiny_conv has no pretrained weights, use pretrained=False'
        )
    stages = zip((32, 64, 128), (1, 2, 2), strict=True)
    cfg = ByoModelCfg(
        blocks=tuple(
            ByoBlockCfg(type='basic', d=1, c=c, s=s, gs=0, br=1.0) for c, s in stages
        ),
        stem_chs=32,
        stem_type='3x3',
        stem_pool='',
        act_layer='relu',
    )
    # timm asks every trunk for the configuration that open_clip's adapter reads
    for name in ('pretrained_cfg', 'pretrained_cfg_overlay', 'cache_dir'):
        kwargs.pop(name, None)
    model = ByobNet(cfg, **kwargs)
    model.default_cfg = {'pool_size': None}  # type: ignore[assignment]
    return model


class PairCLIP(nn.Module):
    """CLIP with an image tower for each modality."""

    def __init__(
        self,
        image_encoders: Mapping[str, ImageEncoder],
        text_encoder: TextEncoder,
        logit_scale: Tensor,
        config: dict[str, Any],
    ) -> None:
        """Initialize a CLIP of an encoder per modality and one of texts.

        *logit_scale* is the logarithm of the first factor of similarities, *config* the
        arguments of :func:`pair_clip` that build the same model.
        """
        super().__init__()
        self.config = config
        self.image_encoders = nn.ModuleDict(image_encoders)
        self.text_encoder = text_encoder
        self.logit_scale = nn.Parameter(logit_scale.detach().clone())
        self.set_heads_trainable(True)

    def set_heads_trainable(self, trainable: bool) -> None:
        """Train or freeze the parts that only embeddings need."""
        for encoder in self.image_encoders.values():
            set_trainable(encoder.visual, CONTRASTIVE_HEADS, trainable)  # type: ignore[arg-type]
        set_trainable(self.text_encoder.text, ('text_projection',), trainable)

    def forward(
        self, images: Mapping[str, Tensor], tokens: Tensor
    ) -> dict[str, Tensor]:
        """Return the scaled cosine similarities (B, U) of images (B, C, H, W) and texts.

        Images of each modality are normalised, tokens (U, L) 0-padded, L up to the context
        length.
        """
        texts = self.text_encoder.embed(tokens)
        # CLIP's own bound, beyond which its training is unstable
        scale = self.logit_scale.clamp(max=math.log(100)).exp()
        return {
            modality: scale * self.image_encoders[modality].embed(image) @ texts.T  # type: ignore[operator]
            for modality, image in images.items()
        }

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load the state of a model that may have more modalities.

        Embeddings of positions are resized to the images.
        """
        for modality, encoder in self.image_encoders.items():
            tower = strip_prefix(weights, f'image_encoders.{modality}.')
            resize_pos_embed(tower, encoder)
            encoder.load_state_dict(tower)
        self.text_encoder.load_state_dict(strip_prefix(weights, 'text_encoder.'))
        self.logit_scale.data.copy_(weights['logit_scale'])


def load_clip(*args: Any, **kwargs: Any) -> tuple[dict[str, ImageEncoder], TextEncoder]:
    """Build the image towers and the text tower of :func:`pair_clip`, heads frozen."""
    clip = pair_clip(*args, **kwargs)
    clip.set_heads_trainable(False)
    images = {m: cast(ImageEncoder, e) for m, e in clip.image_encoders.items()}
    return images, clip.text_encoder


def pair_clip(
    architecture: str,
    pretrained: str | os.PathLike[str] | None = None,
    in_channels: dict[str, int] | None = None,
    image_size: int | None = None,
    share_image_encoder: bool = False,
    quick_gelu: bool = False,
) -> PairCLIP:
    """Build a CLIP with an image tower for each modality, through open_clip.

    Args:
        architecture: Any of ``open_clip.list_models()``, or open_clip's
            ``local-dir:<folder>`` and ``hf-hub:<repo>`` forms.
        pretrained: One of the architecture's tags
            (``open_clip.list_pretrained_tags_by_model``), a checkpoint of
            :class:`~torchgeo_vqa.trainers.CLIPTask`, a local file of open_clip weights,
            or None for random weights.
        in_channels: Channels of each modality's image, e.g. ``{'optical': 3, 'sar': 2}``.
        image_size: Image size in pixels (defaults to the checkpoint's, or else to the
            architecture's own).
        share_image_encoder: If True, all modalities use one tower, but for its first
            layer where the number of channels differs.
        quick_gelu: If True, the towers use the activation of OpenAI's weights. Tags and
            checkpoints tell by themselves.

    Returns:
        The model. Its image towers start from the same weights, unless these are a
        checkpoint's, which has its own for each modality.

    Raises:
        RuntimeError: If *pretrained* is neither a tag nor a file.
        ValueError: If it is a file that does not fit.

    Warns:
        UserWarning: If the towers start from random weights.
    """
    config: dict[str, Any] = {
        'architecture': architecture,
        'in_channels': dict(in_channels or {'optical': 3, 'sar': 2}),
        'image_size': image_size,
        'share_image_encoder': share_image_encoder,
    }
    checkpoint = None if pretrained is None else read_clip_checkpoint(pretrained)
    if pretrained is not None and checkpoint is not None:
        check_clip_checkpoint(pretrained, checkpoint, config)
        image_size = image_size or checkpoint.config['image_size']
        quick_gelu = checkpoint.config['quick_gelu']
        clip = _create(architecture, None, image_size, quick_gelu)
    else:
        if pretrained is None:
            _warn_of_random_weights(architecture)
        else:
            tag = open_clip.get_pretrained_cfg(architecture, os.fspath(pretrained))
            # OpenAI's weights were trained with another activation than the default
            quick_gelu = quick_gelu or bool(tag.get('quick_gelu', False))
        clip = _create(architecture, pretrained, image_size, quick_gelu)
    images: dict[str, ImageEncoder] = {}
    for modality, channels in config['in_channels'].items():
        encoder = ImageEncoder(copy.deepcopy(clip.visual), channels)
        if share_image_encoder and images:
            _share_parameters(next(iter(images.values())), encoder)
        images[modality] = encoder
    config |= {'image_size': encoder.image_size, 'quick_gelu': quick_gelu}
    model = PairCLIP(images, TextEncoder(clip.text), clip.logit_scale, config)
    if checkpoint is not None:
        model.load_weights(checkpoint.weights)
    return model


def _create(
    architecture: str,
    pretrained: str | os.PathLike[str] | None,
    image_size: int | None,
    quick_gelu: bool,
) -> Any:
    """Create open_clip's model."""
    root = logging.getLogger()
    root.addFilter(_is_not_repeated)
    try:
        return open_clip.create_model(
            architecture,
            pretrained=None if pretrained is None else os.fspath(pretrained),
            force_custom_text=True,
            force_image_size=image_size,
            force_quick_gelu=quick_gelu,
        )
    finally:
        root.removeFilter(_is_not_repeated)


def _warn_of_random_weights(architecture: str) -> None:
    """Warn of random weights, unless the architecture has no others."""
    has_schema = architecture.startswith(('local-dir:', 'hf-hub:'))
    if not has_schema and architecture != TINY_CLIP:
        warnings.warn(
            f'CLIP ({architecture}) starts from random weights. To start from '
            "pretrained ones, set pretrained to a tag such as 'openai' (see "
            f'open_clip.list_pretrained_tags_by_model({architecture!r})) or to a local '
            'file of open_clip weights.',
            UserWarning,
            stacklevel=4,
        )


def _is_not_repeated(record: logging.LogRecord) -> bool:
    """Filter out open_clip's log line on random weights, of which we warn ourselves."""
    return 'initialized randomly' not in record.getMessage()


def _share_parameters(source: nn.Module, target: nn.Module) -> None:
    """Let *target* use the parameters and buffers of *source* where shapes agree."""
    ours = dict(source.named_modules())
    for name, module in target.named_modules():
        for key, parameter in module.named_parameters(recurse=False):
            shared = getattr(ours[name], key)
            if shared.shape == parameter.shape:
                setattr(module, key, shared)
        for key, _ in module.named_buffers(recurse=False):
            setattr(module, key, getattr(ours[name], key))
