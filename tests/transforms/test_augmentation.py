# SPDX-License-Identifier: MIT
"""One object says what is done to training pairs, and its parts can be swapped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import kornia.augmentation as K
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from open_clip import tokenize
from torch import Tensor
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.transforms import (
    Augmentation,
    PairedAugmentation,
    RandomCloud,
    RandomDihedral,
    RandomLowLight,
    RandomMissing,
    RandomSpeckle,
)

ANSWERS = ('yes', 'no', 'left', 'right', 'above', 'below')
TYPES = ('presence', 'modality_quality')

MAKERS: dict[str, Callable[..., K.IntensityAugmentationBase2D]] = {
    'cloud': RandomCloud,
    'low_light': RandomLowLight,
    'speckle': RandomSpeckle,
}


@pytest.fixture
def images() -> Tensor:
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def batch(images: Tensor) -> Sample:
    return {
        'image_optical': images * 255,
        'image_sar': images[:, :2] - 20,
        'question': tokenize(['is it left of it?', 'which is best?']).repeat(8, 1, 1),
        'question_type': torch.tensor([[0, 1]]).repeat(8, 1),
        'label': torch.tensor([[2, 0]]).repeat(8, 1),
    }


def bind(augmentation: Augmentation) -> PairedAugmentation:
    return augmentation.bind(ANSWERS, [(), ()], TYPES, 255.0)


def test_default_is_geometry_alone() -> None:
    assert Augmentation().parts == {'geometry': True}
    module = bind(Augmentation())
    assert module.geometry is not None
    assert len(module.optical) == len(module.sar) == 0
    assert Augmentation(geometry=False).parts == {}
    assert bind(Augmentation(geometry=False)).geometry is None


def test_same_random_numbers_as_parts_by_hand(batch: Sample) -> None:
    """The order of the parts is the order in which random numbers are drawn."""
    by_hand = PairedAugmentation(
        ANSWERS,
        optical=[
            K.ColorJiggle(0.2, 0.2, 0.2, 0.05, p=0.5),
            RandomCloud(p=0.4),
            RandomLowLight(p=0.6),
            RandomMissing(p=0.3),
        ],
        sar=[RandomSpeckle(p=0.5), RandomMissing(p=0.2)],
        quality_types=[1],
    )
    probabilities = {
        'color_jitter': 0.5,
        'cloud': 0.4,
        'low_light': 0.6,
        'speckle': 0.5,
        'missing_optical': 0.3,
        'missing_sar': 0.2,
    }
    drawn = [part.p for part in (*by_hand.optical, *by_hand.sar)]
    augmentation = Augmentation(**probabilities)  # type: ignore[arg-type]
    assert augmentation.parts == {'geometry': True} | probabilities
    bound = bind(augmentation)
    assert [part.p for part in (*bound.optical, *bound.sar)] == drawn
    outputs = []
    for module in (by_hand, bound):
        torch.manual_seed(3)
        outputs.append(module(batch))
    for key, value in outputs[0].items():
        torch.testing.assert_close(
            outputs[1][key], value, rtol=0, atol=0, equal_nan=True, msg=key
        )
    assert (outputs[0]['label'][:, 1] < 0).any()


def test_own_parts(batch: Sample) -> None:
    """Parts of one's own come before images go missing, which could not be changed."""
    module = bind(
        Augmentation(
            RandomDihedral(elements=[0, 4]),
            missing_optical=0.5,
            optical=[K.RandomInvert(p=1.0)],
            sar=[K.RandomGaussianNoise(p=1.0)],
            optical_max=510.0,
        )
    )
    torch.manual_seed(0)
    output = module(batch)
    assert module.geometry is not None
    elements = module.geometry._params['dihedral'].tolist()
    assert set(elements) == {0, 4}
    missing = output['image_optical'].isnan().flatten(1).all(1)
    assert missing.any()
    assert not missing.all()
    for i, element in enumerate(elements):
        if not missing[i]:
            image = batch['image_optical'][i]
            image = image.flip(-1) if element else image
            torch.testing.assert_close(output['image_optical'][i], 510 - image)
        turned = batch['image_sar'][i].flip(-1) if element else batch['image_sar'][i]
        noise = output['image_sar'][i] - turned
        assert 0.5 < noise.std() < 1.5


def test_a_part_that_never_happens_is_left_out() -> None:
    module = bind(Augmentation(optical=[K.RandomInvert(p=0.0)]))
    assert len(module.optical) == 0


@pytest.mark.parametrize(('optical_max', 'expected'), [(None, 255.0), (3000.0, 3000.0)])
def test_optical_max(optical_max: float | None, expected: float) -> None:
    assert bind(Augmentation(optical_max=optical_max)).optical_max == expected


@pytest.mark.parametrize(
    ('arguments', 'error', 'match'),
    [
        ({'cloud': 1.5}, ValueError, 'cloud is a probability in .0, 1., got 1.5'),
        ({'missing_sar': -0.1}, ValueError, 'missing_sar is a probability'),
        ({'optical_max': 0}, ValueError, 'optical_max must be positive, got 0'),
        ({'optical': [K.RandomHorizontalFlip()]}, TypeError, 'RandomHorizontalFlip'),
        ({'sar': [torch.nn.Identity()]}, TypeError, 'move no pixel.*Identity'),
    ],
)
def test_invalid(arguments: dict[str, Any], error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        Augmentation(**arguments)


def test_geometry_must_not_leave_out_pairs() -> None:
    with pytest.raises(ValueError, match=r'p=1, got p=0\.5'):
        bind(Augmentation(RandomDihedral(p=0.5)))


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_yaml_swaps_parts(tmp_path: Path) -> None:
    config = {
        'augmentation': {
            'geometry': {
                'class_path': 'torchgeo_vqa.transforms.RandomDihedral',
                'init_args': {'elements': [0, 4]},
            },
            'optical': [
                {
                    'class_path': 'torchgeo_vqa.transforms.RandomCloud',
                    'init_args': {'cover': [0.5, 0.5], 'p': 0.2},
                },
                {'class_path': 'kornia.augmentation.RandomInvert'},
            ],
        }
    }
    path = tmp_path / 'config.yaml'
    path.write_text(yaml.safe_dump(config))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument('--config', action='config')
    parser.add_argument('--augmentation', type=Augmentation, default=Augmentation())
    parsed = parser.parse_args([f'--config={path}', '--augmentation.cloud=0.3'])
    augmentation = parser.instantiate_classes(parsed).augmentation
    assert augmentation.cloud == 0.3
    assert augmentation.geometry.elements == (0, 4)
    cloud, invert = augmentation.optical
    assert isinstance(cloud, RandomCloud)
    assert cloud.p == 0.2
    assert isinstance(invert, K.RandomInvert)


@pytest.mark.parametrize('name', MAKERS)
def test_in_a_sequential(name: str, images: Tensor) -> None:
    augmentation = K.AugmentationSequential(MAKERS[name](p=1.0), data_keys=None)
    mask = torch.ones(8, 1, 32, 32)
    output = augmentation({'image_optical': images, 'mask': mask})
    assert output['image_optical'].shape == images.shape
    assert torch.equal(output['mask'], mask)


@pytest.mark.parametrize('name', MAKERS)
def test_keepdim(name: str, images: Tensor) -> None:
    assert MAKERS[name](p=1.0, keepdim=True)(images[0]).shape == images[0].shape
