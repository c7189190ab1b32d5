# SPDX-License-Identifier: MIT
"""Tests of images that visitors upload."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil

pytest.importorskip('gradio')
from torchgeo_vqa.page import uploads

WriteImage = Callable[..., None]


class TestUploads:
    def test_pair(self, tmp_path: Path, write_image: WriteImage) -> None:
        optical = np.full((4, 16, 16), 200, np.uint8)
        write_image(tmp_path / 'o.png', optical)
        sar = np.full((2, 16, 16), -9, np.float32)
        write_image(tmp_path / 's.tif', sar)
        paths = {
            m: str(tmp_path / n) for m, n in (('optical', 'o.png'), ('sar', 's.tif'))
        }
        images = uploads.read_uploads(paths)
        assert images['optical'].shape == (3, 16, 16)  # without alpha
        np.testing.assert_array_equal(images['sar'], sar)

    def test_wrong_files(self, tmp_path: Path, write_image: WriteImage) -> None:
        text = tmp_path / 'text.png'
        text.write_text('no image')
        (tmp_path / 'program.exe').write_text('')
        with pytest.raises(OSError, match=r'text\.png is no Optical image'):
            uploads.read_uploads({'optical': str(text), 'sar': None})
        with pytest.raises(ValueError, match=r'program\.exe is no image.*\.tif'):
            uploads.read_uploads({'sar': str(tmp_path / 'program.exe')})
        with pytest.raises(ValueError, match='upload an optical image'):
            uploads.read_uploads({'optical': None, 'sar': None})

    def test_file_that_names_another(
        self, tmp_path: Path, write_image: WriteImage
    ) -> None:
        """GDAL reads other files through some formats, whatever their name."""
        secret = tmp_path / 'secret.tif'
        write_image(secret, np.zeros((3, 8, 8), np.uint8), 0.0)
        upload = tmp_path / 'upload.tif'
        rasterio.shutil.copy(secret, upload, driver='VRT')
        with rasterio.open(upload) as file:
            assert file.read().shape == (3, 8, 8)
        with pytest.raises(OSError, match=r'upload\.tif is no Optical image'):
            uploads.read_uploads({'optical': str(upload)})

    def test_many_bands(self, tmp_path: Path, write_image: WriteImage) -> None:
        write_image(tmp_path / 's.tif', np.zeros((17, 8, 8), np.uint8))
        with pytest.raises(ValueError, match='in 17 bands'):
            uploads.read_uploads({'sar': str(tmp_path / 's.tif')})

    def test_too_large(
        self, tmp_path: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / 'o.tif'
        write_image(path, np.zeros((3, 20, 30), np.uint8))
        monkeypatch.setattr(uploads, 'MAX_PIXELS', 599)
        with pytest.raises(
            ValueError,
            match=r'o\.tif has 30 x 20 pixels in 3 bands.*at most 599 pixels',
        ):
            uploads.read_uploads({'optical': str(path)})
        monkeypatch.setattr(uploads, 'MAX_UPLOAD', 2**20)
        path.write_bytes(bytes(2**20 + 1))
        with pytest.raises(ValueError, match='larger than 1 MiB'):
            uploads.read_uploads({'optical': str(path)})

    def test_huge_block(self, tmp_path: Path, write_image: WriteImage) -> None:
        """A block is decoded as a whole, however small the image is."""
        path = tmp_path / 'o.tif'
        side = 2048 + 16
        tiled = {'tiled': True, 'blockxsize': side, 'blockysize': side}
        write_image(path, np.zeros((3, 8, 8), np.uint8), compress='deflate', **tiled)
        assert path.stat().st_size < 2**20
        with pytest.raises(
            ValueError, match=r'8 x 8 pixels.*blocks of up to 4,260,096'
        ):
            uploads.read_uploads({'optical': str(path)})

    def test_many_values(self, tmp_path: Path, write_image: WriteImage) -> None:
        path = tmp_path / 's.tif'
        image = np.zeros((5, 2048, 2048), np.uint8)
        write_image(path, image, compress='deflate', sparse_ok=True)
        with pytest.raises(ValueError, match=r'at most.*16,777,216 values'):
            uploads.read_uploads({'sar': str(path)})

    def test_folder_is_not_shown(self, tmp_path: Path, write_image: WriteImage) -> None:
        """A file that breaks off is named as the visitor knows it."""
        path = tmp_path / 'o.tif'
        image = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)
        write_image(path, image)
        path.write_bytes(path.read_bytes()[:-6000])
        with pytest.raises(ValueError, match=r'o\.tif') as found:
            uploads.read_uploads({'optical': str(path)})
        assert str(tmp_path) not in str(found.value)
