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

    def __init__(
        self,
        root: str = 'data',
        bands: Sequence[str] = ('B04', 'B03', 'B02'),
        optical_dir: str = RSVQAxBEN.folders['optical'],
        sar_dir: str = RSVQAxBEN.folders['sar'],
        download: bool = False,
        checksum: bool = True,
        optical_max: float = 3000.0,
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
            optical_max: Value of the optical images, which are reflectance x 10,000, that
                stands for 1 in *color_jitter*, *cloud* and *low_light*.
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
            optical_max=optical_max,
            **kwargs,
        )
