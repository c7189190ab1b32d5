# SPDX-License-Identifier: MIT
"""OSVQA dataset."""

from functools import partial
from typing import Any, Literal, override

from torchgeo.datasets.utils import Path as PathLike

from ..annotations.layout import Layout
from ..annotations.question_table import QuestionTable
from .pair_vqa import OnError, PairVQA, Release


class OSVQA(PairVQA):
    """OSVQA dataset.

    `OSVQA <https://arxiv.org/abs/2411.15770>`__ asks questions about locations seen by
    two sensors at once: an optical image, which clouds and darkness degrade, and a SAR
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
        optical_dir: str = 'images/rgb',
        sar_dir: str = 'images/sar',
        **kwargs: Any,
    ) -> None:
        """Initialize a new OSVQA instance.

        Args:
            root: The dataset's folder, or the folder that holds it.
            split: One of 'train', 'val' or 'test'.
            optical_dir: Folder of the optical images, below *root*, or a URL or one of
                GDAL's virtual file systems, such as ``s3://bucket/rgb`` or
                ``/vsizip/rgb.zip``.
            sar_dir: The same for the SAR images.
            **kwargs: Further arguments of :class:`PairVQA`.
        """
        self._folders = {'optical': optical_dir, 'sar': sar_dir}
        super().__init__(root, split, **kwargs)

    @override
    def _open(self) -> Release:
        layout = Layout.find(self.root, self._folders)
        annotation = layout.annotation(self.split)
        self._require([annotation])
        for modality in self.modalities:
            if not layout.has_folder(modality):
                raise self._not_found(f'There is no {layout.folder(modality)}.')
        return Release(
            layout.root,
            annotation=layout.annotation,
            read_questions=partial(_read, layout),
            open_image=partial(
                layout.open, {m: layout.images(m) for m in self.modalities}
            ),
            source=lambda _, row: f'{annotation}, row {row}',
            groups=layout.groups(),
        )


def _read(layout: Layout, split: str, on_error: OnError) -> QuestionTable | None:
    """Read the questions of a split."""
    path = layout.annotation(split)
    return QuestionTable.read(path, on_error) if path.exists() else None
