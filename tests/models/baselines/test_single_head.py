# SPDX-License-Identifier: MIT
"""Tests of what models with a single classifier have in common."""

import inspect
from typing import Any

import torch
from torch import Tensor

from torchgeo_vqa.models import RSVQAModel, SingleHeadModel


class Echo(SingleHeadModel):
    """Logits are the questions' features."""

    def encode_images(self, image_optical: Any = None, image_sar: Any = None) -> None:
        return None

    def encode_questions(self, tokens: Tensor) -> Tensor:
        return tokens[:, : self.num_answers].float()

    def classify(
        self,
        images: None,
        questions: Tensor,
        pair_index: Tensor,
        question_index: Tensor,
    ) -> Tensor:
        return questions[question_index]


def test_output() -> None:
    model = Echo(2, ['sar'], 64, 77)
    assert (model.expert_names, model.modalities) == (('answer',), ('sar',))
    output = model({'question': torch.tensor([[[5, 6, 7], [8, 9, 1]]])})
    assert output.logits.tolist() == [[5, 6], [8, 9]]
    assert output.expert_logits.tolist() == [[[5, 6]], [[8, 9]]]
    assert output.expert_weights.tolist() == [[1], [1]]
    assert output.routing_loss is None


def test_build() -> None:
    """Options reach the CNN, the recurrent network and the model."""
    model = RSVQAModel.build(
        3,
        word_width=8,
        question_width=12,
        backbone='tgfnet_tiny_conv',
        modalities=('sar',),
        image_size=32,
        width=16,
    )
    assert model.question_encoder.embedding.embedding_dim == 8
    assert model.question_encoder.width == 12
    assert model.image_encoder.channels == {'sar': 2}
    assert model.image_size == 32
    assert model.question_projection[1].out_features == 16
    assert 'backbone' in inspect.signature(RSVQAModel.build).parameters
