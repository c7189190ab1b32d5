# SPDX-License-Identifier: MIT
"""Images, and what a map knows of what they show."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple, override

import numpy as np
import pandas as pd
import shapely
from pyproj import CRS
from rasterio.features import shapes
from rasterio.transform import from_origin
from shapely.geometry import shape as as_geometry
from shapely.geometry.base import BaseGeometry
from torch import Tensor
from torchgeo.datasets import GeoDataset, IntersectionDataset
from torchgeo.datasets.utils import GeoSlice

from ..questions import NO_DATA, Legend, Scene, SceneObject
from ..questions.class_map import ClassMap
from ..questions.object_layer import ObjectLayer
from ..rasters.coverage import Query, read_image
from ..rasters.extent import verify_extent
from ..sample import MODALITIES

# Side in pixels of what is read first, to see whether a map holds anything
_PREVIEW = 256


class Patch(NamedTuple):
    """What the datasets hold of a patch."""

    #: Image of each modality, (C, H, W) float32, NaN where it has no data.
    images: dict[str, Tensor]
    #: What the map knows of it; pixels that a band of an image lacks are unknown, too.
    scene: Scene
    #: Share of the pixels that the map does not know or an image lacks.
    nodata: float


class MapDataset(GeoDataset):
    """Base class for datasets of images, and of a map of what they show."""

    #: Number of bands of each modality.
    num_bands: Mapping[str, int]

    def __init__(
        self,
        optical: GeoDataset | None,
        sar: GeoDataset | None,
        labels: ClassMap,
        *,
        objects: ObjectLayer | None = None,
        quality: ClassMap | None = None,
        urban_classes: Sequence[str] = (),
        spatial_only: bool = False,
    ) -> None:
        """Initialize a new MapDataset instance.

        Options are those of :class:`MapVQA`. Raise a RuntimeError if the datasets have no
        location or time in common, a TypeError for what is no GeoDataset, a ValueError if there
        are no images, a CRS is missing or wrong, a class is unknown, or the map knows nothing.
        """
        images = zip(MODALITIES, (optical, sar), strict=True)
        self._images = {m: dataset for m, dataset in images if dataset is not None}
        if not self._images:
            raise ValueError('there must be an optical or a SAR dataset, got neither')
        self.modalities = tuple(self._images)
        self.spatial_only = spatial_only
        maps = {m.name: m.dataset for m in (labels, quality) if m is not None}
        self._all = intersect(self._images | maps, spatial_only)
        self.index = self._all.index[['geometry']].copy()
        self._labels = labels
        self._quality = quality
        self._objects = None if objects is None else objects.to_crs(self.crs)
        class_names = labels.class_names
        if unknown := sorted(set(urban_classes) - set(class_names)):
            raise ValueError(
                f'urban_classes must be among {class_names}, got {unknown}'
            )
        #: What the map can tell.
        self.legend = Legend(
            class_names,
            () if objects is None else objects.categories,
            tuple(urban_classes),
            quality is not None,
        )
        self._verify()
        self.num_bands = {m: self._count_bands(m) for m in self.modalities}

    @property
    @override
    def crs(self) -> CRS:
        """:term:`coordinate reference system (CRS)` of all datasets."""
        return self._all.crs

    @crs.setter
    def crs(self, new_crs: CRS) -> None:
        if new_crs == self.crs:
            return
        self._all.crs = new_crs
        self.index = self.index.to_crs(new_crs)
        if self._objects is not None:
            self._objects = self._objects.to_crs(new_crs)

    @property
    @override
    def res(self) -> tuple[float, float]:
        """Resolution of all datasets in units of CRS."""
        return self._all.res

    @res.setter
    def res(self, new_res: float | tuple[float, float]) -> None:
        self._all.res = new_res

    def _verify(self) -> None:
        """Verify that the map knows something where there are images."""
        for axis in (_middle, _coarse):  # the middle of each location is quickly read
            for query in self._locations():
                query = axis(query[0]), axis(query[1]), query[2]
                if (self._labels.read(self._own('labels', query)) != NO_DATA).any():
                    return
        raise ValueError(
            'labels hold no data where the images are: all pixels have a code in `ignore` '
            'or the no-data value of the files'
        )

    def _count_bands(self, modality: str) -> int:
        """Count the bands of a modality's images."""
        if modality == 'optical':
            return 3
        x, y, t = self._locations()[0]
        query = _middle(x, 1), _middle(y, 1), t
        sample = self._images[modality][self._own(modality, query)]
        return len(sample['image']) if 'image' in sample else 0

    def _locations(self) -> list[Query]:
        """List where all datasets are, as queries."""
        boxes = self.index.bounds.to_numpy().tolist()
        width, height = self.res
        return [
            (slice(x0, x1, width), slice(y0, y1, height), slice(t.left, t.right, 1))
            for t, (x0, y0, x1, y1) in zip(self.index.index, boxes, strict=True)
        ]

    def known_area(self, max_size: int = 1024) -> BaseGeometry:
        """Outline what the map knows and the images show, in the CRS of the dataset.

        It is the region of interest for a sampler that is to draw patches without
        missing pixels: ``RandomPatchSampler(dataset, size=64, roi=dataset.known_area())``.
        Each location is read at *max_size* pixels a side at most: what is smaller than such a
        pixel is overlooked.
        """
        areas: list[BaseGeometry] = []
        for x, y, t in self._locations():
            x, y = _coarse(x, max_size), _coarse(y, max_size)
            label = self.read((x, y, t)).scene.label
            known = (label != NO_DATA).astype(np.uint8)
            transform = from_origin(x.start, y.stop, x.step, y.step)
            found = shapes(known, mask=known > 0, transform=transform)
            areas += [as_geometry(outline) for outline, _ in found]
        return shapely.union_all(areas)

    def _own(self, name: str, query: Query) -> Query:
        """Return the query of one of the datasets."""
        if not self.spatial_only or name == self.modalities[0]:
            return query
        return *query[:2], slice(pd.Timestamp.min, pd.Timestamp.max, 1)

    def read(self, index: GeoSlice) -> Patch:
        """Read images and map at [xmin:xmax:xres, ymin:ymax:yres, tmin:tmax:tres].

        Raise an IndexError if that is not in the dataset, a ValueError if a code has no name, or
        the datasets do not give rasters of one size, or it is more than fits in memory.
        """
        query = self._disambiguate_slice(index)
        verify_extent(query[0], query[1])
        label = self._labels.read(self._own('labels', query))
        shape = label.shape[0], label.shape[1]
        images = {m: self._read_image(m, query, shape) for m in self.modalities}
        gaps = [image.isnan().any(dim=0).numpy() for image in images.values()]
        unknown = np.logical_or.reduce([label == NO_DATA, *gaps])
        label[unknown] = NO_DATA
        objects: tuple[SceneObject, ...] = ()
        partial: frozenset[str] = frozenset()
        if self._objects is not None:
            objects, partial = self._objects.find(query[0], query[1], shape)
        quality = None
        if self._quality is not None:
            quality = self._quality.read(self._own('quality', query))
            if (quality == NO_DATA).any():
                quality = None
        scene = Scene(
            label,
            self.legend.class_names,
            objects,
            self.legend.categories,
            quality,
            self.legend.urban_classes,
            partial,
        )
        return Patch(images, scene, float(unknown.mean()))

    def _read_image(
        self, modality: str, query: Query, shape: tuple[int, int]
    ) -> Tensor:
        """Read the image of a modality, (C, H, W) float32."""
        try:
            image = read_image(self._images[modality], self._own(modality, query))
        except KeyError:
            image = None
        num_bands = 3 if modality == 'optical' else None
        got = None if image is None else tuple(image.shape)
        if image is None or got != (num_bands or len(image), *shape):
            raise ValueError(
                f'{modality} must give an image of shape ({num_bands or "C"}, '
                f'{shape[0]}, {shape[1]}), got {got}; choose its bands with `bands`, and '
                'time_series=False'
            )
        return image


def _middle(axis: slice, size: int = _PREVIEW) -> slice:
    """Return the middle of an axis, on the grid."""
    skipped = (axis.stop - axis.start) / axis.step - size
    start = axis.start + axis.step * max(int(skipped / 2), 0)
    return slice(start, min(start + axis.step * size, axis.stop), axis.step)


def _coarse(axis: slice, size: int = _PREVIEW) -> slice:
    """Return an axis in no more than some steps."""
    step = max(axis.step, (axis.stop - axis.start) / size)
    return slice(axis.start, axis.stop, step)


def intersect(datasets: Mapping[str, GeoDataset], spatial_only: bool) -> GeoDataset:
    """Bring named datasets to the CRS and the resolution of the first, and intersect them.

    Raise a TypeError for what is no GeoDataset, a ValueError for a CRS that is missing or
    cannot be expressed in the first's, a RuntimeError if they have no location or time in
    common; *spatial_only* ignores times.
    """
    for name, dataset in datasets.items():
        if not isinstance(dataset, GeoDataset):
            raise TypeError(
                f'{name} must be a GeoDataset, got {type(dataset).__name__}'
            )
        crs: Any = dataset.crs
        if crs is None or CRS.from_user_input(crs).is_engineering:
            raise ValueError(
                f'{name} has no CRS, so it is nowhere on Earth; georeference its files'
            )
    first, *others = datasets
    crs = datasets[first].crs

    def combine(left: GeoDataset, name: str) -> GeoDataset:
        right = datasets[name]
        own, before = right.crs, right.index.total_bounds.round(6).tolist()
        right.crs = crs
        bounds = right.index.total_bounds
        if not np.isfinite(bounds).all():
            raise ValueError(
                f'{name} lies at {before} in {own.name}, which cannot be expressed in '
                f'{crs.name}, the CRS of {first}: is either wrong? Else give {first} a '
                'CRS that fits both, such as EPSG:3857'
            )
        try:
            return IntersectionDataset(left, right, spatial_only)
        except RuntimeError as error:
            if 'temporal' in str(error):
                raise RuntimeError(
                    f'{name} was taken at another time than the images; use '
                    'spatial_only=True if that does not matter'
                ) from error
            theirs = left.index.total_bounds.round(6).tolist()
            raise RuntimeError(
                f'{name} does not overlap with the datasets before it: it lies at '
                f'{bounds.round(6).tolist()}, they lie at {theirs} in {crs.name}; its own '
                f'CRS is {own.name}, is that right?'
            ) from error

    return reduce(combine, others, datasets[first])
