# SPDX-License-Identifier: MIT
"""Folders of images: finding them by name, checking them, bringing them elsewhere."""

import os
import re
import shutil
import warnings
from pathlib import Path
from typing import Literal

import rasterio
import rasterio.shutil
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from ..rasters.image_file import DRIVERS, JPEG_EXTENSIONS, in_large_folders, pattern_of

#: How an image comes into the dataset.
Transfer = Literal['copy', 'hardlink', 'symlink']

#: Image files that can be read; JPEGs become PNGs, since the release has none.
READABLE = pattern_of(DRIVERS)

_JPEG = pattern_of(JPEG_EXTENSIONS)


class ImageFolder:
    """The images in a folder and its sub-folders."""

    def __init__(self, root: Path) -> None:
        """List the images of a folder; raise a FileNotFoundError if there are none."""
        self.root = root
        #: File names below the folder, by their name without extension.
        self.files: dict[str, list[str]] = {}
        for directory, _, filenames in sorted(os.walk(root)):
            for filename in sorted(filenames):
                path = Path(directory, filename).relative_to(root).as_posix()
                name, is_image = re.subn(READABLE, '', path)
                if is_image:
                    self.files.setdefault(name, []).append(path)
        if not self.files:
            state = 'holds no image' if root.is_dir() else 'is not a folder'
            raise FileNotFoundError(f'{root} {state} ({", ".join(DRIVERS)})')

    def find(self, name: str) -> str | None:
        """Return the name of an image without extension, or None if there is none.

        *name* is a path below the folder, with any extension or without.
        """
        name = os.path.normpath(name).replace(os.sep, '/')
        candidates = re.sub(READABLE, '', name), name
        return next((c for c in candidates if c in self.files), None)

    def path(self, name: str) -> Path:
        """Return the path of an image, given its name without extension.

        Raise a FileNotFoundError if there is none, a ValueError if there are several.
        """
        files = self.files.get(name, [])
        if not files:
            raise FileNotFoundError(f'no image {name!r} in {self.root}')
        if len(files) > 1:
            raise ValueError(f'{" and ".join(files)} in {self.root} have one name')
        return self.root / files[0]

    def transfer(self, name: str, folder: Path, how: Transfer) -> None:
        """Bring an image, and the files that belong to it, into another folder.

        A JPEG becomes a PNG of the same pixels.
        """
        source = self.path(name)
        target = folder / source.relative_to(self.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Whatever the environment sets for GDAL, side files are looked for
        with in_large_folders(), warnings.catch_warnings():
            warnings.simplefilter('ignore', NotGeoreferencedWarning)
            if re.search(_JPEG, source.name):
                target = folder / target_name(source.relative_to(self.root))
                # GDAL itself says nothing if the disk is full when it closes a file
                with rasterio.Env(GDAL_PAM_ENABLED='NO'), MemoryFile() as memory:
                    rasterio.shutil.copy(source, memory.name, driver='PNG')
                    target.write_bytes(memory.getbuffer())
                return
            with rasterio.open(source) as src:
                # such as .tfw and .aux.xml, which may hold the CRS
                files = {source, *map(Path, src.files)}
        for file in sorted(files):
            if file.parent == source.parent:
                _bring(file, target.with_name(file.name), how)


def target_name(path: Path) -> str:
    """Return the name of an image in the dataset, relative like its path in the folder."""
    return re.sub(_JPEG, '.png', path.as_posix())


def _bring(source: Path, target: Path, how: Transfer) -> None:
    """Copy or link a file."""
    if how == 'copy':
        shutil.copyfile(source, target)
    elif how == 'symlink':
        target.symlink_to(source.resolve())
    else:
        try:
            target.hardlink_to(source.resolve())
        except OSError as error:
            raise OSError(
                f'cannot link {source} to {target} ({error.strerror}): links work on one '
                'file system only; choose --transfer copy or symlink'
            ) from error
