# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Doing many things in this process, in several, or on a cluster."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial

# Things that are sent to a worker together: a task costs Dask a millisecond
_BATCH = 16


def run[Item](
    job: Callable[[Item], None],
    items: Sequence[Item],
    num_workers: int,
    scheduler: str | None = None,
) -> Iterator[int]:
    """Do something with each of many items, in any order.

    Args:
        job: What to do. It must be picklable unless it stays in this process.
        items: The items.
        num_workers: Number of processes on this machine; 1 stays in this process.
        scheduler: Address of the scheduler of a Dask cluster, which is then used instead.

    Yields:
        Number of items that have just been done.

    Raises:
        ImportError: If Dask is needed and not installed.
        OSError: If the scheduler cannot be reached.
    """
    if scheduler is None and num_workers == 1:
        for item in items:
            job(item)
            yield 1
        return
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError as error:
        raise ImportError(
            "several workers need Dask: pip install 'torchgeo-vqa[generate]', or choose "
            '--num_workers 1'
        ) from error

    batches = [items[i : i + _BATCH] for i in range(0, len(items), _BATCH)]
    with ExitStack() as stack:
        address = scheduler
        if address is None:
            # One thread each, since GDAL's handles are not to be shared; no dashboard, so
            # that no port is open
            address = stack.enter_context(
                LocalCluster(
                    n_workers=num_workers,
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=logging.ERROR,
                )
            )
        client = stack.enter_context(Client(address))
        futures = client.map(partial(_do, job), batches, pure=False)
        for future in as_completed(futures):
            yield future.result()


def _do[Item](job: Callable[[Item], None], items: Sequence[Item]) -> int:
    """Do something with each of some items."""
    for item in items:
        job(item)
    return len(items)
