# SPDX-License-Identifier: MIT
"""Base class for data modules that load, augment and normalize optical-SAR pairs."""

import abc
import warnings
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, ClassVar, Literal, TypedDict, Unpack, cast, get_args, override

import torch
from torch.utils.data import DataLoader
from torchgeo.datamodules import GeoDataModule
from torchgeo.datasets import GeoDataset
from torchgeo.datasets.utils import GeoSlice, Sample
from torchgeo.samplers import (
    GeoSampler,
    GriddedPatchSampler,
    RandomPatchSampler,
    SequentialTimestampSampler,
)

from ..rasters.units import verify_scales
from ..sample import MODALITIES
from ..samplers import RankSampler, TileSampler
from ..transforms import Augmentation, PairedAugmentation
from ..transforms.preprocessing import Statistics, normalize_batch
from .collate import PairCollate
from .seed import BATCH, EpochSampler, LazyLoader, Position, SeededDataset, seed_all
from .statistics import check_statistics, compute_statistics
from .worker import start_worker

Stage = Literal['train', 'val', 'test', 'predict']

STAGES: dict[str, tuple[Stage, ...]] = {
    'fit': ('train', 'val'),
    'validate': ('val',),
    'test': ('test',),
    'predict': ('predict',),
}


#: Side in pixels of patches, at most.
MAX_PATCH = 16_384

#: Flips and turns, and nothing else.
DEFAULT_AUGMENTATION = Augmentation()


class FlatOptions(TypedDict, total=False):
    """Options of version 0.1 that are parts of ``augmentation`` now.

    No value is one of these, so the command line's error names the new option.
    """

    geometry: Literal['now --data.augmentation.geometry']
    color_jitter: Literal['now --data.augmentation.color_jitter']
    cloud: Literal['now --data.augmentation.cloud']
    low_light: Literal['now --data.augmentation.low_light']
    speckle: Literal['now --data.augmentation.speckle']
    missing_optical: Literal['now --data.augmentation.missing_optical']
    missing_sar: Literal['now --data.augmentation.missing_sar']
    optical_max: Literal['now --data.augmentation.optical_max']


class PairDataModule(GeoDataModule, abc.ABC):
    """Base class for data modules of optical-SAR pairs.

    A subclass builds the dataset of a stage (:meth:`_make_dataset`) and may choose where it
    is sampled (:meth:`_sampler`).
    """

    #: Value of the dataset's optical images that stands for 1 in augmentations.
    default_optical_max: ClassVar[float] = 255.0

    def __init__(
        self,
        dataset_class: type[GeoDataset],
        dataset_args: Mapping[str, Any],
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        patch_size: int | None = None,
        length: int | None = None,
        num_workers: int = 0,
        image_size: int | None = None,
        modalities: Sequence[str] = MODALITIES,
        statistics: dict[str, dict[str, list[float]]] | None = None,
        augmentation: Augmentation = DEFAULT_AUGMENTATION,
        optical_scale: str | None = None,
        sar_scale: str | None = None,
        **flat: Unpack[FlatOptions],
    ) -> None:
        """Initialize a new PairDataModule instance.

        Args:
            dataset_class: Class of the dataset.
            dataset_args: Arguments of the dataset.
            batch_size: Pairs per batch.
            eval_batch_size: Pairs per batch in validation, test and prediction
                (defaults to *batch_size*).
            patch_size: Side in pixels of patches: random ones in training, a grid in
                evaluation. None takes whole tiles, which is what questions are about: a
                patch only gets the questions of tiles that lie inside it.
            length: Pairs per training epoch (defaults to all tiles once, or as many
                patches as fit).
            num_workers: Worker processes that load data.
            image_size: Side in pixels that images are resized to. None leaves that to
                the model.
            modalities: 'optical', 'sar' or both.
            statistics: Mean and standard deviation per band, ``{'optical': {'mean':
                [...], 'std': [...]}, 'sar': ...}`` (defaults to those of the training
                split; a checkpoint brings its own).
            augmentation: Random changes of training pairs.
            optical_scale: What the pixels of the optical files are: '8bit', 'reflectance',
                'sentinel2-l2a' (reflectance x 10,000) or 'sentinel2-l2a-offset' (the same
                plus 1,000, as since 2022). A model gets the unit that it was trained on.
            sar_scale: What the pixels of the SAR files are: 'dB', 'linear' (power) or
                'amplitude'. A model gets dB.
            **flat: None, see :class:`FlatOptions`.

        Raises:
            ValueError: If an argument is out of its range.
            TypeError: If there is no such argument.
        """
        for name, value in flat.items():
            if name not in FlatOptions.__annotations__:
                raise TypeError(f'{type(self).__name__} has no argument {name!r}')
            if value is not None:  # jsonargparse before 4.50 passes all, as None
                raise TypeError(
                    f'{name} is a part of augmentation now: augmentation=Augmentation('
                    f'{name}={value!r}), or --data.augmentation.{name} {value}'
                )
        for name, size in {
            'batch_size': batch_size,
            'eval_batch_size': eval_batch_size,
            'patch_size': patch_size,
            'image_size': image_size,
        }.items():
            if size is not None and size < 1:
                raise ValueError(f'{name} must be at least 1, got {size!r}')
        if patch_size is not None and patch_size > MAX_PATCH:
            raise ValueError(f'patch_size is at most {MAX_PATCH:,}, got {patch_size:,}')
        super().__init__(
            dataset_class,
            batch_size=batch_size,
            length=length,
            num_workers=num_workers,
            **dataset_args,
        )
        self.val_batch_size = eval_batch_size
        self.test_batch_size = eval_batch_size
        self.predict_batch_size = eval_batch_size
        self.patch_size = patch_size  # type: ignore[assignment]
        self.image_size = image_size
        self.modalities = tuple(modalities)
        self.augmentation = augmentation
        self.scales = verify_scales({'optical': optical_scale, 'sar': sar_scale})
        self._datasets: dict[Stage, Any] = {}
        self._statistics: Statistics | None = None
        #: Least and greatest value of each modality that statistics were computed from.
        self.extremes: dict[str, tuple[float, float]] = {}
        #: Units that a model takes, by modality.
        self.units: dict[str, str] = {}
        self._seed = 0
        self._epochs = count()
        if statistics is not None:
            self.statistics = statistics

    @abc.abstractmethod
    def _make_dataset(self, stage: Stage) -> Any:
        """Build the dataset of a stage."""

    def dataset_for(self, stage: Stage) -> Any:
        """Return the dataset of 'train', 'val', 'test' or 'predict', opened on first use."""
        if stage not in get_args(Stage):
            raise ValueError(f'stage must be one of {get_args(Stage)}, got {stage!r}')
        if stage not in self._datasets:
            self._datasets[stage] = self._make_dataset(stage)
        return self._datasets[stage]

    @override
    def setup(self, stage: str) -> None:
        if stage == 'fit':
            # From torch's generator, so that seed_everything rules the order, and the same
            # on all ranks, because each takes its share of one and the same order
            seed = int(torch.randint(2**31, ()))
            strategy = self.trainer and self.trainer.strategy
            self._seed = strategy.broadcast(seed) if strategy else seed
        for split in STAGES[stage]:
            dataset = self.dataset_for(split)
            setattr(self, f'{split}_dataset', dataset)
            setattr(self, f'{split}_sampler', self._sampler(dataset, split))

    def _sampler(self, dataset: Any, stage: Stage) -> GeoSampler:
        """Make the sampler of a stage: random in training, else in order."""
        size = self.patch_size
        if stage != 'train':
            if size:
                return GriddedPatchSampler(dataset, size=size, stride=size)
            return _sample_tiles(dataset)
        order: Any = {'length': self.length, 'generator': self._seed}
        if size:
            return RandomPatchSampler(dataset, size=size, **order)
        return _sample_tiles(dataset, shuffle=True, **order)

    def _position(self) -> Position:
        """Return where the training is, or the start of the next epoch without a trainer."""
        if self.trainer is None:
            return Position(self._seed, next(self._epochs), 0)
        loop = self.trainer.fit_loop
        epoch: Any = loop.epoch_progress.current
        batches: Any = loop.epoch_loop.batch_progress
        if epoch.started == epoch.processed:
            return Position(self._seed, epoch.processed, 0)
        if batches.is_last_batch:
            return Position(self._seed, epoch.processed + 1, 0)
        num_done = batches.current.processed * self.batch_size
        return Position(self._seed, epoch.processed, num_done)

    @override
    def _dataloader_factory(self, split: str) -> DataLoader[Sample]:
        sampler = self._valid_attribute(f'{split}_sampler')
        batch_size = self._valid_attribute(f'{split}_batch_size', 'batch_size')
        world_size, rank = 1, 0
        if self.trainer is not None:
            world_size, rank = self.trainer.world_size, self.trainer.global_rank
        dataset = self._valid_attribute(f'{split}_dataset')
        if split == 'train':
            dataset = SeededDataset(dataset)
            sampler = EpochSampler(sampler, world_size, rank, self._position)
        # A process without a batch would not take part in adding up the counts
        elif 1 < world_size <= len(sampler):
            sampler = RankSampler(sampler, world_size, rank)
        return LazyLoader(
            dataset=dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=PairCollate(self.image_size, self.scales, self.units),
            # Evaluation keeps every pair, and training one incomplete batch if there is
            # no other.
            drop_last=split == 'train' and len(sampler) >= batch_size,
            persistent_workers=self.num_workers > 0,
            worker_init_fn=start_worker,
            # Not torch's own: loaders must not shift the random numbers of the run
            generator=torch.Generator(),
        )

    def overview(self, dataset: Any) -> list[GeoSlice]:
        """List queries of the training split that statistics are computed from."""
        return list(_sample_tiles(dataset))

    @property
    def statistics(self) -> Statistics:
        """Mean and standard deviation per modality and band.

        Computed from the training split on first use, unless they were given.
        """
        if self._statistics is None:
            dataset = self.dataset_for('train')
            self._statistics, self.extremes = compute_statistics(
                dataset, self.overview(dataset), self.modalities, self.scales
            )
        return self._statistics

    @statistics.setter
    def statistics(
        self, statistics: Mapping[str, Mapping[str, Sequence[float]]]
    ) -> None:
        self._statistics = check_statistics(statistics, self.modalities)

    @property
    def optical_max(self) -> float:
        """Value of the optical images that stands for 1 in augmentations."""
        return self.augmentation.optical_max or self.default_optical_max

    @property
    def augments(self) -> dict[str, Any]:
        """Options that change training images at random, by name; empty if none does."""
        options = {f'augmentation.{k}': v for k, v in self.augmentation.parts.items()}
        return options | ({'patch_size': self.patch_size} if self.patch_size else {})

    @property
    def paired_augmentation(self) -> PairedAugmentation:
        """What is done to training batches before normalization."""
        if self.train_aug is None:
            dataset = self.dataset_for('train')
            self.train_aug = self.augmentation.bind(
                dataset.answers,
                dataset.usual_answers(),
                dataset.question_types,
                self.optical_max,
            )
        return cast(PairedAugmentation, self.train_aug)

    @override
    def on_after_batch_transfer(self, batch: Sample, dataloader_idx: int = 0) -> Sample:
        """Augment training batches and normalize all, on the device."""
        if self.trainer is not None and self.trainer.training:
            loop = self.trainer.fit_loop
            done = loop.epoch_loop.batch_progress.current.ready
            rank = self.trainer.global_rank
            # Augmentations of the batch, and the dropout that follows
            seed_all(BATCH, self._seed, self.trainer.current_epoch, done, rank)
            batch = self.paired_augmentation(batch)
        return normalize_batch(batch, self.statistics)

    @override
    def state_dict(self) -> dict[str, Any]:
        """Return the statistics and the seed, so that a resumed training goes on with them."""
        return {'statistics': self._statistics, 'seed': self._seed}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict['statistics'] is not None:
            self.statistics = state_dict['statistics']
        self._seed = state_dict.get('seed', self._seed)


def _sample_tiles(dataset: Any, generator: int = 0, **kwargs: Any) -> GeoSampler:
    """Sample whole tiles, and each acquisition of a tile on its own."""
    tiles = TileSampler(dataset, generator=generator, **kwargs)
    if len(tiles.tiles) == len(dataset.index):
        return tiles
    with warnings.catch_warnings():
        # That locations differ in their number of acquisitions is fine.
        warnings.simplefilter('ignore', UserWarning)
        return tiles @ SequentialTimestampSampler(dataset)
