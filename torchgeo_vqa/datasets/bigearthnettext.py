# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""BigEarthNet.txt dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyproj import CRS
from torchgeo.datasets import BigEarthNetV2
from torchgeo.datasets.utils import Path as PathLike
from torchgeo.datasets.utils import Sample

from ..annotations.question_table import QuestionTable
from ..rasters.image_file import ImageFile
from ..rasters.pairing import Opener
from .pair_vqa import OnError, PairVQA
from .patch_tree import RGB, SENTINEL1_BANDS, PatchTree, check_bands
from .rsvqa import keep_whole

#: Name of the file of questions.
FILENAME = 'BigEarthNet.txt.parquet'

#: Types of texts that are questions with an answer out of few.
QUESTIONS = ('binary', 'mcq')


class BigEarthNetText(PairVQA):
    """BigEarthNet.txt dataset.

    `BigEarthNet.txt <https://txt.bigearth.net>`__ describes the Sentinel-1 and Sentinel-2
    patches of BigEarthNet v2, and asks about them.

    Dataset features:

    * 464,044 places in ten countries of Europe, 120 x 120 px of 10 m, in several UTM zones
    * 9,553,962 texts; the questions among them are of the types ``binary`` (yes or no) and
      ``mcq`` (the letter of an option that the question lists), each on presence, area,
      count, adjacency, relative position, country, season and so on
    * captions and bounding boxes have no answer out of few and are left out;
      :attr:`left_out` counts them
    * optical images: Sentinel-2 surface reflectance x 10,000, uint16
    * SAR images: Sentinel-1 VV and VH in dB, float32
    * a second test split, ``bench``, which was checked by hand

    Dataset format: GeoTIFFs of one band, and a Parquet file with the columns ``ID, s1_name,
    patch_id, split, type, category, country, season, climate_zone, input, output``. The
    folder *root* holds:

    .. code-block:: text

       BigEarthNet.txt.parquet
       BigEarthNet-S2/<scene>/<patch_id>/<patch_id>_B02.tif
       BigEarthNet-S1/<scene>/<s1_name>/<s1_name>_{VV,VH}.tif

    A question's type is its ``type`` and ``category``, such as ``mcq season``. CLIP reads
    the first 75 tokens of a question, so the last options of a long one may be cut off.

    Samples are those of :class:`PairVQA`.

    If you use this dataset in your research, please cite the following papers:

    * https://arxiv.org/abs/2603.29630
    * https://arxiv.org/abs/2407.03653
    """

    instructions = (
        f'Download {FILENAME} from https://huggingface.co/datasets/BIFOLD-BigEarthNetv2-0/'
        'BigEarthNet.txt (no checksum is published), and the images of BigEarthNet v2 from '
        'https://doi.org/10.5281/zenodo.10891137, which torchgeo.datasets.BigEarthNetV2('
        'root, download=True) downloads as well.'
    )
    splits: ClassVar[tuple[str, ...]] = ('train', 'val', 'test', 'bench')
    convention = 'multiple choice by letter'

    def __init__(
        self,
        root: PathLike = 'data',
        split: Literal['train', 'val', 'test', 'bench'] = 'train',
        *,
        modalities: Sequence[str] = ('optical', 'sar'),
        bands: Sequence[str] = RGB,
        question_types: Sequence[str] | None = None,
        questions_per_sample: int | None = None,
        num_answers: int | None = None,
        answers: Sequence[str] | None = None,
        crs: CRS | str | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[Sample], Sample] | None = None,
        cache: bool = True,
        optical_dir: str = BigEarthNetV2.dir_file_names['s2'],
        sar_dir: str = BigEarthNetV2.dir_file_names['s1'],
        on_error: OnError = 'raise',
    ) -> None:
        """Initialize a new BigEarthNetText instance.

        Args:
            root: The folder of the Parquet file and of the folders of images.
            split: One of 'train', 'val', 'test' or 'bench'.
            modalities: 'optical', 'sar' or both. The images of the other are not needed.
            bands: Sentinel-2 bands of an optical image. Models take three; those of 20 and
                60 m are brought to the grid of the first.
            question_types: Question types to return (defaults to all).
            questions_per_sample: Number of questions drawn at random for each sample
                (defaults to all of them).
            num_answers: Size of the vocabulary, the most frequent answers of the training
                split (defaults to all of them).
            answers: The vocabulary itself, such as that of a checkpoint.
            crs: :term:`coordinate reference system (CRS)` of the index and of what is
                warped (defaults to that of the first image).
            res: Resolution in units of *crs* (defaults to that of the first image).
                If it is another, whole tiles are resampled, too.
            transforms: A function/transform that takes an input sample and returns a
                transformed version.
            cache: Whether to keep decoded images in memory.
            optical_dir: Folder of the Sentinel-2 patches, below *root*.
            sar_dir: Folder of the Sentinel-1 patches, below *root*.
            on_error: Whether to 'raise' on a malformed question, or an image that is
                missing or broken, or to 'skip' it.

        Raises:
            DatasetNotFoundError: If dataset is not found.
            FileNotFoundError: If an image is missing.
            OSError: If an image cannot be read.
            ValueError: If an argument is invalid, a question is malformed, or there is no
                vocabulary: neither *answers* nor a training split.
        """
        check_bands(bands)
        self.bands = tuple(bands)
        self._folder = Path(root)
        self._trees = {
            'optical': PatchTree(self._folder / optical_dir, num_patch_parts=2),
            'sar': PatchTree(self._folder / sar_dir, num_patch_parts=3),
        }
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
            optical_bands=len(self.bands),
        )

    @property
    def left_out(self) -> dict[str, int]:
        """Number of the split's texts that are no questions, by their type."""
        types = self._read_rows(self.split, ['type'])['type'].value_counts().to_pylist()
        counts = {count['values']: count['counts'] for count in types}
        return {kind: n for kind, n in counts.items() if kind not in QUESTIONS}

    def _verify(self) -> None:
        """Verify that questions and images are there."""
        needed = [self._folder / FILENAME]
        needed += [self._trees[modality].folder for modality in self.modalities]
        for path in needed:
            if not path.exists():
                raise self._not_found(f'There is no {path}.')

    def _annotation(self, split: str) -> Path:
        """Return the file of all questions."""
        return self._folder / FILENAME

    def _read_rows(self, split: str, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a split."""
        name = {'val': 'validation'}.get(split, split)
        path = self._annotation(split)
        try:
            return pq.read_table(
                path, columns=list(columns), filters=pc.field('split') == name
            )
        except pa.ArrowException as error:
            raise ValueError(f'cannot read {path}: {error}') from error

    def _read_questions(self, split: str, on_error: OnError) -> QuestionTable | None:
        """Read the questions of a split, if it has some."""

        def parse() -> tuple[pa.Table, int]:
            names = ['ID', 'patch_id', 'type', 'category', 'input', 'output']
            rows = self._read_rows(split, names)
            is_question = pc.is_in(rows['type'].cast(pa.string()), pa.array(QUESTIONS))
            rows = rows.filter(is_question)
            words = [rows[name].cast(pa.string()) for name in ('type', 'category')]
            kind = pc.binary_join_element_wise(*words, ' ')
            columns = {
                'image': _encode(rows['patch_id']),
                'question_type': _encode(kind),
                'question': _encode(rows['input']),
                'answer': _encode(rows['output']),
            }
            path = self._annotation(split)
            return keep_whole(pa.table(columns), rows['ID'], path, {}, on_error)

        path = self._annotation(split)
        name = f'{path.stem}_{split}'
        table = QuestionTable.cached([path], parse, on_error, name)
        return table if len(table) else None

    def _opener(self) -> Opener:
        """Read the pairs of patches, and return a function that opens one's images."""
        rows = self._read_rows(self.split, ['patch_id', 's1_name'])
        pairs = rows.group_by(['patch_id', 's1_name']).aggregate([]).to_pydict()
        partners: dict[str, str] = {}
        for patch, partner in zip(pairs['patch_id'], pairs['s1_name'], strict=True):
            other = partners.setdefault(patch, partner)
            if other != partner:
                raise ValueError(
                    f'{self._annotation(self.split)}: {patch} has both {other} and '
                    f'{partner} as s1_name'
                )

        def open_image(modality: str, name: str) -> ImageFile:
            tree = self._trees[modality]
            if modality == 'optical':
                return tree.open(name, self.bands)
            if not partners[name]:
                raise FileNotFoundError(f'{name} has no s1_name')
            return tree.open(partners[name], SENTINEL1_BANDS)

        return open_image

    def _whereabouts(self, name: str, row: int) -> str:
        """Say where a patch is named."""
        return f'{self._annotation(self.split)}, patch_id {name}'


def _encode(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Encode texts without white space around, null where there is nothing else."""
    column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    column = pc.if_else(pc.equal(column, ''), pa.scalar(None, pa.string()), column)
    return column.dictionary_encode()
