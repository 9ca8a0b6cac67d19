"""What a report keeps of one image and its restoration: pictures of a plane, and checks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ladderscope.evaluation.checks import Check
from ladderscope.images import Image, numbered_channels
from ladderscope.images.large import corner_shown, shown_planes
from ladderscope.models import Restoration
from ladderscope.models.file import Model
from ladderscope.report.unexplained import Unexplained, unexplained
from ladderscope.report.viewer import Channels, Draws, Viewer, viewer_of


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
    viewer : Viewer, optional
        Its pictures; None for an image that is listed without.
    unexplained : Unexplained, optional
        The residual of the plane shown, for a split image.
    lights : tuple of Check
        What checks of the whole image without a clean image found.
    """

    name: str
    files: tuple[str, ...]
    seconds: float
    where: str
    viewer: Viewer | None = None
    unexplained: Unexplained | None = None
    lights: tuple[Check, ...] = ()


def restored_image(
    image: Image,
    restored: Restoration,
    model: Model,
    *,
    files: Sequence[str],
    seconds: float,
    shown: bool,
    draws: Draws | None = None,
) -> RestoredImage:
    """Take what the report needs from an image and its restoration: the middle plane.

    Of a large plane it is the middle.

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
    draws
        Posterior samples of the detail that is shown: that of `detail_of` in the middle planes.
    """
    where, before = _where(image), shown_planes(image)
    mean = Image(restored.mean, restored.axes, image.name, channel_names=restored.channel_names)
    std = None if restored.std is None else replace(mean, pixels=restored.std)
    after, spread, labels = _seen(mean, std)
    seen = image.name, after, spread, draws, labels
    if restored.residual is not None:
        residual = shown_planes(Image(restored.residual, image.axes, image.name))[0]
        return RestoredImage(
            image.name,
            tuple(files),
            seconds,
            where,
            viewer=viewer_of(*seen, mixed=before[0], residual=residual) if shown else None,
            unexplained=unexplained(before[0], residual, after, model),
            lights=restored.checks,
        )
    viewer = viewer_of(*seen, noisy=before) if shown else None
    return RestoredImage(image.name, tuple(files), seconds, where, viewer, lights=restored.checks)


def without_original(
    mean: Image, spread: Image | None, *, files: Sequence[str], shown: bool
) -> RestoredImage:
    """Take what the report can show of a restoration whose original is gone."""
    after, std, labels = _seen(mean, spread)
    viewer = viewer_of(mean.name, after, std, None, labels) if shown else None
    return RestoredImage(mean.name, tuple(files), 0.0, _where(mean), viewer)


def _where(image: Image) -> str:
    """Say which plane is shown, and which part of it."""
    planes = image.field_count()
    said = [f"plane {planes // 2 + 1} of {planes}"] if planes > 1 else []
    if any(corner := corner_shown(image)):
        said.append(f"from row {corner[0]} and column {corner[1]}")
    return ", ".join(said)


def _seen(mean: Image, spread: Image | None) -> tuple[Channels, Channels | None, list[str]]:
    """Read what is shown of a restoration and of its spread, and name the channels."""
    after = shown_planes(mean)
    names = mean.channel_names or numbered_channels(len(after))
    labels = [str(name) for name in names] if len(after) > 1 else [""]
    return after, None if spread is None else shown_planes(spread), labels
