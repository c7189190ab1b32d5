# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Mutual attention inception network (MAIN).

If you use this model in your research, please cite the following paper:

* https://doi.org/10.1109/TGRS.2021.3079918
"""

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from ...sample import MODALITIES
from ..vqa import VQAModel, VQAOutput, trim
from .cnn import CNNEncoder, cnn_encoder
from .recurrent import RecurrentEncoder

# B pairs, Q questions in all, U unique questions, h x w grid of places, N = h * w,
# L tokens, D width, A answers


class Images(NamedTuple):
    """Encoded pairs of images."""

    #: Places, (B, N, D).
    places: Tensor
    #: What the words are compared with, (B, N, D).
    keys: Tensor
    #: Rows h and columns w of the places.
    grid: tuple[int, int]


class Words(NamedTuple):
    """Encoded unique questions."""

    #: Words, (U, L, D).
    words: Tensor
    #: True where there is a token, False at padding, (U, L).
    mask: Tensor


class MutualAttention(nn.Module):
    """Lets the places of an image and the words of a question attend to each other.

    One bilinear form compares every place with every word. By it each place gathers
    the words that speak of it, each word the places it speaks of, and each is multiplied
    with what it gathered: a bilinear fusion of low rank.
    """

    def forward(
        self, places: Tensor, keys: Tensor, words: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fuse images and questions.

        Args:
            places: Places, shape (Q, N, D).
            keys: What the words are compared with, shape (Q, N, D).
            words: Words, shape (Q, L, D).
            mask: True where there is a token, False at padding, shape (Q, L).

        Returns:
            Fused places, shape (Q, N, D), and fused words, shape (Q, L, D).
        """
        affinity = keys @ words.mT / math.sqrt(words.shape[-1])
        of_words = affinity.masked_fill(~mask[:, None], -torch.inf).softmax(2)
        of_places = affinity.softmax(1)
        return places * (of_words @ words), words * (of_places.mT @ places)


class Inception(nn.Module):
    """Convolutions with kernels of several widths side by side, then a mean."""

    def __init__(
        self, conv: type[nn.Conv1d | nn.Conv2d], width: int, kernel_sizes: Sequence[int]
    ) -> None:
        """Initialize a new Inception instance.

        Args:
            conv: Kind of convolution.
            width: Width D.
            kernel_sizes: Widths of the kernels, odd numbers.
        """
        super().__init__()
        share = width // len(kernel_sizes)
        self.width = share * len(kernel_sizes)
        self.reduce = nn.ModuleList(conv(width, share, 1) for _ in kernel_sizes)
        self.convs = nn.ModuleList(
            conv(share, share, size, padding=size // 2) for size in kernel_sizes
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Sum up places or words.

        Args:
            x: Features, shape (Q, D, h, w) or (Q, D, L).
            mask: 1 where there is something, 0 at padding, broadcast to the shape of *x*.

        Returns:
            Summary, shape (Q, D).
        """
        count = mask.flatten(2).sum(2)
        branches = (
            # Padding must not reach its neighbours
            conv(reduce(x).relu() * mask).relu() * mask
            for reduce, conv in zip(self.reduce, self.convs, strict=True)
        )
        return torch.cat([x.flatten(2).sum(2) / count for x in branches], dim=1)


class MAIN(VQAModel):
    """Mutual attention inception network.

    The places of a CNN's feature map and the words a GRU reads attend to each other, and
    each is multiplied with what it gathered. Convolutions of several widths sum up both
    sides, and a linear layer answers.

    The paper's code and equations are not at hand. Ours follows its abstract: features of
    places, features of words, attention and a bilinear technique that align the two, a
    linear layer at the end. The CNN, the recurrent network, the form of the attention
    and of the inception part, and all sizes are our choice. The paper has no SAR: here
    it is stacked onto the optical image as further channels.
    """

    def __init__(
        self,
        image_encoder: CNNEncoder,
        question_encoder: RecurrentEncoder,
        num_answers: int,
        width: int = 256,
        kernel_sizes: Sequence[int] = (1, 3, 5),
        dropout: float = 0.1,
    ) -> None:
        """Initialize a new MAIN instance.

        Args:
            image_encoder: Encoder of the images.
            question_encoder: Encoder of the question.
            num_answers: Number of answers A.
            width: Width D of attention and fusion.
            kernel_sizes: Widths of the kernels.
            dropout: Dropout rate before the answers.
        """
        super().__init__()
        self.modalities = tuple(image_encoder.channels)
        self.num_answers = num_answers
        self.image_size = image_encoder.image_size
        self.context_length = question_encoder.context_length
        self.expert_names = ('answer',)
        self.image_encoder = image_encoder
        self.question_encoder = question_encoder
        self.image_projection = nn.Linear(image_encoder.width, width)
        self.word_projection = nn.Linear(question_encoder.width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.attention = MutualAttention()
        self.image_inception = Inception(nn.Conv2d, width, kernel_sizes)
        self.word_inception = Inception(nn.Conv1d, width, kernel_sizes)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(
                self.image_inception.width + self.word_inception.width, num_answers
            ),
        )

    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> Images:
        """Encode pairs of images.

        Args:
            image_optical: Normalised optical images, shape (B, 3, H, W).
            image_sar: Normalised SAR images, shape (B, C, H, W).

        Returns:
            Places and what the words are compared with.

        Raises:
            ValueError: If there is no image that the model uses.
        """
        features = self.image_encoder(image_optical, image_sar)
        places = self.image_projection(rearrange(features, 'b d h w -> b (h w) d'))
        return Images(places, self.key(places), tuple(features.shape[2:]))

    def encode_questions(self, tokens: Tensor) -> Words:
        """Encode unique questions.

        Args:
            tokens: Token ids, 0-padded, shape (U, L).

        Returns:
            Words and padding mask; L is trimmed to the longest.
        """
        tokens = trim(tokens)
        x, _ = self.question_encoder(tokens)
        return Words(self.word_projection(x), tokens != 0)

    def answer(
        self,
        images: Images,
        questions: Words,
        pair_index: Tensor,
        question_index: Tensor,
        explain: bool = False,
    ) -> VQAOutput:
        """Answer questions about pairs.

        Args:
            images: Output of :meth:`encode_images` for B pairs.
            questions: Output of :meth:`encode_questions` for U unique questions.
            pair_index: Pair each question is about, shape (Q,), int64.
            question_index: Which of the unique questions it is, shape (Q,), int64.
            explain: Changes nothing: there is nothing to explain.

        Returns:
            Logits.
        """
        words, mask = (x[question_index] for x in questions)
        places, words = self.attention(
            images.places[pair_index], images.keys[pair_index], words, mask
        )
        places = rearrange(places, 'q (h w) d -> q d h w', h=images.grid[0])
        seen = self.image_inception(places, torch.ones_like(places[:, :1]))
        read = self.word_inception(words.mT, mask[:, None].to(words.dtype))
        logits = self.classifier(torch.cat([seen, read], dim=1))
        return VQAOutput(logits, logits[:, None], torch.ones_like(logits[:, :1]))


def main(
    num_answers: int,
    pretrained: str | os.PathLike[str] | None = None,
    modalities: Sequence[str] = MODALITIES,
    sar_channels: int = 2,
    image_size: int | None = None,
    backbone: str = 'resnet152',
    word_width: int = 300,
    question_width: int = 256,
    width: int = 256,
    kernel_sizes: Sequence[int] = (1, 3, 5),
    dropout: float = 0.1,
) -> MAIN:
    """MAIN on any CNN of timm.

    Args:
        num_answers: Number of answers.
        pretrained: Weights of the CNN: 'timm' for those timm downloads, a local file of
            timm weights, or None for random weights.
        modalities: Modalities to use, of 'optical' (as published) and 'sar'.
        sar_channels: Number of channels of the SAR image.
        image_size: Image size in pixels (defaults to the CNN's own).
        backbone: CNN, any of ``timm.list_models()``.
        word_width: Width of the word embeddings.
        question_width: Width of the recurrent question encoder.
        width: Width of attention and fusion.
        kernel_sizes: Widths of the kernels.
        dropout: Dropout rate before the answers.

    Returns:
        The model.
    """
    return MAIN(
        cnn_encoder(backbone, pretrained, modalities, sar_channels, image_size),
        RecurrentEncoder(nn.GRU(word_width, question_width, batch_first=True)),
        num_answers,
        width=width,
        kernel_sizes=kernel_sizes,
        dropout=dropout,
    )
