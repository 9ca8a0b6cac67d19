"""Noise models fitted to what there is: pairs, repeats, or the noisy images alone."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ladderscope.images.padding import find_padding
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.model import NoiseModel
from ladderscope.noise_estimation.checked import checked_plane
from ladderscope.noise_estimation.clipping import Ends
from ladderscope.noise_estimation.dark import Darkness, measure_darkness, with_darkness
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.from_images import fit_images
from ladderscope.noise_estimation.joint import JointHistogram
from ladderscope.noise_estimation.pairs import Kind, Request, fit_pairs
from ladderscope.noise_estimation.planes import (
    Counter,
    Stack,
    is_array,
    open_stack,
    paired,
    per_channel,
    signal_stack,
)
from ladderscope.noise_estimation.repeats import Pair, least_step, repeated_pairs

_KINDS = get_args(Kind)
_ALONE = ("poisson_gaussian", "gaussian")
MOST_PLANES = 40  # on which noisy images alone are measured: half a second for each megapixel
_FEWEST_REPEATS = 3  # of a mixture or a histogram: two are mirror images of each other

_Plane = NDArray[Any]


def fit_noise_model(
    observation: Any,
    signal: Any = None,
    kind: str = "poisson_gaussian",
    *,
    axes: str | None = None,
    repeats: str | None = None,
    offset: Any = None,
    dark: Any = None,
    components: int = 3,
    coefficients: int = 2,
) -> NoiseModel | list[NoiseModel]:
    """Fit a noise model: `measure_noise` without what else it tells.

    Parameters
    ----------
    observation, signal, kind, axes, repeats, offset, dark, components, coefficients
        As `measure_noise` takes them.

    Returns
    -------
    NoiseModel
        Or a list of them, one per channel, exactly when `axes` holds C.

    Raises
    ------
    NoiseError
        As `measure_noise` does.

    Examples
    --------
    >>> signal = np.mgrid[:128, :128][1]
    >>> noisy = 2.0 * np.random.default_rng(0).poisson(signal / 2)
    >>> abs(fit_noise_model(noisy, signal).gain - 2) < 0.1
    True
    """
    found = measure_noise(
        observation,
        signal,
        kind,
        axes=axes,
        repeats=repeats,
        offset=offset,
        dark=dark,
        components=components,
        coefficients=coefficients,
    )
    return [fit.model for fit in found] if isinstance(found, list) else found.model


def measure_noise(
    observation: Any,
    signal: Any = None,
    kind: str = "poisson_gaussian",
    *,
    axes: str | None = None,
    repeats: str | None = None,
    offset: Any = None,
    dark: Any = None,
    components: int = 3,
    coefficients: int = 2,
) -> NoiseFit | list[NoiseFit]:
    """Measure the noise on pairs, on repeats of a scene, or on noisy images alone.

    Pairs and repeats are counted into a joint histogram of signal and residual while they are
    read, plane by plane, so that memory does not grow with their number; every kind of model is
    fitted to that. Pixels farther than twelve standard deviations from their signal are left out.
    Of an array of noisy images alone at most 40 planes are read, evenly chosen.

    Parameters
    ----------
    observation
        Noisy images: anything that has a shape and can be sliced (array, memory map, Zarr), or an
        iterable of planes (y, x) of one channel, read once.
    signal
        Their signal, in the same units: of the observation's shape; or one clean image, without the
        axes S and T, that all share; or, beside an iterable, an iterable of as many planes.
        None if there is none.
    kind
        ``"poisson_gaussian"``, ``"gaussian"``, ``"mixture"`` or ``"histogram"``. Without a signal
        or repeats only the first two.
    axes
        One letter of ``STCZYX`` per dimension of the observation, in any order; 2-D needs none.
    repeats
        The axis along which the same scene was taken again and again. The signal then is
        the mean of the repeats, and the variance is corrected by n/(n−1) for it.
    offset
        Black level, camera units, if it is known; one for all channels or a list with one per
        channel.
    dark
        Dark frames, of shape (y, x) or (n, y, x), instead of an offset; in a list, one entry per
        channel.
    components, coefficients
        Of a mixture: number of Gaussians, and of coefficients of each polynomial (2 is a line).

    Returns
    -------
    NoiseFit
        Or a list of them, one per channel, exactly when `axes` holds C.

    Raises
    ------
    NoiseError
        If axes or shapes do not fit; a plane holds NaN or infinity; there are fewer than 1,000
        distinct pixels (planes that are copies of others do not count); the signal is the same
        everywhere, but the kind needs a range; repeats are identical or drift; the dark
        frame is not dark; or the kind needs a signal and there is none.

    References
    ----------
    Foi, Trimeche, Katkovnik, Egiazarian: Practical Poissonian-Gaussian noise modeling and
    fitting for single-image raw-data. IEEE Trans. Image Processing 17 (2008): the line.
    Krull, Vičar, Prakash, Lalit, Jug: Probabilistic Noise2Void. Frontiers in Computer Science 2
    (2020): the histogram. Prakash, Lalit, Tomancak, Krull, Jug: Fully unsupervised probabilistic
    Noise2Void. ISBI (2020): the mixture.

    Examples
    --------
    Ten repeats of one scene, of a camera with gain 2, read noise 3 and a black level of 100:

    >>> generator = np.random.default_rng(0)
    >>> light = np.broadcast_to(np.mgrid[:128, :128][1], (10, 128, 128))
    >>> noisy = 100 + 2.0 * generator.poisson(light / 2) + generator.normal(0, 3, light.shape)
    >>> fit = measure_noise(noisy, axes="TYX", repeats="T", offset=100)
    >>> abs(fit.model.gain - 2) < 0.1, abs(fit.read_noise - 3) < 0.3
    (True, True)
    """
    request = checked_request(kind, components, coefficients)
    if signal is None and repeats is None and kind not in _ALONE:
        raise NoiseError(
            f"a {kind} model needs pairs or repeats, as noisy images alone show no signal. Use "
            f'ladderscope.fit_noise_model(images, kind="{kind}"), which trains a denoiser first '
            f"and takes its result for the signal, or one of the kinds {', '.join(_ALONE)}"
        )
    if signal is not None and repeats is not None:
        raise NoiseError("give a signal or repeats, not both: the signal of repeats is their mean")
    if offset is not None and dark is not None:
        raise NoiseError("give an offset or dark frames, not both: dark frames show the offset")
    if is_array(observation):
        stack = open_stack(observation, axes, "the observation")
        clean = None if signal is None else _clean(signal, stack)
        images = [_from_stack(stack, clean, channel, repeats) for channel in stack.places("C")]
        has_channels = "C" in stack.axes
    else:
        images, has_channels = [_from_iterable(observation, signal, axes, repeats)], False
    offsets = per_channel(offset, len(images), "offset")
    darks = per_channel(dark, len(images), "dark frames")
    darkness = [_darkness(*given) for given in zip(offsets, darks, strict=True)]
    fits = []
    for of_channel, without_light in zip(images, darkness, strict=True):
        fit = _measure(of_channel, request)
        fits.append(fit if without_light is None else with_darkness(fit, without_light))
    return fits if has_channels else fits[0]


@dataclass
class _Images:
    """The images of one channel.

    Parameters
    ----------
    planes
        Noisy ones.
    signals
        Their signals, as many, or the plane that all share; None if there are none.
    repeated
        Instead of both, pairs made of so many repeats.
    """

    planes: Iterable[_Plane] = ()
    signals: Iterable[_Plane] | _Plane | None = None
    repeated: Callable[[Counter, list[str]], Iterator[Pair]] | None = None
    repeats: int | None = None


def checked_request(kind: str, components: int, coefficients: int) -> Request:
    """Check what is asked for."""
    if kind not in _KINDS:
        raise NoiseError(f"unknown kind of noise model {kind!r}; known are {', '.join(_KINDS)}")
    if not (1 <= components <= 16 and 1 <= coefficients <= 8):
        raise NoiseError(
            f"a mixture of {components} components with {coefficients} coefficients each: give 1 "
            "to 16 components and 1 to 8 coefficients"
        )
    return Request(cast(Kind, kind), components, coefficients)


def _clean(signal: Any, stack: Stack) -> Stack:
    """Name the axes of a signal beside an array."""
    if not is_array(signal):
        raise NoiseError(
            "the signal must be an array, as the observation is: of its shape, or one clean image"
        )
    return signal_stack(signal, stack)


def _from_iterable(
    planes: Iterable[_Plane], signal: Any, axes: str | None, repeats: str | None
) -> _Images:
    """Return the images that an iterable of planes holds; a signal of one plane goes with all."""
    if repeats is not None:
        raise NoiseError(
            "repeats need an array with axes, so that each can be read twice: give "
            f'numpy.stack(planes), axes="{repeats}YX", repeats="{repeats}"'
        )
    if axes is not None and axes.strip().upper() not in ("YX", "TYX", "SYX", "ZYX"):
        raise NoiseError(f'axes "{axes}" for an iterable of planes (y, x): leave them away')
    if signal is None or not is_array(signal):
        return _Images(planes, signal)
    if len(signal.shape) == 2:
        return _Images(planes, np.asarray(signal))
    if len(signal.shape) == 3:
        return _Images(planes, (np.asarray(signal[at]) for at in range(signal.shape[0])))
    raise NoiseError(
        f"the signal has the shape {tuple(signal.shape)}; beside an iterable of planes give one "
        "image (y, x), or as many planes"
    )


def _from_stack(
    stack: Stack, clean: Stack | None, channel: dict[str, int], repeats: str | None
) -> _Images:
    """Return the images of one channel of an array."""
    if repeats is not None:
        letter = repeats.strip().upper()
        if letter not in stack.axes or letter not in "STZ" or len(letter) != 1:
            raise NoiseError(
                f'repeats="{repeats}" is none of the axes "{stack.axes}" along which a scene can '
                "be repeated (S, T or Z)"
            )
        if stack.size(letter) < 2:
            raise NoiseError(
                f"there is only one repeat along {letter}, and at least two are needed; without "
                "repeats, leave the argument away and the noise is measured within the image"
            )
        repeated = functools.partial(repeated_pairs, stack, letter, channel)
        return _Images(repeated=repeated, repeats=stack.size(letter))
    places = list(stack.places("STZ"))
    if clean is None:
        some = places[:: -(-len(places) // MOST_PLANES)]
        return _Images(stack.plane(place | channel) for place in some)
    planes = (stack.plane(place | channel) for place in places)
    return _Images(planes, (clean.plane(place | channel) for place in places))


def _measure(images: _Images, request: Request) -> NoiseFit:
    """Measure the noise of one channel."""
    counter = Counter()
    notices: list[str] = []
    if images.repeats is None and images.signals is None:
        alone = cast(Literal["poisson_gaussian", "gaussian"], request.kind)
        fit = fit_images(_distinct(images.planes, counter), alone)
        return replace(fit, notices=(*counter.notices(), *fit.notices))
    if images.repeated is not None and images.repeats is not None:
        if request.kind not in _ALONE and images.repeats < _FEWEST_REPEATS:
            raise NoiseError(
                f"a {request.kind} model needs {_FEWEST_REPEATS} repeats at least: the residuals "
                'of two are mirror images of each other. Give more, or kind="poisson_gaussian"'
            )
        pairs = images.repeated(counter, notices)
    else:
        pairs = _pairs(images, counter)
    joint, ends, step = JointHistogram(), Ends(), 0.0
    for pair in pairs:
        marks = pair.clipping.marks
        joint.add(pair.observation, pair.signal, marks, pair.around, images.repeats or 1)
        ends.add(pair.clipping)
        step = step or pair.step
    counter.check()
    fit = fit_pairs(joint, replace(request, repeats=images.repeats, step=step, ends=ends))
    return replace(fit, notices=(*counter.notices(), *notices, *fit.notices))


def _distinct(planes: Iterable[_Plane], counter: Counter) -> Iterator[_Plane]:
    """Pass on each plane that is no copy of another; refuse if there are too few pixels."""
    for plane in planes:
        plane = np.asarray(plane)
        if counter.is_new(plane):
            yield plane
    if counter.pixels:
        counter.check()


def _pairs(images: _Images, counter: Counter) -> Iterator[Pair]:
    """Yield each plane with its signal, unless both together are a copy."""
    step = 0.0
    signals = () if images.signals is None else images.signals
    for number, (observed, clean) in enumerate(paired(images.planes, signals)):
        if observed.shape != clean.shape:
            raise NoiseError(
                f"plane {number}: the observation has the shape {observed.shape}, the signal "
                f"{clean.shape}; give pairs of the same shape"
            )
        if not counter.is_new(observed, clean):
            continue
        pixels, clipping = checked_plane(observed, f"plane {number} of the observation")
        signal, _ = checked_plane(clean, f"plane {number} of the signal")
        step = step or least_step(pixels)
        yield Pair(pixels, signal, clipping, step).without(find_padding(observed))


def _darkness(offset: Any, dark: Any) -> Darkness | None:
    """Return what is known of one channel without light."""
    if dark is not None:
        return measure_darkness(dark)
    if offset is None:
        return None
    try:
        level = float(offset)
    except (TypeError, ValueError):
        level = math.nan
    if not math.isfinite(level):
        raise NoiseError(f"the offset must be a finite number, not {offset!r}")
    return Darkness(level)
