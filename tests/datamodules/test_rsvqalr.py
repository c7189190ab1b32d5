# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""RSVQALR is read by its convention, and downloaded on demand."""

from pathlib import Path

import pytest

from torchgeo_vqa.datamodules import RSVQALRDataModule


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
