# SPDX-License-Identifier: MIT
"""Mutual attention inception network (MAIN), as far as its abstract describes it.

If you use this model in your research, please cite the following paper:

* https://doi.org/10.1109/TGRS.2021.3079918
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast, override

import torch
from einops import rearrange
from torch import Tensor, nn

from ..options import options_of
from ..vqa import trim
from .cnn import CNNEncoder
from .recurrent import RecurrentEncoder
from .single_head import CNNModel

# B pairs, Q questions in all, U unique questions, h x w grid of positions, N = h * w,
# L tokens, D width, A answers


class EncodedMaps(NamedTuple):
    """Encoded feature maps of pairs of images."""

    #: Features of the positions, (B, N, D).
    positions: Tensor
    #: What the words are compared with, (B, N, D).
    keys: Tensor
    #: Rows h and columns w.
    grid: tuple[int, int]


class EncodedWords(NamedTuple):
    """Encoded unique questions."""

    #: Words, (U, L, D).
    words: Tensor
    #: True where there is a token, False at padding, (U, L).
    mask: Tensor


class MutualAttention(nn.Module):
    """Attention of the positions of an image and the words of a question to each other.

    One bilinear form compares every position with every word. By it each position gathers
    the words that match it, each word the positions that match it, and each is multiplied
    with what it gathered: a bilinear fusion of low rank.
    """

    def forward(
        self, positions: Tensor, keys: Tensor, words: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fuse positions and their keys (Q, N, D) with words (Q, L, D), mask (Q, L)."""
        affinity = keys @ words.mT / math.sqrt(words.shape[-1])
        of_words = affinity.masked_fill(~mask[:, None], -torch.inf).softmax(2)
        of_positions = affinity.softmax(1)
        return positions * (of_words @ words), words * (of_positions.mT @ positions)


class Inception(nn.Module):
    """Convolutions with kernels of several widths side by side, then a mean."""

    def __init__(
        self, conv: type[nn.Conv1d | nn.Conv2d], width: int, kernel_sizes: Sequence[int]
    ) -> None:
        """Initialize a new Inception instance of width D, with kernels of odd width."""
        super().__init__()
        share = width // len(kernel_sizes)
        self.width = share * len(kernel_sizes)
        self.reduce = nn.ModuleList(conv(width, share, 1) for _ in kernel_sizes)
        self.convs = nn.ModuleList(
            conv(share, share, size, padding=size // 2) for size in kernel_sizes
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Summarise (Q, D, h, w) or (Q, D, L), with a mask of 1 and 0, as (Q, D)."""
        count = mask.flatten(2).sum(2)
        branches = (
            # Padding must not reach its neighbours
            conv(reduce(x).relu() * mask).relu() * mask
            for reduce, conv in zip(self.reduce, self.convs, strict=True)
        )
        return torch.cat([x.flatten(2).sum(2) / count for x in branches], dim=1)


class MAIN(CNNModel):
    """A network like MAIN, the mutual attention inception network.

    It is not the paper's network, whose code and equations are not at hand. It follows the
    abstract: features of positions, features of words, attention and a bilinear technique
    that align the two, a linear layer at the end. The CNN, the recurrent network, the form
    of the attention and of the inception part, and all sizes are our choice.

    The positions of a CNN's feature map and the words a GRU reads attend to each other, and
    each is multiplied with what it gathered. Convolutions of several widths summarise both
    sides, and a linear layer answers.
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
        """Initialize a network of attention and fusion width D, *width*, and kernels of odd sizes."""
        super().__init__(image_encoder, question_encoder, num_answers)
        self.image_projection = nn.Linear(image_encoder.width, width)
        self.word_projection = nn.Linear(question_encoder.width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.attention = MutualAttention()
        self.image_inception = Inception(nn.Conv2d, width, kernel_sizes)
        self.word_inception = Inception(nn.Conv1d, width, kernel_sizes)
        summary_width = self.image_inception.width + self.word_inception.width
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(summary_width, num_answers)
        )

    @override
    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> EncodedMaps:
        """Return positions and what the words are compared with."""
        features = self.image_encoder(image_optical, image_sar)
        x = self.image_projection(rearrange(features, 'b d h w -> b (h w) d'))
        return EncodedMaps(x, self.key(x), tuple(features.shape[2:]))

    @override
    def encode_questions(self, tokens: Tensor) -> EncodedWords:
        """Return words and padding mask; L is trimmed to the longest."""
        tokens = trim(tokens)
        x, _ = self.question_encoder(tokens)
        return EncodedWords(self.word_projection(x), tokens != 0)

    @override
    def classify(
        self,
        images: EncodedMaps,
        questions: EncodedWords,
        pair: Tensor,
        question: Tensor,
    ) -> Tensor:
        """Return the logits, shape (Q, A)."""
        words, mask = (x[question] for x in questions)
        positions, words = self.attention(
            images.positions[pair], images.keys[pair], words, mask
        )
        positions = rearrange(positions, 'q (h w) d -> q d h w', h=images.grid[0])
        seen = self.image_inception(positions, torch.ones_like(positions[:, :1]))
        read = self.word_inception(words.mT, mask[:, None].to(words.dtype))
        return cast(Tensor, self.classifier(torch.cat([seen, read], dim=1)))


@options_of(MAIN.build, MAIN)
def main_vqa(num_answers: int, **options: Any) -> MAIN:
    """A network like MAIN on any CNN of timm; its name in the zoo is 'main'.

    Options are those of :class:`MAIN`, of its :meth:`~MAIN.build`, and of
    :func:`~torchgeo_vqa.models.cnn_encoder`.
    """
    return MAIN.build(num_answers, **options)
