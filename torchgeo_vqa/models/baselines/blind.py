# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""A model that answers without looking: what it reaches, the questions give away."""

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...sample import MODALITIES
from ..vqa import VQAModel, VQAOutput, trim
from .recurrent import RecurrentEncoder

# Q questions in all, U unique questions, L tokens, A answers


class Blind(VQAModel):
    """A recurrent network that reads the question and sees no image."""

    modalities = ()

    def __init__(
        self,
        question_encoder: RecurrentEncoder,
        num_answers: int,
        image_size: int,
        hidden_width: int = 256,
        dropout: float = 0.0,
    ) -> None:
        """Initialize a new Blind instance.

        Args:
            question_encoder: Encoder of the question.
            num_answers: Number of answers A.
            image_size: Side of the images it does not look at, in pixels.
            hidden_width: Width of the classifier's hidden layer.
            dropout: Dropout rate before the answers.
        """
        super().__init__()
        self.num_answers = num_answers
        self.image_size = image_size
        self.context_length = question_encoder.context_length
        self.expert_names = ('answer',)
        self.question_encoder = question_encoder
        self.classifier = nn.Sequential(
            nn.Linear(question_encoder.width, hidden_width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_width, num_answers),
        )

    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> None:
        """Look away.

        Args:
            image_optical: Optical images, not used.
            image_sar: SAR images, not used.
        """

    def encode_questions(self, tokens: Tensor) -> Tensor:
        """Encode unique questions.

        Args:
            tokens: Token ids, 0-padded, shape (U, L).

        Returns:
            Logits of the answers, shape (U, A).
        """
        _, summary = self.question_encoder(trim(tokens))
        logits: Tensor = self.classifier(summary)
        return logits

    def answer(
        self,
        images: None,
        questions: Tensor,
        pair_index: Tensor,
        question_index: Tensor,
        explain: bool = False,
    ) -> VQAOutput:
        """Answer questions.

        Args:
            images: Output of :meth:`encode_images`.
            questions: Output of :meth:`encode_questions` for U unique questions.
            pair_index: Pair each question is about, not used.
            question_index: Which of the unique questions it is, shape (Q,), int64.
            explain: Changes nothing: there is nothing to explain.

        Returns:
            Logits.
        """
        logits = questions[question_index]
        return VQAOutput(logits, logits[:, None], torch.ones_like(logits[:, :1]))


def blind(
    num_answers: int,
    pretrained: str | os.PathLike[str] | None = None,
    modalities: Sequence[str] = MODALITIES,
    sar_channels: int = 2,
    image_size: int | None = None,
    word_width: int = 300,
    question_width: int = 256,
    hidden_width: int = 256,
    dropout: float = 0.0,
) -> Blind:
    """A model that sees the question only.

    Args:
        num_answers: Number of answers.
        pretrained: None: there are no pretrained weights.
        modalities: Not used.
        sar_channels: Not used.
        image_size: Side in pixels of the images it is given (defaults to 64: they are
            not looked at, and small ones are made fast).
        word_width: Width of the word embeddings.
        question_width: Width of the recurrent question encoder.
        hidden_width: Width of the classifier's hidden layer.
        dropout: Dropout rate before the answers.

    Returns:
        The model.

    Raises:
        ValueError: If *pretrained* is not None.
    """
    if pretrained is not None:
        raise ValueError(
            f'blind has no pretrained weights, got {pretrained!r}: use pretrained=None'
        )
    return Blind(
        RecurrentEncoder(nn.GRU(word_width, question_width, batch_first=True)),
        num_answers,
        image_size or 64,
        hidden_width=hidden_width,
        dropout=dropout,
    )
