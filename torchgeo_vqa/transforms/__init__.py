# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Augmentations and preprocessing of image pairs, on batches and on the device."""

from .augmentation import Augmentation
from .cloud import RandomCloud
from .degradation import Degradation, ImageShuffle
from .dihedral import RandomDihedral
from .directions import rewrite
from .low_light import RandomLowLight
from .missing import RandomMissing
from .paired import PairedAugmentation
from .preprocessing import Preprocess, normalize, resize
from .speckle import RandomSpeckle

__all__ = (
    'Augmentation',
    'Degradation',
    'ImageShuffle',
    'PairedAugmentation',
    'Preprocess',
    'RandomCloud',
    'RandomDihedral',
    'RandomLowLight',
    'RandomMissing',
    'RandomSpeckle',
    'normalize',
    'resize',
    'rewrite',
)
