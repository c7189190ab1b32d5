# SPDX-License-Identifier: MIT
"""OSVQA data module."""

from typing import Any

from ..datasets import OSVQA
from .pair_vqa import PairVQADataModule


class OSVQADataModule(PairVQADataModule):
    """Optical-SAR pairs with questions, in the layout of OSVQA.

    See :class:`~torchgeo_vqa.datasets.OSVQA`.
    """

    def __init__(
        self,
        root: str = 'data',
        optical_dir: str = 'images/rgb',
        sar_dir: str = 'images/sar',
        **kwargs: Any,
    ) -> None:
        """Initialize a new OSVQADataModule instance.

        Args:
            root: The dataset's folder, or the folder that holds it.
            optical_dir: Folder of the optical images, below *root*.
            sar_dir: Folder of the SAR images, below *root*.
            **kwargs: Other arguments of :class:`.PairVQADataModule`.
        """
        super().__init__(
            OSVQA,
            {'root': root, 'optical_dir': optical_dir, 'sar_dir': sar_dir},
            **kwargs,
        )
