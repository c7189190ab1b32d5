# SPDX-License-Identifier: MIT
"""Tests of CLIP for pairs."""

import warnings
from pathlib import Path
from typing import cast

import open_clip
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from torchgeo_vqa.models import ImageEncoder, PairCLIP, load_clip, pair_clip

TOKENS = open_clip.tokenize(['There is a ship.', 'There are no bridges in this area.'])


@pytest.fixture(scope='module')
def model() -> PairCLIP:
    torch.manual_seed(0)
    model = pair_clip('tgfnet-tiny').eval()
    with torch.no_grad():  # some parts start at 0, as if they were not there
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.rand_like(parameter))
    return model


class TestPairCLIP:
    @pytest.mark.parametrize('name', ['tgfnet-tiny', 'tiny-vit'])
    def test_agrees_with_open_clip(self, name: str, tmp_path: Path) -> None:
        """On open_clip's own weights, similarities are those of open_clip."""
        torch.manual_seed(0)
        reference = open_clip.create_model(name, force_custom_text=True).eval()
        path = tmp_path / 'weights.pt'
        torch.save(reference.state_dict(), path)
        model = pair_clip(name, path, {'optical': 3}).eval()
        image = torch.randn(3, 3, 64, 64)
        with torch.no_grad():
            image_embedding, text_embedding, scale = reference(image, TOKENS)
            # the padding is left out
            similarity = model({'optical': image}, TOKENS[:, :10])['optical']
        expected = scale * cosine_similarity(
            image_embedding[:, None], text_embedding[None], dim=-1
        )
        torch.testing.assert_close(similarity, expected)

    def test_all_parameters_take_part(self, model: PairCLIP) -> None:
        """DDP would wait in vain for one that does not."""
        images = {
            'optical': torch.randn(2, 3, 64, 64),
            'sar': torch.randn(2, 2, 64, 64),
        }
        loss: Tensor = torch.stack(list(model(images, TOKENS).values())).sin().sum()
        model.zero_grad()
        loss.backward()
        without = [
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is None or not parameter.grad.any()
        ]
        assert not without

    def test_modalities_are_apart(self, model: PairCLIP) -> None:
        sar = torch.randn(1, 2, 64, 64)
        alone = model({'sar': sar}, TOKENS)
        assert list(alone) == ['sar']
        both = model({'optical': torch.randn(1, 3, 64, 64), 'sar': sar}, TOKENS)
        assert torch.equal(both['sar'], alone['sar'])
        assert not torch.allclose(both['sar'], both['optical'])

    def test_similarities_are_bounded(self) -> None:
        """As in CLIP, by 100 times the cosine."""
        torch.manual_seed(0)
        model = pair_clip('tgfnet-tiny').eval()
        model.logit_scale.data.fill_(9.0)
        image = {'optical': torch.randn(3, 3, 64, 64)}
        encoder = cast(ImageEncoder, model.image_encoders['optical'])
        cosine = cosine_similarity(
            encoder.embed(image['optical'])[:, None],
            model.text_encoder.embed(TOKENS)[None],
            dim=-1,
        )
        similarity = model(image, TOKENS)['optical']
        torch.testing.assert_close(similarity, 100 * cosine, atol=1e-4, rtol=1e-4)

    def test_no_text(self, model: PairCLIP) -> None:
        similarity = model({'sar': torch.randn(2, 2, 64, 64)}, TOKENS[:0, :1])
        assert similarity['sar'].shape == (2, 0)


class TestLoadCLIP:
    def test_warns_of_random_weights(self) -> None:
        with pytest.warns(UserWarning, match='random weights') as record:
            load_clip('tiny-vit')
        assert len(record) == 1

    def test_local_weights(self, tmp_path: Path) -> None:
        torch.manual_seed(1)
        clip = open_clip.create_model('tgfnet-tiny', force_custom_text=True)
        path = tmp_path / 'clip.pt'
        torch.save(clip.state_dict(), path)
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            images, text = load_clip('tgfnet-tiny', path)
        for name, value in clip.text.state_dict().items():
            assert torch.equal(text.text.state_dict()[name], value)
        state = images['optical'].visual.state_dict()
        for name, value in clip.visual.state_dict().items():
            assert torch.equal(state[name], value)
        # SAR starts from the same weights, its first layer from their first channels
        sar = images['sar'].visual.state_dict()
        stem = 'trunk.stem.conv.weight'
        assert sar[stem].shape[1] == 2
        torch.testing.assert_close(sar[stem], state[stem][:, :2] * 3 / 2)
        others = [n for n in state if n != stem]
        assert all(torch.equal(sar[n], state[n]) for n in others)

    def test_unknown_weights(self) -> None:
        with pytest.raises(RuntimeError, match='nowhere'):
            load_clip('tiny-vit', 'nowhere')
