# SPDX-License-Identifier: MIT
"""Tests of answers in words and in tables."""

import math
from pathlib import Path

import pytest
import torch

from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.models import VQAOutput
from torchgeo_vqa.prediction.answer import as_columns, best_answer, in_words

NAMES = ('optical', 'sar')


@pytest.fixture
def output() -> VQAOutput:
    """Answers 'b' and 'a' to two questions."""
    logits = torch.tensor([[0.0, 2.0], [1.0, 0.0]]).log_softmax(-1)
    weights = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    return VQAOutput(logits, logits[:, None].expand(-1, 2, -1), weights)


def test_best_answer() -> None:
    probability, index = best_answer(torch.tensor([[0.1, 0.6, 0.3]]).log().bfloat16())
    assert index.tolist() == [1]
    assert probability.dtype == torch.float32
    assert float(probability) == pytest.approx(0.6, abs=0.01)


def test_in_words(output: VQAOutput) -> None:
    first, second = in_words(output, ['x?', 'y?'], ['a', 'b'], NAMES)
    assert (first.question, first.answer) == ('x?', 'b')
    assert first.expert_weights == {'optical': 0.25, 'sar': 0.75}
    assert (second.question, second.answer) == ('y?', 'a')
    assert second.probability == pytest.approx(math.e / (1 + math.e))


def test_as_columns(output: VQAOutput, release_root: Path) -> None:
    dataset = OSVQA(str(release_root), split='test')
    ids = torch.tensor([7, 3])
    columns = as_columns(output, ids, dataset, ['a', 'b'], NAMES)
    assert columns['answer'] == ['b', 'a']
    assert columns['expert_weight_optical'].tolist() == [0.25, 1.0]
    assert columns['expert_weight_sar'].tolist() == [0.75, 0.0]
    for name, expected in {
        'location': dataset.location(ids),
        'question_type': dataset.question_type(ids),
        'question': dataset.question_text(ids),
        'target': dataset.answer_text(ids),
    }.items():
        assert list(columns[name]) == list(expected)
    assert columns['location'] == ['test_1', 'test_0']
    assert len(columns['geometry']) == 2
