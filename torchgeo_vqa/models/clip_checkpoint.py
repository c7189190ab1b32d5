# SPDX-License-Identifier: MIT
"""Checkpoints of a fine-tuned CLIP, which other models start from."""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

#: Where a checkpoint says which CLIP it holds.
KEY = 'clip'

#: Weights in other formats, which open_clip reads.
OTHER_FORMATS = ('.safetensors', '.npz', '.npy')


class CLIPCheckpoint(NamedTuple):
    """A fine-tuned CLIP."""

    #: Arguments of :func:`~torchgeo_vqa.models.pair_clip` that build it.
    config: dict[str, Any]
    #: State of the :class:`~torchgeo_vqa.models.PairCLIP`.
    weights: dict[str, Tensor]


def read_clip_checkpoint(path: str | os.PathLike[str]) -> CLIPCheckpoint | None:
    """Read a checkpoint of CLIPTask, without running code that the file may hold.

    None is a tag or a file that open_clip reads, any other file a ValueError.
    """
    path = Path(path)
    if not path.is_file() or path.suffix in OTHER_FORMATS:
        return None
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        # OpenAI's own files are TorchScript, which open_clip reads
        if 'TorchScript' in str(error):
            return None
        raise ValueError(
            f'pretrained={str(path)!r} is neither a checkpoint of CLIPTask nor a file '
            f'of open_clip weights: {error}'
        ) from error
    if isinstance(content, Mapping) and KEY in content:
        weights = strip_prefix(content['state_dict'], 'model.')
        return CLIPCheckpoint(content[KEY], weights)
    if isinstance(content, Mapping) and 'pytorch-lightning_version' in content:
        raise ValueError(
            f'pretrained={str(path)!r} is a checkpoint of another task than CLIPTask; '
            'to go on with a checkpoint of VQATask, use --ckpt_path'
        )
    return None


def strip_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the state of the part of a model whose names start with a prefix."""
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }


def check_clip_checkpoint(
    path: str | os.PathLike[str], checkpoint: CLIPCheckpoint, config: Mapping[str, Any]
) -> None:
    """Raise a ValueError unless a model of these arguments can start from a checkpoint."""
    saved, name = checkpoint.config, os.fspath(path)
    if saved['architecture'] != config['architecture']:
        raise ValueError(
            f'{name} holds the CLIP {saved["architecture"]!r}, not '
            f'{config["architecture"]!r}: set clip to {saved["architecture"]!r}'
        )
    for modality, channels in config['in_channels'].items():
        own = saved['in_channels'].get(modality)
        if own != channels:
            has = 'no tower' if own is None else f'a tower of {own} channels'
            raise ValueError(
                f'{name} holds {has} for {modality} images, but the model needs one of '
                f'{channels} channels: fine-tune CLIP on the same kind of images, or '
                'set modalities to those that the checkpoint has'
            )
    if config['share_image_encoder'] and not saved['share_image_encoder']:
        raise ValueError(
            f'{name} holds a tower for each modality: set share_image_encoder to False, '
            'or fine-tune CLIP with share_image_encoder=True'
        )
