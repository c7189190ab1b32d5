# SPDX-License-Identifier: MIT
"""Tests of the union of datasets of pairs."""

from pathlib import Path

import pytest
import torch
from torchgeo.datasets import RasterDataset, stack_samples
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.datasets.pair_union import PairUnion, merge_pairs
from torchgeo_vqa.samplers import TileSampler


@pytest.fixture(scope='module')
def optical(release_root: Path) -> RasterDataset:
    """TorchGeo's own view of the optical images of the training split."""

    class Optical(RasterDataset):
        filename_glob = 'train_*.tif'

    return Optical(release_root / 'images/rgb')


def test_union_with_another_kind(dataset: OSVQA, optical: RasterDataset) -> None:
    both = dataset | optical
    assert not isinstance(both, PairUnion)
    (tile, *_) = TileSampler(both)
    torch.testing.assert_close(both[tile]['image'], both[tile]['image_optical'])


def test_union(release_root: Path) -> None:
    parts = [OSVQA(release_root, split) for split in ('train', 'val', 'test')]  # type: ignore[arg-type]
    both = parts[0] | parts[1] | parts[2]
    tiles = list(TileSampler(both))
    assert len(tiles) == 11
    expected = [part[tile] for part in parts for tile in TileSampler(part)]
    found = [both[tile] for tile in tiles]
    torch.testing.assert_close(found, expected)
    stack_samples(found)


def test_union_of_mosaics(release_root: Path) -> None:
    train, val = OSVQA(release_root), OSVQA(release_root, 'val')
    sample = (train | val)[:, :]
    expected = (train | val)[:]['image_sar']
    bounds = (train | val).bounds
    for part in (train, val):
        alone = part[bounds]['image_sar']
        covered = ~alone.isnan().any(dim=0)
        assert 0 < covered.sum() < covered.numel()
        torch.testing.assert_close(expected[:, covered], alone[:, covered])
    ids = sample['question_id'][sample['question_id'] >= 0]
    assert len(ids) == len(train.table) + len(val.table)
    with pytest.raises(IndexError):
        (train | val)[0.0:1.0]


def test_merged_questions() -> None:
    def sample(ids: list[int]) -> Sample:
        column = torch.tensor(ids)
        question = (column.clamp(min=-1) + 1)[:, None].repeat(1, 3)
        return {'question': question, 'question_id': column}

    merged = merge_pairs([sample([4, 2, -1]), sample([7, -1]), sample([-1, -1])])
    assert merged['question_id'].tolist() == [4, 2, 7]
    assert merged['question'][:, 0].tolist() == [5, 3, 8]
    merged = merge_pairs([sample([4, 2]), sample([7])])
    assert merged['question_id'].tolist() == [4, 2, 7]
    merged = merge_pairs([sample([4, -1, -1]), sample([7])])
    assert merged['question_id'].tolist() == [4, 7, -1]
    assert merged['question'][:, 0].tolist() == [5, 8, 0]


def test_pixels_without_data() -> None:
    """A band of a pixel has no data where it is NaN: one that is 0 may be black."""

    def sample(pixels: list[list[float]]) -> Sample:
        ids = torch.tensor([-1])
        image = torch.tensor(pixels).T[..., None]
        return {'image_optical': image, 'question_id': ids}

    none = float('nan')
    first = sample([[none, none], [none, 5], [3, 0]])
    merged = merge_pairs([first, sample([[7, 8], [7, 8], [1, 1]])])
    assert merged['image_optical'][..., 0].T.tolist() == [[7, 8], [7, 5], [3, 0]]
