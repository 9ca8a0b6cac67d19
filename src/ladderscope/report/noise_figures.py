"""Pictures of noise models: the noise variance against the signal, and the noise distribution."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from matplotlib import colormaps

from ladderscope.images import numbered_channels
from ladderscope.noise import NoiseModel
from ladderscope.noise_estimation import NoiseFit
from ladderscope.pictures import drawn
from ladderscope.report.figures import TRAINING, VALIDATION, label, rows_of_two
from ladderscope.words import rounded

SHOWN_SIGNALS = 5
DEVIATIONS_SHOWN = 4.5
POINTS = 801
COLOURS = "viridis"
MOST_PIXELS = 60_000  # matplotlib draws at most 2¹⁶ pixels per side

Range = tuple[float, float]


def noise_model_figure(
    channels: NoiseModel | NoiseFit | Sequence[NoiseModel | NoiseFit],
    *,
    signal_range: Range | None = None,
    names: Sequence[str] | None = None,
    file_format: str = "png",
) -> bytes:
    """Draw noise models: the variance against the signal, and p(y | s) at several signals.

    Parameters
    ----------
    channels
        A noise model of any kind, or a fit, whose measured points are drawn as well; or several
        of these, one per row.
    signal_range
        Darkest and brightest signal shown, in grey levels; by default that of `shown_range`.
    names
        One per row; by default "channel 1", "channel 2" and so on, and none for a single row.
    file_format
        ``"png"``, ``"svg"`` or ``"pdf"``.

    Returns
    -------
    bytes
        The content of the file.

    Examples
    --------
    >>> from ladderscope.noise import PoissonGaussian
    >>> noise_model_figure(PoissonGaussian(gain=2.0, intercept=9.0))[1:4]
    b'PNG'
    """
    rows = [channels] if isinstance(channels, NoiseModel | NoiseFit) else list(channels)
    if names is None:
        names = numbered_channels(len(rows))
    height = 3.6
    dpi = min(110, MOST_PIXELS / (height * len(rows)))
    figure, charts = rows_of_two(names, 10, height, dpi)
    for row, (title, left, right) in zip(rows, charts, strict=True):
        model = row.model if isinstance(row, NoiseFit) else row
        ends = signal_range or shown_range(row)
        _draw_variance(left, model, ends, row if isinstance(row, NoiseFit) else None)
        label(left, f"{title}noise variance", "signal (grey levels)", "variance (grey levels²)")
        _draw_densities(right, model, ends)
        label(
            right,
            f"{title}noise distribution p(y | s)",
            "observation − signal (grey levels)",
            "probability density (peak = 1)",
        )
    return drawn(figure, file_format)


def shown_range(channel: NoiseModel | NoiseFit) -> Range:
    """Say from which signal to which a noise model is shown.

    That is where it was measured, or what the model itself says (`NoiseModel.signal_range`).

    Parameters
    ----------
    channel
        A noise model or a fit.

    Returns
    -------
    (float, float)
        Darkest and brightest signal, grey levels.

    Examples
    --------
    >>> from ladderscope.noise import PoissonGaussian
    >>> shown_range(PoissonGaussian.from_camera(gain=2.0, offset=100.0, read_noise=3.0))
    (100.0, 300.0)
    """
    low, high = channel.signal_range if isinstance(channel, NoiseFit) else channel.signal_range()
    return (low, high) if high > low else (low, low + 1.0)


def shown_signals(ends: Range) -> Float64[np.ndarray, " signals"]:
    """Choose the signals at which p(y | s) is drawn and told.

    Examples
    --------
    >>> shown_signals((0.0, 8.0))
    array([0., 2., 4., 6., 8.])
    """
    return np.linspace(*ends, SHOWN_SIGNALS)


def moments_at(
    model: NoiseModel, signals: Float64[np.ndarray, " signals"]
) -> tuple[Float64[np.ndarray, " signals"], Float64[np.ndarray, " signals"]]:
    """Give the mean and the variance of the observations of some signals.

    Examples
    --------
    >>> from ladderscope.noise import PoissonGaussian
    >>> moments_at(PoissonGaussian(gain=2.0, intercept=9.0), np.array([0.0, 20.0]))
    (array([ 0., 20.]), array([ 9., 49.]))
    """
    mean, variance = model.moments(torch.from_numpy(np.asarray(signals, np.float64)))
    return mean.numpy(), variance.numpy()


def densities_at(
    model: NoiseModel, signal: float
) -> tuple[Float64[np.ndarray, " points"], Float64[np.ndarray, " points"]]:
    """Give p(y | s) at one signal, over nine standard deviations to either side.

    Returns
    -------
    (array, array)
        The residuals y − s, and the density of each.

    Examples
    --------
    >>> from ladderscope.noise import PoissonGaussian
    >>> residuals, densities = densities_at(PoissonGaussian(gain=2.0, intercept=9.0), 20.0)
    >>> residuals[[0, -1]], round(densities.max(), 3)
    (array([-63.,  63.]), np.float64(0.057))
    """
    mean, variance = (float(part[0]) for part in moments_at(model, np.array([signal])))
    observations = mean + np.linspace(-1, 1, POINTS) * 2 * DEVIATIONS_SHOWN * variance**0.5
    likelihood = model.pixelwise.log_likelihood(
        torch.from_numpy(observations), torch.tensor(signal, dtype=torch.float64)
    )
    return observations - signal, likelihood.exp().numpy()


def _draw_variance(axes: Any, model: NoiseModel, ends: Range, fit: NoiseFit | None) -> None:
    signals = np.linspace(*ends, 200)
    if fit is not None and fit.bin_signals.size:
        fraction = fit.bin_counts / max(float(fit.bin_counts.max()), 1.0)
        axes.scatter(
            fit.bin_signals,
            fit.bin_variances,
            s=8 + 40 * fraction,
            color=TRAINING,
            label="measured (marker size: number of pixels)",
        )
        low, high = min(ends[0], fit.bin_signals.min()), max(ends[1], fit.bin_signals.max())
        signals = np.linspace(low, high, 200)
    variances = moments_at(model, signals)[1]
    axes.plot(signals, variances, color=VALIDATION, label=model.variance_formula())
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize="small")


def _draw_densities(axes: Any, model: NoiseModel, ends: Range) -> None:
    chosen = shown_signals(ends)
    for number, signal in enumerate(chosen):
        residuals, densities = densities_at(model, signal)
        axes.plot(
            residuals,
            densities / densities.max(),
            color=colormaps[COLOURS](0.9 * number / (SHOWN_SIGNALS - 1)),
            label=f"s = {rounded(signal)}",
        )
    widest = DEVIATIONS_SHOWN * float(np.sqrt(moments_at(model, chosen)[1].max()))
    axes.set_xlim(-widest, widest)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize="small")
