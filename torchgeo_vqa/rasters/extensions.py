# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Extensions of images and rasters."""

import re
from collections.abc import Iterable

#: Format of the images that can be read, by the end of their name. Other formats of GDAL
#: may name further files, here or elsewhere: a download must not make one of them pass
#: for an image.
DRIVERS = {
    '.tif': 'GTiff',
    '.tiff': 'GTiff',
    '.png': 'PNG',
    '.jpg': 'JPEG',
    '.jpeg': 'JPEG',
}

#: Images of OSVQA's release, in the order in which a server is asked for them.
IMAGE_EXTENSIONS = ('.png', '.tif', '.tiff')

#: Images that become PNGs in it.
JPEG_EXTENSIONS = ('.jpg', '.jpeg')

#: Rasters that are looked for in a folder that the user names.
RASTER_EXTENSIONS = ('.tif', '.tiff', '.vrt', '.jp2', '.img')


def pattern_of(extensions: Iterable[str]) -> str:
    """Return an expression, for Python and Arrow, of an extension at the end of a name."""
    return rf'(?i)({"|".join(map(re.escape, extensions))})$'
