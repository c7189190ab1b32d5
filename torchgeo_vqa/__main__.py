# SPDX-License-Identifier: MIT
"""Run the command ``torchgeo-vqa`` as ``python -m torchgeo_vqa``."""

from .cli import main

if __name__ == '__main__':
    main()
