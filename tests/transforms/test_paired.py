# SPDX-License-Identifier: MIT
"""Pairs, questions and answers are augmented together, and stay true."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from open_clip import decode, tokenize
from torch import Tensor
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.questions import Question, Scene, candidates
from torchgeo_vqa.rasters.dihedral import dihedral
from torchgeo_vqa.synthetic.landscape import make_scene
from torchgeo_vqa.transforms import (
    PairedAugmentation,
    RandomCloud,
    RandomMissing,
    RandomSpeckle,
    rewrite,
)

ANSWERS = ('yes', 'no', 'left', 'right', 'above', 'below', 'upper left', 'lower right')
CORNERS = ('upper left', 'upper right', 'lower left', 'lower right')


def text_of(tokens: Tensor) -> str:
    """Read a tokenized question."""
    special = (0, 49406, 49407)
    return decode(
        torch.tensor([t for t in tokens.tolist() if t not in special])
    ).strip()


def make_batch(questions: list[str], labels: list[int], pairs: int = 1) -> Sample:
    """Make a batch of equal questions about random images."""
    generator = torch.Generator().manual_seed(0)
    return {
        'image_optical': torch.rand(pairs, 3, 8, 8, generator=generator) * 255,
        'image_sar': torch.rand(pairs, 2, 8, 8, generator=generator) - 20,
        'question': tokenize(questions).repeat(pairs, 1, 1),
        'question_type': torch.zeros(pairs, len(labels), dtype=torch.int64),
        'label': torch.tensor(labels).repeat(pairs, 1),
    }


def elements_of(augmentation: PairedAugmentation) -> list[int]:
    """Return the elements that were applied last."""
    assert augmentation.geometry is not None
    elements: list[int] = augmentation.geometry._params['dihedral'].tolist()
    return elements


class TestPairedAugmentation:
    def test_pairs_stay_aligned(self) -> None:
        batch = make_batch(['is there water?'], [0], pairs=32)
        torch.manual_seed(0)
        augmentation = PairedAugmentation(ANSWERS)
        output = augmentation(batch)
        elements = elements_of(augmentation)
        assert len(set(elements)) > 4
        for key in ('image_optical', 'image_sar'):
            expected = [
                dihedral(i, k) for i, k in zip(batch[key], elements, strict=True)
            ]
            assert torch.equal(output[key], torch.stack(expected))
        assert torch.equal(output['question'], batch['question'])

    def test_modalities_of_different_size(self) -> None:
        batch = make_batch(['is there water?'], [0], pairs=32)
        batch['image_sar'] = torch.rand(32, 2, 4, 6)
        output = PairedAugmentation(ANSWERS)(batch)
        assert output['image_sar'].shape == (32, 2, 4, 6)

    @pytest.mark.parametrize('missing', ['image_optical', 'image_sar'])
    def test_missing_modality(self, missing: str) -> None:
        batch = make_batch(['where is the ship?'], [2], pairs=8)
        del batch[missing]
        augmentation = PairedAugmentation(
            ANSWERS, optical=[RandomCloud(p=1.0)], sar=[RandomSpeckle(p=1.0)]
        )
        assert augmentation(batch).keys() == batch.keys()

    def test_input_is_left_alone(self) -> None:
        batch = make_batch(['is the ship left of it?'], [2], pairs=16)
        copy = {k: v.clone() for k, v in batch.items()}
        PairedAugmentation(ANSWERS)(batch)
        assert all(torch.equal(batch[k], copy[k]) for k in copy)

    def test_seed(self) -> None:
        batch = make_batch(['is the ship left of it?'], [2], pairs=16)
        augmentation = PairedAugmentation(ANSWERS, optical=[RandomCloud()])
        outputs = []
        for _ in range(2):
            torch.manual_seed(5)
            outputs.append(augmentation(batch))
        assert all(torch.equal(outputs[0][k], outputs[1][k]) for k in batch)

    def test_questions_and_labels_follow(self) -> None:
        batch = make_batch(
            ['Is the ship left of the bridge?', 'Where is it?'], [0, 2], 64
        )
        augmentation = PairedAugmentation(ANSWERS)
        output = augmentation(batch)
        words = {2: 'left of', 3: 'right of', 4: 'above', 5: 'below'}
        seen = set()
        for pair, element in enumerate(elements_of(augmentation)):
            direction = rewrite('left of', element)
            assert direction in text_of(output['question'][pair, 0])
            assert words[int(output['label'][pair, 1])] == direction
            seen.add(direction)
        assert len(seen) == 4
        assert (output['label'][:, 0] == 0).all()

    def test_padding_and_unknown_answers_stay(self) -> None:
        batch = make_batch(
            ['Is it left of it?', '', 'Where?'], [len(ANSWERS), -1, 0], 32
        )
        batch['question'][:, 1] = 0
        batch['question_type'][:, 1] = -1
        output = PairedAugmentation(ANSWERS, [()])(batch)
        assert torch.equal(output['label'], batch['label'])
        assert torch.equal(output['question'][:, 1:], batch['question'][:, 1:])
        assert not torch.equal(output['question'][:, 0], batch['question'][:, 0])

    def test_pairs_that_cannot_follow_stay(self) -> None:
        # 'lower left' is not an answer: only the identity and two more can be followed.
        batch = make_batch(['Where is the ship?'], [6], pairs=128)
        augmentation = PairedAugmentation(ANSWERS)
        output = augmentation(batch)
        assert set(elements_of(augmentation)) == {0, 2, 5, 7}
        unchanged = torch.tensor(elements_of(augmentation)) == 0
        assert torch.equal(
            output['image_sar'][unchanged], batch['image_sar'][unchanged]
        )
        # One question of many is enough, be it cut off or without an answer.
        long = 'is the ship left of the bridge ' * 20
        batch = make_batch(['Is it left of it?', long], [0, 0], pairs=32)
        output = augmentation(batch)
        assert set(elements_of(augmentation)) == {0}
        assert torch.equal(output['question'], batch['question'])
        assert torch.equal(output['image_optical'], batch['image_optical'])

    def test_photometry_in_raw_units(self) -> None:
        batch = make_batch(['is there water?'], [0], pairs=8)
        batch['image_optical'] = torch.zeros(8, 3, 16, 16)
        augmentation = PairedAugmentation(
            ANSWERS,
            geometry=False,
            optical=[RandomCloud((1.0, 1.0), (1.0, 1.0), p=1.0)],
            optical_max=3000.0,
        )
        output = augmentation(batch)
        assert 2600 < output['image_optical'].min()
        assert output['image_optical'].max() <= 3000
        assert torch.equal(output['image_sar'], batch['image_sar'])

    def test_questions_that_photometry_makes_false_are_left_out(self) -> None:
        batch = make_batch(['what degrades it?', 'is there water?'], [0, 1], pairs=64)
        batch['question_type'] = torch.tensor([[1, 0]]).repeat(64, 1)
        batch['question_id'] = torch.arange(128).view(64, 2)
        augmentation = PairedAugmentation(
            ANSWERS,
            geometry=False,
            optical=[RandomCloud(p=0.5)],
            sar=[RandomMissing(p=0.3)],
            quality_types=[1],
        )
        torch.manual_seed(0)
        output = augmentation(batch)
        cloudy = output['image_optical'] - batch['image_optical']
        changed = cloudy.flatten(1).abs().amax(dim=1) > 1
        changed |= output['image_sar'].isnan().flatten(1).all(dim=1)
        assert 16 < changed.sum() < 60
        left_out = output['question_id'] < 0
        assert torch.equal(left_out[:, 0], changed)
        assert not left_out[:, 1].any()
        for key, padding in (('question_type', -1), ('label', -1), ('question', 0)):
            assert (output[key][left_out] == padding).all()
            assert torch.equal(output[key][~left_out], batch[key][~left_out])

    def test_no_data_is_no_change(self) -> None:
        batch = make_batch(['what degrades it?'], [0], pairs=64)
        batch['image_sar'][:, 0, 0] = torch.nan
        augmentation = PairedAugmentation(
            ANSWERS, geometry=False, sar=[RandomMissing(p=0.5)], quality_types=[0]
        )
        torch.manual_seed(0)
        output = augmentation(batch)
        missing = output['image_sar'].isnan().flatten(1).all(1)
        assert 16 < missing.sum() < 48
        assert torch.equal(output['label'][:, 0] < 0, missing)

    @pytest.mark.parametrize('optical_max', [0, -1])
    def test_invalid(self, optical_max: float) -> None:
        with pytest.raises(ValueError, match='optical_max'):
            PairedAugmentation(ANSWERS, optical_max=optical_max)


@pytest.fixture(scope='module')
def scenes() -> list[Scene]:
    return [make_scene(np.random.default_rng([7, i]), 64) for i in range(60)]


def test_every_augmented_answer_is_true(scenes: list[Scene]) -> None:
    """Answers after flip and turn match a re-derivation from the flipped scene."""
    pools = [candidates(scene) for scene in scenes]
    answers = sorted({q.answer for pool in pools for q in pool})
    kinds = sorted({q.question_type for pool in pools for q in pool})
    usual: list[set[int]] = [set() for _ in kinds]
    for pool in pools:
        for q in pool:
            usual[kinds.index(q.question_type)].add(answers.index(q.answer))
    augmentation = PairedAugmentation(answers, usual)
    batch = _collate(scenes, pools, answers, kinds)
    torch.manual_seed(0)
    checked: Counter[Any] = Counter()
    for _ in range(4):
        output = augmentation(batch)
        elements = elements_of(augmentation)
        for i, (scene, element) in enumerate(zip(scenes, elements, strict=True)):
            turned = scene.dihedral(element)
            label = output['image_sar'][i, 0].numpy()
            np.testing.assert_array_equal(label, turned.label)
            truth: dict[tuple[str, str], str] = {}
            for q in candidates(turned):
                # As a person and as the model reads it
                read = text_of(tokenize([q.question])[0])
                truth |= dict.fromkeys(
                    ((q.question_type, t) for t in (q.question, read)), q.answer
                )
            for j, q in enumerate(pools[i]):
                text = text_of(output['question'][i, j])
                new = answers[output['label'][i, j]]
                assert truth[q.question_type, text] == new, (q, element, text, new)
                text_turned = rewrite(q.question, element)
                assert truth[q.question_type, text_turned] == new
                changed = text != text_of(batch['question'][i, j]) or new != q.answer
                checked[q.question_type if changed else 'unchanged'] += 1
    directed = {'object_quadrant', 'object_relation', 'quadrant_land_cover'}
    assert {*directed, 'modality_quality', 'unchanged'} == set(checked)
    assert min(checked.values()) > 100
    assert sum(checked.values()) > 5000


def _collate(
    scenes: list[Scene],
    pools: list[list[Question]],
    answers: list[str],
    kinds: list[str],
) -> Sample:
    """Make a batch whose SAR image is the label raster."""
    longest = max(map(len, pools))
    batch = {
        'image_sar': torch.stack([torch.tensor(s.label)[None].float() for s in scenes]),
        'question': torch.zeros(len(pools), longest, 77, dtype=torch.int64),
        'question_type': torch.full((len(pools), longest), -1),
        'label': torch.full((len(pools), longest), -1),
    }
    for i, pool in enumerate(pools):
        batch['question'][i, : len(pool)] = tokenize([q.question for q in pool])
        for j, q in enumerate(pool):
            batch['question_type'][i, j] = kinds.index(q.question_type)
            batch['label'][i, j] = answers.index(q.answer)
    return batch
