"""The arguments of a splitter's training, checked before any work."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image, Sources, numbered_channels
from ladderscope.models.config import SplitterSettings
from ladderscope.words import counted, listed

# Settings that the objective of a method does not use.
_WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {
    "musplit": ("denoisplit_weight", "free_bits"),
    "denoisplit": ("denoisplit_weight", "variance", "musplit_free_bits"),
}


def check_number(channels: Sequence[Sources], wanted: int) -> None:
    """Refuse anything but a list of the right number of channels."""
    if isinstance(channels, str) or not isinstance(channels, Sequence):
        raise LadderscopeError(
            'channels must be a list with the images of each structure, such as ["nuclei/*.tif", '
            f'"actin/*.tif"], not {type(channels).__name__}'
        )
    if len(channels) != wanted:
        raise LadderscopeError(
            f"{counted(len(channels), 'channel')} given, but the splitter has {wanted}: give "
            f"{wanted}, or construct it with channels={len(channels)}"
        )


def checked_names(names: Sequence[str] | None, wanted: int) -> Sequence[str]:
    """Give the names, or numbers instead of them; refuse repeated names."""
    if names is None:
        return numbered_channels(wanted)
    different = {name for name in names if isinstance(name, str) and name}
    if isinstance(names, str) or not len(names) == len(different) == wanted:
        raise LadderscopeError(f"names={names!r}: give {wanted} different names, one per channel")
    return names


def checked_offsets(offsets: Sequence[float] | None, wanted: int) -> Sequence[float] | None:
    """Give black levels as numbers, one per channel, or None where none are given."""
    try:
        given = None if offsets is None else np.asarray(offsets, float)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given is not None and (given.shape != (wanted,) or not np.isfinite(given).all()):
        raise LadderscopeError(
            f"offsets={offsets!r}: give {wanted} finite numbers, one per channel"
        )
    return None if given is None else given.tolist()


def check_nothing_to_mix(settings: SplitterSettings, offsets: Sequence[float] | None) -> None:
    """Refuse settings for computed mixed images if recorded ones are given."""
    given = {
        "offsets": offsets is not None,
        "ratios": settings.ratios != (1.0, 1.0),
        "balance": settings.balance != "none",
    }
    if any(given.values()):
        raise LadderscopeError(
            f"{listed([name for name in given if given[name]])} apply to computed mixed images, "
            "but recorded mixed images were given; omit one of the two"
        )


def say_what_has_no_effect(settings: SplitterSettings, notice: Callable[[str], None]) -> None:
    """Report settings that were changed and that the method ignores."""
    fields = SplitterSettings.model_fields
    idle = [
        name
        for name in _WITHOUT_EFFECT.get(settings.method, ())
        if getattr(settings, name) != fields[name].default
    ]
    if idle:
        notice(f"the method {settings.method} ignores {listed(idle)}")


def check_channels(everything: Sequence[tuple[str, Sequence[Image]]]) -> None:
    """Refuse images with several channels; each group of images has a name."""
    for name, stack in everything:
        if stack[0].channels > 1:
            raise LadderscopeError(
                f"{name}: {stack[0].name} has {stack[0].channels} channels; give the images of "
                "each structure without a C axis"
            )


def check_pairs(
    everything: Sequence[tuple[str, Sequence[Image]]], notice: Callable[[str], None]
) -> None:
    """Refuse groups that differ from the first in number or size; report other numbering."""
    first_name, first = everything[0]
    of_first = _counted(first)
    for name, stack in everything[1:]:
        if len(stack) != len(first):
            raise LadderscopeError(
                f"paired channels need the same number of images: {first_name} has {len(first)}, "
                f"{name} has {len(stack)}"
            )
        for one, other in zip(first, stack, strict=True):
            if (one.axes, one.shape) != (other.axes, other.shape):
                raise LadderscopeError(
                    f"paired images need the same shape: {one.name} ({first_name}) has "
                    f"{one.shape} ({one.axes}), {other.name} ({name}) "
                    f"{other.shape} ({other.axes})"
                )
        of_stack = _counted(stack)
        different = [k for k, number in enumerate(of_stack) if number != of_first[k]]
        if different and of_first[0] and of_stack[0]:
            one, other = first[different[0]], stack[different[0]]
            notice(
                f"images are paired by their order: {one.name} ({first_name}) goes with "
                f"{other.name} ({name}), although their numbers differ. Check that both show the "
                "same field"
            )


def _counted(images: Sequence[Image]) -> list[tuple[int, ...]]:
    """Give the numbers in names that differ between images; none if they cannot be aligned.

    Examples
    --------
    >>> _counted([Image(np.zeros((8, 8)), "YX", f"c2_{k}.tif") for k in ("01", "10")])
    [(1,), (10,)]
    """
    found = [[int(digits) for digits in re.findall(r"\d+", image.name)] for image in images]
    if len({len(numbers) for numbers in found}) > 1:
        return [()] * len(images)
    counting = [numbers for numbers in zip(*found, strict=True) if len(set(numbers)) > 1]
    return list(zip(*counting, strict=True)) if counting else [()] * len(images)
