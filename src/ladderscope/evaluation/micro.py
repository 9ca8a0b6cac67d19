"""MicroSSIM and MicroMS3IM, by their authors' package."""

import contextlib
import io
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Real

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.metrics import MS_SSIM_SIDE

MICROSSIM_MISSING = 'MicroSSIM and MicroMS3IM need one more package: run "pip install microssim"'


class MicroScores(NamedTuple):
    """MicroSSIM and its multi-scale kin; None where it is not defined or the planes are small."""

    micro_ssim: float | None
    micro_ms3im: float | None


def microssim_installed() -> bool:
    """Tell whether the package ``microssim`` is there."""
    try:
        import microssim  # noqa: F401
    except ImportError:
        return False
    return True


def micro_scores(
    prediction: Real[np.ndarray, "*planes Y X"], truth: Real[np.ndarray, "*planes Y X"]
) -> MicroScores:
    """Structural similarity made for micrographs: without their offset, at their best scale.

    The third percentile of each image is subtracted, both are divided by the truth's maximum
    above it, and the prediction is scaled so that SSIM is largest. All three are found for the
    whole stack at once, as the package advises; planes whose truth is constant have no range to
    compare with, and are left out.

    Parameters
    ----------
    prediction, truth
        Images of one shape, of at least 11×11 pixels; of a stack, the mean over planes is given.

    Raises
    ------
    LadderscopeError
        The package is not installed.

    References
    ----------
    Ashesh, Deschamps, Jug, "MicroSSIM: Improved Structural Similarity for Comparing Microscopy
    Data", arXiv 2408.08747 (2024).
    """
    try:
        from microssim import MicroMS3IM, MicroSSIM
    except ImportError as error:
        raise LadderscopeError(MICROSSIM_MISSING) from error
    planes = [
        (truth_plane.astype(np.float64), plane.astype(np.float64))
        for plane, truth_plane in zip(_planes(prediction), _planes(truth), strict=True)
        if np.ptp(truth_plane) > 0
    ]
    truths, predictions = map(list, zip(*planes, strict=True))
    # a single plane goes in as it is; the progress bar that a list brings is not wanted
    both = (truths, predictions) if len(planes) > 1 else planes[0]
    with contextlib.redirect_stderr(io.StringIO()), np.errstate(all="ignore"):
        fitted = MicroSSIM().fit(*both)
        single = [float(fitted.score(*plane)) for plane in planes]
        multi = None
        if min(truth.shape[-2:]) >= MS_SSIM_SIDE:
            coarser = MicroMS3IM(**fitted.get_parameters())
            multi = [float(coarser.score(*plane)) for plane in planes]
    return MicroScores(_mean(single), None if multi is None else _mean(multi))


def _planes(image: Real[np.ndarray, "*planes Y X"]) -> Real[np.ndarray, "planes Y X"]:
    return image.reshape(-1, *image.shape[-2:])


def _mean(values: list[float]) -> float | None:
    # not finite where 97 of 100 pixels of the truth have its highest value: nothing to divide by
    found = float(np.mean(values))
    return found if math.isfinite(found) else None
