"""What a report shows of a restored image: its pictures, and posterior samples of a detail."""

from collections.abc import Sequence
from pathlib import Path

from ladderscope.cli.naming import Outputs
from ladderscope.cli.summary import Restorer
from ladderscope.files import whole_file
from ladderscope.images import Image
from ladderscope.images.large import corner_shown, shown_planes
from ladderscope.models import Restoration
from ladderscope.models.detail import samples_of_detail
from ladderscope.report import RestoredImage, restored_image
from ladderscope.report.viewer import SHOWN_SAMPLES, animation, detail_of


def described(
    restorer: Restorer,
    image: Image,
    restored: Restoration,
    outputs: Outputs,
    *,
    files: Sequence[str],
    seconds: float,
    shown: bool,
    seed: int,
    overwrite: bool,
) -> tuple[RestoredImage, list[Path]]:
    """Take what the report needs of an image; write the animation of its samples, if it is shown.

    Parameters
    ----------
    restorer
        What restored the image.
    image, restored
        The image before and after.
    outputs
        Where the animation goes.
    files
        The files that were written.
    seconds
        How long the restoration took.
    shown
        Whether the report shows pictures of the image.
    seed
        Random seed of the samples.
    overwrite
        Whether an animation that exists is replaced, or kept.

    Returns
    -------
    (RestoredImage, list of Path)
        What the report shows, and the animation, if there is one.
    """
    draws = None
    if overwrite:
        outputs.animation.unlink(missing_ok=True)
    if shown and restored.samples > 1:
        planes = shown_planes(Image(restored.mean, restored.axes, image.name))
        rows, columns = (
            slice(side.start + first, side.stop + first)
            for side, first in zip(detail_of(planes), corner_shown(image), strict=True)
        )
        draws = samples_of_detail(restorer, image, (rows, columns), n=SHOWN_SAMPLES, seed=seed)
    found = restored_image(
        image,
        restored,
        restorer.model,
        files=[*files, *([] if draws is None else [outputs.animation.name])],
        seconds=seconds,
        shown=shown,
        draws=draws,
    )
    moving = None if found.viewer is None else animation(found.viewer)
    if moving is None:
        return found, []
    if not outputs.animation.exists():
        with whole_file(outputs.animation) as unfinished:
            unfinished.write_bytes(moving)
    return found, [outputs.animation]
