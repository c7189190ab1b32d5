# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""RSVQAHR data module."""

from typing import Any, Literal

from ..datasets import RSVQAHR
from .pair_vqa import PairVQADataModule


class RSVQAHRDataModule(PairVQADataModule):
    """Aerial images of the north-east of the USA with questions.

    See :class:`~torchgeo_vqa.datasets.RSVQAHR`.
    """

    def __init__(
        self,
        root: str = 'data',
        buckets: bool = True,
        download: bool = False,
        checksum: bool = True,
        test_split: Literal['test', 'test_phili'] = 'test',
        **kwargs: Any,
    ) -> None:
        """Initialize a new RSVQAHRDataModule instance.

        Args:
            root: The folder of the split files and of the folder of images.
            buckets: Whether areas are answered by the range they lie in, as in the
                published evaluation, instead of exactly.
            download: Whether to download what is missing.
            checksum: Whether to check what is downloaded against the MD5 sums that Zenodo
                publishes.
            test_split: Split that test evaluates; 'test_phili' is a city that training has
                not seen.
            **kwargs: Other arguments of :class:`.PairVQADataModule`.

        Raises:
            ValueError: If an argument is out of its range.
        """
        super().__init__(
            RSVQAHR,
            {
                'root': root,
                'buckets': buckets,
                'download': download,
                'checksum': checksum,
            },
            modalities=('optical',),
            test_split=test_split,
            **kwargs,
        )
