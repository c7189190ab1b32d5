# SPDX-License-Identifier: MIT
"""Runs of the command line, for benchmarks that can go on where they were stopped."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import torch

from torchgeo_vqa.quickstart import QUICKSTART


def torchgeo(
    subcommand: str, options: Sequence[str], log: Path, num_threads: int
) -> float:
    """Run the ``torchgeo`` command.

    Args:
        subcommand: 'fit' or 'test'.
        options: Further arguments.
        log: File that what it prints is appended to.
        num_threads: Number of threads it may use.

    Returns:
        How long it took, in seconds.

    Raises:
        RuntimeError: If it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, '-m', 'torchgeo', subcommand, *options]
    env = {**os.environ, 'OMP_NUM_THREADS': str(num_threads)}
    start = time.perf_counter()
    with log.open('a') as file:
        done = subprocess.run(command, stdout=file, stderr=file, env=env, check=False)
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)} failed, see {log}')
    return time.perf_counter() - start


class FineTuned(NamedTuple):
    """A fine-tuned CLIP."""

    #: Its checkpoint.
    checkpoint: Path
    #: How long it took, in seconds.
    seconds: float


def fine_tune(
    config: Path, folder: Path, options: Mapping[str, Any], num_threads: int = 1
) -> FineTuned:
    """Fine-tune CLIP, unless that is done already.

    Args:
        config: Configuration of ``torchgeo fit``.
        folder: Folder for log and checkpoint.
        options: Options that differ from the configuration's, by name.
        num_threads: Number of threads.

    Returns:
        The checkpoint, and what it took.
    """
    done = folder / 'seconds.json'
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        place = ['--trainer.default_root_dir', str(folder)]
        arguments = ['--config', str(config), *as_arguments(options), *place]
        seconds = torchgeo('fit', arguments, folder / 'log.txt', num_threads)
        done.write_text(json.dumps(seconds))
    (checkpoint,) = folder.glob('lightning_logs/version_*/checkpoints/*.ckpt')
    return FineTuned(checkpoint, json.loads(done.read_text()))


def train_and_test(
    result: Path,
    folder: Path,
    options: Mapping[str, Any],
    test_options: Sequence[str] = (),
    fresh_seed: int | None = None,
    num_threads: int = 1,
    measure: Callable[[Path], Mapping[str, Any]] | None = None,
    start: FineTuned | None = None,
) -> dict[str, Any]:
    """Train and test a model on the embedded sample, unless that is done already.

    Args:
        result: JSON file of the result; if it exists, it is read and nothing is run.
        folder: Folder for logs and checkpoints.
        options: Options of ``torchgeo fit`` and ``torchgeo test`` beside the quickstart's
            own, by name.
        test_options: Further arguments of ``torchgeo test``.
        fresh_seed: Generator seed of another sample to test on too.
        num_threads: Number of threads.
        measure: What else to measure on the checkpoint.
        start: CLIP to start from.

    Returns:
        The test metrics, and what training took.
    """
    if result.exists():
        known: dict[str, Any] = json.loads(result.read_text())
        return known
    arguments = ['--config', str(QUICKSTART), *as_arguments(options)]
    # A folder of its own for every try, so that nothing of a stopped run is mistaken
    folder = folder / time.strftime('%Y%m%dT%H%M%S')
    place = ['--trainer.default_root_dir', str(folder)]
    log = folder / 'log.txt'
    content: dict[str, Any] = {'options': dict(options)}
    if start is not None:
        content['fine_tuning_seconds'] = start.seconds
        arguments += ['--model.pretrained', str(start.checkpoint)]
    seconds = torchgeo('fit', [*arguments, *place], log, num_threads)
    (checkpoint,) = folder.glob('lightning_logs/version_*/checkpoints/best.ckpt')
    (curve,) = folder.glob('lightning_logs/version_*/metrics.csv')
    tested = [*arguments, '--ckpt_path', str(checkpoint)]
    torchgeo('test', [*tested, *place, *test_options], log, num_threads)
    reports = {
        path.stem: json.loads(path.read_text())
        for path in folder.glob('lightning_logs/version_*/*_metrics.json')
    }
    if fresh_seed is not None:
        fresh = folder / 'fresh'
        tested += ['--trainer.default_root_dir', str(fresh)]
        tested += ['--data.seed', str(fresh_seed)]
        torchgeo('test', tested, log, num_threads)
        (path,) = fresh.glob('lightning_logs/version_*/test_metrics.json')
        reports['fresh_metrics'] = json.loads(path.read_text())
    content |= {
        'num_parameters': num_parameters(checkpoint),
        'fit_seconds': seconds,
        'num_threads': num_threads,
        'curve': learning_curve(curve),
        **reports,
        **(measure(checkpoint) if measure else {}),
    }
    result.parent.mkdir(parents=True, exist_ok=True)
    part = result.with_suffix('.part')
    part.write_text(json.dumps(content, indent=1) + '\n')
    os.replace(part, result)
    return content


def as_arguments(options: Mapping[str, Any]) -> list[str]:
    """Write options for the command line; what is no string becomes JSON."""
    arguments: list[str] = []
    for name, value in options.items():
        text = value if isinstance(value, str) else json.dumps(value)
        arguments += [f'--{name}', text]
    return arguments


def num_parameters(checkpoint: Path) -> int:
    """Count the parameters a checkpoint's optimizer trained."""
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    moments = state['optimizer_states'][0]['state'].values()
    return sum(m['exp_avg'].numel() for m in moments)


def learning_curve(path: Path) -> list[dict[str, float]]:
    """Read the validation accuracy after every epoch from Lightning's metrics.csv."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row.get('val_OA')]
    return [
        {
            'step': int(row['step']) + 1,
            'OA': float(row['val_OA']),
            'AA': float(row['val_AA']),
        }
        for row in rows
    ]


def run_all(jobs: Sequence[Callable[[], Any]], at_once: int) -> list[Any]:
    """Run jobs side by side; if one fails the others still finish, then it is raised."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(job) for job in jobs]
    return [future.result() for future in futures]


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Write the mean and, of several runs, the standard deviation."""
    text = f'{mean(values):.{digits}f}'
    return f'{text} ± {stdev(values):.{digits}f}' if len(values) > 1 else text
