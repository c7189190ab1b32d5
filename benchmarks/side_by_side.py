# SPDX-License-Identifier: MIT
"""Timing of rivals in turn, so that what disturbs the machine disturbs all of them."""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

ROOT = Path(__file__).parents[1]

#: Where results are that come with the repository.
RESULTS = ROOT / 'docs/_static/speed'


def seconds(function: Callable[[], Any]) -> float:
    """Time one call.

    Args:
        function: What to call.

    Returns:
        Wall time in seconds.
    """
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turn(
    rivals: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Measure every rival once in each round, after a round that does not count.

    Args:
        rivals: For each name a function that runs it and returns what was measured.
        rounds: Number of rounds.

    Returns:
        For each name what was measured in each round.
    """
    for run in rivals.values():
        run()
    measured: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, run in rivals.items():
            measured[name].append(run())
    return measured


def ratio(more: list[float], less: list[float]) -> dict[str, float]:
    """Compare what was measured side by side.

    Args:
        more: Numbers of one rival.
        less: Those of the other, round by round.

    Returns:
        Median, least and largest of the quotients of the rounds.
    """
    quotients = [a / b for a, b in zip(more, less, strict=True)]
    return {'median': median(quotients), 'min': min(quotients), 'max': max(quotients)}


def product_rate(size: int = 2048) -> float:
    """Measure how fast large matrices are multiplied, in FLOP/s.

    Args:
        size: Side of the matrices.

    Returns:
        Floating-point operations per second, float32.
    """
    a, b = torch.rand(2, size, size).unbind()
    return 2 * size**3 / seconds(lambda: a @ b)


def machine() -> dict[str, Any]:
    """Describe the machine.

    Returns:
        Processor, number of cores and threads, and versions.
    """
    name = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        lines = [x for x in info.read_text().splitlines() if x.startswith('model name')]
        name = lines[0].split(':')[1].strip() if lines else name
    return {
        'processor': name,
        'cores': os.cpu_count(),
        'threads': torch.get_num_threads(),
        'python': platform.python_version(),
        'torch': torch.__version__,
    }


def write(name: str, content: Mapping[str, Any], folder: Path = RESULTS) -> None:
    """Write a result and print it.

    Args:
        name: Name of the benchmark.
        content: What was found.
        folder: Folder of the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**content, 'machine': machine()}, indent=1)
    (folder / f'{name}.json').write_text(text + '\n')
    print(text)
