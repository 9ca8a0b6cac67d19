"""``ladderscope check``: a first look at images, before anything is trained on them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from ladderscope.cli import options

if TYPE_CHECKING:
    from ladderscope.images import Image
    from ladderscope.inspection import ImageLook


def check(
    inputs: options.Inputs,
    axes: options.Axes = None,
    level: options.Level = 0,
    missing_chunks: options.Missing = "fill",
) -> None:
    """Inspect images for padding, hot pixels, saturation, duplicates, noise and metadata.

    Nothing is trained or written. “denoise” and “train” run the same checks before they start.
    """
    from ladderscope.cli import summary, work
    from ladderscope.cli.terminal import in_words, show_summary
    from ladderscope.errors import LadderscopeError
    from ladderscope.images import open_image
    from ladderscope.images.check import check_worth
    from ladderscope.inspection import about_repeats, findings_of, measure

    failures, looks = [], []
    for path in work.find(inputs, level, missing_chunks):
        try:
            image = open_image(path, axes)
            check_worth(image)
            look = measure(image)
            rows = [("file", str(path)), *_facts(image), *_noise(image)]
        except (LadderscopeError, OSError) as error:
            failures.append(summary.Failure(str(path), in_words(error)))
            continue
        looks.append(look)
        findings = [*findings_of(look), *about_repeats(image)]
        rows += [(finding.label, finding.text) for finding in findings]
        show_summary(rows)
    show_summary([("warning", text) for text in _together(looks)])
    summary.say_failures(failures)
    if failures:
        raise typer.Exit(1)


def _facts(image: "Image") -> Iterator[tuple[str, str]]:
    """Give what the file states: shape, axes, channels, pixel size."""
    shape = "×".join(map(str, image.shape))
    yield "image", f"{shape} ({image.axes}), {image.dtype}"
    if image.channel_names:
        yield "channels", ", ".join(image.channel_names)
    size = image.pixel_size
    spacing, interval = image.acquisition.slice_spacing, image.acquisition.frame_interval
    known = [
        "pixel size not stored in the file"
        if size is None
        else f"pixels {size[0]:.4g} × {size[1]:.4g} µm"
    ]
    known += [] if spacing is None else [f"slices every {spacing:.4g} µm"]
    known += [] if interval is None else [f"frames every {interval:.4g} s"]
    yield "size", ", ".join(known)


def _noise(image: "Image") -> Iterator[tuple[str, str]]:
    """Say what the noise of each channel is, and warn where its pixels are not independent."""
    from ladderscope.images import numbered_channels
    from ladderscope.inspection import about_correlation
    from ladderscope.noise import NoiseError
    from ladderscope.noise_estimation import calibrate_poisson_gaussian
    from ladderscope.noise_estimation.sources import noisy_alone

    names = image.channel_names or numbered_channels(image.channels)
    several = image.channels > 1
    # Read twice, one plane at a time: 40 planes of a large stack may not fit into memory.
    sources = zip(noisy_alone([image]), noisy_alone([image]), strict=True)
    for name, (once, again) in zip(names, sources, strict=True):
        of = f"{name}: " if several else ""
        try:
            yield "noise", f"{of}{calibrate_poisson_gaussian(once.planes).summary()}"
            if finding := about_correlation(again.planes, name if several else ""):
                yield "warning", finding.text
        except NoiseError as error:
            yield "noise", f"{of}cannot be measured: {error}"


def _together(looks: "Sequence[ImageLook]") -> Iterator[str]:
    """Warn of differences between the images."""
    from ladderscope.images import ImageError
    from ladderscope.images.channels import channel_order, names_differ
    from ladderscope.inspection import compare

    if not looks:
        return
    first = looks[0]
    alike = [look for look in looks if (look.axes, len(look.levels)) == _kind(first)]
    if other := next((look for look in looks if _kind(look) != _kind(first)), None):
        yield (
            f"{first.name} ({first.axes}, {len(first.levels)} channels) and {other.name} "
            f"({other.axes}, {len(other.levels)} channels) cannot be used together"
        )
    for look in alike:
        names = look.channel_names, first.channel_names
        order = channel_order(*names)
        if names_differ(*names) or (order is not None and order != sorted(order)):
            here, there = (", ".join(of or ()) for of in names)
            yield f"the channels of {look.name} are {here}; those of {first.name} are {there}"
    sizes = {look.pixel_size for look in alike if look.pixel_size}
    if len(sizes) > 1:
        different = "; ".join(f"{size[0]:.4g} × {size[1]:.4g} µm" for size in sorted(sizes))
        yield f"the pixel sizes differ: {different}. A model works best for one pixel size"
    try:
        yield from (finding.text for finding in compare(alike))
    except ImageError as error:
        yield str(error)


def _kind(look: "ImageLook") -> tuple[str, int]:
    return look.axes, len(look.levels)
