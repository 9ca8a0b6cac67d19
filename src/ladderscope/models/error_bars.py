"""The error bars of a restorer that was just trained, calibrated where that is possible."""

import logging
from collections.abc import Sequence
from typing import Any

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image
from ladderscope.interruption import ShouldStop, StopRequested
from ladderscope.models.restorer import Restorer
from ladderscope.progress import Listener

logger = logging.getLogger("ladderscope")


def calibrates(
    restorer: Restorer[Any],
    images: Sequence[Image] | None,
    *,
    progress: bool | Listener = True,
    should_stop: ShouldStop | None = None,
) -> bool:
    """Calibrate the error bars: on noisy images, or on what a splitter has held out.

    Reports why if that is not possible.

    Parameters
    ----------
    restorer : Denoiser or Splitter
        Just trained.
    images
        The noisy images of a denoiser; None for a splitter.
    progress, should_stop
        As for `Restorer.calibrate`.

    Returns
    -------
    bool
        Whether they are calibrated now.

    Raises
    ------
    StopRequested
        `should_stop` returned True.
    """
    try:
        restorer.calibrate(images, progress=progress, should_stop=should_stop)
    except StopRequested:
        raise
    except LadderscopeError as error:
        logger.info("the error bars are not calibrated: %s", error)
        return False
    return True
