# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Base class for datasets of BigEarthNet's pairs of patches."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torchgeo.datasets.utils import Path as PathLike

from ..rasters.band_stack import BandStack
from .pair_vqa import PairVQA
from .patch_tree import RGB, SENTINEL1_BANDS, SENTINEL2_BANDS, PatchTree


class PatchVQA(PairVQA):
    """Base class for datasets of questions about BigEarthNet's pairs of patches.

    Optical images are Sentinel-2 patches, and name the pairs; SAR images are Sentinel-1
    patches. Samples are those of :class:`PairVQA`.
    """

    #: Folder of each modality in BigEarthNet's archives.
    folders: ClassVar[Mapping[str, str]]

    #: See :class:`.PatchTree`.
    num_patch_parts: ClassVar[Mapping[str, int]] = {'optical': 0, 'sar': 0}

    #: Key that says which Sentinel-1 patch goes with a Sentinel-2 patch.
    partner_key: ClassVar[str]

    def __init__(
        self,
        root: PathLike = 'data',
        split: str = 'train',
        *,
        bands: Sequence[str] = RGB,
        optical_dir: str | None = None,
        sar_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Initialize a new instance.

        Args:
            root: The folder of the questions and of the folders of images.
            split: One of the dataset's :attr:`~PairVQA.splits`.
            bands: Sentinel-2 bands of an optical image. Models take three; those of 20 and
                60 m are brought to the grid of the first.
            optical_dir: Folder of the Sentinel-2 patches, below *root* (defaults to that
                of BigEarthNet's archive).
            sar_dir: The same for the Sentinel-1 patches.
            **kwargs: Further arguments of :class:`PairVQA`, which raises its errors.
        """
        known = SENTINEL2_BANDS
        if not bands or isinstance(bands, str) or not set(bands) <= set(known):
            raise ValueError(f'bands must be among {known}, got {bands!r}')
        self.bands = tuple(bands)
        given = {'optical': optical_dir, 'sar': sar_dir}
        self._trees = {
            modality: PatchTree(
                Path(root) / (given[modality] or folder), self.num_patch_parts[modality]
            )
            for modality, folder in self.folders.items()
        }
        super().__init__(root, split, **kwargs)

    def _open_patch(
        self, partners: Mapping[str, str | None], modality: str, name: str
    ) -> BandStack:
        """Open an image of a pair, given its Sentinel-1 patch by its Sentinel-2 patch."""
        tree = self._trees[modality]
        if modality == 'optical':
            return tree.open(name, self.bands)
        partner = partners.get(name)
        if not partner:
            raise FileNotFoundError(
                f'no {self.partner_key} says which Sentinel-1 patch goes with {name}'
            )
        return tree.open(partner, SENTINEL1_BANDS)
