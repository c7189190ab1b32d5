# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Base class for datasets of image pairs with questions."""

import abc
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from geopandas import GeoSeries
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError
from torchgeo.datasets.utils import Path as PathLike
from torchgeo.datasets.utils import Sample

from ..annotations import vocabulary
from ..annotations.question_table import Ids, QuestionTable, decode
from ..rasters.figure import QAPair, plot_pair
from ..rasters.footprint_index import Rows
from ..rasters.pairing import OPTICAL_BANDS, Opener, pair_images
from ..sample import CONTEXT_LENGTH, SPLITS
from .pair_dataset import PairDataset

OnError = Literal['raise', 'skip']


class PairVQA(PairDataset):
    """Base class for datasets of places, each with its images and its questions.

    A subclass knows file formats only: it tells where the questions of a split are
    (:meth:`_annotation`), reads them (:meth:`_read_questions`) and opens images
    (:meth:`_opener`). Answers, vocabulary and samples are the same for all, so models and
    trainers work on any of them.

    A sample is a place with its images and its questions, a dictionary of tensors:

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
                                        only if the dataset tells groups
    ``bounds``         (9,)             the query
    ``transform``      (9,)             from pixels to coordinates
    =================  ===============  ==============================================

    Padding is -1 in all but ``question``.

    A query for a whole tile returns the pixels of the files as they are, whatever
    their CRS. Others are warped and merged as in
    :class:`~torchgeo.datasets.RasterDataset`, and come with the questions of those
    tiles that lie entirely inside: a crop changes counts.

    Images without a CRS stand on a grid of their own, whose unit is the pixel. They cannot
    be combined with real places.
    """

    #: How to get the dataset.
    instructions: ClassVar[str] = ''

    #: Splits of the dataset; the vocabulary is that of 'train'.
    splits: ClassVar[tuple[str, ...]] = SPLITS

    #: Modalities the dataset has images of.
    all_modalities: ClassVar[tuple[str, ...]] = ('optical', 'sar')

    #: How published answers are read where that is a choice, such as 'counts in ranges'.
    #: Evaluations say so beside their numbers. Empty if they are taken as they are.
    convention: str = ''

    def __init__(
        self,
        root: PathLike,
        folder: Path,
        split: str = 'train',
        *,
        modalities: Sequence[str] = ('optical', 'sar'),
        question_types: Sequence[str] | None = None,
        questions_per_sample: int | None = None,
        num_answers: int | None = None,
        answers: Sequence[str] | None = None,
        crs: CRS | str | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[Sample], Sample] | None = None,
        cache: bool = True,
        on_error: OnError = 'raise',
        optical_bands: int = OPTICAL_BANDS,
    ) -> None:
        """Initialize a new PairVQA instance.

        Args:
            root: What the user gave as the dataset's folder.
            folder: The folder where the dataset really is.
            split: One of :attr:`splits`.
            modalities: Some of :attr:`all_modalities`. Images of others are not needed.
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
            optical_bands: Number of bands of an optical image.

        Raises:
            DatasetNotFoundError: If dataset is not found.
            FileNotFoundError: If an image is missing.
            OSError: If an image cannot be read.
            ValueError: If an argument is invalid, a row is malformed, or there is no
                vocabulary: neither *answers* nor a training split.
        """
        for name, value, allowed in (
            ('split', [split], self.splits),
            ('modalities', modalities, self.all_modalities),
            ('on_error', [on_error], ('raise', 'skip')),
        ):
            if not value or isinstance(value, str) or not set(value) <= set(allowed):
                raise ValueError(f'{name} must be among {allowed}, got {value!r}')
        for name, number in (
            ('questions_per_sample', questions_per_sample),
            ('num_answers', num_answers),
        ):
            if number is not None and number < 1:
                raise ValueError(f'{name} must be at least 1, got {number}')

        self.root = root
        self.split = split
        self.modalities = tuple(m for m in self.all_modalities if m in modalities)
        self.questions_per_sample = questions_per_sample
        self._verify()

        read = {name: self._read_questions(name, on_error) for name in self.splits}
        tables = {name: table for name, table in read.items() if table is not None}
        path = self._annotation(split)
        if split not in tables:
            raise ValueError(f'{path} holds no question of the split {split!r}')
        own = tables[split]
        if own.num_malformed:
            warnings.warn(
                f'{path}: {own.num_malformed} malformed rows are left out', UserWarning
            )
        #: Names of the question types.
        self.question_types = vocabulary.question_types(tables)
        if question_types is not None:
            self.question_types = tuple(question_types)
            tables = vocabulary.select_types(tables, self.question_types)
        if not len(tables[split]):
            raise ValueError(f'{path} holds no question of types {self.question_types}')
        if answers is None:
            if 'train' not in tables:
                raise ValueError(
                    f'the vocabulary comes from {self._annotation("train")}, '
                    'which is missing; give `answers`'
                )
            answers = vocabulary.most_frequent(tables['train'], num_answers)
        # The same for all splits, so that samples of `train | val` stack
        self._max_questions = max(
            int(table.num_questions.max(initial=0)) for table in tables.values()
        )

        names = own.values['image'].to_pylist()
        asked = np.unique(tables[split].codes['image'])
        first_rows = sorted((int(own.rows(code)[0]), names[code]) for code in asked)
        tiles, num_bands = pair_images(
            self._opener(),
            {name: self._whereabouts(name, row) for row, name in first_rows},
            self.splits.index(split),
            self.modalities,
            {name: position for position, name in enumerate(sorted(names))},
            on_error,
            optical_bands,
        )
        if not tiles:
            raise self._not_found('None of the pairs can be used.')
        kept = np.array([name in tiles for name in names])
        #: Questions of the split, a row for each ``question_id``.
        self.table = tables[split].select(kept[tables[split].codes['image']])
        self._image_codes = {name: code for code, name in enumerate(names)}
        types = self.table.values['question_type']
        self._type_of = vocabulary.codes_in(types, self.question_types, -1)
        self.set_answers(answers)

        super().__init__(
            folder,
            tiles,
            num_bands,
            self._read_groups(),
            self._read_times(),
            crs=crs,
            res=res,
            transforms=transforms,
            cache=cache,
        )

    # --- files ------------------------------------------------------------------------

    @abc.abstractmethod
    def _verify(self) -> None:
        """Raise :meth:`_not_found` unless the split's questions and images are there."""

    @abc.abstractmethod
    def _annotation(self, split: str) -> Path:
        """Return the file that holds the questions of a split, for messages."""

    @abc.abstractmethod
    def _read_questions(self, split: str, on_error: OnError) -> QuestionTable | None:
        """Read the questions of a split, None if they are not there."""

    @abc.abstractmethod
    def _opener(self) -> Opener:
        """Return a function that opens the image of a modality by its pair's name."""

    def _whereabouts(self, name: str, row: int) -> str:
        """Say where a pair is named, given the first row of the table that does."""
        return f'{self._annotation(self.split)}, row {row}'

    def _read_groups(self) -> Mapping[str, str]:
        """Return the group of each pair by its name."""
        return {}

    def _read_times(self) -> Mapping[str, str]:
        """Return texts that tell when pairs were taken, where their names do not."""
        return {}

    def _not_found(self, reason: str) -> DatasetNotFoundError:
        """Say what is missing and how to get it."""
        error = DatasetNotFoundError(self)
        error.args = (f'{error} {reason} {self.instructions}',)
        return error

    # --- answers ----------------------------------------------------------------------

    def set_answers(self, answers: Sequence[str]) -> None:
        """Use another vocabulary, such as that of a checkpoint.

        Args:
            answers: The answers, in the order of their labels.

        Raises:
            ValueError: If there are none, or one twice.
        """
        if not answers or len(set(answers)) < len(answers):
            raise ValueError(
                f'answers must be one or more, all different, got {answers!r}'
            )
        #: The vocabulary that ``label`` indexes.
        self.answers = tuple(answers)
        self._blind: Tensor | None = None
        texts = self.table.values['answer']
        self._label_of = vocabulary.codes_in(texts, self.answers, len(self.answers))

    @property
    def coverage(self) -> float:
        """Share of the split's questions whose answer is in the vocabulary."""
        labels = self._label_of[self.table.codes['answer']]
        return float((labels < len(self.answers)).mean())

    def blind_labels(self, ids: Ids) -> Tensor:
        """Return the answers that training most often gives to the same questions.

        A question that training does not ask is answered as most often for its type, or
        failing that as most often of all.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            A label for each, int64.

        Raises:
            FileNotFoundError: If there is no training split.
        """
        if self._blind is None:
            self._blind = self._blind_labels()
        return self._blind[torch.as_tensor(ids)]

    def _blind_labels(self) -> Tensor:
        """Return the most frequent training answer to the question of each row."""
        train = self._read_questions('train', 'skip')
        if train is None:
            path = self._annotation('train')
            raise FileNotFoundError(f'blind answers come from {path}, which is missing')
        return torch.from_numpy(
            vocabulary.blind_labels(self.table, train, self.answers)
        )

    def usual_answers(self) -> list[set[int]]:
        """List the answers that each question type has in this split.

        Returns:
            A set of labels for each of :attr:`question_types`.
        """
        return vocabulary.usual_answers(self.table, self.question_types, self.answers)

    # --- texts of questions -----------------------------------------------------------

    def question_text(self, ids: Ids) -> list[str]:
        """Return questions as texts.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            A question for each.
        """
        return self.table.text('question', ids)

    def answer_text(self, ids: Ids) -> list[str]:
        """Return true answers as texts.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            An answer for each.
        """
        return self.table.text('answer', ids)

    def question_type(self, ids: Ids) -> list[str]:
        """Return the names of questions' types.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            A name for each.
        """
        return self.table.text('question_type', ids)

    def location(self, ids: Ids) -> list[str]:
        """Return the names of the pairs that questions are about.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            A name for each.
        """
        return self.table.text('image', ids)

    def footprint(self, ids: Ids) -> GeoSeries:
        """Return the outlines of the tiles that questions are about.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            An outline for each, in :attr:`crs`.
        """
        places, rows = np.unique(self.location(ids), return_inverse=True)
        outlines = self._footprints(places.tolist(), self.crs)
        return outlines.iloc[rows].reset_index(drop=True)

    # --- samples ----------------------------------------------------------------------

    def _annotate(self, rows: Rows) -> Sample:
        """Return the questions about tiles, drawn and padded.

        Args:
            rows: Rows of the index.

        Returns:
            Entries of a sample.
        """
        per_tile = [
            self.table.rows(self._image_codes[self._names[row]]) for row in rows
        ]
        ids = np.concatenate([np.zeros(0, np.int64), *per_tile])
        groups = np.repeat(self._groups[rows], [len(tile) for tile in per_tile])
        size = self.questions_per_sample or max(self._max_questions, len(ids))
        if len(ids) > size:
            drawn = torch.randperm(len(ids))[:size].numpy()
            ids, groups = ids[drawn], groups[drawn]

        def padded(values: NDArray[np.int64]) -> Tensor:
            column = torch.full((size,), -1)
            column[: len(ids)] = torch.from_numpy(values)
            return column

        question = torch.zeros(size, CONTEXT_LENGTH, dtype=torch.int64)
        question[: len(ids)] = self.table.tokens(ids)
        codes = self.table.codes
        sample = {
            'question': question,
            'question_type': padded(self._type_of[codes['question_type'][ids]]),
            'question_id': padded(ids),
            'label': padded(self._label_of[codes['answer'][ids]]),
        }
        if self.groups:
            sample['group'] = padded(groups)
        return sample

    def plot(
        self,
        sample: Sample,
        show_titles: bool = True,
        suptitle: str | None = None,
        max_questions: int = 8,
    ) -> Figure:
        """Plot a sample from the dataset.

        Args:
            sample: A sample returned by :meth:`__getitem__`, with a ``prediction`` of shape
                (K,) if there is one: labels, or -1.
            show_titles: Flag indicating whether to show titles above each panel.
            suptitle: Optional string to use as a suptitle.
            max_questions: Number of questions to show.

        Returns:
            A matplotlib Figure with the images, and the questions below.
        """
        real = torch.nonzero(sample['question_id'] >= 0).flatten().tolist()
        answered = [self._answered(sample, i) for i in real[:max_questions]]
        images = {
            m: sample[key] for m in self.modalities if (key := f'image_{m}') in sample
        }
        num_hidden = len(real) - len(answered)
        return plot_pair(images, answered, num_hidden, show_titles, suptitle)

    def _answered(self, sample: Sample, i: int) -> QAPair:
        """Put one question of a sample in words."""
        row = sample['question_id'][i : i + 1].cpu()
        tokens, label = sample['question'][i].cpu(), int(sample['label'][i])
        question, answer = self.question_text(row)[0], self.answer_text(row)[0]
        # Augmentation may have rewritten both
        if not torch.equal(tokens, self.table.tokens(row.numpy())[0]):
            question = decode(tokens)
        if 0 <= label < len(self.answers):
            answer = self.answers[label]
        prediction = int(sample['prediction'][i]) if 'prediction' in sample else -1
        known = 0 <= prediction < len(self.answers)
        return QAPair(question, answer, self.answers[prediction] if known else None)
