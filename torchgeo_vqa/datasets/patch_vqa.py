# SPDX-License-Identifier: MIT
"""Datasets of BigEarthNet's pairs of patches, and the folders of these."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from torchgeo.datasets import Sentinel2
from torchgeo.datasets.utils import Path as PathLike

from ..annotations.table_cache import cached_table
from ..rasters.image_file import BandStack
from .pair_vqa import PairVQA, check_among

#: Bands of a Sentinel-2 patch, which holds surface reflectance.
SENTINEL2_BANDS = tuple(band for band in Sentinel2.all_bands if band != 'B10')

#: Red, green and blue.
RGB = ('B04', 'B03', 'B02')

#: Polarizations of a Sentinel-1 patch.
SENTINEL1_BANDS = ('VV', 'VH')


@dataclass(frozen=True)
class PatchTree:
    """Folder of all patches of a satellite, each a folder with a file for each band.

    *num_patch_parts* is the number of the last parts of a patch's name that the name of its
    scene's folder lacks, or 0 if patches are not in folders of scenes.
    """

    folder: Path
    num_patch_parts: int = 0

    def open(self, patch: str, bands: Sequence[str]) -> BandStack:
        """Open some bands of a patch; raise a FileNotFoundError if it is missing."""
        parent = self.folder
        if self.num_patch_parts:
            parent /= patch.rsplit('_', self.num_patch_parts)[0]
        folder = parent / patch
        if not folder.is_dir():
            raise FileNotFoundError(f'no patch {patch} in {parent}')
        return BandStack.stack([str(folder / f'{patch}_{b}.tif') for b in bands])

    def partners(self) -> dict[str, str]:
        """Read which Sentinel-1 patch goes with each Sentinel-2 patch.

        BigEarthNet v1 says so in a file in each folder; what half a million of them say is
        cached. Raise a ValueError if one is malformed, or two patches go with the same.
        """
        # Not as objects of pathlib, since there are half a million
        files = (
            f'{self.folder}/{p}/{p}_labels_metadata.json'
            for p in sorted(os.listdir(self.folder))
        )
        paths = [path for path in files if os.path.exists(path)]
        name = f'{self.folder.name}_partners'
        make = partial(_read_partners, paths)
        table = cached_table([self.folder], make, name=name, sources=paths)
        s1, s2 = table['s1'].to_pylist(), table['s2'].to_pylist()
        return match_patches(s2, s1, self.folder)


def _read_partners(paths: Sequence[str]) -> pa.Table:
    """Read the Sentinel-2 patch of each Sentinel-1 patch from its file."""
    names = []
    key = 'corresponding_s2_patch'
    for path in paths:
        try:
            partner = json.loads(Path(path).read_bytes())[key]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'{path} must hold the {key}: {error}') from error
        names.append({'s1': Path(path).parent.name, 's2': partner})
    schema = pa.schema({'s1': pa.string(), 's2': pa.string()})
    return pa.Table.from_pylist(names, schema)


def match_patches(
    optical: Sequence[str], sar: Sequence[str], source: Path
) -> dict[str, str]:
    """Return the Sentinel-1 patch of each Sentinel-2 patch.

    Raise a ValueError that names *source* if two go with the same.
    """
    partners: dict[str, str] = {}
    for name, partner in zip(optical, sar, strict=True):
        other = partners.setdefault(name, partner)
        if other != partner:
            raise ValueError(f'{source}: {name} goes with both {other} and {partner}')
    return partners


class PatchVQA(PairVQA):
    """Base class for datasets of questions about BigEarthNet's pairs of patches.

    Optical images are Sentinel-2 patches, and name the pairs; SAR images are Sentinel-1
    patches. Samples are those of :class:`PairVQA`.
    """

    #: Folder of each modality in BigEarthNet's archives.
    folders: ClassVar[Mapping[str, str]]

    #: Of the :class:`.PatchTree` of each modality.
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
        check_among('bands', bands, SENTINEL2_BANDS)
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
