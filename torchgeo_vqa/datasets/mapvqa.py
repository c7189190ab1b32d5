# SPDX-License-Identifier: MIT
"""MapVQA, questions about any location that images and a label map show."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import override

import numpy as np
import torch
from geopandas import GeoDataFrame, GeoSeries
from numpy.typing import NDArray
from rasterio.transform import from_origin
from torchgeo.datasets import GeoDataset, VectorDataset
from torchgeo.datasets.utils import GeoSlice, Sample

from .. import questions as q
from ..annotations.question_table import Ids, QuestionTable
from ..questions import Balance, Legend, Question, possible
from ..questions.class_map import ClassMap
from ..questions.object_layer import ObjectLayer
from ..rasters.coverage import Query
from ..rasters.location_grid import LocationGrid
from .map_dataset import MapDataset, Patch
from .vqa_dataset import VQADataset

# Ids are signed 64-bit numbers
_MAX_ID = 2**63


class MapVQA(VQADataset, MapDataset):
    """Questions about any location that images and a label map show.

    It combines TorchGeo datasets: an optical one, a SAR one or both, and a map of
    classes. Any query is answered by the images of exactly that patch and by fresh
    questions whose answers are counted off the map, so that a
    :class:`~torchgeo.samplers.RandomPatchSampler` draws true samples without end:

    .. code-block:: python

       dataset = MapVQA(sentinel2, sentinel1, land_cover, {1: 'water', 2: 'trees'})
       sampler = RandomPatchSampler(dataset, size=64, length=1000)

    :class:`~torchgeo_vqa.datamodules.MapVQADataModule` trains on it.

    Samples are those of :class:`PairVQA`, without groups. One entry more is ``nodata``, of
    shape (): the share of the pixels that the map does not know or an image lacks. From
    ``question_id`` texts and the patch's upper left corner are found again, in any process.
    The same *seed* and query give the same questions, in any process.

    The datasets are brought to the CRS and the resolution of the first of them, as
    :class:`~torchgeo.datasets.IntersectionDataset` does: codes by nearest neighbour,
    images as their datasets say. Answers hold for the map as it is then.

    **No data.** No answer depends on pixels that the map does not know: those with a code
    in *ignore* or the files' no-data value, those that are not a number, and those beyond
    the edge of a file or of an image. A patch with more than *max_nodata* of them has no
    questions, and ``nodata`` says why; an error would end the training that a random
    sampler feeds. :meth:`known_area` keeps a sampler away from them. Pixels that an image
    lacks are not a number (NaN) in it.

    A code without a name is an error.
    """

    def __init__(
        self,
        optical: GeoDataset | None,
        sar: GeoDataset | None,
        labels: GeoDataset,
        classes: Mapping[int, str] | Sequence[str],
        *,
        ignore: Sequence[int] = (),
        objects: ObjectLayer
        | GeoDataFrame
        | VectorDataset
        | str
        | os.PathLike[str]
        | None = None,
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
            classes: Name of each code of the map, as it is to be named in questions; a
                sequence names the codes 0, 1, ... Codes of the same name are one class.
            ignore: Codes of the map that mean that nothing is known, such as clouds.
            objects: Points or outlines of objects: an
                :class:`~torchgeo_vqa.questions.ObjectLayer`, or what makes one with its
                default options.
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
            RuntimeError: If the datasets have no location or time in common.
            TypeError: If a dataset is not a GeoDataset.
            ValueError: If an argument is invalid, a dataset has no CRS or one that leads
                nowhere near the others, a code has no name, or the map knows nothing.
        """
        if questions_per_sample < 1:
            raise ValueError(
                f'questions_per_sample must be at least 1, got {questions_per_sample}'
            )
        if not 0 <= max_nodata <= 1:
            raise ValueError(f'max_nodata must be in [0, 1], got {max_nodata}')
        if seed < 0:
            raise ValueError(f'seed must not be negative, got {seed}')
        if objects is not None and not isinstance(objects, ObjectLayer):
            objects = ObjectLayer(objects)
        states = (
            None if quality is None else ClassMap(quality, q.QUALITIES, name='quality')
        )
        MapDataset.__init__(
            self,
            optical,
            sar,
            ClassMap(labels, classes, ignore),
            objects=objects,
            quality=states,
            urban_classes=urban_classes,
            spatial_only=spatial_only,
        )
        self.questions_per_sample = questions_per_sample
        self.max_nodata = max_nodata
        self.seed = seed
        self.transforms = transforms
        #: How readily each answer is asked for, if :meth:`measure` has been called.
        self.balance: Balance | None = None
        self._possible = PossibleQuestions(self.legend, question_types)
        # Rows of the table that training asks, each as often as it does
        self._asked: NDArray[np.int64] | None = None
        self._set_questions(
            self._possible.table, self._possible.question_types, self._possible.answers
        )

    def candidates(self, index: GeoSlice) -> list[Question]:
        """Return every question about a patch whose answer is clear, in canonical wording.

        None if the patch has more than *max_nodata* pixels without data. Raise an IndexError if
        *index*, [xmin:xmax:xres, ymin:ymax:yres, tmin:tmax:tres], is not in the dataset.
        """
        return self._candidates(self.read(index))

    def questions(self, index: GeoSlice) -> list[Question]:
        """Return the questions that a sample holds, in various wordings.

        They are up to *questions_per_sample* of the :meth:`candidates` at *index*.
        """
        query = self._disambiguate_slice(index)
        return self._draw(query, self._candidates(self.read(query)))

    def _candidates(self, patch: Patch) -> list[Question]:
        """Return every question about a patch."""
        if patch.nodata > self.max_nodata:
            return []
        return q.candidates(patch.scene, self.question_types)

    def _draw(self, query: Query, pool: Sequence[Question]) -> list[Question]:
        """Draw questions about a patch."""
        # A coordinate may differ by rounding, and a seed must not be negative
        key = [
            round(bound / axis.step * 256) % 2**64
            for axis in query[:2]
            for bound in (axis.start, axis.stop)
        ]
        rng = np.random.default_rng([self.seed, *key])
        draw = q.draw_even if self.balance is None else self.balance.draw
        drawn = draw(pool, self.questions_per_sample, rng)
        return [question.reworded(rng) for question in drawn]

    def measure(self, queries: Iterable[GeoSlice]) -> None:
        """Measure what patches answer, and balance questions by it.

        From then on the usual answer to a text is asked for as rarely as the runner-up,
        see :class:`~torchgeo_vqa.questions.Balance`. What these patches, some hundred of
        training, are then asked stands for all of it: :meth:`blind_labels` come from it.

        .. code-block:: python

           sampler = RandomPatchSampler(dataset, size=64, length=500, generator=0)
           dataset.measure(sampler)
        """
        complete = [self._disambiguate_slice(query) for query in queries]
        pools = [self.candidates(query) for query in complete]
        self.balance = Balance(pools)
        drawn = [self._draw(*patch) for patch in zip(complete, pools, strict=True)]
        # In every wording, since they ask the same
        rows = [self._possible.wordings(asked) for pool in drawn for asked in pool]
        self._asked = np.concatenate([np.zeros(0, np.int64), *rows])
        self._blind = None

    @override
    def _training_questions(self) -> QuestionTable:
        if self._asked is None:
            raise RuntimeError(
                'blind answers are those that training patches most often have, which are '
                'not known yet; call `measure` with some hundred of them'
            )
        return self.table.select(self._asked)

    @property
    @override
    def coverage(self) -> float:
        """Share of what training asks, or else may ask, with a known answer."""
        asked = slice(None) if self._asked is None else self._asked
        labels = self._label_of[self.table.codes['answer'][asked]]
        return float((labels < len(self.answers)).mean()) if len(labels) else 0.0

    @override
    def __getitem__(self, index: GeoSlice) -> Sample:
        query = x, y, _ = self._disambiguate_slice(index)
        patch = self.read(query)
        rows = self._possible.rows(self._draw(query, self._candidates(patch)))
        number = self._grid.number(x, y) * len(self.table)
        sample: Sample = {f'image_{m}': image for m, image in patch.images.items()}
        sample |= self._encode(
            rows, self.questions_per_sample, question_id=number + rows
        )
        sample |= {
            'nodata': torch.tensor(patch.nodata),
            'bounds': self._slice_to_tensor(query),
            'transform': torch.tensor(
                tuple(from_origin(x.start, y.stop, x.step, y.step))
            ),
        }
        if self.transforms is not None:
            sample = self.transforms(sample)
        return sample

    @property
    def _grid(self) -> LocationGrid:
        """Numbers for locations, in the CRS and resolution of now."""
        bounds = self.index.total_bounds.tolist()
        return LocationGrid(bounds, self.res, _MAX_ID // len(self.table))

    def _split(self, ids: Ids) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the numbers of the locations, and the rows of the table, of N questions."""
        numbers = super()._rows(ids)
        if (numbers < 0).any():
            raise IndexError(
                f'question ids must not be negative, got {numbers.min()}; leave padding '
                '(-1) out'
            )
        return np.divmod(numbers, len(self.table))

    @override
    def _rows(self, ids: Ids) -> NDArray[np.int64]:
        return self._split(ids)[1]

    @override
    def location(self, ids: Ids) -> list[str]:
        """Return the upper left corners, such as '617301.82 9625098.23', to the next pixel."""
        return self._grid.names(self._split(ids)[0])

    @override
    def footprint(self, ids: Ids) -> GeoSeries:
        return self._grid.outlines(self._split(ids)[0], self.crs)


class PossibleQuestions:
    """Every question that a map may be asked, in each wording and with each answer.

    The *table* has a row for each; those of the wordings of a question follow one another.
    """

    def __init__(self, legend: Legend, names: Sequence[str] | None = None) -> None:
        """List the questions of some types (defaults to all possible ones) for a legend.

        Raise a ValueError if a type is unknown, or needs what the map does not have.
        """
        listed = possible(legend, names)
        found = tuple(dict.fromkeys(question.question_type for question in listed))
        if impossible := sorted(set(names or ()) - set(found)):
            raise ValueError(
                f'question types {impossible} need what this map does not have: '
                'objects, a quality mask or urban_classes'
            )
        self.question_types = found if names is None else tuple(dict.fromkeys(names))
        self.answers = tuple(dict.fromkeys(question.answer for question in listed))
        self._rows: dict[tuple[str, str, str], range] = {}
        rows: list[tuple[str, str, str, str]] = []
        for question_type, text, answer, _, wordings in listed:
            start = len(rows)
            rows += [('', question_type, wording, answer) for wording in wordings]
            self._rows[question_type, text, answer] = range(start, len(rows))
        self.table = QuestionTable.of_rows(rows)

    def wordings(self, question: Question) -> range:
        """Return the rows of :attr:`table` of all wordings of a question with its answer.

        Raise a ValueError if its type does not list it among the possible ones.
        """
        key = question.question_type, question.canonical, question.answer
        if key not in self._rows:
            raise ValueError(
                f'{question.question_type} asks {question.canonical!r} with the answer '
                f'{question.answer!r}, which its `possible` does not yield'
            )
        return self._rows[key]

    def rows(self, questions: Sequence[Question]) -> NDArray[np.int64]:
        """Return the row of :attr:`table` of each of N questions, (N,) int64."""
        rows = [self.wordings(q)[q.wordings.index(q.question)] for q in questions]
        return np.array(rows, np.int64)
