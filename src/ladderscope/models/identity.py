"""Digests that tell whether a model, or an image, is the same as before."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import DTypeLike

from ladderscope.evaluation.calibration import Calibration
from ladderscope.images import Image
from ladderscope.models.file import Model

_AT_ONCE = 2**24  # pixels


def digest_of_model(model: Model) -> str:
    """Digest what decides how a model restores: its weights, and the statistics of its training.

    Parameters
    ----------
    model
        Trained.
    """
    statistics = [asdict(one) for one in model.statistics]
    digest = hashlib.sha256(json.dumps(statistics, default=float).encode())
    for name, weights in sorted(model.weights.items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def digest_of_calibration(calibration: Sequence[Calibration]) -> str:
    """Digest what decides the size of the error bars; there need not be a calibration.

    Parameters
    ----------
    calibration
        One per channel, or none.
    """
    return hashlib.blake2b(repr(calibration).encode()).hexdigest()[:12]


def how_restored(model: Model, samples: int, seed: int, dtype: DTypeLike) -> str:
    """Say how images are restored, so that a restoration can be told from any other.

    Parameters
    ----------
    model
        Its weights decide, and its calibration if it has one.
    samples, seed
        Of the posterior samples.
    dtype
        Type of the restored pixels.
    """
    parts = [f"model {digest_of_model(model)}"]
    if model.calibration:
        parts.append(f"calibration {digest_of_calibration(model.calibration)}")
    return ", ".join([*parts, f"{samples} samples", f"seed {seed}", str(np.dtype(dtype))])


def digest_of_image(image: Image) -> str:
    """Digest all pixels of an image, and how they are arranged; they are read bit by bit.

    Examples
    --------
    >>> pixels = np.arange(64).reshape(8, 8)
    >>> one, other = (Image(array, "YX", "a.tif") for array in (pixels, pixels.T))
    >>> digest_of_image(one) == digest_of_image(other)
    False
    """
    digest = hashlib.blake2b(f"{image.axes} {image.shape} {image.dtype.str}".encode())
    height, width = image.field_shape()
    rows = max(1, _AT_ONCE // width)
    for position in image.positions():
        for channel in range(image.channels):
            for first in range(0, height, rows):
                region = slice(first, min(first + rows, height)), slice(0, width)
                part = image.field(position, channel, region=region)
                digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:32]
