# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Run the command ``torchgeo-vqa`` as ``python -m torchgeo_vqa``."""

from .cli import main

if __name__ == '__main__':
    main()
