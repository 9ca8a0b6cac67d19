"""Noise models fitted to files, and to noisy images alone where only a denoiser knows the signal.

What is measured on pairs, on repeats, or on flat places of noisy images is `ladderscope.noise`'s
work; here the files are opened and stream through it, plane by plane. Mixtures and histograms need
a signal. Where there is none they get that of a denoiser, trained on the same images with a
Poisson–Gaussian model that needs none (the bootstrap of PPN2V).
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ladderscope.images import (
    Image,
    ImageError,
    Sources,
    joined,
    open_image,
    open_images,
)
from ladderscope.machine import usual_device
from ladderscope.models.denoiser import Denoiser
from ladderscope.models.restoration import Restoration
from ladderscope.noise import NoiseError, NoiseModel
from ladderscope.noise_estimation import NoiseFit
from ladderscope.noise_estimation import measure_noise as measure_planes
from ladderscope.noise_estimation.fit import MOST_PLANES, checked_request
from ladderscope.noise_estimation.pairs import Kind
from ladderscope.noise_estimation.planes import per_channel
from ladderscope.words import duration

logger = logging.getLogger("ladderscope")

NEED_A_SIGNAL = ("mixture", "histogram")
MOST_PAIRS = 2**23  # pixels of a channel that a denoiser's estimate is taken of, for pairs

Item = TypeVar("Item")
Place = tuple[Image, dict[str, int]]  # of a plane


class Source(NamedTuple):
    """What the noise of one channel is measured on."""

    observation: Any
    signal: Any = None
    axes: str | None = None


@usual_device()
def fit_noise_model(
    observation: Sources,
    signal: Sources | None = None,
    kind: Kind = "poisson_gaussian",
    *,
    axes: str | None = None,
    repeats: str | None = None,
    offset: float | Sequence[float] | None = None,
    dark: Sources | None = None,
    components: int = 3,
    coefficients: int = 2,
    preset: str = "small",
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str | None = None,
    denoiser: Denoiser | None = None,
    progress: bool = True,
) -> NoiseModel | list[NoiseModel]:
    """Fit a noise model to files or arrays: `measure_noise` without what else it tells.

    Parameters
    ----------
    observation, signal, kind, axes, repeats, offset, dark, components, coefficients
        See `measure_noise`.
    preset, minutes, steps, seed, device, denoiser, progress
        See `measure_noise`.

    Returns
    -------
    NoiseModel
        Or a list of them, one per channel, exactly when the observation has a C axis.

    Raises
    ------
    LadderscopeError
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
        preset=preset,
        minutes=minutes,
        steps=steps,
        seed=seed,
        device=device,
        denoiser=denoiser,
        progress=progress,
    )
    return [fit.model for fit in found] if isinstance(found, list) else found.model


@usual_device()
def measure_noise(
    observation: Sources,
    signal: Sources | None = None,
    kind: Kind = "poisson_gaussian",
    *,
    axes: str | None = None,
    repeats: str | None = None,
    offset: float | Sequence[float] | None = None,
    dark: Sources | None = None,
    components: int = 3,
    coefficients: int = 2,
    preset: str = "small",
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str | None = None,
    denoiser: Denoiser | None = None,
    progress: bool = True,
) -> NoiseFit | list[NoiseFit]:
    """Measure the noise of files or arrays: on pairs, on repeats, or on noisy images alone.

    Files are read plane by plane, one after the other, and never as a whole. Pairs and repeats are
    used in full; of noisy images alone at most 40 planes, evenly chosen.

    Parameters
    ----------
    observation : path, pattern, folder, array, or a list of these
        Noisy images with the same axes and channels.
    signal : path, pattern, folder, array, or a list of these, optional
        Their clean counterparts in the same units: as many, in the same order and of the
        same shapes, where the axes S and T may be missing; or one for all.
    kind : "poisson_gaussian", "gaussian", "mixture" or "histogram"
        Of noise model. Without a signal and repeats, a mixture or a histogram is fitted to the
        estimate of a denoiser (PPN2V's bootstrap), which takes the minutes of its training.
    axes : str, optional
        Those of the observation, one letter per dimension over ``STCZYX``; needed where metadata
        does not tell.
    repeats : str, optional
        The axis along which the same scene was taken again and again. Several files without
        that axis are repeats of each other.
    offset : float, or one per channel, optional
        The black level, grey levels, if it is known.
    dark : path, pattern, array, or a list of these, optional
        One dark frame or several instead of an offset; with a C axis unless all channels share
        them. A stack of unknown axes is taken for frames.
    components, coefficients : int
        Of a mixture: Gaussians, and coefficients of each polynomial (2 is a line).
    preset, minutes, steps, seed, device
        Of the denoiser that is trained where one is needed: see `Denoiser`.
    denoiser : Denoiser, optional
        A fitted denoiser whose estimate is the signal, instead of training one.
    progress : bool
        Whether to show how training gets on.

    Returns
    -------
    NoiseFit
        Or a list of them, one per channel, exactly when the observation has a C axis.

    Raises
    ------
    ImageError
        A file or an array cannot be used.
    NoiseError
        Signal and observation do not match, or no noise can be measured: see
        `ladderscope.noise.measure_noise`.
    LadderscopeError
        A setting of the denoiser cannot be.

    References
    ----------
    Prakash, Lalit, Tomancak, Krull, Jug, "Fully unsupervised probabilistic Noise2Void", ISBI
    2020: the bootstrap.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = np.mgrid[:96, :96][1] + 50.0
    >>> films = [3.0 * rng.poisson(signal / 3, (2, 96, 96)) for _ in range(2)]
    >>> fit = measure_noise(films, signal, axes="TYX")
    >>> abs(fit.model.gain - 3) < 0.3
    True
    """
    # training takes minutes: what can be refused is refused before
    checked_request(kind, components, coefficients)
    if signal is not None and repeats is not None:
        raise NoiseError("give a signal or repeats, not both: the signal of repeats is their mean")
    if offset is not None and dark is not None:
        raise NoiseError("give an offset or dark frames, not both: dark frames show the offset")
    noisy = open_images(observation, axes)
    channels = noisy[0].channels
    offsets = per_channel(offset, channels, "offset")
    frames = None if dark is None else _opened_dark(dark, channels)
    notices: tuple[str, ...] = ()
    if repeats is not None:
        source = _of_repeats(noisy, repeats)
    elif signal is not None:
        source = _of_pairs(_matched(noisy, signal))
    elif kind in NEED_A_SIGNAL or denoiser is not None:
        if denoiser is None:
            denoiser = _trained(noisy, preset, minutes, steps, seed, device, progress)
            spent = duration(denoiser.model.outcome.seconds)
            notices = (
                f"No clean images were given: the estimate of a denoiser, trained for {spent} on "
                "these images, was taken for the signal.",
            )
        else:
            notices = ("The estimate of the denoiser that was given was taken for the signal.",)
        source = _of_estimates(noisy, denoiser, progress)
    else:
        source = _of_planes(noisy)
    fits = []
    for channel in range(channels):
        found = source(channel)
        measured = measure_planes(
            found.observation,
            found.signal,
            kind,
            axes=found.axes,
            repeats=None if repeats is None else repeats.upper(),
            offset=offsets[channel],
            dark=None if frames is None else frames.channel(channel).pixels,
            components=components,
            coefficients=coefficients,
        )
        fit = cast(NoiseFit, measured)  # of one channel
        fits.append(replace(fit, notices=(*notices, *fit.notices)))
    return fits if "C" in noisy[0].axes else fits[0]


def _of_planes(noisy: Sequence[Image]) -> Callable[[int], Source]:
    places = _evenly(_places(noisy), MOST_PLANES)
    return lambda channel: Source(_planes(places, channel))


def _of_pairs(pairs: Sequence[tuple[Image, Image]]) -> Callable[[int], Source]:
    observed = _places([image for image, _ in pairs])
    clean = [
        (signal, {letter: position[letter] for letter in signal.others})
        for image, signal in pairs
        for position in image.positions()
    ]
    return lambda channel: Source(_planes(observed, channel), _planes(clean, channel))


def _of_repeats(noisy: Sequence[Image], repeats: str) -> Callable[[int], Source]:
    axes = noisy[0].axes
    letters = (letter for letter in (repeats.upper(), "S", "T", "Z") if letter not in axes)
    free = next((letter for letter in letters if letter in ("S", "T", "Z")), None)
    if free is None and len(noisy) > 1:
        raise NoiseError(
            f"repeats within several files of axes {axes} cannot be told apart; fit one file at a "
            "time"
        )
    scenes = noisy[0] if free is None or len(noisy) == 1 else joined(noisy, free)

    def source(channel: int) -> Source:
        scene = scenes.channel(channel)
        return Source(scene.pixels, axes=scene.axes)

    return source


def _of_estimates(
    noisy: Sequence[Image], denoiser: Denoiser, progress: bool
) -> Callable[[int], Source]:
    """Pair planes with what a denoiser makes of them."""
    places, pixels = [], 0
    for place in _evenly(_places(noisy), MOST_PLANES):
        places.append(place)
        pixels += place[0].sizes["Y"] * place[0].sizes["X"]
    images = _gathered(_evenly(places, max(1, len(places) * MOST_PAIRS // pixels)))
    # Sixteen samples take ten times as long, and models fitted to their mean are no better.
    restored = denoiser.predict(images, samples=0, progress=progress)
    estimates = cast(list[Restoration], restored)  # of a list
    return _of_pairs(
        [
            (open_image(image), Image(one.mean, one.axes, one.name))
            for image, one in zip(images, estimates, strict=True)
        ]
    )


def _trained(
    noisy: Sequence[Image],
    preset: str,
    minutes: float | None,
    steps: int | None,
    seed: int,
    device: str | None,
    progress: bool,
) -> Denoiser:
    denoiser = Denoiser(preset, seed=seed, device=device)
    logger.info(
        "there is no clean image: a denoiser is trained first, and what it makes of the noisy "
        "images is taken for the signal"
    )
    images = _gathered(_evenly(_places(noisy), MOST_PLANES))
    return denoiser.fit(images, minutes=minutes, steps=steps, progress=progress)


def _places(images: Sequence[Image]) -> list[Place]:
    return [(image, position) for image in images for position in image.positions()]


def _evenly(items: list[Item], most: int) -> list[Item]:
    return items[:: -(-len(items) // most)]


def _planes(places: Sequence[Place], channel: int) -> Iterator[NDArray[Any]]:
    for image, position in places:
        yield image.plane(position, channel)


def _gathered(places: Sequence[Place]) -> list[Image]:
    """Read planes, those of a file into one image."""
    images = []
    for image in dict.fromkeys(image for image, _ in places):
        planes = np.stack(
            [
                [image.plane(position, channel) for channel in range(image.channels)]
                for of, position in places
                if of is image
            ]
        )
        if "C" in image.axes:
            images.append(Image(planes, "SCYX", image.name, channel_names=image.channel_names))
        else:
            images.append(Image(planes[:, 0], "SYX", image.name))
    return images


def _matched(noisy: Sequence[Image], signal: Sources) -> list[tuple[Image, Image]]:
    """Pair each image with its signal, whose axes may be told by those of the images only."""
    axes = noisy[0].axes
    errors: list[NoiseError | ImageError] = []
    for letters in (None, axes, "".join(letter for letter in axes if letter not in "ST")):
        try:
            return _paired(noisy, open_images(signal, letters, own_outputs=True))
        except (NoiseError, ImageError) as error:
            errors.append(error)
    raise next((error for error in errors if isinstance(error, NoiseError)), errors[0])


def _paired(noisy: Sequence[Image], clean: Sequence[Image]) -> list[tuple[Image, Image]]:
    if len(clean) not in (1, len(noisy)):
        raise NoiseError(
            f"{len(noisy)} observations and {len(clean)} signals: give one signal for each, in the "
            "same order, or one for all"
        )
    pairs = list(zip(noisy, [*clean] * (len(noisy) // len(clean)), strict=True))
    for image, signal in pairs:
        missing = set(image.axes) - set(signal.axes)
        alike = all(image.sizes.get(letter) == size for letter, size in signal.sizes.items())
        if not (missing <= {"S", "T"} and alike):
            raise NoiseError(
                f"{signal.name}, a signal, has the shape {signal.shape} ({signal.axes}), and "
                f"{image.name}, its observation, {image.shape} ({image.axes}): give both the same "
                "shape, or one clean image without S and T"
            )
    return pairs


def _opened_dark(dark: Sources, channels: int) -> Image:
    try:
        found = open_images(dark, own_outputs=True)
    except ImageError as error:
        try:
            found = open_images(dark, "SYX", own_outputs=True)
        except ImageError:
            raise error from None
    frames = joined(found, "S") if len(found) > 1 else found[0]
    one = frames.channel(0)
    if len(one.axes) > 3 or not one.axes.endswith("YX"):
        raise NoiseError(
            f"the dark frames have the shape {frames.shape} ({frames.axes}); give one frame, a "
            "stack of them, or a file for each"
        )
    if frames.channels not in (1, channels):
        raise NoiseError(
            f"the dark frames have {frames.channels} channels and the images {channels}: give "
            "dark frames with the same channels, or without"
        )
    return frames
