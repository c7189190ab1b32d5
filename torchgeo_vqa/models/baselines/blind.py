# SPDX-License-Identifier: MIT
"""A model that sees no image: its accuracy is what the questions give away."""

import os
from collections.abc import Sequence
from typing import Any, override

from torch import Tensor, nn

from ...sample import MODALITIES
from ..options import options_of
from ..vqa import trim
from .recurrent import RecurrentEncoder
from .single_head import SingleHeadModel

# U unique questions, L tokens, A answers


class Blind(SingleHeadModel):
    """A recurrent network that reads the question and sees no image."""

    def __init__(
        self,
        question_encoder: RecurrentEncoder,
        num_answers: int,
        image_size: int,
        hidden_width: int = 256,
        dropout: float = 0.0,
    ) -> None:
        """Initialize a new Blind instance.

        *image_size* is the side in pixels of the images, which are not used, *hidden_width*
        that of the classifier's hidden layer, *dropout* a rate before the answers.
        """
        super().__init__(num_answers, (), image_size, question_encoder.context_length)
        self.question_encoder = question_encoder
        self.classifier = nn.Sequential(
            nn.Linear(question_encoder.width, hidden_width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_width, num_answers),
        )

    @override
    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> None:
        """Return None: images are not used."""

    @override
    def encode_questions(self, tokens: Tensor) -> Tensor:
        """Return the logits of the answers, shape (U, A)."""
        _, summary = self.question_encoder(trim(tokens))
        logits: Tensor = self.classifier(summary)
        return logits

    @override
    def classify(
        self, images: None, questions: Tensor, pair: Tensor, question: Tensor
    ) -> Tensor:
        """Return the logits of each question, whatever the pair."""
        return questions[question]


@options_of(Blind)
def blind(
    num_answers: int,
    pretrained: str | os.PathLike[str] | None = None,
    modalities: Sequence[str] = MODALITIES,
    sar_channels: int = 2,
    image_size: int | None = None,
    word_width: int = 300,
    question_width: int = 256,
    **options: Any,
) -> Blind:
    """A model that sees the question only.

    *modalities* and *sar_channels* are not used, and *image_size* only tells which images it
    is given (defaults to 64 pixels: small ones are prepared faster). *word_width* is that of
    the word embeddings, *question_width* that of the recurrent encoder; *options* are those
    of :class:`Blind`. There are no *pretrained* weights: anything but None is a ValueError.
    """
    if pretrained is not None:
        raise ValueError(
            f'blind has no pretrained weights, got {pretrained!r}: use pretrained=None'
        )
    rnn = nn.GRU(word_width, question_width, batch_first=True)
    return Blind(RecurrentEncoder(rnn), num_answers, image_size or 64, **options)
