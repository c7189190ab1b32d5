# SPDX-License-Identifier: MIT
"""Tests of what samples are made of."""

import pytest
import torch

from torchgeo_vqa.sample import MODALITIES, PADDING, SPLITS, TITLES, mask_questions, pad


def test_order() -> None:
    """Models take modalities, and seeds go by splits, in this order."""
    assert MODALITIES == tuple(TITLES) == ('optical', 'sar')
    assert SPLITS == ('train', 'val', 'test')


class TestPad:
    @pytest.mark.parametrize('dtype', [torch.int64, torch.int16, torch.float32])
    @pytest.mark.parametrize('shape', [(2,), (2, 3), (0, 3)])
    def test_padding(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        value = torch.ones(shape, dtype=dtype)
        padded = pad(value, 4, -1)
        assert (padded.shape, padded.dtype) == ((4, *shape[1:]), dtype)
        torch.testing.assert_close(padded[: shape[0]], value)
        assert (padded[shape[0] :] == -1).all()

    def test_nothing_to_pad(self) -> None:
        value = torch.arange(3)
        padded = pad(value, 3, -1)
        padded[0] = 7
        assert value.tolist() == [0, 1, 2]


def sample(*batch: int) -> dict[str, torch.Tensor]:
    """Sample with two questions of three tokens, or a batch of samples."""
    return {
        'question': torch.full((*batch, 2, 3), 5),
        'label': torch.full((*batch, 2), 6, dtype=torch.int32),
        'group': torch.full((*batch, 2), 1),
        'image_sar': torch.zeros(*batch, 2, 4, 4),
    }


class TestMaskQuestions:
    def test_sample(self) -> None:
        given = sample()
        masked = mask_questions(given, torch.tensor([True, False]))
        assert list(masked) == ['question', 'label', 'group']
        assert masked['question'].tolist() == [[5, 5, 5], [0, 0, 0]]
        assert masked['label'].tolist() == [6, -1]
        assert masked['label'].dtype == torch.int32
        # What was given stays
        assert given['label'].tolist() == [6, 6]

    def test_batch(self) -> None:
        kept = torch.tensor([[True, False], [False, False], [True, True]])
        masked = mask_questions(sample(3), kept)
        for key, value in masked.items():
            rows = value.flatten(2).all(-1) if value.ndim > 2 else value
            assert ((rows == PADDING[key]) == ~kept).all()
