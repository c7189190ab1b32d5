# SPDX-License-Identifier: MIT
"""Pairs that differ in size and number of questions become one batch."""

import pickle

import pytest
import torch
from torchgeo.datasets.utils import Sample, stack_samples

from torchgeo_vqa.datamodules.collate import PairCollate
from torchgeo_vqa.sample import PADDING


def make_sample(num_real: int, num_slots: int, size: int = 8) -> Sample:
    """Make a sample of *num_real* questions padded to *num_slots*."""
    sample = {'image_optical': torch.rand(3, size, size), 'bounds': torch.rand(9)}
    for key, fill in PADDING.items():
        shape = (num_slots, 77) if key == 'question' else (num_slots,)
        sample[key] = torch.full(shape, fill)
        sample[key][:num_real] = (
            torch.arange(num_real).view(-1, *[1] * (len(shape) - 1)) + 5
        )
    return sample


def test_pads_to_the_largest() -> None:
    samples = [make_sample(2, 2), make_sample(5, 5), make_sample(0, 0)]
    batch = PairCollate()(samples)
    assert batch['question'].shape == (3, 5, 77)
    for i, sample in enumerate(samples):
        for key, fill in PADDING.items():
            num_real = len(sample[key])
            assert torch.equal(batch[key][i, :num_real], sample[key])
            assert (batch[key][i, num_real:] == fill).all()
    assert torch.equal(batch['bounds'], torch.stack([s['bounds'] for s in samples]))


def test_drops_padding_that_no_pair_needs() -> None:
    batch = PairCollate()([make_sample(2, 9), make_sample(3, 9)])
    assert {key: batch[key].shape[1] for key in PADDING} == dict.fromkeys(PADDING, 3)
    assert (batch['question_id'] >= 0).sum() == 5


def test_keeps_one_slot_without_questions() -> None:
    batch = PairCollate()([make_sample(0, 0), make_sample(0, 4)])
    assert batch['label'].tolist() == [[-1], [-1]]


def test_equal_samples_as_torchgeo_stacks_them() -> None:
    samples = [make_sample(4, 4), make_sample(4, 4)]
    batch, expected = PairCollate()(samples), stack_samples(samples)
    assert batch.keys() == expected.keys()
    assert all(torch.equal(batch[key], expected[key]) for key in batch)


def test_sizes() -> None:
    samples = [make_sample(1, 1, 8), make_sample(1, 1, 12)]
    batch = PairCollate(8)(samples)
    assert batch['image_optical'].shape == (2, 3, 8, 8)
    assert torch.equal(batch['image_optical'][0], samples[0]['image_optical'])
    match = 'image_optical differs.*3 x 8 x 8, 3 x 12 x 12.*set image_size'
    with pytest.raises(ValueError, match=match):
        PairCollate()(samples)
    samples[1]['image_optical'] = torch.rand(2, 8, 8)
    with pytest.raises(ValueError, match='same bands'):
        PairCollate(8)(samples)


def test_pickle() -> None:
    assert pickle.loads(pickle.dumps(PairCollate(32))) == PairCollate(32)
