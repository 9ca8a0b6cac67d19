"""Which of several models fits an image: by the likelihood that each gives to it.

Each model is asked for the evidence lower bound of the same patches, the logarithm of a density in
grey levels. Its normalisation and its noise model are part of it, so that models of different
cameras and exposures can be compared: one that expects more noise than there is, or less, or other
structures, gives the image a lower likelihood.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ladderscope.data import fields_of, validation_batch
from ladderscope.data.fields import PatchShape, side_for
from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.checks import Light
from ladderscope.evaluation.checks.check import worst
from ladderscope.images import Image, Sources, read_image
from ladderscope.images.artefacts import with_padding
from ladderscope.images.find import find_images
from ladderscope.losses import ConstantKLWeight
from ladderscope.machine import best_device, fast_type, usual_device
from ladderscope.models.denoiser import Denoiser
from ladderscope.models.load import load
from ladderscope.models.restoring import restored_fields
from ladderscope.models.splitter import Splitter
from ladderscope.training import DenoisingModule
from ladderscope.words import counted

_LARGEST = {"Z": 16, "Y": 1024, "X": 1024}
_SIDE, _SEED = 64, 0


@dataclass(frozen=True)
class Fit:
    """How a model fits an image.

    Attributes
    ----------
    model : str
        Its name.
    nats : float, optional
        Negative evidence lower bound per pixel, in nats: the lower, the likelier the image. None if
        the model cannot be compared.
    light : str, optional
        The traffic light of the image that the model restores in a single pass.
    reason : str
        The gravest finding about that restoration, or why there is none.
    """

    model: str
    nats: float | None
    light: Light | None
    reason: str


@dataclass(frozen=True)
class Choice:
    """Which model fits an image.

    Attributes
    ----------
    fits : tuple of Fit
        All models, the likeliest first; those that cannot be compared last.
    """

    fits: tuple[Fit, ...]

    @property
    def best(self) -> Fit | None:
        """The likeliest model whose restoration has no red light; None if there is none."""
        return next((one for one in self.fits if one.light in ("green", "amber")), None)


@usual_device()
def choose(
    image: Sources,
    models: Sequence[str | os.PathLike[str] | Denoiser | Splitter],
    axes: str | None = None,
    *,
    device: str | None = None,
) -> Choice:
    """Choose the denoiser that fits an image, or none.

    Parameters
    ----------
    image : path or array
        One image; of a large one, its middle is looked at.
    models : sequence of path, Denoiser or Splitter
        Model files, or fitted restorers.
    axes : str, optional
        Axes of the image, if its file does not state them.
    device : str, optional
        Where to compute; by default the best device that is available.

    Returns
    -------
    Choice
        The models in order of their likelihood, and the best one.

    Raises
    ------
    ImageError
        The image cannot be used.
    LadderscopeError
        There is more than one image, or no model.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> rng = np.random.default_rng(0)
    >>> dim, bright = (rng.normal(level, 3.0, (64, 64)) for level in (50.0, 900.0))
    >>> models = [
    ...     Denoiser("tiny", noise=Gaussian(3.0)).fit(one, steps=5, progress=False)
    ...     for one in (dim, bright)
    ... ]
    >>> found = choose(dim, models)
    >>> found.fits[0].model, found.fits[0].nats < found.fits[1].nats
    ('model 1', True)
    """
    if not models:
        raise LadderscopeError("no model is given: give one or more .ladder files")
    sources = find_images(image).sources
    if len(sources) > 1:
        raise LadderscopeError(f"{len(sources)} images found: give one image to choose a model for")
    part = _middle_of(read_image(sources[0], axes))
    fits = []
    for number, model in enumerate(models, start=1):
        restorer, name = (
            (model, f"model {number}")
            if isinstance(model, Denoiser | Splitter)
            else (load(model, device=device), str(model))
        )
        fits.append(_fit(restorer, name, part))
    return Choice(tuple(sorted(fits, key=lambda one: (one.nats is None, one.nats or 0.0))))


def _fit(restorer: Denoiser | Splitter, name: str, image: Image) -> Fit:
    if not isinstance(restorer, Denoiser):
        return Fit(name, None, None, "a splitter has no likelihood of a mixed image")
    if not restorer.model.noise_models:
        return Fit(name, None, None, "the model has no noise model, and therefore no likelihood")
    channels = len(restorer.model.statistics)
    if image.channels != channels:
        found = counted(image.channels, "channel")
        return Fit(name, None, None, f"the image has {found}, and the model {channels}")
    try:
        observed = with_padding(restorer.observed(image))
        nats = _nats_per_pixel(restorer, observed)
        mean, *_ = restored_fields(
            restorer._restoring(), restorer._fields(observed), samples=0, seed=_SEED
        )
    except LadderscopeError as error:
        return Fit(name, None, None, str(error))
    gravest = worst(restorer._checks(observed, mean))
    if gravest is None:
        return Fit(name, nats, None, "the restoration could not be checked")
    return Fit(name, nats, gravest.light, f"{gravest.name}: {gravest.reason}")


def _nats_per_pixel(denoiser: Denoiser, image: Image) -> float:
    """Give the negative evidence lower bound of an image's patches, without free bits."""
    settings, model = denoiser.settings, denoiser.model
    of_image = np.argsort(denoiser._channels(image))
    device = best_device(denoiser.device)
    module = DenoisingModule(
        denoiser._ready_network(),
        [model.noise_models[number] for number in of_image],
        [model.statistics[number] for number in of_image],
        free_bits=0.0,
        kl_weight=ConstantKLWeight(1.0),
        autocast=fast_type(device),
    )
    fields = fields_of([image], denoiser._space)
    multiple = settings.patch_multiple
    side = side_for(fields, -(-_SIDE // multiple) * multiple, multiple)
    shape = PatchShape(side, settings.depth if settings.dimensions == 3 else None, settings.context)
    objective, _ = module.to(device).validate(validation_batch(fields, shape, _SEED))
    denoiser._ready_network()
    return float(objective.loss)


def _middle_of(image: Image) -> Image:
    """Cut out the middle of a large image: all its channels, at one time of one sample."""
    extent = {letter: slice(1) for letter in image.others}
    for letter in image.sizes.keys() & _LARGEST:
        size = image.sizes[letter]
        side = min(size, _LARGEST[letter])
        extent[letter] = slice((size - side) // 2, (size - side) // 2 + side)
    return replace(image.crop(extent), name=image.name)
