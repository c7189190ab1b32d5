# SPDX-License-Identifier: MIT
"""Tests of what all datasets of questions share: vocabulary, texts and figures."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from open_clip import tokenize

from torchgeo_vqa.datasets import OSVQA


class TestAnswers:
    def test_vocabulary(self, rows_of: Any, release_root: Path) -> None:
        counts = Counter(row[3] for row in rows_of(release_root))
        expected = sorted(counts, key=lambda answer: (-counts[answer], answer))
        for split in ('train', 'val', 'test'):
            assert OSVQA(release_root, split).answers == tuple(expected)

    def test_num_answers(
        self, questions: Any, rows_of: Any, tile: Any, release_root: Path
    ) -> None:
        dataset = OSVQA(release_root, 'test', num_answers=2)
        assert dataset.answers == OSVQA(release_root).answers[:2]
        known = [row[3] in dataset.answers for row in rows_of(release_root, 'test')]
        assert dataset.coverage == pytest.approx(sum(known) / len(known))
        assert 0 < dataset.coverage < 1
        # The others count as wrong: they are not padding
        for name in ('test_0', 'test_1', 'test_2'):
            sample = tile(dataset, name)
            for row, label in zip(
                questions(dataset, sample), sample['label'], strict=False
            ):
                right = row[3] in dataset.answers
                assert label == (dataset.answers.index(row[3]) if right else 2)

    def test_given_answers(self, tile: Any, release_root: Path) -> None:
        answers = ('no', 'yes', 'maybe')
        dataset = OSVQA(release_root, answers=answers, num_answers=1)
        assert dataset.answers == answers
        other = OSVQA(release_root)
        assert other.coverage == 1
        other.set_answers(answers)
        assert other.coverage == dataset.coverage < 1
        torch.testing.assert_close(tile(other, 'train_0'), tile(dataset, 'train_0'))

    def test_without_training_split(self, root: Path) -> None:
        (root / 'annotations/all_train_annotation.json').unlink()
        with pytest.raises(ValueError, match='give `answers`'):
            OSVQA(root, 'test')
        dataset = OSVQA(root, 'test', answers=('yes', 'no'))
        with pytest.raises(FileNotFoundError, match=r'all_train_annotation\.json'):
            dataset.blind_labels(range(len(dataset.table)))

    def test_blind_labels(self, root: Path) -> None:
        train = [
            ['train_0', 'a', 'Asked?', 'x'],
            ['train_1', 'a', 'Asked?', 'y'],
            ['train_2', 'a', 'Asked?', 'y'],
            ['train_0', 'a', 'Asked too?', 'z'],
            ['train_1', 'a', 'Asked too?', 'z'],
            ['train_2', 'a', 'Asked too?', 'z'],
            ['train_0', 'b', 'A tie?', 'w'],
            ['train_1', 'b', 'A tie?', 'v'],
        ]
        test = [
            ['test_0', 'a', 'Asked?', 'z'],
            ['test_0', 'a', 'Never asked?', 'x'],
            ['test_0', 'b', 'A tie?', 'x'],
            ['test_0', 'c', 'Of another type?', 'x'],
        ]
        (root / 'annotations/all_train_annotation.json').write_text(json.dumps(train))
        (root / 'annotations/all_test_annotation.json').write_text(json.dumps(test))
        dataset = OSVQA(root, 'test')
        labels = dataset.blind_labels(range(len(dataset.table)))
        assert labels.dtype == torch.int64
        # Most frequent for the question; its type; by label in a tie; of all
        assert [dataset.answers[i] for i in labels] == ['y', 'z', 'v', 'z']
        # Only what the model can answer, too
        dataset.set_answers(['x', 'w'])
        labels = dataset.blind_labels(range(len(dataset.table)))
        assert [dataset.answers[i] for i in labels] == ['x', 'x', 'w', 'x']

    def test_usual_answers(
        self, rows_of: Any, dataset: OSVQA, release_root: Path
    ) -> None:
        for kind, labels in zip(
            dataset.question_types, dataset.usual_answers(), strict=True
        ):
            expected = {row[3] for row in rows_of(release_root) if row[1] == kind}
            assert {dataset.answers[i] for i in labels} == expected


class TestPlot:
    @staticmethod
    def texts(figure: plt.Figure) -> str:
        """All text of a figure, without line breaks."""
        return ' '.join(' '.join(t.get_text() for t in figure.texts).split())

    @pytest.mark.parametrize('layout', ['release_root', 'png_root'])
    def test_plot(
        self, questions: Any, tile: Any, layout: str, request: pytest.FixtureRequest
    ) -> None:
        dataset = OSVQA(request.getfixturevalue(layout))
        sample = tile(dataset, 'train_2')
        figure = dataset.plot(sample, suptitle='Suptitle')
        text = self.texts(figure)
        for _, _, question, answer in questions(dataset, sample):
            assert f'{question} → {answer}' in text
        assert [axes.get_title() for axes in figure.axes] == ['Optical', 'SAR']
        assert 'Suptitle' in text
        for axes in figure.axes:
            shown = np.asarray(axes.images[0].get_array())
            assert shown.shape == (32, 32, 3)
            assert 0 <= shown.min() < shown.max() <= 1
        figure = dataset.plot(sample, show_titles=False, max_questions=2)
        assert 'and 5 more' in self.texts(figure)
        assert not figure.axes[0].get_title()
        plt.close('all')

    def test_predictions(self, tile: Any, dataset: OSVQA) -> None:
        sample = tile(dataset, 'train_2')
        sample['prediction'] = sample['label'].clone()
        sample['prediction'][1] = (sample['label'][1] + 1) % len(dataset.answers)
        sample['prediction'][2] = -1
        figure = dataset.plot(sample, max_questions=3)
        colors = [text.get_color() for text in figure.texts]
        assert colors == ['tab:green', 'tab:red', 'black', 'gray']
        assert '(predicted: yes)' in figure.texts[0].get_text()
        plt.close('all')

    def test_rewritten_question(self, tile: Any, dataset: OSVQA) -> None:
        sample = tile(dataset, 'train_0')
        sample['question'][0] = tokenize('Is the ship below the bridge?')[0]
        sample['label'][0] = dataset.answers.index('no')
        text = self.texts(dataset.plot(sample))
        assert 'is the ship below the bridge ? → no' in text
        plt.close('all')

    def test_nothing_overflows(self, tile: Any, dataset: OSVQA) -> None:
        sample = tile(dataset, 'train_0')
        words = 'left of the bridge and ' * 12 + 'there?'
        sample['question'][0] = tokenize(f'Is the ship {words}')[0]
        sample['image_sar'][:, :4] = torch.nan
        figure = dataset.plot(sample)
        figure.canvas.draw()
        width, height = figure.bbox.size
        for text in figure.texts:
            box = text.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= width
            assert 0 <= box.y0 < box.y1 <= height
        plt.close('all')
