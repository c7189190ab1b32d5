# SPDX-License-Identifier: MIT
"""Tests of CLIP's towers as encoders."""

from pathlib import Path

import open_clip
import pytest
import torch
from torch import Tensor, nn

from torchgeo_vqa.models import (
    ImageEncoder,
    ImageFeatureCache,
    TextEncoder,
    TextFeatureCache,
    load_clip,
)


class TestImageEncoder:
    def test_another_number_of_channels(self) -> None:
        """The output keeps its size where all channels show the same."""
        torch.manual_seed(0)
        visual = open_clip.create_model('tiny-vit', force_custom_text=True).visual
        image = torch.rand(2, 1, 64, 64)
        expected = ImageEncoder(visual).eval()(image.expand(-1, 3, -1, -1))
        assert expected.shape == (2, 16, 64)
        encoder = ImageEncoder(visual, in_channels=6).eval()
        torch.testing.assert_close(
            encoder(image.expand(-1, 6, -1, -1)), expected, atol=1e-5, rtol=1e-4
        )

    def test_patches_row_by_row(self) -> None:
        """What changes in a corner of the image changes the patch of that corner."""
        torch.manual_seed(0)
        encoder = load_clip('tgfnet-tiny')[0]['optical'].eval()
        image = torch.randn(1, 3, 64, 64)
        before = encoder(image)
        for rows, columns, patch in (
            (slice(8), slice(56, 64), 7),
            (slice(56, 64), slice(8), 56),
        ):
            other = image.clone()
            other[..., rows, columns] += 3
            change = (encoder(other) - before).abs().sum(-1)[0]
            assert int(change.argmax()) == patch

    @pytest.mark.parametrize('training', [True, False])
    def test_cache_is_for_evaluation(self, training: bool, tmp_path: Path) -> None:
        """In training, gradients must reach the tower."""
        images, text = load_clip('tgfnet-tiny')
        encoder = images['sar']
        encoder.cache = ImageFeatureCache(tmp_path, encoder)
        text.cache = TextFeatureCache()
        image, tokens = torch.randn(1, 2, 64, 64), open_clip.tokenize(['a ship'])
        for out in (
            encoder.train(training)(image),
            encoder.embed(image),
            text.train(training)(tokens)[0],
        ):
            assert out.requires_grad is training

    def test_no_channels(self) -> None:
        visual = open_clip.create_model('tiny-vit', force_custom_text=True).visual
        with pytest.raises(ValueError, match='in_channels must be at least 1, got 0'):
            ImageEncoder(visual, in_channels=0)


class TestTextEncoder:
    def test_another_tower(self) -> None:
        with pytest.raises(TypeError, match='got Linear'):
            TextEncoder(nn.Linear(2, 2))

    def test_equals_open_clip(self, batch: dict[str, Tensor]) -> None:
        """Trimmed tokens give the text features that open_clip's own forward gives."""
        torch.manual_seed(0)
        clip = open_clip.create_model('tgfnet-tiny', force_custom_text=True).eval()
        _, text = load_clip('tgfnet-tiny')
        text.text.load_state_dict(clip.text.state_dict())
        tokens = batch['question'][0]
        length = int((tokens != 0).sum(-1).max())
        _, summary = text.eval()(tokens[:, :length])
        expected = clip.encode_text(tokens)
        torch.testing.assert_close(
            summary @ text.text.text_projection, expected, atol=1e-5, rtol=1e-4
        )
