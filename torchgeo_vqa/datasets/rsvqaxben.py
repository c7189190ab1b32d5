# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""RSVQAxBEN dataset."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
from pyproj import CRS
from torchgeo.datasets import BigEarthNet
from torchgeo.datasets.utils import Path as PathLike
from torchgeo.datasets.utils import Sample, download_url

from ..annotations.json_stream import stream
from ..annotations.question_table import QuestionTable
from ..rasters.image_file import ImageFile
from ..rasters.pairing import Opener
from .archive import extract
from .pair_vqa import OnError, PairVQA
from .patch_tree import RGB, SENTINEL1_BANDS, PatchTree, check_bands
from .rsvqa import keep_whole, parse_annotations, to_table
from .zenodo import download_files

#: Number of the record on Zenodo.
RECORD = '5084904'


class RSVQAxBEN(PairVQA):
    """RSVQAxBEN dataset, with Sentinel-1.

    `RSVQAxBEN <https://rsvqa.sylvainlobry.com/>`__ asks questions, made from CORINE land
    cover, about the Sentinel-2 patches of BigEarthNet. BigEarthNet tells which Sentinel-1
    patch goes with each of them, so these are optical-SAR pairs.

    Dataset features:

    * 590,326 places in ten countries of Europe, 120 x 120 px of 10 m, in several UTM zones
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

    #: Folder of each modality in BigEarthNet's archives.
    folders: ClassVar[Mapping[str, str]] = {
        'optical': BigEarthNet.metadata['s2']['directory'],
        'sar': BigEarthNet.metadata['s1']['directory'],
    }

    def __init__(
        self,
        root: PathLike = 'data',
        split: Literal['train', 'val', 'test'] = 'train',
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
        optical_dir: str = folders['optical'],
        sar_dir: str = folders['sar'],
        on_error: OnError = 'raise',
        download: bool = False,
        checksum: bool = True,
    ) -> None:
        """Initialize a new RSVQAxBEN instance.

        Args:
            root: The folder of the split files and of the folders of images.
            split: One of 'train', 'val' or 'test'.
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
            download: Whether to download what is missing: the questions (some gigabytes)
                and BigEarthNet v1 (some 120 gigabytes).
            checksum: Whether to check what is downloaded against MD5 sums: those that
                Zenodo publishes, and TorchGeo's.

        Raises:
            DatasetNotFoundError: If dataset is not found and *download* is False.
            FileNotFoundError: If an image is missing.
            OSError: If an image cannot be read.
            RuntimeError: If a checksum does not match.
            ValueError: If an argument is invalid, a question is malformed, or there is no
                vocabulary: neither *answers* nor a training split.
        """
        check_bands(bands)
        self.bands = tuple(bands)
        self.download = download
        self.checksum = checksum
        self._folder = Path(root)
        self._trees = {
            'optical': PatchTree(self._folder / optical_dir),
            'sar': PatchTree(self._folder / sar_dir),
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

    def _files(self, split: str) -> list[Path]:
        """Return the files of a split: questions, answers and images, or one for all."""
        kinds = ('questions', 'answers', 'images')
        files = [self._folder / f'RSVQAxBEN_split_{split}_{k}.json' for k in kinds]
        flat = self._folder / f'RSVQAxBEN_QA_{split}.json'
        return [flat] if flat.exists() and not files[0].exists() else files

    def _annotation(self, split: str) -> Path:
        """Return the file of a split's questions."""
        return self._files(split)[0]

    def _missing(self) -> list[Path]:
        """Return what of the split is not there."""
        folders = [self._trees[modality].folder for modality in self.modalities]
        return [p for p in (*self._files(self.split), *folders) if not p.exists()]

    def _verify(self) -> None:
        """Verify that the split's questions and images are there, or download them."""
        if self._missing() and self.download:
            self._download()
        if missing := self._missing():
            raise self._not_found(f'There is no {missing[0]}.')

    def _download(self) -> None:
        """Download the questions of all splits, and the images."""
        names = [path.name for split in self.splits for path in self._files(split)]
        if not all((self._folder / name).exists() for name in names):
            download_files(RECORD, names, self._folder, self.checksum)
        for modality, key in (('optical', 's2'), ('sar', 's1')):
            archive = BigEarthNet.metadata[key]
            is_there = self._trees[modality].folder.exists()
            if modality in self.modalities and not is_there:
                download_url(
                    archive['url'],
                    self._folder,
                    archive['filename'],
                    archive['md5'] if self.checksum else None,
                )
                extract(self._folder / archive['filename'], self._folder)

    def _read_questions(self, split: str, on_error: OnError) -> QuestionTable | None:
        """Read the questions of a split, if its files are there."""
        files = self._files(split)
        if not all(path.exists() for path in files):
            return None

        def parse() -> tuple[pa.Table, int]:
            if len(files) == 1:
                return parse_flat(files[0], on_error)
            return parse_annotations(files, 'original_name', on_error)

        return QuestionTable.cached(files, parse, on_error)

    def _opener(self) -> Opener:
        """Read the pairs of patches, and return a function that opens one's images."""
        partners = self._trees['sar'].partners() if 'sar' in self.modalities else {}

        def open_image(modality: str, name: str) -> ImageFile:
            tree = self._trees[modality]
            if modality == 'optical':
                return tree.open(name, self.bands)
            if name not in partners:
                raise FileNotFoundError(
                    f'no Sentinel-1 patch in {tree.folder} has {name} as its '
                    'corresponding_s2_patch'
                )
            return tree.open(partners[name], SENTINEL1_BANDS)

        return open_image

    def _whereabouts(self, name: str, row: int) -> str:
        """Say where a patch is named."""
        return f'{self._files(self.split)[-1]}, image {name}'


def parse_flat(path: Path, on_error: OnError) -> tuple[pa.Table, int]:
    """Parse questions that come with their answer and the name of their patch.

    Args:
        path: JSON file, ``{"<id>": {"type": ..., "question": ..., "answer": ...,
            "S2_name": ...}}``.
        on_error: 'raise', or 'skip' to leave out a question that lacks one of them.

    Returns:
        The columns of a :class:`.QuestionTable`, and the number of questions left out.

    Raises:
        ValueError: If *on_error* is 'raise' and there is such a question.
    """
    keys = {
        'image': 'S2_name',
        'question_type': 'type',
        'question': 'question',
        'answer': 'answer',
    }
    rows = (
        {'id': key} | {name: item.get(source) for name, source in keys.items()}
        if isinstance(item, dict)
        else {'id': key}
        for key, item in stream(path)
    )
    table = to_table(rows, numbers=(), texts=('id', *keys))
    return keep_whole(table.select(list(keys)), table['id'], path, {}, on_error)
