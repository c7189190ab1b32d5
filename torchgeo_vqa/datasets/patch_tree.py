# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Folders of BigEarthNet's patches."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ..annotations.table_cache import cached_table
from ..rasters.band_stack import BandStack

#: Bands of a Sentinel-2 patch.
SENTINEL2_BANDS = (
    'B01',
    'B02',
    'B03',
    'B04',
    'B05',
    'B06',
    'B07',
    'B08',
    'B8A',
    'B09',
    'B11',
    'B12',
)

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
        scene = (
            patch.rsplit('_', self.num_patch_parts)[0] if self.num_patch_parts else ''
        )
        folder = self.folder / scene / patch
        if not folder.is_dir():
            raise FileNotFoundError(f'no patch {patch} in {self.folder / scene}')
        return BandStack.stack([str(folder / f'{patch}_{b}.tif') for b in bands])

    def partners(self) -> dict[str, str]:
        """Read which Sentinel-1 patch goes with each Sentinel-2 patch.

        BigEarthNet v1 says so in a file in each folder; what half a million of them say is
        cached. Raise a ValueError if one is malformed, or two patches go with the same.
        """
        table = cached_table(
            [self.folder], self._read_partners, name=f'{self.folder.name}_partners'
        )
        return match_patches(
            table['s2'].to_pylist(), table['s1'].to_pylist(), self.folder
        )

    def _read_partners(self) -> pa.Table:
        """Read the file of each folder."""
        names: dict[str, list[str]] = {'s1': [], 's2': []}
        for patch in sorted(os.listdir(self.folder)):
            path = self.folder / patch / f'{patch}_labels_metadata.json'
            if not path.exists():
                continue
            try:
                names['s2'].append(
                    json.loads(path.read_bytes())['corresponding_s2_patch']
                )
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f'{path} must hold the corresponding_s2_patch: {error}'
                ) from error
            names['s1'].append(patch)
        return pa.table({k: pa.array(v, pa.string()) for k, v in names.items()})


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
