# SPDX-License-Identifier: MIT
"""Data in the release layout, of any size, cut as one likes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from jsonargparse import ArgumentParser
from rasterio.transform import from_origin
from torchgeo.samplers import GriddedPatchSampler, RandomPatchSampler

from torchgeo_vqa.datamodules import OSVQADataModule


def write_pair(root: Path, name: str, size: int, x: float, y: float = 5e6) -> None:
    """Write a pair of random images, *size* pixels of 10 m a side."""
    rng = np.random.default_rng(abs(hash((x, y))) % 2**32)
    images = {
        'rgb': rng.integers(0, 256, (3, size, size), dtype=np.uint8),
        'sar': rng.normal(-12, 4, (2, size, size)).astype(np.float32),
    }
    images['sar'][0, 0, 0] = np.nan
    for folder, image in images.items():
        path = root / 'images' / folder / f'{name}.tif'
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            *(path, 'w', 'GTiff', size, size, len(image), 'EPSG:32633'),
            transform=from_origin(x, y, 10, 10),
            dtype=image.dtype,
        ) as file:
            file.write(image)


def write_questions(root: Path, **names: list[str]) -> None:
    """Write two questions about each image."""
    folder = root / 'annotations'
    folder.mkdir(parents=True, exist_ok=True)
    for split, images in names.items():
        rows = [
            row
            for i, name in enumerate(images)
            for row in (
                [name, 'presence', 'Is there water?', ['yes', 'no'][i % 2]],
                [name, 'place', 'Is it left of it?', 'yes'],
            )
        ]
        (folder / f'all_{split}_annotation.json').write_text(json.dumps(rows))


@pytest.fixture(scope='session')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training tiles of different size, two touching validation tiles of one."""
    root = tmp_path_factory.mktemp('osvqa')
    write_pair(root, 'a', 16, 4e5)
    write_pair(root, 'b', 24, 5e5)
    write_pair(root, 'c', 16, 6e5)
    write_pair(root, 'd', 16, 6e5 + 160)
    write_questions(root, train=['a', 'b'], val=['c', 'd'], test=['d'])
    return root


@pytest.fixture(scope='session')
def dated_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles seen more than once, next to one seen at another time."""
    root = tmp_path_factory.mktemp('dated')
    names = ['20200101T000000_a', '20200201T000000_a', '20200301T000000_b']
    for name, x in zip(names, (4e5, 4e5, 4e5 + 160), strict=True):
        write_pair(root, name, 16, x)
    write_questions(root, train=names, val=names)
    return root


def make(root: Path, **kwargs: Any) -> OSVQADataModule:
    """Make a data module."""
    return OSVQADataModule(str(root), **{'batch_size': 2} | kwargs)


def test_tiles_of_many_sizes(root: Path) -> None:
    dm = make(root)
    dm.setup('fit')
    with pytest.raises(ValueError, match=r'3 x 16 x 16, 3 x 24 x 24.*image_size'):
        list(dm.train_dataloader())
    dm.image_size = 20
    (batch,) = dm.train_dataloader()
    assert batch['image_optical'].shape == (2, 3, 20, 20)
    output = dm.on_after_batch_transfer(batch)
    assert output['image_sar'].isfinite().all()
    assert batch['image_sar'].isnan().any()


def test_questions_per_sample(root: Path) -> None:
    dm = make(root, questions_per_sample=1, image_size=16)
    dm.setup('fit')
    (batch,) = dm.train_dataloader()
    assert batch['label'].shape == (2, 1)
    (batch,) = dm.val_dataloader()
    assert batch['label'].shape == (2, 2)


def test_predict_split(root: Path) -> None:
    dm = make(root, predict_split='val')
    dm.setup('predict')
    (batch,) = dm.predict_dataloader()
    dataset = dm.dataset_for('predict')
    assert dataset.location(batch['question_id'].flatten()) == ['c', 'c', 'd', 'd']
    assert dm.dataset_for('test') is not dataset


def test_patches(root: Path) -> None:
    dm = make(root, patch_size=16, length=6)
    dm.setup('fit')
    assert isinstance(dm.train_sampler, RandomPatchSampler)
    assert isinstance(dm.val_sampler, GriddedPatchSampler)
    assert len(dm.train_sampler) == 6
    batches = list(dm.val_dataloader())
    assert all(b['image_optical'].shape[1:] == (3, 16, 16) for b in batches)
    # A grid over two tiles side by side holds them whole.
    ids = torch.cat([b['question_id'][b['question_id'] >= 0] for b in batches])
    assert sorted(ids.tolist()) == [0, 1, 2, 3]


def test_random_patches_follow_the_seed(root: Path) -> None:
    runs = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        dm = make(root, patch_size=8, length=6)
        dm.setup('fit')
        runs.append(torch.cat([b['bounds'] for b in dm.train_dataloader()]))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_several_acquisitions(dated_root: Path) -> None:
    dm = make(dated_root, batch_size=3)
    dm.setup('fit')
    dataset = dm.dataset_for('train')
    for loader in (dm.train_dataloader(), dm.val_dataloader()):
        ids = torch.cat([b['question_id'][b['question_id'] >= 0] for b in loader])
        assert sorted(set(dataset.location(ids))) == sorted(dataset.index['image'])
        assert len(ids) == 6
    assert len(dm.statistics['sar']['mean']) == 2


def test_vocabulary_without_training_questions(tmp_path: Path) -> None:
    write_pair(tmp_path, 'a', 16, 4e5)
    write_questions(tmp_path, test=['a'])
    statistics = {
        'optical': {'mean': [0.0] * 3, 'std': [1.0] * 3},
        'sar': {'mean': [0.0] * 2, 'std': [1.0] * 2},
    }
    dm = make(tmp_path, answers=['no', 'yes'], statistics=statistics)
    dm.setup('test')
    (batch,) = dm.test_dataloader()
    assert batch['label'].tolist() == [[1, 1]]
    dm.on_after_batch_transfer(batch)


@pytest.mark.parametrize(
    ('kwargs', 'match'),
    [
        ({'batch_size': 0}, 'batch_size must be at least 1, got 0'),
        ({'patch_size': 0}, 'patch_size must be at least 1, got 0'),
        ({'image_size': -3}, 'image_size must be at least 1, got -3'),
        ({'statistics': {}}, 'statistics must hold'),
    ],
)
def test_invalid(kwargs: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        OSVQADataModule(**kwargs)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_command_line() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(OSVQADataModule, 'data')
    init_args = {
        'root': 'here',
        'modalities': ['sar'],
        'patch_size': 'null',
        'statistics': '{sar: {mean: [0], std: [1]}}',
    }
    args = [f'--data.{key}={value}' for key, value in init_args.items()]
    parsed = parser.parse_args(['--data=OSVQADataModule', *args])
    dm = parser.instantiate_classes(parsed).data
    assert dm.modalities == ('sar',)
    assert dm.patch_size is None
    assert dm.statistics == {'sar': {'mean': [0.0], 'std': [1.0]}}
