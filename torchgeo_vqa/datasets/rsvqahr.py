# SPDX-License-Identifier: MIT
"""RSVQA dataset of high resolution."""

from typing import override

from ..datasets.rsvqa import area_range
from .rsvqa import RSVQA


class RSVQAHR(RSVQA):
    """RSVQA dataset of high resolution.

    `RSVQA HR <https://rsvqa.sylvainlobry.com/>`__ asks questions, made from
    OpenStreetMap, about aerial images of the north-east of the USA.

    Dataset features:

    * 10,659 optical images of 512 x 512 px of 15 cm, three bands, uint8
    * questions of four types: ``area``, ``presence``, ``count``, ``comp``
    * a second test split, ``test_phili``: Philadelphia, which training has not seen

    Dataset format: TIFFs, and questions as in :class:`.RSVQA`. The folder *root* holds:

    .. code-block:: text

       Data/<id>.tif
       USGS_split_{train,val,test,test_phili}_{images,questions,answers}.json

    Areas are published in square metres and evaluated in five ranges: 0m2, 1 to 10 m2, 11
    to 100 m2, 101 to 1000 m2, and above. That is the default; ``buckets=False`` asks for
    the number. Counts are evaluated as integers.

    If you use this dataset in your research, please cite the following paper:

    * https://doi.org/10.1109/TGRS.2020.2988782
    """

    instructions = (
        'RSVQA HR is https://doi.org/10.5281/zenodo.6344367: put its split files and the '
        'unpacked Images.tar there.'
    )
    splits = ('train', 'val', 'test', 'test_phili')
    prefix = 'USGS'
    record = '6344367'
    archive = 'Images.tar'
    image_dir = 'Data'
    conventions = ('areas as numbers', 'areas in five ranges')

    @override
    def _range(self, answer: str) -> str:
        return area_range(answer)
