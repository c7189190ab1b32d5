# SPDX-License-Identifier: MIT
"""Tests of OSVQA: where its files are."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch

from torchgeo_vqa.datasets import OSVQA

FOLDERS = {'optical': 'rgb', 'sar': 'sar'}


@pytest.fixture(scope='module')
def server(
    release_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """URL of a web server that serves the release."""
    # A process of its own: GDAL may keep Python waiting while it asks
    script = (
        'import http.server as h; '
        's = h.ThreadingHTTPServer(("127.0.0.1", 0), h.SimpleHTTPRequestHandler); '
        'print(s.server_port, flush=True); s.serve_forever()'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', script],
        cwd=release_root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    yield f'http://127.0.0.1:{int(process.stdout.readline())}'
    process.terminate()
    process.wait()


class TestRemote:
    """Images that GDAL finds, and not the operating system."""

    def same(self, tile: Any, remote: OSVQA, local: OSVQA) -> None:
        assert len(remote) == len(local) > 0
        for name in local.index['image']:
            expected = tile(local, name)
            for key, value in tile(remote, name).items():
                assert torch.equal(value, expected[key]), key

    def test_web_server(
        self, tile: Any, dataset: OSVQA, server: str, release_root: Path
    ) -> None:
        remote = OSVQA(
            release_root,
            optical_dir=f'{server}/images/rgb',
            sar_dir=f'/vsicurl/{server}/images/sar/',
        )
        self.same(tile, remote, dataset)
        assert all(remote.index['filepath'].str.startswith(server))

    def test_zip(self, tile: Any, dataset: OSVQA, root: Path) -> None:
        for folder in ('rgb', 'sar'):
            shutil.make_archive(str(root / folder), 'zip', root / 'images' / folder)
        shutil.rmtree(root / 'images')
        zips = {f'{m}_dir': f'/vsizip/{root}/{f}.zip' for m, f in FOLDERS.items()}
        self.same(tile, OSVQA(root, **zips), dataset)  # type: ignore[arg-type]

    def test_missing(self, rows_of: Any, server: str, root: Path) -> None:
        rows = rows_of(root)
        rows[0][0] = 'nowhere.png'
        path = root / 'annotations/all_train_annotation.json'
        path.write_text(json.dumps(rows))
        url = f'{server}/images/rgb'
        with pytest.raises(FileNotFoundError, match=rf'row 0: no image {url}/nowhere'):
            OSVQA(root, optical_dir=url)
        with pytest.warns(UserWarning, match='left out'):
            assert len(OSVQA(root, optical_dir=url, on_error='skip'))


class TestFiles:
    def test_root_or_its_parent(self, release_root: Path) -> None:
        for root in (release_root, release_root.parent, str(release_root)):
            assert len(OSVQA(root, 'val')) == 2

    @pytest.mark.parametrize('extension', ['.TIF', '.tiff', '.Tiff'])
    def test_extensions(self, root: Path, extension: str) -> None:
        for path in (root / 'images').rglob('*.tif'):
            path.rename(path.with_suffix(extension))
        assert len(OSVQA(root)) == 6

    def test_names_with_extension(self, rows_of: Any, root: Path) -> None:
        expected = OSVQA(root).index
        rows = [[f'{row[0]}.tif', *row[1:]] for row in rows_of(root)]
        (root / 'annotations/all_train_annotation.json').write_text(json.dumps(rows))
        dataset = OSVQA(root)
        assert dataset.index['filepath'].tolist() == expected['filepath'].tolist()
        assert dataset.index['image'].tolist() == expected['image'].tolist()

    def test_folders(self, tile: Any, root: Path) -> None:
        (root / 'images/rgb').rename(root / 'colour')
        (root / 'radar').mkdir()
        (root / 'images/sar').rename(root / 'radar/deep')
        dataset = OSVQA(root, optical_dir='colour', sar_dir='radar/deep')
        assert tile(dataset, 'train_0')['image_sar'].shape == (2, 32, 32)

    def test_names_with_folder(self, rows_of: Any, tile: Any, root: Path) -> None:
        for folder in ('rgb', 'sar'):
            (root / 'images' / folder).rename(root / 'images/part')
            (root / 'images' / folder).mkdir()
            (root / 'images/part').rename(root / 'images' / folder / 'part')
        rows = [[f'part/{row[0]}', *row[1:]] for row in rows_of(root)]
        (root / 'annotations/all_train_annotation.json').write_text(json.dumps(rows))
        assert len(tile(OSVQA(root), 'part/train_0')['image_optical']) == 3

    def test_without_groups(self, tile: Any, root: Path) -> None:
        (root / 'annotations/image_groups.json').unlink()
        dataset = OSVQA(root)
        assert dataset.groups == ()
        assert 'group' not in tile(dataset, 'train_0')

    def test_some_groups(self, tile: Any, root: Path) -> None:
        path = root / 'annotations/image_groups.json'
        path.write_text(json.dumps({'train_0.png': 'dark'}))
        dataset = OSVQA(root)
        assert tile(dataset, 'train_0')['group'].tolist() == [0] * 5 + [-1] * 2
        assert tile(dataset, 'train_1')['group'].tolist() == [-1] * 7

    @pytest.mark.parametrize('content', ['[]', '{"train_0": 1}', '{'])
    def test_malformed_groups(self, root: Path, content: str) -> None:
        path = root / 'annotations/image_groups.json'
        path.write_text(content)
        with pytest.raises(ValueError, match=r'image_groups\.json'):
            OSVQA(root)

    @pytest.mark.parametrize(
        ('bands', 'expected'), [((7,), (7, 7, 7)), ((1, 2, 3, 4), (1, 2, 3))]
    )
    def test_bands_of_optical_images(
        self, tile: Any, root: Path, write_image: Any, bands: Any, expected: Any
    ) -> None:
        array = np.repeat(np.array(bands, np.uint8), 32 * 32).reshape(-1, 32, 32)
        write_image(root / 'images/rgb/train_0.tif', array, 400_000.0)
        image = tile(OSVQA(root), 'train_0')['image_optical']
        assert image[:, 0, 0].tolist() == list(expected)

    def test_alpha_and_palette(self, tile: Any, root: Path, write_image: Any) -> None:
        path = root / 'images/rgb/train_0.tif'
        array = np.full((4, 32, 32), 9, np.uint8)
        write_image(path, array, 400_000.0, photometric='RGB', alpha='YES')
        gray = {'photometric': 'MINISBLACK', 'alpha': 'YES'}
        write_image(root / 'images/sar/train_0.tif', array[:3], 400_000.0, **gray)
        dataset = OSVQA(root)
        assert dataset.num_bands == {'optical': 3, 'sar': 2}
        sample = tile(dataset, 'train_0')
        assert sample['image_optical'].shape == (3, 32, 32)
        assert sample['image_sar'].shape == (2, 32, 32)
        write_image(path, array[:1], 400_000.0)
        with rasterio.open(path, 'r+') as file:
            file.write_colormap(1, {9: (10, 20, 30, 255)})
        image = tile(OSVQA(root), 'train_0')['image_optical']
        assert image[:, 0, 0].tolist() == [10, 20, 30]
