# SPDX-License-Identifier: MIT
"""Base class for datasets of image pairs with questions."""

import abc
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, override

import numpy as np
import torch
from geopandas import GeoSeries
from numpy.typing import NDArray
from pyproj import CRS
from torchgeo.datasets import DatasetNotFoundError
from torchgeo.datasets.utils import Path as PathLike
from torchgeo.datasets.utils import Sample

from ..annotations import vocabulary
from ..annotations.question_table import Ids, QuestionTable
from ..rasters.footprint_index import Rows
from ..rasters.pairing import OPTICAL_BANDS, Opener, Tile, pair_images
from ..sample import SPLITS
from .pair_dataset import PairDataset
from .vqa_dataset import VQADataset

OnError = Literal['raise', 'skip']


@dataclass(frozen=True)
class Release:
    """Files of a dataset, and how to read them."""

    #: The folder where the dataset really is.
    folder: Path
    #: Returns the file that holds the questions of a split, for messages.
    annotation: Callable[[str], Path]
    #: Reads the questions of a split, None if they are not there.
    read_questions: Callable[[str, OnError], QuestionTable | None]
    open_image: Opener
    #: Returns where a pair is named, given its name and the first row that names it.
    source: Callable[[str, int], str]
    #: Group of each pair by its name, where it is known.
    groups: Mapping[str, str] = field(default_factory=dict)
    #: Texts with the time of acquisition of pairs, where their names have none.
    times: Mapping[str, str] = field(default_factory=dict)
    optical_bands: int = OPTICAL_BANDS


class PairVQA(VQADataset, PairDataset):
    """Base class for datasets of pairs of images, each with its questions.

    A subclass knows file formats only: :meth:`_open` returns its :class:`Release`, which
    reads the questions of a split and opens images. Answers, vocabulary and samples are
    the same for all, so models and trainers work on any of them.

    A sample is a location with its images and its questions, a dictionary of tensors:

    =================  ===============  ==============================================
    key                shape            meaning
    =================  ===============  ==============================================
    ``image_optical``  (3, H, W)        optical image, in the units of the file
    ``image_sar``      (C, H, W)        SAR image, in the units of the file
    ``question``       (K, 77)          token ids, padded by 0
    ``question_type``  (K,)             index into :attr:`question_types`
    ``question_id``    (K,)             row of :attr:`table`
    ``label``          (K,)             index into :attr:`answers`, or ``len(answers)``
                                        if the answer is not among them
    ``group``          (K,)             index into :attr:`groups`, -1 if unknown; there
                                        only if the dataset has groups
    ``bounds``         (9,)             the query
    ``transform``      (9,)             from pixels to coordinates
    =================  ===============  ==============================================

    Padding is -1 in all but ``question``.

    A query for a whole tile returns the pixels of the files as they are, whatever
    their CRS. Others are warped and merged as in :class:`~torchgeo.datasets.RasterDataset`,
    with the questions of tiles that lie entirely inside: a crop changes counts.

    Images without a CRS stand on a grid of their own, whose unit is the pixel. They cannot
    be combined with images that have one.
    """

    #: How to get the dataset.
    instructions: ClassVar[str] = ''

    #: Splits of the dataset; the vocabulary is that of 'train'.
    splits: ClassVar[tuple[str, ...]] = SPLITS

    def __init__(
        self,
        root: PathLike,
        split: str = 'train',
        *,
        modalities: Sequence[str] | None = None,
        question_types: Sequence[str] | None = None,
        questions_per_sample: int | None = None,
        num_answers: int | None = None,
        answers: Sequence[str] | None = None,
        crs: CRS | str | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[Sample], Sample] | None = None,
        cache: bool = True,
        on_error: OnError = 'raise',
    ) -> None:
        """Initialize a new PairVQA instance.

        Args:
            root: The dataset's folder.
            split: One of :attr:`splits`.
            modalities: Some of :attr:`all_modalities` (defaults to all). Images of others
                are not needed.
            question_types: Question types to return (defaults to all).
            questions_per_sample: Number of questions drawn at random for each sample
                (defaults to all of them).
            num_answers: Size of the vocabulary, the most frequent answers of the training
                split (defaults to all of them).
            answers: The vocabulary itself, such as that of a checkpoint.
            crs: :term:`coordinate reference system (CRS)` of the index and of what is
                warped (defaults to that of the first image).
            res: Resolution in units of *crs* (defaults to that of the first image).
                If it is another, whole tiles are resampled, too.
            transforms: A function/transform that takes an input sample and returns a
                transformed version.
            cache: Whether to keep decoded images in memory.
            on_error: Whether to 'raise' on a malformed row, or an image that is missing or
                broken, or to 'skip' the pair.

        Raises:
            DatasetNotFoundError: If dataset is not found.
            FileNotFoundError: If an image is missing.
            OSError: If an image cannot be read.
            ValueError: If an argument is invalid, a row is malformed, or there is no
                vocabulary: neither *answers* nor a training split.
        """
        if modalities is None:
            modalities = self.all_modalities
        check_among('split', [split], self.splits)
        check_among('modalities', modalities, self.all_modalities)
        check_among('on_error', [on_error], ('raise', 'skip'))
        _check_positive('questions_per_sample', questions_per_sample)
        _check_positive('num_answers', num_answers)
        self.root = root
        self.split = split
        self.modalities = tuple(m for m in self.all_modalities if m in modalities)
        self.questions_per_sample = questions_per_sample
        release = self._open()

        every = self._read_tables(release, on_error)
        types = vocabulary.question_types(every)
        tables = every
        if question_types is not None:
            types = tuple(question_types)
            tables = vocabulary.select_types(every, types)
        table = tables[split]
        if not len(table):
            raise ValueError(
                f'{release.annotation(split)} holds no question of types {types}'
            )
        if answers is None:
            if 'train' not in tables:
                raise ValueError(
                    f'the vocabulary comes from {release.annotation("train")}, '
                    'which is missing; give `answers`'
                )
            answers = vocabulary.most_frequent(tables['train'], num_answers)

        asked = np.unique(table.codes['image'])
        tiles, num_bands = self._pair(release, every[split], asked, on_error)
        super().__init__(
            release.folder,
            tiles,
            num_bands,
            release.groups,
            release.times,
            crs=crs,
            res=res,
            transforms=transforms,
            cache=cache,
        )
        names = table.values['image'].to_pylist()
        self._image_codes = {name: code for code, name in enumerate(names)}
        has_tile = np.array([name in tiles for name in names])
        kept = table.select(has_tile[table.codes['image']])
        self._set_questions(kept, types, answers)
        # The same for all splits, so that samples of `train | val` stack
        most = [table.num_questions.max(initial=0) for table in tables.values()]
        self._max_questions = int(max(most))
        # What blind answers are counted from, read when they are asked for
        self._read_split = release.read_questions
        self._train_annotation = release.annotation('train')

    @abc.abstractmethod
    def _open(self) -> Release:
        """Find the files of :attr:`split` and :attr:`modalities`, or download them.

        Raise :meth:`_not_found` if something is missing.
        """

    def _require(self, paths: Collection[Path]) -> None:
        """Raise a DatasetNotFoundError unless all files and folders exist."""
        for path in paths:
            if not path.exists():
                raise self._not_found(f'There is no {path}.')

    def _not_found(self, reason: str) -> DatasetNotFoundError:
        """Return the error that says what is missing and how to get it."""
        error = DatasetNotFoundError(self)
        error.args = (f'{error} {reason} {self.instructions}',)
        return error

    def _read_tables(
        self, release: Release, on_error: OnError
    ) -> dict[str, QuestionTable]:
        """Read the questions of the splits that are there."""
        read = {name: release.read_questions(name, on_error) for name in self.splits}
        tables = {name: table for name, table in read.items() if table is not None}
        path = release.annotation(self.split)
        if self.split not in tables:
            raise ValueError(f'{path} holds no question of the split {self.split!r}')
        if num_malformed := tables[self.split].num_malformed:
            warnings.warn(
                f'{path}: {num_malformed} malformed rows are left out', UserWarning
            )
        if said := tables[self.split].contradictions:
            warnings.warn(f'{path}: {said}', UserWarning)
        return tables

    def _pair(
        self,
        release: Release,
        table: QuestionTable,
        asked: NDArray[np.integer],
        on_error: OnError,
    ) -> tuple[dict[str, Tile], dict[str, int]]:
        """Open the images that are asked about, given by their codes in the table."""
        names = table.values['image'].to_pylist()
        first_rows = sorted((int(table.rows(code)[0]), names[code]) for code in asked)
        tiles, num_bands = pair_images(
            release.open_image,
            {name: release.source(name, row) for row, name in first_rows},
            self.splits.index(self.split),
            self.modalities,
            {name: position for position, name in enumerate(sorted(names))},
            on_error,
            release.optical_bands,
        )
        if not tiles:
            raise self._not_found('None of the pairs can be used.')
        return tiles, num_bands

    @override
    def _training_questions(self) -> QuestionTable:
        train = self._read_split('train', 'skip')
        if train is None:
            raise FileNotFoundError(
                f'blind answers come from {self._train_annotation}, which is missing'
            )
        return train

    @override
    def location(self, ids: Ids) -> list[str]:
        """Return the names of the pairs that questions are about."""
        return self.table.text('image', ids)

    @override
    def footprint(self, ids: Ids) -> GeoSeries:
        """Return the outlines of the tiles that questions are about."""
        names, rows = np.unique(self.location(ids), return_inverse=True)
        outlines = self._footprints(names.tolist(), self.crs)
        return outlines.iloc[rows].reset_index(drop=True)

    @override
    def _annotate(self, rows: Rows) -> Sample:
        """Return the questions about tiles, drawn and padded."""
        codes = [self._image_codes[self._names[row]] for row in rows]
        per_tile = [self.table.rows(code) for code in codes]
        ids = np.concatenate([np.zeros(0, np.int64), *per_tile])
        groups = np.repeat(self._groups[rows], [len(tile) for tile in per_tile])
        size = self.questions_per_sample or max(self._max_questions, len(ids))
        if len(ids) > size:
            drawn = torch.randperm(len(ids))[:size].numpy()
            ids, groups = ids[drawn], groups[drawn]
        columns = {'question_id': ids} | ({'group': groups} if self.groups else {})
        return self._encode(ids, size, **columns)


def check_among(name: str, values: Sequence[str], allowed: Sequence[str]) -> None:
    """Raise a ValueError unless values are some of those allowed."""
    if not values or isinstance(values, str) or not set(values) <= set(allowed):
        raise ValueError(f'{name} must be among {allowed}, got {values!r}')


def _check_positive(name: str, number: int | None) -> None:
    """Raise a ValueError if a number is given that is not positive."""
    if number is not None and number < 1:
        raise ValueError(f'{name} must be at least 1, got {number}')
