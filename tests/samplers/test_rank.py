# SPDX-License-Identifier: MIT
"""Tests of RankSampler."""

import pytest
from torch.utils.data import SequentialSampler

from torchgeo_vqa.samplers import RankSampler


@pytest.mark.parametrize(('num', 'num_replicas'), [(7, 2), (6, 3), (2, 3), (5, 1)])
def test_shares(num: int, num_replicas: int) -> None:
    """All shares together are the whole, and none repeats."""
    sampler = SequentialSampler(range(num))
    shares = [RankSampler(sampler, num_replicas, rank) for rank in range(num_replicas)]
    assert [len(share) for share in shares] == [len(list(share)) for share in shares]
    assert sorted(i for share in shares for i in share) == list(range(num))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_invalid() -> None:
    with pytest.raises(ValueError, match='rank'):
        RankSampler(SequentialSampler(range(3)), 2, 2)
