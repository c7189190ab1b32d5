# SPDX-License-Identifier: MIT
"""Tests of RSVQA."""

import pytest
import torch
from torch import Tensor

from torchgeo_vqa.models import RSVQAModel, rsvqa


@pytest.fixture(scope='module')
def model() -> RSVQAModel:
    torch.manual_seed(0)
    return rsvqa(
        7, backbone='tgfnet_tiny_conv', word_width=16, question_width=16
    ).eval()


def test_widths(model: RSVQAModel, batch: dict[str, Tensor]) -> None:
    """The image vector of 2048 is shared out among 8 x 8 places."""
    assert model.encode_images(batch['image_optical']).shape == (3, 1200)
    assert model.encode_questions(batch['question'][0]).shape == (3, 1200)
    assert model.image_projection[0].out_channels == 32
    assert model.image_projection[3].in_features == 2048


def test_is_a_product(model: RSVQAModel) -> None:
    """What is 0 in the image's or the question's vector says nothing."""
    images, questions = torch.rand(1, 1200), torch.rand(1, 1200)
    images[:, ::2] = 0
    index = torch.tensor([0])
    logits = model.answer(images, questions, index, index).logits
    questions[:, ::2] = 5
    assert torch.equal(model.answer(images, questions, index, index).logits, logits)


def test_keeps_where_things_are(model: RSVQAModel, batch: dict[str, Tensor]) -> None:
    """A mirrored image is another one, which no mean over the image would tell."""
    image = torch.zeros(1, 3, 64, 64)
    image[..., :8, :8] = 3.0
    one, other = (model.encode_images(x) for x in (image, image.flip(-1)))
    assert (one - other).abs().max() > 1e-2


def test_other_size(model: RSVQAModel, batch: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match='64 x 64'):
        model.encode_images(batch['image_optical'][..., :32, :32])
