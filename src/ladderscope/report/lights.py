"""The checks of restorations as a report shows them: a light per image, with reason and remedy."""

from collections.abc import Iterator, Sequence

from ladderscope.evaluation.checks import LIGHTS, Check, light_of
from ladderscope.report import html
from ladderscope.report.restored import RestoredImage
from ladderscope.words import counted, listed


def lights_of(images: Sequence[RestoredImage]) -> str:
    """Count the lights of images, the gravest first; nothing if none was checked.

    Examples
    --------
    >>> green = Check("green", "local means", "Every region keeps its mean.")
    >>> lights_of([RestoredImage("a.tif", (), 1.0, "", lights=(green,))] * 2)
    '2 green'
    """
    found = [light_of(image.lights) for image in images]
    return ", ".join(f"{found.count(one)} {one}" for one in reversed(LIGHTS) if one in found)


def shown_checks(image: RestoredImage) -> list[Check]:
    """List the checks of an image that are not green, the gravest first."""
    found = [check for check in image.lights if check.light != "green"]
    return sorted(found, key=lambda check: -LIGHTS.index(check.light))


def lights_section(images: Sequence[RestoredImage]) -> Iterator[str]:
    """Show the lights of the images, and what is not green."""
    checked = [image for image in images if image.lights]
    if not checked:
        return
    yield "<h2>Can the restorations be used?</h2>"
    names = dict.fromkeys(check.name for image in checked for check in image.lights)
    yield html.paragraph(
        f"{counted(len(checked), 'image')} checked without a clean image: {lights_of(checked)}. "
        f"Checked were {listed(list(names))}. Green means that nothing was found, not that every "
        "pixel is right; amber asks for a look; red says that the restoration should not be used "
        "before the reason is understood."
    )
    rows = [
        [image.name, check.light, check.name, check.text]
        for image in checked
        for check in shown_checks(image)
    ]
    if rows:
        yield html.table(rows, ["image", "light", "check", "reason and remedy"])


def all_checks(images: Sequence[RestoredImage]) -> Iterator[str]:
    """Show, folded up, what every check found in every image."""
    rows = [
        [image.name, check.light, check.name, check.reason]
        for image in images
        for check in image.lights
    ]
    if not rows:
        return
    yield "<h2>All checks</h2>"
    yield html.folded(
        f"What was found, {counted(len(rows), 'check')}",
        html.paragraph(
            "What was removed is the image minus the restoration, in units of the expected noise. "
            "Noise alone has a variance of 1 and no correlation; the best restorations pass on "
            "part of the noise, so that the variance of what was removed is a little below 1."
        )
        + html.table(rows, ["image", "light", "check", "found"]),
    )
