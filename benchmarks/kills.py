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
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from opening import make_release
from side_by_side import ROOT, write
from torchgeo_vqa.synthetic import write_area

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


def killed(
    command: Sequence[str],
    folder: Path,
    seconds: float,
    begun: Callable[[], bool] = lambda: True,
) -> bool:
    """Run a command, and kill it and its children after a time.

    Args:
        command: The command.
        folder: Folder to run it in.
        seconds: The time.
        begun: Tells whether the time begins.

    Returns:
        Whether it was killed, not finished.

    Raises:
        RuntimeError: If it failed by itself.
    """
    with (folder / 'log.txt').open('wb') as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        while not begun() and process.poll() is None:
            time.sleep(0.01)
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

    def begun(self) -> bool:
        """Whether it works, not only imports."""
        return True


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


class OutputJob(Job):
    """A command of `torchgeo-vqa` that writes one file or folder, among foreign files."""

    name = ''
    #: Arguments, but for the output.
    arguments: Sequence[str] = ()
    _whole: Mapping[str, str] | None = None

    @property
    def output(self) -> Path:
        """What is written."""
        return self.folder / self.name

    def prepare(self) -> None:
        """Write an area, and files of the user's with names that a writer might take."""
        names = write_area(self.folder / 'area', 384)
        (self.folder / 'area/classes.json').write_text(json.dumps(names))
        for pattern in FOREIGN:
            path = self.folder / pattern.format(self.name, *self.name.split('.'))
            path.mkdir() if pattern.endswith('/') else path.write_text('mine')

    def command(self) -> list[str]:
        """Command to run."""
        output = ['--output', self.name]
        return [sys.executable, '-m', 'torchgeo_vqa', *self.arguments, *output]

    def result(self) -> Any:
        """Hashes of the whole folder, with hidden, foreign and temporary files."""
        folders = sorted(str(p) for p in self.folder.rglob('*') if p.is_dir())
        found = digest(self.folder)
        if self._whole is None:
            self._whole = {k: v for k, v in found.items() if k.startswith(self.name)}
        return folders, found

    def check(self) -> None:
        """Foreign files are there, and what is written is whole or not there."""
        found = digest(self.folder)
        assert sum(path.startswith('area/') for path in found) == 4
        mine = hashlib.sha256(b'mine').hexdigest()
        files = [name for name in FOREIGN if not name.endswith('/')]
        assert sum(value == mine for value in found.values()) == len(files)
        if self.output.exists() and self._whole is not None:
            for path, value in self._whole.items():
                assert found[path] == value, path

    def reset(self) -> None:
        """Remove what it has written."""
        if self.output.is_dir():
            shutil.rmtree(self.output)
        else:
            self.output.unlink()

    def begun(self) -> bool:
        """Whether it has locked its output."""
        return any(self.folder.glob('.*.torchgeo-vqa-*.lock'))


AREA = ('--optical', 'area/sentinel2.tif', '--sar', 'area/sentinel1.tif')


class GenerateJob(OutputJob):
    """Generation of a dataset by two workers."""

    name = 'generated'
    arguments = (
        *('generate', *AREA, '--labels', 'area/land_cover.tif'),
        *('--classes', 'area/classes.json', '--patch_size', '32', '--stride', '24'),
        *('--num_workers', '2', '--balance_by', 'patch'),
    )


class AskJob(OutputJob):
    """Answers about an area."""

    name = 'answers.parquet'
    arguments = (
        *('ask', 'Is there water?', 'Is there a road?', *AREA),
        *('--patch_size', '64', '--stride', '16'),
    )


class ConvertJob(OutputJob):
    """Conversion of questions and images."""

    name = 'converted'
    arguments = ('convert', 'rows.csv', '--optical', 'images', '--split', 'draw')

    def prepare(self) -> None:
        """Write images and questions, too."""
        super().prepare()
        (self.folder / 'images').mkdir()
        rows = ['image,question,answer']
        for i in range(1000):
            image = self.folder / f'images/{i}.tif'
            shutil.copyfile(self.folder / 'area/sentinel2.tif', image)
            rows.append(f'{i},Is there water?,{("yes", "no")[i % 2]}')
        (self.folder / 'rows.csv').write_text('\n'.join(rows) + '\n')


#: Names of a user's files beside an output: {0} is its name, {1} that without extension.
FOREIGN = (
    *(
        'part-{0}',
        '{0}.partial.txt',
        '.{0}.tmp',
        '{0}.lock',
        '.{0}.lock',
        '{0}.parquet',
    ),
    *('{1}.tmp', '.{1}.torchgeo-vqa', 'tmp/', '{1}-partial/', '{0}.partial.old/'),
)

KEYS = ('kills', 'survived')

JOBS: dict[str, type[Job]] = {
    'cache': CacheJob,
    'sample': SampleJob,
    'predict': PredictJob,
    'fit': FitJob,
    'generate': GenerateJob,
    'ask': AskJob,
    'convert': ConvertJob,
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
    starts = []

    def begun() -> bool:
        if job.begun():
            starts.append(time.perf_counter())
        return bool(starts)

    killed(job.command(), job.folder, 600, begun)
    seconds = time.perf_counter() - starts[0]
    expected = job.result()
    job.reset()
    made = survived = 0
    while made < kills:
        first = 0.0 if isinstance(job, OutputJob) else 0.2
        moment = rng.uniform(first, 1.0) * seconds
        if killed(job.command(), job.folder, moment, job.begun):
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
