# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of training and evaluation by several processes."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

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
    trainer = Trainer(max_epochs=2, default_root_dir=folder / 'fit', **options)
    if len(sys.argv) == 4:
        trainer.fit(task, datamodule=dm)
    else:
        trainer = Trainer(default_root_dir=folder, **options)
        (result,) = trainer.test(task, datamodule=dm, ckpt_path=sys.argv[4])
        recorder.seen['result'] = result
    path = folder / f'rank-{trainer.global_rank}.json'
    path.write_text(json.dumps(recorder.seen))
"""


def python(*arguments: str) -> str:
    """Run Python with these arguments and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def run(folder: Path, *args: Any) -> list[dict[str, Any]]:
    """Run the script and return what each process wrote."""
    folder.mkdir(exist_ok=True)
    script = folder / 'script.py'
    script.write_text(SCRIPT)
    python(str(script), *map(str, args))
    return [json.loads(p.read_text()) for p in sorted(folder.glob('rank-*.json'))]


def bounds(ranks: list[dict[str, Any]], stage: str) -> Counter[tuple[float, ...]]:
    """Count how often each epoch had each tile, over all processes."""
    return Counter(tuple(b) for rank in ranks for b in rank[stage])


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('distributed')


@pytest.fixture(scope='module')
def fitted(release_root: Path, folder: Path) -> list[dict[str, Any]]:
    """What each of two processes saw while it trained."""
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
    fitted: list[dict[str, Any]], release_root: Path, folder: Path
) -> None:
    """Also where the tiles cannot be shared out evenly."""
    (checkpoint,) = folder.glob('two/fit/lightning_logs/version_*/checkpoints/*.ckpt')
    results, reports = {}, {}
    for devices in (1, 2):
        own = folder / f'test-{devices}'
        ranks = run(own, release_root, own, devices, checkpoint)
        assert len(ranks) == devices
        seen = bounds(ranks, 'test')
        assert len(seen) == 3
        assert set(seen.values()) == {1}
        results[devices] = ranks[0]['result']
        (path,) = own.glob('lightning_logs/version_*/test_metrics.json')
        reports[devices] = json.loads(path.read_text())
    assert reports[1] == reports[2]
    assert results[1].keys() == results[2].keys() >= {'test_OA', 'test_loss'}
    for name, value in results[1].items():
        assert results[2][name] == pytest.approx(value, abs=1e-6), name


def test_command_line(release_root: Path, tmp_path: Path) -> None:
    """Every parameter that is trained takes part in every step, as DDP demands."""
    command = f"""
        -m torchgeo fit --model VQATask --model.model tgfnet_tiny
        --data OSVQADataModule --data.root {release_root} --data.batch_size 1
        --trainer.accelerator cpu --trainer.devices 2 --trainer.strategy ddp
        --trainer.max_epochs 2 --trainer.default_root_dir {tmp_path}
    """
    printed = python(*command.split())
    # one process reports
    assert printed.count('OA, all questions') == 1
    assert printed.count('torchgeo test') == 1
