"""MicroSSIM and MicroMS3IM, computed by the package of their authors."""

import contextlib
import io
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Real

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.similarity import MS_SSIM_SIDE

MICROSSIM_MISSING = 'MicroSSIM and MicroMS3IM need another package: run "pip install microssim"'


class MicroScores(NamedTuple):
    """MicroSSIM and MicroMS3IM; None if undefined, or if the planes are too small."""

    micro_ssim: float | None
    micro_ms3im: float | None


def microssim_installed() -> bool:
    """Whether the package ``microssim`` is installed."""
    try:
        import microssim  # noqa: F401
    except ImportError:
        return False
    return True


def micro_scores(
    prediction: Real[np.ndarray, "*planes Y X"], truth: Real[np.ndarray, "*planes Y X"]
) -> MicroScores:
    """Structural similarity for micrographs: without their offset, at the best scale.

    The third percentile of each image is subtracted, both are divided by the remaining maximum of
    the truth, and the prediction is scaled to maximise SSIM. All three values are determined for
    the whole stack at once, as the package recommends. Planes with a constant truth have no range
    and are excluded.

    Parameters
    ----------
    prediction, truth
        Images of the same shape, of at least 11×11 pixels; for a stack, the mean over its planes.

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
    # a single plane is passed as it is; a list of planes would show a progress bar
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
    # not finite if 97 % of the truth have its highest value: there is nothing to divide by
    found = float(np.mean(values))
    return found if math.isfinite(found) else None
