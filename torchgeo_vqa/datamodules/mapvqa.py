# SPDX-License-Identifier: MIT
"""MapVQA data module."""

from collections.abc import Sequence
from typing import Any, cast, override

from torchgeo.datasets.utils import GeoSlice
from torchgeo.samplers import GeoSampler

from ..annotations.split_draw import verify_fractions
from ..datasets import MapVQA
from ..datasets.map_source import MapSource
from ..sample import MODALITIES, SPLITS
from ..samplers import BlockSampler, split_blocks
from .pair import Stage
from .pair_vqa import VQADataModule

#: Number of training patches that answers are balanced by.
NUM_MEASURED = 300


class MapVQADataModule(MapSource, VQADataModule):
    r"""Your own images, with questions drawn from a map of classes in every epoch.

    .. code-block:: console

       $ torchgeo fit --model tgfnet --data MapVQADataModule --data.optical s2/ \
           --data.sar s1/ --data.labels map.tif --data.classes classes.yaml

    See :class:`~torchgeo_vqa.datasets.MapVQA`. Nothing is written: a training patch is cut
    out anywhere, and what is asked about it is counted off the map.

    **Splits.** The plane is cut into square blocks, which are drawn for the splits, and
    every patch lies inside one block: no two splits share a pixel. Training draws other
    patches in every epoch, validation and test are a grid of patches with the same
    questions each time. Both depend on *seed* alone, so that a checkpoint is tested on
    what it was not trained on as long as *seed* and the files are the same. Blocks without
    a patch that the map knows belong to no split.

    **Balance.** Before the first epoch, several hundred random patches of the training
    blocks are asked everything. The usual answer to a text is then asked for as rarely as
    the runner-up, in all splits. The answers to guess blindly are those most frequent
    among the questions drawn for these patches, and mean and standard deviation of the
    images are theirs, too.

    **Several CRSs.** All files are brought to the CRS and the resolution of the first
    optical image (or of the first SAR image, if there is no other), as TorchGeo does it.
    For several UTM zones, give the files of one zone at a time, or use the command
    ``torchgeo-vqa generate``, which asks about each zone in its own CRS.
    """

    def __init__(
        self,
        *,
        patch_size: int = 64,
        block_size: int | None = None,
        fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
        seed: int = 0,
        questions_per_sample: int = 32,
        question_types: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Initialize a new MapVQADataModule instance.

        Args:
            patch_size: Side of a patch in pixels.
            block_size: Side in pixels of the blocks that are drawn for the splits
                (defaults to four times *patch_size*).
            fractions: Shares of the blocks for training, validation and test.
            seed: Seed of the draw of blocks, of what balances answers, and of the
                questions about a patch.
            questions_per_sample: Number of questions about a patch, at most.
            question_types: Types of questions to use (defaults to all that are possible).
            **kwargs: Arguments of :class:`.MapSource`, and other arguments of
                :class:`.PairDataModule`.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If an argument is out of its range, or there are no images.
        """
        super().__init__(
            dataset_class=MapVQA,
            dataset_args={},
            patch_size=patch_size,
            modalities=(),
            **kwargs,
        )
        self.modalities = tuple(m for m in MODALITIES if self.map_files[m])
        if self._statistics is not None:
            self.statistics = self._statistics
        verify_fractions(fractions)
        if not fractions[0]:
            raise ValueError(f'training needs a share of the blocks, got {fractions}')
        self.block_size = 4 * patch_size if block_size is None else block_size
        self.fractions = tuple(fractions)
        self.seed = seed
        self.questions_per_sample = questions_per_sample
        self.question_type_names = question_types
        self._dataset: MapVQA | None = None
        self._samplers: dict[str, BlockSampler] = {}

    @override
    def _make_dataset(self, stage: Stage) -> MapVQA:
        """Return the one dataset of all stages, which differ in their samplers."""
        if self._dataset is None:
            opened = self.open_maps(
                self.question_type_names,
                questions_per_sample=self.questions_per_sample,
                seed=self.seed,
            )
            max_nodata = opened.dataset.max_nodata
            everywhere = BlockSampler(
                opened.dataset,
                cast(int, self.patch_size),
                self.block_size,
                origin=opened.origin,
                roi=opened.dataset.known_area() if max_nodata < 1 else None,
                min_share=1 - max_nodata,
            )
            blocks = everywhere.blocks
            split_of = split_blocks(blocks, self.block_size, self.fractions, self.seed)
            for split in SPLITS:
                own = [block for block in blocks if split_of[block] == split]
                self._samplers[split] = everywhere.within(own)
            opened.dataset.measure(self.overview(opened.dataset))
            self._dataset = opened.dataset
        return self._dataset

    @override
    def overview(self, dataset: MapVQA) -> list[GeoSlice]:
        """Draw patches of training in place of tiles, which a map does not have."""
        train = self._samplers['train']
        return list(train.within(train.blocks, NUM_MEASURED, self.seed))

    @override
    def _sampler(self, dataset: MapVQA, stage: Stage) -> GeoSampler:
        sampler = self._samplers['test' if stage == 'predict' else stage]
        if stage == 'train':
            length = self.length or len(sampler)
            return sampler.within(sampler.blocks, length, self._seed)
        if not len(sampler):
            raise ValueError(
                f'there is no block for {stage}, fractions are {self.fractions}; give '
                'each split a share'
            )
        return sampler

    @override
    def set_answers(self, answers: Sequence[str]) -> None:
        self.dataset_for('train')  # one for all stages
        super().set_answers(answers)
