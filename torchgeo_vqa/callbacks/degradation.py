# SPDX-License-Identifier: MIT
"""Accuracy under degraded images, measured along with the test."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, override

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.table import Table
from torch import Tensor
from torchgeo.datasets.utils import Sample
from torchmetrics import SumMetric

from ..metrics import VQAAccuracy
from ..sample import mask_questions
from ..transforms import Degradation, ImageShuffle, normalize
from ..transforms.degradation import QUALITY_TYPES
from .data import data_module
from .report import accuracies, log_folder, print_table, write_report

# B pairs, C channels

#: A kind of degradation and its severity.
Condition = tuple[str, float | str]

Modality = Literal['optical', 'sar', 'both']
ALL: tuple[Modality, ...] = ('optical', 'sar', 'both')

LABELS = {
    'cloud': 'clouds: share covered',
    'low_light': 'low light: share left',
    'speckle': 'added speckle: looks',
    'blank': 'blank image',
    'shuffle': 'image of another location',
}


class DegradationTest(Callback):
    """Measures during ``torchgeo test`` how accuracy falls as images get worse.

    Every image is degraded in every way asked for, with fixed seeds, and its questions
    are answered anew. All conditions, undegraded images among them, share the same
    questions. A table is printed, and ``degradation_metrics.json`` is written to the
    run's log folder.

    .. code-block:: console

       $ torchgeo test --config config.yaml --config degradation.yaml --ckpt_path best.ckpt
       $ torchgeo test ... --trainer.callbacks+=torchgeo_vqa.callbacks.DegradationTest
    """

    def __init__(
        self,
        cloud: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        low_light: Sequence[float] = (1.0, 0.5, 0.25, 0.1, 0.05),
        speckle: Sequence[float] = (8.0, 4.0, 2.0, 1.0),
        blank: Sequence[Modality] = ALL,
        shuffle: Sequence[Modality] = ALL,
        groups: Sequence[str] | None = ('clear',),
        exclude_types: Sequence[str] = QUALITY_TYPES,
        seed: int = 0,
    ) -> None:
        """Initialize a new DegradationTest instance.

        The severities are those of :class:`~torchgeo_vqa.transforms.Degradation`. What
        needs a modality that the data module does not load is left out.

        Args:
            cloud: Shares of the optical image to cover by clouds, in [0, 1].
            low_light: Shares of the light to leave in the optical image, in [0, 1].
            speckle: Numbers of looks of the speckle to add to the SAR image, which must
                be in dB; at least 1, fewer is rougher.
            blank: Images to replace by their mean: 'optical', 'sar' or 'both'.
            shuffle: Images to replace by those of another location: 'optical', 'sar', or
                'both', which come from the same one.
            groups: Groups of images to evaluate, if the dataset knows groups. Clouds over
                clouds would not have the cover that they are said to have. None takes all.
            exclude_types: Question types to leave out, because degradation makes their
                answers false.
            seed: Seed of clouds and noise, at least 0.

        Raises:
            ValueError: If a severity is out of its range.
        """
        super().__init__()
        grids: list[Sequence[float | str]] = [cloud, low_light, speckle, blank, shuffle]
        self.conditions: list[Condition] = [
            (kind, severity)
            for kind, grid in zip(LABELS, grids, strict=True)
            for severity in grid
        ]
        self.groups = None if groups is None else tuple(groups)
        self.exclude_types = tuple(exclude_types)
        self.seed = seed
        self._report: dict[str, Any] | None = None
        for condition in self.conditions:  # raises errors before anything is loaded
            self._degradation(*condition)

    def _degradation(
        self, kind: Any, severity: Any, optical_max: float = 255.0
    ) -> Degradation | ImageShuffle:
        """Make the transform of a condition."""
        if kind == 'shuffle':
            return ImageShuffle(severity)
        return Degradation(kind, severity, self.seed, optical_max)

    @override
    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise ValueError if the dataset lacks one of the groups or question types."""
        dm = data_module(trainer)
        types = dm.question_types
        excluded = [
            x for x in self.exclude_types if x in types or x not in QUALITY_TYPES
        ]
        restricted = self.groups is not None and len(dm.groups) > 0
        groups = (self.groups or ()) if restricted else dm.groups
        self._settings = {
            'seed': self.seed,
            'restricted_to': list(groups) if restricted else None,
            'excluded_types': excluded,
        }
        device = pl_module.device
        self._groups = _indices('groups', groups, dm.groups).to(device)
        self._excluded = _indices('exclude_types', excluded, types).to(device)
        self._num_seen = 0
        self._num_images = SumMetric().to(device)
        sizes = len(types), len(dm.groups)
        self._reference = VQAAccuracy(*sizes).to(device)
        self._metrics: dict[Condition, VQAAccuracy] = {}
        self._degradations: dict[Condition, Degradation | ImageShuffle] = {}
        for condition in self.conditions:
            degradation = self._degradation(*condition, dm.optical_max)
            if not degradation.modalities:
                self._metrics[condition] = self._reference
            elif set(degradation.modalities) <= set(dm.modalities):
                self._metrics[condition] = VQAAccuracy(*sizes).to(device)
                self._degradations[condition] = degradation
        if any(kind == 'speckle' for kind, _ in self._degradations):
            mean = dm.statistics['sar']['mean']
            if min(mean) > 0:
                warnings.warn(
                    'speckle is added in dB, but the SAR bands have a mean of '
                    f'{mean}, which backscatter in dB hardly has: set speckle to [] if '
                    'the images are not in dB',
                    UserWarning,
                )

    @override
    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Sample,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Answer the questions of a batch under all conditions."""
        size = len(batch['question_id'])
        # Lightning deals images out to devices in turn, so the number of an image does
        # not depend on how many there are
        index = self._num_seen + torch.arange(size)
        index = index * trainer.world_size + trainer.global_rank
        self._num_seen += size
        batch, kept = self._select(batch)
        if not kept.any():
            return
        index = index[kept.cpu()]
        self._num_images.update(len(index))
        statistics = data_module(trainer).statistics
        with trainer.precision_plugin.test_step_context():
            self._count(pl_module, self._reference, batch)
            for condition, degradation in self._degradations.items():
                if isinstance(degradation, ImageShuffle):
                    worse = degradation(batch)
                else:
                    worse = _degrade(batch, degradation, index, statistics)
                self._count(pl_module, self._metrics[condition], worse)

    def _select(self, batch: Sample) -> tuple[Sample, Tensor]:
        """Keep the pairs and questions to evaluate; other questions become padding.

        Also return which pairs they are, bool (B,).
        """
        asked = ~torch.isin(batch['question_type'], self._excluded)
        pairs = torch.ones_like(asked[:, 0])
        if self._settings['restricted_to'] is not None:
            inside = torch.isin(batch['group'], self._groups)
            asked, pairs = asked & inside, inside.any(dim=1)
        images = {k: x for k, x in batch.items() if k.startswith(('image', 'valid'))}
        selected = images | mask_questions(batch, asked)
        return {key: x[pairs] for key, x in selected.items()}, pairs

    def _count(
        self, pl_module: LightningModule, metric: VQAAccuracy, batch: Sample
    ) -> None:
        """Answer the questions of a batch as the test does, and count."""
        real = batch['question_id'] >= 0
        if not real.any():
            return
        output = pl_module(batch, chunk_size=pl_module.hparams['chunk_size'])
        keys = ('label', 'question_type', 'group')
        known = [batch[key][real] for key in keys if key in batch]
        metric.update(output.logits.argmax(-1), *known)

    @override
    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise ValueError if there was no question, or a single image to shuffle."""
        with trainer.precision_plugin.test_step_context():
            for condition, degradation in self._degradations.items():
                if isinstance(degradation, ImageShuffle):
                    for batch in degradation.rest():
                        self._count(pl_module, self._metrics[condition], batch)
        dm = data_module(trainer)
        num_questions = int(self._reference.compute()['num_questions'])
        if not num_questions:
            raise ValueError(
                f'no question is left of groups {self.groups} without the types '
                f'{self.exclude_types}: choose other groups, null takes all'
            )
        self._report = {
            **self._settings,
            'num_images': int(self._num_images.compute()),
            'num_questions': num_questions,
            'convention': dm.convention,
            'reference': accuracies(self._reference, dm),
            'degradations': [
                {'kind': kind, 'severity': severity, **accuracies(metric, dm)}
                for (kind, severity), metric in self._metrics.items()
            ],
        }

    @override
    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        """Report after the progress bar has had its last word."""
        if self._report is None:
            return
        folder = log_folder(trainer)
        if trainer.is_global_zero:
            print_degradations(self._report)
            write_report(self._report, folder / 'degradation_metrics.json')
        self._report = None


def print_degradations(report: Mapping[str, Any]) -> None:
    """Print the content of ``degradation_metrics.json`` as a table."""
    groups, excluded = report['restricted_to'], report['excluded_types']
    images = 'images' if groups is None else f'images ({", ".join(groups)})'
    title = f'Test under degradation ({report["num_questions"]:,} questions)\n'
    title += f'{report["num_images"]:,} {images}'
    if excluded:
        title += f', without {", ".join(excluded)}'
    if report['convention']:
        title += f', {report["convention"]}'
    table = Table('degradation', title=title)
    for name in ('severity', 'OA', 'AA', 'change of OA'):
        table.add_column(name, justify='right')
    reference = report['reference']
    table.add_row('none', '', f'{reference["OA"]:.4f}', f'{reference["AA"]:.4f}')
    last = None
    for row in report['degradations']:
        kind, severity = row['kind'], row['severity']
        if kind != last:
            table.add_section()
        table.add_row(
            LABELS[kind] if kind != last else '',
            severity if isinstance(severity, str) else f'{severity:g}',
            f'{row["OA"]:.4f}',
            f'{row["AA"]:.4f}',
            f'{row["OA"] - reference["OA"]:+.4f}',
        )
        last = kind
    print_table(table)


def _indices(name: str, wanted: Sequence[str], known: Sequence[str]) -> Tensor:
    """Return the indices of names, int64 of shape (number of names,)."""
    if unknown := [x for x in wanted if x not in known]:
        raise ValueError(f'{name} must be among {list(known)}, got {unknown}')
    return torch.tensor([known.index(x) for x in wanted], dtype=torch.int64)


def _degrade(
    batch: Sample,
    degradation: Degradation,
    index: Tensor,
    statistics: Mapping[str, Mapping[str, Sequence[float]]],
) -> Sample:
    """Degrade images of shape (B, C, H, W), each with its number of *index*, shape (B,).

    Degradations are of the files' units, which are got back from the normalised images:
    to keep those from before normalisation would take a second batch on the device. The
    detour costs rounding, a millionth of a standard deviation, and only in the modality
    that is degraded. Pixels without data have become the mean, and are degraded as such.
    """
    keys = {f'image_{m}': statistics[m] for m in degradation.modalities}
    raw = dict(batch)
    for key, numbers in keys.items():
        image = batch[key].float()
        mean, std = [
            image.new_tensor(numbers[k]).view(-1, 1, 1) for k in ('mean', 'std')
        ]
        raw[key] = image * std + mean
    worse = degradation(raw, index)
    for key, numbers in keys.items():
        worse[key] = normalize(worse[key], numbers).to(batch[key].dtype)
    return worse
