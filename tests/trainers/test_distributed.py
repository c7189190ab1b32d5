# SPDX-License-Identifier: MIT
"""Tests of training and evaluation by several processes."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Run = Callable[..., list[dict[str, Any]]]

#: Trains and tests, and writes what each process saw.
SCRIPT = """
import json, sys
from pathlib import Path
from lightning.pytorch import Callback, Trainer, seed_everything
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.trainers import VQATask

root, folder, devices = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

class Recorder(Callback):
    def __init__(self):
        self.seen = {'train': [], 'val': [], 'test': []}

    def record(self, trainer, stage, batch):
        if not trainer.sanity_checking:
            epoch = trainer.current_epoch
            self.seen[stage] += [[epoch, *b] for b in batch['bounds'].tolist()]

    def on_train_batch_start(self, trainer, task, batch, *args):
        self.record(trainer, 'train', batch)

    def on_validation_batch_start(self, trainer, task, batch, *args):
        self.record(trainer, 'val', batch)

    def on_test_batch_start(self, trainer, task, batch, *args):
        self.record(trainer, 'test', batch)

if __name__ == '__main__':
    seed_everything(0)
    recorder = Recorder()
    options = dict(accelerator='cpu', devices=devices, callbacks=[recorder],
                   strategy='ddp' if devices > 1 else 'auto', enable_progress_bar=False)
    task = VQATask('tgfnet_tiny', lr=1e-3, clip_lr=1e-3)
    dm = OSVQADataModule(root, batch_size=1, questions_per_sample=None)
    trainer = Trainer(max_epochs=2, default_root_dir=folder, **options)
    checkpoint = sys.argv[4] if len(sys.argv) > 4 else None
    if checkpoint is None:
        trainer.fit(task, datamodule=dm)
        checkpoint = trainer.checkpoint_callback.best_model_path
    (result,) = trainer.test(task, datamodule=dm, ckpt_path=checkpoint)
    recorder.seen['result'] = result
    path = folder / f'rank-{trainer.global_rank}.json'
    path.write_text(json.dumps(recorder.seen))
"""


@pytest.fixture(scope='module')
def run(run_python: Callable[..., CompletedProcess[str]]) -> Run:
    """Function that runs the script and returns what each process wrote."""

    def run(folder: Path, *args: Any) -> list[dict[str, Any]]:
        folder.mkdir(exist_ok=True)
        script = folder / 'script.py'
        script.write_text(SCRIPT)
        done = run_python(script, *args)
        assert done.returncode == 0, done.stderr[-2000:]
        return [json.loads(p.read_text()) for p in sorted(folder.glob('rank-*.json'))]

    return run


def bounds(ranks: list[dict[str, Any]], stage: str) -> Counter[tuple[float, ...]]:
    """Count how often each epoch had each tile, over all processes."""
    return Counter(tuple(b) for rank in ranks for b in rank[stage])


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('distributed')


@pytest.fixture(scope='module')
def fitted(run: Run, release_root: Path, folder: Path) -> list[dict[str, Any]]:
    """What each of two processes saw while it trained and tested."""
    return run(folder / 'two', release_root, folder / 'two', 2)


def test_every_tile_once(fitted: list[dict[str, Any]]) -> None:
    assert len(fitted) == 2
    for stage, num_tiles in (('train', 6), ('val', 2)):
        seen = bounds(fitted, stage)
        assert len(seen) == 2 * num_tiles
        assert set(seen.values()) == {1}
        for rank in fitted:
            assert len(rank[stage]) == 2 * num_tiles // 2


def test_same_metrics_as_one_process(
    run: Run, fitted: list[dict[str, Any]], release_root: Path, folder: Path
) -> None:
    """Also where the tiles cannot be shared out evenly."""
    (checkpoint,) = folder.glob('two/lightning_logs/version_*/checkpoints/*.ckpt')
    alone = run(folder / 'one', release_root, folder / 'one', 1, checkpoint)
    assert len(alone) == 1
    for ranks in (alone, fitted):
        seen = Counter(tuple(b) for rank in ranks for _, *b in rank['test'])
        assert len(seen) == 3
        assert set(seen.values()) == {1}
    one, two = (
        json.loads(next((folder / name).rglob('test_metrics.json')).read_text())
        for name in ('one', 'two')
    )
    assert one == two
    result, other = alone[0]['result'], fitted[0]['result']
    assert result.keys() == other.keys() >= {'test_OA', 'test_loss'}
    for name, value in result.items():
        assert other[name] == pytest.approx(value, abs=1e-6), name
