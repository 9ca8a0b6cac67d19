"""Noise measured on arrays and planes: on pairs, repeats, or the noisy images alone."""

from typing import Any

from ladderscope.interruption import ShouldStop
from ladderscope.noise.model import NoiseModel
from ladderscope.noise_estimation.fitted import NoiseFit, models_of, with_arguments_of
from ladderscope.noise_estimation.measuring import checked_request, measured
from ladderscope.noise_estimation.planes import is_image, opened, per_channel, signal_of
from ladderscope.noise_estimation.sources import noisy_alone, of_iterable, of_pairs, of_repeats
from ladderscope.progress import Listener, listener_of


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
    progress: bool | Listener = False,
    should_stop: ShouldStop | None = None,
) -> NoiseFit | list[NoiseFit]:
    """Measure the noise on pairs, on repeats of a scene, or on noisy images alone.

    Pairs and repeats are counted into a joint histogram of signal and residual while they are
    read, plane by plane, so that memory does not grow with their number; every kind of model is
    fitted to that. Pixels farther than twelve standard deviations from their signal are left out.
    Of an array of noisy images alone at most 40 planes are read, evenly chosen.

    Parameters
    ----------
    observation
        Noisy images: an array (of NumPy, in a memory map, of Zarr, or the like), an `Image`, or an
        iterable of planes (y, x) of one channel, read once.
    signal
        Their signal, in the same units: of the observation's shape; or one clean image, without the
        axes S and T, that all share; or, with an iterable, an iterable of as many planes.
    axes
        One letter of ``STCZYX`` per dimension of the observation, in any order; two dimensions need
        none.
    kind, repeats, offset, components, coefficients
        As `ladderscope.measure_noise` takes them. Without a signal or repeats, only a kind that
        noisy images alone show. The variance of n repeats is corrected by n/(n−1).
    dark
        Dark frames, of shape (y, x) or (n, y, x), instead of an offset; in a list, one entry per
        channel.
    progress
        Whether to show a progress bar. A callable is called in the worker thread with the
        completed fraction (0 to 1) and a message.
    should_stop
        Called before each plane without arguments; return True to stop. Another thread may set it.

    Returns
    -------
    NoiseFit
        Or a list of them, one per channel, exactly when `axes` holds C.

    Raises
    ------
    NoiseError
        If axes or shapes do not fit; a bare plane holds NaN or infinity; there are fewer than 1,000
        distinct pixels (planes that are copies of others do not count); the signal is the same
        everywhere, but the kind needs a range; repeats are identical or drift; the dark
        frame is not dark; or the kind needs a signal and there is none.
    ImageError
        If an array or an image holds NaN or infinity.
    StopRequested
        If `should_stop` returned True (a `LadderscopeError` of `ladderscope.interruption`).

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

    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> light = np.broadcast_to(np.mgrid[:128, :128][1], (10, 128, 128))
    >>> noisy = 100 + 2.0 * generator.poisson(light / 2) + generator.normal(0, 3, light.shape)
    >>> fit = measure_noise(noisy, axes="TYX", repeats="T", offset=100)
    >>> abs(fit.model.gain - 2) < 0.1, abs(fit.read_noise - 3) < 0.3
    (True, True)
    """
    request = checked_request(
        kind,
        components,
        coefficients,
        signal=signal,
        repeats=repeats,
        offset=offset,
        dark=dark,
    )
    if not is_image(observation):
        sources, has_channels = [of_iterable(observation, signal, axes, repeats)], False
    else:
        image = opened(observation, axes, "the observation")
        has_channels = "C" in image.axes
        if repeats is not None:
            sources = of_repeats(image, repeats)
        elif signal is not None:
            sources = of_pairs([(image, signal_of(signal, image))])
        else:
            sources = noisy_alone([image])
    offsets = per_channel(offset, len(sources), "offset")
    darks = per_channel(dark, len(sources), "dark frames")
    with listener_of(progress) as report:
        fits = measured(sources, request, offsets, darks, report, should_stop)
    return fits if has_channels else fits[0]


@with_arguments_of(measure_noise)
def fit_noise_model(*given: Any, **named: Any) -> NoiseModel | list[NoiseModel]:
    """Fit a noise model: the models alone that `measure_noise` finds, with the same arguments.

    Returns
    -------
    NoiseModel
        Or a list of them, one per channel, exactly when there is a C axis.

    Raises
    ------
    NoiseError
        As `measure_noise` does.

    Examples
    --------
    >>> import numpy as np
    >>> signal = np.mgrid[:128, :128][1]
    >>> noisy = 2.0 * np.random.default_rng(0).poisson(signal / 2)
    >>> abs(fit_noise_model(noisy, signal).gain - 2) < 0.1
    True
    """
    return models_of(measure_noise(*given, **named))
