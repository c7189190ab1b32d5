# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Download of files from Zenodo, checked against the checksums it publishes."""

import json
from collections.abc import Iterable
from pathlib import Path
from urllib.request import Request, urlopen

from torchgeo.datasets.utils import download_url

#: Where Zenodo describes a record. What a record number stands for never changes.
API = 'https://zenodo.org/api/records/{}'


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
