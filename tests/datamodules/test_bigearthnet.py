# SPDX-License-Identifier: MIT
"""RSVQAxBEN and BigEarthNet.txt have images of reflectance, the latter a second test."""

from pathlib import Path

import pytest

from torchgeo_vqa.datamodules import BigEarthNetTextDataModule, RSVQAxBENDataModule
from torchgeo_vqa.transforms import Augmentation


def test_second_test_split(bigearthnettext_root: Path) -> None:
    dm = BigEarthNetTextDataModule(
        root=str(bigearthnettext_root), test_split='bench', predict_split='bench'
    )
    assert dm.dataset_for('test').split == 'bench'
    assert dm.dataset_for('predict').split == 'bench'
    assert dm.dataset_for('val').split == 'val'


@pytest.mark.parametrize('dataset', [BigEarthNetTextDataModule, RSVQAxBENDataModule])
def test_reflectance(dataset: type, request: pytest.FixtureRequest) -> None:
    name = dataset.__name__.removesuffix('DataModule').lower()
    root = str(request.getfixturevalue(f'{name}_root'))
    assert dataset(root=root).optical_max == 3000
    cloudy = dataset(root=root, augmentation=Augmentation(cloud=0.5))
    assert cloudy.paired_augmentation.optical_max == 3000
    own = dataset(root=root, augmentation=Augmentation(optical_max=2000))
    assert own.paired_augmentation.optical_max == own.optical_max == 2000
