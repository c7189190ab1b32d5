# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of TGFNet."""

import math
import warnings
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor

from torchgeo_vqa.models import (
    Expert,
    KeyRegionRouting,
    TGFNet,
    load_clip,
    tgfnet,
    tgfnet_tiny,
)
from torchgeo_vqa.models.clip import position_encoding

NUM_ANSWERS = 7


@pytest.fixture(scope='module')
def model() -> TGFNet:
    torch.manual_seed(0)
    model = tgfnet_tiny(NUM_ANSWERS).eval()
    with torch.no_grad():  # some parts start at 0, as if they were not there
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


class TestTGFNet:
    def test_shapes(self, model: TGFNet, batch: dict[str, Tensor]) -> None:
        output = model(batch, explain=True)
        assert model.expert_names == ('optical', 'sar', 'fusion')
        assert output.logits.shape == (5, NUM_ANSWERS)
        assert output.expert_logits.shape == (5, 3, NUM_ANSWERS)
        assert output.expert_weights.shape == (5, 3)
        assert output.quality is not None
        assert output.quality.shape == (5, 64, 2)
        torch.testing.assert_close(output.quality.sum(-1), torch.ones(5, 64))
        torch.testing.assert_close(output.expert_weights.sum(-1), torch.ones(5))
        blend = (output.expert_logits * output.expert_weights[..., None]).sum(1)
        torch.testing.assert_close(output.logits, blend)
        assert output.regions is not None
        assert output.attention is not None
        for modality in ('optical', 'sar'):
            coarse, fine = output.regions[modality]
            assert coarse is not None
            assert fine is not None
            assert coarse.regions.shape == (5, 4)
            assert fine.regions.shape == (5, 8)
            for question in range(5):
                # the second stage looks inside what the first one chose
                assert set(fine.patches[question].tolist()) <= set(
                    coarse.patches[question].tolist()
                )
            for attention in output.attention[modality]:
                torch.testing.assert_close(attention.sum(-1), torch.ones(5))

    def test_chunks_change_nothing(
        self, model: TGFNet, batch: dict[str, Tensor]
    ) -> None:
        whole, chunked = model(batch, explain=True), model(batch, True, chunk_size=2)
        torch.testing.assert_close(whole.logits, chunked.logits, atol=1e-5, rtol=0)
        assert whole.quality is not None
        assert chunked.quality is not None
        torch.testing.assert_close(whole.quality, chunked.quality, atol=1e-5, rtol=0)
        assert whole.regions is not None
        assert chunked.regions is not None
        for a, b in zip(whole.regions['sar'], chunked.regions['sar'], strict=True):
            assert a is not None
            assert b is not None
            assert torch.equal(a.regions, b.regions)

    @pytest.mark.parametrize('absent', ['optical', 'sar'])
    def test_missing_modality(
        self, model: TGFNet, batch: dict[str, Tensor], absent: str
    ) -> None:
        there = next(m for m in model.modalities if m != absent)
        image = batch.pop(f'image_{absent}')
        output = model(batch, explain=True)
        slot = model.expert_names.index(there)
        assert output.expert_weights[:, slot].eq(1).all()
        torch.testing.assert_close(output.logits, output.expert_logits[:, slot])
        # it is the answer of the expert of what is there, whatever is absent
        both = model({**batch, f'image_{absent}': image})
        torch.testing.assert_close(
            output.logits, both.expert_logits[:, slot], atol=1e-5, rtol=0
        )

    def test_frozen(self, model: TGFNet) -> None:
        """What CLIP's contrastive loss alone uses takes no part in answering."""
        frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
        assert frozen == {
            'image_encoders.optical.visual.head.proj.weight',
            'image_encoders.sar.visual.head.proj.weight',
            'text_encoder.text.text_projection',
        }

    @pytest.mark.parametrize(
        'switch',
        [
            {'cfar': False},
            {'rqaf': False},
            {'adaptive_fusion': False},
            {'experts': 'fusion'},
            {'keeps': (None, None)},
            {'grids': (4,), 'keeps': (8,)},
            {'share_cfar': True},
            {'text_guidance': False},
            {'guided_pooling': False},
            {'modalities': ('optical',)},
            {'modalities': ('sar',)},
        ],
        ids=str,
    )
    def test_switches(
        self, model: TGFNet, batch: dict[str, Tensor], switch: dict[str, Any]
    ) -> None:
        ablated = tgfnet_tiny(NUM_ANSWERS, **switch).eval()
        # with all weights they have in common equal, only the switch can matter
        ablated.load_state_dict(
            {
                k: v
                for k, v in model.state_dict().items()
                if k in ablated.state_dict()
                and ablated.state_dict()[k].shape == v.shape
            },
            strict=False,
        )
        logits = ablated(batch).logits
        assert logits.shape == (5, NUM_ANSWERS)
        assert (logits - model(batch).logits).abs().max() > 1e-4

    def test_share_image_encoder(self, batch: dict[str, Tensor]) -> None:
        model = tgfnet_tiny(NUM_ANSWERS, share_image_encoder=True)
        optical, sar = (model.image_encoders[m] for m in ('optical', 'sar'))
        ours = {id(p) for p in optical.parameters()}
        separate = [n for n, p in sar.named_parameters() if id(p) not in ours]
        assert separate == ['visual.trunk.stem.conv.weight']
        assert model(batch).logits.shape == (5, NUM_ANSWERS)

    @pytest.mark.parametrize(
        ('args', 'match'),
        [
            ({'modalities': ('radar',)}, 'radar'),
            ({'modalities': ()}, 'modalities'),
            ({'width': 30}, 'width'),
            ({'experts': 'none'}, 'none'),
            ({'keeps': (17, 16)}, 'keep must be'),
            ({'grids': (4,)}, 'same length'),
        ],
    )
    def test_invalid(self, args: dict[str, Any], match: str) -> None:
        with pytest.raises(ValueError, match=match):
            tgfnet_tiny(NUM_ANSWERS, **args)

    def test_grid_does_not_fit(self, batch: dict[str, Tensor]) -> None:
        model = tgfnet_tiny(NUM_ANSWERS, grids=(3, 8), keeps=(4, 8))
        with pytest.raises(ValueError, match='3 x 3'):
            model(batch)


class TestKeyRegionRouting:
    def test_patches_of_regions(self) -> None:
        routing = KeyRegionRouting(8, grid=2, keep=1)
        members = routing.patches_of_regions(16, torch.device('cpu'))
        assert members.tolist() == [
            [0, 1, 4, 5],
            [2, 3, 6, 7],
            [8, 9, 12, 13],
            [10, 11, 14, 15],
        ]

    def test_picks_best_match(self) -> None:
        routing = KeyRegionRouting(8, grid=2, keep=2)
        torch.nn.init.eye_(routing.region.weight)
        torch.nn.init.eye_(routing.question.weight)
        torch.nn.init.zeros_(routing.question.bias)
        patches = torch.zeros(1, 16, 8)
        patches[0, [10, 11, 14, 15], 0] = 5.0  # lower right region matches best
        patches[0, [2, 3, 6, 7], 0] = 3.0  # then the upper right one
        out = routing(patches, torch.eye(8)[:1], torch.tensor([0]))
        assert out.regions.tolist() == [[3, 1]]
        expected = torch.tensor([5.0, 3.0]).div(math.sqrt(8)).softmax(0)
        torch.testing.assert_close(out.weights[0], expected)
        assert out.patches.tolist() == [[10, 11, 14, 15, 2, 3, 6, 7]]
        # it may be told where to look
        inside = torch.zeros(1, 16, dtype=torch.bool)
        inside[:, :8] = True
        out = routing(patches, torch.eye(8)[:1], None, inside)
        assert set(out.regions[0].tolist()) == {0, 1}

    def test_divergence(self) -> None:
        """Against a Kullback-Leibler divergence written out region by region."""
        routing = KeyRegionRouting(8, grid=2, keep=1)
        generator = torch.Generator().manual_seed(0)
        patches = torch.randn(3, 16, 8, generator=generator)
        summary = torch.randn(3, 8, generator=generator)
        attention = torch.rand(3, 16, generator=generator)
        attention[1, routing.patches_of_regions(16, attention.device)[2]] = 0
        attention = attention / attention.sum(-1, keepdim=True)
        inside = torch.ones(3, 16, dtype=torch.bool)
        inside[2, :8] = False  # the two upper regions
        out = routing(patches, summary, None, inside)
        members = routing.patches_of_regions(16, patches.device).tolist()
        expected = []
        for q in range(3):
            regions = [2, 3] if q == 2 else [0, 1, 2, 3]
            share = [math.exp(float(out.scores[q, r])) for r in regions]
            target = [float(attention[q, members[r]].sum()) for r in regions]
            expected.append(
                sum(
                    t / sum(target) * math.log(t / sum(target) / (s / sum(share)))
                    for t, s in zip(target, share, strict=True)
                    if t > 0
                )
            )
        divergence = routing.divergence(out, attention)
        torch.testing.assert_close(divergence, torch.tensor(expected))
        divergence.sum().backward()
        assert routing.region.weight.grad is not None
        assert routing.region.weight.grad.isfinite().all()

    def test_learns_where_the_experts_look(self) -> None:
        """The loss alone leads the routing to a patch that it did not keep."""
        torch.manual_seed(0)
        routing = KeyRegionRouting(8, grid=4, keep=1)
        patches, summary = torch.randn(4, 16, 8), torch.randn(4, 8)
        worst = routing(patches, summary, None).scores.argmin(-1)
        attention = torch.nn.functional.one_hot(worst, 16).float()
        optimizer = torch.optim.Adam(routing.parameters(), lr=0.05)
        for _ in range(100):
            out = routing(patches, summary, None)
            optimizer.zero_grad()
            routing.divergence(out, attention).mean().backward()
            optimizer.step()
        assert torch.equal(out.regions[:, 0], worst)


class TestCLIP:
    def test_warns_of_random_weights(self) -> None:
        with pytest.warns(UserWarning, match='random weights') as record:
            tgfnet(3, clip='ViT-B-32', image_size=64, grids=(2,), keeps=(2,))
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
            load_clip('ViT-B-16', 'nowhere')

    def test_text_encoder_equals_open_clip(self, batch: dict[str, Tensor]) -> None:
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

    def test_position_encoding_is_unique(self) -> None:
        encoding = position_encoding(196, 256)
        distance = torch.cdist(encoding, encoding) + torch.eye(196) * 1e3
        assert encoding.shape == (196, 256)
        assert distance.min() > 0.1


class TestExpert:
    @pytest.mark.parametrize('guided', [True, False])
    def test_guided(self, guided: bool) -> None:
        """Without guidance, neither where patches lie nor the question matters."""
        torch.manual_seed(0)
        expert = Expert(16, 4, NUM_ANSWERS, 0.0, guided)
        patches, guide, summary = torch.randn(3, 16, 16), *torch.randn(2, 3, 16)
        _, pooled, attention = expert(patches, guide, summary)
        torch.testing.assert_close(attention.sum(-1), torch.ones(3))
        _, moved, _ = expert(patches.flip(1), guide, summary)
        _, other, _ = expert(patches, -guide, summary)
        for changed in (moved, other):
            assert torch.allclose(pooled, changed, atol=1e-5) is not guided
        if not guided:
            expected = expert.pool(expert.norm(patches).mean(1))
            torch.testing.assert_close(pooled, expected)

    def test_average_teaches_no_router(self, batch: dict[str, Tensor]) -> None:
        model = tgfnet_tiny(NUM_ANSWERS, guided_pooling=False).train()
        assert model(batch).routing_loss is None
        assert tgfnet_tiny(NUM_ANSWERS).train()(batch).routing_loss is not None
