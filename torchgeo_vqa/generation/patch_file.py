# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Writing patches: their images, and every question that may be asked about them."""

import json
import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import from_origin

from ..questions import Question, candidates
from .maps import Maps, OpenMaps
from .plan import Patch

#: Folder of each modality's images.
FOLDERS = {'optical': 'images/rgb', 'sar': 'images/sar'}

# File handles must not be shared among threads
_opened = threading.local()


class Workspace:
    """The folder that a dataset grows in.

    Every file appears under its name only when it is whole, so that after a kill at any
    moment what is there can be kept.
    """

    def __init__(self, root: Path) -> None:
        """Initialize a new Workspace instance.

        Args:
            root: The folder.
        """
        self.root = root
        #: What becomes the dataset.
        self.dataset = root / 'dataset'
        self._questions = root / 'questions'
        self._temporary = root / 'temporary'

    def create(self) -> None:
        """Make the folders."""
        for path in (self._questions, self._temporary, self.dataset / 'annotations'):
            path.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, write: Callable[[Path], object]) -> None:
        """Write a file so that it appears when it is whole.

        Args:
            path: Path of the file.
            write: Writes it to another path.
        """
        temporary = self._temporary / f'{uuid.uuid4().hex}{path.suffix}'
        write(temporary)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, path)

    def write_text(self, path: Path, text: str) -> None:
        """Write a text file so that it appears when it is whole.

        Args:
            path: Path of the file.
            text: What it holds.
        """
        self.write(path, lambda temporary: temporary.write_text(text, encoding='utf-8'))

    def write_json(self, path: Path, content: object) -> None:
        """Write a JSON file so that it appears when it is whole.

        Args:
            path: Path of the file.
            content: What it holds.
        """
        self.write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + '\n')

    def image(self, modality: str, name: str) -> Path:
        """Path of an image.

        Args:
            modality: 'optical' or 'sar'.
            name: Name of the patch.

        Returns:
            Path of a GeoTIFF.
        """
        return self.dataset / FOLDERS[modality] / f'{name}.tif'

    def questions(self, name: str) -> Path:
        """Path of what may be asked about a patch. If the file exists, so do its images.

        Args:
            name: Name of the patch.

        Returns:
            Path of a JSON file.
        """
        # not too many files in one folder
        return self._questions / name[:-3] / f'{name}.json'


def write_patch(maps: Maps, workspace: Workspace, patch: Patch) -> None:
    """Write a patch unless it has been written.

    Args:
        maps: Images and maps.
        workspace: Where to write.
        patch: The patch.
    """
    path = workspace.questions(patch.name)
    if path.exists():
        return
    opened = _open(maps)[patch.zone]
    dataset = opened.dataset
    found = dataset.read(patch.query)
    pool: list[Question] = []
    if found.nodata <= dataset.max_nodata:
        pool = candidates(found.scene, dataset.question_types)
    if pool:
        xmin, _, _, ymax = patch.bounds
        profile: dict[str, Any] = {
            'crs': CRS.from_user_input(dataset.crs),
            'transform': from_origin(xmin, ymax, *dataset.res),
        }
        for modality, image in found.images.items():
            array = _as_type(image.numpy(), opened.dtypes[modality])
            target = workspace.image(modality, patch.name)
            workspace.write(target, lambda file: _write_image(file, array, profile))  # noqa: B023
    rows = [[*q[:3], q.footprint, q.wordings] for q in pool]
    content = {'nodata': found.nodata, 'questions': rows}
    workspace.write_text(path, json.dumps(content, ensure_ascii=False))


def read_questions(path: Path) -> tuple[float, list[Question]]:
    """Read what may be asked about a patch.

    Args:
        path: File that :func:`write_patch` has written.

    Returns:
        Share of its pixels that is not known, and the questions.
    """
    content = json.loads(path.read_bytes())
    pool = [
        Question(kind, text, answer, footprint and tuple(footprint), tuple(wordings))
        for kind, text, answer, footprint, wordings in content['questions']
    ]
    return content['nodata'], pool


def _open(maps: Maps) -> list[OpenMaps]:
    """Open maps once in each thread."""
    if getattr(_opened, 'maps', None) != maps:
        _opened.maps, _opened.zones = maps, maps.open()
    zones: list[OpenMaps] = _opened.zones
    return zones


def _as_type(array: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Give pixels the type of the files they come from."""
    if np.issubdtype(dtype, np.floating):
        return array.astype(dtype)
    limits = np.iinfo(dtype)
    whole = np.rint(np.nan_to_num(array.astype(np.float64)))
    return whole.clip(limits.min, limits.max).astype(dtype)


def _write_image(path: Path, array: NDArray[Any], profile: dict[str, Any]) -> None:
    """Write a GeoTIFF."""
    count, height, width = array.shape
    with rasterio.open(
        path,
        'w',
        driver='GTiff',
        count=count,
        height=height,
        width=width,
        dtype=array.dtype,
        compress='deflate',
        **profile,
    ) as file:
        file.write(array)
