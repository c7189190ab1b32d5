# SPDX-License-Identifier: MIT
"""Tests of coarse-to-fine attention refinement."""

import itertools
import math

import torch
from torch import Tensor

from torchgeo_vqa.models import CFAR, EncodedQuestions, RefinementStage
from torchgeo_vqa.models.cfar import KeyRegionRouting, MultiHeadCrossAttention


def questions(num: int) -> EncodedQuestions:
    """Questions of 4 tokens of width 16, the last of padding."""
    mask = torch.ones(num, 4, dtype=torch.bool)
    mask[:, 3] = False
    return EncodedQuestions(torch.randn(num, 4, 16), torch.randn(num, 16), mask)


def random_stage(grid: int, keep: int) -> RefinementStage:
    """Stage of width 16 and 2 heads, none of whose parts is the identity."""
    stage = RefinementStage(16, 2, 1.0, grid, keep)
    for parameter in stage.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return stage


def refine_slowly(
    stage: RefinementStage,
    patches: Tensor,
    tokens: Tensor,
    regions: list[list[int]],
    weights: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One question, head by head and patch by patch, given its key regions.

    From patches (N, D) and the question's own tokens (L, D), without padding.
    """
    mca, ie, d = stage.mca, stage.ie, 8
    seen = stage.norm(patches)
    share = torch.zeros(len(patches))
    for region, weight in zip(regions, weights, strict=True):
        share[region] = weight * len(regions)
    kept = share > 0
    heads, attention = [], torch.zeros(len(patches))
    for head in (slice(0, d), slice(d, 2 * d)):
        query = mca.query(mca.norm1(tokens))[:, head]
        score = (query @ mca.key(seen)[:, head].T / math.sqrt(d)).exp() * kept
        score = score / score.sum(1, keepdim=True)
        attention += score.mean(0) / 2
        heads.append(score @ (share[:, None] * mca.value(seen)[:, head]))
    tokens = tokens + mca.out(torch.cat(heads, dim=1))
    tokens = tokens + mca.mlp(mca.norm2(tokens))
    read = tokens.mean(0)
    values = ie.value(ie.norm1(read)).reshape(2, 16)
    out = patches.clone()
    for n, h in itertools.product(range(len(patches)), (0, 1)):
        part = slice(d * h, d * h + d)
        match = ie.patch(seen[n])[part] @ ie.key(ie.norm1(read))[part] / math.sqrt(d)
        out[n] = out[n] + values[h] / math.sqrt(2) / (1 + (-match).exp())
    return out + ie.mlp(ie.norm2(out)), tokens, read, attention


class TestCFAR:
    def test_stage_against_one_written_out(self) -> None:
        torch.manual_seed(0)
        stage, asked, patches = random_stage(2, 2), questions(3), torch.randn(3, 16, 16)
        found, tokens, read, routing, attention = stage(
            patches, asked, None, None, explain=True
        )
        assert stage.krr is not None
        members = stage.krr.patches_of_regions(16, patches.device).tolist()
        assert routing.weights.std() > 0.01
        for q in range(3):
            regions = [members[region] for region in routing.regions[q].tolist()]
            expected = refine_slowly(
                stage, patches[q], asked.tokens[q, :3], regions, routing.weights[q]
            )
            ours = found[q], tokens[q, :3], read[q], attention[q]
            torch.testing.assert_close(ours, expected)

    def test_stages_go_on_from_the_one_before(self) -> None:
        torch.manual_seed(0)
        first, second = random_stage(2, 1), random_stage(4, 2)
        asked, patches = questions(8), torch.randn(8, 16, 16)
        refined = CFAR([first, second])(patches, asked, torch.arange(8))
        between, tokens, _, routing, _ = first(patches, asked, None, None)
        inside = torch.zeros(8, 16, dtype=torch.bool).scatter(1, routing.patches, True)
        asked = asked._replace(tokens=tokens)
        found, _, read, routing, _ = second(between, asked, None, inside)
        assert inside.gather(1, routing.patches).all()
        assert torch.equal(refined.routings[1].patches, routing.patches)
        torch.testing.assert_close((refined.patches, refined.read), (found, read))

    def test_without_stages(self) -> None:
        """Each question sees the patches of its image as they are, and reads nothing."""
        patches, pair_index = torch.randn(2, 16, 16), torch.tensor([1, 0, 1])
        refined = CFAR()(patches, questions(3), pair_index, explain=True)
        assert torch.equal(refined.patches, patches[pair_index])
        assert refined.read.shape == (3, 16)
        assert not refined.read.any()
        assert refined.routings == refined.attentions == []
        assert CFAR().divergence([], torch.ones(3, 16)) is None

    def test_attention_lies_in_the_key_regions(self) -> None:
        torch.manual_seed(0)
        cfar = CFAR(
            RefinementStage(16, 2, 1.0, grid, keep) for grid, keep in [(2, 2), (4, 3)]
        )
        refined = cfar(
            torch.randn(2, 16, 16), questions(3), torch.tensor([1, 0, 1]), explain=True
        )
        for routing, attention in zip(
            refined.routings, refined.attentions, strict=True
        ):
            assert routing is not None
            torch.testing.assert_close(attention.sum(-1), torch.ones(3))
            inside = torch.zeros(3, 16, dtype=torch.bool)
            inside.scatter_(1, routing.patches, True)
            assert not attention[~inside].any()
            assert attention[inside].all()

    def test_images_equal_copies_of_images(self) -> None:
        """Projected per image and then chosen, as if every question had its own image."""
        torch.manual_seed(0)
        stage = RefinementStage(16, 2, 1.0, 2, 2)
        for parameter in stage.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        asked, patches = questions(3), torch.randn(2, 16, 16)
        pair_index = torch.tensor([1, 0, 1])
        ours = stage(patches, asked, pair_index, None, explain=True)
        theirs = stage(patches[pair_index], asked, None, None, explain=True)
        torch.testing.assert_close(ours, theirs)


class TestMultiHeadCrossAttention:
    def test_each_region_has_its_share(self) -> None:
        """Where all patches draw the same attention, the mean of what they say by share."""
        mca = MultiHeadCrossAttention(8, 2, 1.0)
        for layer in (mca.value, mca.out):
            torch.nn.init.eye_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        for parameter in (*mca.key.parameters(), *mca.mlp.fc2.parameters()):
            torch.nn.init.zeros_(parameter)
        routing = KeyRegionRouting(8, grid=2, keep=2)
        patches, tokens = torch.randn(2, 16, 8), torch.randn(2, 3, 8)
        chosen = routing(patches, torch.randn(2, 8), None)
        members = routing.patches_of_regions(16, patches.device)
        found, _ = mca(tokens, patches, chosen, None)
        for q in range(2):
            shares = zip(chosen.regions[q], chosen.weights[q], strict=True)
            expected = sum(
                share * patches[q, members[region]].mean(0) for region, share in shares
            )
            torch.testing.assert_close(found[q] - tokens[q], expected.expand(3, 8))


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
            share = [math.exp(float(out.scores[q, r].detach())) for r in regions]
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
