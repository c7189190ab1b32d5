# SPDX-License-Identifier: MIT
"""Fixtures for all tests."""

import ctypes
import gc
import json
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from hypothesis import settings
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

SIZE = 32
RESOLUTION = 10.0

#: Questions of each pair, with an answer for each of two kinds of pairs.
QUESTIONS = (
    ('presence', 'Is there a ship?', ('yes', 'no')),
    ('presence', 'Is there water?', ('yes', 'yes')),
    ('count', 'How many ships are there?', ('2', '0')),
    ('quadrant', 'In which quadrant is the ship?', ('upper left', 'lower right')),
    ('relation', 'Is the ship left of the bridge?', ('yes', 'no')),
    ('relation', 'Where is the ship relative to the bridge?', ('above', 'right')),
    ('modality_quality', 'Which image is more reliable?', ('optical', 'SAR')),
)

#: Pairs of each split.
NUM_PAIRS = {'train': 6, 'val': 2, 'test': 3}

WriteImage = Callable[..., None]

settings.register_profile('long', max_examples=3000, deadline=None)


def pytest_collection_finish() -> None:
    """Do not look through what was imported each time that garbage is collected."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let Python end as it always does."""
    gc.unfreeze()


@pytest.fixture(scope='module', autouse=True)
def freed_memory() -> Iterator[None]:
    """Give the memory of models and trainers back to the system after each module."""
    yield
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:  # of glibc
        trim(0)


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep tests out of the user's cache folder."""
    path = tmp_path_factory.mktemp('cache')
    os.environ['TORCHGEO_VQA_CACHE'] = str(path)
    return path


# --- processes ------------------------------------------------------------------------

#: What a forked process does first: its arguments are those of Python itself.
FORKED = """
import multiprocessing, os, runpy, sys
multiprocessing.set_start_method(None, force=True)  # what a new process has
os.dup2(stdout.fileno(), 1)
os.dup2(stderr.fileno(), 2)
stdout.close()
stderr.close()
os.environ.clear()
os.environ.update(environment)
flag, *arguments = arguments
if flag == '-c':
    code, sys.argv = arguments[0], ['-c', *arguments[1:]]
    exec(code, {'__name__': '__main__'})
elif flag == '-m':
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name='__main__', alter_sys=True)
else:
    sys.argv = [flag, *arguments]
    runpy.run_path(flag, run_name='__main__')
"""


# There is one server, which also starts the workers of data loaders
multiprocessing.set_forkserver_preload(['torchgeo.main', 'torchgeo_vqa.cli'])


class PythonProcess:
    """A process that runs ``python <arguments>``, forked from one with all imports.

    It starts at once, where a new one imports for six seconds. It has the state of a
    process that has imported the package and done nothing else.
    """

    def __init__(self, *arguments: str, **environment: str) -> None:
        """Start a process.

        Args:
            *arguments: Arguments of Python: ``-c <code>``, ``-m <module>`` or a script,
                and what follows.
            **environment: Environment variables beside those of this process.
        """
        context = multiprocessing.get_context('forkserver')
        # pipes, since files would count where a test limits the size of files
        (out, stdout), (err, stderr) = (context.Pipe(duplex=False) for _ in range(2))
        names: dict[str, Any] = {
            'arguments': arguments,
            'environment': {**os.environ, **environment},
            'stdout': stdout,
            'stderr': stderr,
        }
        self.args = arguments
        self.process = context.Process(target=exec, args=(FORKED, names))
        self.process.start()
        stdout.close()
        stderr.close()
        pool = ThreadPoolExecutor(2)
        self.printed = [pool.submit(self._read, pipe) for pipe in (out, err)]

    @staticmethod
    def _read(pipe: Connection) -> str:
        with pipe, open(pipe.fileno(), closefd=False) as file:
            return file.read()

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def wait(self, timeout: float = 300) -> CompletedProcess[str]:
        """Return the exit status and what was printed, once nobody prints any more."""
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
            raise TimeoutExpired(self.args, timeout)
        status = self.process.exitcode
        assert status is not None
        stdout, stderr = (future.result(timeout) for future in self.printed)
        return CompletedProcess(self.args, status, stdout, stderr)


@pytest.fixture(scope='session')
def start_python() -> Callable[..., PythonProcess]:
    """Function that starts Python in the background, see `PythonProcess`."""

    def start(*arguments: object, **environment: str) -> PythonProcess:
        return PythonProcess(*map(str, arguments), **environment)

    return start


@pytest.fixture(scope='session')
def run_python(
    start_python: Callable[..., PythonProcess],
) -> Callable[..., CompletedProcess[str]]:
    """Function that runs Python and waits for its end, see `PythonProcess`."""

    def run(
        *arguments: object, timeout: float = 300, **environment: str
    ) -> CompletedProcess[str]:
        return start_python(*arguments, **environment).wait(timeout)

    return run


# --- images and releases --------------------------------------------------------------


@pytest.fixture(scope='session')
def write_image() -> WriteImage:
    """Function that writes an image, which has a CRS if *west* is given."""

    def write(
        path: Path,
        array: NDArray[Any],
        west: float | None = None,
        north: float = 5_000_000.0,
        crs: str = 'EPSG:32633',
        res: float = RESOLUTION,
        **profile: Any,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if west is not None:
            profile |= {'crs': crs, 'transform': from_origin(west, north, res, res)}
        count, height, width = array.shape
        profile |= {'count': count, 'height': height, 'width': width}
        driver = 'PNG' if path.suffix == '.png' else 'GTiff'
        with warnings.catch_warnings():
            # That a PNG stands nowhere is the point of it
            warnings.simplefilter('ignore', NotGeoreferencedWarning)
            with rasterio.open(
                path, 'w', driver=driver, dtype=array.dtype, **profile
            ) as file:
                file.write(array)

    return write


def _write_release(root: Path, write_image: WriteImage, extension: str) -> Path:
    """Write pairs in the layout of the release: as PNG without CRS, or GeoTIFF."""
    rng = np.random.default_rng(0)
    (root / 'annotations').mkdir(parents=True)
    groups = {}
    west = 400_000.0
    for split, num_pairs in NUM_PAIRS.items():
        rows = []
        for i in range(num_pairs):
            name = f'{split}_{i}'
            groups[name] = ('clear', 'cloudy', 'dark')[i % 3]
            optical = rng.integers(0, 256, (3, SIZE, SIZE), np.uint8)
            sar = rng.normal(-12, 4, (2, SIZE, SIZE)).astype(np.float32)
            place: dict[str, Any] = {'west': west}
            if extension == '.png':
                place = {}
                sar = ((sar[:1] + 40) * 4).clip(0, 255).astype(np.uint8)
            write_image(root / f'images/rgb/{name}{extension}', optical, **place)
            write_image(root / f'images/sar/{name}{extension}', sar, **place)
            # Tiles stand with a gap of a quarter
            west += 1.25 * SIZE * RESOLUTION
            rows += [
                [name, kind, question, answers[i % 2]]
                for kind, question, answers in QUESTIONS[: 5 + i % 3]
            ]
        path = root / f'annotations/all_{split}_annotation.json'
        path.write_text(json.dumps(rows))
    (root / 'annotations/image_groups.json').write_text(json.dumps(groups))
    return root


@pytest.fixture(scope='session')
def release_root(
    tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage
) -> Path:
    """Release layout: 6, 2 and 3 pairs of GeoTIFFs of 32 px, 5 to 7 questions each.

    Optical images are uint8, SAR images float32 in dB with two bands.
    """
    root = tmp_path_factory.mktemp('release') / 'OSVQA_1.0'
    return _write_release(root, write_image, '.tif')


@pytest.fixture(scope='session')
def png_root(tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage) -> Path:
    """Release layout with PNGs, which have no CRS; SAR images have one band."""
    root = tmp_path_factory.mktemp('png') / 'OSVQA_1.0'
    return _write_release(root, write_image, '.png')


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Folder of real data, where there is some."""
    beside = Path(__file__).parents[2] / 'shared' / 'data'
    folder = Path(os.environ.get('TORCHGEO_VQA_SHARED_DATA', beside))
    if not folder.is_dir():
        pytest.skip(
            f'no {folder}: real data is not part of the repository, set TORCHGEO_VQA_SHARED_DATA'
        )
    return folder


@pytest.fixture(scope='session')
def real_data(shared_data: Path) -> Callable[[str], Path]:
    """Finds a folder or a file of the real data, of which a copy may hold a part only."""

    def find(name: str) -> Path:
        path = shared_data / name
        if not path.exists():
            pytest.skip(f'no {path}: real data is not part of the repository')
        return path

    return find


@pytest.fixture(scope='session')
def real_root(real_data: Callable[[str], Path]) -> Path:
    """Real Sentinel-1 and Sentinel-2 pairs in several UTM zones, where there are some."""
    return real_data('ben_in_release_layout')


# --- open datasets, in the format they are published in -------------------------------


def _write_rsvqa(
    root: Path,
    prefix: str,
    splits: dict[str, list[str]],
    questions: list[tuple[str, str, list[str]]],
) -> None:
    """Write RSVQA's split files: in each, entries of other splits are stubs.

    Args:
        root: Folder.
        prefix: What the files' names begin with.
        splits: Original names of the images of each split; ids are counted through.
        questions: Type and text of the questions about each image, and answers that the
            images take turns in.
    """
    root.mkdir(parents=True, exist_ok=True)
    entries: dict[str, list[dict[str, Any]]] = {
        'images': [],
        'questions': [],
        'answers': [],
    }
    owners: dict[str, list[str]] = {kind: [] for kind in entries}
    for split, names in splits.items():
        for name in names:
            img_id, first = len(entries['images']), len(entries['questions'])
            ids = list(range(first, first + len(questions)))
            image: dict[str, Any] = {'id': img_id, 'questions_ids': ids}
            image['original_name'] = name
            entries['images'].append(image | {'active': True})
            owners['images'].append(split)
            for i, (kind, text, answers) in zip(ids, questions, strict=True):
                question: dict[str, Any] = {
                    'id': i,
                    'img_id': img_id,
                    'type': kind,
                    'question': text,
                }
                question |= {'answers_ids': [i], 'active': True}
                answer: dict[str, Any] = {'id': i, 'question_id': i, 'active': True}
                answer['answer'] = answers[img_id % len(answers)]
                entries['questions'].append(question)
                entries['answers'].append(answer)
                owners['questions'].append(split)
                owners['answers'].append(split)
    for split in splits:
        for kind, every in entries.items():
            own = [
                entry if owner == split else {'id': entry['id'], 'active': False}
                for entry, owner in zip(every, owners[kind], strict=True)
            ]
            path = root / f'{prefix}_split_{split}_{kind}.json'
            # Questions as UTF-8, the rest escaped: both are JSON
            text = json.dumps({kind: own}, ensure_ascii=kind != 'questions')
            path.write_text(text, encoding='utf-8')


@pytest.fixture(scope='session')
def rsvqalr_root(
    tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage
) -> Path:
    """RSVQA LR: 4, 1 and 2 images of 32 px, 6 questions each, one of them twice."""
    root = tmp_path_factory.mktemp('rsvqa_lr')
    rng = np.random.default_rng(0)
    names = [f'S2A_MSIL1C_201607{20 + i}T105032_N0204_R051.tif' for i in range(7)]
    splits = {'train': names[:4], 'val': names[4:5], 'test': names[5:]}
    counts = ['0', '7', '10', '11', '100', '1000', '1001']
    questions = [
        ('rural_urban', 'Is it a rural or an urban area', ['rural', 'urban']),
        ('presence', 'Is a café près d\u2019une forêt?', ['yes', 'no']),
        ('count', 'What is the number of roads?', counts),
        ('presence', 'Is there a road?', ['yes']),
        ('presence', 'Is there a road?', ['yes']),
        ('comp', 'Are there more roads than water areas?', ['no', 'yes', 'yes']),
    ]
    _write_rsvqa(root, 'LR', splits, questions)
    for i in range(7):
        image = rng.integers(0, 256, (3, SIZE, SIZE), np.uint8)
        place = {'west': 6e5 + 1000 * i, 'crs': 'EPSG:3857', 'res': 16.5}
        write_image(root / f'Images_LR/{i}.tif', image, **place)
    return root


@pytest.fixture(scope='session')
def rsvqahr_root(
    tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage
) -> Path:
    """RSVQA HR: 3, 1, 1 and 2 images of 32 px without a CRS, 4 questions each."""
    root = tmp_path_factory.mktemp('rsvqa_hr')
    rng = np.random.default_rng(1)
    names = [f'{i}.tif' for i in range(7)]
    splits = {
        'train': names[:3],
        'val': names[3:4],
        'test': names[4:5],
        'test_phili': names[5:],
    }
    areas = ['0m2', '3m2', '10631m2', '10m2', '11m2', '1000m2', '101m2']
    questions = [
        ('area', 'What is the area covered by residential buildings?', areas),
        ('presence', 'Is there a road?', ['yes', 'no']),
        ('count', 'What is the number of buildings?', ['0', '37', '2']),
        ('comp', 'Is the number of roads equal to that of buildings?', ['no', 'yes']),
    ]
    _write_rsvqa(root, 'USGS', splits, questions)
    for i in range(7):
        image = rng.integers(0, 256, (3, SIZE, SIZE), np.uint8)
        write_image(root / f'Data/{i}.tif', image)
    return root


#: Sides in pixels of a patch's bands, a fifth of BigEarthNet's.
BAND_SIZES = {'B02': 24, 'B03': 24, 'B04': 24, 'B08': 24, 'B05': 12, 'B01': 4}


def _write_patch(
    write_image: WriteImage, folder: Path, sizes: dict[str, int], seed: int
) -> None:
    """Write a patch of BigEarthNet, a file for each band, in one of two UTM zones."""
    rng = np.random.default_rng(seed)
    crs = ('EPSG:32629', 'EPSG:32635')[seed % 2]
    for band, size in sizes.items():
        if band in ('VV', 'VH'):
            image = rng.normal(-12, 4, (1, size, size)).astype(np.float32)
        else:
            image = rng.integers(0, 3000, (1, size, size)).astype(np.uint16)
        place = {'west': 4e5 + 1200 * seed, 'crs': crs, 'res': 240 / size}
        write_image(folder / f'{folder.name}_{band}.tif', image, **place)


@pytest.fixture(scope='session')
def rsvqaxben_root(
    tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage
) -> Path:
    """RSVQAxBEN over BigEarthNet v1: 3, 1 and 2 pairs of 24 px, 5 questions each."""
    root = tmp_path_factory.mktemp('rsvqaxben')
    # Older names leave out the hour's leading zero
    names = [f'S2A_MSIL2A_201706{10 + i}T{93021 + i}_{i}_{2 * i}' for i in range(6)]
    splits = {'train': names[:3], 'val': names[3:4], 'test': names[4:]}
    questions = [
        ('presence', 'Are there some água or pastures in the scene?', ['yes', 'no']),
        ('presence', 'Are there some forests?', ['no', 'yes', 'yes']),
        ('presence', 'Are there some forests?', ['no', 'yes', 'yes']),
        ('LC', 'What classes are in the scene?', ['sea', 'forests and water bodies']),
        ('LC', 'Besides pastures, what classes are in the scene?', ['sea']),
    ]
    _write_rsvqa(root, 'RSVQAxBEN', splits, questions)
    for i, name in enumerate(names):
        _write_patch(write_image, root / 'BigEarthNet-v1.0' / name, BAND_SIZES, i)
        # In another order than Sentinel-2's
        radar = f'S1{"BA"[i % 2]}_IW_GRDH_1SDV_201706{20 - i}T165043_33UUP_{i}_{2 * i}'
        folder = root / 'BigEarthNet-S1-v1.0' / radar
        _write_patch(write_image, folder, {'VV': 24, 'VH': 24}, i)
        metadata = {'labels': ['Sea'], 'corresponding_s2_patch': name}
        path = folder / f'{radar}_labels_metadata.json'
        path.write_text(json.dumps(metadata))
    return root


@pytest.fixture(scope='session')
def bigearthnettext_root(
    tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage
) -> Path:
    """BigEarthNet.txt over BigEarthNet v2: 3, 1, 1 and 1 pairs of 24 px, 7 texts each."""
    root = tmp_path_factory.mktemp('bigearthnettext')
    splits = ['train', 'train', 'train', 'validation', 'test', 'bench']
    texts = [
        ('binary', 'presence', 'Is there água in the image?', ['yes', 'no']),
        ('binary', 'adjacency', 'Does water touch pastures?', ['no', 'yes', 'yes']),
        ('binary', 'adjacency', 'Does water touch pastures?', ['no', 'yes', 'yes']),
        ('mcq', 'season', 'Which season is it: a) summer, b) winter?', ['a', 'b']),
        ('mcq', 'count', 'How many fields are there: a) 1, b) 2, c) 3?', ['c']),
        ('captioning', 'None', 'Describe the image.', ['A coast in summer.']),
        ('bounding box', 'point', 'What is at (0.1, 0.2)?', ['[0.0 0.0, 0.5 0.4]']),
    ]
    rows: list[dict[str, Any]] = []
    for i, split in enumerate(splits):
        scene = f'S2A_MSIL2A_2017061{i}T101031_N9999_R022_T33UUP'
        patch = f'{scene}_{i}_{2 * i}'
        radar = f'S1B_IW_GRDH_1SDV_2017062{i}T165043_33UUP_{i}_{2 * i}'
        folder = root / 'BigEarthNet-S2' / scene / patch
        _write_patch(write_image, folder, BAND_SIZES, i)
        folder = root / 'BigEarthNet-S1' / radar.rsplit('_', 3)[0] / radar
        _write_patch(write_image, folder, {'VV': 24, 'VH': 24}, i)
        for kind, category, text, answers in texts:
            row = {'ID': 10 * len(rows), 's1_name': radar, 'patch_id': patch}
            row |= {'input': text, 'output': answers[i % len(answers)]}
            row |= {'type': kind, 'category': category, 'split': split}
            row |= {'latitude': 47.0, 'longitude': 15.0, 'country': 'Austria'}
            row |= {'season': 'summer', 'climate_zone': 'cold, no dry season'}
            rows.append(row)
    # The splits are not in one piece
    frame = pd.DataFrame(rows).sort_values(['category', 'ID'])
    frame.to_parquet(root / 'BigEarthNet.txt.parquet', index=False)
    return root


@pytest.fixture(scope='session')
def maps_root(
    tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage
) -> Path:
    """Two places of 96 px in two UTM zones: optical, SAR, labels and names of classes."""
    root = tmp_path_factory.mktemp('maps')
    rng = np.random.default_rng(0)
    for name, crs in (('east', 'EPSG:32633'), ('west', 'EPSG:32631')):
        # fields of 12 px
        labels = rng.integers(1, 4, (1, 8, 8), np.uint8).repeat(12, 1).repeat(12, 2)
        optical = np.concatenate([labels * 60, 255 - labels * 60, labels * 7])
        optical += rng.integers(0, 9, optical.shape, np.uint8)
        sar = (-5.0 * labels + rng.normal(0, 1, (2, 96, 96))).astype(np.float32)
        # not a multiple of the pixel, as real origins are
        place: dict[str, Any] = {'west': 400_003.7, 'north': 5_000_001.3, 'crs': crs}
        for folder, array in (('optical', optical), ('sar', sar), ('labels', labels)):
            write_image(root / folder / f'{name}.tif', array, **place)
    (root / 'classes.yaml').write_text('{1: water, 2: trees, 3: crops}\n')
    return root
