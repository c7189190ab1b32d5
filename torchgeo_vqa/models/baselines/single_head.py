# SPDX-License-Identifier: MIT
"""What the models that TGFNet is compared with have in common."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Self, override

import torch
from torch import Tensor, nn

from ..options import options_of, take_options
from ..vqa import VQAModel, VQAOutput
from .cnn import CNNEncoder, cnn_encoder
from .recurrent import RecurrentEncoder

# Q questions in all, A answers


class SingleHeadModel(VQAModel):
    """Model with a single classifier: its own only expert."""

    expert_names = ('answer',)

    def __init__(
        self,
        num_answers: int,
        modalities: Iterable[str],
        image_size: int,
        context_length: int,
    ) -> None:
        """Initialize a model with the attributes of :class:`~torchgeo_vqa.models.VQAModel`."""
        super().__init__()
        self.num_answers = num_answers
        self.modalities = tuple(modalities)
        self.image_size = image_size
        self.context_length = context_length

    @abstractmethod
    def classify(
        self, images: Any, questions: Any, pair: Tensor, question: Tensor
    ) -> Tensor:
        """Compute logits, shape (Q, A), from the arguments of :meth:`answer`."""

    @override
    def answer(
        self,
        images: Any,
        questions: Any,
        pair_index: Tensor,
        question_index: Tensor,
        explain: bool = False,
    ) -> VQAOutput:
        """Answer questions; *explain* adds nothing."""
        logits = self.classify(images, questions, pair_index, question_index)
        return VQAOutput(logits, logits[:, None], torch.ones_like(logits[:, :1]))


class CNNModel(SingleHeadModel):
    """Model with a CNN for the images and a recurrent network for the questions.

    The papers have no SAR: here it is stacked onto the optical image as further channels.
    """

    def __init__(
        self,
        image_encoder: CNNEncoder,
        question_encoder: RecurrentEncoder,
        num_answers: int,
    ) -> None:
        """Initialize a model of encoders of the images and of the question, and A answers."""
        super().__init__(
            num_answers,
            image_encoder.channels,
            image_encoder.image_size,
            question_encoder.context_length,
        )
        self.image_encoder = image_encoder
        self.question_encoder = question_encoder

    @classmethod
    @options_of(cnn_encoder)
    def build(
        cls,
        num_answers: int,
        word_width: int = 300,
        question_width: int = 256,
        **options: Any,
    ) -> Self:
        """Build the model with a GRU; options are those of ``cnn_encoder`` and of the model."""
        cnn = cnn_encoder(**take_options(options, cnn_encoder))
        rnn = nn.GRU(word_width, question_width, batch_first=True)
        return cls(cnn, RecurrentEncoder(rnn), num_answers, **options)
