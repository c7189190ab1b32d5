# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""RSVQAHR has a second test split, a city of its own."""

from pathlib import Path

from torchgeo_vqa.datamodules import RSVQAHRDataModule


def test_second_test_split(rsvqahr_root: Path) -> None:
    dm = RSVQAHRDataModule(
        root=str(rsvqahr_root), test_split='test_phili', predict_split='test_phili'
    )
    assert dm.dataset_for('test').split == 'test_phili'
    assert dm.dataset_for('predict').split == 'test_phili'
    assert dm.dataset_for('val').split == 'val'
