# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of OSVQA: what is in a sample, and what goes wrong how."""

import json
import pickle
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from matplotlib import pyplot as plt
from open_clip import tokenize
from rasterio.errors import NotGeoreferencedWarning
from torch import Tensor
from torch.utils.data import DataLoader
from torchgeo.datasets import DatasetNotFoundError, stack_samples, unbind_samples
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.rasters.image_file import ImageFile
from torchgeo_vqa.samplers import TileSampler

FOLDERS = {'optical': 'rgb', 'sar': 'sar'}


def rows_of(root: Path, split: str = 'train') -> list[list[str]]:
    path = root / f'annotations/all_{split}_annotation.json'
    rows: list[list[str]] = json.loads(path.read_text())
    return rows


def pixels(path: str) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NotGeoreferencedWarning)
        file = rasterio.open(path)
    with file:
        return torch.from_numpy(file.read().astype(np.float32))


def tile(dataset: OSVQA, name: str) -> Sample:
    """Sample of a tile by its name."""
    row = dataset.index[dataset.index['image'] == name]
    xmin, ymin, xmax, ymax = row.geometry.iloc[0].bounds
    time = row.index[0]
    return dataset[xmin:xmax, ymin:ymax, time.left : time.right]


def questions(dataset: OSVQA, sample: Sample) -> list[list[str]]:
    """Questions of a sample as rows of the annotation file."""
    ids = sample['question_id'][sample['question_id'] >= 0]
    columns = [
        dataset.location(ids),
        dataset.question_type(ids),
        dataset.question_text(ids),
        dataset.answer_text(ids),
    ]
    return [list(row) for row in zip(*columns, strict=True)]


@pytest.fixture
def root(release_root: Path, tmp_path: Path) -> Path:
    """A release to spoil."""
    return Path(shutil.copytree(release_root, tmp_path / 'OSVQA_1.0'))


@pytest.fixture(scope='module')
def dataset(release_root: Path) -> OSVQA:
    return OSVQA(release_root)


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

    def same(self, remote: OSVQA, local: OSVQA) -> None:
        assert len(remote) == len(local) > 0
        for name in local.index['image']:
            expected = tile(local, name)
            for key, value in tile(remote, name).items():
                assert torch.equal(value, expected[key]), key

    def test_web_server(self, dataset: OSVQA, server: str, release_root: Path) -> None:
        remote = OSVQA(
            release_root,
            optical_dir=f'{server}/images/rgb',
            sar_dir=f'/vsicurl/{server}/images/sar/',
        )
        self.same(remote, dataset)
        assert all(remote.index['filepath'].str.startswith(server))

    def test_zip(self, dataset: OSVQA, root: Path) -> None:
        for folder in ('rgb', 'sar'):
            shutil.make_archive(str(root / folder), 'zip', root / 'images' / folder)
        shutil.rmtree(root / 'images')
        zips = {f'{m}_dir': f'/vsizip/{root}/{f}.zip' for m, f in FOLDERS.items()}
        self.same(OSVQA(root, **zips), dataset)  # type: ignore[arg-type]

    def test_missing(self, server: str, root: Path) -> None:
        rows = rows_of(root)
        rows[0][0] = 'nowhere.png'
        path = root / 'annotations/all_train_annotation.json'
        path.write_text(json.dumps(rows))
        url = f'{server}/images/rgb'
        with pytest.raises(FileNotFoundError, match=rf'row 0: no image {url}/nowhere'):
            OSVQA(root, optical_dir=url)
        with pytest.warns(UserWarning, match='left out'):
            assert len(OSVQA(root, optical_dir=url, on_error='skip'))


class TestSample:
    def test_patches_of_large_tiles(
        self, release_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They are those of tiles that are read whole, but only they are read."""
        cached, dataset = OSVQA(release_root), OSVQA(release_root, cache=False)
        sizes: list[int] = []
        read = ImageFile.read

        def record(self: ImageFile, window: Any = None) -> Any:
            array = read(self, window)
            sizes.append(array.shape[1] * array.shape[2])
            return array

        monkeypatch.setattr(ImageFile, 'read', record)
        bounds = dataset.index.geometry.iloc[0].bounds
        # inside, over the edge, and between the pixels, which warps
        for shift, num_read in ((0, 64), (-40, 16), (3, 32 * 32)):
            x, y = bounds[0] + shift, bounds[3] - shift
            index = slice(x, x + 80), slice(y - 80, y)
            sizes.clear()
            sample = dataset[index]
            assert sizes == [num_read] * 2
            for key, value in cached[index].items():
                assert torch.equal(sample[key], value), key
            sizes.clear()
            assert cached[index] is not None
            assert sizes == []

    @pytest.mark.parametrize('split', ['train', 'val', 'test'])
    @pytest.mark.parametrize('layout', ['release_root', 'png_root'])
    def test_tiles(
        self, split: Any, layout: str, request: pytest.FixtureRequest
    ) -> None:
        root = request.getfixturevalue(layout)
        dataset = OSVQA(root, split)
        rows = rows_of(root, split)
        names = sorted({row[0] for row in rows})
        assert dataset.index['image'].tolist() == names
        for name in names:
            sample = tile(dataset, name)
            for modality, folder in (('optical', 'rgb'), ('sar', 'sar')):
                (path,) = (root / 'images' / folder).glob(f'{name}.*')
                torch.testing.assert_close(
                    sample[f'image_{modality}'], pixels(str(path)), rtol=0, atol=0
                )
            expected = [row for row in rows if row[0] == name]
            assert questions(dataset, sample) == expected
            real = len(expected)
            torch.testing.assert_close(
                sample['question'][:real], tokenize([row[2] for row in expected])
            )
            types = [dataset.question_types[i] for i in sample['question_type'][:real]]
            assert types == [row[1] for row in expected]
            labels = [dataset.answers[i] for i in sample['label'][:real]]
            assert labels == [row[3] for row in expected]
            groups = json.loads((root / 'annotations/image_groups.json').read_text())
            found = {dataset.groups[i] for i in sample['group'][:real]}
            assert found == {groups[name]}
            # The rest is padding
            assert len(sample['label']) == 7
            assert (sample['question'][real:] == 0).all()
            for key in ('question_type', 'question_id', 'label', 'group'):
                assert sample[key].dtype == torch.int64
                assert (sample[key][real:] == -1).all()

    def test_bounds_and_transform(self, dataset: OSVQA) -> None:
        sample = tile(dataset, 'train_1')
        with rasterio.open(dataset.index['filepath'].iloc[1]) as file:
            xmin, ymin, xmax, ymax = file.bounds
            transform = torch.tensor(tuple(file.transform))
        assert sample['bounds'][:6].tolist() == [xmin, xmax, 10, ymin, ymax, 10]
        torch.testing.assert_close(sample['transform'], transform)

    @pytest.mark.parametrize('modality', ['optical', 'sar'])
    def test_one_modality(self, root: Path, modality: str) -> None:
        other = {'optical': 'sar', 'sar': 'rgb'}[modality]
        shutil.rmtree(root / 'images' / other)
        dataset = OSVQA(root, modalities=(modality,))
        sample = tile(dataset, 'train_0')
        assert [key for key in sample if key.startswith('image')] == [
            f'image_{modality}'
        ]
        assert (sample['question_id'] >= 0).sum() == 5

    def test_question_types(self, release_root: Path) -> None:
        types = ('relation', 'count')
        dataset = OSVQA(release_root, question_types=types)
        assert dataset.question_types == types
        expected = [row for row in rows_of(release_root) if row[1] in types]
        assert len(dataset.table) == len(expected)
        sample = tile(dataset, 'train_2')
        found = questions(dataset, sample)
        assert found == [row for row in expected if row[0] == 'train_2']
        indices = sample['question_type'][: len(found)].tolist()
        assert [types[i] for i in indices] == [row[1] for row in found]
        assert set(dataset.answers) == {row[3] for row in expected}

    def test_only_pairs_with_questions_of_the_types(self, release_root: Path) -> None:
        dataset = OSVQA(release_root, question_types=('modality_quality',))
        assert dataset.index['image'].tolist() == ['train_2', 'train_5']

    def test_questions_per_sample(self, release_root: Path) -> None:
        dataset = OSVQA(release_root, questions_per_sample=6)
        every = {row for row, _ in enumerate(rows_of(release_root))}
        torch.manual_seed(0)
        draws = [tile(dataset, 'train_2')['question_id'].tolist() for _ in range(50)]
        assert all(len(set(draw)) == 6 and set(draw) <= every for draw in draws)
        assert len({tuple(draw) for draw in draws}) > 40
        # In the long run each is drawn equally often
        counts = Counter(i for draw in draws for i in draw)
        assert len(counts) == 7
        assert min(counts.values()) > 30
        torch.manual_seed(0)
        again = [tile(dataset, 'train_2')['question_id'].tolist() for _ in range(50)]
        assert again == draws
        # Fewer are padded
        assert tile(dataset, 'train_0')['question_id'].tolist().count(-1) == 1

    def test_transforms(self, release_root: Path) -> None:
        dataset = OSVQA(release_root, transforms=lambda s: {'sum': s['label'].sum()})
        assert tile(dataset, 'train_0').keys() == {'sum'}

    def test_stack_and_unbind(self, dataset: OSVQA) -> None:
        samples = [dataset[place] for place in TileSampler(dataset)]
        batch = stack_samples(samples)
        assert batch['question'].shape == (6, 7, 77)
        for sample, again in zip(samples, unbind_samples(batch), strict=True):
            torch.testing.assert_close(sample, again)

    def test_samples_are_not_shared(self, dataset: OSVQA) -> None:
        first = tile(dataset, 'train_0')
        expected = {key: value.clone() for key, value in first.items()}
        for value in first.values():
            value.fill_(0)
        torch.testing.assert_close(tile(dataset, 'train_0'), expected)

    def test_cache(self, root: Path) -> None:
        cached, plain = OSVQA(root), OSVQA(root, cache=False)
        expected = tile(cached, 'train_0')
        shutil.rmtree(root / 'images')
        torch.testing.assert_close(tile(cached, 'train_0'), expected)
        with pytest.raises(OSError, match='train_0'):
            tile(plain, 'train_0')

    @pytest.mark.parametrize(
        'context', ['fork', pytest.param('spawn', marks=pytest.mark.slow)]
    )
    def test_workers(self, dataset: OSVQA, context: str) -> None:
        expected = [dataset[place] for place in TileSampler(dataset)]
        loader: DataLoader[Sample] = DataLoader(
            dataset,
            batch_size=None,
            sampler=TileSampler(dataset),
            num_workers=1,
            multiprocessing_context=context,
        )
        torch.testing.assert_close(list(loader), expected)

    def test_pickle(self, dataset: OSVQA) -> None:
        expected = tile(dataset, 'train_0')
        again = pickle.loads(pickle.dumps(dataset))
        torch.testing.assert_close(tile(again, 'train_0'), expected)


class TestFiles:
    def test_root_or_its_parent(self, release_root: Path) -> None:
        for root in (release_root, release_root.parent, str(release_root)):
            assert len(OSVQA(root, 'val')) == 2

    @pytest.mark.parametrize('extension', ['.TIF', '.tiff', '.Tiff'])
    def test_extensions(self, root: Path, extension: str) -> None:
        for path in (root / 'images').rglob('*.tif'):
            path.rename(path.with_suffix(extension))
        assert len(OSVQA(root)) == 6

    def test_names_with_extension(self, root: Path) -> None:
        expected = OSVQA(root).index
        rows = [[f'{row[0]}.tif', *row[1:]] for row in rows_of(root)]
        (root / 'annotations/all_train_annotation.json').write_text(json.dumps(rows))
        dataset = OSVQA(root)
        assert dataset.index['filepath'].tolist() == expected['filepath'].tolist()
        assert dataset.index['image'].tolist() == expected['image'].tolist()

    def test_folders(self, root: Path) -> None:
        (root / 'images/rgb').rename(root / 'colour')
        (root / 'radar').mkdir()
        (root / 'images/sar').rename(root / 'radar/deep')
        dataset = OSVQA(root, optical_dir='colour', sar_dir='radar/deep')
        assert tile(dataset, 'train_0')['image_sar'].shape == (2, 32, 32)

    def test_names_with_folder(self, root: Path) -> None:
        for folder in ('rgb', 'sar'):
            (root / 'images' / folder).rename(root / 'images/part')
            (root / 'images' / folder).mkdir()
            (root / 'images/part').rename(root / 'images' / folder / 'part')
        rows = [[f'part/{row[0]}', *row[1:]] for row in rows_of(root)]
        (root / 'annotations/all_train_annotation.json').write_text(json.dumps(rows))
        assert len(tile(OSVQA(root), 'part/train_0')['image_optical']) == 3

    def test_without_groups(self, root: Path) -> None:
        (root / 'annotations/image_groups.json').unlink()
        dataset = OSVQA(root)
        assert dataset.groups == ()
        assert 'group' not in tile(dataset, 'train_0')

    def test_some_groups(self, root: Path) -> None:
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
        self, root: Path, write_image: Any, bands: Any, expected: Any
    ) -> None:
        array = np.repeat(np.array(bands, np.uint8), 32 * 32).reshape(-1, 32, 32)
        write_image(root / 'images/rgb/train_0.tif', array, 400_000.0)
        image = tile(OSVQA(root), 'train_0')['image_optical']
        assert image[:, 0, 0].tolist() == list(expected)

    def test_alpha_and_palette(self, root: Path, write_image: Any) -> None:
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


class TestErrors:
    @pytest.mark.parametrize(
        'missing', ['', 'annotations/all_val_annotation.json', 'images/sar']
    )
    def test_not_found(self, root: Path, missing: str) -> None:
        path = root / missing
        path.unlink() if path.is_file() else shutil.rmtree(path)
        with pytest.raises(DatasetNotFoundError, match=r'pan\.baidu\.com') as error:
            OSVQA(root, 'val')
        assert '9dhW' in str(error.value)
        assert repr(root) in str(error.value)

    @pytest.mark.parametrize('how', ['missing', 'empty', 'text'])
    @pytest.mark.parametrize('folder', ['rgb', 'sar'])
    def test_broken_image(self, root: Path, folder: str, how: str) -> None:
        path = root / f'images/{folder}/train_1.tif'
        path.unlink()
        if how != 'missing':
            path.write_text('' if how == 'empty' else 'not an image')
        with pytest.raises(
            OSError, match=r'all_train_annotation\.json, row 5'
        ) as error:
            OSVQA(root)
        assert isinstance(error.value, FileNotFoundError) == (how == 'missing')
        assert 'train_1' in str(error.value)
        assert folder in str(error.value)
        with pytest.warns(UserWarning, match='1 of 6 pairs .* left out'):
            dataset = OSVQA(root, on_error='skip')
        assert 'train_1' not in dataset.index['image'].tolist()
        ids = range(len(dataset.table))
        expected = [row for row in rows_of(root) if row[0] != 'train_1']
        assert dataset.location(ids) == [row[0] for row in expected]
        assert questions(dataset, tile(dataset, 'train_3')) == [
            row for row in expected if row[0] == 'train_3'
        ]
        # It does not matter where nothing is asked about it
        OSVQA(root, question_types=('modality_quality',))

    def test_nothing_left(self, root: Path) -> None:
        for path in (root / 'images/sar').iterdir():
            path.unlink()
        with (
            pytest.warns(UserWarning, match='6 of 6'),
            pytest.raises(DatasetNotFoundError, match='None of the pairs'),
        ):
            OSVQA(root, on_error='skip')

    def test_image_that_breaks_off(self, root: Path) -> None:
        path = root / 'images/sar/train_1.tif'
        path.write_bytes(path.read_bytes()[:-1000])
        dataset = OSVQA(root)
        with pytest.raises(OSError, match=r'train_1\.tif'):
            tile(dataset, 'train_1')

    def test_malformed_row(self, root: Path) -> None:
        path = root / 'annotations/all_train_annotation.json'
        rows = rows_of(root)
        rows[3] = rows[3][:3]
        path.write_text(json.dumps(rows))
        with pytest.raises(ValueError, match=r'all_train_annotation\.json: row 3 '):
            OSVQA(root)
        with pytest.warns(UserWarning, match='1 malformed rows are left out'):
            dataset = OSVQA(root, on_error='skip')
        assert len(dataset.table) == len(rows) - 1

    @pytest.mark.parametrize(
        ('folder', 'num_bands', 'crs', 'message'),
        [
            ('rgb', 2, 'EPSG:32633', 'optical images must have 3 bands .* got 2'),
            ('sar', 3, 'EPSG:32633', 'sar images must have 2 bands .* got 3'),
            ('rgb', 3, None, 'has no CRS, but other images'),
        ],
    )
    def test_images_that_do_not_fit(
        self,
        root: Path,
        write_image: Any,
        folder: str,
        num_bands: int,
        crs: str | None,
        message: str,
    ) -> None:
        place = {} if crs is None else {'west': 400_000.0}
        image = np.zeros((num_bands, 32, 32), np.uint8)
        write_image(root / f'images/{folder}/train_0.tif', image, **place)
        modalities = {'rgb': 'optical', 'sar': 'sar'}[folder]
        with pytest.raises(ValueError, match=message):
            OSVQA(root, modalities=(modalities,))

    @pytest.mark.parametrize(
        ('argument', 'value'),
        [
            ('split', 'dev'),
            ('modalities', ()),
            ('modalities', ('optical', 'radar')),
            ('modalities', 'optical'),
            ('on_error', 'ignore'),
            ('questions_per_sample', 0),
            ('num_answers', 0),
            ('question_types', ('presence', 'colour')),
            ('question_types', ()),
            ('answers', ()),
            ('answers', ('yes', 'yes')),
        ],
    )
    def test_arguments(self, release_root: Path, argument: str, value: Any) -> None:
        kwargs: dict[str, Any] = {argument: value}
        with pytest.raises(ValueError, match=argument.split('_')[0]) as error:
            OSVQA(release_root, **kwargs)
        shown = value[-1] if isinstance(value, tuple) and value else value
        assert str(shown) in str(error.value)


class TestAnswers:
    def test_vocabulary(self, release_root: Path) -> None:
        counts = Counter(row[3] for row in rows_of(release_root))
        expected = sorted(counts, key=lambda answer: (-counts[answer], answer))
        for split in ('train', 'val', 'test'):
            assert OSVQA(release_root, split).answers == tuple(expected)

    def test_num_answers(self, release_root: Path) -> None:
        dataset = OSVQA(release_root, 'test', num_answers=2)
        assert dataset.answers == OSVQA(release_root).answers[:2]
        known = [row[3] in dataset.answers for row in rows_of(release_root, 'test')]
        assert dataset.coverage == pytest.approx(sum(known) / len(known))
        assert 0 < dataset.coverage < 1
        # The others count as wrong: they are not padding
        for name in ('test_0', 'test_1', 'test_2'):
            sample = tile(dataset, name)
            for row, label in zip(
                questions(dataset, sample), sample['label'], strict=False
            ):
                right = row[3] in dataset.answers
                assert label == (dataset.answers.index(row[3]) if right else 2)

    def test_given_answers(self, release_root: Path) -> None:
        answers = ('no', 'yes', 'maybe')
        dataset = OSVQA(release_root, answers=answers, num_answers=1)
        assert dataset.answers == answers
        other = OSVQA(release_root)
        assert other.coverage == 1
        other.set_answers(answers)
        assert other.coverage == dataset.coverage < 1
        torch.testing.assert_close(tile(other, 'train_0'), tile(dataset, 'train_0'))

    def test_without_training_split(self, root: Path) -> None:
        (root / 'annotations/all_train_annotation.json').unlink()
        with pytest.raises(ValueError, match='give `answers`'):
            OSVQA(root, 'test')
        dataset = OSVQA(root, 'test', answers=('yes', 'no'))
        with pytest.raises(FileNotFoundError, match=r'all_train_annotation\.json'):
            dataset.blind_labels(range(len(dataset.table)))

    def test_blind_labels(self, root: Path) -> None:
        train = [
            ['train_0', 'a', 'Asked?', 'x'],
            ['train_1', 'a', 'Asked?', 'y'],
            ['train_2', 'a', 'Asked?', 'y'],
            ['train_0', 'a', 'Asked too?', 'z'],
            ['train_1', 'a', 'Asked too?', 'z'],
            ['train_2', 'a', 'Asked too?', 'z'],
            ['train_0', 'b', 'A tie?', 'w'],
            ['train_1', 'b', 'A tie?', 'v'],
        ]
        test = [
            ['test_0', 'a', 'Asked?', 'z'],
            ['test_0', 'a', 'Never asked?', 'x'],
            ['test_0', 'b', 'A tie?', 'x'],
            ['test_0', 'c', 'Of another type?', 'x'],
        ]
        (root / 'annotations/all_train_annotation.json').write_text(json.dumps(train))
        (root / 'annotations/all_test_annotation.json').write_text(json.dumps(test))
        dataset = OSVQA(root, 'test')
        labels = dataset.blind_labels(range(len(dataset.table)))
        assert labels.dtype == torch.int64
        # Most frequent for the question; its type; by label in a tie; of all
        assert [dataset.answers[i] for i in labels] == ['y', 'z', 'v', 'z']
        # Only what the model can answer, too
        dataset.set_answers(['x', 'w'])
        labels = dataset.blind_labels(range(len(dataset.table)))
        assert [dataset.answers[i] for i in labels] == ['x', 'x', 'w', 'x']

    def test_usual_answers(self, dataset: OSVQA, release_root: Path) -> None:
        for kind, labels in zip(
            dataset.question_types, dataset.usual_answers(), strict=True
        ):
            expected = {row[3] for row in rows_of(release_root) if row[1] == kind}
            assert {dataset.answers[i] for i in labels} == expected


class TestPlot:
    @staticmethod
    def texts(figure: plt.Figure) -> str:
        """All text of a figure, without line breaks."""
        return ' '.join(' '.join(t.get_text() for t in figure.texts).split())

    @pytest.mark.parametrize('layout', ['release_root', 'png_root'])
    def test_plot(self, layout: str, request: pytest.FixtureRequest) -> None:
        dataset = OSVQA(request.getfixturevalue(layout))
        sample = tile(dataset, 'train_2')
        figure = dataset.plot(sample, suptitle='Suptitle')
        text = self.texts(figure)
        for _, _, question, answer in questions(dataset, sample):
            assert f'{question} → {answer}' in text
        assert [axes.get_title() for axes in figure.axes] == ['Optical', 'SAR']
        assert 'Suptitle' in text
        for axes in figure.axes:
            shown = np.asarray(axes.images[0].get_array())
            assert shown.shape == (32, 32, 3)
            assert 0 <= shown.min() < shown.max() <= 1
        figure = dataset.plot(sample, show_titles=False, max_questions=2)
        assert 'and 5 more' in self.texts(figure)
        assert not figure.axes[0].get_title()
        plt.close('all')

    def test_predictions(self, dataset: OSVQA) -> None:
        sample = tile(dataset, 'train_2')
        sample['prediction'] = sample['label'].clone()
        sample['prediction'][1] = (sample['label'][1] + 1) % len(dataset.answers)
        sample['prediction'][2] = -1
        figure = dataset.plot(sample, max_questions=3)
        colors = [text.get_color() for text in figure.texts]
        assert colors == ['tab:green', 'tab:red', 'black', 'gray']
        assert '(predicted: yes)' in figure.texts[0].get_text()
        plt.close('all')

    def test_rewritten_question(self, dataset: OSVQA) -> None:
        sample = tile(dataset, 'train_0')
        sample['question'][0] = tokenize('Is the ship below the bridge?')[0]
        sample['label'][0] = dataset.answers.index('no')
        text = self.texts(dataset.plot(sample))
        assert 'is the ship below the bridge ? → no' in text
        plt.close('all')

    def test_nothing_overflows(self, dataset: OSVQA) -> None:
        sample = tile(dataset, 'train_0')
        words = 'left of the bridge and ' * 12 + 'there?'
        sample['question'][0] = tokenize(f'Is the ship {words}')[0]
        sample['image_sar'][:, :4] = torch.nan
        figure = dataset.plot(sample)
        figure.canvas.draw()
        width, height = figure.bbox.size
        for text in figure.texts:
            box = text.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= width
            assert 0 <= box.y0 < box.y1 <= height
        plt.close('all')
