# SPDX-License-Identifier: MIT
"""RSVQALR and RSVQAHR data modules."""

from typing import Any, ClassVar, Literal

from ..datasets import RSVQAHR, RSVQALR
from ..datasets.rsvqa import RSVQA
from .pair_vqa import PairVQADataModule


class RSVQADataModule(PairVQADataModule):
    """Base class for data modules of optical images in the format of RSVQA."""

    #: Class of the dataset.
    dataset_type: ClassVar[type[RSVQA]]

    def __init__(
        self,
        root: str = 'data',
        buckets: bool = True,
        download: bool = False,
        checksum: bool = True,
        **kwargs: Any,
    ) -> None:
        """Initialize a new instance.

        Args:
            root: The folder of the split files and of the folder of images.
            buckets: Whether counts and areas are answered by the range they lie in, as in
                the published evaluation, instead of exactly.
            download: Whether to download what is missing.
            checksum: Whether to check downloads against the MD5 sums of Zenodo.
            **kwargs: Other arguments of :class:`.PairVQADataModule`.
        """
        own = {'root': root, 'buckets': buckets}
        own |= {'download': download, 'checksum': checksum}
        super().__init__(self.dataset_type, own, modalities=('optical',), **kwargs)


class RSVQALRDataModule(RSVQADataModule):
    """Sentinel-2 images of the Netherlands with questions.

    See :class:`~torchgeo_vqa.datasets.RSVQALR`.
    """

    dataset_type = RSVQALR


class RSVQAHRDataModule(RSVQADataModule):
    """Aerial images of the north-east of the USA with questions.

    See :class:`~torchgeo_vqa.datasets.RSVQAHR`.
    """

    dataset_type = RSVQAHR

    def __init__(
        self,
        root: str = 'data',
        *,
        test_split: Literal['test', 'test_phili'] = 'test',
        **kwargs: Any,
    ) -> None:
        """Initialize a new RSVQAHRDataModule instance.

        Args:
            root: The folder of the split files and of the folder of images.
            test_split: Split that test evaluates; 'test_phili' is a city that training has
                not seen.
            **kwargs: Other arguments of :class:`.RSVQALRDataModule`.
        """
        super().__init__(root, test_split=test_split, **kwargs)
