# SPDX-License-Identifier: MIT
"""Conventions, downloads and splits of RSVQALR and RSVQAHR."""

from pathlib import Path

import pytest

from torchgeo_vqa.datamodules import RSVQAHRDataModule, RSVQALRDataModule


def test_conventions_differ(rsvqalr_root: Path) -> None:
    ranges = RSVQALRDataModule(root=str(rsvqalr_root))
    exact = RSVQALRDataModule(root=str(rsvqalr_root), buckets=False)
    assert 'between 1 and 10' in ranges.answers
    assert '7' in exact.answers
    assert exact.convention == 'counts as integers'


def test_download_is_passed_on(
    rsvqalr_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        'torchgeo_vqa.datasets.RSVQALR._download', lambda self: asked.append(self.root)
    )
    empty = rsvqalr_root.parent / 'empty'
    with pytest.raises(FileNotFoundError):
        RSVQALRDataModule(root=str(empty), download=True).prepare_data()
    assert asked == [str(empty)]


def test_second_test_split(rsvqahr_root: Path) -> None:
    dm = RSVQAHRDataModule(
        root=str(rsvqahr_root), test_split='test_phili', predict_split='test_phili'
    )
    assert dm.dataset_for('test').split == 'test_phili'
    assert dm.dataset_for('predict').split == 'test_phili'
    assert dm.dataset_for('val').split == 'val'
