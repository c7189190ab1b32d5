# SPDX-License-Identifier: MIT
"""Tests of image files."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.windows import Window

from torchgeo_vqa.rasters import image_file
from torchgeo_vqa.rasters.image_file import ImageFile, in_large_folders, opened

PIXELS = np.arange(4 * 6 * 8, dtype=np.uint8).reshape(4, 6, 8)


class TestHeader:
    def test_all_that_it_says(self, tmp_path: Path, write_image: Any) -> None:
        path = tmp_path / 'a.tif'
        pixels = PIXELS[:2].astype(np.float32)
        write_image(path, pixels, 400_000.0, 5_000_000.0, nodata=-1)
        file = ImageFile.open(str(path))
        assert file.path == str(path)
        assert file.grid.crs == CRS.from_epsg(32633)
        assert file.grid.bounds == (400_000, 4_999_940, 400_080, 5_000_000)
        assert (file.bands, file.num_bands, file.count) == ((1, 2), 2, 2)
        assert (file.nodata, file.dtype) == (-1, 'float32')
        assert pickle.loads(pickle.dumps(file)) == file

    def test_alpha(self, tmp_path: Path, write_image: Any) -> None:
        path = tmp_path / 'a.tif'
        write_image(path, PIXELS, 0.0, photometric='RGB', alpha='YES')
        file = ImageFile.open(str(path))
        assert (file.bands, file.num_bands, file.count) == ((1, 2, 3), 3, 4)
        np.testing.assert_array_equal(file.read(), PIXELS[:3])

    def test_palette(self, tmp_path: Path, write_image: Any) -> None:
        path = tmp_path / 'a.tif'
        write_image(path, PIXELS[:1], 0.0)
        with rasterio.open(path, 'r+') as dataset:
            dataset.write_colormap(1, {v: (v, 2, 255 - v, 255) for v in range(48)})
        file = ImageFile.open(str(path))
        assert (file.bands, file.num_bands, file.count) == ((1,), 3, 1)
        expected = np.stack(
            [PIXELS[0], np.full_like(PIXELS[0], 2), 255 - PIXELS[0].astype(int)]
        )
        np.testing.assert_array_equal(file.read(), expected)

    def test_no_crs_is_no_warning(self, tmp_path: Path, write_image: Any) -> None:
        path = tmp_path / 'a.png'
        write_image(path, PIXELS[:3])
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            assert ImageFile.open(str(path)).grid.crs is None


class TestRead:
    def test_window(self, tmp_path: Path, write_image: Any) -> None:
        path = tmp_path / 'a.tif'
        write_image(path, PIXELS[:3], 0.0)
        part = ImageFile.open(str(path)).read(Window(2, 1, 5, 4))
        np.testing.assert_array_equal(part, PIXELS[:3, 1:5, 2:7])

    def test_too_much_at_once(
        self, tmp_path: Path, write_image: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(image_file, 'MAX_BYTES', 4 * 4 * 8)
        path = tmp_path / 'a.tif'
        write_image(path, PIXELS, 0.0)
        file = ImageFile.open(str(path))
        with pytest.raises(ValueError, match=r'a\.tif: 8 x 6 pixels in 4 bands are'):
            file.read()
        assert file.read(Window(0, 0, 8, 4)).shape[-2:] == (4, 8)


class TestOpened:
    @pytest.mark.parametrize('name', ['a.tif', 'a.TIFF', 'a.png', 'a.jpg', 'a.vrt'])
    def test_no_image(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_text('text')
        with pytest.raises(OSError, match=rf'cannot read .*{name}'):
            ImageFile.open(str(path))

    @pytest.mark.parametrize(
        ('name', 'driver'),
        [('a.tif', 'GTiff'), ('a.TIFF', 'GTiff'), ('a.png', 'PNG'), ('a.jpeg', 'JPEG')],
    )
    def test_disguise(
        self, tmp_path: Path, write_image: Any, name: str, driver: str
    ) -> None:
        """A virtual raster, which may name any file, passes for no image."""
        secret = tmp_path / 'secret' / 'b.tif'
        write_image(secret, PIXELS[:1], 0.0)
        vrt = (
            '<VRTDataset rasterXSize="8" rasterYSize="6"><VRTRasterBand dataType="Byte" '
            'band="1"><SimpleSource><SourceFilename relativeToVRT="0">'
            f'{secret}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
            '</VRTRasterBand></VRTDataset>'
        )
        (tmp_path / name).write_text(vrt)
        with pytest.raises(OSError, match=rf'cannot read .*{name} as {driver}'):
            ImageFile.open(str(tmp_path / name))
        # Under its own name, it is what the user wants
        (tmp_path / 'b.vrt').write_text(vrt)
        np.testing.assert_array_equal(
            ImageFile.open(str(tmp_path / 'b.vrt')).read(), PIXELS[:1]
        )

    def test_errors_while_reading(self, tmp_path: Path, write_image: Any) -> None:
        path = tmp_path / 'a.tif'
        write_image(path, PIXELS, 0.0, compress='deflate')
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
        with pytest.raises(OSError, match=r'a\.tif'):
            ImageFile.open(str(path)).read()
        with (
            pytest.raises(OSError, match=r'cannot read .*none\.tif'),
            opened(str(tmp_path / 'none.tif')),
        ):
            pass

    def test_large_folders_are_not_listed(self) -> None:
        with in_large_folders():
            assert rasterio.env.getenv()['GDAL_DISABLE_READDIR_ON_OPEN'] == 'TRUE'
