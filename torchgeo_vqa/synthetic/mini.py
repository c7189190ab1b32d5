# SPDX-License-Identifier: MIT
"""The embedded sample: scenes, images and questions of OSVQAMini."""

import json
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..questions import Question, Scene, candidates, draw_balanced, question_types
from ..sample import SPLITS
from ..storage import verify_free, whole_folder
from .area import RESOLUTION, write_image
from .landscape import make_scene
from .optical import render_optical
from .sar import render_sar

#: Changes whenever the same seed gives other pixels or other questions.
VERSION = 1

#: Scenes of each split by default.
NUM_SCENES: Mapping[str, int] = {'train': 2400, 'val': 200, 'test': 400}

#: Question types of the sample, whatever else is registered.
TYPES = question_types.TYPES

# Scenes of a split lie on rows of 100, splits 200 km apart
_WEST, _SOUTH, _COLUMNS, _SPLIT_DISTANCE = 400_000.0, 5_000_000.0, 100, 200_000.0
# Empty pixels between two scenes
_GAP = 16


def scene_of(name: str, seed: int = 0, size: int = 64) -> Scene:
    """Make the scene behind an image such as ``'train_00012'``, from the seed."""
    return make_scene(_rng(seed, name, 0), size)


def draw_scene(
    name: str, seed: int = 0, size: int = 64
) -> tuple[Scene, NDArray[np.uint8], NDArray[np.float32]]:
    """Make a scene, its (3, H, W) optical image and its (2, H, W) SAR image in dB."""
    scene = scene_of(name, seed, size)
    optical = render_optical(scene, _rng(seed, name, 1))
    return scene, optical, render_sar(scene, _rng(seed, name, 2))


def generate(
    root: str | os.PathLike[str],
    seed: int = 0,
    size: int = 64,
    num_scenes: Mapping[str, int] = NUM_SCENES,
    num_workers: int | None = None,
    progress: bool = True,
) -> None:
    """Write the sample: images of *size* pixels, questions and image groups of every split.

    The same arguments give the same bytes, whatever the number of workers (defaults to one
    per core). The folder appears when it is complete. If another process is faster, its
    folder stays. Raise a FileExistsError if *root* exists before, a ValueError if a split,
    a number of scenes or the size is impossible.
    """
    root = Path(root)
    verify_free(root)
    _verify(num_scenes, size)
    made_with = manifest(seed, size, num_scenes)
    try:
        with whole_folder(root) as folder:
            for name in ('annotations', 'images/rgb', 'images/sar'):
                (folder / name).mkdir(parents=True)
            names = {
                split: [f'{split}_{i:05d}' for i in range(num_scenes[split])]
                for split in SPLITS
                if split in num_scenes
            }
            job = partial(_write_scene, str(folder), seed, size)
            scenes = [name for split in names.values() for name in split]
            results = _map(job, scenes, num_workers, progress)
            written = dict(zip(scenes, results, strict=True))
            groups = {name: group for name, (_, group) in written.items()}
            files = {'annotations/image_groups': groups, 'manifest': made_with}
            for split, of_split in names.items():
                rng = np.random.default_rng([seed, SPLITS.index(split)])
                drawn = draw_balanced([written[name][0] for name in of_split], rng)
                files[f'annotations/all_{split}_annotation'] = [
                    [name, *question[:3]]
                    for name, questions in zip(of_split, drawn, strict=True)
                    for question in questions
                ]
            for file, content in files.items():
                path = folder / f'{file}.json'
                path.write_text(json.dumps(content), encoding='utf-8')
    except FileExistsError:
        if not holds(root, made_with):
            raise


def manifest(seed: int, size: int, num_scenes: Mapping[str, int]) -> dict[str, object]:
    """Return what a folder made with these arguments says in its ``manifest.json``."""
    return {
        'generator': 'torchgeo-vqa OSVQAMini',
        'version': VERSION,
        'seed': seed,
        'size': size,
        'num_scenes': {s: num_scenes[s] for s in SPLITS if s in num_scenes},
    }


def holds(root: Path, made_with: Mapping[str, object]) -> bool:
    """Tell whether a folder is complete and made with the arguments of a :func:`manifest`."""
    path = root / 'manifest.json'
    return path.exists() and json.loads(path.read_text()) == made_with


def _verify(num_scenes: Mapping[str, int], size: int) -> None:
    """Raise a ValueError if a split, a number of scenes or the size is impossible."""
    if unknown := sorted(set(num_scenes) - set(SPLITS)):
        raise ValueError(f'num_scenes may name the splits {SPLITS}, got {unknown}')
    most = int(_SPLIT_DISTANCE / RESOLUTION) // (size + _GAP) * _COLUMNS
    if too_many := {s: n for s, n in num_scenes.items() if not 0 <= n <= most}:
        raise ValueError(
            f'a split holds 0 to {most} scenes of {size} pixels, got {too_many}'
        )
    if size < 32 or size % 2:
        raise ValueError(f'size must be even and at least 32, got {size}')


def _map[T](
    job: Callable[[str], T], names: list[str], num_workers: int | None, progress: bool
) -> list[T]:
    """Run a job for each scene, in processes of their own, and show the progress."""
    if num_workers is None:
        num_workers = min(os.cpu_count() or 1, len(names) // 32)
    bar = partial(
        tqdm,
        total=len(names),
        desc='Making OSVQAMini',
        unit='scene',
        mininterval=0.5,
        disable=None if progress else True,  # None: unless it goes to a terminal
    )
    if num_workers <= 1:
        return list(bar(map(job, names)))
    # Forked workers start at once; spawned ones would spend longer on importing PyTorch
    # than on their work. Python warns of forking with PyTorch's threads about, but the
    # workers run nothing but NumPy and GDAL.
    method = 'fork' if sys.platform == 'linux' else 'spawn'
    context = multiprocessing.get_context(method)
    # tqdm's process_map would count the chunks, not the scenes
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.filterwarnings('ignore', '.*fork', DeprecationWarning)
        pool = ProcessPoolExecutor(num_workers, mp_context=context)
        stack.callback(pool.shutdown, cancel_futures=True)  # at Ctrl-C
        return list(bar(pool.map(job, names, chunksize=4)))


def _write_scene(
    root: str, seed: int, size: int, name: str
) -> tuple[list[Question], str]:
    """Write the images of a scene; return all its questions and its group."""
    split, index = _parse(name)
    scene, optical, sar = draw_scene(name, seed, size)
    row, column = divmod(index, _COLUMNS)
    pitch = (size + _GAP) * RESOLUTION
    north = _SOUTH + split * _SPLIT_DISTANCE + row * pitch + size * RESOLUTION
    corner = _WEST + column * pitch, north
    write_image(f'{root}/images/rgb/{name}.tif', optical, corner)
    write_image(f'{root}/images/sar/{name}.tif', sar, corner)
    return candidates(scene, TYPES), str(scene.condition)


def _parse(name: str) -> tuple[int, int]:
    """Parse the numbers of the split and of the scene from an image name."""
    split, _, number = name.partition('_')
    if split not in SPLITS or not number.isdigit():
        raise ValueError(f'an OSVQAMini image is named like train_00012, got {name!r}')
    return SPLITS.index(split), int(number)


def _rng(seed: int, name: str, stream: int) -> np.random.Generator:
    """Make a generator that depends on nothing but the scene and what is drawn."""
    return np.random.default_rng([seed, *_parse(name), stream])
