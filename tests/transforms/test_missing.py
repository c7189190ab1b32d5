# SPDX-License-Identifier: MIT
"""Whole images are taken away."""

import torch

from torchgeo_vqa.transforms import RandomMissing


def test_missing_takes_whole_images() -> None:
    torch.manual_seed(0)
    images = torch.rand(8, 3, 4, 4)
    output = RandomMissing(p=0.5)(images)
    missing = output.isnan().flatten(1).all(dim=1)
    assert missing.any()
    assert not missing.all()
    assert torch.equal(output[~missing], images[~missing])
