# SPDX-License-Identifier: MIT
"""Tests of starting from a fine-tuned CLIP."""

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import nn

from torchgeo_vqa.models import PairCLIP, load_clip, pair_clip, tgfnet_tiny

TOKENS = open_clip.tokenize(['There is a ship.', 'There are no bridges in this area.'])


def shaken(model: nn.Module) -> None:
    """Move all weights from where they start."""
    torch.manual_seed(0)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.add_(0.01 * torch.rand_like(value))


def save(model: PairCLIP, path: Path, **config: Any) -> Path:
    """Write what a checkpoint of CLIPTask holds."""
    state = {f'model.{name}': value for name, value in model.state_dict().items()}
    torch.save({'state_dict': state, 'clip': model.config | config}, path)
    return path


def assert_equal(ours: nn.Module, theirs: nn.Module) -> None:
    """Compare two modules weight by weight."""
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for name, value in ours.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.fixture(scope='module')
def model() -> PairCLIP:
    model = pair_clip('tgfnet-tiny')
    shaken(model)
    return model.eval()


@pytest.fixture(scope='module')
def checkpoint(model: PairCLIP, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(model, tmp_path_factory.mktemp('clip') / 'clip.ckpt')


class TestCheckpoint:
    def test_into_tgfnet(self, model: PairCLIP, checkpoint: Path) -> None:
        tgfnet = tgfnet_tiny(5, pretrained=checkpoint)
        for modality in ('optical', 'sar'):
            assert_equal(
                tgfnet.image_encoders[modality], model.image_encoders[modality]
            )
        assert_equal(tgfnet.text_encoder, model.text_encoder)
        frozen = {n for n, p in tgfnet.named_parameters() if not p.requires_grad}
        assert frozen == {
            'image_encoders.optical.visual.head.proj.weight',
            'image_encoders.sar.visual.head.proj.weight',
            'text_encoder.text.text_projection',
        }

    def test_into_another(self, model: PairCLIP, checkpoint: Path) -> None:
        other = pair_clip('tgfnet-tiny', checkpoint)
        assert_equal(other, model)
        assert other.config == model.config

    def test_one_modality(self, model: PairCLIP, checkpoint: Path) -> None:
        images, text = load_clip('tgfnet-tiny', checkpoint, {'sar': 2})
        assert list(images) == ['sar']
        assert_equal(images['sar'], model.image_encoders['sar'])
        assert_equal(text, model.text_encoder)

    def test_shared_tower(self, tmp_path: Path) -> None:
        model = pair_clip('tgfnet-tiny', share_image_encoder=True)
        shaken(model)
        path = save(model, tmp_path / 'clip.ckpt')
        assert_equal(pair_clip('tgfnet-tiny', path, share_image_encoder=True), model)
        # two towers may start from one, but not the other way round
        assert_equal(pair_clip('tgfnet-tiny', path), model)

    @pytest.mark.filterwarnings('ignore:CLIP')
    def test_other_size_and_activation(self, tmp_path: Path) -> None:
        """Activation and size come with the checkpoint, another size resizes positions."""
        model = pair_clip('tiny-vit', image_size=96, quick_gelu=True).eval()
        path = save(model, tmp_path / 'clip.ckpt')
        same = pair_clip('tiny-vit', path).eval()
        larger = pair_clip('tiny-vit', path, image_size=128).eval()
        image, large = torch.randn(2, 3, 96, 96), torch.randn(2, 3, 128, 128)
        with torch.no_grad():
            expected = model({'optical': image}, TOKENS)['optical']
            similarity = same({'optical': image}, TOKENS)['optical']
            assert larger({'optical': large}, TOKENS)['optical'].shape == (2, 2)
        assert torch.equal(similarity, expected)

    @pytest.mark.parametrize(
        ('args', 'match'),
        [
            ({'architecture': 'ViT-B-16'}, "'tgfnet-tiny', not 'ViT-B-16'"),
            ({'in_channels': {'sar': 1}}, 'tower of 2 channels for sar.* 1 channels'),
            ({'in_channels': {'thermal': 1}}, 'no tower for thermal'),
            ({'share_image_encoder': True}, 'share_image_encoder'),
        ],
    )
    def test_does_not_fit(
        self, checkpoint: Path, args: dict[str, Any], match: str
    ) -> None:
        kwargs: dict[str, Any] = {'architecture': 'tgfnet-tiny', **args}
        with pytest.raises(ValueError, match=match):
            pair_clip(pretrained=checkpoint, **kwargs)

    def test_no_checkpoint(self, tmp_path: Path) -> None:
        path = tmp_path / 'notes.ckpt'
        path.write_text('not a checkpoint')
        with pytest.raises(ValueError, match=r'notes\.ckpt. is neither'):
            tgfnet_tiny(5, pretrained=path)

    def test_runs_no_code(self, tmp_path: Path) -> None:
        path = tmp_path / 'evil.ckpt'
        torch.save({'clip': {}, 'state_dict': {}, 'code': nn.Linear(1, 1)}, path)
        with pytest.raises(ValueError, match='evil'):
            tgfnet_tiny(5, pretrained=path)

    def test_of_another_task(self, tmp_path: Path) -> None:
        path = tmp_path / 'vqa.ckpt'
        torch.save({'state_dict': {}, 'pytorch-lightning_version': '2.6.0'}, path)
        with pytest.raises(ValueError, match='another task'):
            tgfnet_tiny(5, pretrained=path)

    def test_missing(self) -> None:
        with pytest.raises(RuntimeError, match=r'missing\.ckpt'):
            tgfnet_tiny(5, pretrained='missing.ckpt')
