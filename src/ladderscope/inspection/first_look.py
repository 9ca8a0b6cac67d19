"""A first look at images: what a user should know of them, in sentences, and what is left out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Real

from ladderscope.images import Image, ImageError, numbered_channels
from ladderscope.images.artefacts import Artefacts, cleaned
from ladderscope.inspection.numbers import ImageLook, measure
from ladderscope.noise_estimation import neighbour_correlation

_PADDING = 1e-3  # share of the pixels that is worth a word
_SATURATED = 5e-3
_DRIFT = 0.3  # of the brightness above the dark
_MONOTONE = 0.7  # rank correlation of brightness with time
_SCALE = 5.0  # ratio of middle and bright levels
_ANOTHER_NOISE = 16.0  # ratio of the contrasts of files of two types
_NAMED = 6


class Finding(NamedTuple):
    """One sentence or two, and whether it is a warning."""

    text: str
    is_warning: bool = True


class LookedAt(NamedTuple):
    """An image fit to be learned from, what was measured in it, and what there is to say."""

    image: Image
    look: ImageLook
    findings: tuple[Finding, ...]


def look_at(image: Image) -> LookedAt:
    """Look at one image.

    Padding is marked, and filled by reflection; hot and dead pixels are replaced by the median of
    their surroundings. The image that was given stays as it is.

    Parameters
    ----------
    image
        As it was read.

    Examples
    --------
    >>> pixels = np.random.default_rng(0).poisson(100, (64, 64))
    >>> pixels[20, 30] = 60000
    >>> print(look_at(Image(pixels, "YX", "a.tif")).findings[0].text[:63])
    a.tif: 1 pixel stands out from all around it (hot or dead pixel
    """
    clean, artefacts = cleaned(image)
    look = measure(image, artefacts)
    return LookedAt(clean, look, tuple(_about(look)))


def first_look(images: Sequence[Image]) -> tuple[list[Image], list[Finding]]:
    """Look at images that are to be used together, one by one and beside each other.

    Parameters
    ----------
    images
        As they were read.

    Returns
    -------
    list of Image, list of Finding
        The images fit to be learned from, as `look_at` gives them, and what there is to say.

    Raises
    ------
    ImageError
        If the images are of types and scales that cannot have the same noise.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> pair = [Image(rng.poisson(100, (64, 64)), "YX", name) for name in ("a.tif", "b.tif")]
    >>> first_look(pair)[1]
    []
    """
    looked = [look_at(image) for image in images]
    findings = [finding for one in looked for finding in one.findings]
    return [one.image for one in looked], findings + compare([one.look for one in looked])


def look_before_restoring(image: Image, artefacts: Artefacts) -> list[Finding]:
    """Look at an image that is to be restored: what restoring it does not say by itself.

    Parameters
    ----------
    image
        As it was read.
    artefacts
        What was found in it.

    Examples
    --------
    >>> from ladderscope.images.artefacts import outliers_of
    >>> pixels = np.random.default_rng(0).poisson(100, (64, 64))
    >>> pixels[20, 30] = 60000
    >>> image = Image(pixels, "YX", "a.tif")
    >>> len(look_before_restoring(image, Artefacts(None, outliers_of(image))))
    1
    """
    look = measure(image, artefacts)
    return _about(replace(look, padding=0.0, blank=[[] for _ in look.blank]), learns=False)


def compare(looks: Sequence[ImageLook]) -> list[Finding]:
    """Look for what tells images of one call apart: types, scales, objectives.

    Parameters
    ----------
    looks
        Of images with the same axes and channels.

    Raises
    ------
    ImageError
        If two are of types and scales that cannot have the same noise.
    """
    findings = []
    first = looks[0]
    if others := [look for look in looks if look.dtype != first.dtype]:
        ratio = _contrast_ratio(first, others[0])
        text = (
            f"{first.name} is of type {first.dtype} and {_names(others)} of type "
            f"{others[0].dtype}: files that were converted have another gain and offset"
        )
        if max(ratio, 1 / ratio) > _ANOTHER_NOISE:
            raise ImageError(
                f"{text}, and their contrast differs by a factor of {max(ratio, 1 / ratio):.0f}, "
                "so one noise model cannot hold for both. Give the images as the camera gave them, "
                "or one kind at a time."
            )
        findings.append(Finding(f"{text}. Give all images as the camera gave them"))
    elif others := [look for look in looks if _other_scale(first, look)]:
        findings.append(
            Finding(
                f"the intensities of {first.name} (median {first.levels[0][1]:.4g}) and of "
                f"{_names(others)} (median {others[0].levels[0][1]:.4g}) differ in scale: train "
                "one model per recording with its own camera settings"
            )
        )
    objectives = {look.acquisition.objective: look for look in looks[::-1]}
    objectives.pop(None, None)
    if len(objectives) > 1:
        one, other, *_ = objectives.values()
        findings.append(
            Finding(
                f"{one.name} and {other.name} were recorded with different objectives: one model "
                "learns structures of one size best"
            )
        )
    return findings


def about_correlation(planes: Iterable[Real[np.ndarray, "Y X"]], name: str = "") -> Finding | None:
    """Say whether the noise of neighbouring pixels is correlated; None if it is not.

    Parameters
    ----------
    planes
        Of one channel, as they were recorded.
    name
        Of the channel, of several.

    Examples
    --------
    >>> white = np.random.default_rng(0).normal(100.0, 3.0, (128, 128))
    >>> about_correlation([white]) is None
    True
    """
    found = neighbour_correlation(planes)
    if found is None or not found.is_certain:
        return None
    return Finding(
        f"the noise{f' of {name}' if name else ''} is correlated between neighbouring pixels "
        f"({found.horizontal:.2f} horizontally, {found.vertical:.2f} vertically), as by "
        "interpolation, smoothing, compression or read-out: most of it will be kept as if it "
        "were structure. Use the raw recording if there is one; otherwise try blind_levels=2 "
        "(--blind-levels 2)"
    )


def _about(look: ImageLook, *, learns: bool = True) -> list[Finding]:
    several = len(look.levels) > 1
    names = [f"{look.name}, {name}" for name in numbered_channels(len(look.levels))]
    findings = []
    if look.padding > _PADDING:
        findings.append(
            Finding(
                f"{look.name}: {100 * look.padding:.2g} % of the pixels are padding: constant, so "
                "nothing was measured there. They are left out of noise, statistics and patches",
                is_warning=False,
            )
        )
    for name, blank in zip(names, look.blank, strict=True):
        if blank:
            findings.append(
                Finding(
                    f"{name if several else look.name}: "
                    f"{_planes(look, blank, 'is blank', 'are blank')}, every pixel having one "
                    "value. Blank planes are left out of training and handed back as they are"
                )
            )
    if look.outliers:
        findings.append(Finding(_about_outliers(look, learns)))
    ends = zip(names, look.saturated, look.ceiling, look.levels, strict=True)
    for name, share, ceiling, levels in ends:
        if share > _SATURATED or _sets_the_scale(share, ceiling, levels):
            findings.append(
                Finding(
                    f"{name if several else look.name}: {100 * share:.2g} % of the pixels are "
                    f"saturated, at {ceiling:g}: what was cut off cannot be restored. Record with "
                    "less light or gain"
                )
            )
    if look.copies and learns:
        findings.append(
            Finding(
                f"{look.name}: "
                f"{_planes(look, look.copies, 'repeats an earlier one', 'repeat earlier ones')}: "
                "the same noise seen twice looks like signal. Leave copies out"
            )
        )
    for name, brightness, levels in zip(names, look.brightness, look.levels, strict=True):
        if (change := _drift(brightness, float(levels[0]))) is not None:
            findings.append(
                Finding(
                    f"{name if several else look.name}: brightness "
                    f"{'rises' if change > 0 else 'falls'} by {100 * abs(change):.0f} % from the "
                    "first frames to the last, as by bleaching; the noise is measured over all "
                    "frames",
                    is_warning=False,
                )
            )
    return findings


def _about_outliers(look: ImageLook, learns: bool) -> str:
    listed = "; ".join(
        ", ".join(f"{letter}={at}" for letter, at in zip(look.axes, place, strict=True))
        + f" ({value:g})"
        for place, value in look.outliers_at
    )
    one = look.outliers == 1
    more = ", …" if look.outliers > len(look.outliers_at) else ""
    left_out = f"{'It is' if one else 'They are'} "
    if learns:
        left_out += "left out of noise, statistics and patches, and "
    return (
        f"{look.name}: {look.outliers} pixel{' stands' if one else 's stand'} out from all around "
        f"{'it' if one else 'them'} (hot or dead pixels, cosmic rays), at {listed}{more} (counted "
        f"from 0). {left_out}not corrected in the restoration"
    )


def _sets_the_scale(share: float, ceiling: float, levels: np.ndarray) -> bool:
    """Tell whether saturated pixels, however few, vary more than all others together."""
    low, middle, high = levels
    return share > 0 and bool(share * (ceiling - middle) ** 2 > (high - low) ** 2)


def _planes(look: ImageLook, places: Sequence[tuple[int, ...]], one: str, several: str) -> str:
    """Say what planes do, and which these are."""
    if not look.others:
        return f"it {one}"
    listed = "; ".join(
        ", ".join(f"{letter}={at}" for letter, at in zip(look.others, place, strict=True))
        for place in places[:_NAMED]
    )
    more = ", …" if len(places) > _NAMED else ""
    do = f"1 plane {one}" if len(places) == 1 else f"{len(places)} planes {several}"
    return f"{do} ({listed}{more}, counted from 0)"


def _drift(brightness: np.ndarray, dark: float) -> float | None:
    """Return by which share frames become brighter, if they do all the time, and by much."""
    if brightness.size < 4:
        return None
    third = max(1, brightness.size // 3)
    begin, end = (float(np.median(part)) for part in (brightness[:third], brightness[-third:]))
    level = begin - dark
    if level <= 0:
        return None
    ranks = np.argsort(np.argsort(brightness))
    monotone = np.corrcoef(ranks, np.arange(ranks.size))[0, 1]
    change = (end - begin) / level
    return change if abs(change) > _DRIFT and abs(monotone) > _MONOTONE else None


def _contrast_ratio(one: ImageLook, other: ImageLook) -> float:
    contrasts = [max(float(look.levels[0][2] - look.levels[0][0]), 1e-12) for look in (one, other)]
    return contrasts[0] / contrasts[1]


def _other_scale(one: ImageLook, other: ImageLook) -> bool:
    """Tell whether both the middle and the bright level are many times those of the other."""
    for of_one, of_other in zip(one.levels, other.levels, strict=True):
        if of_one[1] > 0 and of_other[1] > 0:
            ratios = of_one[1:] / of_other[1:]
            if (ratios > _SCALE).all() or (ratios < 1 / _SCALE).all():
                return True
    return False


def _names(looks: Sequence[ImageLook]) -> str:
    listed = ", ".join(look.name for look in looks[:3])
    return f"{listed} and {len(looks) - 3} more" if len(looks) > 3 else listed
