# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Maps of classes: codes in raster files, and what they are called."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from torchgeo.datasets import GeoDataset

from ..rasters.coverage import Query, find_gaps
from .scene import NO_DATA


class ClassMap:
    """A dataset of codes with a name for each.

    Attributes:
        class_names: Names of the classes, each once, in the order of *classes*.
    """

    def __init__(
        self,
        dataset: GeoDataset,
        classes: Mapping[int, str] | Sequence[str],
        ignore: Sequence[int] = (),
        name: str = 'labels',
    ) -> None:
        """Initialize a new ClassMap instance.

        Args:
            dataset: Dataset of codes, with ``is_image = False``.
            classes: Name of each code; a sequence names the codes 0, 1, ... Codes of the
                same name are one class.
            ignore: Codes that mean that nothing is known.
            name: What the dataset is called in errors.

        Raises:
            TypeError: If *classes* is a string, or a code is not a whole number.
            ValueError: If a class has no name, there are none or too many, a code is both
                named and ignored, or the dataset interpolates between codes.
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
        outside, nodata = find_gaps(self.dataset, query, mask.shape)
        if named := sorted(nodata & self._labels.keys()):
            raise ValueError(
                f'{self.name}: code {int(named[0])} stands for no data in the files, so it '
                'cannot be a class; leave it out of `classes` (a dictionary of the '
                'others), or give the dataset another `nodata`'
            )
        codes, where = np.unique(mask, return_inverse=True)
        labels = np.full(len(codes), NO_DATA, np.uint8)
        unnamed = []
        for i, code in enumerate(codes.tolist()):
            if code in self._labels:
                labels[i] = self._labels[code]
            elif not (code in nodata or code in self._ignore or np.isnan(code)):
                unnamed.append(i)
        where = where.reshape(mask.shape)
        label = labels[where]
        for i in unnamed:
            num = int(np.count_nonzero((where == i) & ~outside))
            if num:
                x, y, _ = query
                raise ValueError(
                    f'{self.name}: {num} pixels of the patch x {x.start} to {x.stop}, y '
                    f'{y.start} to {y.stop} have the code {codes[i]}, which has no name; '
                    'name it in `classes`, or list it in `ignore` if it means that '
                    'nothing is known'
                )
        label[outside] = NO_DATA
        return label
