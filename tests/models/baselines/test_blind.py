# SPDX-License-Identifier: MIT
"""Tests of the model that does not look."""

import pytest
import torch
from torch import Tensor

from torchgeo_vqa.models import blind


def test_does_not_look(batch: dict[str, Tensor]) -> None:
    model = blind(7, word_width=16, question_width=16).eval()
    logits = model(batch).logits
    assert torch.equal(model({'question': batch['question']}).logits, logits)
    # the same question about two pairs
    assert torch.equal(logits[0], logits[4])


def test_no_weights() -> None:
    with pytest.raises(ValueError, match="'timm'"):
        blind(7, pretrained='timm')
