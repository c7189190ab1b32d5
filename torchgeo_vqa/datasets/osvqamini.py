# SPDX-License-Identifier: MIT
"""OSVQAMini, a small synthetic dataset in the layout of OSVQA, made on first use."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ..questions import Scene
from ..sample import SPLITS
from ..storage import cache_folder
from ..synthetic.mini import NUM_SCENES, VERSION, generate, holds, manifest, scene_of
from .osvqa import OSVQA


class OSVQAMini(OSVQA):
    """OSVQAMini, a synthetic dataset to try things out: nothing to download.

    Scenes are made up, pair by pair: land cover with natural borders, ships, bridges,
    buildings and storage tanks on plausible ground, an optical image with clouds or in
    the dark more often than not, and a SAR image with speckle. Questions of sixteen types
    are derived from the land-cover raster and the list of objects, so every answer is
    true, and balanced, so that no type can be answered without looking.

    Dataset features:

    * 2,400 pairs for training, 200 for validation, 400 for testing, about 32 questions
      each
    * optical images: 64 x 64 px of 10 m, three bands, uint8; 45 % clear, 30 % cloudy,
      25 % dark
    * SAR images: VV and VH in dB

    Dataset format: as :class:`OSVQA`, in GeoTIFFs, in a folder named after version and
    arguments. It is made on first use, in about 15 seconds on two cores; the same
    arguments always give the same bytes.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        split: Literal['train', 'val', 'test'] = 'train',
        *,
        seed: int = 0,
        size: int = 64,
        num_scenes: Mapping[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        """Initialize a new OSVQAMini instance.

        Args:
            root: Folder to keep the dataset's folder in (defaults to the user's cache
                folder).
            split: One of 'train', 'val' or 'test'.
            seed: Seed the scenes are made from.
            size: Side of an image in pixels.
            num_scenes: Number of scenes of each split (defaults to 2,400 for 'train', 200
                for 'val' and 400 for 'test').
            **kwargs: Further arguments of :class:`OSVQA`.

        Raises:
            FileExistsError: If the folder is there but holds something else.
            ValueError: If an argument is invalid.
        """
        num_scenes = NUM_SCENES if num_scenes is None else num_scenes
        self.seed, self.size = seed, size
        numbers = '-'.join(str(num_scenes.get(s, 0)) for s in SPLITS)
        parent = cache_folder() if root is None else Path(root)
        folder = parent / f'osvqa_mini_v{VERSION}_seed{seed}_{size}px_{numbers}'
        if not folder.exists():
            generate(folder, seed, size, num_scenes)
        if not holds(folder, manifest(seed, size, num_scenes)):
            raise FileExistsError(
                f'{folder} is not what these arguments make; remove it or choose another '
                'root'
            )
        super().__init__(folder, split, **kwargs)

    def scene(self, name: str) -> Scene:
        """Return the scene that an image, named as by :meth:`location`, was made from."""
        return scene_of(name, self.seed, self.size)
