# SPDX-License-Identifier: MIT
"""Tests of the layout of OSVQA's release."""

from pathlib import Path

import pytest

from torchgeo_vqa.annotations.layout import Layout

FOLDERS = {'optical': 'images/rgb', 'sar': 's3://bucket/sar/'}


@pytest.fixture
def layout(release_root: Path) -> Layout:
    return Layout.find(release_root, FOLDERS)


def test_find(release_root: Path, tmp_path: Path) -> None:
    for root in (release_root, release_root.parent, str(release_root.parent)):
        assert Layout.find(root, FOLDERS).root == release_root
    assert Layout.find(tmp_path, FOLDERS).root == tmp_path


def test_folders(layout: Layout, release_root: Path) -> None:
    assert layout.folder('optical') == str(release_root / 'images/rgb')
    assert layout.folder('sar') == 's3://bucket/sar'
    assert layout.has_folder('optical')
    assert layout.has_folder('sar')
    assert not Layout(release_root, {'sar': 'nowhere'}).has_folder('sar')


def test_images(layout: Layout, release_root: Path) -> None:
    images = layout.images('optical')
    assert len(images) == 11
    assert images['train_0'] == str(release_root / 'images/rgb/train_0.tif')
    # few servers list them
    assert layout.images('sar') == {}


def test_open(layout: Layout) -> None:
    images = {'optical': layout.images('optical')}
    assert layout.open(images, 'optical', 'val_1').num_bands == 3
    with pytest.raises(FileNotFoundError, match=r"no image 'val_9' \(.png, .tif"):
        layout.open(images, 'optical', 'val_9')


def test_groups(layout: Layout, tmp_path: Path) -> None:
    assert layout.groups()['train_1'] == 'cloudy'
    (tmp_path / 'annotations').mkdir()
    other = Layout(tmp_path, FOLDERS)
    assert other.groups() == {}
    path = tmp_path / 'annotations/image_groups.json'
    path.write_text('{"a/b.PNG": "dark", "c.d": "clear"}')
    assert other.groups() == {'a/b': 'dark', 'c.d': 'clear'}
    path.write_text('{"a": 1}')
    with pytest.raises(ValueError, match=r'image_groups\.json must hold an object'):
        other.groups()
