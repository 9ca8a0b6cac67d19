"""Noise models fitted to files, and to noisy images alone where only a denoiser knows the signal.

Gaussian mixtures and histograms need a signal. Where there is none, they take the estimate of a
denoiser that is trained on the same images with a Poisson–Gaussian model, which needs none (the
bootstrap of PPN2V). Everything else is measured by `ladderscope.noise_estimation`.
"""

import logging
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from ladderscope.images import Image, Sources, open_image
from ladderscope.interruption import ShouldStop
from ladderscope.machine import usual_device
from ladderscope.models.denoiser import Denoiser
from ladderscope.models.restoration import Restoration
from ladderscope.noise import NoiseModel
from ladderscope.noise_estimation.fitted import NoiseFit, models_of, with_arguments_of
from ladderscope.noise_estimation.from_files import Estimated, measure_files
from ladderscope.noise_estimation.kinds import with_signal
from ladderscope.noise_estimation.planes import MOST_PLANES
from ladderscope.noise_estimation.sources import PlaneOf, evenly, planes_of
from ladderscope.progress import Listener, listener_of, part_of
from ladderscope.words import duration

logger = logging.getLogger("ladderscope")

MOST_PAIRS = 2**23  # pixels of a channel for which a denoiser estimates the signal


@usual_device()
def measure_noise(
    observation: Sources,
    signal: Sources | None = None,
    kind: str = "poisson_gaussian",
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
    progress: bool | Listener = True,
    should_stop: ShouldStop | None = None,
) -> NoiseFit | list[NoiseFit]:
    """Measure the noise of files or arrays: on pairs, on repeats, or on noisy images alone.

    Files are read plane by plane, never as a whole. All pairs and repeats are used, and at most 40
    planes, evenly chosen, of noisy images alone.

    Parameters
    ----------
    observation : path, pattern, folder, array, or a list of these
        Noisy images with the same axes and channels.
    signal : path, pattern, folder, array, or a list of these, optional
        Their clean counterparts in the same units: as many, in the same order and of the
        same shapes (but for the axes S and T, which they may lack); or one for all.
    kind : str
        The kind of noise model: ``"poisson_gaussian"``, ``"gaussian"``, ``"photon_counting"``,
        ``"mixture"`` or ``"histogram"``. Where the images do not show photon-counting noise,
        Poisson–Gaussian noise is given instead, with a notice. Without a signal or repeats, a
        Gaussian mixture or a histogram is fitted to the estimate of a denoiser (the bootstrap of
        PPN2V), which is trained first. Or, of noisy images alone, what a `Denoiser` measures:
        ``"auto"``, ``"correlated_gaussian"`` or ``"correlated_poisson_gaussian"``.
    axes : str, optional
        Those of the observation, one letter per dimension over ``STCZYX``; needed where the
        metadata does not give them.
    repeats : str, optional
        The axis along which one scene was recorded repeatedly. Several files without that axis
        are repeats of each other.
    offset : float, or one per channel, optional
        The black level in grey levels, if it is known.
    dark : path, pattern, array, or a list of these, optional
        One or more dark frames, instead of an offset; with a C axis unless all channels share
        them. A stack of unknown axes is read as frames.
    components, coefficients : int
        Of a Gaussian mixture: number of Gaussians, and of coefficients of each polynomial (2 is a
        line).
    preset, minutes, steps, seed, device
        Settings of the denoiser that is trained where one is needed: see `Denoiser`.
    denoiser : Denoiser, optional
        A fitted denoiser that estimates the signal, instead of training one.
    progress : bool or callable
        Whether to show a progress bar. A callable is called in the worker thread with the
        completed fraction (0 to 1) and a message.
    should_stop : callable, optional
        Called repeatedly without arguments; return True to stop. Another thread may set it.

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
        A setting of the denoiser is invalid.
    StopRequested
        `should_stop` returned True (a `LadderscopeError` of `ladderscope.interruption`).

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

    def estimated(noisy: Sequence[Image], report: Listener | None) -> Estimated:
        if denoiser is not None:
            notice = "The estimate of the given denoiser was used as the signal."
            return Estimated(_estimates(noisy, denoiser, report, should_stop), notice)
        logger.info(
            "there are no clean images: a denoiser is trained first, and its estimate of the noisy "
            "images is used as the signal"
        )
        trained = Denoiser(preset, seed=seed, device=device).fit(
            _gathered(evenly(planes_of(noisy), MOST_PLANES)),
            minutes=minutes,
            steps=steps,
            progress=part_of(report, 0, 10, 9) or False,
            should_stop=should_stop,
        )
        notice = (
            "No clean images were given: the estimate of a denoiser, trained on these images for "
            f"{duration(trained.model.outcome.seconds)}, was used as the signal."
        )
        rest = part_of(report, 9, 10)
        return Estimated(_estimates(noisy, trained, rest, should_stop), notice)

    needs_estimate = denoiser is not None or kind in with_signal()
    with listener_of(progress) as report:
        return measure_files(
            observation,
            signal,
            kind,
            axes=axes,
            repeats=repeats,
            offset=offset,
            dark=dark,
            components=components,
            coefficients=coefficients,
            estimate=estimated if needs_estimate else None,
            report=report,
            should_stop=should_stop,
        )


@with_arguments_of(measure_noise)
def fit_noise_model(*given: Any, **named: Any) -> NoiseModel | list[NoiseModel]:
    """Fit a noise model to files or arrays: the models alone that `measure_noise` finds.

    It takes the same arguments.

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
    return models_of(measure_noise(*given, **named))


def _estimates(
    noisy: Sequence[Image],
    denoiser: Denoiser,
    report: Listener | None,
    should_stop: ShouldStop | None,
) -> list[tuple[Image, Image]]:
    """Pair planes with what a denoiser makes of them."""
    places = evenly(planes_of(noisy), MOST_PLANES)
    pixels = sum(image.sizes["Y"] * image.sizes["X"] for image, _ in places)
    images = _gathered(evenly(places, max(1, len(places) * MOST_PAIRS // pixels)))
    # Sixteen samples take ten times as long, and models fitted to their mean are no better.
    restored = denoiser.predict(
        images, samples=0, progress=report or False, should_stop=should_stop
    )
    estimates = cast(list[Restoration], restored)  # of a list
    return [
        (open_image(image), open_image(Image(one.mean, one.axes, one.name)))
        for image, one in zip(images, estimates, strict=True)
    ]


def _gathered(places: Sequence[PlaneOf]) -> list[Image]:
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
