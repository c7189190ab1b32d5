# SPDX-License-Identifier: MIT
"""Base class for datasets of images with questions."""

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from geopandas import GeoSeries
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from torchgeo.datasets import GeoDataset
from torchgeo.datasets.utils import Sample

from ..annotations import vocabulary
from ..annotations.question_table import Ids, QuestionTable, decode
from ..rasters.figure import QAPair, plot_pair
from ..sample import MODALITIES, PADDING, pad


class VQADataset(GeoDataset):
    """Base class for datasets of images with questions.

    A subclass returns samples, and says where questions are asked. The vocabulary, the
    texts of questions and the figures are the same for all, so data modules and
    trainers work on any of them.
    """

    #: Modalities the dataset may have images of.
    all_modalities: ClassVar[tuple[str, ...]] = MODALITIES

    #: How published answers are read where that is a choice, such as 'counts in ranges'.
    #: Evaluations say so beside their numbers. Empty if they are taken as they are.
    convention: str = ''

    #: Names of the groups of pairs, such as clear and cloudy; empty if unknown.
    groups: tuple[str, ...] = ()

    #: Modalities of the samples, in the order of :attr:`all_modalities`.
    modalities: tuple[str, ...]

    #: Number of bands of each modality.
    num_bands: Mapping[str, int]

    #: Questions with their answers.
    table: QuestionTable

    #: Names of the question types.
    question_types: tuple[str, ...]

    #: The vocabulary that ``label`` indexes.
    answers: tuple[str, ...]

    def _set_questions(
        self, table: QuestionTable, types: Sequence[str], answers: Sequence[str]
    ) -> None:
        """Take the questions, the names of their types, and the vocabulary."""
        self.table = table
        self.question_types = tuple(types)
        names = table.values['question_type']
        self._type_of = vocabulary.codes_in(names, self.question_types, -1)
        self.set_answers(answers)

    def set_answers(self, answers: Sequence[str]) -> None:
        """Use another vocabulary, such as that of a checkpoint, in the order of labels.

        Raise a ValueError if there are no answers, or one twice.
        """
        if not answers or len(set(answers)) < len(answers):
            raise ValueError(
                f'answers must be one or more, all different, got {answers!r}'
            )
        self.answers = tuple(answers)
        self._blind: Tensor | None = None
        texts = self.table.values['answer']
        self._label_of = vocabulary.codes_in(texts, self.answers, len(self.answers))

    @property
    def coverage(self) -> float:
        """Share of the questions whose answer is in the vocabulary."""
        labels = self._label_of[self.table.codes['answer']]
        return float((labels < len(self.answers)).mean())

    def blind_labels(self, ids: Ids) -> Tensor:
        """Return the answers that training most often gives to questions, labels (K,) int64.

        *ids* are values of ``question_id`` without padding. A question that training does not
        ask is answered as most often for its type, or failing that as most often of all. Raise a
        FileNotFoundError if there is no training split.
        """
        if self._blind is None:
            train = self._training_questions()
            labels = vocabulary.blind_labels(self.table, train, self.answers)
            self._blind = torch.from_numpy(labels)
        return self._blind[torch.from_numpy(self._rows(ids))]

    @abc.abstractmethod
    def _training_questions(self) -> QuestionTable:
        """Return the questions of training, which blind answers come from."""

    def usual_answers(self) -> list[set[int]]:
        """List the answers of each of :attr:`question_types`, as sets of labels."""
        return vocabulary.usual_answers(self.table, self.question_types, self.answers)

    def _rows(self, ids: Ids) -> NDArray[np.int64]:
        """Return the row of :attr:`table` for each ``question_id``."""
        return np.asarray(ids, dtype=np.int64).reshape(-1)

    def question_text(self, ids: Ids) -> list[str]:
        """Return the texts of questions, given values of ``question_id`` without padding."""
        return self.table.text('question', self._rows(ids))

    def answer_text(self, ids: Ids) -> list[str]:
        """Return the true answers to questions, given values of ``question_id``."""
        return self.table.text('answer', self._rows(ids))

    def question_type(self, ids: Ids) -> list[str]:
        """Return the names of questions' types, given values of ``question_id``."""
        return self.table.text('question_type', self._rows(ids))

    @abc.abstractmethod
    def location(self, ids: Ids) -> list[str]:
        """Return the names or coordinates of the locations of values of ``question_id``."""

    @abc.abstractmethod
    def footprint(self, ids: Ids) -> GeoSeries:
        """Return the outlines, in :attr:`crs`, of the locations of values of ``question_id``."""

    def _encode(
        self, rows: NDArray[np.int64], size: int, **columns: NDArray[np.int64]
    ) -> Sample:
        """Return ``question``, ``question_type`` and ``label`` of N rows, padded to *size*.

        *columns* are entries of N values that are not in the table, by their key.
        """
        codes = self.table.codes
        entries = {'question': self.table.tokens(rows)}
        columns |= {
            'question_type': self._type_of[codes['question_type'][rows]],
            'label': self._label_of[codes['answer'][rows]],
        }
        entries |= {key: torch.from_numpy(column) for key, column in columns.items()}
        return {key: pad(entry, size, PADDING[key]) for key, entry in entries.items()}

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
        shown = [m for m in self.modalities if f'image_{m}' in sample]
        images = {m: sample[f'image_{m}'] for m in shown}
        num_hidden = len(real) - len(answered)
        return plot_pair(images, answered, num_hidden, show_titles, suptitle)

    def _answered(self, sample: Sample, i: int) -> QAPair:
        """Return the texts of one question of a sample."""
        row = self._rows(sample['question_id'][i : i + 1].cpu())
        tokens, label = sample['question'][i].cpu(), int(sample['label'][i])
        question = self.table.text('question', row)[0]
        answer = self.table.text('answer', row)[0]
        # Augmentation may have rewritten both
        if not torch.equal(tokens, self.table.tokens(row)[0]):
            question = decode(tokens)
        if 0 <= label < len(self.answers):
            answer = self.answers[label]
        prediction = int(sample['prediction'][i]) if 'prediction' in sample else -1
        known = 0 <= prediction < len(self.answers)
        return QAPair(question, answer, self.answers[prediction] if known else None)
