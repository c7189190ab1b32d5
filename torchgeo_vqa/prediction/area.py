# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Asking a trained model about image files: a pair, or every place of an area."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shapely
import torch
from geopandas import GeoDataFrame
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import RasterDataset
from torchgeo.samplers import GriddedPatchSampler
from tqdm import tqdm

from ..callbacks.checkpoint_file import verify_whole
from ..callbacks.prediction import verify_format, write_layer
from ..models import TGFNet_Weights
from ..rasters.coverage import find_gaps, has_data
from ..rasters.image_file import ImageFile
from ..rasters.tile import Tile
from ..rasters.zones import Layers, find_rasters, find_zones, read_header, verify_bands
from ..trainers import VQATask
from .answer import Answer

__all__ = ('ask', 'ask_area', 'ask_pair', 'load_task', 'read_pair')

Paths = str | os.PathLike[str]


def ask(
    questions: Sequence[str],
    optical: Paths | None = None,
    sar: Paths | None = None,
    output: Paths | None = None,
    patch_size: int | None = None,
    stride: int | None = None,
    optical_bands: Sequence[int] | None = None,
    max_nodata: float = 0.5,
    batch_size: int = 16,
    ckpt_path: Paths | None = None,
) -> str:
    """Ask about image files, and say in words what came out.

    Args:
        questions: The questions.
        optical: Optical image, or a folder with some for an area. None: only SAR is
            looked at.
        sar: SAR image, or a folder with some for an area. None: only the optical image
            is looked at.
        output: Layer to write, *.parquet* (GeoParquet) or *.gpkg* (GeoPackage): every
            question is asked about every patch of the area. None: the images are one
            pair, which is asked about as a whole.
        patch_size: Side of a patch of an area, in pixels of the optical image (defaults
            to what the model was trained on).
        stride: Distance of the patches in pixels (defaults to *patch_size*).
        optical_bands: Red, green and blue among the bands of the optical images, counted
            from 1 (defaults to all bands).
        max_nodata: Share of a patch without data beyond which nothing is asked about it.
        batch_size: Number of patches that are looked at together.
        ckpt_path: Checkpoint of :class:`~torchgeo_vqa.trainers.VQATask`. None: the
            weights that come with the package, which know the images and the questions
            of OSVQAMini.

    Returns:
        The answers, or how often each was given and where the layer is.

    Raises:
        OSError: If a file cannot be read or written.
        ValueError: If the files do not fit the model or each other.
    """
    if output is not None:
        verify_format(output)
    task = load_task(ckpt_path)
    if output is None:
        if patch_size is not None or stride is not None:
            raise ValueError(
                'patch_size and stride are those of an area, whose answers need a file: '
                'name one with output, such as answers.parquet'
            )
        answers = ask_pair(task, questions, optical, sar, optical_bands)
        return '\n'.join(
            f'{a.question}  {a.answer} ({a.probability:.0%})' for a in answers
        )
    layer = ask_area(
        task,
        questions,
        optical,
        sar,
        patch_size,
        stride,
        optical_bands,
        max_nodata,
        batch_size,
    )
    write_layer(layer, output)
    lines = []
    for question, rows in layer.groupby('question', sort=False):
        counts = rows['answer'].value_counts()
        found = ', '.join(f'{answer}: {count:,}' for answer, count in counts.items())
        lines.append(f'{question}  {found}')
    return '\n'.join([*lines, f'Layer: {output}'])


def load_task(ckpt_path: Paths | None = None) -> VQATask:
    """Load a task that answers, on the machine's accelerator if it has one.

    Args:
        ckpt_path: Checkpoint of :class:`~torchgeo_vqa.trainers.VQATask`. None: the
            weights that come with the package.

    Returns:
        The task.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no checkpoint of the task, or damaged. Code that it may hold
            is never run.
    """
    if ckpt_path is None:
        task = VQATask.from_weights(TGFNet_Weights.TINY_OSVQA_MINI)
    else:
        verify_whole(ckpt_path)
        try:
            task = VQATask.load_from_checkpoint(Path(ckpt_path), map_location='cpu')
        except (KeyError, RuntimeError, UnpicklingError) as error:
            reason = str(error).partition('\n')[0]
            raise ValueError(
                f'{ckpt_path} is damaged, or no checkpoint of VQATask: {reason}'
            ) from error
    if torch.cuda.is_available():
        return task.to('cuda')
    return task.to('mps') if torch.backends.mps.is_available() else task


def ask_pair(
    task: VQATask,
    questions: Sequence[str],
    optical: Paths | None = None,
    sar: Paths | None = None,
    optical_bands: Sequence[int] | None = None,
) -> list[Answer]:
    """Ask about one pair of image files as a whole.

    Args:
        task: Task that has been trained.
        questions: The questions.
        optical: Optical image, or None if there is none.
        sar: SAR image, or None if there is none. It is warped onto the grid of the
            optical image where the two differ.
        optical_bands: Red, green and blue among the bands of the optical image, counted
            from 1 (defaults to all bands).

    Returns:
        One answer per question.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If an image does not fit the model, or the images have no place in
            common.
    """
    images = read_pair(_given(task, optical, sar), optical_bands)
    return task.ask(images.get('optical'), images.get('sar'), questions)


def read_pair(
    paths: Mapping[str, Paths], optical_bands: Sequence[int] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Read a pair of image files.

    Args:
        paths: File of each modality; the second is warped onto the grid of the first
            where the two differ.
        optical_bands: Red, green and blue among the bands of the optical image, counted
            from 1 (defaults to all bands).

    Returns:
        Image of each modality, shape (C, H, W), NaN where there is no data.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If the images have no place in common, or lack a band.
    """
    files = {}
    for modality, path in paths.items():
        if Path(path).is_dir():
            raise ValueError(
                f'{path} is a folder: name a file, or ask about all of them with output, '
                'such as answers.parquet'
            )
        files[modality] = ImageFile.open(os.fspath(path))
    first = next(iter(files.values()))
    tile = Tile('pair', first.grid, files)
    images = {}
    for modality, file in files.items():
        image = tile.read(modality, file.num_bands).astype(np.float32)
        if not np.isfinite(image).any():
            raise ValueError(
                f'{file.path} has no data'
                if file is first
                else f'{file.path} shows nothing of {first.path}'
            )
        if modality == 'optical' and optical_bands is not None:
            verify_bands(file.path, file.num_bands, optical_bands)
            image = image[np.subtract(optical_bands, 1)]
        images[modality] = image
    return images


def ask_area(
    task: VQATask,
    questions: Sequence[str],
    optical: Paths | None = None,
    sar: Paths | None = None,
    patch_size: int | None = None,
    stride: int | None = None,
    optical_bands: Sequence[int] | None = None,
    max_nodata: float = 0.5,
    batch_size: int = 16,
) -> GeoDataFrame:
    """Ask every question about every patch of an area.

    The area is where all kinds of images are. Patches are cut along the pixels of the
    optical images, in the CRS of each; images in other UTM zones have patches of their
    own.

    Args:
        task: Task that has been trained.
        questions: The questions.
        optical: Optical image or a folder with some, or None if there is none.
        sar: SAR image or a folder with some, or None if there is none.
        patch_size: Side of a patch in pixels (defaults to what the model was trained on).
        stride: Distance of the patches in pixels (defaults to *patch_size*).
        optical_bands: Red, green and blue among the bands of the optical images, counted
            from 1 (defaults to all bands).
        max_nodata: Share of a patch without data beyond which nothing is asked about it,
            in [0, 1].
        batch_size: Number of patches that are looked at together.

    Returns:
        A row for each patch and question: ``question``, ``answer``, ``probability``, the
        weight of each expert, ``expert_weight_<name>``, and ``geometry``, the outline of
        the patch, in the CRS of the images, or in degrees if they have several.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If an image has no CRS or does not fit the model, or the images have
            no place in common.
    """
    given = _given(task, optical, sar)
    assert task.metadata is not None
    size = task.metadata['image_size'] if patch_size is None else patch_size
    stride = size if stride is None else stride
    for name, value in {'patch_size': size, 'stride': stride}.items():
        if value < 1:
            raise ValueError(f'{name} must be at least 1, got {value}')
    files = {m: [read_header(p) for p in find_rasters(x)] for m, x in given.items()}
    if optical_bands is not None:
        for file in files.get('optical', []):
            verify_bands(file.path, file.count, optical_bands)
    layers = []
    for zone in _zones(files, optical_bands):
        patches = list(zone.patches(size, stride))
        read = (zone.read(patch) for patch in tqdm(patches, 'Asking', disable=None))
        known = (patch for patch in read if patch.nodata <= max_nodata)
        for batch in itertools.batched(known, batch_size):
            layers.append(_ask_patches(task, questions, batch, zone.first.crs))
    if not layers:
        raise ValueError(
            f'there is no patch of {size} pixels of which more than '
            f'{1 - max_nodata:.0%} is known: choose a smaller patch_size or a larger '
            'max_nodata'
        )
    if len({layer.crs for layer in layers}) > 1:
        layers = [layer.to_crs('EPSG:4326') for layer in layers]
    layer: GeoDataFrame = pd.concat(layers, ignore_index=True)
    return layer


class _Patch(NamedTuple):
    """Images of a patch.

    Attributes:
        outline: Its outline.
        images: Image of each modality, NaN where there is no data, shape (C, H, W).
        nodata: Share of the patch that some modality does not know.
    """

    outline: shapely.Polygon
    images: dict[str, NDArray[np.float32]]
    nodata: float


@dataclass
class _Zone:
    """Images of one CRS, that of the first modality.

    Attributes:
        datasets: Dataset of each modality.
        area: Where all of them have files.
    """

    datasets: dict[str, RasterDataset]
    area: BaseGeometry

    @property
    def first(self) -> RasterDataset:
        """Dataset whose pixels are kept as they are."""
        return next(iter(self.datasets.values()))

    def patches(self, size: int, stride: int) -> Iterator[tuple[slice, slice]]:
        """List the patches: what to ask the first dataset for."""
        yield from GriddedPatchSampler(
            self.first, size=size, stride=stride, roi=self.area
        )

    def read(self, patch: tuple[slice, slice]) -> _Patch:
        """Read a patch."""
        x, y = patch
        width, height = self.first.res
        time = slice(pd.Timestamp.min, pd.Timestamp.max, 1)
        query = slice(x.start, x.stop, width), slice(y.start, y.stop, height), time
        images = {}
        unknown: Any = False
        for modality, dataset in self.datasets.items():
            image = dataset[query]['image'].float().numpy()
            outside, nodata = find_gaps(dataset, query, image.shape[1:])
            empty = outside | ~has_data(image, nodata)
            images[modality] = np.where(empty, np.float32(np.nan), image)
            unknown |= empty
        outline = shapely.box(x.start, y.start, x.stop, y.stop)
        return _Patch(outline, images, float(unknown.mean()))


def _given(task: VQATask, optical: Paths | None, sar: Paths | None) -> dict[str, Paths]:
    """Return the files of each modality that the model looks at."""
    assert task.metadata is not None
    takes = task.metadata['modalities']
    files = {'optical': optical, 'sar': sar}
    given = {m: path for m, path in files.items() if path is not None}
    unused = [m for m in given if m not in takes]
    if unused or not given:
        raise ValueError(
            f'the model looks at {" and ".join(takes)}, got files of '
            f'{" and ".join(given) or "nothing"}'
        )
    return given


def _zones(files: Layers, optical_bands: Sequence[int] | None) -> list[_Zone]:
    """Open the images: those of each CRS of the first modality together."""
    bands = {} if optical_bands is None else {'optical': optical_bands}
    zones = [_Zone(zone.open(bands), zone.area) for zone in find_zones(files)]
    if not zones:
        raise ValueError(
            'the optical and the SAR images have no place in common; are their '
            'coordinate reference systems right?'
        )
    return zones


def _ask_patches(
    task: VQATask, questions: Sequence[str], patches: Sequence[_Patch], crs: CRS
) -> GeoDataFrame:
    """Ask about some patches."""
    images = {
        modality: np.stack([patch.images[modality] for patch in patches])
        for modality in patches[0].images
    }
    rows = [
        {
            'question': answer.question,
            'answer': answer.answer,
            'probability': answer.probability,
            **{f'expert_weight_{n}': w for n, w in answer.expert_weights.items()},
        }
        for answer in task.ask(images.get('optical'), images.get('sar'), questions)
    ]
    outlines = [patch.outline for patch in patches for _ in questions]
    return GeoDataFrame(rows, geometry=outlines, crs=crs)
