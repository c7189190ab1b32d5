# SPDX-License-Identifier: MIT
"""Tests of the metrics."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from torchgeo_vqa.metrics import VQAAccuracy


def questions(size: int, seed: int) -> tuple[Tensor, ...]:
    """Random questions: 4 answers (4 = outside the vocabulary), 3 types, 2 groups."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randint(low, high, (size,), generator=generator)
        for low, high in ((0, 4), (-1, 5), (0, 3), (-1, 2))
    )


def test_by_hand() -> None:
    metric = VQAAccuracy(num_types=3, num_groups=2)
    metric.update(
        preds=torch.tensor([0, 1, 2, 2, 0, 1]),
        # the fourth is outside a vocabulary of 3: wrong; the last is padding
        target=torch.tensor([0, 1, 0, 3, 0, -1]),
        question_type=torch.tensor([0, 0, 0, 0, 1, 2]),
        group=torch.tensor([0, 1, 1, -1, 0, 0]),
    )
    result = metric.compute()
    assert result['OA'] == pytest.approx(3 / 5)
    assert result['AA'] == pytest.approx((2 / 4 + 1) / 2)
    np.testing.assert_allclose(result['per_type'], [0.5, 1, np.nan])
    np.testing.assert_allclose(result['groups'], [1, 0.5])
    assert result['num_questions'] == 5


@given(st.integers(1, 60), st.integers(1, 7), st.integers(0, 99))
def test_batches_do_not_matter(size: int, batch_size: int, seed: int) -> None:
    preds, target, kinds, group = questions(size, seed)
    metric = VQAAccuracy(3, 2)
    for batch in zip(
        *(x.split(batch_size) for x in (preds, target, kinds, group)), strict=True
    ):
        metric.update(*batch)
    real = target >= 0
    right = (preds == target)[real].numpy()
    types, groups = kinds[real].numpy(), group[real].numpy()
    result = metric.compute()
    if not len(right):
        assert result['num_questions'] == 0
        return
    assert result['OA'] == pytest.approx(right.mean())
    per_type = [right[types == t].mean() for t in range(3) if (types == t).any()]
    assert result['AA'] == pytest.approx(np.mean(per_type))
    for g in range(2):
        if (groups == g).any():
            assert result['groups'][g] == pytest.approx(right[groups == g].mean())


def test_unknown_type() -> None:
    with pytest.raises(ValueError, match=r'\[0, 3\)'):
        VQAAccuracy(3).update(*(torch.tensor([x]) for x in (0, 0, 3)))


#: What each of two processes runs: it counts its part of the questions.
RANK = """
import sys, torch
from torchgeo_vqa.metrics import VQAAccuracy

folder, rank = sys.argv[1], int(sys.argv[2])
torch.distributed.init_process_group(
    'gloo', init_method=f'file://{folder}/init', rank=rank, world_size=2
)
metric = VQAAccuracy(3, 2)
metric.update(*torch.load(f'{folder}/questions_{rank}.pt'))
torch.save(metric.compute(), f'{folder}/result_{rank}.pt')
torch.distributed.destroy_process_group()
"""


def test_processes_do_not_matter(
    tmp_path: Path, start_python: Callable[..., Any]
) -> None:
    everything = questions(101, seed=0)
    processes = []
    for rank, part in enumerate((slice(0, 30), slice(30, 101))):
        torch.save([x[part] for x in everything], tmp_path / f'questions_{rank}.pt')
        processes.append(start_python('-c', RANK, tmp_path, rank))
    for process in processes:
        done = process.wait()
        assert done.returncode == 0, done.stderr
    metric = VQAAccuracy(3, 2)
    metric.update(*everything)
    expected = metric.compute()
    for rank in range(2):
        result = torch.load(tmp_path / f'result_{rank}.pt', weights_only=True)
        for name, value in expected.items():
            torch.testing.assert_close(result[name], value, equal_nan=True)
