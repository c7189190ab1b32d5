# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""BigEarthNet.txt has a second test split, and images of reflectance."""

from pathlib import Path

from torchgeo_vqa.datamodules import BigEarthNetTextDataModule
from torchgeo_vqa.transforms import Augmentation


def test_second_test_split(bigearthnettext_root: Path) -> None:
    dm = BigEarthNetTextDataModule(
        root=str(bigearthnettext_root), test_split='bench', predict_split='bench'
    )
    assert dm.dataset_for('test').split == 'bench'
    assert dm.dataset_for('predict').split == 'bench'
    assert dm.dataset_for('val').split == 'val'


def test_reflectance(bigearthnettext_root: Path) -> None:
    root = str(bigearthnettext_root)
    assert BigEarthNetTextDataModule(root=root).optical_max == 3000
    cloudy = BigEarthNetTextDataModule(root=root, augmentation=Augmentation(cloud=0.5))
    assert cloudy.paired_augmentation.optical_max == 3000
    own = BigEarthNetTextDataModule(
        root=root, augmentation=Augmentation(optical_max=2000)
    )
    assert own.paired_augmentation.optical_max == own.optical_max == 2000
