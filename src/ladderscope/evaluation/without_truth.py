"""Calibrating the error bars of a denoiser on noisy images alone."""

import math

import numpy as np
from jaxtyping import Float64, Int, Real

from ladderscope.evaluation.calibration import (
    BINS,
    LEAST_RATIO,
    LEVELS,
    Calibration,
    equal_counts,
    in_bins,
    students,
    usable,
)
from ladderscope.evaluation.reliability import interval_factor


def calibrate_without_truth(
    std: Real[np.ndarray, "..."],
    sensitivity: Real[np.ndarray, "..."],
    surplus: Real[np.ndarray, "..."] | float = 0.0,
    doubt: Real[np.ndarray, "..."] | float = 0.0,
    *,
    samples: int = 16,
) -> Calibration:
    """Calibrate the standard deviation of one channel of a denoiser on noisy pixels alone.

    Of the posterior mean m(y), the variance of the posterior is the variance of the noise times
    the derivative ∂m/∂y (Tweedie's formula of second order): how strongly a restored pixel follows
    its own noise. That is estimated without truth, and hardly suffers from a noise model that is
    wrong by a few per cent. What m lacks of the posterior mean shows as a surplus of the residual:
    by Stein's unbiased risk estimate, the squared error is the sum of both. The surplus is a small
    difference of large numbers: it is believed only beyond twice its standard error and `doubt`,
    and taken over all pixels together.

    Standard deviations are never narrowed: where the estimate is below the predicted one, that is
    kept. The map allows for the error of a standard deviation of few samples, since it is made in
    bins of just these. Therefore intervals are those of the normal distribution, times
    √(1 + 1/samples), and not of Student's t.

    Parameters
    ----------
    std
        The predicted standard deviation, in grey levels.
    sensitivity
        Estimates of noise variance · ∂m/∂y, such as n·(m(y + εn) − m(y − εn)) / 2ε for noise n
        that is drawn from the noise model; unbiased, but noisy for a single pixel.
    surplus
        (y − m)² − noise variance + `sensitivity`.
    doubt
        By how much the noise variance may be wrong, in grey levels squared.
    samples
        Number of posterior samples of the restoration.

    Raises
    ------
    LadderscopeError
        The shapes differ, or fewer than 1,000 pixels have a standard deviation.

    References
    ----------
    Stein, "Estimation of the mean of a multivariate normal distribution", Annals of Statistics 9
    (1981); Ramani, Blu, Unser, "Monte-Carlo SURE", IEEE Trans. Image Processing 17 (2008); Manor,
    Michaeli, "On the posterior distribution in denoising: application to uncertainty
    quantification", ICLR 2024.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> std = rng.uniform(1.0, 3.0, 100_000)
    >>> follows = rng.normal((1.2 * std) ** 2, 0.1)
    >>> calibration = calibrate_without_truth(std, follows, samples=200)
    >>> calibration.std(np.array([2.0]), np.zeros(1)).round(1).tolist()
    [2.4]
    """
    from scipy.special import ndtr

    used = usable(std, std, sensitivity)
    deviation = std[used].astype(np.float64)
    follows, more, doubted = (
        np.broadcast_to(np.asarray(values, np.float64), std.shape)[used]
        for values in (sensitivity, surplus, doubt)
    )
    number = equal_counts(deviation, follows, BINS)
    variance, posterior = (in_bins(values, number) for values in (deviation**2, follows))
    # Over all pixels only: the squared residual is unbiased in no bin that the noise chooses.
    together = np.zeros(1, int).repeat(more.size)
    surplus = more.mean() - 2 * _standard_error(more, together)[0] - doubted.mean()
    lacking = 1 + max(0.0, float(surplus / max(follows.mean(), LEAST_RATIO * variance.mean())))
    certain = lacking * (posterior - _standard_error(follows, number))
    calibrated = np.maximum.accumulate(np.sqrt(np.maximum(variance, certain)))
    changed = bool((calibrated > np.sqrt(variance)).any())
    risk = np.maximum(lacking * posterior, LEAST_RATIO**2 * variance)
    share = np.bincount(number) / number.size
    few = math.sqrt(1 + 1 / samples)
    before, after = (
        tuple(
            float(share @ (2 * ndtr(factor(level) * np.sqrt(squared / risk)) - 1))
            for level in LEVELS
        )
        for factor, squared in (
            (lambda level: students(level, samples) / few, variance),
            (interval_factor, calibrated**2),
        )
    )
    return Calibration(
        tuple(map(float, np.sqrt(variance))),
        tuple(map(float, calibrated)),
        multipliers=tuple(few * interval_factor(level) for level in LEVELS) if changed else (),
        source="noise model",
        pixels=deviation.size,
        samples=samples,
        before=before,
        after=after if changed else before,
    )


def _standard_error(
    values: Float64[np.ndarray, " pixels"], number: Int[np.ndarray, " pixels"]
) -> Float64[np.ndarray, " bins"]:
    variance = in_bins(values**2, number) - in_bins(values, number) ** 2
    return np.sqrt(np.maximum(variance, 0) / np.bincount(number))
