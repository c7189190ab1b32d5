# SPDX-License-Identifier: MIT
"""RSVQAxBEN and BigEarthNet.txt data modules."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from ..datasets import BigEarthNetText, PairVQA, RSVQAxBEN
from .pair_vqa import PairVQADataModule


class BigEarthNetDataModule(PairVQADataModule):
    """Base class for data modules of patches of BigEarthNet."""

    # Images are reflectance x 10,000; little on land is brighter than 0.3.
    default_optical_max = 3000.0

    #: Class of the dataset.
    dataset_type: ClassVar[type[PairVQA]]

    def __init__(
        self,
        root: str = 'data',
        bands: Sequence[str] = ('B04', 'B03', 'B02'),
        optical_dir: str | None = None,
        sar_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Initialize a new instance.

        Args:
            root: The folder of the questions and of the folders of images.
            bands: Three Sentinel-2 bands of an optical image.
            optical_dir: Folder of the Sentinel-2 patches, below *root* (defaults to that
                of the release).
            sar_dir: Folder of the Sentinel-1 patches, below *root* (likewise).
            **kwargs: Other arguments of :class:`.PairVQADataModule`.
        """
        folders = {'optical_dir': optical_dir, 'sar_dir': sar_dir}
        own = {'root': root, 'bands': tuple(bands), **folders}
        super().__init__(self.dataset_type, own, **kwargs)


class RSVQAxBENDataModule(BigEarthNetDataModule):
    """Sentinel-1 and Sentinel-2 patches of BigEarthNet v1 with questions.

    See :class:`~torchgeo_vqa.datasets.RSVQAxBEN`.
    """

    dataset_type = RSVQAxBEN

    def __init__(
        self,
        root: str = 'data',
        *,
        download: bool = False,
        checksum: bool = True,
        **kwargs: Any,
    ) -> None:
        """Initialize a new RSVQAxBENDataModule instance.

        Args:
            root: The folder of the questions and of the folders of images.
            download: Whether to download what is missing (some 120 gigabytes).
            checksum: Whether to check what is downloaded against MD5 sums.
            **kwargs: Other arguments, as those of :class:`.BigEarthNetTextDataModule`.
        """
        super().__init__(root, **kwargs)
        self.kwargs |= {'download': download, 'checksum': checksum}


class BigEarthNetTextDataModule(BigEarthNetDataModule):
    """Sentinel-1 and Sentinel-2 patches of BigEarthNet v2 with questions.

    See :class:`~torchgeo_vqa.datasets.BigEarthNetText`.
    """

    dataset_type = BigEarthNetText

    def __init__(
        self,
        root: str = 'data',
        *,
        test_split: Literal['test', 'bench'] = 'test',
        **kwargs: Any,
    ) -> None:
        """Initialize a new BigEarthNetTextDataModule instance.

        Args:
            root: The folder of the questions and of the folders of images.
            test_split: Split that test evaluates; 'bench' was checked by hand.
            **kwargs: Other arguments, as those of :class:`.RSVQAxBENDataModule`.
        """
        super().__init__(root, test_split=test_split, **kwargs)
