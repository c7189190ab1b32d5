# SPDX-License-Identifier: MIT
"""Band statistics match NumPy's and are kept well-formed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from torchgeo_vqa.datamodules import statistics
from torchgeo_vqa.datamodules.statistics import check_statistics, compute_statistics


class Images(dict[int, dict[str, Tensor]]):
    """Samples by number, in place of a dataset: only ``[]`` is used of it."""


@pytest.fixture
def images() -> Images:
    generator = torch.Generator().manual_seed(0)
    images = Images()
    for i in range(10):
        sar = torch.randn(2, 8, 8, generator=generator) * 3 - 15
        sar[0, 0, 0] = float('nan')
        sar[1, 1, 1] = -float('inf')
        optical = torch.rand(3, 6 + i, 8, generator=generator) * 255
        images[i] = {'image_optical': optical, 'image_sar': sar}
    return images


def compute(images: Any, modalities: tuple[str, ...] = ('optical', 'sar')) -> Any:
    """Compute statistics of all images."""
    return compute_statistics(images, list(images), modalities, {})[0]


def test_matches_numpy(images: Images) -> None:
    result = compute(images)
    for modality in ('optical', 'sar'):
        bands = [
            np.concatenate(
                [s[f'image_{modality}'][b].numpy().ravel() for s in images.values()]
            )
            for b in range(3 if modality == 'optical' else 2)
        ]
        bands = [band[np.isfinite(band)].astype(np.float64) for band in bands]
        np.testing.assert_allclose(result[modality]['mean'], [b.mean() for b in bands])
        np.testing.assert_allclose(result[modality]['std'], [b.std() for b in bands])
    assert compute(images, ('sar',)) == {'sar': result['sar']}


def test_subsample(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, 'NUM_LOCATIONS', 5)
    assert compute(images) == compute(Images({i: images[i] for i in range(0, 10, 2)}))


def test_random_numbers_are_not_shifted() -> None:
    class Drawing(Images):
        def __getitem__(self, i: int) -> dict[str, Tensor]:
            return {'image_sar': torch.rand(1, 4, 4)}

    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    compute(Drawing({0: {}}), ('sar',))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize('value', [0.0, -12.5, 255.0])
def test_constant_band(value: float) -> None:
    images = Images({0: {'image_sar': torch.full((1, 4, 4), value)}})
    assert compute(images, ('sar',)) == {'sar': {'mean': [value], 'std': [1.0]}}


def test_band_without_data() -> None:
    sar = torch.rand(2, 4, 4)
    sar[1] = float('nan')
    with pytest.raises(ValueError, match='band 1 of the sar images'):
        compute(Images({0: {'image_sar': sar}}), ('sar',))


@pytest.mark.parametrize(
    ('numbers', 'match'),
    [
        ({}, r"must hold mean and std of \['sar'\]"),
        ({'sar': {'mean': [0]}}, "must hold 'mean' and 'std'"),
        ({'sar': {'mean': [0, 1], 'std': [1]}}, 'one mean and one positive std'),
        ({'sar': {'mean': [0], 'std': [0]}}, 'one mean and one positive std'),
        (
            {'sar': {'mean': [0], 'std': [float('nan')]}},
            'one mean and one positive std',
        ),
    ],
)
def test_check(numbers: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        check_statistics(numbers, ['sar'])


def test_check_makes_plain_floats() -> None:
    checked = check_statistics({'sar': {'mean': np.array([1]), 'std': (2,)}}, ['sar'])  # type: ignore[dict-item]
    assert checked == {'sar': {'mean': [1.0], 'std': [2.0]}}
    assert type(checked['sar']['mean'][0]) is float
