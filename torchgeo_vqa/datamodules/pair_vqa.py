# SPDX-License-Identifier: MIT
"""Base classes for data modules of pairs with questions."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, override

from torch import Tensor

from ..datasets import PairVQA
from ..sample import MODALITIES
from .pair import PairDataModule, Stage


class VQADataModule(PairDataModule):
    """Base class for data modules of locations, each with its images and its questions.

    A batch is *batch_size* locations. A task asks the data module for the vocabulary and
    the question types, and sets a checkpoint's.
    """

    def _any_dataset(self) -> Any:
        """Return a dataset to ask what all of them share."""
        return next(iter(self._datasets.values()), None) or self.dataset_for('train')

    @property
    def answers(self) -> tuple[str, ...]:
        """The vocabulary that labels index."""
        return tuple(self._any_dataset().answers)

    @property
    def question_types(self) -> tuple[str, ...]:
        """Names of the question types."""
        return tuple(self._any_dataset().question_types)

    @property
    def convention(self) -> str:
        """How published answers are read, such as 'counts in five ranges'."""
        return str(self._any_dataset().convention)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of images, such as clear and cloudy; empty if unknown."""
        return tuple(self._any_dataset().groups)

    @property
    def sar_channels(self) -> int:
        """Number of bands of a SAR image, 0 without SAR."""
        return int(self._any_dataset().num_bands.get('sar', 0))

    def set_answers(self, answers: Sequence[str]) -> None:
        """Use another vocabulary, such as a checkpoint's, before loaders are made."""
        for stage, dataset in self._datasets.items():
            dataset.set_answers(answers)
            if dataset.coverage < 1:
                warnings.warn(
                    f'{1 - dataset.coverage:.1%} of the {len(dataset.table)} questions for '
                    f'{stage} have an answer that is not in the vocabulary of the model, '
                    'which cannot answer them right',
                    UserWarning,
                )
        self.train_aug = None

    def blind_labels(self, stage: Stage, ids: Tensor) -> Tensor:
        """Return the answers that training most often gives to questions, labels (K,) int64.

        *ids* are values of ``question_id`` of the stage's dataset, without padding.
        """
        labels: Tensor = self.dataset_for(stage).blind_labels(ids)
        return labels


class PairVQADataModule(VQADataModule):
    """Base class for data modules of any :class:`~torchgeo_vqa.datasets.PairVQA`.

    A subclass names the arguments of its dataset that are its own.
    """

    def __init__(
        self,
        dataset_class: type[PairVQA],
        dataset_args: Mapping[str, Any],
        modalities: Sequence[str] = MODALITIES,
        questions_per_sample: int | None = 32,
        question_types: Sequence[str] | None = None,
        num_answers: int | None = None,
        answers: Sequence[str] | None = None,
        on_error: Literal['raise', 'skip'] = 'raise',
        cache: bool = True,
        test_split: str = 'test',
        predict_split: str = 'test',
        **kwargs: Any,
    ) -> None:
        """Initialize a new PairVQADataModule instance.

        Args:
            dataset_class: Class of the dataset.
            dataset_args: Arguments of the dataset that are its own, such as its root.
            modalities: 'optical', 'sar' or both.
            questions_per_sample: Questions drawn at random for each pair in training;
                None takes all, as evaluation always does.
            question_types: Types of questions to use (defaults to all).
            num_answers: Size of the vocabulary: the most frequent answers of the
                training split (defaults to all). Other answers count as wrong.
            answers: The vocabulary itself, for a dataset without training questions.
            on_error: Whether to 'raise' or 'skip' a pair with a missing or broken file.
            cache: Keep decoded tiles in memory.
            test_split: Split that test evaluates.
            predict_split: Split that predict answers.
            **kwargs: Other arguments of :class:`.PairDataModule`.
        """
        own = {
            'modalities': tuple(modalities),
            'question_types': question_types,
            'num_answers': num_answers,
            'on_error': on_error,
            'cache': cache,
        }
        super().__init__(
            dataset_class, {**dataset_args, **own}, modalities=modalities, **kwargs
        )
        self.questions_per_sample = questions_per_sample
        self._splits = {'test': test_split, 'predict': predict_split}
        self._answers = None if answers is None else tuple(answers)

    @override
    def _make_dataset(self, stage: Stage) -> PairVQA:
        drawn = self.questions_per_sample if stage == 'train' else None
        dataset: PairVQA = self.dataset_class(  # type: ignore[call-arg,assignment]
            split=self._splits.get(stage, stage),
            questions_per_sample=drawn,
            answers=self._answers,
            **self.kwargs,
        )
        self._answers = tuple(dataset.answers)
        return dataset

    @override
    def set_answers(self, answers: Sequence[str]) -> None:
        self._answers = tuple(answers)
        super().set_answers(answers)
