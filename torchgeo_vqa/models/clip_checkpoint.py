# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

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
    """Read a checkpoint, without running code that the file may hold.

    Args:
        path: A file, or one of open_clip's tags.

    Returns:
        The checkpoint, None if it is for open_clip to read.

    Raises:
        ValueError: If the file is a checkpoint of another task, or no checkpoint.
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
    """Return the state of a part of a model.

    Args:
        state: State of the model.
        prefix: What the names of the part start with.

    Returns:
        State of the part.
    """
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }


def check_clip_checkpoint(
    path: str | os.PathLike[str], checkpoint: CLIPCheckpoint, config: Mapping[str, Any]
) -> None:
    """Check that a model can start from a checkpoint.

    Args:
        path: Path of the checkpoint.
        checkpoint: The checkpoint.
        config: Arguments of :func:`~torchgeo_vqa.models.pair_clip` for the model.

    Raises:
        ValueError: If it cannot.
    """
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
