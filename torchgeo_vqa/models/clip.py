# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""CLIP towers, loaded through open_clip, as patch and token encoders.

If you use a CLIP tower in your research, please cite the following papers:

* https://doi.org/10.48550/arXiv.2103.00020
* https://doi.org/10.5281/zenodo.5143773
"""

import copy
import logging
import math
import os
import warnings
from pathlib import Path
from typing import Any, Literal

import open_clip
import torch
from einops import rearrange
from timm.models import adapt_input_conv, register_model
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from torch import Tensor, nn

# B images, H/W pixels, C channels, N = h * w patches, U texts, L tokens, D tower width

#: Name of the small CLIP that :func:`~torchgeo_vqa.models.tgfnet_tiny` uses.
TINY_CLIP = 'tgfnet-tiny'

#: Parts of image towers that only CLIP's contrastive loss uses: they map to its embedding.
CONTRASTIVE_HEADS = ('proj', 'attn_pool', 'attnpool', 'head')

open_clip.add_model_config(Path(__file__).parent / 'clip_configs')


@register_model
def tgfnet_tiny_conv(pretrained: bool = False, **kwargs: Any) -> ByobNet:
    """Small residual network of total stride 8: timm's trunk for :data:`TINY_CLIP`.

    Args:
        pretrained: Not available, there are no published weights.
        **kwargs: Additional keyword arguments timm passes to the network.

    Returns:
        The network.

    Raises:
        ValueError: If *pretrained* is True.
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
    kwargs.pop('pretrained_cfg', None)
    kwargs.pop('pretrained_cfg_overlay', None)
    kwargs.pop('cache_dir', None)
    model = ByobNet(cfg, **kwargs)
    model.default_cfg = {'pool_size': None}  # type: ignore[assignment]
    return model


class ImageEncoder(nn.Module):
    """Patch features of a CLIP image tower, for any number of input channels."""

    def __init__(self, visual: nn.Module, in_channels: int = 3) -> None:
        """Initialize a new ImageEncoder instance.

        Args:
            visual: Image tower of an open_clip model.
            in_channels: Number of input channels. If it is not what the tower was built
                for, its first convolution is adapted: the weights are repeated over the
                channels and scaled so that the output keeps its size.

        Raises:
            ValueError: If *in_channels* is less than 1.
        """
        super().__init__()
        if in_channels < 1:
            raise ValueError(f'in_channels must be at least 1, got {in_channels}')
        self.visual = visual
        self.in_channels = in_channels
        size = getattr(visual, 'image_size', 224)
        self.image_size = int(size if isinstance(size, int) else size[0])
        self._adapt_first_layer()
        _freeze(visual, CONTRASTIVE_HEADS)
        with torch.no_grad():
            example = torch.zeros(1, in_channels, self.image_size, self.image_size)
            training = self.visual.training
            _, _, self.width = self.eval()(example).shape
            self.train(training)

    def _adapt_first_layer(self) -> None:
        """Replace the first convolution if it has another number of channels."""
        name, conv = next(
            (n, m) for n, m in self.visual.named_modules() if isinstance(m, nn.Conv2d)
        )
        if conv.in_channels == self.in_channels:
            return
        new = nn.Conv2d(
            self.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            bias=conv.bias is not None,
        )
        weight = adapt_input_conv(self.in_channels, conv.weight.data)
        new.weight = nn.Parameter(weight.contiguous())
        if conv.bias is not None:
            new.bias = conv.bias
        self.visual.set_submodule(name, new)

    def forward(self, image: Tensor) -> Tensor:
        """Encode images.

        Args:
            image: Normalised images, shape (B, C, H, W).

        Returns:
            Patch features in row-major order, shape (B, N, D).
        """
        out = self.visual.forward_intermediates(  # type: ignore[operator]
            image,
            indices=1,
            normalize_intermediates=True,
            intermediates_only=True,
            output_fmt='NCHW',
        )
        features: Tensor = out['image_intermediates'][-1]
        return rearrange(features, 'b d h w -> b (h w) d')


class TextEncoder(nn.Module):
    """Token features and summary of a CLIP text tower."""

    def __init__(self, text: nn.Module) -> None:
        """Initialize a new TextEncoder instance.

        Args:
            text: Text tower of an open_clip model (its ``TextTransformer``).

        Raises:
            TypeError: If the tower is not open_clip's own ``TextTransformer``.
        """
        super().__init__()
        if not isinstance(text, open_clip.transformer.TextTransformer):
            raise TypeError(
                f'the text tower must be an open_clip TextTransformer, got '
                f'{type(text).__name__}; choose an architecture of '
                'open_clip.list_models() that does not take its text tower from '
                'Hugging Face'
            )
        self.text = text
        _freeze(text, ('text_projection',))
        self.width: int = text.width
        self.context_length: int = text.context_length

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encode tokenised texts.

        The tower runs on the given length only: tokens after the end of text never
        reach those before it, so trimming the padding changes nothing.

        Args:
            tokens: Token ids, 0-padded, shape (U, L), L up to the context length.

        Returns:
            Features of every token, shape (U, L, D), and of the whole text (those of
            its end token), shape (U, D).
        """
        text = self.text
        length = tokens.shape[1]
        x = text.token_embedding(tokens) + text.positional_embedding[:length]
        mask = None if text.attn_mask is None else text.attn_mask[:length, :length]
        x = text.ln_final(text.transformer(x, attn_mask=mask))
        return x, x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]


def load_clip(
    architecture: str,
    pretrained: str | os.PathLike[str] | None = None,
    in_channels: dict[str, int] | None = None,
    image_size: int | None = None,
    share_image_encoder: bool = False,
) -> tuple[dict[str, ImageEncoder], TextEncoder]:
    """Build the towers of a CLIP model through open_clip.

    Args:
        architecture: Any of ``open_clip.list_models()``, or open_clip's
            ``local-dir:<folder>`` and ``hf-hub:<repo>`` forms.
        pretrained: One of the architecture's tags
            (``open_clip.list_pretrained_tags_by_model``), a local file of weights, or
            None for random weights.
        in_channels: Channels of each modality's image, e.g. ``{'optical': 3, 'sar': 2}``.
        image_size: Image size in pixels (defaults to the architecture's own).
        share_image_encoder: If True, all modalities use one tower, but for its first
            layer where the number of channels differs.

    Returns:
        One image encoder per modality, all starting from the same weights, and the
        text encoder.

    Warns:
        UserWarning: If the towers start from random weights.
    """
    in_channels = in_channels or {'optical': 3, 'sar': 2}
    has_schema = architecture.startswith(('local-dir:', 'hf-hub:'))
    if pretrained is None and not has_schema and architecture != TINY_CLIP:
        warnings.warn(
            f'CLIP ({architecture}) starts from random weights. To start from '
            "pretrained ones, set pretrained to a tag such as 'openai' (see "
            f'open_clip.list_pretrained_tags_by_model({architecture!r})) or to a local '
            'file of open_clip weights.',
            UserWarning,
            stacklevel=2,
        )
    tag = None if pretrained is None else os.fspath(pretrained)
    known = open_clip.get_pretrained_cfg(architecture, tag) if tag else {}
    root = logging.getLogger()
    root.addFilter(_is_news)
    try:
        clip = open_clip.create_model(
            architecture,
            pretrained=tag,
            force_custom_text=True,
            force_image_size=image_size,
            # OpenAI's weights were trained with another activation than the default
            force_quick_gelu=bool(known and known.get('quick_gelu', False)),
        )
    finally:
        root.removeFilter(_is_news)
    text = TextEncoder(clip.text)
    images: dict[str, ImageEncoder] = {}
    for modality, channels in in_channels.items():
        encoder = ImageEncoder(copy.deepcopy(clip.visual), channels)
        if share_image_encoder and images:
            _share_parameters(next(iter(images.values())), encoder)
        images[modality] = encoder
    return images, text


def _freeze(module: nn.Module, names: tuple[str, ...]) -> None:
    """Freeze parts that take no part in answering, which DDP would wait for in vain."""
    for name in names:
        part = getattr(module, name, None)
        if part is not None:
            part.requires_grad_(False)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out open_clip's log line on random weights: our warning says it already."""
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


def position_encoding(
    num_patches: int, width: int, device: Literal['cpu'] | torch.device = 'cpu'
) -> Tensor:
    """Fixed two-dimensional sine and cosine encoding of a square grid of patches.

    Args:
        num_patches: Number of patches N, a square number.
        width: Width D, a multiple of 4.
        device: Device of the result.

    Returns:
        The encoding, first half for the row, second for the column, shape (N, D).
    """
    side = math.isqrt(num_patches)
    # Positions in [0, 1] make the encoding independent of the number of patches
    position = (torch.arange(side, device=device) + 0.5) / side
    octaves = torch.arange(width // 4, device=device) / max(1, width // 4 - 1)
    angle = position[:, None] * math.pi * 2 ** (octaves * math.log2(side))
    axis = torch.cat([angle.sin(), angle.cos()], dim=-1)
    rows = axis[:, None, :].expand(side, side, -1)
    cols = axis[None, :, :].expand(side, side, -1)
    return torch.cat([rows, cols], dim=-1).reshape(num_patches, width)
