"""How the channels of a splitter add up to mixed images: made of them, or recorded."""

import logging
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from ladderscope.data import Channels, Field, Mixing, find_foreground, planes_of
from ladderscope.data.foreground import smoothed
from ladderscope.images import Image
from ladderscope.models.config import SplitterSettings
from ladderscope.models.notices import Notices
from ladderscope.models.thumbnail import middle_of
from ladderscope.noise_estimation.planes import MOST_PLANES
from ladderscope.words import listed

_DARKEST = 0.1  # per cent of a plane's pixels, from which an offset is taken
_PIXELS_LOOKED_AT = 2**22
_EXPLAINED = 0.5  # of recorded mixed images, by their channels: less is not a sum of them


def with_foreground(channels: Channels, names: Sequence[str], notice: Notices) -> Channels:
    """Find the structure of every channel, so that background alone is drawn less often."""
    found = [find_foreground(of_channel) for of_channel in channels.fields]
    thresholds = ", ".join(
        f"{name} {foreground.threshold:.4g}" for name, foreground in zip(names, found, strict=True)
    )
    notice(
        "patches of background alone are drawn a fifth as often as others; structure is brighter, "
        f"after smoothing, than: {thresholds} (foreground=False draws all equally often)"
    )
    return Channels(channels.fields, channels.paired, channels.mixed, found)


def made_mixing(
    settings: SplitterSettings,
    fields: Sequence[Sequence[Field]],
    offsets: Sequence[float] | None,
    deviations: Sequence[float],
    names: Sequence[str],
    notice: Notices,
) -> Mixing:
    """Add the channels up, above their black levels, by the balance that was asked for."""
    levels = [_darkest(of_channel) for of_channel in fields] if offsets is None else offsets
    weights = [1.0] * len(fields)
    if settings.balance == "std":
        weights = [max(deviations) / deviation for deviation in deviations]
    mixing = Mixing(tuple(levels), tuple(weights), float(np.mean(levels)), settings.ratios)
    notice(mixing.in_words(names))
    if offsets is None:
        notice(
            "these black levels are those of the darkest regions: if a channel has no background, "
            "give its black level (offsets, or --offset)"
        )
    return mixing


def recorded_mixing(
    fields: Sequence[Sequence[Field]],
    mixed: Sequence[Field],
    names: Sequence[str],
    notice: Notices,
) -> Mixing:
    """Find by least squares how the channels add up to what was recorded.

    All are smoothed first, which changes nothing in how they add up: noise in the channels would
    make their weights too small.
    """
    parts = [_some_pixels(of_channel) for of_channel in fields]
    columns = np.stack([*parts, np.ones_like(parts[0])], axis=1)
    observed = _some_pixels(mixed)
    solution, *_ = np.linalg.lstsq(columns, observed, rcond=None)
    *weights, offset = (float(value) for value in solution)
    explained = 1 - float((observed - columns @ solution).var() / observed.var())
    found = f"the channels explain {100 * explained:.0f} % of the variance of the mixed images"
    absent = [name for name, weight in zip(names, weights, strict=True) if weight <= 0]
    if absent or explained < _EXPLAINED:
        also = f"; not or negatively in them: {listed(absent)}" if absent else ""
        notice(
            f"{found}{also}: check that image k of every channel and of the mixed images shows the "
            "same field, pixel by pixel",
            logging.WARNING,
        )
    else:
        notice(found)
    mixing = Mixing((0.0,) * len(weights), tuple(weights), offset)
    notice(mixing.in_words(names))
    return mixing


def mixed_detail(
    firsts: Sequence[Image], recorded: Sequence[Image] | None, mixing: Mixing
) -> Image | None:
    """Cut a detail of a mixed image, or make it; None where the channels are of other sizes."""
    if recorded is not None:
        return middle_of(recorded[0])
    details = [middle_of(first) for first in firsts]
    if len({(detail.axes, detail.shape) for detail in details}) > 1:
        return None
    parts = np.stack([detail.array.astype(np.float32) for detail in details])
    return Image(mixing.mixed(parts), details[0].axes, "detail")


def _darkest(fields: Sequence[Field]) -> float:
    """Give the grey level of the darkest pixels, once the noise is smoothed away."""
    planes = planes_of(fields, MOST_PLANES)
    return float(min(np.percentile(smoothed(plane), _DARKEST) for plane in planes))


def _some_pixels(fields: Sequence[Field]) -> Float64[np.ndarray, " pixels"]:
    planes = planes_of(fields, MOST_PLANES)
    step = 1 + sum(plane.size for plane in planes) // _PIXELS_LOOKED_AT
    return np.concatenate([smoothed(plane).ravel()[::step].astype(np.float64) for plane in planes])
