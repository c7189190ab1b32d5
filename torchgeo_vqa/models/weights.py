# SPDX-License-Identifier: MIT
"""Trained weights that come with the package."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, override

import torch
from torch import Tensor
from torchvision.models._api import Weights, WeightsEnum

from ..transforms import Preprocess
from .metadata import Metadata
from .renamed_keys import rename_keys

# What most of a small model's parameters are: rows for tokens that no question has
_EMBEDDING = 'text_encoder.text.token_embedding.weight'
_ROWS = f'{_EMBEDDING}.rows'

_FOLDER = Path(__file__).parent

# As torch.hub does, a file's name ends in the first digits of its hash
_NUM_DIGITS = 8

# Of the training split of OSVQAMini: bytes, and dB
_OSVQA_MINI = {
    'optical': {
        'mean': [110.95657444000244, 114.54593563079834, 102.31614828109741],
        'std': [78.1811701981461, 71.51334732304804, 71.51623848674093],
    },
    'sar': {
        'mean': [-12.004533037543297, -19.297734513878822],
        'std': [6.03191208631791, 6.1682888419469375],
    },
}


class TGFNet_Weights(WeightsEnum):
    """Weights of :func:`~torchgeo_vqa.models.tgfnet_tiny`.

    Unlike TorchGeo's, they are not downloaded: they come with the package, in half
    precision. Tokens that no question of the training split has are 0.
    """

    TINY_OSVQA_MINI = Weights(
        url=(_FOLDER / 'tgfnet_tiny_osvqa_mini-8af84e5a.pt').as_uri(),
        transforms=Preprocess(_OSVQA_MINI, image_size=64),
        meta={
            'dataset': 'OSVQAMini',
            'model': 'tgfnet_tiny',
            'modalities': ('optical', 'sar'),
            'license': 'MIT',
            'recipe': 'benchmarks/weights.py',
        },
    )

    @property
    def metadata(self) -> Metadata:
        """What the model knows of its data."""
        return Metadata.from_dict(_read(Path(self.url).name)['metadata'])

    @override
    def get_state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Load the state in single precision; a damaged file is a RuntimeError.

        The arguments change nothing: there is no download, and the hash is always checked.
        """
        state = unpack(_read(Path(self.url).name)['state_dict'])
        rename_keys(None, state)
        return state


@cache
def _read(name: str) -> dict[str, Any]:
    """Read a file of weights that has its hash, without running code it may hold."""
    path = _FOLDER / name
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not path.stem.endswith(f'-{digest[:_NUM_DIGITS]}'):
        raise RuntimeError(
            f'{path} is damaged: its hash starts with {digest[:_NUM_DIGITS]}; install the '
            'package again'
        )
    content: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
    return content


def pack(state: Mapping[str, Tensor], tokens: Tensor) -> dict[str, Tensor]:
    """Reduce the state of a model to what has to be stored.

    That is half precision, and the rows of the token embedding of some tokens (T,), int64.
    """
    packed = {
        name: value.half() if value.is_floating_point() else value
        for name, value in state.items()
    }
    packed[_ROWS] = tokens
    packed[_EMBEDDING] = packed[_EMBEDDING][tokens].clone()
    # A tensor of 49,408 rows for those that are kept
    packed[f'{_ROWS}.number'] = torch.tensor(len(state[_EMBEDDING]))
    return packed


def unpack(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo :func:`pack`, in single precision; embeddings that were not kept are 0."""
    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in packed.items()
    }
    rows, number = state.pop(_ROWS), int(state.pop(f'{_ROWS}.number'))
    kept = state[_EMBEDDING]
    state[_EMBEDDING] = kept.new_zeros(number, kept.shape[1]).index_copy(0, rows, kept)
    return state
