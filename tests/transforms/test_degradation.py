# SPDX-License-Identifier: MIT
"""Degradations have the severity they claim, whatever the batch and whatever ran before."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.transforms import Degradation, ImageShuffle, normalize

CONDITIONS: list[tuple[Any, Any]] = [
    ('cloud', 0.4),
    ('low_light', 0.25),
    ('speckle', 2.0),
    ('blank', 'both'),
]


@pytest.fixture
def batch() -> Sample:
    generator = torch.Generator().manual_seed(0)
    return {
        'image_optical': 255 * torch.rand(8, 3, 32, 32, generator=generator),
        'image_sar': 4 * torch.randn(8, 2, 32, 32, generator=generator) - 12,
        'label': torch.arange(8),
    }


def constant(value: float, modality: str = 'optical', size: int = 64) -> Sample:
    """Batch of 8 images without content."""
    channels = {'optical': 3, 'sar': 2}[modality]
    return {f'image_{modality}': torch.full((8, channels, size, size), value)}


def opacity(cover: float) -> Tensor:
    """Opacity of clouds of 8 images: what they take from the contrast of black and white."""
    clouds = Degradation('cloud', cover)
    black, white = (
        clouds(constant(x), torch.arange(8))['image_optical'] for x in (0.0, 255.0)
    )
    return 1 - (white - black) / 255


@pytest.mark.parametrize('cover', [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_cover(cover: float) -> None:
    covered = (opacity(cover) > 0.5).float().mean(dim=(1, 2, 3))
    torch.testing.assert_close(covered, torch.full((8,), cover), atol=0.01, rtol=0)


def test_clouds_grow() -> None:
    thin, thick = opacity(0.3), opacity(0.6)
    assert (thick >= thin - 1e-6).all()
    assert not torch.equal(thick[0], thick[1])


@pytest.mark.parametrize('optical_max', [1.0, 255.0])
@pytest.mark.parametrize('factor', [0.5, 0.25, 0.1])
def test_factor(factor: float, optical_max: float) -> None:
    dark = Degradation('low_light', factor, optical_max=optical_max)
    unit = (
        dark(constant(0.9 * optical_max), torch.arange(8))['image_optical']
        / optical_max
    )
    torch.testing.assert_close(
        unit.mean(), torch.tensor(0.9 * factor), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(unit.std(), torch.tensor(0.02), atol=1e-3, rtol=0)


@pytest.mark.parametrize('looks', [8.0, 4.0, 2.0, 1.0])
def test_looks(looks: float) -> None:
    speckled = Degradation('speckle', looks)(constant(-12.0, 'sar'), torch.arange(8))
    power = 10 ** ((speckled['image_sar'].double() + 12) / 10)
    assert power.mean().item() == pytest.approx(1, abs=0.01)
    assert 1 / power.var().item() == pytest.approx(looks, rel=0.03)


@pytest.mark.parametrize('modality', ['optical', 'sar', 'both'])
def test_blank_is_the_mean(batch: Sample, modality: str) -> None:
    blank = Degradation('blank', modality)(batch, torch.arange(8))
    mean = {'optical': [100.1, 90.3, 0.7], 'sar': [-12.3, -19.1]}
    for m, values in mean.items():
        key = f'image_{m}'
        if modality in (m, 'both'):
            result = normalize(blank[key], {'mean': values, 'std': [3.3] * len(values)})
            assert (result == 0).all()
        else:
            assert blank[key] is batch[key]


@pytest.mark.parametrize(('kind', 'severity'), CONDITIONS)
class TestDegradation:
    def test_batch_size_does_not_matter(
        self, kind: Any, severity: Any, batch: Sample
    ) -> None:
        degradation = Degradation(kind, severity)
        expected = degradation(batch, torch.arange(8))
        for size in (1, 3):
            parts = [
                degradation({k: v[i : i + size] for k, v in batch.items()}, index)
                for i, index in zip(
                    range(0, 8, size), torch.arange(8).split(size), strict=True
                )
            ]
            for key, value in expected.items():
                joined = torch.cat([part[key] for part in parts])
                torch.testing.assert_close(
                    joined, value, rtol=0, atol=0, equal_nan=True
                )

    def test_what_ran_before_does_not_matter(
        self, kind: Any, severity: Any, batch: Sample
    ) -> None:
        outputs = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            state = torch.get_rng_state()
            outputs.append(Degradation(kind, severity)(batch, torch.arange(8)))
            assert torch.equal(torch.get_rng_state(), state)
        for key, value in outputs[0].items():
            torch.testing.assert_close(
                outputs[1][key], value, rtol=0, atol=0, equal_nan=True
            )

    def test_old_batch_stays(self, kind: Any, severity: Any, batch: Sample) -> None:
        before = {k: v.clone() for k, v in batch.items()}
        new = Degradation(kind, severity)(batch, torch.arange(8))
        assert new['label'] is batch['label']
        assert all(torch.equal(batch[k], v) for k, v in before.items())
        assert any(not torch.equal(new[k], v) for k, v in before.items())


@pytest.mark.parametrize(('kind', 'severity'), CONDITIONS[:3])
def test_seeds_and_images_differ(kind: Any, severity: Any) -> None:
    modality = 'sar' if kind == 'speckle' else 'optical'
    outputs = torch.cat(
        [
            Degradation(kind, severity, seed)(
                constant(-12.0 if modality == 'sar' else 100.0, modality, 16),
                torch.arange(8),
            )[f'image_{modality}']
            for seed in (0, 1)
        ]
    )
    assert len(torch.unique(outputs, dim=0)) == 16


@pytest.mark.parametrize(('kind', 'severity'), [('cloud', 0), ('low_light', 1)])
def test_no_degradation(kind: Any, severity: float, batch: Sample) -> None:
    degradation = Degradation(kind, severity)
    assert degradation.modalities == ()
    new = degradation(batch, torch.arange(8))
    assert all(new[key] is value for key, value in batch.items())


@pytest.mark.parametrize(
    ('kind', 'severity', 'match'),
    [
        ('fog', 0.5, "'fog'"),
        ('cloud', 1.2, r'\[0, 1\], got 1.2'),
        ('cloud', 'sar', "'sar'"),
        ('low_light', float('nan'), 'nan'),
        ('speckle', 0.5, 'speckle .* got 0.5'),
        ('speckle', float('inf'), 'inf'),
        ('blank', 'radar', "'radar'"),
        ('blank', 0.5, '0.5'),
    ],
)
def test_invalid(kind: Any, severity: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Degradation(kind, severity)


def shuffle(
    sizes: list[int], modality: Any, distance: int
) -> tuple[list[int], list[int], list[int]]:
    """Shuffle samples in batches of these sizes; return label, optical and SAR source."""
    images = ImageShuffle(modality, distance)
    output: list[Sample] = []
    for numbers in torch.arange(sum(sizes)).split(sizes):
        image = numbers.float().view(-1, 1, 1, 1)
        batch = {'image_optical': image, 'image_sar': image, 'label': numbers}
        output.append(images(batch))
    output += images.rest()
    labels, optical, sar = (
        torch.cat([part[key].flatten() for part in output]).long()
        for key in ('label', 'image_optical', 'image_sar')
    )
    order = labels.argsort()
    return labels[order].tolist(), optical[order].tolist(), sar[order].tolist()


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=8).filter(lambda x: sum(x) > 1),
    st.integers(1, 12),
)
def test_every_sample_gets_the_images_of_another(
    sizes: list[int], distance: int
) -> None:
    labels, optical, sar = shuffle(sizes, 'both', distance)
    assert labels == sorted(optical) == list(range(sum(sizes)))
    assert all(i != j for i, j in zip(labels, optical, strict=True))
    assert optical == sar  # a pair stays together
    step = distance if sum(sizes) > distance else sum(sizes) // 2
    assert optical == [(i - step) % sum(sizes) for i in labels]


@pytest.mark.parametrize('modality', ['optical', 'sar'])
def test_shuffle_of_one_modality(modality: str) -> None:
    labels, optical, sar = shuffle([3, 2], modality, 1)
    assert (optical == labels) == (modality == 'sar')
    assert (sar == labels) == (modality == 'optical')


def test_shuffle_of_too_few() -> None:
    with pytest.raises(ValueError, match='at least 2'):
        shuffle([1], 'both', 1)
    assert ImageShuffle('both').rest() == []


@pytest.mark.parametrize(
    ('modality', 'distance', 'match'), [('radar', 1, "'radar'"), ('sar', 0, 'got 0')]
)
def test_invalid_shuffle(modality: Any, distance: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ImageShuffle(modality, distance)
