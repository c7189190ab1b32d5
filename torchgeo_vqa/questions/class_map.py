# SPDX-License-Identifier: MIT
"""Maps of classes: codes in raster files, and what they are called."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from torchgeo.datasets import GeoDataset

from ..rasters.coverage import Query, find_gaps
from .scene import NO_DATA


class ClassMap:
    """A dataset of codes; *class_names* holds the name of each class once, in their order."""

    def __init__(
        self,
        dataset: GeoDataset,
        classes: Mapping[int, str] | Sequence[str],
        ignore: Sequence[int] = (),
        name: str = 'labels',
    ) -> None:
        """Name the codes of a dataset, which errors call *name*.

        A sequence names the codes 0, 1, ...; codes of the same name are one class. Those in
        *ignore* mean that nothing is known. Raise a TypeError or ValueError for names, codes
        or a dataset that cannot be such.
        """
        self.dataset = dataset
        self.name = name
        if isinstance(classes, str):
            raise TypeError(f'classes must name codes, got the string {classes!r}')
        named = dict(classes if isinstance(classes, Mapping) else enumerate(classes))
        for code, text in named.items():
            if not isinstance(code, int | np.integer):
                raise TypeError(f'classes must name whole numbers, got {code!r}')
            if not isinstance(text, str) or not text.strip():
                raise ValueError(
                    f'code {code} has no name: classes must name every class, got '
                    f'{text!r}; list codes without a meaning in `ignore`'
                )
        if both := sorted(set(named) & set(ignore)):
            raise ValueError(f'codes {both} are both in classes and in ignore')
        self.class_names = tuple(dict.fromkeys(named.values()))
        if not 1 <= len(self.class_names) <= NO_DATA:
            raise ValueError(
                f'classes must name 1 to {NO_DATA} classes, got {len(self.class_names)}'
            )
        nearest = getattr(dataset, 'resampling', Resampling.nearest)
        if getattr(dataset, 'is_image', False) or nearest != Resampling.nearest:
            raise ValueError(
                f'{name} must hold codes, which have no values in between: set '
                f'`is_image = False` in {type(dataset).__name__}'
            )
        self._labels = {
            int(code): self.class_names.index(text) for code, text in named.items()
        }
        self._ignore = frozenset(int(code) for code in ignore)

    def read(self, query: Query) -> NDArray[np.uint8]:
        """Read the classes of a complete query, (H, W) index into class_names or NO_DATA.

        Raise an IndexError if the dataset has nothing there, a ValueError for unnamed codes.
        """
        mask = self.dataset[query]['mask'].numpy()
        if mask.ndim != 2:
            raise ValueError(
                f'{self.name} must be one raster for a patch, got a mask of shape '
                f'{mask.shape}; use one band and time_series=False'
            )
        outside, nodata, _ = find_gaps(self.dataset, query, mask.shape)
        if named := sorted(nodata & self._labels.keys()):
            raise ValueError(
                f'{self.name}: code {int(named[0])} stands for no data in the files, so it '
                'cannot be a class; leave it out of `classes` (a dictionary of the '
                'others), or give the dataset another `nodata`'
            )
        label = np.full(mask.shape, NO_DATA, np.uint8)
        for code in np.unique(mask[~outside]):
            found = (mask == code) & ~outside
            if code in self._labels:
                label[found] = self._labels[code]
            elif not (code in nodata or code in self._ignore or np.isnan(code)):
                x, y, _ = query
                raise ValueError(
                    f'{self.name}: {np.count_nonzero(found)} pixels of the patch x '
                    f'{x.start} to {x.stop}, y {y.start} to {y.stop} have the code {code}, '
                    'which has no name; name it in `classes`, or list it in `ignore` if it '
                    'means that nothing is known'
                )
        return label
