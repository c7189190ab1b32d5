# SPDX-License-Identifier: MIT
"""BigEarthNet.txt dataset."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, override

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from torchgeo.datasets import BigEarthNetV2

from ..annotations.question_table import COLUMNS, QuestionTable, keep_whole
from .pair_vqa import OnError, Release
from .patch_vqa import PatchVQA, match_patches

#: Name of the file of questions.
FILENAME = 'BigEarthNet.txt.parquet'

#: Types of texts that are questions with an answer out of few.
QUESTIONS = ('binary', 'mcq')


class BigEarthNetText(PatchVQA):
    """BigEarthNet.txt dataset.

    `BigEarthNet.txt <https://txt.bigearth.net>`__ describes the Sentinel-1 and Sentinel-2
    patches of BigEarthNet v2, and asks about them.

    Dataset features:

    * 464,044 locations in ten countries of Europe, 120 x 120 px of 10 m, in several UTM zones
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
    folders: ClassVar[Mapping[str, str]] = {
        'optical': BigEarthNetV2.dir_file_names['s2'],
        'sar': BigEarthNetV2.dir_file_names['s1'],
    }
    num_patch_parts: ClassVar[Mapping[str, int]] = {'optical': 2, 'sar': 3}
    partner_key = 's1_name'

    @property
    def _path(self) -> Path:
        """Path of the questions of all splits."""
        return Path(self.root) / FILENAME

    @property
    def left_out(self) -> dict[str, int]:
        """Number of the split's texts that are no questions, by their type."""
        types = self._read_rows(self.split, ['type'])['type'].value_counts().to_pylist()
        counts = {count['values']: count['counts'] for count in types}
        return {name: n for name, n in counts.items() if name not in QUESTIONS}

    @override
    def _open(self) -> Release:
        folders = [self._trees[modality].folder for modality in self.modalities]
        self._require([self._path, *folders])
        rows = self._read_rows(self.split, ['patch_id', 's1_name'])
        pairs = rows.group_by(['patch_id', 's1_name']).aggregate([]).to_pydict()
        partners = match_patches(pairs['patch_id'], pairs['s1_name'], self._path)
        return Release(
            Path(self.root),
            annotation=lambda _: self._path,
            read_questions=self._read,
            open_image=partial(self._open_patch, partners),
            source=lambda name, _: f'{self._path}, patch_id {name}',
            optical_bands=len(self.bands),
        )

    def _read_rows(self, split: str, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a split."""
        name = {'val': 'validation'}.get(split, split)
        try:
            return pq.read_table(
                self._path, columns=list(columns), filters=pc.field('split') == name
            )
        except pa.ArrowException as error:
            raise ValueError(f'cannot read {self._path}: {error}') from error

    def _read(self, split: str, on_error: OnError) -> QuestionTable | None:
        """Read the questions of a split, if it has some."""

        def parse() -> tuple[pa.Table, int]:
            names = ['ID', 'patch_id', 'type', 'category', 'input', 'output']
            rows = self._read_rows(split, names)
            is_question = pc.is_in(rows['type'].cast(pa.string()), pa.array(QUESTIONS))
            name, image, *words, question, answer = rows.filter(is_question).columns
            words = [word.cast(pa.string()) for word in words]
            cells = image, pc.binary_join_element_wise(*words, ' '), question, answer
            table = pa.table([name, *map(_encode, cells)], names=['id', *COLUMNS])
            return keep_whole(table, self._path, on_error)

        name = f'{self._path.stem}_{split}'
        table = QuestionTable.cached([self._path], parse, on_error, name)
        return table if len(table) else None


def _encode(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Encode texts without white space around, null where there is nothing else."""
    column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    column = pc.if_else(pc.equal(column, ''), pa.scalar(None, pa.string()), column)
    return column.dictionary_encode()
