# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""RSVQAxBEN data module."""

from collections.abc import Sequence
from typing import Any

from ..datasets import RSVQAxBEN
from .pair_vqa import PairVQADataModule


class RSVQAxBENDataModule(PairVQADataModule):
    """Sentinel-1 and Sentinel-2 patches of BigEarthNet v1 with questions.

    See :class:`~torchgeo_vqa.datasets.RSVQAxBEN`.
    """

    # Images are reflectance x 10,000; little on land is brighter than 0.3.
    default_optical_max = 3000.0

    def __init__(
        self,
        root: str = 'data',
        bands: Sequence[str] = ('B04', 'B03', 'B02'),
        optical_dir: str = RSVQAxBEN.folders['optical'],
        sar_dir: str = RSVQAxBEN.folders['sar'],
        download: bool = False,
        checksum: bool = True,
        **kwargs: Any,
    ) -> None:
        """Initialize a new RSVQAxBENDataModule instance.

        Args:
            root: The folder of the split files and of the folders of images.
            bands: Three Sentinel-2 bands of an optical image.
            optical_dir: Folder of the Sentinel-2 patches, below *root*.
            sar_dir: Folder of the Sentinel-1 patches, below *root*.
            download: Whether to download what is missing (some 120 gigabytes).
            checksum: Whether to check what is downloaded against MD5 sums.
            **kwargs: Other arguments of :class:`.PairVQADataModule`.

        Raises:
            ValueError: If an argument is out of its range.
        """
        super().__init__(
            RSVQAxBEN,
            {
                'root': root,
                'bands': tuple(bands),
                'optical_dir': optical_dir,
                'sar_dir': sar_dir,
                'download': download,
                'checksum': checksum,
            },
            **kwargs,
        )
