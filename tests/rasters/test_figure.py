# SPDX-License-Identifier: MIT
"""Tests of the figure of a pair."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from torchgeo_vqa.rasters.figure import QAPair, plot_pair, stretch, to_rgb


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    plt.close('all')


class TestStretch:
    def test_percentiles(self) -> None:
        image = np.arange(101, dtype=np.float32).repeat(2).reshape(2, 101, 1)
        stretched = stretch(image)
        assert stretched.dtype == np.float32
        np.testing.assert_allclose(
            stretched.ravel(), np.clip((image.ravel() - 2) / 96, 0, 1), atol=1e-6
        )

    def test_each_band_alone_and_no_data(self) -> None:
        image = np.stack(
            [np.arange(9.0), 1000 * np.arange(9.0), np.full(9, np.nan)], -1
        )
        image[4, 0] = np.inf
        stretched = stretch(image.reshape(3, 3, 3).astype(np.float32))
        assert stretched[1, 1].tolist() == [0, pytest.approx(0.5), 0]
        assert stretched[2, 2].tolist() == [1, 1, 0]


class TestToRGB:
    def test_optical_is_not_stretched(self) -> None:
        """What is dark looks dark."""
        image = torch.full((4, 2, 2), 51.0)
        np.testing.assert_allclose(to_rgb('optical', image), np.full((2, 2, 3), 0.2))
        np.testing.assert_allclose(to_rgb('optical', image / 255), 0.2, rtol=1e-6)

    def test_reflectance_is_stretched(self) -> None:
        image = torch.linspace(0, 10_000, 12).reshape(3, 2, 2)
        assert to_rgb('optical', image).max() == 1

    @pytest.mark.parametrize('num_bands', [1, 2, 3, 4])
    def test_sar(self, num_bands: int) -> None:
        image = torch.randn(num_bands, 8, 8, generator=torch.Generator().manual_seed(0))
        rgb = to_rgb('sar', image)
        assert rgb.shape == (8, 8, 3)
        assert rgb.min() == 0
        assert rgb.max() == 1
        if num_bands == 2:  # the ratio of the polarizations
            ratio = stretch((image[:1] - image[1:]).permute(1, 2, 0).numpy())
            np.testing.assert_allclose(rgb[..., 2:], ratio)


def test_plot() -> None:
    images = {'optical': torch.zeros(3, 8, 8), 'sar': torch.zeros(2, 8, 8)}
    pairs = [
        QAPair('Is there $1 of water?', 'yes'),
        QAPair('How many ships?', '2', '2'),
        QAPair('Where?', 'left', 'right'),
    ]
    figure = plot_pair(images, pairs, num_hidden=4, suptitle='A pair')
    assert [axes.get_title() for axes in figure.axes] == ['Optical', 'SAR']
    texts = {text.get_text(): text.get_color() for text in figure.texts}
    assert texts == {
        'Is there $1 of water? → yes': 'black',
        'How many ships? → 2 (predicted: 2)': 'tab:green',
        'Where? → left (predicted: right)': 'tab:red',
        'and 4 more': 'gray',
        'A pair': 'black',
    }
    figure = plot_pair(images, [QAPair('long ' * 60, 'yes')], show_titles=False)
    assert [axes.get_title() for axes in figure.axes] == ['', '']
    assert len(figure.texts) > 2
