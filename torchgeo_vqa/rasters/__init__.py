# SPDX-License-Identifier: MIT
"""Raster files: images, their grids, and where they lie."""
