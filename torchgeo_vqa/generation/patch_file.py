# SPDX-License-Identifier: MIT
"""Writing patches: their images, and every question that may be asked about them."""

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import from_origin

from ..datasets.map_source import MapSource, OpenMaps
from ..questions import Question, candidates
from ..storage import (
    scratch_folder,
    verify_free,
    whole_folder,
    write_geotiff,
    write_json,
)
from .plan import Patch

#: Folder of each modality's images.
FOLDERS = {'optical': 'images/rgb', 'sar': 'images/sar'}

#: What a folder says about itself.
MANIFEST = 'manifest.json'

#: Who says it.
GENERATOR = 'torchgeo-vqa generate'

# File handles must not be shared among threads
_opened = threading.local()


class Workspace:
    """The folder that a dataset grows in.

    Every file appears under its name only when it is whole, so that after a kill at any
    moment what is there can be kept. It is known by its manifest, the arguments that the
    dataset is made with.
    """

    def __init__(self, root: Path) -> None:
        """Initialize a new Workspace instance."""
        self.root = root
        #: What becomes the dataset.
        self.dataset = root / 'dataset'
        self._questions = root / 'questions'

    def verify(self, manifest: dict[str, Any]) -> bool:
        """Tell whether it is there; raise a FileExistsError if it is not this dataset's."""
        if not os.path.lexists(self.root):
            return False
        found = None if self.root.is_symlink() else read_json(self.root / MANIFEST)
        if found == manifest:
            return True
        state = 'was begun with other arguments or other files'
        if not isinstance(found, dict) or found.get('generator') != GENERATOR:
            state = f'is in the way, and `{GENERATOR}` has not made it'
        raise FileExistsError(
            f'{self.root} {state}; remove it, or choose another output'
        )

    def create(self, manifest: dict[str, Any]) -> None:
        """Make the folders."""
        with whole_folder(self.root) as folder:
            own = Workspace(folder)
            for path in (own._questions, own.dataset / 'annotations'):
                path.mkdir(parents=True)
            for path in (own.root, own.dataset):
                write_json(path / MANIFEST, manifest, indent=1)

    def remove(self) -> None:
        """Remove everything, so that no part of it is left without the manifest."""
        with scratch_folder(self.root) as folder:
            self.root.rename(folder / self.root.name)

    def finish(self, output: Path) -> None:
        """Give the dataset its name, and remove everything else."""
        # of killed workers, which may have been on other machines
        for leftover in self.dataset.rglob('.*.torchgeo-vqa-*'):
            leftover.unlink(missing_ok=True)
        verify_free(output)
        self.dataset.rename(output)
        self.remove()

    def image(self, modality: str, name: str) -> Path:
        """Return the path of an image, a GeoTIFF."""
        return self.dataset / FOLDERS[modality] / f'{name}.tif'

    def questions(self, name: str) -> Path:
        """Return the path of what may be asked about a patch: if it exists, so do its images."""
        # not too many files in one folder
        return self._questions / name[:-3] / f'{name}.json'


def write_patch(
    source: MapSource,
    question_types: Sequence[str] | None,
    workspace: Workspace,
    patch: Patch,
) -> None:
    """Write the images and all questions of a patch unless it has been written."""
    path = workspace.questions(patch.name)
    if path.exists():
        return
    opened = _open(source, question_types)[patch.zone]
    dataset = opened.dataset
    found = dataset.read(patch.query)
    pool: list[Question] = []
    if found.nodata <= dataset.max_nodata:
        pool = candidates(found.scene, dataset.question_types)
    if pool:
        xmin, _, _, ymax = patch.bounds
        profile = {
            'crs': CRS.from_user_input(dataset.crs),
            'transform': from_origin(xmin, ymax, *dataset.res),
            'compress': 'deflate',
        }
        for modality, image in found.images.items():
            array = _as_type(image.numpy(), opened.dtypes[modality])
            known = None
            if array.dtype.kind != 'f':  # which has no NaN
                known = ~image.isnan().any(dim=0).numpy()
            path_of_image = workspace.image(modality, patch.name)
            write_geotiff(path_of_image, array, known, **profile)
    rows = [[*q[:3], q.footprint, q.wordings] for q in pool]
    write_json(path, {'nodata': found.nodata, 'questions': rows})


def read_questions(path: Path) -> tuple[float, list[Question]]:
    """Read what :func:`write_patch` wrote: the share without data, and the questions."""
    content = json.loads(path.read_bytes())
    pool = [
        Question(name, text, answer, footprint and tuple(footprint), tuple(wordings))
        for name, text, answer, footprint, wordings in content['questions']
    ]
    return content['nodata'], pool


def read_json(path: Path) -> Any:
    """Read a JSON file, None if there is none."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _open(source: MapSource, question_types: Sequence[str] | None) -> list[OpenMaps]:
    """Open maps once in each thread."""
    key = source.map_files, source.map_options, question_types
    if getattr(_opened, 'key', None) != key:
        _opened.key, _opened.zones = key, source.open_zones(question_types)
    zones: list[OpenMaps] = _opened.zones
    return zones


def _as_type(array: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Give pixels the type of the files they come from."""
    if np.issubdtype(dtype, np.floating):
        return array.astype(dtype)
    limits = np.iinfo(dtype)
    whole = np.rint(np.nan_to_num(array.astype(np.float64)))
    return whole.clip(limits.min, limits.max).astype(dtype)
