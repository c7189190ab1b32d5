# SPDX-License-Identifier: MIT
"""What the images of a data module are, and whether they are like those of a model."""

import torch

from ..rasters.units import Finding, ImageSpec, convert, inspect, spec_of
from ..transforms.preprocessing import Statistics
from .pair import PairDataModule, Stage
from .statistics import evenly

#: Images of a stage that are looked at.
NUM_IMAGES = 16


def describe_images(dm: PairDataModule) -> dict[str, ImageSpec]:
    """Describe the images that a model is trained on, by modality."""
    return {
        m: spec_of(m, own, dm.scales.get(m), dm.extremes.get(m))
        for m, own in dm.statistics.items()
    }


def examine(
    dm: PairDataModule,
    stage: Stage,
    images: dict[str, ImageSpec],
    statistics: Statistics,
) -> list[list[Finding]]:
    """Find in some images of a stage what does not fit a model, a list for each image.

    *images* and *statistics* are those that the model was trained on.
    """
    dataset = dm.dataset_for(stage)
    found = []
    # The dataset draws questions: it must not shift the random numbers of the run
    with torch.random.fork_rng(devices=[]):
        for location in evenly(dm.overview(dataset), NUM_IMAGES):
            sample = dataset[location]
            for m, spec in images.items():
                if f'image_{m}' in sample:
                    image = sample[f'image_{m}']
                    image = convert(image, dm.scales.get(m), spec.unit)
                    found.append(inspect(image, m, spec, statistics[m]))
    return found
