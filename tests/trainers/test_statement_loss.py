# SPDX-License-Identifier: MIT
"""Tests of statements about pairs and their loss."""

import math

import open_clip
import pytest
import torch
from torch import Tensor

from torchgeo_vqa.annotations.question_table import decode
from torchgeo_vqa.trainers.statement_loss import contrastive_loss, hits, make_statements
from torchgeo_vqa.transforms import PairedAugmentation

ANSWERS = ['yes', 'no', '2', 'left', 'right']


def as_batch(*pairs: list[tuple[str, int]]) -> dict[str, Tensor]:
    """Batch of questions and labels, without images."""
    size = max(map(len, pairs))
    question = torch.zeros(len(pairs), size, 77, dtype=torch.int64)
    label = torch.full((len(pairs), size), -1)
    for i, pair in enumerate(pairs):
        for k, (text, answer) in enumerate(pair):
            question[i, k] = open_clip.tokenize([text])[0]
            label[i, k] = answer
    ids = torch.arange(label.numel()).reshape(label.shape)
    return {
        'question': question,
        'label': label,
        'question_id': torch.where(label < 0, -1, ids),
    }


@pytest.fixture
def batch() -> dict[str, Tensor]:
    return as_batch(
        [('Is there a ship?', 0), ('How many ships are there?', 2)],
        [('Is there a ship?', 1), ('Is there any water?', 0)],
        [('Is there a ship?', 0), ('Is there any water?', 5)],  # 5 is no known answer
    )


def texts(tokens: Tensor) -> list[str]:
    """Read statements back."""
    return [decode(row) for row in tokens]


class TestStatements:
    def test_true_false_and_unknown(self, batch: dict[str, Tensor]) -> None:
        statements = make_statements(batch, ANSWERS)
        assert not (statements.true & statements.false).any()
        known = {
            text: (
                ''.join(
                    'T' if t else 'F' if f else '?'
                    for t, f in zip(true, false, strict=True)
                )
            )
            for text, true, false in zip(
                texts(statements.tokens),
                statements.true.T,
                statements.false.T,
                strict=True,
            )
        }
        assert known == {
            # one statement, true of two pairs
            'there is a ship .': 'TFT',
            'there is no ship .': 'FTF',
            'there are 2 ships .': 'T??',
            # the third pair gives an answer outside the vocabulary: not this one
            'there is water .': '?TF',
        }

    def test_choices(self, batch: dict[str, Tensor]) -> None:
        statements = make_statements(batch, ANSWERS)
        assert statements.pair.tolist() == [0, 0, 1, 1, 2]
        names = texts(statements.tokens)
        assert [names[i] for i in statements.statement] == [
            'there is a ship .',
            'there are 2 ships .',
            'there is no ship .',
            'there is water .',
            'there is a ship .',
        ]
        assert statements.choices.sum(1).tolist() == [2, 1, 2, 1, 2]
        similarity = torch.zeros(3, len(names))
        similarity[:, names.index('there is a ship .')] = 1
        # only of ships are there other answers, and only the second pair has none
        assert hits(similarity, statements).tolist() == [True, False, True]
        assert not hits(0 * similarity, statements).any()

    def test_two_questions_one_statement(self) -> None:
        statements = make_statements(
            as_batch([('Is there a ship?', 0)], [('is there  a SHIP', 1)]), ANSWERS
        )
        assert texts(statements.tokens) == ['there is a ship .', 'there is no ship .']

    def test_made_of_augmented_questions(self) -> None:
        """Where a flip rewrites question and answer, the statement is the new one."""
        batch = as_batch(
            [('Is the ship left of the pier?', 0), ('Where is the ship?', 3)]
        )
        batch['image_optical'] = torch.rand(1, 3, 8, 8)
        augmentation = PairedAugmentation(ANSWERS)
        found = set()
        for seed in range(20):
            torch.manual_seed(seed)
            statements = make_statements(augmentation(batch), ANSWERS)
            found.add(frozenset(texts(statements.tokens)))
        assert found == {
            frozenset({'the ship is left .', 'the ship is left of the pier .'}),
            frozenset({'the ship is right .', 'the ship is right of the pier .'}),
        }

    def test_nothing_known(self) -> None:
        statements = make_statements(as_batch([('Why?', 9)], [('Why?', 9)]), ANSWERS)
        assert len(statements.tokens) == 0
        assert statements.true.shape == (2, 0)
        assert len(hits(torch.zeros(2, 0), statements)) == 0


class TestLoss:
    def test_equals_slow_reference(self) -> None:
        generator = torch.Generator().manual_seed(0)
        similarity = torch.randn(5, 7, generator=generator)
        known = torch.randint(0, 3, (5, 7), generator=generator)
        known[2] = 0  # a pair of which nothing is false
        true, false = known == 0, known == 1

        def against(positive: Tensor, negatives: list[Tensor]) -> float:
            others = sum(math.exp(float(negative)) for negative in negatives)
            return -math.log(
                math.exp(float(positive)) / (math.exp(float(positive)) + others)
            )

        by_pair, by_statement = [], []
        for i in range(5):
            for s in range(7):
                if not true[i, s]:
                    continue
                in_row = [similarity[i, t] for t in range(7) if false[i, t]]
                in_column = [similarity[j, s] for j in range(5) if false[j, s]]
                if in_row:
                    by_pair.append(against(similarity[i, s], in_row))
                if in_column:
                    by_statement.append(against(similarity[i, s], in_column))
        expected = sum(by_pair) / len(by_pair) / 2
        expected += sum(by_statement) / len(by_statement) / 2
        loss = contrastive_loss(similarity, true, false)
        assert float(loss) == pytest.approx(expected, rel=1e-5)

    def test_one_positive_each_is_the_loss_of_clip(self) -> None:
        generator = torch.Generator().manual_seed(0)
        images, texts = torch.randn(2, 4, 8, generator=generator)
        reference = open_clip.loss.ClipLoss()(images, texts, 0.7)
        eye = torch.eye(4, dtype=torch.bool)
        loss = contrastive_loss(0.7 * images @ texts.T, eye, ~eye)
        torch.testing.assert_close(loss, reference)

    def test_unknown_takes_no_part(self) -> None:
        similarity = torch.randn(3, 4, requires_grad=True)
        known = torch.tensor([[0, 1, 2, 2], [1, 0, 2, 0], [2, 2, 2, 1]])
        contrastive_loss(similarity, known == 0, known == 1).backward()
        assert similarity.grad is not None
        assert torch.equal(similarity.grad != 0, known < 2)

    def test_nothing_to_contrast(self) -> None:
        similarity = torch.randn(3, 4, requires_grad=True)
        nothing = torch.zeros(3, 4, dtype=torch.bool)
        loss = contrastive_loss(similarity, ~nothing, nothing)
        loss.backward()
        assert float(loss) == 0
        assert similarity.grad is not None
        assert not similarity.grad.any()
