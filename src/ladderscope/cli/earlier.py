"""What a run has left that was stopped while it restored: its model, and whole restorations."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ladderscope.cli.described import described
from ladderscope.cli.naming import Outputs
from ladderscope.cli.summary import Restorer
from ladderscope.errors import LadderscopeError
from ladderscope.images import Image, open_image
from ladderscope.images.at_hand import are_small, at_hand
from ladderscope.images.cleaning import clean
from ladderscope.images.large import IN_MEMORY
from ladderscope.models import Denoiser, load
from ladderscope.models.channel_noise import is_blank, listed
from ladderscope.models.file import Model
from ladderscope.models.fitting import training_statistics
from ladderscope.models.kept import recomposed
from ladderscope.noise import NoiseModel
from ladderscope.noise.averages import averaged
from ladderscope.report import RestoredImage

# Made smaller where the images have no room for more.
_FITTED_SETTINGS = ("patch", "depth")
_SAME = 1e-6  # how near to each other statistics of the same images are


def trained_before(denoiser: Denoiser, model_path: Path, images: Sequence[Image]) -> Denoiser:
    """Open the model of an earlier run, if it is the one that training now would give.

    Parameters
    ----------
    denoiser
        What was asked for.
    model_path
        The model that there is.
    images
        What would be trained on.

    Raises
    ------
    LadderscopeError
        Its training was not completed, or it was of other settings or images; what differs is
        said.
    """
    found = load(model_path, device=denoiser.device)
    if not isinstance(found, Denoiser):
        differences = [f"it contains a {found.kind}"]
    elif found.model.outcome.interrupted:
        differences = ["its training is unfinished"]
    else:
        # as training takes them
        images = at_hand(images, in_memory=are_small(images))
        differences = [
            *_other_settings(found.model, denoiser),
            *_other_noise(found.model, denoiser, images),
            *_other_images(found, images),
        ]
    if differences or not isinstance(found, Denoiser):
        raise LadderscopeError(
            f"{model_path} is from another run: {'; '.join(differences)}. To resume that run, give "
            "its images and settings. To restore other images with its model, run: ladderscope "
            f"predict {model_path} IN... -o OUT. To train again, give --overwrite"
        )
    return found


def kept_image(
    restorer: Restorer, image: Image, outputs: Outputs, samples: int, seed: int, *, shown: bool
) -> tuple[RestoredImage, list[Path]]:
    """Describe what was restored before, and list its files.

    Where its axes are written in another order than the image has, it is not shown.
    """
    files = [path for path in outputs.images if path.exists()]
    names = [path.name for path in files]
    restored = recomposed(restorer, image, *kept_files(outputs), samples)
    if restored is None:
        return RestoredImage(image.name, tuple(names), 0.0, ""), files
    found, drawn = described(
        restorer,
        image,
        restored,
        outputs,
        files=names,
        seconds=0.0,
        shown=shown,
        seed=seed,
        overwrite=False,
    )
    return found, files + drawn


def kept_files(outputs: Outputs) -> tuple[Image, Image | None]:
    """Open what was restored, and its spread if there is one; what is not large is read."""
    return _kept(outputs.restored), _kept(outputs.spread) if outputs.spread.exists() else None


def _kept(path: Path) -> Image:
    image = open_image(path)
    return image if image.size > IN_MEMORY else replace(image, pixels=image.array)


def _other_settings(model: Model, denoiser: Denoiser) -> list[str]:
    asked, found = denoiser.settings.model_dump(), model.settings.model_dump()
    differ = [
        f"{name} was {found[name]}, now {value}"
        for name, value in asked.items()
        if found[name] != value and not (name in _FITTED_SETTINGS and found[name] < value)
    ]
    if model.seed != denoiser.seed:
        differ.append(f"seed was {model.seed}, now {denoiser.seed}")
    return differ


def _other_noise(model: Model, denoiser: Denoiser, images: Sequence[Image]) -> list[str]:
    entries = listed(denoiser.noise) or [denoiser.noise] * images[0].channels
    known = [
        noise if choice is None else choice.asked
        for noise, choice in zip(model.noise_models, model.noise_choices, strict=True)
    ]
    frames = model.frames
    asked = _averaged(entries, frames)
    if len(asked) == len(known) and all(
        one == other or _is_blank(images, channel)
        for channel, (one, other) in enumerate(zip(asked, known, strict=True))
    ):
        return []
    given = _averaged(known, frames and 1 / frames)
    return [f"the noise was {_in_words(given)}, now {_in_words(entries)}"]


def _is_blank(images: Sequence[Image], channel: int) -> bool:
    """Tell whether a channel, one of several, is blank: whatever noise is given, it has none."""
    return 1 < images[0].channels > channel and is_blank(
        image.plane(position, channel) for image in images for position in image.positions()
    )


def _other_images(found: Denoiser, images: Sequence[Image]) -> list[str]:
    stack = [found.observed(image) for image in images]
    first, model = stack[0], found.model
    if (model.axes, model.channel_names) != (first.axes, first.channel_names):
        return ["the images have different axes or channels"]
    numbers = [
        value
        for statistics in (
            model.statistics,
            training_statistics([clean(image) for image in stack]),
        )
        for one in statistics
        for value in asdict(one).values()
    ]
    before, now = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    if all(math.isclose(one, other, rel_tol=_SAME) for one, other in zip(before, now, strict=True)):
        return []
    return ["it was trained on different images"]


def _averaged(
    entries: Sequence[str | NoiseModel], frames: float | int | None
) -> list[str | NoiseModel]:
    """Give the noise of averages, as models hold it, of that of one frame, as users give it."""
    if frames is None:
        return list(entries)
    return [one if isinstance(one, str) else averaged(one, frames) for one in entries]


def _in_words(entries: Sequence[str | NoiseModel]) -> str:
    return ", ".join(str(entry) for entry in entries)
