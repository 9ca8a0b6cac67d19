"""The noise of each channel, measured on what there is of it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ladderscope.events import MeasuringNoise, tell
from ladderscope.images.padding import find_padding
from ladderscope.images.stored import Pixels
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.checked import with_clipping
from ladderscope.noise_estimation.choice import choose
from ladderscope.noise_estimation.clipping import Ends
from ladderscope.noise_estimation.dark import Darkness, measure_darkness, with_darkness
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.flat_pixels import FlatPixels
from ladderscope.noise_estimation.from_images import fit_images
from ladderscope.noise_estimation.joint import JointHistogram
from ladderscope.noise_estimation.kinds import FITTABLE, USUAL, with_signal, without_signal
from ladderscope.noise_estimation.pairs import Request, fit_pairs
from ladderscope.noise_estimation.planes import Counter, paired
from ladderscope.noise_estimation.repeats import Pair, least_step
from ladderscope.noise_estimation.sources import Source
from ladderscope.noise_estimation.wanted import CHOSEN_KINDS, Wanted
from ladderscope.progress import Listener, part_of

_Plane = NDArray[Any]
_Item = TypeVar("_Item")


def checked_request(
    kind: str,
    components: int,
    coefficients: int,
    *,
    signal: Any = None,
    repeats: Any = None,
    offset: Any = None,
    dark: Any = None,
    estimate: Any = None,
) -> Request:
    """Check what is asked for, before anything is read.

    Parameters
    ----------
    kind, components, coefficients, signal, repeats, offset, dark
        As `measure_noise` takes them.
    estimate
        What estimates the signal, if something does.

    Raises
    ------
    NoiseError
        If the kind is unknown, a number is out of range, or two arguments exclude each other.
    """
    if kind not in (known := [*FITTABLE, *CHOSEN_KINDS]):
        raise NoiseError(
            f"cannot fit a noise model of kind {kind!r}; the kinds that can be fitted are "
            f"{', '.join(known)}"
        )
    given = (signal, repeats, offset, dark, estimate)
    if kind in CHOSEN_KINDS and any(one is not None for one in given):
        raise NoiseError(
            f'kind="{kind}" is measured on noisy images alone: leave out the signal, the '
            "repeats, the denoiser, the offset and the dark frames, or give one of the kinds "
            f"{', '.join(FITTABLE)}"
        )
    if not (1 <= components <= 16 and 1 <= coefficients <= 8):
        raise NoiseError(
            f"a mixture of {components} components with {coefficients} coefficients each: give 1 "
            "to 16 components and 1 to 8 coefficients"
        )
    if signal is not None and repeats is not None:
        raise NoiseError("give a signal or repeats, not both: the signal of repeats is their mean")
    if offset is not None and dark is not None:
        raise NoiseError("give an offset or dark frames, not both: dark frames show the offset")
    return Request(kind, components, coefficients)


def measured(
    sources: Sequence[Source],
    request: Request,
    offsets: Sequence[Any],
    darks: Sequence[Any],
    report: Listener | None = None,
    should_stop: ShouldStop | None = None,
) -> list[NoiseFit]:
    """Measure the noise of each channel.

    Parameters
    ----------
    sources
        What to measure on.
    request
        What to fit.
    offsets, darks
        Black level and dark frames of each channel, or None.
    report, should_stop
        Called after each plane, with the completed fraction, and before it.

    Raises
    ------
    NoiseError
        If no noise can be measured, or the dark frames are not dark, or the kind needs a signal and
        there is none.
    StopRequested
        If `should_stop` returned True.
    """
    if request.kind in with_signal() and any(source.is_alone for source in sources):
        raise NoiseError(
            f"a {request.kind} model needs pairs or repeats, as noisy images alone show no signal. "
            f'Use ladderscope.fit_noise_model(images, kind="{request.kind}"), which trains a '
            "denoiser first and takes its estimate as the signal, or one of the kinds "
            f"{', '.join(without_signal())}"
        )
    darkness = [_darkness(*given) for given in zip(offsets, darks, strict=True)]
    fits = []
    for number, (source, without_light) in enumerate(zip(sources, darkness, strict=True)):
        part = part_of(report, number, len(sources))
        watching = _watching(number + 1, source.count, part, should_stop)
        fit = _measured(source, request, without_light, watching)
        fits.append(fit if without_light is None else with_darkness(fit, without_light))
        if part is not None:
            part(1.0, f"measured the noise of channel {number + 1} of {len(sources)}")
    return fits


def _watching(
    channel: int, count: int | None, report: Listener | None, should_stop: ShouldStop | None
) -> Callable[[Iterable[_Item]], Iterator[_Item]]:
    """Make what passes on planes, asks before each whether to stop, and reports it afterwards."""

    def watched(planes: Iterable[_Item]) -> Iterator[_Item]:
        for number, plane in enumerate(planes, start=1):
            stop_if(should_stop, "measuring the noise")
            yield plane
            if report is not None and count is not None:
                report(number / count, f"measuring the noise, plane {number} of {count}")
                tell(MeasuringNoise(channel, number, count))

    return watched


def _measured(
    images: Source,
    request: Request,
    darkness: Darkness | None,
    watched: Callable[[Iterable[Any]], Iterator[Any]],
) -> NoiseFit:
    """Measure the noise of one channel."""
    counter = Counter()
    notices: list[str] = []
    if images.is_alone:
        planes = _distinct(watched(images.planes), counter)
        if request.kind in CHOSEN_KINDS:
            fit = _chosen([*planes], CHOSEN_KINDS[request.kind], images.stacks)
        else:
            fit = fit_images(planes, request.kind, darkness)
        return replace(fit, notices=(*counter.notices(), *fit.notices))
    if images.repeated is not None and images.repeats is not None:
        fewest = FITTABLE[request.kind].fewest_repeats
        if images.repeats < fewest:
            raise NoiseError(
                f"a {request.kind} model needs at least {fewest} repeats: the residuals of two are "
                f'mirror images of each other. Give more, or kind="{USUAL}"'
            )
        pairs = images.repeated(counter, notices)
    else:
        pairs = _pairs(images, counter)
    how = FITTABLE[request.kind]
    joint, ends, step, pixels = JointHistogram(), Ends(), 0.0, FlatPixels()
    for number, pair in enumerate(watched(pairs)):
        marks = pair.clipping.marks
        joint.add(pair.observation, pair.signal, marks, pair.around, images.repeats or 1)
        ends.add(pair.clipping)
        step = step or pair.step
        if how.of_pixels:
            pixels.add_pair(pair, number)
    counter.check()
    asked = replace(request, repeats=images.repeats, step=step, ends=ends)
    if how.of_pixels:
        fit = how.load()(fit_pairs(joint, replace(asked, kind=USUAL)), pixels, darkness)
    else:
        fit = fit_pairs(joint, asked)
    return replace(fit, notices=(*counter.notices(), *notices, *fit.notices))


def _chosen(planes: Sequence[_Plane], asked: Wanted, stacks: Sequence[Pixels]) -> NoiseFit:
    """Let the images choose; why, and what the choice does not describe, become notices."""
    choice = choose(planes, asked, stacks=stacks)
    warnings = (f"Warning: {text}." for text in choice.warnings)
    return replace(choice.fit, notices=(*choice.reasons, *choice.fit.notices, *warnings))


def _distinct(planes: Iterable[_Plane], counter: Counter) -> Iterator[_Plane]:
    """Pass on each plane that is no copy of another; refuse if there are too few pixels."""
    for plane in planes:
        if counter.is_new(plane):
            yield plane
    if counter.pixels:
        counter.check()


def _pairs(images: Source, counter: Counter) -> Iterator[Pair]:
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
        pixels, clipping = with_clipping(observed)
        signal = clean.astype(np.float64)
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
