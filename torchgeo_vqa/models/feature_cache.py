# SPDX-License-Identifier: MIT
"""Caches of the features of CLIP's towers while their weights do not change."""

import hashlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

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
        self._features: dict[bytes, Tensor] = {}
        self._num_bytes = 0

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._features)

    def get(self, tokens: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the features (U, L, D) of token ids (U, L), 0-padded, without gradients.

        *encode* encodes those that are not there. At padding they are 0.
        """
        if not len(tokens):
            return encode(tokens)
        lengths = (tokens != 0).sum(-1).tolist()
        rows = tokens.cpu().numpy()
        keys = [row[:n].tobytes() for row, n in zip(rows, lengths, strict=True)]
        new = [i for i, key in enumerate(keys) if key not in self._features]
        # In inference mode too the cache must hold tensors that training can use
        with torch.inference_mode(False), torch.no_grad():
            if new:
                features = encode(tokens[new])
                self._num_bytes += sum(lengths[i] for i in new) * features[0, 0].nbytes
                if self._num_bytes > self.max_bytes:
                    self._features, self._num_bytes = {}, 0
                    return features if len(new) == len(keys) else encode(tokens)
                for i, x in zip(new, features, strict=True):
                    self._features[keys[i]] = x[: lengths[i]].clone()
            found = pad_sequence([self._features[key] for key in keys], True)
            return F.pad(found, (0, 0, 0, tokens.shape[1] - found.shape[1]))


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
