# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""RSVQALR data module."""

from typing import Any

from ..datasets import RSVQALR
from .pair_vqa import PairVQADataModule


class RSVQALRDataModule(PairVQADataModule):
    """Sentinel-2 images of the Netherlands with questions.

    See :class:`~torchgeo_vqa.datasets.RSVQALR`.
    """

    def __init__(
        self,
        root: str = 'data',
        buckets: bool = True,
        download: bool = False,
        checksum: bool = True,
        **kwargs: Any,
    ) -> None:
        """Initialize a new RSVQALRDataModule instance.

        Args:
            root: The folder of the split files and of the folder of images.
            buckets: Whether counts are answered by the range they lie in, as in the
                published evaluation, instead of exactly.
            download: Whether to download what is missing.
            checksum: Whether to check what is downloaded against the MD5 sums that Zenodo
                publishes.
            **kwargs: Other arguments of :class:`.PairVQADataModule`.

        Raises:
            ValueError: If an argument is out of its range.
        """
        super().__init__(
            RSVQALR,
            {
                'root': root,
                'buckets': buckets,
                'download': download,
                'checksum': checksum,
            },
            modalities=('optical',),
            **kwargs,
        )
