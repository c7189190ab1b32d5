# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Base class for RSVQA datasets, and the format of their questions."""

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pyproj import CRS
from torchgeo.datasets.utils import Path as PathLike
from torchgeo.datasets.utils import Sample

from ..annotations.json_stream import is_unicode, stream
from ..annotations.question_table import COLUMNS, QuestionTable
from ..rasters.image_file import ImageFile
from ..rasters.pairing import Opener
from .archive import extract
from .pair_vqa import OnError, PairVQA
from .zenodo import download_files

_TEXT = pa.dictionary(pa.int32(), pa.string())

# Rows that are Python objects at the same time
_BATCH = 100_000

Record = dict[str, Any]


class RSVQA(PairVQA):
    """Base class for datasets in the format of RSVQA.

    Three files describe a split, ``{prefix}_split_{split}_{questions,answers,images}.json``,
    each a list of objects with an ``id``. An entry that belongs to another split is left in
    the list as ``{"id": ..., "active": false}``, and is not read. Of several answers to a
    question the first counts, as in RSVQA's own code.

    Samples are those of :class:`PairVQA`.
    """

    #: What the names of the split files begin with.
    prefix: ClassVar[str]

    #: Number of the record on Zenodo.
    record: ClassVar[str]

    #: Archive of the images on Zenodo, and the folder in it.
    archive: ClassVar[str]
    image_dir: ClassVar[str]

    #: What to call exact numbers, and ranges.
    conventions: ClassVar[tuple[str, str]]

    all_modalities: ClassVar[tuple[str, ...]] = ('optical',)

    def __init__(
        self,
        root: PathLike = 'data',
        split: str = 'train',
        *,
        modalities: Sequence[str] = ('optical',),
        question_types: Sequence[str] | None = None,
        questions_per_sample: int | None = None,
        num_answers: int | None = None,
        answers: Sequence[str] | None = None,
        buckets: bool = True,
        crs: CRS | str | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[Sample], Sample] | None = None,
        cache: bool = True,
        on_error: OnError = 'raise',
        download: bool = False,
        checksum: bool = True,
    ) -> None:
        """Initialize a new instance.

        Args:
            root: The folder of the split files and of the folder of images.
            split: One of the dataset's :attr:`~PairVQA.splits`.
            modalities: ('optical',), which is all there is.
            question_types: Question types to return (defaults to all).
            questions_per_sample: Number of questions drawn at random for each sample
                (defaults to all of them).
            num_answers: Size of the vocabulary, the most frequent answers of the training
                split (defaults to all of them).
            answers: The vocabulary itself, such as that of a checkpoint.
            buckets: Whether numbers are answered by the range they lie in, as in the
                published evaluation, instead of exactly. Accuracies of the two conventions
                cannot be compared.
            crs: :term:`coordinate reference system (CRS)` of the index and of what is
                warped (defaults to that of the first image).
            res: Resolution in units of *crs* (defaults to that of the first image).
                If it is another, whole tiles are resampled, too.
            transforms: A function/transform that takes an input sample and returns a
                transformed version.
            cache: Whether to keep decoded images in memory.
            on_error: Whether to 'raise' on a malformed question, or an image that is
                missing or broken, or to 'skip' it.
            download: Whether to download what is missing.
            checksum: Whether to check what is downloaded against the MD5 sums that Zenodo
                publishes.

        Raises:
            DatasetNotFoundError: If dataset is not found and *download* is False.
            FileNotFoundError: If an image is missing.
            OSError: If an image cannot be read.
            RuntimeError: If a checksum does not match.
            ValueError: If an argument is invalid, a question is malformed, or there is no
                vocabulary: neither *answers* nor a training split.
        """
        self.download = download
        self.checksum = checksum
        self.buckets = buckets
        self.convention = self.conventions[buckets]
        self._folder = Path(root)
        super().__init__(
            root,
            self._folder,
            split,
            modalities=modalities,
            question_types=question_types,
            questions_per_sample=questions_per_sample,
            num_answers=num_answers,
            answers=answers,
            crs=crs,
            res=res,
            transforms=transforms,
            cache=cache,
            on_error=on_error,
        )

    @abc.abstractmethod
    def _range(self, answer: str) -> str:
        """Tell the range an answer lies in, if it is one of those evaluated by range."""

    def _files(self, split: str) -> list[Path]:
        """Return the files of a split: its questions, answers and images."""
        kinds = ('questions', 'answers', 'images')
        return [self._folder / f'{self.prefix}_split_{split}_{k}.json' for k in kinds]

    def _annotation(self, split: str) -> Path:
        """Return the file of a split's questions."""
        return self._files(split)[0]

    def _missing(self) -> list[Path]:
        """Return what of the split is not there."""
        needed = [*self._files(self.split), self._folder / self.image_dir]
        return [path for path in needed if not path.exists()]

    def _verify(self) -> None:
        """Verify that the split's questions and images are there, or download them."""
        if self._missing() and self.download:
            self._download()
        if missing := self._missing():
            raise self._not_found(f'There is no {missing[0]}.')

    def _download(self) -> None:
        """Download the questions of all splits, and the images."""
        names = [path.name for split in self.splits for path in self._files(split)]
        download_files(self.record, names, self._folder, self.checksum)
        if not (self._folder / self.image_dir).exists():
            download_files(self.record, [self.archive], self._folder, self.checksum)
            extract(self._folder / self.archive, self._folder)

    def _read_questions(self, split: str, on_error: OnError) -> QuestionTable | None:
        """Read the questions of a split, if its files are there."""
        files = self._files(split)
        if not all(path.exists() for path in files):
            return None
        table = QuestionTable.cached(
            files, lambda: parse_annotations(files, 'id', on_error), on_error
        )
        return table.map_answers(self._range) if self.buckets else table

    def _opener(self) -> Opener:
        """Return a function that opens images."""
        folder = self._folder / self.image_dir

        def open_image(modality: str, name: str) -> ImageFile:
            path = folder / f'{name}.tif'
            if not path.exists():
                raise FileNotFoundError(f'no image {path.name} in {folder}')
            return ImageFile.open(str(path))

        return open_image

    def _whereabouts(self, name: str, row: int) -> str:
        """Say where an image is named."""
        return f'{self._files(self.split)[-1]}, image {name}'

    def _read_times(self) -> Mapping[str, str]:
        """Return the names of the products that images were cut from."""
        images = records(self._files(self.split)[-1], 'images')
        return {str(image['id']): str(image.get('original_name')) for image in images}


def records(path: Path, key: str) -> Iterator[Record]:
    """Read the active entries of a list.

    Args:
        path: JSON file, ``{"<key>": [{"id": ..., "active": ...}, ...]}``.
        key: Key of the list.

    Yields:
        The entries, without those of other splits.

    Raises:
        ValueError: If the file is not of this form.
    """
    for name, item in stream(path):
        if name != key:
            continue
        if not isinstance(item, dict) or 'id' not in item:
            raise ValueError(
                f'{path}: {key} must be objects with an id, got {str(item)[:100]}'
            )
        if item.get('active', True):
            yield item


def parse_annotations(
    files: Sequence[Path], name: str, on_error: OnError
) -> tuple[pa.Table, int]:
    """Join questions, answers and images of a split.

    Args:
        files: The files of questions, answers and images.
        name: Key of an image's name: 'id' or 'original_name'.
        on_error: 'raise', or 'skip' to leave out a question without type, text, answer or
            image.

    Returns:
        The columns of a :class:`.QuestionTable`, and the number of questions left out.

    Raises:
        ValueError: If *on_error* is 'raise' and there is such a question.
    """
    questions, answers, images = files

    def ask(question: Record) -> Record:
        given = question.get('answers_ids')
        return {
            'id': question['id'],
            'img_id': question.get('img_id'),
            'answer_id': given[0] if isinstance(given, list) and given else None,
            'question_type': question.get('type'),
            'question': question.get('question'),
        }

    asked = to_table(
        map(ask, records(questions, 'questions')),
        numbers=('id', 'img_id', 'answer_id'),
        texts=('question_type', 'question'),
    )
    given = to_table(records(answers, 'answers'), numbers=('id',), texts=('answer',))
    seen = to_table(
        (
            {'id': i['id'], 'image': str(i['id']) if name == 'id' else i.get(name)}
            for i in records(images, 'images')
        ),
        numbers=('id',),
        texts=('image',),
    )
    columns = {
        'image': _look_up(asked['img_id'], seen, 'image'),
        'question_type': asked['question_type'],
        'question': asked['question'],
        'answer': _look_up(asked['answer_id'], given, 'answer'),
    }
    sources = {'image': images, 'answer': answers}
    return keep_whole(pa.table(columns), asked['id'], questions, sources, on_error)


def to_table(
    rows: Iterable[Record], numbers: Sequence[str], texts: Sequence[str]
) -> pa.Table:
    """Turn rows into Arrow columns, a batch at a time.

    Args:
        rows: Rows.
        numbers: Keys whose values are integers.
        texts: Keys whose values are texts.

    Returns:
        Columns of int64 and of dictionary-encoded text without white space around, null
        where a value is missing, of another type, no Unicode or empty.
    """

    def number(value: object) -> int | None:
        return value if type(value) is int and value.bit_length() < 64 else None

    def text(value: object) -> str | None:
        if not isinstance(value, str) or not is_unicode(value):
            return None
        return value.strip() or None

    schema = pa.schema(
        [(key, pa.int64()) for key in numbers] + [(key, _TEXT) for key in texts]
    )
    batches = []
    rows = iter(rows)
    while batch := list(islice(rows, _BATCH)):
        columns: list[list[Any]] = [
            [number(row.get(key)) for row in batch] for key in numbers
        ]
        columns += [[text(row.get(key)) for row in batch] for key in texts]
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        batches.append(pa.record_batch(arrays, schema))
    return pa.Table.from_batches(batches, schema).unify_dictionaries()


def _look_up(ids: pa.ChunkedArray, table: pa.Table, column: str) -> pa.ChunkedArray:
    """Take a column of the rows that have some ids, null where there is none."""
    rows = pc.index_in(ids, value_set=table['id'].combine_chunks(), skip_nulls=True)
    return table[column].take(rows)


def keep_whole(
    table: pa.Table,
    ids: pa.ChunkedArray,
    path: Path,
    sources: Mapping[str, Path],
    on_error: OnError,
) -> tuple[pa.Table, int]:
    """Keep the rows without a null.

    Args:
        table: The columns of a :class:`.QuestionTable`.
        ids: Id of each question.
        path: File of the questions.
        sources: Files of other columns.
        on_error: 'raise' or 'skip'.

    Returns:
        The rows without a null, and the number of the others.

    Raises:
        ValueError: If *on_error* is 'raise' and there are others.
    """
    whole = pc.is_valid(table[COLUMNS[0]])
    for name in COLUMNS[1:]:
        whole = pc.and_(whole, pc.is_valid(table[name]))
    num_malformed = len(table) - (pc.sum(whole).as_py() or 0)
    if num_malformed and on_error == 'raise':
        row = pc.index(whole, False).as_py()
        column = next(name for name in COLUMNS if not table[name][row].is_valid)
        source = sources.get(column, path)
        raise ValueError(
            f'{path}: question {ids[row].as_py()} has no {column} in {source.name}; '
            f'{num_malformed} of {len(table)} questions are malformed, '
            "on_error='skip' leaves them out"
        )
    return table.filter(whole), num_malformed
