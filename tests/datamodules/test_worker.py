# SPDX-License-Identifier: MIT
"""Tests of worker processes."""

import gc
import multiprocessing
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader, Dataset

from torchgeo_vqa.datamodules import OSVQADataModule, start_worker


class Probe(Dataset[tuple[int, float]]):
    """Tells what a worker process is like."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return 2

    def __getitem__(self, index: int) -> tuple[int, float]:
        """Return how much the collector leaves alone, and a random number."""
        return gc.get_freeze_count(), torch.rand(()).item()


def probe() -> list[tuple[int, float]]:
    # What forked workers share; other start methods share nothing
    fork = multiprocessing.get_context('fork')
    loader = DataLoader(
        Probe(),
        batch_size=None,
        num_workers=2,
        worker_init_fn=start_worker,
        multiprocessing_context=fork,
    )
    return list(loader)


def test_garbage_collector_leaves_shared_memory_alone() -> None:
    gc.unfreeze()  # what others of this process have frozen
    before = gc.get_freeze_count()
    assert all(frozen > before + 10_000 for frozen, _ in probe())
    assert gc.get_freeze_count() == before


@pytest.mark.parametrize('seeded', ['0', '1'])
def test_ranks_draw_differently_if_lightning_seeds_workers(
    seeded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch alone seeds workers of all ranks alike, because they share a seed."""
    monkeypatch.setenv('PL_SEED_WORKERS', seeded)
    drawn = []
    for rank in (0, 0, 1):
        monkeypatch.setattr(rank_zero_only, 'rank', rank)
        torch.manual_seed(3)
        drawn.append([number for _, number in probe()])
    assert len(set(drawn[0])) == 2
    assert drawn[0] == drawn[1]
    assert (drawn[0] == drawn[2]) == (seeded == '0')


def test_data_modules_start_workers_so(release_root: Path) -> None:
    dm = OSVQADataModule(root=str(release_root), num_workers=1)
    dm.prepare_data()
    dm.setup('fit')
    assert dm.val_dataloader().worker_init_fn is start_worker
