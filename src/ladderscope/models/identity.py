"""Digests that tell whether a model, or an image, is the same as before."""

import hashlib
import json
from dataclasses import asdict

import numpy as np

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


def how_restored(model: Model, samples: int, seed: int) -> str:
    """Say how images are restored, so that a restoration can be told from any other.

    Parameters
    ----------
    model
        Its weights decide.
    samples, seed
        Of the posterior samples.
    """
    return f"model {digest_of_model(model)}, {samples} samples, seed {seed}"


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
