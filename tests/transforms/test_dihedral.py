# SPDX-License-Identifier: MIT
"""Flips and quarter turns move pixels, matrices and masks exactly."""

import kornia.augmentation as K
import pytest
import torch

from torchgeo_vqa.rasters.dihedral import dihedral
from torchgeo_vqa.transforms import RandomDihedral


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_each_sample_gets_its_element(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    augmentation = RandomDihedral()
    output = augmentation(images)
    elements = augmentation._params['dihedral'].tolist()
    assert len(set(elements)) > 4
    expected = [dihedral(i, k) for i, k in zip(images, elements, strict=True)]
    assert torch.equal(output, torch.stack(expected))


def test_all_elements_are_drawn_equally() -> None:
    torch.manual_seed(0)
    drawn = RandomDihedral().generate_parameters((8000, 1, 4, 4))['dihedral']
    counts = torch.bincount(drawn, minlength=8)
    assert counts.min() > 900
    assert counts.max() < 1100


def test_flat_images_keep_their_shape() -> None:
    torch.manual_seed(0)
    augmentation = RandomDihedral()
    output = augmentation(torch.rand(64, 2, 4, 6))
    assert output.shape == (64, 2, 4, 6)
    assert set(augmentation._params['dihedral'].tolist()) == {0, 2, 4, 6}


def test_flat_images_reject_quarter_turns() -> None:
    with pytest.raises(ValueError, match=r'4 x 6.*square'):
        RandomDihedral(elements=[1, 3])(torch.rand(2, 1, 4, 6))
    params = {'dihedral': torch.tensor([0, 1]), 'batch_prob': torch.ones(2)}
    with pytest.raises(ValueError, match=r'square images, got 4 x 6'):
        RandomDihedral()(torch.rand(2, 1, 4, 6), params=params)


@pytest.mark.parametrize('elements', [[], [8], [-1, 0]])
def test_invalid_elements(elements: list[int]) -> None:
    with pytest.raises(ValueError, match='elements must be'):
        RandomDihedral(elements=elements)


def test_replay_seed_and_inverse(images: torch.Tensor) -> None:
    augmentation = RandomDihedral(p=0.7)
    torch.manual_seed(1)
    output = augmentation(images)
    assert torch.equal(augmentation(images, params=augmentation._params), output)
    assert torch.equal(augmentation.inverse(output), images)
    torch.manual_seed(1)
    assert torch.equal(RandomDihedral(p=0.7)(images), output)


def test_probability(images: torch.Tensor) -> None:
    assert torch.equal(RandomDihedral(p=0.0)(images), images)


def test_same_on_batch(images: torch.Tensor) -> None:
    torch.manual_seed(3)
    augmentation = RandomDihedral(elements=range(1, 8), same_on_batch=True)
    output = augmentation(images)
    (element,) = set(augmentation._params['dihedral'].tolist())
    assert torch.equal(output, dihedral(images, element))


def test_keepdim(images: torch.Tensor) -> None:
    assert RandomDihedral(keepdim=True)(images[0]).shape == images[0].shape


@pytest.mark.parametrize('shape', [(5, 5), (4, 6)])
def test_matrix_moves_keypoints_with_pixels(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    height, width = shape
    rows, columns = torch.randint(height, (32,)), torch.randint(width, (32,))
    images = torch.zeros(32, 1, height, width)
    images[torch.arange(32), 0, rows, columns] = 1
    points = torch.stack([columns, rows], dim=1).float()[:, None]
    augmentation = K.AugmentationSequential(RandomDihedral(), data_keys=None)
    output = augmentation({'image': images, 'keypoints': points})
    moved = output['image'].nonzero()[:, [3, 2]].float()
    torch.testing.assert_close(output['keypoints'][:, 0], moved)


def test_augmentation_sequential_treats_modalities_alike(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    augmentation = K.AugmentationSequential(RandomDihedral(), data_keys=None)
    mask = (images[:, :1] > 0.5).long()
    batch = {'image_optical': images, 'image_sar': images[:, :2] - 20, 'mask': mask}
    output = augmentation(batch)
    assert not torch.equal(output['image_optical'], images)
    torch.testing.assert_close(output['image_sar'] + 20, output['image_optical'][:, :2])
    assert torch.equal(output['mask'], (output['image_optical'][:, :1] > 0.5).long())
