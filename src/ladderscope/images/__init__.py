"""Reading, checking, measuring and writing images.

Nothing here knows of models: paths and arrays come in, `Image` objects go to whoever works on
their planes, and arrays go out as OME-TIFF or OME-Zarr, complete or absent.
"""

from ladderscope.images.acquisition import Acquisition, Objective
from ladderscope.images.casting import cast_to
from ladderscope.images.channels import numbered_channels
from ladderscope.images.check import check_same_kind
from ladderscope.images.errors import ImageError
from ladderscope.images.find import Found, Source, Sources, find_images, is_one_image
from ladderscope.images.image import Image
from ladderscope.images.joining import joined
from ladderscope.images.read import open_image, open_images, read_image, read_images
from ladderscope.images.samples import SAMPLE_CREDIT, sample_image
from ladderscope.images.statistics import Statistics, channel_statistics
from ladderscope.images.write import write_image

__all__ = [
    "SAMPLE_CREDIT",
    "Acquisition",
    "Found",
    "Image",
    "ImageError",
    "Objective",
    "Source",
    "Sources",
    "Statistics",
    "cast_to",
    "channel_statistics",
    "check_same_kind",
    "find_images",
    "is_one_image",
    "joined",
    "numbered_channels",
    "open_image",
    "open_images",
    "read_image",
    "read_images",
    "sample_image",
    "write_image",
]
