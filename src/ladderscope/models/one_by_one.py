"""Restoring several images one after the other."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from ladderscope.images import Image, read_image
from ladderscope.images.find import Source
from ladderscope.images.large import read_unless_large
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.memory import enough_memory
from ladderscope.models.decodings import say_how_long
from ladderscope.models.output import Output
from ladderscope.models.restoring import Watched
from ladderscope.progress import Listener, listener_of, part_of

R = TypeVar("R")

FEWER_SAMPLES = (
    "ask for fewer samples (n), let predict write them (out=Output(path, samples=True); "
    "--samples-out)"
)
LESS_TO_RESTORE = (
    "restore part of the image or fewer planes at a time, or train a model with a smaller "
    "tile_core; device='cpu' may have more memory than a GPU"
)


def one_by_one(
    jobs: Sequence[tuple[tuple[Source, str], Output | None]],
    axes: str | None,
    looked_at: Callable[[Image], Image],
    restored: Callable[[Image, Output | None, Watched], R],
    progress: bool | Listener,
    should_stop: ShouldStop | None,
) -> list[R]:
    """Restore images one after the other.

    Parameters
    ----------
    jobs
        The source of each image with its name, and where its restoration goes.
    axes
        Those of the images.
    looked_at
        Finds the padding of an image, and warns.
    restored
        Restores an image.
    progress, should_stop
        As of `Denoiser.predict`.
    """
    found: list[R] = []
    started = time.monotonic()
    with listener_of(progress) as report:
        for number, ((source, name), output) in enumerate(jobs):
            stop_if(should_stop, "restoring")
            read = read_image if output is None else read_unless_large
            image = looked_at(read(source, axes, name=name))
            part = part_of(report, number, len(jobs))
            size = "×".join(map(str, image.shape))
            with enough_memory(f"restoring {image.name}, {size} pixels,", LESS_TO_RESTORE):
                found.append(restored(image, output, Watched(part, should_stop)))
            if part is not None:
                part(1.0, f"{image.name} is restored")
            if number == 0 and len(jobs) > 1:
                left = (time.monotonic() - started) * (len(jobs) - 1)
                say_how_long(f"the other {len(jobs) - 1} images", left)
    return found
