# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Caches of the features of CLIP's towers while their weights do not change."""

import hashlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..storage import whole_file

# B images, C channels, H/W pixels, U texts, L tokens, D tower width

#: Memory for the features of texts: 40,000 questions of 12 tokens at width 512.
MAX_TEXT_BYTES = 2**30


class ImageFeatureCache:
    """Features of images on disk, a file for each image.

    The name of a file is a hash of the preprocessed image, the weights, the architecture
    and the precision, so that no outdated features are read after a change of these.

    Files are memory-mapped and appear when they are complete. Processes may share a
    folder: at worst, two write the same file.
    """

    def __init__(self, folder: str | os.PathLike[str], tower: nn.Module) -> None:
        """Initialize a cache in a folder for a tower, whose weights must not change."""
        self.folder = Path(folder) / _fingerprint(tower)
        self._writable = True

    def get(
        self, image: Tensor, encode: Callable[[Tensor], Tensor], kind: str
    ) -> Tensor:
        """Return the features (B, ...) of preprocessed images (B, C, H, W), without gradients.

        *encode* encodes those that are not there; *kind* names what it returns.
        """
        precision = 'full'
        if torch.is_autocast_enabled(image.device.type):
            precision = str(torch.get_autocast_dtype(image.device.type))
        suffix = f'{kind}-{precision.removeprefix("torch.")}'
        paths = [self._path(one, suffix) for one in image.detach().cpu()]
        found = [_read(path) for path in paths]
        missing = [i for i, features in enumerate(found) if features is None]
        if missing:
            with torch.no_grad():
                new = encode(image[missing]).cpu()
            for i, features in zip(missing, new, strict=True):
                found[i] = features
                self._write(features, paths[i])
        return torch.stack([f for f in found if f is not None]).to(image.device)

    def _path(self, image: Tensor, suffix: str) -> Path:
        """Return the path of the file of an image."""
        digest = hashlib.blake2b(repr((image.dtype, image.shape)).encode())
        digest.update(_bytes(image))
        name = digest.hexdigest()[:32]
        return self.folder / name[:2] / f'{name}-{suffix}.safetensors'

    def _write(self, features: Tensor, path: Path) -> None:
        """Write a file unless writing has failed before."""
        if not self._writable:
            return
        try:
            with whole_file(path) as temporary:
                save_file({'features': features.contiguous()}, temporary)
        except (OSError, SafetensorError) as error:  # such as a full disk
            self._writable = False
            warnings.warn(
                f'features cannot be written to {self.folder} any more, so images are '
                f'encoded anew in each epoch: {error}',
                UserWarning,
            )


class TextFeatureCache:
    """Features of texts in memory, each text encoded once."""

    def __init__(self, max_bytes: int = MAX_TEXT_BYTES) -> None:
        """Initialize a cache of so many bytes; when it is full, it starts anew."""
        self.max_bytes = max_bytes
        self._features: Tensor | None = None
        self._start: dict[bytes, int] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._start)

    def get(self, tokens: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the features (U, L, D) of token ids (U, L), 0-padded, without gradients.

        *encode* encodes those that are not there. At padding they are those of some token.
        """
        if not len(tokens):
            return encode(tokens)
        lengths = (tokens != 0).sum(-1).tolist()
        rows = tokens.cpu().numpy()
        keys = [row[:n].tobytes() for row, n in zip(rows, lengths, strict=True)]
        new = [i for i, key in enumerate(keys) if key not in self._start]
        # In inference mode too the cache must hold tensors that training can use
        with torch.inference_mode(False), torch.no_grad():
            if new:
                features = encode(tokens[new])
                if not self._make_room(sum(lengths[i] for i in new), features):
                    return features if len(new) == len(keys) else encode(tokens)
                assert self._features is not None
                flat = features[tokens[new] != 0]
                self._features[self._size : self._size + len(flat)] = flat
                for i in new:
                    self._start[keys[i]] = self._size
                    self._size += lengths[i]
            assert self._features is not None
            start = torch.tensor([self._start[key] for key in keys])
            offset = torch.arange(tokens.shape[1])
            last = torch.tensor(lengths)[:, None] - 1
            index = start[:, None] + torch.minimum(offset, last.clamp(min=0))
            flat = self._features.index_select(0, index.flatten().to(tokens.device))
            return flat.unflatten(0, tokens.shape)

    def _make_room(self, num: int, like: Tensor) -> bool:
        """Allocate memory for *num* tokens; if there is not enough, empty the cache."""
        width = like.shape[-1]
        limit = self.max_bytes // (width * like.element_size())
        if self._size + num > limit:
            self._features, self._size = None, 0
            self._start.clear()
            return False
        capacity = 0 if self._features is None else len(self._features)
        if self._size + num > capacity:
            grown = like.new_empty(
                min(limit, max(2 * capacity, self._size + num)), width
            )
            if self._features is not None:
                grown[: self._size] = self._features[: self._size]
            self._features = grown
        return True


def _fingerprint(tower: nn.Module) -> str:
    """Return a hash of all that the features depend on."""
    digest = hashlib.blake2b(repr(tower).encode())
    for name, tensor in sorted(tower.state_dict().items()):
        digest.update(repr((name, tensor.dtype, tensor.shape)).encode())
        digest.update(_bytes(tensor.detach().cpu()))
    return digest.hexdigest()[:16]


def _bytes(tensor: Tensor) -> memoryview:
    """Return the bytes of a tensor on the CPU, of any type."""
    return memoryview(tensor.contiguous().flatten().view(torch.uint8).numpy())


def _read(path: Path) -> Tensor | None:
    """Read a file of features, None if it is missing or damaged."""
    try:
        return load_file(path)['features']
    except (OSError, SafetensorError, KeyError):
        return None
