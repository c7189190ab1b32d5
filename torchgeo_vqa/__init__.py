# SPDX-License-Identifier: MIT
"""Visual question answering on optical-SAR pairs for TorchGeo.

Importing the package registers its models in TorchGeo's zoo and makes its tasks and data
modules known to TorchGeo's command line.
"""

from importlib.metadata import version

from _torchgeo_vqa_autoload import interrupt

interrupt.start('torchgeo-vqa')  # before the imports that take seconds

from . import (
    callbacks,
    datamodules,
    datasets,
    metrics,
    models,
    prediction,
    questions,
    samplers,
    trainers,
    transforms,
)

__all__ = (
    'callbacks',
    'datamodules',
    'datasets',
    'metrics',
    'models',
    'prediction',
    'questions',
    'samplers',
    'trainers',
    'transforms',
)

__version__ = version('torchgeo-vqa')
