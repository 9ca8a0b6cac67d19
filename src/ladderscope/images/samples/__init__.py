"""Images to try things on: one field of human HT29 cells in three stains, free of rights (CC0)."""

from dataclasses import replace
from importlib import resources
from typing import Literal, get_args

from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.read import read_image

SAMPLE_CREDIT = (
    "Human HT29 cells, from the CellProfiler examples (ExampleHuman); images by J. Moffat "
    "(Moffat et al., Cell, 2006). CC0."
)


_Sample = Literal["cells", "dna", "ph3"]


def sample_image(name: _Sample) -> Image:
    """Read a sample image that comes with the package.

    Parameters
    ----------
    name
        ``"cells"`` (cell bodies), ``"dna"`` (nuclei) or ``"ph3"`` (mitotic cells).

    Returns
    -------
    Image
        512×512 pixels, uint8, axes YX.

    Raises
    ------
    ImageError
        If there is no sample of that name.

    Examples
    --------
    >>> sample_image("dna").pixels.shape
    (512, 512)
    """
    if name not in (known := get_args(_Sample)):
        raise ImageError(f"there is no sample image {name!r}: choose one of {', '.join(known)}")
    with resources.as_file(resources.files(__name__) / f"{name}.tif") as path:
        return replace(read_image(path), path=None)
