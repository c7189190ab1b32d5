# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""RSVQAxBEN has images of reflectance."""

from pathlib import Path

from torchgeo_vqa.datamodules import RSVQAxBENDataModule
from torchgeo_vqa.transforms import Augmentation


def test_reflectance(rsvqaxben_root: Path) -> None:
    root = str(rsvqaxben_root)
    assert RSVQAxBENDataModule(root=root).optical_max == 3000
    cloudy = RSVQAxBENDataModule(root=root, augmentation=Augmentation(cloud=0.5))
    assert cloudy.paired_augmentation.optical_max == 3000
    own = RSVQAxBENDataModule(root=root, augmentation=Augmentation(optical_max=2000))
    assert own.paired_augmentation.optical_max == own.optical_max == 2000
