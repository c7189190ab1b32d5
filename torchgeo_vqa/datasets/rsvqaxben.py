# SPDX-License-Identifier: MIT
"""RSVQAxBEN dataset."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, override

import pyarrow as pa
from torchgeo.datasets import BigEarthNet
from torchgeo.datasets.utils import Path as PathLike
from torchgeo.datasets.utils import download_url

from ..annotations.json_stream import stream
from ..annotations.question_table import QuestionTable, encode, keep_whole
from ..annotations.rsvqa_file import RSVQAFiles
from .download import download_files, extract
from .pair_vqa import OnError, Release
from .patch_vqa import PatchVQA

#: Number of the record on Zenodo.
RECORD = '5084904'


class RSVQAxBEN(PatchVQA):
    """RSVQAxBEN dataset, with Sentinel-1.

    `RSVQAxBEN <https://rsvqa.sylvainlobry.com/>`__ asks questions, made from CORINE land
    cover, about the Sentinel-2 patches of BigEarthNet. BigEarthNet says which Sentinel-1
    patch goes with each of them, so these are optical-SAR pairs.

    Dataset features:

    * 590,326 locations in ten countries of Europe, 120 x 120 px of 10 m, in several UTM zones
    * 25 questions about each, of two types: ``presence`` and ``LC`` (land cover)
    * optical images: Sentinel-2 surface reflectance x 10,000, uint16
    * SAR images: Sentinel-1 VV and VH in dB, float32

    Dataset format: GeoTIFFs of one band, and questions as in :class:`.RSVQA`, whose images'
    ``original_name`` is the Sentinel-2 patch. The folder *root* holds:

    .. code-block:: text

       RSVQAxBEN_split_{train,val,test}_{images,questions,answers}.json
       BigEarthNet-v1.0/<patch>/<patch>_B02.tif
       BigEarthNet-S1-v1.0/<patch>/<patch>_{VV,VH}.tif
       BigEarthNet-S1-v1.0/<patch>/<patch>_labels_metadata.json

    Questions are also read from ``RSVQAxBEN_QA_{train,val,test}.json``, ``{"<id>":
    {"type": ..., "question": ..., "answer": ..., "S2_name": ...}}``, if the split files are
    not there.

    Samples are those of :class:`PairVQA`.

    If you use this dataset in your research, please cite the following papers:

    * https://doi.org/10.1109/IGARSS47720.2021.9553307
    * https://doi.org/10.1109/MGRS.2021.3089174
    """

    instructions = (
        'Its questions are https://doi.org/10.5281/zenodo.5084904, and its images those of '
        'BigEarthNet v1, https://doi.org/10.5281/zenodo.12687186, which '
        'torchgeo.datasets.BigEarthNet(root, download=True) downloads as well.'
    )

    folders: ClassVar[Mapping[str, str]] = {
        'optical': BigEarthNet.metadata['s2']['directory'],
        'sar': BigEarthNet.metadata['s1']['directory'],
    }
    partner_key = 'corresponding_s2_patch'

    def __init__(
        self,
        root: PathLike = 'data',
        split: str = 'train',
        *,
        download: bool = False,
        checksum: bool = True,
        **kwargs: Any,
    ) -> None:
        """Initialize a new RSVQAxBEN instance.

        Args:
            root: The folder of the split files and of the folders of images.
            split: One of 'train', 'val' or 'test'.
            download: Whether to download what is missing: the questions (some gigabytes)
                and BigEarthNet v1 (some 120 gigabytes).
            checksum: Whether to check what is downloaded against MD5 sums: those that
                Zenodo publishes, and TorchGeo's.
            **kwargs: Further arguments of :class:`.PatchVQA`.
        """
        self.download = download
        self.checksum = checksum
        super().__init__(root, split, **kwargs)

    def _files(self, split: str) -> RSVQAFiles | tuple[Path]:
        """Return the files of a split: questions, answers and images, or one for all."""
        folder = Path(self.root)
        files = RSVQAFiles.of_split(folder, 'RSVQAxBEN', split)
        flat = folder / f'RSVQAxBEN_QA_{split}.json'
        return (flat,) if flat.exists() and not files[0].exists() else files

    def _read(self, split: str, on_error: OnError) -> QuestionTable | None:
        """Read the questions of a split, if its files are there."""
        files = self._files(split)
        if isinstance(files, RSVQAFiles):
            return files.read('original_name', on_error)
        parse = partial(parse_flat, files[0], on_error)
        return QuestionTable.cached(files, parse, on_error)

    @override
    def _open(self) -> Release:
        folders = [self._trees[modality].folder for modality in self.modalities]
        needed = [*self._files(self.split), *folders]
        if self.download and not all(path.exists() for path in needed):
            self._download()
        files = self._files(self.split)
        self._require([*files, *folders])
        partners = self._trees['sar'].partners() if 'sar' in self.modalities else {}
        return Release(
            Path(self.root),
            annotation=lambda split: self._files(split)[0],
            read_questions=self._read,
            open_image=partial(self._open_patch, partners),
            source=lambda name, _: f'{files[-1]}, image {name}',
            optical_bands=len(self.bands),
        )

    def _download(self) -> None:
        """Download the questions of all splits, and the images."""
        root = Path(self.root)
        names = [path.name for split in self.splits for path in self._files(split)]
        download_files(RECORD, names, root, self.checksum)
        keys = {'optical': 's2', 'sar': 's1'}
        for modality in self.modalities:
            if not self._trees[modality].folder.exists():
                archive = BigEarthNet.metadata[keys[modality]]
                md5 = archive['md5'] if self.checksum else None
                download_url(archive['url'], root, archive['filename'], md5)
                extract(root / archive['filename'], root)


def parse_flat(path: Path, on_error: OnError) -> tuple[pa.Table, int]:
    """Parse ``{"<id>": {"type": ..., "question": ..., "answer": ..., "S2_name": ...}}``.

    Return the columns of a :class:`.QuestionTable`, and the number of questions left out, or
    raise a ValueError for the first that lacks a value, as *on_error* says.
    """
    keys = ('S2_name', 'type', 'question', 'answer')
    rows = (
        (name, *(map(item.get, keys) if isinstance(item, dict) else [None] * len(keys)))
        for name, item in stream(path)
    )
    return keep_whole(encode(rows), path, on_error)
