# SPDX-License-Identifier: MIT
"""Tests of queries by place and time, and of datasets combined."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import torch
from pyproj import CRS
from pyproj.exceptions import ProjError
from torchgeo import samplers
from torchgeo.datasets import (
    GeoDataset,
    RasterDataset,
    random_bbox_splitting,
    roi_split,
    stack_samples,
)
from torchgeo.datasets.utils import GeoSlice, Sample

from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.samplers import TileSampler

WritePairs = Callable[..., Path]


@pytest.fixture
def write_pairs(tmp_path: Path, write_image: Any) -> WritePairs:
    """Function that writes pairs of random pixels at given places, a question each."""

    def write(places: dict[str, dict[str, Any]], split: str = 'train') -> Path:
        root = tmp_path / 'OSVQA_1.0'
        rng = np.random.default_rng(len(split))
        for name, place in places.items():
            shape = 2, place.pop('size', 32), place.pop('size_x', 32)
            optical = rng.integers(1, 256, (3, *shape[1:]), np.uint8)
            sar = rng.normal(-12, 4, shape).astype(np.float32)
            write_image(root / f'images/rgb/{name}.tif', optical, **place)
            write_image(root / f'images/sar/{name}.tif', sar, **place)
        (root / 'annotations').mkdir(exist_ok=True)
        rows = [[name, 'presence', f'Is it {name}?', 'yes'] for name in places]
        path = root / f'annotations/all_{split}_annotation.json'
        path.write_text(json.dumps(rows))
        return root

    return write


@pytest.fixture(scope='module')
def dataset(release_root: Path) -> OSVQA:
    return OSVQA(release_root)


@pytest.fixture(scope='module')
def optical(release_root: Path) -> RasterDataset:
    """TorchGeo's own view of the optical images of the training split."""

    class Optical(RasterDataset):
        filename_glob = 'train_*.tif'

    return Optical(release_root / 'images/rgb')


def places(dataset: OSVQA, sample: Sample) -> list[str]:
    """Pairs that the questions of a sample are about."""
    ids = sample['question_id'][sample['question_id'] >= 0]
    return sorted(set(dataset.location(ids)))


def query(bounds: tuple[float, float, float, float], margin: float = 0) -> Any:
    xmin, ymin, xmax, ymax = bounds
    return slice(xmin - margin, xmax + margin), slice(ymin - margin, ymax + margin)


class TestQuery:
    def test_patches(self, dataset: OSVQA, optical: RasterDataset) -> None:
        sampler = samplers.RandomPatchSampler(dataset, size=12, length=20, generator=0)
        for index in sampler:
            sample = dataset[index]
            expected = optical[index]
            torch.testing.assert_close(
                sample['image_optical'], expected['image'], rtol=0, atol=0
            )
            for key in ('bounds', 'transform'):
                torch.testing.assert_close(sample[key], expected[key])
            # A crop changes counts
            assert (sample['question_id'] == -1).all()

    def test_mosaic(self, dataset: OSVQA, optical: RasterDataset) -> None:
        xmin, ymin, _, ymax = dataset.index.total_bounds
        index = slice(xmin - 50, xmin + 900), slice(ymin - 30, ymax + 30)
        sample = dataset[index]
        # TorchGeo fills pixels without data with 0
        filled = sample['image_optical'].nan_to_num(0)
        torch.testing.assert_close(filled, optical[index]['image'])
        # Of the third tile a part is missing
        assert places(dataset, sample) == ['train_0', 'train_1']
        assert sample['image_sar'].shape == (2, 38, 95)
        assert sample['image_sar'][:, :3].isnan().all()

    def test_open_slices(self, dataset: OSVQA, optical: RasterDataset) -> None:
        for index in (np.s_[:], np.s_[:, :], np.s_[:, :, :]):
            sample = dataset[index]
            filled = sample['image_optical'].nan_to_num(0)
            torch.testing.assert_close(filled, optical[index]['image'])
            assert len(places(dataset, sample)) == 6
            assert len(sample['question_id']) == len(dataset.table)

    def test_resolution(self, dataset: OSVQA, optical: RasterDataset) -> None:
        (x, y), *_ = TileSampler(dataset)
        index = slice(x.start, x.stop, 20), slice(y.start, y.stop, 20)
        sample = dataset[index]
        assert sample['image_optical'].shape == (3, 16, 16)
        # Averages of four pixels are near both
        full = dataset[x, y]['image_optical']
        mean = torch.nn.functional.avg_pool2d(full, 2)
        assert (sample['image_optical'] - mean).abs().mean() < 25
        assert places(dataset, sample) == ['train_0']

    def test_chosen_resolution(self, release_root: Path) -> None:
        dataset = OSVQA(release_root, res=20)
        assert dataset.res == (20, 20)
        for index in TileSampler(dataset):
            assert dataset[index]['image_sar'].shape == (2, 16, 16)
        dataset.res = 5
        assert dataset[index]['image_sar'].shape == (2, 64, 64)

    @pytest.mark.parametrize('shift', [-4.9, -1e-6, 1e-6, 4.9])
    def test_bounds_within_half_a_pixel(self, dataset: OSVQA, shift: float) -> None:
        (x, y), *_ = TileSampler(dataset)
        moved = (
            slice(x.start + shift, x.stop + shift),
            slice(y.start - shift, y.stop - shift),
        )
        sample, expected = dataset[moved], dataset[x, y]
        for key in ('image_optical', 'image_sar', 'question_id'):
            torch.testing.assert_close(sample[key], expected[key], rtol=0, atol=0)

    def test_edge(self, dataset: OSVQA, optical: RasterDataset) -> None:
        # TorchGeo's temporal samplers ask for times of places that only touch
        xmin, _, xmax, ymax = dataset.index.total_bounds
        index = slice(xmin, xmax), slice(ymax, ymax + 50)
        sample = dataset[index]
        assert sample['image_optical'].isnan().all()
        assert sample['image_optical'].shape == optical[index]['image'].shape
        assert places(dataset, sample) == []

    @pytest.mark.parametrize('offset', [321.0, 1e6])
    def test_nothing_there(self, dataset: OSVQA, offset: float) -> None:
        xmin, ymin, xmax, ymax = dataset.index.total_bounds
        with pytest.raises(IndexError, match='not found in dataset with bounds'):
            dataset[xmin:xmax, ymin + offset : ymax + offset]

    def test_nodata(self, write_pairs: WritePairs) -> None:
        root = write_pairs({'a': {'west': 0.0}})
        with rasterio.open(root / 'images/sar/a.tif', 'r+') as file:
            array = file.read()
            array[:, :4, 4] = -9999
            array[:, :4, 5] = np.nan
            file.write(array)
            file.nodata = -9999
        dataset = OSVQA(root)
        expected = np.where(array == -9999, np.nan, array)
        (tile,) = TileSampler(dataset)
        whole = dataset[tile]['image_sar'].numpy()
        np.testing.assert_array_equal(whole, expected)
        patch = dataset[:300.0]['image_sar'].numpy()
        np.testing.assert_array_equal(patch, expected[..., :30])


class TestTime:
    NAMES = ('S2A_20170613T101031_0', 'S2A_20170701T93031_0', 'S2A_20180101T000000_0')

    @pytest.fixture
    def root(self, write_pairs: WritePairs) -> Path:
        """Three acquisitions of one tile, and neighbours on two sides without a time."""
        tiles: dict[str, dict[str, Any]] = {name: {'west': 0.0} for name in self.NAMES}
        return write_pairs(tiles | {'b': {'west': 320.0}, 'c': {'west': 800.0}})

    def test_acquisition_times(self, root: Path) -> None:
        index = OSVQA(root).index
        times = dict(zip(index['image'], index.index, strict=True))
        assert times[self.NAMES[0]].left == pd.Timestamp('2017-06-13 10:10:31')
        assert times[self.NAMES[0]].right < pd.Timestamp('2017-06-13 10:10:32')
        # An hour without its leading zero, as in BigEarthNet
        assert times[self.NAMES[1]].left == pd.Timestamp('2017-07-01 09:30:31')
        assert times['b'].left == pd.Timestamp.min
        assert times['b'].right == pd.Timestamp.max
        assert (index.index.name, index.index.closed) == ('datetime', 'both')

    def test_told_apart_by_time(self, root: Path) -> None:
        dataset = OSVQA(root)
        for name in self.NAMES:
            row = dataset.index[dataset.index['image'] == name]
            time = row.index[0]
            sample = dataset[0.0:320.0, :, time.left : time.right]
            assert places(dataset, sample) == [name]
            with rasterio.open(row['filepath'].iloc[0]) as file:
                expected = torch.from_numpy(file.read().astype(np.float32))
            torch.testing.assert_close(sample['image_optical'], expected)

    def test_ambiguous(self, root: Path) -> None:
        dataset = OSVQA(root)
        with pytest.raises(ValueError, match='3 acquisitions of one tile') as error:
            dataset[0.0:320.0]
        assert all(name in str(error.value) for name in self.NAMES)
        july = pd.Timestamp(2017, 7, 1)
        with pytest.raises(ValueError, match='2 acquisitions'):
            dataset[0.0:320.0, :, july:]
        with pytest.raises(IndexError):
            dataset[0.0:319.0, :, : pd.Timestamp(2016, 1, 1)]

    def test_mosaic_of_acquisitions(self, root: Path) -> None:
        dataset = OSVQA(root)
        # Only of those whose pixels are on top
        assert places(dataset, dataset[:]) == [self.NAMES[0], 'b', 'c']

    def test_temporal_samplers(self, root: Path) -> None:
        dataset = OSVQA(root)
        sampler = TileSampler(dataset) @ samplers.SequentialTimestampSampler(dataset)
        found = [name for i in sampler for name in places(dataset, dataset[i])]
        assert sorted(found) == sorted([*self.NAMES, 'b', 'c'])


class TestCRS:
    @pytest.fixture
    def root(self, write_pairs: WritePairs) -> Path:
        """Tiles in two zones, near their border."""
        return write_pairs(
            {
                'a': {'west': 300_000.0, 'north': 5_600_000.0},
                'b': {'west': 700_000.0, 'north': 5_600_000.0, 'crs': 'EPSG:32632'},
                'c': {'west': 700_320.0, 'north': 5_600_000.0, 'crs': 'EPSG:32632'},
            }
        )

    @pytest.mark.parametrize('crs', [None, 'EPSG:32632', 'EPSG:4326'])
    def test_whole_tiles_are_not_warped(self, root: Path, crs: str | None) -> None:
        dataset = OSVQA(root, crs=crs)
        assert dataset.georeferenced
        assert dataset.crs == CRS(crs or 'EPSG:32633')
        tiles = list(TileSampler(dataset))
        assert len(tiles) == 3
        for (_, row), tile in zip(dataset.index.iterrows(), tiles, strict=True):
            sample = dataset[tile]
            with rasterio.open(row['filepath']) as file:
                np.testing.assert_array_equal(sample['image_optical'], file.read())
            assert places(dataset, sample) == [row['image']]

    def test_patches_are_warped(self, root: Path) -> None:
        dataset = OSVQA(root)
        expected = RasterDataset(root / 'images/rgb')
        assert dataset.res == expected.res
        box = shapely.box(*dataset.index.geometry.iloc[1].bounds).buffer(-100)
        sample = dataset[query(box.bounds)]['image_optical']
        other = expected[query(box.bounds)]['image']
        # TorchGeo warps to the nearest pixel first: alike, but not the same
        assert sample.shape == other.shape
        assert (sample > 0).all()
        correlation = torch.corrcoef(torch.stack([sample.flatten(), other.flatten()]))
        assert correlation[0, 1] > 0.6

    def test_far_zones_at_once(self, write_pairs: WritePairs) -> None:
        """A sampler of times alone asks for all that lies between them."""
        far = {'west': 300_000.0, 'north': 5_600_000.0, 'crs': 'EPSG:32640'}
        root = write_pairs({'a': far | {'crs': 'EPSG:32633'}, 'b': far})
        dataset = OSVQA(root)
        (query,) = set(samplers.SequentialTimestampSampler(dataset))
        with pytest.raises(ValueError, match=r'TileSampler\(dataset\) @ Sequential'):
            dataset[query]
        for tile in TileSampler(dataset):
            assert dataset[tile]['image_sar'].shape[1:] == (32, 32)

    def test_mosaic_of_zones(self, root: Path) -> None:
        dataset = OSVQA(root)
        for geometry in dataset.index.geometry:
            sample = dataset[query(geometry.bounds, margin=200)]
            assert len(places(dataset, sample)) >= 1
        assert places(dataset, dataset[query(dataset.index.total_bounds)]) == [
            'a',
            'b',
            'c',
        ]

    def test_change_of_crs(self, root: Path) -> None:
        dataset = OSVQA(root)
        before = {
            places(dataset, dataset[i])[0]: dataset[i] for i in TileSampler(dataset)
        }
        dataset.crs = CRS('EPSG:3857')
        for index in TileSampler(dataset):
            sample = dataset[index]
            (name,) = places(dataset, sample)
            expected = before.pop(name)['image_sar']
            torch.testing.assert_close(sample['image_sar'], expected, rtol=0, atol=0)
        assert not before

    def test_real_pairs(self, real_root: Path) -> None:
        for split in ('train', 'val', 'test'):
            dataset = OSVQA(real_root, split)  # type: ignore[arg-type]
            tiles = list(TileSampler(dataset))
            assert len(tiles) == len(dataset)
            assert len({tile.grid.crs for tile in dataset.tiles.values()}) > 1
            for (_, row), tile in zip(dataset.index.iterrows(), tiles, strict=True):
                sample = dataset[tile]
                assert places(dataset, sample) == [row['image']]
                for key, path in (
                    ('image_optical', row['filepath']),
                    ('image_sar', row['filepath_sar']),
                ):
                    with rasterio.open(path) as file:
                        np.testing.assert_array_equal(sample[key], file.read())
        assert dataset.index.index.left.min().year > 2000

    def test_union_of_real_pairs(self, real_root: Path) -> None:
        train, val = OSVQA(real_root), OSVQA(real_root, 'val')
        both = train | val
        samples = [both[tile] for tile in TileSampler(both)]
        assert len(samples) == len(train) + len(val)
        assert stack_samples(samples)['image_sar'].shape[1:] == (2, 120, 120)


class TestWithoutCRS:
    def test_grid(self, png_root: Path) -> None:
        splits = [OSVQA(png_root, split) for split in ('train', 'val', 'test')]  # type: ignore[arg-type]
        boxes = [box for dataset in splits for box in dataset.index.geometry]
        assert all(box.area == 32 * 32 for box in boxes)
        for i, box in enumerate(boxes):
            assert all(box.distance(other) >= 32 for other in boxes[:i])
        assert not any(dataset.georeferenced for dataset in splits)
        assert all(dataset.crs == splits[0].crs for dataset in splits)
        assert splits[0].res == (1, 1)
        # The same whatever is asked, so that datasets of one folder agree
        some = OSVQA(
            png_root, question_types=('modality_quality',), modalities=('sar',)
        )
        found = dict(zip(some.index['image'], some.index.geometry, strict=True))
        everything = splits[0].index.set_index('image').geometry
        assert found == {name: everything[name] for name in ('train_2', 'train_5')}

    def test_gridded_sampler_meets_tiles(self, png_root: Path) -> None:
        dataset = OSVQA(png_root)
        sampler = samplers.GriddedPatchSampler(dataset, size=32)
        found = [places(dataset, dataset[index]) for index in sampler]
        assert found == [[f'train_{i}'] for i in range(6)]

    def test_union(self, png_root: Path) -> None:
        train, val = OSVQA(png_root), OSVQA(png_root, 'val')
        both = train | val
        assert len(list(TileSampler(both))) == 8

    def test_not_combined_with_places(
        self, png_root: Path, release_root: Path, tmp_path: Path
    ) -> None:
        raster = RasterDataset(release_root / 'images/rgb')
        images = OSVQA(png_root)
        combine: tuple[Callable[[GeoDataset, GeoDataset], GeoDataset], ...] = (
            lambda a, b: a & b,
            lambda a, b: a | b,
        )
        for both in combine:
            for other in (raster, OSVQA(release_root)):
                with pytest.raises((ValueError, ProjError)):
                    both(images, other)
                with pytest.raises(ValueError, match='without a CRS'):
                    both(other, images)
        with pytest.raises(ValueError, match='WGS 84'):
            OSVQA(png_root, crs='EPSG:4326')

    def test_not_combined_with_another_folder(
        self, png_root: Path, tmp_path: Path
    ) -> None:
        (tmp_path / 'other').symlink_to(png_root)
        same = OSVQA(tmp_path / 'other', 'val')
        assert len(OSVQA(png_root) | same) == 8
        (tmp_path / 'OSVQA_1.0/annotations').mkdir(parents=True)
        for path in (png_root / 'annotations').glob('*.json'):
            (tmp_path / 'OSVQA_1.0/annotations' / path.name).symlink_to(path)
        (tmp_path / 'OSVQA_1.0/images').symlink_to(png_root / 'images')
        other = OSVQA(tmp_path, 'val')
        with pytest.raises(ValueError, match='another folder'):
            OSVQA(png_root) | other


class TestCombined:
    @pytest.mark.parametrize('first', [True, False])
    def test_intersection(
        self, dataset: OSVQA, optical: RasterDataset, first: bool
    ) -> None:
        both = dataset & optical if first else optical & dataset
        tiles = list(TileSampler(both))
        assert len(tiles) == 6
        for tile in tiles:
            sample = both[tile]
            torch.testing.assert_close(sample['image'], sample['image_optical'])
            expected = dataset[tile]
            for key in ('question', 'question_id', 'group', 'label'):
                torch.testing.assert_close(sample[key], expected[key])
        stack_samples([both[tile] for tile in tiles])

    def test_pieces_have_no_questions(self, release_root: Path) -> None:
        dataset = OSVQA(release_root)
        first, second = random_bbox_splitting(dataset, [0.5, 0.5])
        for piece in (first, second):
            assert isinstance(piece, OSVQA)
            assert places(piece, piece[:]) == []
        xmin, ymin, xmax, ymax = dataset.index.total_bounds
        cut = xmin + 500
        rois = [shapely.box(xmin, ymin, cut, ymax), shapely.box(cut, ymin, xmax, ymax)]
        left, right = roi_split(dataset, rois)
        assert isinstance(left, OSVQA)
        assert isinstance(right, OSVQA)
        assert places(left, left[:]) == ['train_0']
        assert places(right, right[:]) == ['train_2', 'train_3', 'train_4', 'train_5']


SAMPLERS: dict[str, Callable[[OSVQA], Any]] = {
    'RandomPatchSampler': lambda ds: samplers.RandomPatchSampler(ds, size=16),
    'GriddedPatchSampler': lambda ds: samplers.GriddedPatchSampler(ds, size=16),
    'RandomGeoSampler': lambda ds: samplers.RandomGeoSampler(ds, size=16),
    'GridGeoSampler': lambda ds: samplers.GridGeoSampler(ds, size=16, stride=16),
    'PreChippedGeoSampler': lambda ds: samplers.PreChippedGeoSampler(ds),
    'RandomBatchGeoSampler': lambda ds: samplers.RandomBatchGeoSampler(ds, 16, 2),
    'RandomTimestampSampler': lambda ds: samplers.RandomTimestampSampler(ds),
    'SequentialTimestampSampler': lambda ds: samplers.SequentialTimestampSampler(ds),
    'RandomTimedeltaSampler': lambda ds: samplers.RandomTimedeltaSampler(
        ds, delta=pd.Timedelta(days=1)
    ),
    'SequentialTimedeltaSampler': lambda ds: samplers.SequentialTimedeltaSampler(
        ds, delta=pd.Timedelta(days=1)
    ),
    'RandomPeriodSampler': lambda ds: samplers.RandomPeriodSampler(ds, freq='D'),
    'SequentialPeriodSampler': lambda ds: samplers.SequentialPeriodSampler(
        ds, freq='D'
    ),
}


@pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore:random_sampler @')
@pytest.mark.parametrize('name', SAMPLERS)
def test_samplers_of_torchgeo(name: str, write_pairs: WritePairs) -> None:
    tiles = {f'2020010{i + 1}T000000': {'west': 400.0 * i} for i in range(3)}
    dataset = OSVQA(write_pairs(tiles))
    sampler = SAMPLERS[name](dataset)
    queries: list[GeoSlice] = []
    for item in sampler:
        queries += item if isinstance(item, list) else [item]
    # A time delta fits in no place of a single acquisition
    if 'Timestamp' in name or 'Period' in name:
        queries += list(TileSampler(dataset) @ sampler)
        queries += list(samplers.GriddedPatchSampler(dataset, size=16) @ sampler)
    assert len(queries) >= 3
    for index in queries:
        sample = dataset[index]
        assert sample.keys() >= {'image_optical', 'image_sar', 'question', 'label'}
        assert len(sample['label']) >= 1
