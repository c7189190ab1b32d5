# SPDX-License-Identifier: MIT
"""Tests of BigEarthNet's folders and of bands in files of their own."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from torchgeo_vqa.datasets import patch_vqa
from torchgeo_vqa.datasets.patch_vqa import PatchTree
from torchgeo_vqa.rasters.image_file import BandStack


@pytest.fixture
def folder(rsvqaxben_root: Path, tmp_path: Path) -> Path:
    """Folder of Sentinel-1 patches to spoil."""
    source = rsvqaxben_root / 'BigEarthNet-S1-v1.0'
    return Path(shutil.copytree(source, tmp_path / 'S1'))


def partners_by_hand(folder: Path) -> dict[str, str]:
    """Partners as their files tell."""
    return {
        json.loads(path.read_text())['corresponding_s2_patch']: path.parent.name
        for path in folder.glob('*/*_labels_metadata.json')
    }


class TestPartners:
    def test_partners(self, folder: Path) -> None:
        partners = PatchTree(folder).partners()
        assert len(partners) == 6
        assert partners == partners_by_hand(folder)

    def test_cache_follows_the_folder(self, folder: Path) -> None:
        tree = PatchTree(folder)
        before = tree.partners()
        gone = sorted(before)[2]
        shutil.rmtree(folder / before[gone])
        stat = folder.stat()
        os.utime(folder, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
        del before[gone]
        assert tree.partners() == before

    def test_cache_follows_the_files(self, folder: Path) -> None:
        """Two that change places: no folder changes, nor any size or time."""
        before = PatchTree(folder).partners()
        one, other = sorted(before)[:2]
        paths = [
            folder / before[name] / f'{before[name]}_labels_metadata.json'
            for name in (one, other)
        ]
        stats, texts = [p.stat() for p in paths], [p.read_text() for p in paths]
        for path, stat, text in zip(paths, stats, reversed(texts), strict=True):
            path.write_text(text)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        swapped = before | {one: before[other], other: before[one]}
        assert PatchTree(folder).partners() == swapped

    def test_cache_follows_the_names(self, folder: Path) -> None:
        before = PatchTree(folder).partners()
        name = max(before.values())
        new = f'{name}0'
        (folder / name).rename(folder / new)
        path = folder / new / f'{name}_labels_metadata.json'
        path.rename(path.with_name(f'{new}_labels_metadata.json'))
        after = {k: new if v == name else v for k, v in before.items()}
        assert PatchTree(folder).partners() == after

    def test_cache_is_used(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = PatchTree(folder).partners()
        monkeypatch.setattr(patch_vqa, '_read_partners', lambda paths: 1 / 0)
        assert PatchTree(folder).partners() == expected

    @pytest.mark.parametrize('content', ['{', '{}', '[]', ''])
    def test_malformed(self, folder: Path, content: str) -> None:
        path = sorted(folder.glob('*/*_labels_metadata.json'))[1]
        path.write_text(content)
        with pytest.raises(ValueError, match='corresponding_s2_patch') as error:
            PatchTree(folder).partners()
        assert str(path) in str(error.value)

    def test_one_partner_twice(self, folder: Path) -> None:
        first, second = sorted(folder.glob('*/*_labels_metadata.json'))[:2]
        second.write_text(first.read_text())
        with pytest.raises(ValueError, match='both') as error:
            PatchTree(folder).partners()
        assert first.parent.name in str(error.value)
        assert second.parent.name in str(error.value)

    def test_real_patches(self, shared_data: Path) -> None:
        root = shared_data / 'bigearthnet_v1_tree'
        partners = PatchTree(root / 'S1').partners()
        assert sorted(partners) == sorted(path.name for path in (root / 'S2').iterdir())
        for optical, radar in partners.items():
            # Both names end in the place's row and column in its tile
            assert optical.split('_')[-2:] == radar.split('_')[-2:]


class TestBandStack:
    def test_bands_of_several_resolutions(self, shared_data: Path) -> None:
        tree = PatchTree(shared_data / 'bigearthnet_v1_tree/S2')
        for patch in sorted(path.name for path in tree.folder.iterdir()):
            file = tree.open(patch, ('B04', 'B02', 'B05', 'B09'))
            assert file.num_bands == 4
            image = file.read()
            assert image.shape == (4, 120, 120)
            single = {}
            for band in ('B04', 'B02', 'B05', 'B09'):
                with rasterio.open(tree.folder / patch / f'{patch}_{band}.tif') as src:
                    single[band] = src.read(1).astype(float)
            np.testing.assert_array_equal(image[0], single['B04'])
            np.testing.assert_array_equal(image[1], single['B02'])
            # Bilinear: within the range, and where it was, up to what smoothing takes
            for i, band in ((2, 'B05'), (3, 'B09')):
                side = 120 // len(single[band])
                blocks = image[i].reshape(len(single[band]), side, -1, side)
                inside = blocks.mean(axis=(1, 3))[1:-1, 1:-1]
                assert image[i].min() >= single[band].min()
                assert image[i].max() <= single[band].max()
                spread = single[band].std()
                difference = np.abs(inside - single[band][1:-1, 1:-1]).mean()
                assert difference <= 0.3 * spread

    def test_missing(self, rsvqaxben_root: Path) -> None:
        tree = PatchTree(rsvqaxben_root / 'BigEarthNet-v1.0')
        patch = min(path.name for path in tree.folder.iterdir())
        with pytest.raises(FileNotFoundError, match='no patch nowhere'):
            tree.open('nowhere', ('B02',))
        with pytest.raises(FileNotFoundError, match=r'_B12\.tif'):
            tree.open(patch, ('B02', 'B12'))

    def test_scenes(self, tmp_path: Path, rsvqaxben_root: Path) -> None:
        source = next((rsvqaxben_root / 'BigEarthNet-v1.0').iterdir())
        scene = source.name.rsplit('_', 2)[0]
        shutil.copytree(source, tmp_path / scene / source.name)
        file = PatchTree(tmp_path, num_patch_parts=2).open(source.name, ('B03', 'B08'))
        assert isinstance(file, BandStack)
        assert [Path(path).name for path in file.paths] == [
            f'{source.name}_{band}.tif' for band in ('B03', 'B08')
        ]
