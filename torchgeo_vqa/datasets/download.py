# SPDX-License-Identifier: MIT
"""Download from Zenodo, and extraction of archives, which are not trusted.

TorchGeo's `extract_archive` limits no size, and a process killed while it extracts leaves
a folder that looks complete.
"""

import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.request import Request, urlopen

from torchgeo.datasets.utils import download_url

from ..storage import is_inside, scratch_folder

#: Where Zenodo describes a record. What a record number stands for never changes.
API = 'https://zenodo.org/api/records/{}'

#: Bytes that an archive may hold for each of its own. Images shrink to a tenth at best.
MAX_RATIO = 100


def extract(path: Path, folder: Path) -> None:
    """Extract a ZIP or tar archive of plain files and folders into a folder, all at once.

    Raise a FileExistsError if something of that name is there, an OSError if the archive
    cannot be read, and a ValueError if it holds links, devices, names that lead out of the
    folder, or far more bytes than it has itself.
    """
    extract_members = _extract_zip if path.suffix == '.zip' else _extract_tar
    with scratch_folder(folder / path.name) as building:
        try:
            extract_members(path, building)
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            reason = str(error).partition('\n')[0]
            raise OSError(f'cannot read {path}: {reason}; download it again') from error
        for source in sorted(building.iterdir()):
            target = folder / source.name
            if os.path.lexists(target):
                raise FileExistsError(
                    f'{target} exists, and {path} holds it too; remove one of the two'
                )
            source.rename(target)


def _extract_zip(path: Path, folder: Path) -> None:
    """Extract a ZIP archive; reading stops at the size that a member says it has."""
    with zipfile.ZipFile(path) as archive:
        verify = _verifier(path)
        for member in archive.infolist():
            # The upper half of these bits is the mode on Unix; without one, it is 0
            file_type = member.external_attr >> 28
            verify(member.filename, file_type in (0, 0o4, 0o10), member.file_size)
        archive.extractall(folder)  # noqa: S202 (all members are verified)


def _extract_tar(path: Path, folder: Path) -> None:
    """Extract a tar archive, a member at a time: to list them takes as long."""
    verify = _verifier(path)

    def verified(member: tarfile.TarInfo, target: str) -> tarfile.TarInfo | None:
        verify(member.name, member.isreg() or member.isdir(), member.size)
        return tarfile.data_filter(member, target)

    with tarfile.open(path) as archive:
        archive.extractall(folder, filter=verified)  # noqa: S202


def _verifier(path: Path) -> Callable[[str, bool, int], None]:
    """Return a function that raises a ValueError for a member that must not be extracted."""
    left = MAX_RATIO * path.stat().st_size

    def verify(name: str, is_plain: bool, size: int) -> None:
        nonlocal left
        if not is_inside(name):
            raise ValueError(f'{path} holds {name!r}, which leads out of its folder')
        if not is_plain:
            raise ValueError(f'{path} holds {name!r}, which is no file or folder')
        left -= size
        if left < 0:
            raise ValueError(
                f'{path} holds more than {MAX_RATIO} times the bytes that it has itself '
                f'({name!r}): such an archive fills the disk'
            )

    return verify


def download_files(
    record: str, filenames: Iterable[str], root: Path, checksum: bool = True
) -> None:
    """Download files of a record on Zenodo that are not there yet.

    Raise a RuntimeError if the record has no such file, or the MD5 sum that it publishes
    does not match, unless *checksum* is False.
    """
    missing = [name for name in filenames if not (root / name).exists()]
    if not missing:
        return
    request = Request(API.format(record), headers={'User-Agent': 'torchgeo-vqa'})
    with urlopen(request) as response:
        files = {file['key']: file for file in json.load(response)['files']}
    for name in missing:
        if name not in files:
            raise RuntimeError(
                f'record {record} of Zenodo has no file {name!r}, only '
                f'{", ".join(sorted(files))}'
            )
        md5 = files[name]['checksum'].removeprefix('md5:') if checksum else None
        download_url(files[name]['links']['self'], root, name, md5)
