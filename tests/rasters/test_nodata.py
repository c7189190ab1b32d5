# SPDX-License-Identifier: MIT
"""One rule for pixels without data, whatever says so and whichever way they are read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.page.uploads import read_uploads
from torchgeo_vqa.prediction import Predictor, ask_area, ask_pair
from torchgeo_vqa.rasters.image_file import ImageFile
from torchgeo_vqa.samplers import TileSampler

Array = NDArray[Any]

QUESTIONS = ['What is the main land cover?', 'Is there a ship?']
SIZE = 64

#: How a file can say that pixels have no data.
KINDS = ('-9999', '-3.4e38', 'nan', 'alpha', 'mask', 'msk')


def write(path: Path, image: Array, missing: NDArray[np.bool_], kind: str) -> None:
    """Write an image (C, H, W) of which pixels (H, W) have no data, which holds garbage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    value = {'-9999': -9999.0, '-3.4e38': -3.4028234663852886e38, 'nan': np.nan}
    image = np.where(missing, np.float32(value.get(kind, 77.0)), image)
    count = len(image) + (kind == 'alpha')
    profile: dict[str, Any] = {'nodata': value[kind]} if kind in value else {}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=kind == 'mask'),
        rasterio.open(
            path,
            'w',
            driver='GTiff',
            count=count,
            height=image.shape[1],
            width=image.shape[2],
            dtype='float32',
            crs=CRS.from_epsg(32633),
            transform=from_origin(400_000, 5_000_000, 10, 10),
            **profile,
        ) as file,
    ):
        file.write(image.astype(np.float32), list(range(1, len(image) + 1)))
        if kind == 'alpha':
            file.write((~missing * 255).astype(np.float32), count)
            undefined = [ColorInterp.undefined] * len(image)
            file.colorinterp = [ColorInterp.gray, *undefined[1:], ColorInterp.alpha]
        elif kind in ('mask', 'msk'):
            file.write_mask(~missing)


@pytest.fixture(scope='module')
def predictor() -> Predictor:
    return Predictor.from_weights(device='cpu')


@pytest.fixture(scope='module')
def pair() -> dict[str, Array]:
    """Images of the units that the weights know."""
    rng = np.random.default_rng(0)
    optical = rng.normal(90, 30, (3, SIZE, SIZE)).clip(1, 254)
    sar = rng.normal(-13, 3, (2, SIZE, SIZE))
    return {'optical': optical.astype(np.float32), 'sar': sar.astype(np.float32)}


def release(folder: Path, paths: dict[str, Path]) -> OSVQA:
    """A dataset of the pair."""
    rows = [['pair', 'presence', question, 'yes'] for question in QUESTIONS]
    (folder / 'annotations').mkdir(parents=True)
    (folder / 'annotations/all_train_annotation.json').write_text(json.dumps(rows))
    for name, modality in (('rgb', 'optical'), ('sar', 'sar')):
        (folder / 'images' / name).mkdir(parents=True)
        for path in paths[modality].parent.glob(f'{modality}.tif*'):
            target = folder / 'images' / name / path.name.replace(modality, 'pair')
            target.write_bytes(path.read_bytes())
    return OSVQA(folder)


def probabilities(answers: Any) -> list[tuple[str, Any]]:
    return [(a.answer, pytest.approx(a.probability, abs=1e-4)) for a in answers]


@pytest.fixture(scope='module')
def real_pair(real_root: Path) -> dict[str, Array]:
    """A real pair of Sentinel-1 and Sentinel-2."""
    images = {}
    for name, modality in (('rgb', 'optical'), ('sar', 'sar')):
        path = min((real_root / 'OSVQA_1.0/images' / name).glob('*.tif'))
        with rasterio.open(path) as file:
            images[modality] = file.read()[:, :SIZE, :SIZE].astype(np.float32)
    return images


@pytest.mark.filterwarnings('ignore::UserWarning')
@pytest.mark.parametrize('share', [0.0, 0.03, 0.5, 1.0])
@pytest.mark.parametrize('where', ['optical', 'sar'])
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('images', ['pair', 'real_pair'])
def test_all_ways_agree(
    tmp_path: Path,
    predictor: Predictor,
    request: pytest.FixtureRequest,
    images: str,
    kind: str,
    where: str,
    share: float,
) -> None:
    """Array, whole tile, patch, upload and area give the same answers."""
    pair: dict[str, Array] = request.getfixturevalue(images)
    missing = np.zeros((SIZE, SIZE), bool)
    missing[: round(share * SIZE)] = True
    paths = {m: tmp_path / f'{m}.tif' for m in pair}
    arrays = {}
    for m, image in pair.items():
        gap = missing if m == where else np.zeros_like(missing)
        write(paths[m], image, gap, kind)
        arrays[m] = np.where(gap, np.nan, image)
    expected = predictor.ask(arrays['optical'], arrays['sar'], QUESTIONS)
    wanted = [(a.answer, a.probability) for a in expected]
    if share == 1:  # then the other image answers alone
        other = {**pair, where: None}
        alone = predictor.ask(other['optical'], other['sar'], QUESTIONS)
        assert wanted == probabilities(alone)
        assert 'has no data' in expected[0].note
    found = ask_pair(predictor, QUESTIONS, paths['optical'], paths['sar'])
    assert wanted == probabilities(found)
    uploads = read_uploads({m: str(path) for m, path in paths.items()})
    found = predictor.ask(uploads['optical'], uploads['sar'], QUESTIONS)
    assert wanted == probabilities(found)
    files = paths['optical'], paths['sar']
    layer = ask_area(predictor, QUESTIONS, *files, patch_size=SIZE, max_nodata=1.0)
    assert wanted == probabilities(layer.itertuples())
    dataset = release(tmp_path / 'OSVQA_1.0', paths)
    (tile,) = TileSampler(dataset)
    x, y = tile[:2]
    for index in (tile, (slice(x.start, x.stop), slice(y.start, y.stop))):
        sample = dataset[index]
        read = sample['image_optical'], sample['image_sar']
        assert wanted == probabilities(predictor.ask(*read, QUESTIONS))


@pytest.mark.parametrize('share', [0.0, 0.1, 0.9])
@pytest.mark.parametrize('kind', KINDS)
def test_statistics_are_those_of_valid_pixels(
    tmp_path: Path, pair: dict[str, Array], kind: str, share: float
) -> None:
    missing = np.zeros((SIZE, SIZE), bool)
    missing[: round(share * SIZE)] = True
    paths = {m: tmp_path / f'{m}.tif' for m in pair}
    for m, image in pair.items():
        write(paths[m], image, missing, kind)
    release(tmp_path / 'OSVQA_1.0', paths)
    dm = OSVQADataModule(root=str(tmp_path / 'OSVQA_1.0'))
    for m, image in pair.items():
        valid = image[:, ~missing].astype(np.float64)
        np.testing.assert_allclose(dm.statistics[m]['mean'], valid.mean(1), rtol=1e-6)
        np.testing.assert_allclose(dm.statistics[m]['std'], valid.std(1), rtol=1e-6)


class TestImageFile:
    def test_one_band(self, tmp_path: Path, write_image: Callable[..., None]) -> None:
        """A band has no data by itself."""
        image = np.full((2, 4, 4), -10, np.float32)
        image[0, 0, 0] = -9999
        image[1, 1, 1] = np.inf
        write_image(tmp_path / 'a.tif', image, nodata=-9999)
        found = ImageFile.open(str(tmp_path / 'a.tif')).read()
        expected = np.where(image == -10, image, np.nan)
        np.testing.assert_array_equal(found, expected)

    def test_pictures(self, tmp_path: Path, write_image: Callable[..., None]) -> None:
        """In a picture, a colour may be 0: only black pixels have no data."""
        image = np.full((3, 4, 4), 9, np.uint8)
        image[:, 0, 0] = 0
        image[1, 1, 1] = 0
        write_image(tmp_path / 'a.tif', image, nodata=0)
        found = ImageFile.open(str(tmp_path / 'a.tif')).read()
        assert np.isnan(found[:, 0, 0]).all()
        assert np.isnan(found).sum() == 3
        assert found[1, 1, 1] == 0

    def test_integers_stay(
        self, tmp_path: Path, write_image: Callable[..., None]
    ) -> None:
        image = np.full((1, 4, 4), 9, np.int16)
        write_image(tmp_path / 'a.tif', image, nodata=-1)
        assert ImageFile.open(str(tmp_path / 'a.tif')).read().dtype == np.int16

    def test_scale_and_offset(
        self, tmp_path: Path, write_image: Callable[..., None]
    ) -> None:
        write_image(tmp_path / 'a.tif', np.full((2, 4, 4), 100, np.int16))
        with rasterio.open(tmp_path / 'a.tif', 'r+') as file:
            file.scales, file.offsets = (0.01, 0.1), (0.0, -30.0)
        found = ImageFile.open(str(tmp_path / 'a.tif')).read()
        assert found[:, 0, 0].tolist() == pytest.approx([1.0, -20.0])

    @pytest.mark.parametrize('dtype', ['complex64', 'complex_int16'])
    def test_complex(self, tmp_path: Path, dtype: str) -> None:
        path, profile = tmp_path / 'a.tif', {'driver': 'GTiff', 'count': 1}
        with rasterio.open(path, 'w', height=4, width=4, dtype=dtype, **profile):
            pass
        with pytest.raises(ValueError, match=f'complex numbers .{dtype}'):
            ImageFile.open(str(path))


def test_masked_and_complex_arrays(
    predictor: Predictor, pair: dict[str, Array]
) -> None:
    mask = np.zeros_like(pair['sar'], bool)
    mask[:, :2] = True
    garbage = np.where(mask, np.float32(40), pair['sar'])
    masked = np.ma.masked_array(garbage, mask)
    expected = np.where(mask, np.nan, pair['sar'])
    found = predictor.ask(pair['optical'], masked, QUESTIONS)
    assert found == predictor.ask(pair['optical'], expected, QUESTIONS)
    with pytest.raises(ValueError, match='complex'):
        predictor.ask(pair['optical'], pair['sar'].astype(complex), QUESTIONS)
    empty = torch.full((2, 8, 8), torch.nan)
    with pytest.raises(ValueError, match='no image has data'):
        predictor.ask(None, empty, QUESTIONS)
