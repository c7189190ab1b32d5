# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""OSVQA dataset."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pyproj import CRS
from torchgeo.datasets.utils import Path as PathLike
from torchgeo.datasets.utils import Sample

from ..annotations.layout import Layout
from ..annotations.question_table import QuestionTable
from ..rasters.pairing import Opener
from .pair_vqa import OnError, PairVQA


class OSVQA(PairVQA):
    """OSVQA dataset.

    `OSVQA <https://arxiv.org/abs/2411.15770>`__ asks questions about places seen by
    two sensors at once: an optical image, which clouds and darkness spoil, and a SAR
    image, which they do not.

    Dataset features:

    * aligned pairs of optical and SAR images, about 256 px, from QXS-SAROPT, OGSOD-1.0,
      SEN12MS-CR and LuojiaSET-OSFCR
    * about a million questions with answers, of 16 types: complex relations and
      the quality of the two images among them

    Dataset format:

    * optical images are three-channel PNGs or GeoTIFFs
    * SAR images are PNGs or GeoTIFFs of any number of channels
    * questions are JSON lists of ``[image_name, question_type, question, answer]``

    The folder *root*, or ``OSVQA_1.0`` in it, holds:

    .. code-block:: text

       annotations/all_{train,val,test}_annotation.json
       annotations/image_groups.json   (optional: {"<image_name>": "<group>"})
       images/rgb/<image_name>.png
       images/sar/<image_name>.png

    Samples are those of :class:`PairVQA`.

    The dataset must be downloaded by hand from
    `Baidu Netdisk <https://pan.baidu.com/s/1s95s4KTs-wqmmCvwKfTcXA>`__ (code 9dhW).
    Neither a checksum nor a licence is published.

    If you use this dataset in your research, please cite the following paper:

    * https://doi.org/10.1016/j.isprsjprs.2025.08.029
    """

    #: How to get the dataset.
    instructions = (
        'Download OSVQA_1.0 by hand from https://pan.baidu.com/s/1s95s4KTs-wqmmCvwKfTcXA '
        "(code 9dhW, the lab's page is https://github.com/mmic-lcl) and unpack it there."
    )

    def __init__(
        self,
        root: PathLike = 'data',
        split: Literal['train', 'val', 'test'] = 'train',
        *,
        modalities: Sequence[str] = ('optical', 'sar'),
        question_types: Sequence[str] | None = None,
        questions_per_sample: int | None = None,
        num_answers: int | None = None,
        answers: Sequence[str] | None = None,
        crs: CRS | str | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[Sample], Sample] | None = None,
        cache: bool = True,
        optical_dir: str = 'images/rgb',
        sar_dir: str = 'images/sar',
        on_error: OnError = 'raise',
    ) -> None:
        """Initialize a new OSVQA instance.

        Args:
            root: The dataset's folder, or the folder that holds it.
            split: One of 'train', 'val' or 'test'.
            modalities: 'optical', 'sar' or both. The images of the other are not needed.
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
            optical_dir: Folder of the optical images, below *root*, or a URL or one of
                GDAL's virtual file systems, such as ``s3://bucket/rgb`` or
                ``/vsizip/rgb.zip``.
            sar_dir: The same for the SAR images.
            on_error: Whether to 'raise' on a malformed row, or an image that is missing or
                broken, or to 'skip' the pair.

        Raises:
            DatasetNotFoundError: If dataset is not found.
            FileNotFoundError: If an image is missing.
            OSError: If an image cannot be read.
            ValueError: If an argument is invalid, a row is malformed, or there is no
                vocabulary: neither *answers* nor a training split.
        """
        self._layout = Layout.find(root, {'optical': optical_dir, 'sar': sar_dir})
        super().__init__(
            root,
            self._layout.root,
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

    def _verify(self) -> None:
        """Verify that the split's questions and images are there."""
        layout = self._layout
        missing = [
            layout.folder(m) for m in self.modalities if not layout.has_folder(m)
        ]
        annotation = layout.annotation(self.split)
        if not annotation.exists():
            missing.insert(0, str(annotation))
        if missing:
            raise self._not_found(f'There is no {missing[0]}.')

    def _annotation(self, split: str) -> Path:
        """Return the file that holds the questions of a split."""
        return self._layout.annotation(split)

    def _read_questions(self, split: str, on_error: OnError) -> QuestionTable | None:
        """Read the questions of a split."""
        path = self._layout.annotation(split)
        return QuestionTable.read(path, on_error) if path.exists() else None

    def _opener(self) -> Opener:
        """List the images."""
        images = {m: self._layout.images(m) for m in self.modalities}
        return partial(self._layout.open, images)

    def _read_groups(self) -> Mapping[str, str]:
        """Read which pair is clear, cloudy and so on, if the dataset tells."""
        return self._layout.groups()
