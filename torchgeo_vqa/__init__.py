# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Visual question answering on optical-SAR pairs for TorchGeo."""

from importlib.metadata import version

__version__ = version('torchgeo-vqa')
