# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""OSVQAMini, a small synthetic dataset in the layout of OSVQA, made on first use."""

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pyproj
from numpy.typing import NDArray
from torchgeo.datasets.utils import Sample
from tqdm import tqdm

from ..questions import Question, Scene, candidates, draw_balanced
from ..storage import cache_folder
from ..synthetic.area import RESOLUTION, write_image
from ..synthetic.landscape import make_scene
from ..synthetic.optical import render_optical
from ..synthetic.sar import render_sar
from .osvqa import OSVQA

#: Changes whenever the same seed gives other pixels or other questions.
VERSION = 1

#: Scenes of each split by default.
NUM_SCENES: Mapping[str, int] = {'train': 2400, 'val': 200, 'test': 400}

#: Question types of the dataset, whatever else is registered.
NAMES = (
    'adjacency',
    'area_share',
    'land_cover_count',
    'land_cover_presence',
    'larger_area',
    'main_land_cover',
    'modality_quality',
    'more_frequent',
    'object_count',
    'object_presence',
    'object_quadrant',
    'object_relation',
    'object_surroundings',
    'objects_near_land_cover',
    'quadrant_land_cover',
    'rural_urban',
)

SPLITS = ('train', 'val', 'test')

# scenes of a split lie on rows of 100, splits 200 km apart
_WEST, _SOUTH, _COLUMNS, _SPLIT_DISTANCE = 400_000.0, 5_000_000.0, 100, 200_000.0
# empty pixels between two scenes
_GAP = 16


def scene_of(name: str, seed: int = 0, size: int = 64) -> Scene:
    """Scene behind an image, derived anew from the seed.

    Args:
        name: Image name, such as ``'train_00012'``.
        seed: Seed the dataset was made with.
        size: Side of the images in pixels.

    Returns:
        The truth its questions were derived from.
    """
    split, index = _parse(name)
    return make_scene(_rng(seed, split, index, 0), size)


def draw_scene(
    name: str, seed: int = 0, size: int = 64
) -> tuple[Scene, NDArray[np.uint8], NDArray[np.float32]]:
    """Scene behind an image and its two images.

    Args:
        name: Image name, such as ``'train_00012'``.
        seed: Seed the dataset was made with.
        size: Side of the images in pixels.

    Returns:
        The scene, the (3, H, W) optical image and the (2, H, W) SAR image in dB.
    """
    split, index = _parse(name)
    scene = scene_of(name, seed, size)
    optical = render_optical(scene, _rng(seed, split, index, 1))
    return scene, optical, render_sar(scene, _rng(seed, split, index, 2))


def generate(
    root: str | os.PathLike[str],
    seed: int = 0,
    size: int = 64,
    num_scenes: Mapping[str, int] = NUM_SCENES,
    num_workers: int | None = None,
    progress: bool = True,
) -> None:
    """Write the dataset: images, questions and image groups of every split.

    The same arguments give the same bytes, whatever the number of workers. The folder
    appears only when it is complete.

    Args:
        root: Folder to create.
        seed: Seed of everything that is random.
        size: Side of the images in pixels.
        num_scenes: Number of scenes of each split.
        num_workers: Number of processes, one per core by default; 0 or 1 stays in this process.
        progress: Whether to show a progress bar.

    Raises:
        FileExistsError: If *root* exists.
        ValueError: If a split, a number of scenes or the size is impossible.
    """
    root = Path(root)
    if root.exists():
        raise FileExistsError(f'{root} exists; remove it or choose another folder')
    if unknown := sorted(set(num_scenes) - set(SPLITS)):
        raise ValueError(f'num_scenes may name the splits {SPLITS}, got {unknown}')
    most = int(_SPLIT_DISTANCE / RESOLUTION) // (size + _GAP) * _COLUMNS
    if too_many := {s: n for s, n in num_scenes.items() if not 0 <= n <= most}:
        raise ValueError(
            f'a split holds 0 to {most} scenes of {size} pixels, got {too_many}'
        )
    if size < 32 or size % 2:
        raise ValueError(f'size must be even and at least 32, got {size}')

    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f'.{root.name}-', dir=root.parent))
    try:
        for folder in ('annotations', 'images/rgb', 'images/sar'):
            (building / folder).mkdir(parents=True)
        names = [
            f'{split}_{i:05d}'
            for split in SPLITS
            for i in range(num_scenes.get(split, 0))
        ]
        pools, groups = _write_scenes(
            building, names, seed, size, num_workers, progress
        )
        for code, split in enumerate(SPLITS):
            if split in num_scenes:
                members = [
                    i for i, name in enumerate(names) if _parse(name)[0] == split
                ]
                drawn = draw_balanced(
                    [pools[i] for i in members], np.random.default_rng([seed, code])
                )
                rows = [
                    [names[i], *q[:3]]
                    for i, questions in zip(members, drawn, strict=True)
                    for q in questions
                ]
                _write_json(building / f'annotations/all_{split}_annotation.json', rows)
        _write_json(
            building / 'annotations/image_groups.json',
            dict(zip(names, groups, strict=True)),
        )
        _write_json(building / 'manifest.json', manifest(seed, size, num_scenes))
        # mkdtemp makes it private; a dataset folder is as open as any other
        building.chmod(root.parent.stat().st_mode & 0o777)
        try:
            building.rename(root)
        except OSError:
            # another process was faster; what it wrote is the same
            if not (root / 'manifest.json').exists():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def manifest(seed: int, size: int, num_scenes: Mapping[str, int]) -> dict[str, object]:
    """What a folder made with these arguments says about itself."""
    return {
        'generator': 'torchgeo-vqa OSVQAMini',
        'version': VERSION,
        'seed': seed,
        'size': size,
        'num_scenes': {
            split: num_scenes[split] for split in SPLITS if split in num_scenes
        },
    }


def _write_scenes(
    root: Path,
    names: list[str],
    seed: int,
    size: int,
    num_workers: int | None,
    progress: bool,
) -> tuple[list[list[Question]], list[str]]:
    """Write all images; return candidates and group of each scene."""
    if num_workers is None:
        num_workers = min(os.cpu_count() or 1, len(names) // 32)
    job = partial(_write_scene, str(root), seed, size)
    bar = partial(
        tqdm,
        total=len(names),
        desc='Making OSVQAMini',
        unit='scene',
        mininterval=0.5,
        disable=None if progress else True,  # None: unless it goes to a terminal
    )
    if num_workers <= 1:
        results = list(bar(map(job, names)))
    else:
        # Forked workers start at once; spawned ones would spend longer on importing PyTorch
        # than on their work. Python warns of forking with PyTorch's threads about, but the
        # workers run nothing but NumPy and GDAL.
        method = 'fork' if sys.platform == 'linux' else 'spawn'
        context = multiprocessing.get_context(method)
        with (
            warnings.catch_warnings(),
            ProcessPoolExecutor(num_workers, mp_context=context) as pool,
        ):
            warnings.filterwarnings('ignore', '.*fork', DeprecationWarning)
            results = list(bar(pool.map(job, names, chunksize=16)))
    return [pool for pool, _ in results], [group for _, group in results]


def _write_scene(
    root: str, seed: int, size: int, name: str
) -> tuple[list[Question], str]:
    """Write the pair of images of a scene; return its candidates and group."""
    split, index = _parse(name)
    scene, optical, sar = draw_scene(name, seed, size)
    row, column = divmod(index, _COLUMNS)
    pitch = (size + _GAP) * RESOLUTION
    north = (
        _SOUTH + SPLITS.index(split) * _SPLIT_DISTANCE + row * pitch + size * RESOLUTION
    )
    corner = _WEST + column * pitch, north
    write_image(f'{root}/images/rgb/{name}.tif', optical, corner)
    write_image(f'{root}/images/sar/{name}.tif', sar, corner)
    return candidates(scene, NAMES), str(scene.condition)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding='utf-8')


def _parse(name: str) -> tuple[str, int]:
    """Split and number in an image name."""
    split, _, number = name.partition('_')
    if split not in SPLITS or not number.isdigit():
        raise ValueError(f'an OSVQAMini image is named like train_00012, got {name!r}')
    return split, int(number)


def _rng(seed: int, split: str, index: int, stream: int) -> np.random.Generator:
    """Generator that depends on the scene only, not on which process makes it or how many there are."""
    return np.random.default_rng([seed, SPLITS.index(split), index, stream])


class OSVQAMini(OSVQA):
    """OSVQAMini, a synthetic dataset to try things out: nothing to download.

    Places are made up, pair by pair: land cover with natural borders, ships, bridges,
    buildings and storage tanks on plausible ground, an optical image with clouds or in
    the dark more often than not, and a SAR image with speckle. Questions of sixteen types
    are derived from the land-cover raster and the list of objects, so every answer is
    true, and balanced, so that no type can be answered without looking.

    Dataset features:

    * 2,400 pairs for training, 200 for validation, 400 for testing, about 32 questions
      each
    * optical images: 64 x 64 px of 10 m, three bands, uint8; 45 % clear, 30 % cloudy,
      25 % dark
    * SAR images: VV and VH in dB

    Dataset format: as :class:`OSVQA`, in GeoTIFFs, in a folder named after version and
    arguments. It is made on first use, in about 15 seconds on two cores; the same
    arguments always give the same bytes.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        split: Literal['train', 'val', 'test'] = 'train',
        *,
        seed: int = 0,
        size: int = 64,
        num_scenes: Mapping[str, int] | None = None,
        modalities: Sequence[str] = ('optical', 'sar'),
        question_types: Sequence[str] | None = None,
        questions_per_sample: int | None = None,
        num_answers: int | None = None,
        answers: Sequence[str] | None = None,
        crs: pyproj.CRS | str | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[Sample], Sample] | None = None,
        cache: bool = True,
        on_error: Literal['raise', 'skip'] = 'raise',
    ) -> None:
        """Initialize a new OSVQAMini instance.

        Args:
            root: Folder to keep the dataset's folder in (defaults to the user's cache
                folder).
            split: One of 'train', 'val' or 'test'.
            seed: Seed the scenes are made from.
            size: Side of an image in pixels.
            num_scenes: Number of scenes of each split (defaults to 2,400 for 'train', 200
                for 'val' and 400 for 'test').
            modalities: 'optical', 'sar' or both.
            question_types: Question types to return (defaults to all).
            questions_per_sample: Number of questions drawn at random for each sample
                (defaults to all of them).
            num_answers: Size of the vocabulary, the most frequent answers of the training
                split (defaults to all of them).
            answers: The vocabulary itself, such as that of a checkpoint.
            crs: :term:`coordinate reference system (CRS)` of the index and of what is
                warped (defaults to that of the images).
            res: Resolution in units of *crs* (defaults to that of the images).
            transforms: A function/transform that takes an input sample and returns a
                transformed version.
            cache: Whether to keep decoded images in memory.
            on_error: As in :class:`OSVQA`.

        Raises:
            FileExistsError: If the folder is there but holds something else.
            ValueError: If an argument is invalid.
        """
        num_scenes = NUM_SCENES if num_scenes is None else num_scenes
        self.seed, self.size = seed, size
        expected = manifest(seed, size, num_scenes)
        numbers = '-'.join(str(num_scenes.get(s, 0)) for s in SPLITS)
        parent = cache_folder() if root is None else Path(root)
        folder = parent / f'osvqa_mini_v{VERSION}_seed{seed}_{size}px_{numbers}'
        if not folder.exists():
            generate(folder, seed, size, num_scenes)
        found = folder / 'manifest.json'
        if not found.exists() or json.loads(found.read_text()) != expected:
            raise FileExistsError(
                f'{folder} is not what these arguments make; remove it or choose another '
                'root'
            )
        super().__init__(
            folder,
            split,
            modalities=modalities,
            question_types=question_types,
            questions_per_sample=questions_per_sample,
            num_answers=num_answers,
            answers=answers,
            crs=crs,
            res=res,
            transforms=transforms,
            cache=cache,
            on_error=on_error,
        )

    def scene(self, name: str) -> Scene:
        """Truth behind an image.

        Args:
            name: Image name, as :meth:`location` returns it.

        Returns:
            The scene its images and questions were made from.
        """
        return scene_of(name, self.seed, self.size)
