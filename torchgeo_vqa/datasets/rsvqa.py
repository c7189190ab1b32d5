# SPDX-License-Identifier: MIT
"""Base class for RSVQA datasets."""

import abc
import re
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, override

from torchgeo.datasets.utils import Path as PathLike

from ..annotations.question_table import QuestionTable
from ..annotations.rsvqa_file import RSVQAFiles, entries
from ..rasters.image_file import ImageFile
from .download import download_files, extract
from .pair_vqa import OnError, PairVQA, Release


class RSVQA(PairVQA):
    """Base class for datasets in the format of RSVQA.

    Three files describe a split, ``{prefix}_split_{split}_{questions,answers,images}.json``,
    see :class:`.RSVQAFiles`. Samples are those of :class:`PairVQA`.
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
        buckets: bool = True,
        download: bool = False,
        checksum: bool = True,
        **kwargs: Any,
    ) -> None:
        """Initialize a new instance.

        Args:
            root: The folder of the split files and of the folder of images.
            split: One of the dataset's :attr:`~PairVQA.splits`.
            buckets: Whether numbers are answered by the range they lie in, as in the
                published evaluation, instead of exactly. Accuracies of the two do not
                compare.
            download: Whether to download what is missing.
            checksum: Whether to check what is downloaded against the MD5 sums that Zenodo
                publishes.
            **kwargs: Further arguments of :class:`PairVQA`.
        """
        self.download = download
        self.checksum = checksum
        self.buckets = buckets
        self.convention = self.conventions[buckets]
        super().__init__(root, split, **kwargs)

    @abc.abstractmethod
    def _range(self, answer: str) -> str:
        """Return the range an answer lies in, if it is one of those evaluated by range."""

    def _files(self, split: str) -> RSVQAFiles:
        """Return the files of a split."""
        return RSVQAFiles.of_split(Path(self.root), self.prefix, split)

    def _read(self, split: str, on_error: OnError) -> QuestionTable | None:
        """Read the questions of a split, if its files are there."""
        table = self._files(split).read('id', on_error)
        return table.map_answers(self._range) if table and self.buckets else table

    @override
    def _open(self) -> Release:
        files = self._files(self.split)
        folder = Path(self.root) / self.image_dir
        needed = [*files, folder]
        if self.download and not all(path.exists() for path in needed):
            self._download()
        self._require(needed)
        return Release(
            Path(self.root),
            annotation=lambda split: self._files(split).questions,
            read_questions=self._read,
            open_image=partial(_open_image, folder),
            source=lambda name, _: f'{files.images}, image {name}',
            # Names of the products that images were cut from
            times={
                str(image['id']): str(image.get('original_name'))
                for image in entries(files.images, 'images')
            },
        )

    def _download(self) -> None:
        """Download the questions of all splits, and the images."""
        root = Path(self.root)
        names = [path.name for split in self.splits for path in self._files(split)]
        download_files(self.record, names, root, self.checksum)
        if not (root / self.image_dir).exists():
            download_files(self.record, [self.archive], root, self.checksum)
            extract(root / self.archive, root)


def _open_image(folder: Path, modality: str, name: str) -> ImageFile:
    """Open an image by its id."""
    path = folder / f'{name}.tif'
    if not path.exists():
        raise FileNotFoundError(f'no image {path.name} in {folder}')
    return ImageFile.open(str(path))


#: Upper ends of the ranges, which begin one above the one before.
UPPER_ENDS = (0, 10, 100, 1000)


def count_range(answer: str) -> str:
    """Return the range of a count, as 'between 11 and 100' for '37'; else the answer itself.

    `RSVQA's published evaluation <https://doi.org/10.1109/TGRS.2020.2988782>`__ of the
    low-resolution dataset has five: 0, 1 to 10, 11 to 100, 101 to 1000, and above.
    """
    return _range(answer, r'(\d+)', '')


def area_range(answer: str) -> str:
    """Return the range of an area, as 'between 11m2 and 100m2' for '37m2'.

    Ranges are those of :func:`count_range`, in square metres. What is no area is returned.
    """
    return _range(answer, r'(\d+(?:\.\d+)?) ?m2', 'm2')


def _range(answer: str, pattern: str, unit: str) -> str:
    """Return the range of a number that is not negative."""
    match = re.fullmatch(pattern, answer)
    if not match:
        return answer
    number = float(match[1])
    if number == 0:
        return f'0{unit}'
    for below, end in pairwise(UPPER_ENDS):
        if number <= end:
            return f'between {below + 1}{unit} and {end}{unit}'
    return f'more than {UPPER_ENDS[-1]}{unit}'
