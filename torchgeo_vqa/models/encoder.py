# SPDX-License-Identifier: MIT
"""CLIP's towers as encoders of patches and tokens.

If you use a CLIP tower in your research, please cite the following papers:

* https://doi.org/10.48550/arXiv.2103.00020
* https://doi.org/10.5281/zenodo.5143773
"""

from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from einops import rearrange
from timm.models import adapt_input_conv
from torch import Tensor, nn

from .feature_cache import ImageFeatureCache, TextFeatureCache

# B images, H/W pixels, C channels, N = h * w patches, U texts, L tokens, D tower width,
# E width of CLIP's embedding

#: Parts of image towers that only CLIP's contrastive loss uses: they map to its embedding.
CONTRASTIVE_HEADS = ('proj', 'attn_pool', 'attnpool', 'head')


class ImageEncoder(nn.Module):
    """Patch features of a CLIP image tower, for any number of input channels."""

    #: Cache of the features, used in evaluation mode while the weights do not change.
    cache: ImageFeatureCache | None = None

    def __init__(self, visual: nn.Module, in_channels: int = 3) -> None:
        """Initialize an encoder on an image tower of an open_clip model.

        If *in_channels* is not what the tower was built for, its first convolution is
        adapted: the weights are repeated over the channels and scaled so that the output
        keeps its size. Fewer than 1 is a ValueError.
        """
        super().__init__()
        if in_channels < 1:
            raise ValueError(f'in_channels must be at least 1, got {in_channels}')
        self.visual = visual
        self.in_channels = in_channels
        size = getattr(visual, 'image_size', 224)
        self.image_size = int(size if isinstance(size, int) else size[0])
        self._adapt_first_layer()
        set_trainable(visual, CONTRASTIVE_HEADS, False)
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
        """Encode normalised images (B, C, H, W) as patch features in row-major order (B, N, D)."""
        if self.cache is not None and not self.training:
            return self.cache.get(image, self._patches, 'patches')
        return self._patches(image)

    def _patches(self, image: Tensor) -> Tensor:
        """Encode images that are not cached."""
        out = self.visual.forward_intermediates(  # type: ignore[operator]
            image,
            indices=1,
            normalize_intermediates=True,
            intermediates_only=True,
            output_fmt='NCHW',
        )
        features: Tensor = out['image_intermediates'][-1]
        return rearrange(features, 'b d h w -> b (h w) d')

    def compile_tower(self, *args: Any, **kwargs: Any) -> None:
        """Compile the tower, but not its cache, with arguments of :func:`torch.compile`."""
        self._patches = torch.compile(self._patches, *args, **kwargs)  # type: ignore[method-assign]

    def embed(self, image: Tensor) -> Tensor:
        """Compute CLIP's embeddings of images (B, C, H, W), of length 1, (B, E)."""
        if self.cache is not None and not self.training:
            return F.normalize(self.cache.get(image, self.visual, 'embedding'), dim=-1)
        return F.normalize(self.visual(image), dim=-1)


class TextEncoder(nn.Module):
    """Token features and summary of a CLIP text tower."""

    #: Cache of the features, used in evaluation mode while the weights do not change.
    cache: TextFeatureCache | None = None

    def __init__(self, text: nn.Module) -> None:
        """Initialize an encoder on a text tower of open_clip.

        Raise a TypeError unless it is open_clip's own ``TextTransformer``.
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
        set_trainable(text, ('text_projection',), False)
        self.width: int = text.width
        self.context_length: int = text.context_length

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encode token ids (U, L), 0-padded, L up to the context length.

        The tower runs on the given length only: tokens after the end of text never reach those
        before it, so trimming the padding changes nothing. Return features of tokens (U, L, D)
        and of the whole text, those of its end token, (U, D).
        """
        if self.cache is not None and not self.training:
            x = self.cache.get(tokens, self._features)
        else:
            x = self._features(tokens)
        return x, x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]

    def _features(self, tokens: Tensor) -> Tensor:
        """Encode texts that are not cached."""
        text = self.text
        length = tokens.shape[1]
        x = text.token_embedding(tokens) + text.positional_embedding[:length]
        mask = None if text.attn_mask is None else text.attn_mask[:length, :length]
        features: Tensor = text.ln_final(text.transformer(x, attn_mask=mask))
        return features

    def embed(self, tokens: Tensor) -> Tensor:
        """Compute CLIP's embeddings of token ids (U, L), 0-padded, of length 1, (U, E)."""
        _, summary = self(tokens)
        projection = self.text.text_projection
        if isinstance(projection, nn.Linear):
            summary = projection(summary)
        elif projection is not None:
            summary = summary @ projection
        return F.normalize(summary, dim=-1)


def set_trainable(module: nn.Module, names: tuple[str, ...], trainable: bool) -> None:
    """Train or freeze parts that a tower may have."""
    for name in names:
        part = getattr(module, name, None)
        if part is not None:
            part.requires_grad_(trainable)
