# SPDX-License-Identifier: MIT
"""Images are resized without aliasing and brought to mean 0 and deviation 1."""

import pytest
import torch

from torchgeo_vqa.transforms import Preprocess, normalize, resize

SAR = {'mean': [-15.0, -20.0], 'std': [3.0, 4.0]}


def test_resize_averages_when_it_shrinks() -> None:
    # Stripes of two pixels without anti-aliasing become black or white.
    stripes = (torch.arange(64) + 1) // 2 % 2
    small = resize(stripes.float().expand(1, 64, 64), 16)
    assert small.shape == (1, 16, 16)
    small = small[..., 1:-1]
    torch.testing.assert_close(small, torch.full_like(small, 0.5), atol=0.1, rtol=0)
    # A plane stays a plane.
    plane = torch.arange(32.0).repeat(2, 3, 32, 1)
    middle = resize(plane, 64)[..., 4:-4]
    torch.testing.assert_close(
        middle, (torch.arange(64) / 2 - 0.25)[4:-4].expand_as(middle)
    )


def test_resize_leaves_alone() -> None:
    image = torch.rand(3, 8, 8)
    assert resize(image, 8) is image
    assert resize(image, None) is image


def test_normalize() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(10, 2, 8, 8, generator=generator) * 3 - 15
    image[:, 0, 0, 0] = float('nan')
    image[:, 1, 1, 1] = -float('inf')
    output = normalize(image, SAR)
    assert (output[:, 0, 0, 0] == 0).all()
    assert (output[:, 1, 1, 1] == 0).all()
    torch.testing.assert_close(output[3, 1, 4, 4], (image[3, 1, 4, 4] + 20) / 4)
    pixels = output[:, 0, 2:].flatten()
    torch.testing.assert_close(pixels.mean(), torch.tensor(0.0), atol=0.1, rtol=0)
    torch.testing.assert_close(pixels.std(), torch.tensor(1.0), atol=0.1, rtol=0)
    with pytest.raises(ValueError, match='2 bands, the images have 3'):
        normalize(torch.rand(1, 3, 4, 4), SAR)


def test_preprocess() -> None:
    """A pair or a batch becomes a batch of the model's size, whatever else it holds."""
    sar = torch.rand(2, 12, 16, dtype=torch.float64)
    sample = {'image_sar': sar, 'label': torch.tensor([1])}
    output = Preprocess({'sar': SAR}, 8)(sample)
    assert sample['image_sar'] is sar
    assert output['label'] is sample['label']
    expected = normalize(resize(sar[None].float(), 8), SAR)
    assert torch.equal(output['image_sar'], expected)
    batch = Preprocess({'sar': SAR, 'optical': SAR}, 8)({'image_sar': sar[None]})
    assert batch.keys() == {'image_sar', 'valid_sar'}
    assert batch['valid_sar'].tolist() == [[1, 1]]
    assert torch.equal(batch['image_sar'], expected)
