# SPDX-License-Identifier: MIT
"""Tests of TGFNet."""

from typing import Any

import pytest
import torch
from torch import Tensor

from torchgeo_vqa.models import TGFNet, VQAOutput, tgfnet, tgfnet_tiny
from torchgeo_vqa.models.position import position_encoding

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

    def test_parts_put_together(self, model: TGFNet, batch: dict[str, Tensor]) -> None:
        """The last question about the first pair, alone and part by part."""
        asked = model.encode_questions(batch['question'][0, 2:])
        views, reads = {}, {}
        for m in ('optical', 'sar'):
            x = model.image_encoders[m](batch[f'image_{m}'][:1])
            x = model.image_projections[m](x)
            x = x + model.position_scale * position_encoding(64, 64)
            refined = model.cfar[m](x, asked, torch.tensor([0]))
            views[m], reads[m] = refined.patches, refined.read
        assert model.rqaf is not None
        views['fusion'], _ = model.rqaf(dict(views), asked.summary)
        reads['fusion'] = (reads['optical'] + reads['sar']) / 2
        looked_for = {m: asked.summary + read for m, read in reads.items()}
        found = [model.experts[m](views[m], s, s) for m, s in looked_for.items()]
        logits, pooled = (torch.stack(x, 1) for x in list(zip(*found, strict=True))[:2])
        weights = model.adaptive_fusion(pooled, asked.summary)
        output = model(batch)
        torch.testing.assert_close(
            output.expert_logits[2], logits[0], atol=1e-5, rtol=0
        )
        torch.testing.assert_close(output.expert_weights[2], weights[0])

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

    def test_longer_questions_beside_it_change_nothing(
        self, model: TGFNet, batch: dict[str, Tensor]
    ) -> None:
        """The shortest question, alone and padded to the longest."""
        question = batch['question'][0]
        together, alone = (model.encode_questions(q) for q in (question, question[:1]))
        length = alone.tokens.shape[1]
        assert length < together.tokens.shape[1]
        torch.testing.assert_close(together.summary[:1], alone.summary)
        torch.testing.assert_close(together.tokens[:1, :length], alone.tokens)
        assert together.mask[0].sum() == length

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

    def test_average_teaches_no_router(self, batch: dict[str, Tensor]) -> None:
        model = tgfnet_tiny(NUM_ANSWERS, guided_pooling=False).train()
        assert model(batch).routing_loss is None
        assert tgfnet_tiny(NUM_ANSWERS).train()(batch).routing_loss is not None

    @pytest.mark.parametrize('absent', ['optical', 'sar'])
    def test_missing_modality_without_cfar(
        self, batch: dict[str, Tensor], absent: str
    ) -> None:
        """The fusion expert alone answers from what there is."""
        model = tgfnet_tiny(NUM_ANSWERS, cfar=False, experts='fusion').eval()
        del batch[f'image_{absent}']
        output = model(batch, explain=True)
        assert output.expert_weights.eq(1).all()
        assert output.quality.eq(1).all()
        assert output.attention == {m: [] for m in model.modalities if m != absent}

    def test_explains_only_when_asked(
        self, model: TGFNet, batch: dict[str, Tensor]
    ) -> None:
        output = model(batch)
        assert all(x is None for x in output[len(VQAOutput._fields) :])
        assert output.routing_loss is None  # of training only

    def test_routing_loss_teaches_the_routers_alone(
        self, batch: dict[str, Tensor]
    ) -> None:
        """Experts must not learn to look where the routers do."""
        model = tgfnet_tiny(NUM_ANSWERS).train()
        model(batch).routing_loss.mean().backward()
        taught = {n for n, p in model.named_parameters() if p.grad is not None}
        assert any('.krr.' in name for name in taught)
        assert not any(name.startswith(('experts.', 'rqaf.')) for name in taught)

    def test_fusion_expert_reads_the_mean(
        self, model: TGFNet, batch: dict[str, Tensor]
    ) -> None:
        guides: dict[str, Tensor] = {}

        def keep(name: str) -> Any:
            return lambda module, args: guides.update({name: args[1]})

        handles = [
            expert.register_forward_pre_hook(keep(name))
            for name, expert in model.experts.items()
        ]
        model(batch)
        for handle in handles:
            handle.remove()
        mean = (guides['optical'] + guides['sar']) / 2
        torch.testing.assert_close(guides['fusion'], mean)


class TestBuilder:
    def test_sizes(self) -> None:
        """A size sets what tells it apart, options change it."""
        model: Any = tgfnet(3, clip='tgfnet-tiny', grids=(4,), keeps=(2,))
        assert len(model.cfar['sar'].stages) == 1
        assert len(model.text_encoder.text.transformer.resblocks) < 12  # of ViT-B-16
        assert model.token_projection.out_features == 256
        assert model.experts['sar'].hidden[3].p == 0.1
        tiny: Any = tgfnet_tiny(3)
        assert tiny.token_projection.out_features == 64
        assert len(tiny.cfar['sar'].stages) == 2

    def test_shared_refinement(self) -> None:
        shared = tgfnet_tiny(3, share_cfar=True).cfar
        assert shared['optical'] is shared['sar']
        own = tgfnet_tiny(3).cfar
        assert own['optical'] is not own['sar']

    def test_unknown_option(self) -> None:
        with pytest.raises(TypeError, match='witdh'):
            tgfnet_tiny(3, witdh=32)
