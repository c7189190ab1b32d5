# SPDX-License-Identifier: MIT
"""A catalogue of bad input: what is said of it, and what is taken all the same."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import torch

from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.samplers import TileSampler

WriteImage = Callable[..., None]


class Release:
    """A copy of a release, to be spoiled."""

    def __init__(self, root: Path, write_image: WriteImage) -> None:
        """Initialize a new Release instance."""
        self.root, self.write_image = root, write_image

    def image(self, modality: str = 'rgb') -> Path:
        """Image of the first training pair."""
        return self.root / f'images/{modality}/train_0.tif'

    def annotation(self, split: str = 'train') -> Path:
        """Questions of a split."""
        return self.root / f'annotations/all_{split}_annotation.json'

    def set_cell(self, column: int, value: object, split: str = 'train') -> None:
        """Put something else into the third row."""
        rows = json.loads(self.annotation(split).read_text())
        rows[2][column] = value
        self.annotation(split).write_text(json.dumps(rows))

    def set_row(self, row: object) -> None:
        """Put something else in place of the third row."""
        rows = json.loads(self.annotation().read_text())
        rows[2] = row
        self.annotation().write_text(json.dumps(rows))

    def make_image(self, driver: str = 'GTiff', **profile: Any) -> None:
        """Put another optical image, that of the first pair by default, in its place."""
        path = self.image()
        if driver == 'VRT':
            path.rename(self.root / 'other.tif')
            rasterio.shutil.copy(self.root / 'other.tif', path, driver=driver)
            return
        with rasterio.open(path) as file:
            profile = {**file.profile, 'blockxsize': 512, 'blockysize': 512, **profile}
        with rasterio.open(path, 'w', **profile):
            pass

    def write_sar(self, bands: int = 2, value: float = -10, **place: Any) -> None:
        """Write another SAR image for the first training pair."""
        place = {'west': 400_000.0, **place}
        array = np.full((bands, 32, 32), value, np.float32)
        self.write_image(self.image('sar'), array, **place)

    def read(self, split: str = 'train') -> list[dict[str, Any]]:
        """Open the split and read all samples."""
        dataset = OSVQA(self.root, split)  # type: ignore[arg-type]
        return [dataset[query] for query in TileSampler(dataset)]


@pytest.fixture
def release(release_root: Path, tmp_path: Path, write_image: WriteImage) -> Release:
    shutil.copytree(release_root, tmp_path / 'OSVQA_1.0')
    shutil.rmtree(tmp_path / 'OSVQA_1.0/annotations/.cache', ignore_errors=True)
    return Release(tmp_path / 'OSVQA_1.0', write_image)


Spoil = Callable[[Release], object]

#: What is done, the error, and what it must say.
ERRORS: dict[str, tuple[Spoil, type[Exception], str]] = {
    'header cut off': (
        lambda r: r.image().write_bytes(r.image().read_bytes()[:200]),
        OSError,
        r'row 0: cannot read .*train_0\.tif',
    ),
    'pixels cut off': (
        lambda r: r.image().write_bytes(r.image().read_bytes()[:-2000]),
        OSError,
        r'cannot read .*train_0\.tif',
    ),
    'empty file': (
        lambda r: r.image().write_bytes(b''),
        OSError,
        r'row 0: cannot read .*train_0\.tif.* 1 of 6 pairs',
    ),
    'no image': (
        lambda r: r.image().write_text('no image'),
        OSError,
        r'not recognized as being in a supported file format',
    ),
    'a format that names other files': (
        lambda r: r.make_image(driver='VRT'),
        OSError,
        r'row 0: cannot read .*train_0\.tif as GTiff: .*not recognized',
    ),
    'huge': (
        lambda r: r.make_image(
            width=100_000, height=100_000, sparse_ok=True, tiled=True, dtype='uint8'
        ),
        ValueError,
        r'train_0\.tif: 100000 x 100000 pixels in 3 bands are 27\.9 GiB, .* patches',
    ),
    'missing image': (
        lambda r: r.image().unlink(),
        FileNotFoundError,
        r"row 0: no image 'train_0' .* in .*rgb; .*on_error='skip' leaves",
    ),
    'other bands': (
        lambda r: r.write_sar(bands=3),
        ValueError,
        r'sar images must have 2 bands or a single one, got 3 in .*train_0\.tif',
    ),
    'other zone': (
        lambda r: r.write_sar(crs='EPSG:32634'),
        ValueError,
        r'sar.train_0\.tif shows nothing of .*rgb.train_0\.tif',
    ),
    'other place': (
        lambda r: r.write_sar(west=500_000.0),
        ValueError,
        r'sar.train_0\.tif shows nothing of .*rgb.train_0\.tif',
    ),
    'cut off': (
        lambda r: r.annotation().write_text(r.annotation().read_text()[:-30]),
        ValueError,
        'all_train_annotation.json is not valid JSON',
    ),
    'empty': (lambda r: r.annotation().write_text(''), ValueError, 'is not valid JSON'),
    'an object': (
        lambda r: r.annotation().write_text('{"a": 1}'),
        ValueError,
        'must hold a list of rows, got dict',
    ),
    'nested without end': (
        lambda r: r.annotation().write_text('[' * 100_000),
        ValueError,
        'is not valid JSON',
    ),
    'no question': (
        lambda r: r.annotation().write_text('[]'),
        ValueError,
        'all_train_annotation.json holds no question',
    ),
    'another encoding': (
        lambda r: r.annotation().write_bytes(
            r.annotation().read_bytes().replace(b'ship', 'sh\xefp'.encode('latin1'))
        ),
        ValueError,
        r"all_train_annotation.json is not valid JSON: 'utf-8' codec",
    ),
    'half a character': (
        lambda r: r.set_cell(2, 'a \ud800'),
        ValueError,
        r'row 2 .* must be four strings .* 1 of 36 rows',
    ),
    'a number': (lambda r: r.set_cell(3, 5), ValueError, 'row 2 .*, 5]'),
    'nothing': (lambda r: r.set_cell(2, None), ValueError, 'row 2 .*null'),
    'an empty question': (lambda r: r.set_cell(2, ''), ValueError, 'row 2 '),
    'a blank answer': (lambda r: r.set_cell(3, ' \t'), ValueError, 'row 2 '),
    'a short row': (
        lambda r: r.set_row(['train_0', 'count', 'How many?']),
        ValueError,
        r'row 2 .* must be four strings .* 1 of 36 rows',
    ),
    'a long row': (
        lambda r: r.set_row(['train_0', 'count', 'How many?', '2', '2']),
        ValueError,
        r'row 2 .* must be four strings .* 1 of 36 rows',
    ),
    'an object as row': (
        lambda r: r.set_row({'image': 'train_0'}),
        ValueError,
        r'row 2 .* got \{"image": "train_0"\}',
    ),
    'an unknown image': (
        lambda r: r.set_cell(0, 'nowhere'),
        FileNotFoundError,
        r"row 2: no image 'nowhere'",
    ),
    'a path out of the folder': (
        lambda r: r.set_cell(0, '../../../../../../etc/passwd'),
        FileNotFoundError,
        r"row 2: no image '\.\./",
    ),
}


@pytest.mark.parametrize('name', ERRORS)
def test_error(release: Release, name: str) -> None:
    spoil, kind, message = ERRORS[name]
    spoil(release)
    with pytest.raises(kind, match=message) as caught:
        release.read()
    # Our own word, not an error that slipped through
    assert type(caught.value) in (OSError, ValueError, FileNotFoundError)


@pytest.mark.parametrize(
    'text',
    ['هل هناك سفينة؟', 'Is there a 🚢?', 'a\x00b', 'Ω' * 3, '"\\', '<b>&amp;</b>'],
)
def test_any_text_is_taken(release: Release, text: str) -> None:
    release.set_cell(2, text)
    dataset = OSVQA(release.root)
    assert text in dataset.question_text(range(len(dataset.table)))
    release.read()


@pytest.mark.parametrize(
    'value', [np.nan, np.inf, -np.inf, 0.0], ids=['nan', 'inf', '-inf', 'constant']
)
def test_sar_without_data(release: Release, value: float) -> None:
    """One image without data spoils nothing: what a model gets is finite."""
    release.write_sar(value=value)
    dm = OSVQADataModule(root=str(release.root), batch_size=8)
    dm.prepare_data()
    dm.setup('fit')
    for batch in dm.train_dataloader():
        batch = dm.on_after_batch_transfer(batch, 0)
        assert torch.isfinite(batch['image_sar']).all()
        # All but the one image are as they are without it: some ten standard deviations
        assert float(batch['image_sar'].abs().max()) < 10
        assert float(batch['image_sar'].std()) > 0.1


def test_other_size(release: Release) -> None:
    """A SAR image of the same place in coarser pixels is brought to the optical grid."""
    array = np.full((2, 16, 16), -10, np.float32)
    release.write_image(release.image('sar'), array, west=400_000.0, res=20.0)
    sample = release.read()[0]
    assert sample['image_sar'].shape == (2, 32, 32)


def test_question_beyond_the_context(release: Release) -> None:
    """What CLIP does not read is said once, with how many there are."""
    release.set_cell(2, 'ship ' * 20_000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        release.read()
    said = [str(w.message) for w in caught if 'CLIP' in str(w.message)]
    assert len(said) == 1
    assert said[0].startswith('1 of 8 different questions have more than the 77 tokens')


def test_question_that_just_fits(release: Release) -> None:
    release.set_cell(2, 'ship ' * 75)
    with warnings.catch_warnings():
        warnings.filterwarnings('error', message='.*CLIP')
        release.read()


def test_answer_that_training_lacks(release: Release) -> None:
    """It counts as wrong, it is not dropped."""
    release.set_cell(3, 'a kraken', 'val')
    dataset = OSVQA(release.root, 'val')
    labels = torch.cat([s['label'][s['question_id'] >= 0] for s in release.read('val')])
    assert (labels == len(dataset.answers)).sum() == 1


def test_question_type_that_only_the_test_has(release: Release) -> None:
    release.set_cell(1, 'brand new', 'test')
    dataset = OSVQA(release.root, 'test')
    assert 'brand new' in dataset.question_types
    assert release.read('test')


@pytest.mark.parametrize('split', ['val', 'test'])
def test_split_without_questions(release: Release, split: str) -> None:
    release.annotation(split).write_text('[]')
    with pytest.raises(
        ValueError, match=f'all_{split}_annotation.json holds no question'
    ):
        release.read(split)
    assert release.read()


def test_question_that_stands_there_twice(release: Release) -> None:
    """It is asked twice: the file decides."""
    rows = json.loads(release.annotation().read_text())
    release.annotation().write_text(json.dumps([*rows, rows[2], rows[2]]))
    samples = release.read()
    asked = torch.cat([s['question_id'][s['question_id'] >= 0] for s in samples])
    assert sorted(asked.tolist()) == list(range(38))


def test_rows_that_are_left_out_are_counted(release: Release) -> None:
    release.set_row(['train_0'])
    with pytest.warns(UserWarning, match='1 malformed rows are left out'):
        dataset = OSVQA(release.root, on_error='skip')
    assert len(dataset.table) == 35


def test_vocabulary_of_one_answer(release: Release) -> None:
    rows = json.loads(release.annotation().read_text())
    release.annotation().write_text(json.dumps([[*row[:3], 'yes'] for row in rows]))
    assert OSVQA(release.root).answers == ('yes',)


def test_cache_that_cannot_be_written(
    release: Release, run_python: Callable[..., Any]
) -> None:
    """As on a full disk: the dataset opens, and nothing half written stays."""
    script = (
        'import resource, signal, sys\n'
        'from torchgeo_vqa.datasets import OSVQA\n'
        'signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n'
        'resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n'
        'print(len(OSVQA(sys.argv[1]).table))\n'
    )
    done = run_python('-c', script, release.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == '36'
    assert {p.suffix for p in (release.root / 'annotations').rglob('*.*')} <= {
        '.json',
        '',
    }
    assert len(OSVQA(release.root).table) == 36
