"""What a report asks of a restorer: samples of a detail."""

from typing import Any

import numpy as np
from jaxtyping import Float32

from ladderscope.images import Image
from ladderscope.images.large import with_padding_marked
from ladderscope.machine import usual_device
from ladderscope.models.restorer import Restorer
from ladderscope.models.restoring import drawn_part


@usual_device()
def samples_of_detail(
    restorer: Restorer[Any], image: Image, detail: tuple[slice, slice], *, n: int, seed: int
) -> Float32[np.ndarray, "n channels Y X"]:
    """Draw posterior samples of a detail of the middle plane of an image.

    They are details of the samples that `Restorer.sample` draws with the same seed, but for what
    lies farther away than the overlap of the tiles. The time is that of the detail and its overlap.

    Parameters
    ----------
    restorer : Denoiser or Splitter
        Trained.
    image : Image
        As `Restorer.observed` gives it.
    detail : (slice, slice)
        Rows and columns.
    n, seed : int
        Number of samples, and their random seed.

    Examples
    --------
    >>> from ladderscope import Denoiser
    >>> noisy = np.random.default_rng(0).poisson(20, (64, 64)).astype(np.float32)
    >>> denoiser = Denoiser("tiny").fit(noisy, steps=1, progress=False)
    >>> detail = slice(0, 32), slice(16, 48)
    >>> samples_of_detail(denoiser, Image(noisy, "YX", "a"), detail, n=3, seed=0).shape
    (3, 1, 32, 32)
    """
    image = with_padding_marked(image)
    fields = restorer._fields(image)
    planes = list(image.positions())
    middle = planes[len(planes) // 2]
    in_field = {letter: index for letter, index in middle.items() if letter not in fields.space}
    number = list(image.positions(fields.space)).index(in_field)
    across = [middle[letter] for letter in fields.space[:-2] if letter in middle]
    region = (*(slice(index, index + 1) for index in across), *detail)
    drawn = drawn_part(restorer._restoring(), fields, number, region, samples=n, seed=seed)
    rows, columns = detail
    extent = {letter: slice(index, index + 1) for letter, index in middle.items()}
    cut = image.crop({**extent, "Y": rows, "X": columns})
    pictures = []
    for one in drawn:
        arrangement = restorer._arrangement(cut)
        pixels = arrangement.of(one[None], fields.space)
        pictures.append(Image(pixels, arrangement.axes, image.name).middle_planes())
    return np.stack(pictures)
