"""A first look at images: what a user should know about them, in sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Real

from ladderscope.images import Image, ImageError, numbered_channels
from ladderscope.images.artefacts import Artefacts
from ladderscope.images.cleaning import Cleaning
from ladderscope.inspection.numbers import MOST_SATURATED, ImageLook, measure
from ladderscope.inspection.outlying import outlying
from ladderscope.noise_estimation import neighbour_correlation
from ladderscope.words import percent, some

_PADDING = 1e-3  # fraction of the pixels that is worth reporting
_SATURATED = 5e-3
_DRIFT = 0.3  # of the brightness above the dark level
_MONOTONE = 0.7  # rank correlation of brightness with time
_SCALE = 5.0  # ratio of middle and bright levels
_ANOTHER_NOISE = 16.0  # ratio of the contrasts of files of two types
_NAMED = 6  # planes
_FIRST = 3  # images that are named
_FEW = 5  # images that get a sentence each


class Finding(NamedTuple):
    """One sentence or two about images.

    Attributes
    ----------
    text : str
        What was found, and what to do.
    is_warning : bool
        False for a notice, which needs no action.
    kind : str
        The same for findings of one kind in several images.
    image : str
        The name of the image; empty for a finding about several.
    """

    text: str
    is_warning: bool = True
    kind: str = ""
    image: str = ""

    @property
    def label(self) -> str:
        """``"warning"`` or ``"notice"``."""
        return "warning" if self.is_warning else "notice"


class LookedAt(NamedTuple):
    """An image ready for training, what was measured in it, and what was found."""

    image: Image
    look: ImageLook
    findings: tuple[Finding, ...]


def look_at(image: Image) -> LookedAt:
    """Look at one image.

    Padding is marked and filled by reflection; hot and dead pixels are replaced by the median of
    their surroundings. The given image is not changed. One that is still in its file is read once,
    plane by plane, and stays there.

    Parameters
    ----------
    image
        As it was read.

    Examples
    --------
    >>> pixels = np.random.default_rng(0).poisson(100, (64, 64))
    >>> pixels[20, 30] = 60000
    >>> print(look_at(Image(pixels, "YX", "a.tif")).findings[0].text[:47])
    a.tif: 1 pixel stands out from its surroundings
    """
    cleaning = Cleaning(image)
    look = measure(image, cleaning.find)
    return LookedAt(cleaning.cleaned(), look, tuple(findings_of(look)))


def first_look(images: Iterable[Image]) -> tuple[list[Image], list[Finding]]:
    """Look at images that are to be used together, one by one and in comparison.

    Parameters
    ----------
    images
        As they were read.

    Returns
    -------
    list of Image, list of Finding
        The images ready for training, as `look_at` returns them, and what was found. Findings of
        one kind in many images are gathered into one.

    Raises
    ------
    ImageError
        If the images have data types and contrasts that one noise model cannot describe.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> pair = [Image(rng.poisson(100, (64, 64)), "YX", name) for name in ("a.tif", "b.tif")]
    >>> first_look(pair)[1]
    []
    """
    looked = [look_at(image) for image in images]
    findings = [finding for one in looked for finding in one.findings]
    return [one.image for one in looked], gathered(findings) + compare([one.look for one in looked])


def gathered(findings: Sequence[Finding]) -> list[Finding]:
    """Gather findings of one kind in more than five images into one, which names the first few.

    Examples
    --------
    >>> findings = [Finding(f"{n}.tif: odd", kind="odd", image=f"{n}.tif") for n in range(9)]
    >>> gathered(findings)[0].text
    '0.tif: odd. Similar findings in 8 other images: 1.tif, 2.tif, 3.tif and 5 more'
    >>> gathered(findings[:2]) == findings[:2]
    True
    """
    of_kind: dict[str, dict[str, Finding]] = {}
    for one in findings:
        of_kind.setdefault(one.kind, {}).setdefault(one.image, one)
    many = {kind: of for kind, of in of_kind.items() if kind and len(of) > _FEW}
    kept = [one for one in findings if one.kind not in many]
    for first, *others in (list(of.values()) for of in many.values()):
        named = some([one.image for one in others], _FIRST)
        text = f"{first.text}. Similar findings in {len(others)} other images: {named}"
        kept.append(first._replace(text=text))
    return kept


def look_before_restoring(
    image: Image, artefacts: Artefacts, large: Image | None = None
) -> list[Finding]:
    """Look at an image that is to be restored, for what prediction itself does not report.

    Parameters
    ----------
    image
        As it was read.
    artefacts
        What was found in it.
    large
        All of it, if `image` is a small view; hot pixels are looked for there.

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
    if large is not None:
        count, first = outlying(large)
        look = replace(look, outliers=count, outliers_at=first)
    return findings_of(replace(look, padding=0.0, blank=[[] for _ in look.blank]), learns=False)


def compare(looks: Sequence[ImageLook]) -> list[Finding]:
    """Look for differences between images: data types, scales, objectives.

    Parameters
    ----------
    looks
        Of images with the same axes and channels.

    Raises
    ------
    ImageError
        If two have data types and contrasts that one noise model cannot describe.
    """
    findings = []
    first = looks[0]
    if others := [look for look in looks if look.dtype != first.dtype]:
        ratio = _contrast_ratio(first, others[0])
        names = some([look.name for look in others], _FIRST)
        text = (
            f"{first.name} has data type {first.dtype}, but {names} {others[0].dtype}: "
            "conversion changes the gain and the offset"
        )
        if max(ratio, 1 / ratio) > _ANOTHER_NOISE:
            raise ImageError(
                f"{text}, and the contrast differs by a factor of {max(ratio, 1 / ratio):.0f}: one "
                "noise model cannot describe both. Use the original files, or one data type at a "
                "time."
            )
        findings.append(Finding(f"{text}. Use the original files for all images"))
    elif others := [look for look in looks if _other_scale(first, look)]:
        names = some([look.name for look in others], _FIRST)
        findings.append(
            Finding(
                f"the intensities of {first.name} (median {first.levels[0][1]:.4g}) and of "
                f"{names} (median {others[0].levels[0][1]:.4g}) differ in scale: train "
                "one model for each set of camera settings"
            )
        )
    objectives = {look.acquisition.objective: look for look in looks[::-1]}
    objectives.pop(None, None)
    if len(objectives) > 1:
        one, other, *_ = objectives.values()
        findings.append(
            Finding(
                f"{one.name} and {other.name} were recorded with different objectives: train one "
                "model per objective"
            )
        )
    return findings


def about_correlation(planes: Iterable[Real[np.ndarray, "Y X"]], name: str = "") -> Finding | None:
    """Report whether the noise of neighbouring pixels is correlated; None if it is not.

    Parameters
    ----------
    planes
        Of one channel, as recorded.
    name
        Of the channel, if there are several.

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
        f"({found.horizontal:.2f} horizontally, {found.vertical:.2f} vertically), as after "
        "interpolation, smoothing or compression, or from the read-out: noise models of single "
        "pixels keep most of it as if it were structure. Use the raw recording if you have it; "
        'otherwise noise="auto" (--noise auto), which describes such noise where flat regions show '
        "it, or against lines and patterns blind_levels=2 (--blind-levels 2)"
    )


def findings_of(look: ImageLook, *, learns: bool = True) -> list[Finding]:
    """Report in sentences what the measurements of one image mean.

    Parameters
    ----------
    look
        As `measure` gives it.
    learns
        Whether a model or its noise is to be fitted to the image.

    Examples
    --------
    >>> from ladderscope.inspection import measure
    >>> pixels = np.random.default_rng(0).poisson(100, (64, 64))
    >>> findings_of(measure(Image(pixels, "YX", "a.tif")))
    []
    """
    of_channels = [
        f"{look.name}, {name}" if len(look.levels) > 1 else look.name
        for name in numbered_channels(len(look.levels))
    ]
    found: list[tuple[str, str, bool]] = []
    if look.padding > _PADDING:
        text = (
            f"{look.name}: {percent(look.padding)} of the pixels are padding: they are constant "
            "and were not measured. They are excluded from the noise, the statistics and the "
            "patches"
        )
        found.append(("padding", text, False))
    for name, blank in zip(of_channels, look.blank, strict=True):
        if blank:
            text = (
                f"{name}: {_planes(look, blank, 'the plane', 'is blank', 'are blank')}: all pixels "
                "have the same value. Blank planes are excluded from training and returned "
                "unchanged"
            )
            found.append(("blank", text, True))
    if look.outliers:
        found.append(("outliers", _about_outliers(look, learns), True))
    ends = zip(
        of_channels,
        look.saturated,
        look.ceiling,
        look.saturated_planes,
        look.levels,
        strict=True,
    )
    for name, fraction, ceiling, planes, levels in ends:
        if planes or fraction > _SATURATED or _sets_the_scale(fraction, ceiling, levels):
            text = (
                f"{name}: {percent(fraction)} of the pixels are saturated at {ceiling:g}: clipped "
                "intensities cannot be restored. Record with less light or a lower gain"
            )
            if planes:
                text += f". {_about_saturated(look, planes, learns)}"
            found.append(("saturated", text, True))
    if look.copies and learns:
        repeat = _planes(
            look, look.copies, "a channel", "repeats an earlier one", "repeat earlier ones"
        )
        text = (
            f"{look.name}: {repeat}: the same noise seen twice looks like signal. Remove the copies"
        )
        found.append(("copies", text, True))
    for name, brightness, levels in zip(of_channels, look.brightness, look.levels, strict=True):
        if (change := _drift(brightness, float(levels[0]))) is not None:
            text = (
                f"{name}: the brightness {'rises' if change > 0 else 'falls'} by "
                f"{percent(abs(change))} from the first frames to the last, as with bleaching; "
                "the noise is measured over all frames"
            )
            found.append(("drift", text, False))
    return [Finding(text, is_warning, kind, look.name) for kind, text, is_warning in found]


def _about_outliers(look: ImageLook, learns: bool) -> str:
    listed = "; ".join(f"{_position(look.axes, at)} ({value:g})" for at, value in look.outliers_at)
    more = ", …" if look.outliers > len(look.outliers_at) else ""
    what, these = (
        ("1 pixel stands out from its surroundings (a hot or dead pixel, or a cosmic ray)", "It is")
        if look.outliers == 1
        else (
            f"{look.outliers} pixels stand out from their surroundings (hot or dead pixels, or "
            "cosmic rays)",
            "They are",
        )
    )
    excluded = "excluded from the noise, the statistics and the patches, and " if learns else ""
    return (
        f"{look.name}: {what}, at {listed}{more} (counted from 0). {these} {excluded}not corrected "
        "in the restoration"
    )


def _about_saturated(look: ImageLook, planes: Sequence[tuple[int, ...]], learns: bool) -> str:
    many = f"more than {percent(MOST_SATURATED)} saturated pixels"
    which = _planes(look, planes, "This image", f"has {many}", f"have {many} each")
    them = "it" if len(planes) == 1 else "them"
    leave = f"leave {them} out of the training, and " if learns else ""
    return f"{which}: {leave}measure no intensities in {them}"


def _sets_the_scale(fraction: float, ceiling: float, levels: np.ndarray) -> bool:
    """Whether saturated pixels, however few, vary more than all others together."""
    low, middle, high = levels
    return fraction > 0 and bool(fraction * (ceiling - middle) ** 2 > (high - low) ** 2)


def _planes(look: ImageLook, at: Sequence[tuple[int, ...]], single: str, does: str, do: str) -> str:
    """Write what planes do, and which planes they are; `single` names the only plane there is."""
    if not look.others:
        return f"{single} {does}"
    listed = "; ".join(_position(look.others, one) for one in at[:_NAMED])
    more = ", …" if len(at) > _NAMED else ""
    planes = f"1 plane {does}" if len(at) == 1 else f"{len(at)} planes {do}"
    return f"{planes} ({listed}{more}, counted from 0)"


def _position(axes: str, at: Sequence[int]) -> str:
    return ", ".join(f"{letter}={number}" for letter, number in zip(axes, at, strict=True))


def _drift(brightness: np.ndarray, dark: float) -> float | None:
    """Return the fraction by which frames become brighter, if steadily and by much."""
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
    """Whether both the median and the bright level are many times those of the other."""
    for of_one, of_other in zip(one.levels, other.levels, strict=True):
        if of_one[1] > 0 and of_other[1] > 0:
            ratios = of_one[1:] / of_other[1:]
            if (ratios > _SCALE).all() or (ratios < 1 / _SCALE).all():
                return True
    return False
