# SPDX-License-Identifier: MIT
"""Tests of the caches of features."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from torchgeo_vqa.models import ImageFeatureCache, TextFeatureCache


class Recorder:
    """An encoder that keeps what it was asked to encode."""

    def __init__(self, encode: Any) -> None:
        """Initialize a new Recorder instance."""
        self.encode = encode
        self.seen: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        out: Tensor = self.encode(x)
        return out

    @property
    def num_encoded(self) -> int:
        return sum(len(x) for x in self.seen)


def tower(seed: int = 0, **kwargs: Any) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 4, 2, 2, **kwargs), nn.BatchNorm2d(4)).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))


class TestImageFeatureCache:
    def test_encodes_once(self, images: Tensor, tmp_path: Path) -> None:
        net = tower()
        encode = Recorder(net)
        cache = ImageFeatureCache(tmp_path, net)
        with torch.no_grad():
            expected = net(images)
        first = cache.get(images[:2], encode, 'patches')
        torch.testing.assert_close(first, expected[:2])
        assert not first.requires_grad
        # another order, one that is new, another object: a later run
        again = ImageFeatureCache(tmp_path, net).get(images.flip(0), encode, 'patches')
        torch.testing.assert_close(again, expected.flip(0))
        assert torch.equal(again[1:], first.flip(0))
        assert encode.num_encoded == 3
        assert torch.equal(encode.seen[1], images[2:])

    @pytest.mark.parametrize(
        'change',
        [
            lambda net: net[0].weight.data[0, 0, 0, 0].add_(1e-6),
            lambda net: net[1].running_mean.add_(1e-3),
            lambda net: net[0].__setattr__('stride', (1, 1)),
            lambda net: net.half(),
        ],
        ids=['weight', 'buffer', 'architecture', 'dtype'],
    )
    def test_changed_tower(self, images: Tensor, tmp_path: Path, change: Any) -> None:
        net = tower()
        ImageFeatureCache(tmp_path, net).get(images, net, 'patches')
        change(net)
        images = images.to(net[0].weight.dtype)  # type: ignore[index]
        encode = Recorder(net)
        out = ImageFeatureCache(tmp_path, net).get(images, encode, 'patches')
        assert encode.num_encoded == 3
        with torch.no_grad():
            torch.testing.assert_close(out, net(images))

    def test_changed_preprocessing(self, images: Tensor, tmp_path: Path) -> None:
        net = tower()
        cache = ImageFeatureCache(tmp_path, net)
        cache.get(images, net, 'patches')
        for other in (images + 1e-6, images.double(), images[..., :4], images[:, :1]):
            encode = Recorder(lambda x: x.flatten(1).sum(1).float())
            out = cache.get(other, encode, 'patches')
            assert encode.num_encoded == 3
            torch.testing.assert_close(out, other.flatten(1).sum(1).float())

    def test_kind_and_precision(self, images: Tensor, tmp_path: Path) -> None:
        net = tower()
        cache = ImageFeatureCache(tmp_path, net)
        full = cache.get(images, net, 'patches')
        with torch.autocast('cpu', torch.bfloat16):
            half = cache.get(images, net[:1], 'patches')  # type: ignore[index]
            assert half.dtype == torch.bfloat16
            again = cache.get(images, Recorder(None), 'patches')
        assert torch.equal(half, again)
        assert torch.equal(cache.get(images, Recorder(None), 'patches'), full)
        other = cache.get(images, lambda x: x.mean((1, 2, 3)), 'embedding')
        assert other.shape == (3,)

    @pytest.mark.parametrize('content', [b'', b'not a file of features', None])
    def test_broken_file(
        self, images: Tensor, tmp_path: Path, content: bytes | None
    ) -> None:
        net = tower()
        cache = ImageFeatureCache(tmp_path, net)
        expected = cache.get(images, net, 'patches')
        for path in tmp_path.rglob('*.safetensors'):
            whole = path.read_bytes()
            path.write_bytes(whole[:-5] if content is None else content)
        encode = Recorder(net)
        assert torch.equal(cache.get(images, encode, 'patches'), expected)
        assert encode.num_encoded == 3
        assert torch.equal(cache.get(images, Recorder(None), 'patches'), expected)

    def test_unwritable(self, images: Tensor, tmp_path: Path) -> None:
        folder = tmp_path / 'file'
        folder.write_text('')
        net = tower()
        cache = ImageFeatureCache(folder, net)
        with pytest.warns(UserWarning, match='encoded anew') as caught:
            out = cache.get(images, net, 'patches')
        assert len(caught) == 1
        with torch.no_grad():
            torch.testing.assert_close(out, net(images))

    def test_two_processes(
        self, start_python: Callable[..., Any], tmp_path: Path
    ) -> None:
        """They find the same, and leave whole files only."""
        folder = tmp_path / 'features'
        processes = [start_python('-c', FILL, folder, seed) for seed in range(2)]
        sums = [float(process.wait().stdout) for process in processes]
        assert sums[0] == pytest.approx(sums[1], rel=1e-5)
        assert len(list(folder.rglob('*.safetensors'))) == 50
        assert not list(folder.rglob('*.tmp'))


#: Fills a cache in an order of its own.
FILL = """
import sys
import torch
from torch import nn
from torchgeo_vqa.models import ImageFeatureCache

images = torch.rand(50, 2, 8, 8, generator=torch.Generator().manual_seed(1))
torch.manual_seed(0)
net = nn.Conv2d(2, 4, 2, 2)
cache = ImageFeatureCache(sys.argv[1], net)
total = torch.zeros(50, 4, 4, 4)
torch.manual_seed(int(sys.argv[2]))
for i in torch.randperm(50).split(7):
    total[i] = cache.get(images[i], net, 'patches')
print(float(total.sum()))
"""


class TestTextFeatureCache:
    TOKENS = torch.tensor([[5, 1, 9, 0, 0], [5, 2, 3, 4, 9], [5, 9, 0, 0, 0]])

    @staticmethod
    def encode(tokens: Tensor) -> Tensor:
        """Features that tell token and place."""
        place = torch.arange(tokens.shape[1]).expand_as(tokens)
        return torch.stack([tokens, place, tokens * place], dim=-1).float()

    def check(self, out: Tensor, tokens: Tensor) -> None:
        real = tokens != 0
        assert out.shape == (*tokens.shape, 3)
        assert torch.equal(out[real], self.encode(tokens)[real])
        assert out.isfinite().all()

    def test_encodes_once(self) -> None:
        cache = TextFeatureCache()
        encode = Recorder(self.encode)
        self.check(cache.get(self.TOKENS[:2], encode), self.TOKENS[:2])
        # another order, and trimmed to another length
        self.check(cache.get(self.TOKENS.flip(0), encode), self.TOKENS.flip(0))
        short = self.TOKENS[[0, 2], :3]
        self.check(cache.get(short, encode), short)
        assert encode.num_encoded == len(cache) == 3

    def test_bounded(self) -> None:
        # room for 9 tokens of 3 features: not for all 10
        cache = TextFeatureCache(max_bytes=9 * 3 * 4)
        encode = Recorder(self.encode)
        for _ in range(3):
            for tokens in (self.TOKENS[:2], self.TOKENS[2:], self.TOKENS):
                self.check(cache.get(tokens, encode), tokens)
                assert sum(map(len, cache._features.values())) <= 9
        assert encode.num_encoded > 3

    def test_filled_in_inference_mode_serves_training(self) -> None:
        cache = TextFeatureCache()
        with torch.inference_mode():
            cache.get(self.TOKENS, self.encode)
        weight = torch.ones(3, requires_grad=True)
        (cache.get(self.TOKENS, Recorder(None)) * weight).sum().backward()
        assert weight.grad is not None

    def test_no_texts(self) -> None:
        empty = self.TOKENS[:0]
        assert TextFeatureCache().get(empty, self.encode).shape == (0, 5, 3)
