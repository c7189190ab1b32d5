# SPDX-License-Identifier: MIT
"""RSVQA dataset of low resolution."""

from typing import override

from ..datasets.rsvqa import count_range
from .rsvqa import RSVQA


class RSVQALR(RSVQA):
    """RSVQA dataset of low resolution.

    `RSVQA LR <https://rsvqa.sylvainlobry.com/>`__ asks questions, made from
    OpenStreetMap, about Sentinel-2 images of the Netherlands.

    Dataset features:

    * 772 optical images of 256 x 256 px, three bands, uint8, georeferenced
    * 77,232 questions of four types: ``rural_urban``, ``presence``, ``count``, ``comp``

    Dataset format: GeoTIFFs, and questions as in :class:`.RSVQA`. The folder *root* holds:

    .. code-block:: text

       Images_LR/<id>.tif
       LR_split_{train,val,test}_{images,questions,answers}.json

    Counts are published as integers and evaluated in five ranges: 0, 1 to 10, 11 to 100,
    101 to 1000, and above. That is the default; ``buckets=False`` asks for the integers.

    If you use this dataset in your research, please cite the following paper:

    * https://doi.org/10.1109/TGRS.2020.2988782
    """

    instructions = (
        'RSVQA LR is https://doi.org/10.5281/zenodo.6344334: put its split files and the '
        'unpacked Images_LR.zip there.'
    )
    prefix = 'LR'
    record = '6344334'
    archive = 'Images_LR.zip'
    image_dir = 'Images_LR'
    conventions = ('counts as integers', 'counts in five ranges')

    @override
    def _range(self, answer: str) -> str:
        return count_range(answer)
