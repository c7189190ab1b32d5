# SPDX-License-Identifier: MIT
"""What checkpoints of VQATask hold, and the models that are built for it."""

import os
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from packaging.version import Version

from ..models import VQAModel
from ..models.api import builder, builder_options
from ..models.metadata import Metadata

#: Where a checkpoint holds the metadata, and the version that it was saved with.
METADATA_KEY, VERSION_KEY = 'vqa', 'torchgeo_vqa_version'

VERSION = version('torchgeo-vqa')

# Arguments of the task that decide on the weights of its model
_ARCHITECTURE = ('model', 'model_args')


def verify_model_args(name: str, model_args: Mapping[str, Any] | None) -> None:
    """Raise a ValueError unless there is such a model whose builder has these arguments."""
    accepted = builder_options(name)
    if unknown := sorted(set(model_args or ()) - set(accepted)):
        raise ValueError(
            f'{name} has no argument {", ".join(unknown)}, model_args may hold '
            f'{", ".join(accepted)}'
        )


def build_model(
    arguments: Mapping[str, Any], metadata: Metadata, to_load: bool = False
) -> tuple[VQAModel, Metadata]:
    """Build a model for its data; return it and its metadata, which get the image size.

    *arguments* are ``model``, its name; ``model_args`` of its builder, which override those
    of the data; and ``pretrained``, weights that CLIP starts from, unless all weights are
    loaded next (*to_load*).
    """
    name, model_args = arguments['model'], arguments.get('model_args')
    verify_model_args(name, model_args)
    args = {
        'image_size': metadata.image_size,
        'modalities': list(metadata.modalities),
        'sar_channels': metadata.sar_channels,
        'pretrained': None if to_load else arguments['pretrained'],
        **(model_args or {}),
    }
    with warnings.catch_warnings():
        if to_load:  # no warning of random weights
            warnings.simplefilter('ignore', UserWarning)
        model: Any = builder(name)(num_answers=len(metadata.answers), **args)
    return model, replace(metadata, image_size=model.image_size)


class NewerVersionError(ValueError):
    """A checkpoint is of a newer version of the package."""


def read_metadata(checkpoint: object) -> Metadata:
    """Read the metadata of a checkpoint.

    Raise a ValueError if it is not one of VQATask, or of a newer version.
    """
    if not isinstance(checkpoint, Mapping) or METADATA_KEY not in checkpoint:
        raise ValueError(
            'the checkpoint holds no vocabulary: it was not saved by VQATask'
        )
    saved = checkpoint.get(VERSION_KEY)
    if saved is not None and Version(saved) > Version(VERSION):
        raise NewerVersionError(
            f'the checkpoint was saved with torchgeo-vqa {saved}, and this is {VERSION}, '
            'which cannot know what is new in it: update with pip install --upgrade '
            'torchgeo-vqa'
        )
    return Metadata.from_dict(checkpoint[METADATA_KEY])


def load_state(
    model: VQAModel, checkpoint: Mapping[str, Any], arguments: Mapping[str, Any]
) -> None:
    """Load the weights of a checkpoint.

    Raise a RuntimeError if they do not fit, which names what differs between *arguments* of
    the task and those of the one that saved the checkpoint.
    """
    state = checkpoint['state_dict'].items()
    try:
        model.load_state_dict({k.removeprefix('model.'): x for k, x in state})
    except RuntimeError as error:
        saved, here = (
            {name: args.get(name) for name in _ARCHITECTURE}
            for args in (checkpoint['hyper_parameters'], arguments)
        )
        saved['torchgeo-vqa'] = checkpoint.get(VERSION_KEY)
        here['torchgeo-vqa'] = VERSION
        differ = ', '.join(
            f'{name} {value!r} (here {here[name]!r})'
            for name, value in saved.items()
            if value != here[name]
        )
        raise RuntimeError(
            f'the weights do not fit the model; they were saved with {differ or here}: '
            'give what they were trained with, which stands in the config.yaml of their '
            f'run\n{error}'
        ) from error


def verify_finite(model: VQAModel) -> None:
    """Raise a ValueError if a weight is not a finite number."""
    for name, weight in model.state_dict().items():
        if not weight.isfinite().all():
            raise ValueError(f'the weights {name} are not finite numbers')


def verify_whole(path: str | os.PathLike[str]) -> None:
    """Raise a ValueError if a file is cut off, or no checkpoint; addresses are not checked."""
    if not os.path.isfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error):  # the directory is at its end
        damaged = 'all'
    if damaged is not None:
        raise ValueError(
            f'{os.fspath(path)} is cut off, damaged, or no checkpoint: take another one, '
            'such as that of the epoch before'
        )
