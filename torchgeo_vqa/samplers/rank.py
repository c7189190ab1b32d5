# SPDX-License-Identifier: MIT
"""Sharing of a sampler among processes."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import Sampler
from torch.utils.data.distributed import DistributedSampler


class RankSampler(DistributedSampler[Any]):
    """Give each of several processes its share of a sampler, and none twice.

    PyTorch's :class:`~torch.utils.data.distributed.DistributedSampler` repeats some
    samples so that all processes have as many. Training needs that, but a metric counts
    them twice.
    """

    def __init__(self, sampler: Sampler[Any], num_replicas: int, rank: int) -> None:
        """Share a sampler, in the same order in all *num_replicas* processes, with one.

        Raise a ValueError if *rank* is not the number of one of the processes.
        """
        super().__init__(sampler, num_replicas, rank, shuffle=False)  # type: ignore[arg-type]
        self.sampler = sampler

    def __iter__(self) -> Iterator[Any]:
        """Yield every *num_replicas*-th item of the sampler."""
        for i, index in enumerate(self.sampler):
            if i % self.num_replicas == self.rank:
                yield index

    def __len__(self) -> int:
        """Return the number of items of this process."""
        return len(range(self.rank, len(self.sampler), self.num_replicas))  # type: ignore[arg-type]
