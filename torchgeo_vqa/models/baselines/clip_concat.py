# SPDX-License-Identifier: MIT
"""CLIP's features concatenated.

If you use a CLIP tower in your research, please cite the following papers:

* https://doi.org/10.48550/arXiv.2103.00020
* https://doi.org/10.5281/zenodo.5143773
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, cast, override

import torch
from torch import Tensor, nn

from ...sample import MODALITIES
from ..clip import pair_clip
from ..encoder import ImageEncoder, TextEncoder
from ..modality import channels_of, fill_absent
from ..options import options_of
from ..vqa import trim
from .single_head import SingleHeadModel

# B pairs, Q questions in all, U unique questions, L tokens, M modalities, A answers,
# E width of CLIP's embedding


class CLIPConcat(SingleHeadModel):
    """CLIP's embeddings of the images and the question, concatenated, and an MLP.

    An absent image is one of zeros, the mean after normalisation.
    """

    def __init__(
        self,
        image_encoders: Mapping[str, ImageEncoder],
        text_encoder: TextEncoder,
        num_answers: int,
        hidden_width: int = 512,
        dropout: float = 0.1,
    ) -> None:
        """Initialize an MLP with two hidden layers on encoders of the images and the question."""
        super().__init__(
            num_answers,
            image_encoders,
            next(iter(image_encoders.values())).image_size,
            text_encoder.context_length,
        )
        self.image_encoders = nn.ModuleDict(image_encoders)
        self.text_encoder = text_encoder
        with torch.no_grad():
            example = torch.zeros(1, 1, dtype=torch.int64)
            width = text_encoder.embed(example).shape[1] * (len(image_encoders) + 1)
        self.classifier = nn.Sequential(
            # Embeddings have length 1, so small numbers
            nn.LayerNorm(width),
            nn.Linear(width, hidden_width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_width, hidden_width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_width, num_answers),
        )

    @override
    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> Tensor:
        """Return the embeddings of the images of each pair, shape (B, M * E)."""
        encoders = {m: cast(ImageEncoder, e) for m, e in self.image_encoders.items()}
        channels = {m: e.in_channels for m, e in encoders.items()}
        images = fill_absent(image_optical, image_sar, channels)
        return torch.cat([e.embed(images[m]) for m, e in encoders.items()], dim=-1)

    @override
    def encode_questions(self, tokens: Tensor) -> Tensor:
        """Return embeddings, shape (U, E)."""
        return self.text_encoder.embed(trim(tokens))

    @override
    def classify(
        self, images: Tensor, questions: Tensor, pair: Tensor, question: Tensor
    ) -> Tensor:
        """Return the logits, shape (Q, A)."""
        x = torch.cat([images[pair], questions[question]], dim=-1)
        return cast(Tensor, self.classifier(x))


@options_of(CLIPConcat)
def clip_concat(
    num_answers: int,
    pretrained: str | os.PathLike[str] | None = None,
    modalities: Sequence[str] = MODALITIES,
    sar_channels: int = 2,
    image_size: int | None = None,
    clip: str = 'ViT-B-16',
    **options: Any,
) -> CLIPConcat:
    """An MLP on the concatenated embeddings of any CLIP of open_clip.

    Options are those of :func:`~torchgeo_vqa.models.pair_clip`, ``clip`` being its
    architecture, and of :class:`CLIPConcat`.
    """
    towers = pair_clip(
        clip, pretrained, channels_of(modalities, sar_channels), image_size
    )
    encoders = {m: cast(ImageEncoder, e) for m, e in towers.image_encoders.items()}
    return CLIPConcat(encoders, towers.text_encoder, num_answers, **options)
