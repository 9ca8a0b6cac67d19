"""The noise of an average of frames that show the same scene."""

import math
from dataclasses import replace
from functools import singledispatch

from ladderscope.noise.coloured import Coloured
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.gaussian import Gaussian
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.photon_counting import PhotonCounting
from ladderscope.noise.poisson_gaussian import PoissonGaussian


@singledispatch
def averaged(model: NoiseModel, frames: float | int) -> NoiseModel:
    """Return the noise of the average of frames whose noise is independent.

    Its variance is that of one frame divided by their number, at every signal. These laws stay in
    their family: the sum of counts of photons is a count of photons.

    Parameters
    ----------
    model
        The noise of one frame. Other laws are added with ``averaged.register``.
    frames
        Their number.

    Raises
    ------
    NoiseError
        The average has noise of another kind, such as that of a Gaussian mixture.

    Examples
    --------
    >>> averaged(PhotonCounting(gain=16.0, offset=4.0, read_noise=2.0, shape=3.0), 4)
    PhotonCounting(gain=4.0, offset=4.0, read_noise=1.0, shape=3.0)
    """
    raise NoiseError(
        f"a noise model of kind {model.kind!r} does not give the noise of the average of "
        f"{frames} frames: give the noise of one frame as Gaussian, Poisson–Gaussian or "
        "photon-counting noise, or average the frames yourself and give the noise of the average"
    )


@averaged.register
def _(model: Gaussian, frames: float | int) -> NoiseModel:
    return Gaussian(model.sigma / math.sqrt(frames))


@averaged.register
def _(model: PoissonGaussian, frames: float | int) -> NoiseModel:
    floor = model.variance_floor / frames
    return PoissonGaussian(model.gain / frames, model.intercept / frames, floor)


@averaged.register
def _(model: PhotonCounting, frames: float | int) -> NoiseModel:
    read_noise = model.read_noise / math.sqrt(frames)
    return replace(model, gain=model.gain / frames, read_noise=read_noise)


@averaged.register
def _(model: Coloured, frames: float | int) -> NoiseModel:
    return Coloured(averaged(model.law, frames), model.autocorrelation)


def of_one_frame(model: NoiseModel, frames: int) -> NoiseModel:
    """Return the noise of one frame, from that of the average of several.

    Raises
    ------
    NoiseError
        As `averaged` does.

    Examples
    --------
    >>> of_one_frame(Gaussian(6.0), 4)
    Gaussian(sigma=12.0)
    """
    return averaged(model, 1 / frames)
