"""Noise measured on files: opened, matched, and streamed through plane by plane."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from ladderscope.images import Image, ImageError, Sources, joined, open_images
from ladderscope.interruption import ShouldStop
from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.black_levels import (
    MOST_FILES,
    PLANES_OF_A_FILE,
    about_black_levels,
    told_apart,
)
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.measuring import checked_request, measured
from ladderscope.noise_estimation.planes import per_channel
from ladderscope.noise_estimation.sources import evenly, noisy_alone, of_pairs, of_repeats
from ladderscope.progress import Listener, part_of


class Estimated(NamedTuple):
    """Noisy images with an estimate of their signal, and a sentence on where it comes from."""

    pairs: Sequence[tuple[Image, Image]]
    notice: str


Estimate: TypeAlias = Callable[[Sequence[Image], Listener | None], Estimated]


def measure_files(
    observation: Sources,
    signal: Sources | None,
    kind: str,
    *,
    axes: str | None,
    repeats: str | None,
    offset: float | Sequence[float] | None,
    dark: Sources | None,
    components: int,
    coefficients: int,
    estimate: Estimate | None = None,
    report: Listener | None = None,
    should_stop: ShouldStop | None = None,
) -> NoiseFit | list[NoiseFit]:
    """Measure the noise of files or arrays: on pairs, on repeats, or on noisy images alone.

    Parameters
    ----------
    observation, signal, kind, axes, repeats, offset, dark, components, coefficients
        As `ladderscope.measure_noise` takes them.
    estimate
        Where there is neither a signal nor repeats: gives an estimate of the signal. It is called
        once everything that can be refused has been.
    report, should_stop
        Called after each plane, with the completed fraction, and before it.

    Raises
    ------
    ImageError
        If a file or an array cannot be used.
    NoiseError
        If signal and observation do not match, or no noise can be measured.
    StopRequested
        If `should_stop` returned True.
    """
    request = checked_request(
        kind,
        components,
        coefficients,
        signal=signal,
        repeats=repeats,
        offset=offset,
        dark=dark,
        estimate=estimate,
    )
    noisy = open_images(observation, axes)
    channels = noisy[0].channels
    offsets = per_channel(offset, channels, "offset")
    frames = None if dark is None else _opened_dark(dark, channels)
    notices: tuple[str, ...] = ()
    if repeats is not None:
        sources = of_repeats(_joined(noisy, repeats.strip().upper()), repeats)
    elif signal is not None:
        sources = of_pairs(_matched(noisy, signal))
    elif estimate is not None:
        estimated = estimate(noisy, part_of(report, 0, 10, 9))
        report = part_of(report, 9, 10)
        sources, notices = of_pairs(estimated.pairs), (estimated.notice,)
    else:
        sources = noisy_alone(noisy)
    darks = [None if frames is None else frames.channel(at).pixels for at in range(channels)]
    scenes = noisy if repeats is None else []
    found = measured(sources, request, offsets, darks, report, should_stop)
    fits = [
        replace(fit, notices=(*notices, *fit.notices, *_about_black_levels(scenes, channel)))
        for channel, fit in enumerate(found)
    ]
    return fits if "C" in noisy[0].axes else fits[0]


def _about_black_levels(noisy: Sequence[Image], channel: int) -> tuple[str, ...]:
    """Warn if the black levels of two files differ, which one noise model cannot describe."""
    if len(noisy) < 2:
        return ()
    some = evenly([*noisy], MOST_FILES)
    planes = (
        [image.plane(at, channel) for at in evenly([*image.positions()], PLANES_OF_A_FILE)]
        for image in some
    )
    names = told_apart([image.name for image in some])
    found = about_black_levels(dict(zip(names, planes, strict=True)))
    return () if found is None else (f"Warning: {found}.",)


def _joined(noisy: Sequence[Image], repeats: str) -> Image:
    """Put several files behind each other, along the axis of the repeats if it is free."""
    if len(noisy) == 1:
        return noisy[0]
    axes = noisy[0].axes
    free = [letter for letter in (repeats, *"STZ") if letter in "STZ" and letter not in axes]
    if not free:
        raise NoiseError(
            f"repeats within several files of axes {axes} cannot be told apart; fit one file at a "
            "time"
        )
    return joined(noisy, free[0])


def _matched(noisy: Sequence[Image], signal: Sources) -> list[tuple[Image, Image]]:
    """Pair each image with its signal, whose axes may be known only from those of the images."""
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
            f"{len(noisy)} observations and {len(clean)} signals: give one signal per observation, "
            "in the same order, or one for all"
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
