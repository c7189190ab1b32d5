# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""MapVQA, questions about any place that images and a label map show."""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
import torch
from geopandas import GeoDataFrame
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.features import shapes
from rasterio.transform import from_origin
from shapely.geometry import shape as as_geometry
from shapely.geometry.base import BaseGeometry
from torch import Tensor
from torchgeo.datasets import GeoDataset, IntersectionDataset, VectorDataset
from torchgeo.datasets.utils import GeoSlice, Sample

from .. import questions as q
from ..annotations import vocabulary
from ..annotations.question_table import COLUMNS, Ids, QuestionTable, decode
from ..questions import NO_DATA, Balance, Legend, Question, Scene, SceneObject
from ..questions.class_map import ClassMap
from ..questions.object_layer import ObjectLayer
from ..rasters.coverage import Query, find_gaps, has_data
from ..rasters.figure import QAPair, plot_pair
from ..sample import CONTEXT_LENGTH

# Ids are signed 64-bit numbers
_MAX_ID = 2**63

# Side in pixels of what is looked at first, to see whether a map holds anything
_LOOK = 256


class Patch(NamedTuple):
    """What the datasets hold of a patch.

    Attributes:
        images: Image of each modality, (C, H, W) float32.
        scene: What the map knows of it; pixels that an image lacks are unknown, too.
        nodata: Share of its pixels that the map does not know or an image lacks.
    """

    images: dict[str, Tensor]
    scene: Scene
    nodata: float


class MapVQA(GeoDataset):
    """Questions about any place that images and a label map show.

    It combines TorchGeo datasets: an optical one, a SAR one or both, and a map of
    classes. Any query is answered by the images of exactly that patch and by fresh
    questions whose answers are counted off the map, so that a
    :class:`~torchgeo.samplers.RandomPatchSampler` draws true samples without end:

    .. code-block:: python

       dataset = MapVQA(sentinel2, sentinel1, land_cover, {1: 'water', 2: 'trees'})
       sampler = RandomPatchSampler(dataset, size=64, length=1000)

    Samples are those of :class:`OSVQA`, with one entry more:

    =================  ===============  ==============================================
    key                shape            meaning
    =================  ===============  ==============================================
    ``image_optical``  (3, H, W)        optical image, in the units of its dataset
    ``image_sar``      (C, H, W)        SAR image, in the units of its dataset
    ``question``       (K, 77)          token ids, padded by 0
    ``question_type``  (K,)             index into :attr:`question_types`
    ``question_id``    (K,)             number that gives back the texts, and the patch's
                                        upper left corner, in any process
    ``label``          (K,)             index into :attr:`answers`, or ``len(answers)``
                                        if the answer is not among them
    ``nodata``         ()               share of the pixels that the map does not know or
                                        an image lacks
    ``bounds``         (9,)             the query
    ``transform``      (9,)             from pixels to coordinates
    =================  ===============  ==============================================

    Padding is -1 in all but ``question``. The same *seed* and query give the same
    questions, in any process.

    The datasets are brought to the CRS and the resolution of the first of them, as
    :class:`~torchgeo.datasets.IntersectionDataset` does: codes by nearest neighbour,
    images as their datasets say. Answers hold for the map as it is then.

    **No data.** No answer depends on pixels that the map does not know: those with a code
    in *ignore* or the files' no-data value, those that are not a number, and those beyond
    the edge of a file or of an image. A patch with more than *max_nodata* of them has no
    questions, and ``nodata`` says why; an error would end the training that a random
    sampler feeds. :meth:`known_area` keeps a sampler away from them.

    A code without a name is an error.
    """

    #: Modalities of a pair.
    all_modalities = ('optical', 'sar')

    #: There are no groups of images.
    groups: tuple[str, ...] = ()

    def __init__(
        self,
        optical: GeoDataset | None,
        sar: GeoDataset | None,
        labels: GeoDataset,
        classes: Mapping[int, str] | Sequence[str],
        *,
        ignore: Sequence[int] = (),
        objects: GeoDataFrame | VectorDataset | str | os.PathLike[str] | None = None,
        object_column: str = 'class',
        kinds: Sequence[str] | None = None,
        quality: GeoDataset | None = None,
        urban_classes: Sequence[str] = (),
        question_types: Sequence[str] | None = None,
        questions_per_sample: int = 32,
        max_nodata: float = 0.1,
        spatial_only: bool = False,
        seed: int = 0,
        transforms: Callable[[Sample], Sample] | None = None,
    ) -> None:
        """Initialize a new MapVQA instance.

        Args:
            optical: Optical images of three bands, or None.
            sar: SAR images, or None.
            labels: Map of classes, a dataset with ``is_image = False`` such as
                :class:`~torchgeo.datasets.CDL`.
            classes: Name of each code of the map, as it is to be spoken of; a sequence names
                the codes 0, 1, ... Codes of the same name are one class.
            ignore: Codes of the map that mean that nothing is known, such as clouds.
            objects: Points or outlines of objects: a GeoDataFrame, a vector file or a
                dataset of such files.
            object_column: Column with the kind of each object, in the singular.
            kinds: Kinds of objects that were looked for; others are left out (defaults to
                those that occur).
            quality: State of the optical image, a dataset with ``is_image = False`` and
                the codes 0 (clear), 1 (cloudy) and 2 (dark).
            urban_classes: Names of the classes that make an area urban.
            question_types: Question types to ask (defaults to all that are registered and
                possible).
            questions_per_sample: Number of questions drawn for each patch, at most.
            max_nodata: Share of a patch without data above which it has no questions.
            spatial_only: Whether to combine what was taken at different times: a query's
                time is then that of the first dataset.
            seed: Seed of the drawing of questions and wordings.
            transforms: A function/transform that takes an input sample and returns a
                transformed version.

        Raises:
            RuntimeError: If the datasets have no place or time in common.
            TypeError: If a dataset is not a GeoDataset.
            ValueError: If an argument is invalid, a dataset has no CRS or one that leads
                nowhere near the others, a code has no name, or the map knows nothing.
        """
        images = {'optical': optical, 'sar': sar}
        self._images = {m: d for m, d in images.items() if d is not None}
        if not self._images:
            raise ValueError('there must be an optical or a SAR dataset, got neither')
        if questions_per_sample < 1:
            raise ValueError(
                f'questions_per_sample must be at least 1, got {questions_per_sample}'
            )
        if not 0 <= max_nodata <= 1:
            raise ValueError(f'max_nodata must be in [0, 1], got {max_nodata}')
        if seed < 0:
            raise ValueError(f'seed must not be negative, got {seed}')
        #: Modalities of the pairs.
        self.modalities = tuple(self._images)
        self.questions_per_sample = questions_per_sample
        self.max_nodata = max_nodata
        self.spatial_only = spatial_only
        self.seed = seed
        self.transforms = transforms
        #: How readily each answer is asked for, if that is known.
        self.balance: Balance | None = None

        datasets = self._images | {'labels': labels}
        if quality is not None:
            datasets['quality'] = quality
        self._first = next(iter(datasets))
        self._all = _intersect(datasets, spatial_only)
        self.index = self._all.index[['geometry']].copy()
        self._labels = ClassMap(labels, classes, ignore)
        self._quality = None
        if quality is not None:
            self._quality = ClassMap(quality, q.QUALITIES, name='quality')
        self._objects = None
        if objects is not None:
            self._objects = ObjectLayer(objects, object_column, kinds)
            self._objects.to_crs(self.crs)
        elif kinds:
            raise ValueError(f'kinds {tuple(kinds)} need objects, got none')
        class_names = self._labels.class_names
        if unknown := sorted(set(urban_classes) - set(class_names)):
            raise ValueError(
                f'urban_classes must be among {class_names}, got {unknown}'
            )
        #: What the map can tell.
        self.legend = Legend(
            class_names,
            () if self._objects is None else self._objects.kinds,
            tuple(urban_classes),
            quality is not None,
        )
        self._number(question_types)
        self._lay_out()
        self._verify()

    # --- what may be asked ------------------------------------------------------------

    def _number(self, names: Sequence[str] | None) -> None:
        """Give each question, in each of its wordings and with each answer, a number."""
        listed = q.possible(self.legend, names)
        found = tuple(dict.fromkeys(question.question_type for question in listed))
        if impossible := sorted(set(names or ()) - set(found)):
            raise ValueError(
                f'question types {impossible} need what this map does not have: '
                'objects, a quality mask or urban_classes'
            )
        #: Names of the question types.
        self.question_types = found if names is None else tuple(dict.fromkeys(names))
        self._rows: dict[tuple[str, str, str], int] = {}
        rows: list[tuple[str, str, str, str]] = []
        for question_type, text, answer, _, wordings in listed:
            self._rows[question_type, text, answer] = len(rows)
            rows += [('', question_type, wording, answer) for wording in wordings]
        columns = [pa.array(column) for column in zip(*rows, strict=True)]
        #: Every question that may be asked, with every answer it may have.
        self.table = QuestionTable(
            pa.table([c.dictionary_encode() for c in columns], names=list(COLUMNS))
        )
        self._type_of = vocabulary.codes_in(
            self.table.values['question_type'], self.question_types, -1
        )
        self.set_answers(list(dict.fromkeys(question.answer for question in listed)))

    def set_answers(self, answers: Sequence[str]) -> None:
        """Use another vocabulary, such as that of a checkpoint.

        Args:
            answers: The answers, in the order of their labels.

        Raises:
            ValueError: If there are none, or one twice.
        """
        if not answers or len(set(answers)) < len(answers):
            raise ValueError(
                f'answers must be one or more, all different, got {answers!r}'
            )
        #: The vocabulary that ``label`` indexes: all answers that are possible.
        self.answers = tuple(answers)
        texts = self.table.values['answer']
        self._label_of = vocabulary.codes_in(texts, self.answers, len(self.answers))

    def _row(self, question: Question) -> int:
        """Number of a question, its wording and its answer."""
        key = question.question_type, question.canonical, question.answer
        if key not in self._rows:
            raise ValueError(
                f'{question.question_type} asks {question.canonical!r} with the answer '
                f'{question.answer!r}, which its `possible` does not yield'
            )
        return self._rows[key] + question.wordings.index(question.question)

    # --- where ------------------------------------------------------------------------

    @property
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
            self._objects.to_crs(new_crs)
        self._lay_out()

    @property
    def res(self) -> tuple[float, float]:
        """Resolution of all datasets in units of CRS."""
        return self._all.res

    @res.setter
    def res(self, new_res: float | tuple[float, float]) -> None:
        self._all.res = new_res
        self._lay_out()

    def _lay_out(self) -> None:
        """Number the places where a patch may begin."""
        xmin, ymin, xmax, ymax = self.index.total_bounds.tolist()
        columns = math.ceil((xmax - xmin) / self.res[0])
        rows = math.ceil((ymax - ymin) / self.res[1])
        # On the samplers' grid; a patch may begin outside, by its own size
        self._corner = xmin - columns * self.res[0], ymin + 2 * rows * self.res[1]
        self._cell = self.res
        columns, rows = 3 * columns + 1, 3 * rows + 1
        while columns * rows * len(self.table) >= _MAX_ID:
            columns, rows = columns // 2 + 1, rows // 2 + 1
            self._cell = 2 * self._cell[0], 2 * self._cell[1]
        self._grid = rows, columns

    def _place(self, x: slice, y: slice) -> int:
        """Number of the place where a patch has its upper left corner."""
        column = round((x.start - self._corner[0]) / self._cell[0])
        row = round((self._corner[1] - y.stop) / self._cell[1])
        row = min(max(row, 0), self._grid[0] - 1)
        return row * self._grid[1] + min(max(column, 0), self._grid[1] - 1)

    def _verify(self) -> None:
        """Verify that the map knows something where there are images."""
        boxes = [
            (t, box)
            for t, box in zip(
                self.index.index, self.index.bounds.to_numpy(), strict=True
            )
        ]
        for whole in (False, True):  # the middle of each place is quickly read
            for t, (xmin, ymin, xmax, ymax) in boxes:
                x, y = slice(xmin, xmax, self.res[0]), slice(ymin, ymax, self.res[1])
                look = _coarse if whole else _middle
                time = slice(t.left, t.right, 1)
                query = look(x), look(y), time
                label = self._labels.read(self._query('labels', query))
                if (label != NO_DATA).any():
                    return
        raise ValueError(
            'labels hold no data where the images are: all pixels have a code in `ignore` '
            'or the no-data value of the files'
        )

    def known_area(self, max_size: int = 1024) -> BaseGeometry:
        """Outline what the map knows and the images show.

        It is the region of interest for a sampler that is to draw patches without
        missing pixels: ``RandomPatchSampler(dataset, size=64, roi=dataset.known_area())``.

        Args:
            max_size: Side in pixels at which each place is looked at, at most: what is
                smaller than such a pixel is overlooked.

        Returns:
            A polygon or several, in the CRS of the dataset.
        """
        areas: list[BaseGeometry] = []
        for t, box in zip(self.index.index, self.index.bounds.to_numpy(), strict=True):
            xmin, ymin, xmax, ymax = box
            x = _coarse(slice(xmin, xmax, self.res[0]), max_size)
            y = _coarse(slice(ymin, ymax, self.res[1]), max_size)
            label = self.read((x, y, slice(t.left, t.right, 1))).scene.label
            known = (label != NO_DATA).astype(np.uint8)
            transform = from_origin(x.start, y.stop, x.step, y.step)
            found = shapes(known, mask=known > 0, transform=transform)
            areas += [as_geometry(outline) for outline, _ in found]
        return shapely.union_all(areas)

    # --- what is there ----------------------------------------------------------------

    def _query(self, name: str, query: Query) -> Query:
        """Query of one of the datasets."""
        if not self.spatial_only or name == self._first:
            return query
        return *query[:2], slice(pd.Timestamp.min, pd.Timestamp.max, 1)

    def read(self, index: GeoSlice) -> Patch:
        """Read images and map.

        Args:
            index: [xmin:xmax:xres, ymin:ymax:yres, tmin:tmax:tres] coordinates to index.

        Returns:
            What there is.

        Raises:
            IndexError: If *index* is not found in the dataset.
            ValueError: If a code has no name, or the datasets do not give rasters of one
                size.
        """
        query = self._disambiguate_slice(index)
        label = self._labels.read(self._query('labels', query))
        unknown = label == NO_DATA
        height, width = label.shape
        images = {}
        for modality, dataset in self._images.items():
            own = self._query(modality, query)
            image = dataset[own].get('image')
            num_bands = 3 if modality == 'optical' else None
            if (
                image is None
                or image.shape[1:] != (height, width)
                or (num_bands or len(image)) != len(image)
            ):
                got = 'none' if image is None else f'shape {tuple(image.shape)}'
                raise ValueError(
                    f'{modality} must give an image of shape ({num_bands or "C"}, '
                    f'{height}, {width}), got {got}; choose its bands with `bands`, and '
                    'time_series=False'
                )
            images[modality] = image.float()
            outside, nodata = find_gaps(dataset, own, (height, width))
            unknown |= outside | ~has_data(image.numpy(), nodata)
        label[unknown] = NO_DATA
        objects: tuple[SceneObject, ...] = ()
        partial: frozenset[str] = frozenset()
        if self._objects is not None:
            objects, partial = self._objects.find(query[0], query[1], (height, width))
        quality = None
        if self._quality is not None:
            quality = self._quality.read(self._query('quality', query))
            if (quality == NO_DATA).any():
                quality = None
        scene = Scene(
            label,
            self.legend.class_names,
            objects,
            self.legend.kinds,
            quality,
            self.legend.urban_classes,
            partial,
        )
        return Patch(images, scene, float(unknown.mean()))

    def scene(self, index: GeoSlice) -> Scene:
        """Return what the map knows of a patch.

        Args:
            index: [xmin:xmax:xres, ymin:ymax:yres, tmin:tmax:tres] coordinates to index.

        Returns:
            What questions are derived from.

        Raises:
            IndexError: If *index* is not found in the dataset.
        """
        return self.read(index).scene

    def candidates(self, index: GeoSlice) -> list[Question]:
        """Return every question about a patch whose answer is clear.

        Args:
            index: [xmin:xmax:xres, ymin:ymax:yres, tmin:tmax:tres] coordinates to index.

        Returns:
            Questions in their canonical wording; none if the patch has more than
            *max_nodata* pixels without data.

        Raises:
            IndexError: If *index* is not found in the dataset.
        """
        return self._candidates(self.read(index))

    def questions(self, index: GeoSlice) -> list[Question]:
        """Return the questions that a sample holds.

        Args:
            index: [xmin:xmax:xres, ymin:ymax:yres, tmin:tmax:tres] coordinates to index.

        Returns:
            Up to *questions_per_sample* of the :meth:`candidates`, in various wordings.

        Raises:
            IndexError: If *index* is not found in the dataset.
        """
        return self._draw(self._disambiguate_slice(index), self.read(index))

    def _candidates(self, patch: Patch) -> list[Question]:
        """Every question about a patch."""
        if patch.nodata > self.max_nodata:
            return []
        return q.candidates(patch.scene, self.question_types)

    def _draw(self, query: Query, patch: Patch) -> list[Question]:
        """Draw questions about a patch."""
        # A coordinate may differ by rounding, and a seed must not be negative
        key = [
            round(bound / axis.step * 256) % 2**64
            for axis in query[:2]
            for bound in (axis.start, axis.stop)
        ]
        rng = np.random.default_rng([self.seed, *key])
        pool = self._candidates(patch)
        num = self.questions_per_sample
        if self.balance is None:
            drawn = q.draw_even(pool, num, rng)
        else:
            drawn = self.balance.draw(pool, num, rng)
        return [question.reworded(rng) for question in drawn]

    def measure_balance(self, queries: Iterable[GeoSlice]) -> Balance:
        """Count what patches answer, to ask less often for what most of them do.

        .. code-block:: python

           sampler = RandomPatchSampler(dataset, size=64, length=500, generator=0)
           dataset.balance = dataset.measure_balance(sampler)

        Args:
            queries: Patches like those that will be asked for, some hundred.

        Returns:
            The balance. With it as :attr:`balance`, questions are drawn by it.
        """
        return Balance(self.candidates(query) for query in queries)

    def __getitem__(self, index: GeoSlice) -> Sample:
        """Retrieve images and questions about them, indexed by spatiotemporal slice.

        Args:
            index: [xmin:xmax:xres, ymin:ymax:yres, tmin:tmax:tres] coordinates to index.

        Returns:
            Sample of images and questions at that index.

        Raises:
            IndexError: If *index* is not found in the dataset.
            ValueError: If a code of the map has no name.
        """
        x, y, t = self._disambiguate_slice(index)
        patch = self.read((x, y, t))
        drawn = self._draw((x, y, t), patch)
        rows = np.array([self._row(question) for question in drawn], np.int64)
        size = self.questions_per_sample

        def padded(values: NDArray[np.int64]) -> Tensor:
            column = torch.full((size,), -1)
            column[: len(rows)] = torch.from_numpy(values)
            return column

        question = torch.zeros(size, CONTEXT_LENGTH, dtype=torch.int64)
        if len(rows):
            question[: len(rows)] = self.table.tokens(rows)
        codes = self.table.codes
        sample: Sample = {f'image_{m}': image for m, image in patch.images.items()}
        sample |= {
            'question': question,
            'question_type': padded(self._type_of[codes['question_type'][rows]]),
            'question_id': padded(self._place(x, y) * len(self.table) + rows),
            'label': padded(self._label_of[codes['answer'][rows]]),
            'nodata': torch.tensor(patch.nodata),
            'bounds': self._slice_to_tensor((x, y, t)),
            'transform': torch.tensor(
                tuple(from_origin(x.start, y.stop, x.step, y.step))
            ),
        }
        if self.transforms is not None:
            sample = self.transforms(sample)
        return sample

    # --- texts of questions -----------------------------------------------------------

    def _text(self, column: str, ids: Ids) -> list[str]:
        """Texts of a column of the table."""
        numbers = np.asarray(ids, dtype=np.int64).reshape(-1)
        if (numbers < 0).any():
            raise IndexError(
                f'question ids must not be negative, got {numbers.min()}; leave padding '
                '(-1) out'
            )
        return self.table.text(column, numbers % len(self.table))

    def question_text(self, ids: Ids) -> list[str]:
        """Return questions as texts.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            A question for each.
        """
        return self._text('question', ids)

    def answer_text(self, ids: Ids) -> list[str]:
        """Return true answers as texts.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            An answer for each.
        """
        return self._text('answer', ids)

    def question_type(self, ids: Ids) -> list[str]:
        """Return the names of questions' types.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            A name for each.
        """
        return self._text('question_type', ids)

    def location(self, ids: Ids) -> list[str]:
        """Return the upper left corners of the patches that questions are about.

        Args:
            ids: Values of ``question_id`` without padding.

        Returns:
            Coordinates such as '617301.82 9625098.23' for each, to the next pixel.
        """
        self._text('image', ids)
        numbers = np.asarray(ids, dtype=np.int64).reshape(-1) // len(self.table)
        rows, columns = np.divmod(numbers, self._grid[1])
        xs = self._corner[0] + columns * self._cell[0]
        ys = self._corner[1] - rows * self._cell[1]
        # A thousandth of a pixel tells one from the next
        digits = max(0, 3 - int(np.floor(np.log10(min(self._cell)))))
        return [
            f'{x:.{digits}f} {y:.{digits}f}'
            for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
        ]

    def plot(
        self,
        sample: Sample,
        show_titles: bool = True,
        suptitle: str | None = None,
        max_questions: int = 8,
    ) -> Figure:
        """Plot a sample from the dataset.

        Args:
            sample: A sample returned by :meth:`__getitem__`, with a ``prediction`` of shape
                (K,) if there is one: labels, or -1.
            show_titles: Flag indicating whether to show titles above each panel.
            suptitle: Optional string to use as a suptitle.
            max_questions: Number of questions to show.

        Returns:
            A matplotlib Figure with the images, and the questions below.
        """
        real = torch.nonzero(sample['question_id'] >= 0).flatten().tolist()
        answered = []
        for i in real[:max_questions]:
            # From the sample, since augmentation may have rewritten both
            label = int(sample['label'][i])
            prediction = int(sample['prediction'][i]) if 'prediction' in sample else -1
            row = sample['question_id'][i : i + 1].cpu()
            question, tokens = self.question_text(row)[0], sample['question'][i].cpu()
            if not torch.equal(
                tokens, self.table.tokens(row.numpy() % len(self.table))[0]
            ):
                question = decode(tokens)
            answer = self.answer_text(row)[0]
            if 0 <= label < len(self.answers):
                answer = self.answers[label]
            known = 0 <= prediction < len(self.answers)
            answered.append(
                QAPair(question, answer, self.answers[prediction] if known else None)
            )
        images = {m: sample[f'image_{m}'] for m in self.modalities}
        return plot_pair(
            images, answered, len(real) - len(answered), show_titles, suptitle
        )


def _intersect(datasets: Mapping[str, GeoDataset], spatial_only: bool) -> GeoDataset:
    """Bring datasets to the CRS and the resolution of the first, and intersect them."""
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
                f'{crs.name}, the CRS of {first}: is either CRS wrong? Else give {first} '
                'a CRS that fits both, such as EPSG:3857'
            )
        try:
            return IntersectionDataset(left, right, spatial_only)
        except RuntimeError as error:
            if 'temporal' in str(error):
                raise RuntimeError(
                    f'{name} was taken at another time than the images; use '
                    'spatial_only=True if that does not matter'
                ) from error
            raise RuntimeError(
                f'{name} does not overlap with the datasets before it: it lies at '
                f'{bounds.round(6).tolist()}, they lie at '
                f'{left.index.total_bounds.round(6).tolist()} in {crs.name}; its own CRS '
                f'is {own.name}, is that right?'
            ) from error

    return reduce(combine, others, datasets[first])


def _middle(axis: slice) -> slice:
    """Cut out the middle of an axis, on the grid."""
    skipped = (axis.stop - axis.start) / axis.step - _LOOK
    start = axis.start + axis.step * max(int(skipped / 2), 0)
    return slice(start, min(start + axis.step * _LOOK, axis.stop), axis.step)


def _coarse(axis: slice, size: int = _LOOK) -> slice:
    """Look at an axis in no more than some steps."""
    step = max(axis.step, (axis.stop - axis.start) / size)
    return slice(axis.start, axis.stop, step)
