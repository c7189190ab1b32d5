# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""RSVQA, the first method for questions about remote sensing images.

If you use this model in your research, please cite the following paper:

* https://doi.org/10.1109/TGRS.2020.2988782
"""

import os
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ...sample import MODALITIES
from ..vqa import VQAModel, VQAOutput, trim
from .cnn import CNNEncoder, cnn_encoder
from .recurrent import RecurrentEncoder

# B pairs, Q questions in all, U unique questions, L tokens, D width, A answers


class RSVQA(VQAModel):
    """RSVQA: a point-wise product of the image and the question.

    A 1 x 1 convolution reduces a CNN's feature map to one vector, which so keeps where
    things are. Image and question are mapped to vectors of the same width, whose product
    is classified.

    Ours differs from the paper in two things: its question encoder is a skip-thoughts
    model, whose weights are not at hand, ours a GRU; and it freezes both encoders, ours
    learn with the rest. The paper has no SAR: here it is stacked onto the optical image
    as further channels.
    """

    def __init__(
        self,
        image_encoder: CNNEncoder,
        question_encoder: RecurrentEncoder,
        num_answers: int,
        image_width: int = 2048,
        width: int = 1200,
        hidden_width: int = 256,
        dropout: float = 0.5,
    ) -> None:
        """Initialize a new RSVQA instance.

        Args:
            image_encoder: Encoder of the images.
            question_encoder: Encoder of the question.
            num_answers: Number of answers A.
            image_width: Width of the image vector, shared out among the places of the
                feature map.
            width: Width D of the product.
            hidden_width: Width of the classifier's hidden layer.
            dropout: Dropout rate before each linear layer.
        """
        super().__init__()
        self.modalities = tuple(image_encoder.channels)
        self.num_answers = num_answers
        self.image_size = image_encoder.image_size
        self.context_length = question_encoder.context_length
        self.expert_names = ('answer',)
        self.image_encoder = image_encoder
        self.question_encoder = question_encoder
        rows, columns = image_encoder.grid
        share = max(1, image_width // (rows * columns))
        self.image_projection = nn.Sequential(
            nn.Conv2d(image_encoder.width, share, 1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(share * rows * columns, width),
            nn.Tanh(),
        )
        self.question_projection = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(question_encoder.width, width), nn.Tanh()
        )
        for projection in (self.image_projection, self.question_projection):
            linear = cast(nn.Linear, projection[-2])
            # PyTorch's default starts so small that nearly nothing is left of a product
            nn.init.xavier_uniform_(linear.weight, nn.init.calculate_gain('tanh'))
        self.classifier = nn.Sequential(
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(width, hidden_width),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(hidden_width, num_answers),
        )

    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> Tensor:
        """Encode pairs of images.

        Args:
            image_optical: Normalised optical images, shape (B, 3, H, W).
            image_sar: Normalised SAR images, shape (B, C, H, W).

        Returns:
            Image vectors, shape (B, D).

        Raises:
            ValueError: If there is no image that the model uses, or it has another size
                than the model.
        """
        features = self.image_encoder(image_optical, image_sar)
        if list(features.shape[2:]) != self.image_encoder.grid:
            raise ValueError(
                f'images must have {self.image_size} x {self.image_size} pixels, got a '
                f'feature map of {tuple(features.shape[2:])} instead of '
                f'{tuple(self.image_encoder.grid)}: resize them, or set image_size'
            )
        return cast(Tensor, self.image_projection(features))

    def encode_questions(self, tokens: Tensor) -> Tensor:
        """Encode unique questions.

        Args:
            tokens: Token ids, 0-padded, shape (U, L).

        Returns:
            Question vectors, shape (U, D).
        """
        _, summary = self.question_encoder(trim(tokens))
        return cast(Tensor, self.question_projection(summary))

    def answer(
        self,
        images: Tensor,
        questions: Tensor,
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
        logits = self.classifier(images[pair_index] * questions[question_index])
        return VQAOutput(logits, logits[:, None], torch.ones_like(logits[:, :1]))


def rsvqa(
    num_answers: int,
    pretrained: str | os.PathLike[str] | None = None,
    modalities: Sequence[str] = MODALITIES,
    sar_channels: int = 2,
    image_size: int | None = None,
    backbone: str = 'resnet152',
    word_width: int = 300,
    question_width: int = 256,
    image_width: int = 2048,
    width: int = 1200,
    hidden_width: int = 256,
    dropout: float = 0.5,
) -> RSVQA:
    """RSVQA on any CNN of timm.

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
        image_width: Width of the image vector.
        width: Width of the product.
        hidden_width: Width of the classifier's hidden layer.
        dropout: Dropout rate before each linear layer.

    Returns:
        The model.
    """
    return RSVQA(
        cnn_encoder(backbone, pretrained, modalities, sar_channels, image_size),
        RecurrentEncoder(nn.GRU(word_width, question_width, batch_first=True)),
        num_answers,
        image_width=image_width,
        width=width,
        hidden_width=hidden_width,
        dropout=dropout,
    )
