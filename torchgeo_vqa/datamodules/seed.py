# SPDX-License-Identifier: MIT
"""Random numbers that depend on the seed of a run and on where in it they are drawn."""

import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data.distributed import DistributedSampler
from torchgeo.datasets.utils import Sample

#: What random numbers are for: no two draw the same.
ORDER, SAMPLE, BATCH = range(3)


class Position(NamedTuple):
    """Where a training is."""

    #: Seed of the run.
    seed: int
    epoch: int
    #: Samples of the epoch that this process has already trained on.
    num_done: int


def seed_all(*key: int, devices: bool = True) -> None:
    """Seed Python, NumPy and PyTorch by some numbers, on *devices* or on the CPU alone."""
    words = np.random.SeedSequence(key).generate_state(3, np.uint64).tolist()
    random.seed(words[0])
    np.random.seed(words[1] % 2**32)  # noqa: NPY002
    seed = torch.manual_seed if devices else torch.default_generator.manual_seed
    seed(words[2])


class EpochSampler(DistributedSampler[Any]):
    """Random samples of an epoch, the same in any process that trains it.

    Yields each query with the key of its random numbers. A training that goes on in the
    middle of an epoch gets the rest of it. Of several processes, each gets its share; some
    samples repeat, so that all have as many.
    """

    def __init__(
        self,
        sampler: Sampler[Any],
        num_replicas: int,
        rank: int,
        position: Callable[[], Position],
    ) -> None:
        """Share a sampler, from where *position* says that the training is."""
        super().__init__(sampler, num_replicas, rank, shuffle=False)  # type: ignore[arg-type]
        self.sampler = sampler
        self.position = position

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Return the samples of the epoch that is trained now."""
        # At once, since a loader begins to read before the first sample is asked for
        seed, epoch, num_done = self.position()
        parts = ('spatial_sampler', 'temporal_sampler')
        for part in (self.sampler, *(getattr(self.sampler, p, None) for p in parts)):
            if isinstance(getattr(part, 'generator', None), np.random.Generator):
                part.generator = np.random.default_rng([ORDER, seed, epoch])  # type: ignore[union-attr]
        keys: Any = (((SAMPLE, seed, epoch, i), x) for i, x in enumerate(self.sampler))
        if self.num_replicas > 1:
            keys = list(keys)
            keys += keys[: -len(keys) % self.num_replicas]
        return islice(
            keys, self.rank + num_done * self.num_replicas, None, self.num_replicas
        )


class SeededDataset(Dataset[Sample]):
    """A dataset that draws the same for a sample in whatever process reads it."""

    def __init__(self, dataset: Dataset[Sample]) -> None:
        """Take the dataset."""
        self.dataset = dataset

    def __getitem__(self, index: tuple[tuple[int, ...], Any]) -> Sample:
        """Return a sample, given its key and its query."""
        key, query = index
        with isolate_rng(include_cuda=False):
            seed_all(*key, devices=False)
            return self.dataset[query]


class LazyLoader(DataLoader[Sample]):
    """A loader that begins to read when the first batch is asked for.

    Workers read ahead as soon as there is an iterator, and Lightning makes one before it
    knows where a resumed training is.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield batches."""
        yield from super().__iter__()
