# SPDX-License-Identifier: MIT
"""Folder layout of OSVQA's release."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..rasters.image_file import IMAGE_EXTENSIONS, ImageFile, pattern_of

#: Name of the release's folder.
RELEASE = 'OSVQA_1.0'

#: What an image's name may end in or not, and it is the same image.
EXTENSION = pattern_of(IMAGE_EXTENSIONS)


@dataclass(frozen=True)
class Layout:
    """Files of a dataset in the layout of OSVQA's release.

    *root* holds annotations and images. *folders* of each modality's images are below it, or
    URLs or of GDAL's virtual file systems: ``s3://bucket/rgb``, ``/vsizip/rgb.zip``.
    """

    root: Path
    folders: Mapping[str, str]

    @classmethod
    def find(cls, root: str | os.PathLike[str], folders: Mapping[str, str]) -> 'Layout':
        """Find the dataset in a folder, or in its ``OSVQA_1.0``; files may be missing."""
        path = Path(root)
        if not (path / 'annotations').is_dir() and (path / RELEASE).is_dir():
            path = path / RELEASE
        return cls(path, folders)

    def annotation(self, split: str) -> Path:
        """Return the path of a split's questions."""
        return self.root / 'annotations' / f'all_{split}_annotation.json'

    def folder(self, modality: str) -> str:
        """Return the path or URL of a modality's folder."""
        folder = self.folders[modality]
        return folder.rstrip('/') if _is_remote(folder) else str(self.root / folder)

    def has_folder(self, modality: str) -> bool:
        """Tell whether a modality's folder is there; of one that GDAL finds, assume it."""
        folder = self.folder(modality)
        return _is_remote(folder) or os.path.exists(folder)

    def images(self, modality: str) -> dict[str, str]:
        """List the path of each image of a modality by its name, without extension.

        A name includes a sub-folder. Empty where GDAL finds the images: few servers list them.
        """
        folder = self.folder(modality)
        images: dict[str, str] = {}
        for directory, subfolders, filenames in os.walk(folder):
            subfolders.sort()
            relative = os.path.relpath(directory, folder).replace(os.sep, '/')
            prefix = '' if relative == '.' else f'{relative}/'
            for filename in sorted(filenames):
                stem, is_image = re.subn(EXTENSION, '', filename)
                if is_image:
                    images.setdefault(prefix + stem, os.path.join(directory, filename))
        return images

    def open(
        self, images: Mapping[str, Mapping[str, str]], modality: str, name: str
    ) -> ImageFile:
        """Read the header of an image among those that :meth:`images` lists for each modality.

        Raise a FileNotFoundError if it is missing, an OSError if it cannot be read.
        """
        folder = self.folder(modality)
        if _is_remote(folder):
            return _open_remote(f'{folder}/{name}')
        if name not in images[modality]:
            known = ', '.join(IMAGE_EXTENSIONS)
            raise FileNotFoundError(f'no image {name!r} ({known}) in {folder}')
        return ImageFile.open(images[modality][name])

    def groups(self) -> dict[str, str]:
        """Read the group of each image, such as clear or cloudy; empty if there are none.

        Raise a ValueError if the file is not an object of texts.
        """
        path = self.root / 'annotations' / 'image_groups.json'
        if not path.exists():
            return {}
        try:
            groups = json.loads(path.read_bytes())
        except ValueError as error:
            raise ValueError(f'{path} is not valid JSON: {error}') from error
        texts = groups.values() if isinstance(groups, dict) else [None]
        if not all(isinstance(group, str) for group in texts):
            raise ValueError(f'{path} must hold an object {{"image_name": "group"}}')
        return {re.sub(EXTENSION, '', name): group for name, group in groups.items()}


def _is_remote(folder: str) -> bool:
    """Return whether GDAL, and not the operating system, finds a folder."""
    return '://' in folder or folder.startswith('/vsi')


def _open_remote(stem: str) -> ImageFile:
    """Read the header of an image that GDAL finds, whatever its extension."""
    errors = []
    for extension in IMAGE_EXTENSIONS:
        try:
            return ImageFile.open(stem + extension)
        except OSError as error:
            errors.append(str(error))
    known = ', '.join(IMAGE_EXTENSIONS)
    raise FileNotFoundError(f'no image {stem} ({known}): {"; ".join(errors)}')
