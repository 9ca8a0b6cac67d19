"""Restorations that are complete already, read from their files."""

import logging
from typing import Any

import numpy as np

from ladderscope.files import taken
from ladderscope.images import Image, cast_to, open_image
from ladderscope.images.arranged import apart
from ladderscope.images.large import with_padding_marked
from ladderscope.images.stored import Pixels
from ladderscope.models.findings import Findings
from ladderscope.models.finished import is_finished
from ladderscope.models.restoration import Restoration, beside
from ladderscope.models.streaming import Prediction

logger = logging.getLogger("ladderscope")


def kept(restorer: Any, prediction: Prediction) -> Restoration | None:
    """Open the files of a prediction, if they are complete and of just this prediction.

    Parameters
    ----------
    restorer : Denoiser or Splitter
        Trained.
    prediction
        What it would restore.

    Returns
    -------
    Restoration or None
        Its arrays are read from the files. None if there is none, or as for `recomposed`.
    """
    path, image = prediction.path, prediction.fields.image
    spread = beside(path, "spread")
    files = [path, *([spread] if prediction.samples > 1 else [])]
    if not is_finished(files, image, prediction.output.how):
        return None
    std = open_image(spread) if taken(spread) else None
    found = recomposed(restorer, image, open_image(path), std, prediction.samples)
    if found is not None:
        logger.info("%s: already restored, kept", image.name)
    return found


def recomposed(
    restorer: Any, image: Image, mean: Image, std: Image | None, samples: int
) -> Restoration | None:
    """Put a restoration together of its files, checked as `Restorer.predict` did when it was made.

    Parameters
    ----------
    restorer : Denoiser or Splitter
        What restored the image.
    image : Image
        As `Restorer.observed` gives it.
    mean, std : Image
        What the files hold. If they are still there, the restoration reads them part by part.
    samples : int
        Number of posterior samples.

    Returns
    -------
    Restoration or None
        None if the files have other axes, in another order, or other sizes than they would now.
    """
    image = with_padding_marked(image)
    arrangement = restorer._arrangement(image)
    wanted = arrangement.axes, arrangement.shape
    if any(one is not None and (one.axes, one.shape) != wanted for one in (mean, std)):
        return None
    order = None if arrangement.channels is None else np.argsort(arrangement.channels).tolist()

    def fields(kept: Image) -> Pixels:
        return cast_to(apart(kept, restorer._space, order), np.float32)

    restored, spread = fields(mean), None if std is None else fields(std)
    nothing = Findings(image.name, restored.shape)
    found: Restoration = restorer._composed(image, samples, restored, spread, nothing)
    return found
