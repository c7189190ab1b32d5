# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Base class for data modules of pairs with questions."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import kornia.augmentation as K
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchgeo.datamodules import GeoDataModule
from torchgeo.datasets.utils import Sample
from torchgeo.samplers import (
    GeoSampler,
    GriddedPatchSampler,
    RandomPatchSampler,
    SequentialTimestampSampler,
)

from ..datasets import PairVQA
from ..samplers import RankSampler, TileSampler
from ..transforms import (
    PairedAugmentation,
    RandomCloud,
    RandomLowLight,
    RandomMissing,
    RandomSpeckle,
    normalize,
)
from ..transforms.degradation import QUALITY_TYPES
from ..transforms.preprocessing import Statistics
from .collate import PairCollate
from .statistics import check_statistics, compute_statistics
from .worker import start_worker

Stage = Literal['train', 'val', 'test', 'predict']

STAGES: dict[str, tuple[Stage, ...]] = {
    'fit': ('train', 'val'),
    'validate': ('val',),
    'test': ('test',),
    'predict': ('predict',),
}


class PairVQADataModule(GeoDataModule):
    """Base class for data modules of places, each with its images and its questions.

    A batch is *batch_size* places, each with its images and its questions. It works with
    any :class:`~torchgeo_vqa.datasets.PairVQA`.
    """

    def __init__(
        self,
        dataset_class: type[PairVQA],
        dataset_args: Mapping[str, Any],
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        questions_per_sample: int | None = 32,
        patch_size: int | None = None,
        length: int | None = None,
        num_workers: int = 0,
        image_size: int | None = None,
        modalities: Sequence[str] = ('optical', 'sar'),
        question_types: Sequence[str] | None = None,
        num_answers: int | None = None,
        answers: Sequence[str] | None = None,
        on_error: Literal['raise', 'skip'] = 'raise',
        cache: bool = True,
        statistics: dict[str, dict[str, list[float]]] | None = None,
        geometry: bool = True,
        color_jitter: float = 0.0,
        cloud: float = 0.0,
        low_light: float = 0.0,
        speckle: float = 0.0,
        missing_optical: float = 0.0,
        missing_sar: float = 0.0,
        optical_max: float = 255.0,
        test_split: str = 'test',
        predict_split: str = 'test',
    ) -> None:
        """Initialize a new PairVQADataModule instance.

        Args:
            dataset_class: Class of the dataset.
            dataset_args: Arguments of the dataset that are its own, such as its root.
            batch_size: Pairs per batch.
            eval_batch_size: Pairs per batch in validation, test and prediction
                (defaults to *batch_size*).
            questions_per_sample: Questions drawn at random for each pair in training;
                None takes all, as evaluation always does.
            patch_size: Side in pixels of patches: random ones in training, a grid in
                evaluation. None takes whole tiles, which is what questions are about: a
                patch only gets the questions of tiles that lie inside it.
            length: Pairs per training epoch (defaults to all tiles once, or as many
                patches as fit).
            num_workers: Worker processes that load data.
            image_size: Side in pixels that images are resized to. None leaves that to
                the model.
            modalities: 'optical', 'sar' or both.
            question_types: Types of questions to use (defaults to all).
            num_answers: Size of the vocabulary: the most frequent answers of the
                training split (defaults to all). Other answers count as wrong.
            answers: The vocabulary itself, for a dataset without training questions.
            on_error: Whether to 'raise' or 'skip' a pair with a missing or broken file.
            cache: Keep decoded tiles in memory.
            statistics: Mean and standard deviation per band, ``{'optical': {'mean':
                [...], 'std': [...]}, 'sar': ...}`` (defaults to those of the training
                split; a checkpoint brings its own).
            geometry: Flip and turn training pairs, and rewrite the direction words of
                their questions and answers.
            color_jitter: Probability of changing the colours of an optical image.
            cloud: Probability of clouds over an optical image. Of a pair that
                photometry changes, questions of type ``modality_quality`` are left
                out: they would be false.
            low_light: Probability of low light in an optical image.
            speckle: Probability of speckle on a SAR image, which must be in dB.
            missing_optical: Probability that an optical image is missing.
            missing_sar: Probability that a SAR image is missing.
            optical_max: Value of the optical images that stands for 1 in *color_jitter*,
                *cloud* and *low_light*.
            test_split: Split that test evaluates.
            predict_split: Split that predict answers.

        Raises:
            ValueError: If an argument is out of its range.
        """
        probabilities = {
            'color_jitter': color_jitter,
            'cloud': cloud,
            'low_light': low_light,
            'speckle': speckle,
            'missing_optical': missing_optical,
            'missing_sar': missing_sar,
        }
        for name, p in probabilities.items():
            if not 0 <= p <= 1:
                raise ValueError(f'{name} is a probability in [0, 1], got {p!r}')
        for name, size in {
            'batch_size': batch_size,
            'eval_batch_size': eval_batch_size,
            'patch_size': patch_size,
            'image_size': image_size,
        }.items():
            if size is not None and size < 1:
                raise ValueError(f'{name} must be at least 1, got {size!r}')
        super().__init__(
            dataset_class,
            batch_size=batch_size,
            length=length,
            num_workers=num_workers,
            modalities=tuple(modalities),
            question_types=question_types,
            num_answers=num_answers,
            on_error=on_error,
            cache=cache,
            **dataset_args,
        )
        if eval_batch_size is not None:
            self.val_batch_size = eval_batch_size
            self.test_batch_size = eval_batch_size
            self.predict_batch_size = eval_batch_size
        self.patch_size = patch_size  # type: ignore[assignment]
        self.questions_per_sample = questions_per_sample
        self.image_size = image_size
        self.modalities = tuple(modalities)
        self.predict_split = predict_split
        self.test_split = test_split
        self.geometry = geometry
        self.photometry = probabilities
        self.optical_max = optical_max

        self._answers = None if answers is None else tuple(answers)
        self._datasets: dict[Stage, PairVQA] = {}
        self._augmentation: PairedAugmentation | None = None
        self._statistics: Statistics | None = None
        if statistics is not None:
            self.statistics = statistics

    # --- what a task asks -------------------------------------------------------------

    def dataset_for(self, stage: Stage) -> PairVQA:
        """Return the dataset of a stage, opened on first use.

        Args:
            stage: 'train', 'val', 'test' or 'predict'.

        Returns:
            The dataset.

        Raises:
            ValueError: If *stage* is none of them.
        """
        if stage not in ('train', 'val', 'test', 'predict'):
            raise ValueError(
                f"stage must be 'train', 'val', 'test' or 'predict', got {stage!r}"
            )
        if stage not in self._datasets:
            dataset_class = cast(type[PairVQA], self.dataset_class)
            dataset = dataset_class(
                split=self._split(stage),
                questions_per_sample=(
                    self.questions_per_sample if stage == 'train' else None
                ),
                answers=self._answers,
                **self.kwargs,
            )
            self._answers = tuple(dataset.answers)
            self._datasets[stage] = dataset
        return self._datasets[stage]

    def _split(self, stage: Stage) -> str:
        """Return the split that a stage is about."""
        own = {'test': self.test_split, 'predict': self.predict_split}
        return own.get(stage, stage)

    def _any_dataset(self) -> PairVQA:
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
        return self._any_dataset().convention

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of images, such as clear and cloudy; empty if unknown."""
        return tuple(self._any_dataset().groups)

    @property
    def sar_channels(self) -> int:
        """Number of bands of a SAR image, 0 without SAR."""
        return self._any_dataset().num_bands.get('sar', 0)

    def set_answers(self, answers: Sequence[str]) -> None:
        """Use another vocabulary, such as a checkpoint's. Call it before loaders are made.

        Args:
            answers: The answers, in the order of the labels.
        """
        self._answers = tuple(answers)
        for dataset in self._datasets.values():
            dataset.set_answers(self._answers)
        self._augmentation = None

    def blind_labels(self, stage: Stage, ids: Tensor) -> Tensor:
        """Return the answers that training most often gives to the same questions.

        Args:
            stage: 'train', 'val', 'test' or 'predict'.
            ids: Values of ``question_id`` of the stage's dataset, without padding.

        Returns:
            A label for each, int64.
        """
        return self.dataset_for(stage).blind_labels(ids)

    @property
    def statistics(self) -> Statistics:
        """Mean and standard deviation per modality and band.

        Computed from the training split on first use, unless they were given.
        """
        if self._statistics is None:
            dataset = self.dataset_for('train')
            self._statistics = compute_statistics(
                dataset, list(self._tiles(dataset)), self.modalities
            )
        return self._statistics

    @statistics.setter
    def statistics(
        self, statistics: Mapping[str, Mapping[str, Sequence[float]]]
    ) -> None:
        self._statistics = check_statistics(statistics, self.modalities)

    # --- loaders ----------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Set up datasets and samplers.

        Args:
            stage: Either 'fit', 'validate', 'test', or 'predict'.
        """
        for split in STAGES[stage]:
            dataset = self.dataset_for(split)
            setattr(self, f'{split}_dataset', dataset)
            setattr(self, f'{split}_sampler', self._sampler(dataset, split == 'train'))

    def _tiles(
        self, dataset: PairVQA, shuffle: bool = False, generator: int = 0
    ) -> GeoSampler:
        """Sample whole tiles, and each acquisition of a tile on its own."""
        tiles = TileSampler(
            dataset,
            shuffle=shuffle,
            length=self.length if shuffle else None,
            generator=generator,
        )
        if len(tiles.tiles) == len(dataset.index):
            return tiles
        with warnings.catch_warnings():
            # That places differ in their number of acquisitions is fine.
            warnings.simplefilter('ignore', UserWarning)
            return tiles @ SequentialTimestampSampler(dataset)

    def _sampler(self, dataset: PairVQA, training: bool) -> GeoSampler:
        """Make the sampler of a stage."""
        if not training:
            if self.patch_size:
                size = self.patch_size
                return GriddedPatchSampler(dataset, size=size, stride=size)
            return self._tiles(dataset)
        # From torch's generator, so that seed_everything rules the order, and the same
        # on all ranks, because each takes its share of one and the same order.
        seed = int(torch.randint(2**31, ()))
        if self.trainer is not None:
            seed = self.trainer.strategy.broadcast(seed)
        if self.patch_size:
            return RandomPatchSampler(
                dataset, size=self.patch_size, length=self.length, generator=seed
            )
        return self._tiles(dataset, shuffle=True, generator=seed)

    def _dataloader_factory(self, split: str) -> DataLoader[Sample]:
        """Make the data loader of a stage.

        Args:
            split: 'train', 'val', 'test' or 'predict'.

        Returns:
            The data loader.

        Raises:
            MisconfigurationException: If :meth:`setup` has not been called for the stage,
                or there is nothing to load.
        """
        sampler = self._valid_attribute(f'{split}_sampler')
        batch_size = self._valid_attribute(f'{split}_batch_size', 'batch_size')
        world_size, rank = 1, 0
        if self.trainer is not None:
            world_size, rank = self.trainer.world_size, self.trainer.global_rank
        # A process without a batch would not take part in adding up the counts
        shared = split != 'train' and 1 < world_size <= len(sampler)
        return DataLoader(
            dataset=self._valid_attribute(f'{split}_dataset'),
            batch_size=batch_size,
            sampler=RankSampler(sampler, world_size, rank) if shared else sampler,
            num_workers=self.num_workers,
            collate_fn=PairCollate(self.image_size),
            # Evaluation keeps every pair, and training one incomplete batch if there is
            # no other.
            drop_last=split == 'train' and len(sampler) >= batch_size * world_size,
            persistent_workers=self.num_workers > 0,
            worker_init_fn=start_worker,
            # Lightning makes an iterator more when it resumes: it must cost no random
            # number of those that augmentations and questions are drawn by
            generator=torch.Generator().manual_seed(int(torch.randint(2**62, ()))),
        )

    # --- on the device ----------------------------------------------------------------

    @property
    def augmentation(self) -> PairedAugmentation:
        """What is done to training batches before normalization."""
        if self._augmentation is None:
            p = self.photometry
            optical = [
                K.ColorJiggle(0.2, 0.2, 0.2, 0.05, p=p['color_jitter']),
                RandomCloud(p=p['cloud']),
                RandomLowLight(p=p['low_light']),
                RandomMissing(p=p['missing_optical']),
            ]
            sar = [RandomSpeckle(p=p['speckle']), RandomMissing(p=p['missing_sar'])]
            dataset = self.dataset_for('train')
            kinds = dataset.question_types
            self._augmentation = PairedAugmentation(
                dataset.answers,
                usual_answers=dataset.usual_answers(),
                geometry=self.geometry,
                optical=[augmentation for augmentation in optical if augmentation.p],
                sar=[augmentation for augmentation in sar if augmentation.p],
                optical_max=self.optical_max,
                quality_types=[kinds.index(k) for k in QUALITY_TYPES if k in kinds],
            )
        return self._augmentation

    @property
    def augments(self) -> dict[str, Any]:
        """Arguments that change training images at random, by name; empty if none does."""
        arguments = {
            'geometry': self.geometry,
            'patch_size': self.patch_size,
            **self.photometry,
        }
        return {name: value for name, value in arguments.items() if value}

    def on_after_batch_transfer(self, batch: Sample, dataloader_idx: int = 0) -> Sample:
        """Augment training batches and normalize all, on the device.

        Args:
            batch: A batch of data.
            dataloader_idx: Index of the data loader.

        Returns:
            A batch of data. Pixels that are not finite become 0, the mean.
        """
        if self.trainer is not None and self.trainer.training:
            batch = self.augmentation(batch)
        batch = dict(batch)
        for modality, statistics in self.statistics.items():
            key = f'image_{modality}'
            if key in batch:
                batch[key] = normalize(batch[key], statistics)
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Save the statistics, so that a resumed training goes on with the same.

        Returns:
            The state.
        """
        return {'statistics': self._statistics}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the statistics.

        Args:
            state_dict: Output of :meth:`state_dict`.
        """
        if state_dict['statistics'] is not None:
            self.statistics = state_dict['statistics']
