"""Images to try things on: one field of human HT29 cells in three stains, free of rights (CC0)."""

from dataclasses import replace
from importlib import resources
from typing import Literal, get_args

import numpy as np

from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.read import read_image

SAMPLE_CREDIT = (
    "Human HT29 cells, from the CellProfiler examples (ExampleHuman); images by J. Moffat "
    "(Moffat et al., Cell, 2006). CC0."
)

_PHOTONS_PER_UNIT = 0.5
_READ_NOISE = 3.0

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


def with_noise(image: Image, number: int = 0) -> Image:
    """Count photons and read them out: half a photon per unit, and read noise of 3 units.

    Parameters
    ----------
    image
        A clean image.
    number
        Random seed.

    Returns
    -------
    Image
        float32.

    Examples
    --------
    >>> with_noise(sample_image("dna")).dtype.name
    'float32'
    """
    rng = np.random.default_rng([0, number])
    photons = rng.poisson(_PHOTONS_PER_UNIT * image.array.astype(np.float64))
    pixels = photons / _PHOTONS_PER_UNIT + rng.normal(0.0, _READ_NOISE, image.shape)
    return replace(image, pixels=pixels.astype(np.float32))
