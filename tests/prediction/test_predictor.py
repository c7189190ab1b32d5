# SPDX-License-Identifier: MIT
"""Tests of trained models that answer."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.prediction import Predictor

QUESTIONS = ['Is there a ship?', 'How many ships are there?']


class TestAsk:
    def test_answers_in_words(self, predictor: Predictor) -> None:
        rng = np.random.default_rng(0)
        optical = rng.integers(0, 256, (3, 50, 60), np.uint8)
        sar = torch.from_numpy(rng.normal(-12, 4, (2, 50, 60)))
        answers = predictor.ask(optical, sar, QUESTIONS)
        assert [a.question for a in answers] == QUESTIONS
        for answer in answers:
            assert answer.answer in predictor.metadata.answers
            assert 0 < answer.probability <= 1
            assert list(answer.expert_weights) == ['optical', 'sar', 'fusion']
            assert sum(answer.expert_weights.values()) == pytest.approx(1)
        # without SAR, its content cannot matter
        alone = predictor.ask(optical, None, QUESTIONS)
        assert alone[0].expert_weights == {'optical': 1, 'sar': 0, 'fusion': 0}
        assert predictor.ask(optical, sar, []) == []

    def test_several_pairs(self, predictor: Predictor) -> None:
        rng = np.random.default_rng(0)
        optical = rng.uniform(0, 255, (2, 3, 64, 64))
        sar = rng.normal(-12, 4, (2, 2, 64, 64))
        answers = predictor.ask(optical, sar, QUESTIONS)
        assert [a.question for a in answers] == 2 * QUESTIONS
        for i in range(2):
            alone = predictor.ask(optical[i], sar[i], QUESTIONS)
            for answer, other in zip(answers[2 * i : 2 * i + 2], alone, strict=True):
                assert answer.answer == other.answer
                assert answer.probability == pytest.approx(other.probability, abs=1e-5)
        with pytest.raises(ValueError, match='needs its SAR image, got 2 and 1'):
            predictor.ask(optical, sar[:1], QUESTIONS)

    def test_normalises_as_training_does(
        self, predictor: Predictor, release_root: Path
    ) -> None:
        """A raw tile is answered as the data module's batch is."""
        dm = OSVQADataModule(root=str(release_root), batch_size=3, image_size=64)
        dm.statistics = predictor.metadata.statistics
        dm.setup('test')
        batch = dm.on_after_batch_transfer(next(iter(dm.test_dataloader())), 0)
        with torch.no_grad():
            logits = predictor.model(batch).logits
        dataset = dm.dataset_for('test')
        bounds = dataset.index.geometry.iloc[0].bounds
        sample = dataset[bounds[0] : bounds[2], bounds[1] : bounds[3]]
        ids = sample['question_id'][sample['question_id'] >= 0]
        answers = predictor.ask(
            sample['image_optical'], sample['image_sar'], dataset.question_text(ids)
        )
        probability = logits[: len(ids)].softmax(-1).max(-1).values
        expected = [a.probability for a in answers]
        torch.testing.assert_close(probability, torch.tensor(expected))

    def test_every_module_keeps_its_mode(self, predictor: Predictor) -> None:
        model = predictor.model
        try:
            model.train()
            text: Any = model.text_encoder
            text.eval()
            modes = [module.training for module in model.modules()]
            image = np.zeros((3, 64, 64))
            answers = predictor.ask(image, None, QUESTIONS)
            predictor.explain(image, None, QUESTIONS[0])
            assert [module.training for module in model.modules()] == modes
        finally:
            model.eval()
        assert predictor.ask(image, None, QUESTIONS) == answers

    @pytest.mark.parametrize(
        ('optical', 'sar', 'questions', 'error', 'match'),
        [
            (None, None, ['?'], ValueError, 'no image'),
            (np.zeros((4, 9, 9)), None, ['?'], ValueError, r'\(4, 9, 9\)'),
            (None, np.zeros((9, 9)), ['?'], ValueError, r'sar.*\(9, 9\)'),
            (np.zeros((3, 9, 9)), None, 'Why?', TypeError, 'Why'),
        ],
    )
    def test_invalid(
        self,
        predictor: Predictor,
        optical: Any,
        sar: Any,
        questions: Any,
        error: type[Exception],
        match: str,
    ) -> None:
        with pytest.raises(error, match=match):
            predictor.ask(optical, sar, questions)

    @pytest.mark.parametrize(('words', 'cut'), [(75, False), (76, True), (300, True)])
    def test_long_question(self, predictor: Predictor, words: int, cut: bool) -> None:
        """A word is a token, and start and end are one each."""
        question = ' '.join(['ship'] * words)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            predictor.ask(np.zeros((3, 64, 64)), None, ['Why?', question])
        said = [str(w.message) for w in caught if 'tokens' in str(w.message)]
        assert len(said) == cut
        assert not cut or f'has {words + 2} tokens, and the model reads 77' in said[0]

    def test_explain_invalid(self, predictor: Predictor) -> None:
        with pytest.raises(TypeError, match='single string'):
            predictor.explain(np.zeros((3, 9, 9)), None, QUESTIONS)  # type: ignore[arg-type]


class TestFromCheckpoint:
    def test_answers_as_before(self, predictor: Predictor, checkpoint: Path) -> None:
        loaded = Predictor.from_checkpoint(checkpoint, 'cpu')
        assert loaded.metadata == predictor.metadata
        assert loaded.chunk_size == 3
        assert not loaded.model.training
        image = np.full((3, 64, 64), 7.0)
        assert loaded.ask(image, None, QUESTIONS) == predictor.ask(
            image, None, QUESTIONS
        )

    @pytest.mark.parametrize(
        'content', [{'state_dict': {}}, [1, 2], {'vqa': {}}], ids=str
    )
    def test_other_checkpoint(self, content: Any, tmp_path: Path) -> None:
        torch.save(content, tmp_path / 'other.ckpt')
        with pytest.raises(ValueError, match=r'other\.ckpt is damaged, or no'):
            Predictor.from_checkpoint(tmp_path / 'other.ckpt')

    def test_missing(self) -> None:
        with pytest.raises(FileNotFoundError, match=r'none\.ckpt'):
            Predictor.from_checkpoint('none.ckpt')


class TestFromWeights:
    def test_device(self) -> None:
        predictor = Predictor.from_weights(device='meta')
        assert {p.device.type for p in predictor.model.parameters()} == {'meta'}

    def test_unknown(self) -> None:
        with pytest.raises(KeyError):
            Predictor.from_weights('TGFNet_Weights.NONE')
