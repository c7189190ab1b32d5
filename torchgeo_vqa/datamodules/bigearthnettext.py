# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""BigEarthNet.txt data module."""

from collections.abc import Sequence
from typing import Any, Literal

from ..datasets import BigEarthNetText
from .pair_vqa import PairVQADataModule


class BigEarthNetTextDataModule(PairVQADataModule):
    """Sentinel-1 and Sentinel-2 patches of BigEarthNet v2 with questions.

    See :class:`~torchgeo_vqa.datasets.BigEarthNetText`.
    """

    # Images are reflectance x 10,000; little on land is brighter than 0.3.
    default_optical_max = 3000.0

    def __init__(
        self,
        root: str = 'data',
        bands: Sequence[str] = ('B04', 'B03', 'B02'),
        optical_dir: str = 'BigEarthNet-S2',
        sar_dir: str = 'BigEarthNet-S1',
        test_split: Literal['test', 'bench'] = 'test',
        **kwargs: Any,
    ) -> None:
        """Initialize a new BigEarthNetTextDataModule instance.

        Args:
            root: The folder of the Parquet file and of the folders of images.
            bands: Three Sentinel-2 bands of an optical image.
            optical_dir: Folder of the Sentinel-2 patches, below *root*.
            sar_dir: Folder of the Sentinel-1 patches, below *root*.
            test_split: Split that test evaluates; 'bench' was checked by hand.
            **kwargs: Other arguments of :class:`.PairVQADataModule`.

        Raises:
            ValueError: If an argument is out of its range.
        """
        super().__init__(
            BigEarthNetText,
            {
                'root': root,
                'bands': tuple(bands),
                'optical_dir': optical_dir,
                'sar_dir': sar_dir,
            },
            test_split=test_split,
            **kwargs,
        )
