# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The user's cache folder."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return the folder for what can be made again: question tables, the embedded sample.

    The environment variable ``TORCHGEO_VQA_CACHE`` names another one.

    Returns:
        The folder, which may not exist yet.
    """
    if folder := os.environ.get('TORCHGEO_VQA_CACHE'):
        return Path(folder)
    return platformdirs.user_cache_path('torchgeo-vqa')
