# SPDX-License-Identifier: MIT
"""A training that was stopped, or has other workers, ends as one that was not."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torchgeo.samplers import RandomPatchSampler, RandomTimestampSampler

from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.datamodules.seed import EpochSampler, Position, SeededDataset
from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.samplers import BlockSampler, TileSampler
from torchgeo_vqa.trainers import VQATask
from torchgeo_vqa.transforms import Augmentation

EPOCHS, BATCHES = 2, 3


class Drawn(Callback):
    """Remembers what was drawn."""

    def __init__(self) -> None:
        """Initialize a new Drawn instance."""
        self.batches: list[tuple[list[int], float]] = []

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remember the questions, and the images by their sum."""
        assert batch_idx == trainer.global_step % BATCHES
        ids = batch['question_id'].flatten().tolist()
        self.batches.append((ids, float(batch['image_optical'].sum())))


class Validated(Callback):
    """Remembers what validations say."""

    def __init__(self) -> None:
        """Initialize a new Validated instance."""
        self.losses: list[float] = []

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Remember the loss."""
        self.losses.append(float(trainer.callback_metrics['val_loss']))


def train(
    root: Path,
    num_workers: int = 0,
    ckpt: Path | None = None,
    saves: Sequence[Callback] = (),
    **kwargs: Any,
) -> tuple[dict[str, torch.Tensor], list[Any]]:
    """Train, from a checkpoint if one is given."""
    # What a new process starts with has nothing to do with where the other was
    seed_everything(0 if ckpt is None else 99, verbose=False)
    task = VQATask('tgfnet_tiny', lr=1e-3, clip_lr=1e-3, model_args={'dropout': 0.5})
    dm = OSVQADataModule(
        root=str(root),
        batch_size=2,
        eval_batch_size=1,
        questions_per_sample=2,
        num_workers=num_workers,
        augmentation=Augmentation(cloud=0.5, speckle=0.5),
    )
    drawn = Drawn()
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator='cpu',
        callbacks=[drawn, *saves],
        enable_checkpointing=any(isinstance(s, ModelCheckpoint) for s in saves),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **kwargs,
    )
    trainer.fit(task, datamodule=dm, ckpt_path=ckpt)
    return task.model.state_dict(), drawn.batches


def save(folder: Path, **when: Any) -> ModelCheckpoint:
    """Keep the checkpoints of some moments."""
    return ModelCheckpoint(folder, filename='{step}', save_top_k=-1, **when)


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Compare weights to the bit."""
    assert not [name for name in one if not torch.equal(one[name], other[name])]


@pytest.fixture(scope='module')
def whole(release_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folder, weights, batches and losses of a training that nothing disturbs."""
    folder = tmp_path_factory.mktemp('whole')
    steps = save(folder / 'steps', every_n_train_steps=1)
    ends = save(folder / 'ends', save_on_train_epoch_end=True)
    validated = Validated()
    weights, batches = train(release_root, saves=[validated, steps, ends])
    return folder, weights, batches, validated.losses


@pytest.mark.parametrize(
    ('name', 'num_workers'),
    [
        ('steps/step=1', 0),
        ('steps/step=2', 2),
        ('steps/step=3', 0),
        ('steps/step=3', 2),
        ('steps/step=4', 4),
        ('steps/step=5', 1),
        ('ends/step=3', 0),
        ('ends/step=3', 2),
    ],
)
def test_resumed(name: str, num_workers: int, release_root: Path, whole: Any) -> None:
    """From anywhere in an epoch, with any number of workers."""
    folder, weights, batches, _ = whole
    ckpt = folder / f'{name}.ckpt'
    resumed, rest = train(release_root, num_workers, ckpt)
    assert rest == batches[int(ckpt.stem[-1]) :]
    assert_same(resumed, weights)


@pytest.mark.parametrize('num_workers', [1, 2, 4])
def test_workers(num_workers: int, release_root: Path, whole: Any) -> None:
    weights, batches = train(release_root, num_workers)
    assert batches == whole[2]
    assert_same(weights, whole[1])
    assert len({str(batch) for batch in batches}) == EPOCHS * BATCHES


@pytest.mark.parametrize('interval', [2, 3])
def test_resumed_from_a_validation(
    interval: int, release_root: Path, whole: Any, tmp_path: Path
) -> None:
    """Of an epoch's last batch, or before; it changes no weight."""
    kwargs: Any = {'val_check_interval': interval}
    saves = [save(tmp_path, save_on_train_epoch_end=False)]
    assert_same(train(release_root, saves=saves, **kwargs)[0], whole[1])
    ckpt = tmp_path / f'step={interval}.ckpt'
    resumed, rest = train(release_root, 0, ckpt, **kwargs)
    assert rest == whole[2][interval:]
    assert_same(resumed, whole[1])


class Preempted(Callback):
    """Tells that SIGTERM has come, after some batches of training or of validation."""

    def __init__(self, hook: str, num_batches: int) -> None:
        """Initialize a new Preempted instance."""
        self.left = num_batches
        setattr(self, hook, self.count)

    def count(self, trainer: Any, *args: Any) -> None:
        """Count a batch."""
        self.left -= 1
        if not self.left:
            trainer._signal_connector.received_sigterm = True


@pytest.mark.parametrize(
    ('hook', 'num_batches', 'step'),
    [
        ('on_train_batch_end', 2, 2),
        ('on_train_batch_end', 3, 3),
        ('on_validation_batch_end', 1, 3),
        ('on_validation_batch_end', 3, 6),
    ],
)
def test_preempted(
    hook: str,
    num_batches: int,
    step: int,
    release_root: Path,
    whole: Any,
    tmp_path: Path,
) -> None:
    """A validation is made again from its start."""
    found, preempted = Validated(), Preempted(hook, num_batches)
    with pytest.raises(SystemExit):
        train(release_root, saves=[found, preempted], default_root_dir=tmp_path)
    (ckpt,) = tmp_path.rglob('preempted.ckpt')
    resumed, rest = train(release_root, 2, ckpt, [found])
    assert rest == whole[2][step:]
    assert_same(resumed, whole[1])
    assert found.losses == whole[3]


def test_checkpoint_holds_no_code(whole: Any) -> None:
    content = torch.load(whole[0] / 'steps/step=1.ckpt', weights_only=True)
    assert content['OSVQADataModule']['seed'] >= 0


class Noisy:
    """Draws from all random numbers there are."""

    def __getitem__(self, index: int) -> tuple[float, ...]:
        """Return three numbers and the index."""
        legacy = float(np.random.rand())  # noqa: NPY002
        return random.random(), legacy, float(torch.rand(())), index


def test_samples_leave_random_numbers_alone() -> None:
    dataset = SeededDataset(Noisy())  # type: ignore[arg-type]
    seed_everything(0, verbose=False)
    expected = Noisy()[0]
    seed_everything(0, verbose=False)
    drawn = [dataset[(1, 2, 3), 0], dataset[(1, 2, 4), 0], dataset[(1, 2, 3), 0]]
    assert Noisy()[0] == expected
    assert drawn[0] == drawn[2]
    assert all(a != b for a, b in zip(drawn[0][:3], drawn[1][:3], strict=True))  # type: ignore[index]


SAMPLERS: dict[str, Callable[[Any], Any]] = {
    'tiles': lambda dataset: TileSampler(dataset, shuffle=True),
    'tiles and times': lambda dataset: (
        TileSampler(dataset, shuffle=True) @ RandomTimestampSampler(dataset)
    ),
    'patches': lambda dataset: RandomPatchSampler(dataset, size=8, length=12),
    'blocks': lambda dataset: BlockSampler(dataset, 8, 16, length=12),
}


@pytest.mark.parametrize('name', SAMPLERS)
def test_order(name: str, release_root: Path) -> None:
    """It follows from seed and epoch alone, and its end is that of a whole epoch."""
    dataset = OSVQA(release_root)

    def order(*position: int) -> list[Any]:
        sampler = SAMPLERS[name](dataset)
        return list(EpochSampler(sampler, 1, 0, lambda: Position(*position)))

    whole = order(7, 2, 0)
    assert order(7, 2, 4) == whole[4:]
    queries = [query for _, query in whole]
    for other in (order(7, 1, 0), order(8, 2, 0)):
        assert [query for _, query in other] != queries
        assert not {key for key, _ in other} & {key for key, _ in whole}


@pytest.mark.parametrize('num_replicas', [1, 2, 4])
def test_ranks_share_an_epoch(num_replicas: int) -> None:
    """Together they see all samples, each with random numbers of its own."""
    for num_done in (0, 1):
        position = partial(Position, 7, 3, num_done)
        shares = [
            list(EpochSampler(range(9), num_replicas, rank, position))  # type: ignore[arg-type]
            for rank in range(num_replicas)
        ]
        assert len({len(share) for share in shares}) == 1
        seen = dict(sample for share in shares for sample in share)
        assert set(seen.values()) == set(range(num_done * num_replicas, 9)) | set(
            range(-9 % num_replicas)
        )
        assert len(seen) == len(set(seen.values()))
