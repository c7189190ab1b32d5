# SPDX-License-Identifier: MIT
"""Is anything lost when a process is killed?

Starts what writes files, kills it (``kill -9``) at a random moment, again and again, and then looks
whether everything is made anew or gone on with, and ends as it does undisturbed:

    python benchmarks/kills.py
    python benchmarks/kills.py --kills 3 --jobs cache sample

The moments are spread evenly over the time that the job takes undisturbed. Writes a table.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from opening import make_release
from side_by_side import ROOT, write

CACHE = """
import sys
from torchgeo_vqa.datasets import OSVQA
dataset = OSVQA(sys.argv[1], 'train')
print(dataset.table.text('question', [len(dataset.table) - 1]), len(dataset.table))
"""

SAMPLE = """
import sys
from torchgeo_vqa.datasets import OSVQAMini
OSVQAMini(sys.argv[1], num_scenes={'train': 400, 'val': 20, 'test': 20})
"""

#: Options of every run of the command line.
RUN = (
    *('--model', 'VQATask', '--model.model', 'tgfnet_tiny', '--model.lr', '1e-3'),
    *('--data', 'OSVQAMiniDataModule', '--data.batch_size', '8'),
    *('--data.questions_per_sample', '8'),
    *('--data.num_scenes', '{train: 64, val: 8, test: 64}'),
    *('--seed_everything', '0', '--trainer.accelerator', 'cpu'),
    *('--trainer.enable_progress_bar', 'false', '--trainer.logger', 'false'),
)


def killed(command: Sequence[str], folder: Path, seconds: float) -> bool:
    """Run a command, and kill it and its children after a time.

    Args:
        command: The command.
        folder: Folder to run it in.
        seconds: The time.

    Returns:
        Whether it was killed, not finished.

    Raises:
        RuntimeError: If it failed by itself.
    """
    with (folder / 'log.txt').open('wb') as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    if code:
        raise RuntimeError((folder / 'log.txt').read_text()[-2000:])
    return False


def digest(folder: Path) -> dict[str, str]:
    """Hash all files that somebody may read: those with a final name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and not {'.cache', 'log.txt'} & {*path.parts}
    }


class Job(ABC):
    """What is killed."""

    def __init__(self, folder: Path) -> None:
        """Initialize a new Job instance.

        Args:
            folder: Folder to work in.
        """
        self.folder = folder
        folder.mkdir()
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Make what the job needs."""

    @abstractmethod
    def command(self) -> list[str]:
        """Command to run."""

    @abstractmethod
    def result(self) -> Any:
        """What it has made, to be compared."""

    @abstractmethod
    def check(self) -> None:
        """Raise an AssertionError if a file is half written after a kill."""

    @abstractmethod
    def reset(self) -> None:
        """Remove what it has made, so that it has something to do."""


class CacheJob(Job):
    """The cache of a question table."""

    def prepare(self) -> None:
        """Make a stand-in of a part of the release."""
        make_release(self.folder / 'OSVQA_1.0', 0.1)
        (self.folder / 'script.py').write_text(CACHE)

    def command(self) -> list[str]:
        """Command to run."""
        return [sys.executable, 'script.py', 'OSVQA_1.0']

    def result(self) -> Any:
        """What it says of the dataset."""
        return (self.folder / 'log.txt').read_text().splitlines()[-1]

    def _files(self) -> list[Path]:
        """Files of the cache under their final names."""
        return list((self.folder / 'OSVQA_1.0').rglob('.cache/*.table'))

    def check(self) -> None:
        """Read the cache: it begins with the checksum of the rest."""
        for path in self._files():
            content = path.read_bytes()
            assert (
                hashlib.blake2b(content[32:], digest_size=32).digest() == content[:32]
            )

    def reset(self) -> None:
        """Remove the cache."""
        for path in self._files():
            path.unlink()


class SampleJob(Job):
    """The embedded sample."""

    def prepare(self) -> None:
        """Write the script."""
        (self.folder / 'script.py').write_text(SAMPLE)

    def command(self) -> list[str]:
        """Command to run."""
        return [sys.executable, 'script.py', 'sample']

    def _made(self) -> list[Path]:
        """Folders of samples under their final names."""
        return list((self.folder / 'sample').glob('osvqa_mini*'))

    def result(self) -> Any:
        """Hashes of all files."""
        (made,) = self._made()
        return digest(made)

    def check(self) -> None:
        """A sample is whole or not there."""
        for made in self._made():
            assert len(list(made.glob('images/rgb/*'))) == 440, made

    def reset(self) -> None:
        """Remove the sample."""
        for made in self._made():
            made.rename(self.folder / f'old-{time.monotonic_ns()}')


class PredictJob(Job):
    """Predictions."""

    def prepare(self) -> None:
        """Train for a step."""
        fit = [*RUN, '--trainer.max_steps', '1', '--trainer.limit_val_batches', '0']
        command = [sys.executable, '-m', 'torchgeo', 'fit', *fit]
        killed(command, self.folder, 600)
        (self.checkpoint,) = self.folder.rglob('*.ckpt')

    def command(self) -> list[str]:
        """Command to run."""
        predict = ['predict', *RUN, '--ckpt_path', str(self.checkpoint)]
        return [sys.executable, '-m', 'torchgeo', *predict]

    def _path(self) -> Path:
        """File of the predictions."""
        return self.folder / 'predictions.parquet'

    def result(self) -> Any:
        """The predictions."""
        return pd.read_parquet(self._path()).to_csv()

    def check(self) -> None:
        """Predictions are whole or not there."""
        if self._path().exists():
            pd.read_parquet(self._path())

    def reset(self) -> None:
        """Remove the predictions."""
        self._path().unlink(missing_ok=True)


class FitJob(Job):
    """Training with two workers, which goes on from its last checkpoint."""

    def prepare(self) -> None:
        """Make nothing: training starts from nothing."""

    def command(self) -> list[str]:
        """Command to run."""
        callback = {
            'class_path': 'lightning.pytorch.callbacks.ModelCheckpoint',
            'init_args': {
                'filename': '{step:03d}',
                'dirpath': 'ckpt',
                'save_top_k': -1,
                'every_n_train_steps': 3,  # of 8 in an epoch
            },
        }
        fit = [*RUN, '--data.num_workers', '2', '--trainer.max_steps', '48']
        fit += ['--trainer.callbacks+', json.dumps(callback)]
        checkpoints = self._checkpoints()
        if checkpoints:
            fit += ['--ckpt_path', str(checkpoints[-1])]
        return [sys.executable, '-m', 'torchgeo', 'fit', *fit]

    def _checkpoints(self) -> list[Path]:
        """Checkpoints under their final names, oldest first."""
        return sorted((self.folder / 'ckpt').glob('*.ckpt'))

    def result(self) -> Any:
        """Hash of the weights at the end."""
        path = self._checkpoints()[-1]
        assert path.stem == 'step=048', path
        state = torch.load(path, weights_only=True)['state_dict']
        values = b''.join(value.numpy().tobytes() for value in state.values())
        return hashlib.sha256(values).hexdigest()

    def check(self) -> None:
        """Checkpoints are whole or not there."""
        for path in self._checkpoints():
            torch.load(path, weights_only=True)

    def reset(self) -> None:
        """Remove the checkpoints once the last one is there."""
        if len(self._checkpoints()) == 16:
            for path in self._checkpoints():
                path.unlink()


KEYS = ('kills', 'survived')

JOBS: dict[str, type[Job]] = {
    'cache': CacheJob,
    'sample': SampleJob,
    'predict': PredictJob,
    'fit': FitJob,
}


def survive(job: Job, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill a job again and again.

    Args:
        job: The job.
        kills: Number of kills.
        rng: Source of the moments.

    Returns:
        How often it was killed, and how often it ended as undisturbed afterwards.
    """
    start = time.perf_counter()
    killed(job.command(), job.folder, 600)
    seconds = time.perf_counter() - start
    expected = job.result()
    job.reset()
    made = survived = 0
    while made < kills:
        if killed(job.command(), job.folder, rng.uniform(0.2, 1.0) * seconds):
            made += 1
            job.check()
            # Training goes on over several kills; its end is looked at when it comes
            if isinstance(job, FitJob):
                survived += 1
                continue
            killed(job.command(), job.folder, 600)
            survived += job.result() == expected
            job.reset()
            continue
        assert job.result() == expected, type(job).__name__
        job.reset()
    killed(job.command(), job.folder, 600)
    assert job.result() == expected, type(job).__name__
    return {'kills': made, 'survived': survived, 'seconds': seconds}


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the result in Markdown.

    Args:
        found: Output of :func:`survive` for each job.

    Returns:
        A table.
    """
    lines = ['| what was killed | kills | survived |', '|---|---|---|']
    for name, numbers in found.items():
        cells = (
            f'{JOBS[name].__doc__}'.rstrip('.'),
            numbers['kills'],
            numbers['survived'],
        )
        lines.append(f'| {" | ".join(map(str, cells))} |')
    total = [sum(numbers[key] for numbers in found.values()) for key in KEYS]
    return '\n'.join([*lines, f'| **all** | {total[0]} | {total[1]} |'])


def main() -> None:
    """Kill all jobs and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--jobs', nargs='+', choices=JOBS, default=list(JOBS))
    parser.add_argument('--kills', type=int, default=15, help='kills of each job')
    parser.add_argument('--output', type=Path, default=ROOT / 'docs/_static/faults')
    args = parser.parse_args()
    rng = random.Random(0)
    found: dict[str, Any] = {}
    for name in args.jobs:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = survive(JOBS[name](Path(folder) / 'work'), args.kills, rng)
        print(name, found[name], flush=True)
    write('kills', found, args.output)
    (args.output / 'kills.md').write_text(table(found) + '\n')


if __name__ == '__main__':
    main()
