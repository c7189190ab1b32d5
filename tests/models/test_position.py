# SPDX-License-Identifier: MIT
"""Tests of the encoding of positions."""

import torch

from torchgeo_vqa.models.position import position_encoding


def test_is_unique() -> None:
    encoding = position_encoding(196, 256)
    distance = torch.cdist(encoding, encoding) + torch.eye(196) * 1e3
    assert encoding.shape == (196, 256)
    assert distance.min() > 0.1


def test_rows_and_columns() -> None:
    """The first half encodes the row, the second in the same way the column."""
    encoding = position_encoding(9, 8).reshape(3, 3, 8)
    assert torch.equal(encoding[:, 0, :4], encoding[:, 2, :4])
    assert torch.equal(encoding[..., :4], encoding[..., 4:].transpose(0, 1))
