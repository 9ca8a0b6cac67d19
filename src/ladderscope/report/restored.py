"""What a report keeps of one image and its restoration: pictures of a plane, and checks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Real

from ladderscope.evaluation import ResidualCheck, residual_check
from ladderscope.images import Image, numbered_channels
from ladderscope.models import Restoration
from ladderscope.models.file import Model
from ladderscope.models.matching import noise_of_channels
from ladderscope.pictures import grey_range
from ladderscope.report.figures import bright_end, busiest
from ladderscope.report.unexplained import Unexplained, unexplained
from ladderscope.report.words import UNCALIBRATED


@dataclass(frozen=True, eq=False)
class Picture:
    """A plane, how it is drawn, and its caption.

    Attributes
    ----------
    plane : array
        Its pixels.
    low, high : float
        The values at the ends of the colour map.
    colours : str
        Name of a matplotlib colour map.
    title, values : str
        What is shown, and what the colours mean.
    """

    plane: Real[np.ndarray, "Y X"]
    low: float
    high: float
    colours: str
    title: str
    values: str


@dataclass(frozen=True, eq=False)
class Panels:
    """Pictures of one field, in rows; the detail is shown enlarged below."""

    label: str
    rows: tuple[tuple[Picture | None, ...], ...]
    detail: tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class RestoredImage:
    """What the report shows of one image.

    Attributes
    ----------
    name : str
        The file that was restored.
    files : tuple of str
        The files that were written.
    seconds : float
        How long the restoration took.
    where : str
        Which plane is shown, if there are several.
    checks : tuple of (str, ResidualCheck)
        One per channel, with the channel's name, of the plane shown; none for a split image.
    panels : tuple of Panels
        One per channel, or one for all channels of a split image; none for an image that is
        listed without pictures.
    unexplained : Unexplained, optional
        The residual of the plane shown, for a split image.
    """

    name: str
    files: tuple[str, ...]
    seconds: float
    where: str
    checks: tuple[tuple[str, ResidualCheck], ...]
    panels: tuple[Panels, ...] = ()
    unexplained: Unexplained | None = None


def restored_image(
    image: Image,
    restored: Restoration,
    model: Model,
    *,
    files: Sequence[str],
    seconds: float,
    shown: bool,
) -> RestoredImage:
    """Take what the report needs from an image and its restoration: the middle plane.

    Parameters
    ----------
    image, restored
        The image before and after.
    model
        The model that restored it.
    files
        The files that were written.
    seconds
        How long the restoration took.
    shown
        Whether the report shows pictures of the image.
    """
    planes = image.field_count()
    where = f"plane {planes // 2 + 1} of {planes}" if planes > 1 else ""
    before = image.middle_planes()
    after = Image(restored.mean, restored.axes, image.name).middle_planes()
    spread = None
    if restored.std is not None:
        spread = Image(restored.std, restored.axes, image.name).middle_planes()
    names = restored.channel_names or numbered_channels(len(after))
    labels = [str(name) for name in names] if len(after) > 1 else [""]
    if restored.residual is not None:
        residual = Image(restored.residual, image.axes, image.name).middle_planes()[0]
        return RestoredImage(
            image.name,
            tuple(files),
            seconds,
            where,
            checks=(),
            panels=(_split_panels(before[0], after, spread, residual, labels),) if shown else (),
            unexplained=unexplained(before[0], residual, after, model),
        )
    checks = tuple(
        (label, residual_check(one, other, noise_model))
        for label, one, other, noise_model in zip(
            # an imported model may know nothing of the noise: then there is nothing to check
            labels,
            before,
            after,
            noise_of_channels(image, model),
            strict=bool(model.noise_models),
        )
        if min(one.shape) > 1
    )
    panels = tuple(
        _denoised_panels(label, before[n], after[n], None if spread is None else spread[n])
        for n, label in enumerate(labels)
    )
    return RestoredImage(image.name, tuple(files), seconds, where, checks, panels if shown else ())


def _denoised_panels(
    label: str,
    before: Real[np.ndarray, "Y X"],
    after: Real[np.ndarray, "Y X"],
    spread: Real[np.ndarray, "Y X"] | None,
) -> Panels:
    ends = grey_range(after)
    third = None if spread is None else _spread_picture(spread, UNCALIBRATED)
    row = _grey_picture(before, ends, "noisy"), _grey_picture(after, ends, "restored"), third
    return Panels(label, (row,), busiest(after))


def _split_panels(
    mixed: Real[np.ndarray, "Y X"],
    channels: Real[np.ndarray, "channels Y X"],
    spread: Real[np.ndarray, "channels Y X"] | None,
    residual: Real[np.ndarray, "Y X"],
    names: Sequence[str],
) -> Panels:
    explained = mixed - residual
    end = bright_end(np.abs(residual))
    first = (
        _grey_picture(mixed, grey_range(explained), "mixed"),
        *(
            _grey_picture(channel, grey_range(channel), name)
            for channel, name in zip(channels, names, strict=True)
        ),
        Picture(
            residual,
            -end,
            end,
            "RdBu_r",
            "residual: mixed minus channels",
            f" (blue {-end:.4g}, red {end:.4g})",
        ),
    )
    if spread is None:
        return Panels("", (first,), busiest(explained))
    pictures = [
        _spread_picture(of_channel, f"{name}: {UNCALIBRATED}")
        for of_channel, name in zip(spread, names, strict=True)
    ]
    return Panels("", (first, (None, *pictures, None)), busiest(explained))


def _grey_picture(plane: Real[np.ndarray, "Y X"], ends: tuple[float, float], title: str) -> Picture:
    low, high = ends
    return Picture(plane, low, high, "gray", title, f" (black {low:.4g}, white {high:.4g})")


def _spread_picture(spread: Real[np.ndarray, "Y X"], title: str) -> Picture:
    end = bright_end(spread)
    return Picture(spread, 0.0, end, "magma", title, f": black 0, bright {end:.4g}")
