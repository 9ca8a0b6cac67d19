"""What is done in a thread beside the viewer: training and restoring, as `models` does them."""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from jaxtyping import Shaped

from ladderscope.files import OutputError, stem, taken
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.models import Denoiser, Restoration, Splitter, load
from ladderscope.models.error_bars import calibrates
from ladderscope.models.watching import Watch
from ladderscope.napari.layers import Given
from ladderscope.progress import Listener

logger = logging.getLogger("ladderscope")

Restorer: TypeAlias = Denoiser | Splitter
Images: TypeAlias = Callable[[], Sequence[Given]]  # opened in the thread


@dataclass(frozen=True)
class Listeners:
    """Who hears of the work, and who may stop it; all are called in its thread.

    Attributes
    ----------
    progress : callable
        Gets the fraction that is done of the present step, and what is being done.
    watch : callable
        Gets a `Snapshot` at each validation.
    enough : callable
        Returns True when training should end; its best model is used.
    stop : callable
        Returns True when everything should end.
    trained : callable
        Gets what was trained or loaded.
    restored : callable
        Gets an image, its restoration, and posterior samples if they are shown.
    """

    progress: Listener
    watch: Watch
    enough: ShouldStop
    stop: ShouldStop
    trained: Callable[[Restorer], None]
    restored: Callable[[Given, Restoration, Shaped[np.ndarray, "n ..."] | None], None]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of each restoration.

    Attributes
    ----------
    samples : int
        Number of posterior samples that are averaged.
    shown : int
        Number of posterior samples that are shown.
    folder : Path, optional
        Where restorations are saved.
    """

    samples: int = 16
    shown: int = 0
    folder: Path | None = None


Work: TypeAlias = Callable[[Listeners], None]


def denoise(denoiser: Denoiser, images: Images, minutes: float | None, wanted: Wanted) -> Work:
    """Train on noisy images, and restore them."""

    def work(tell: Listeners) -> None:
        given = images()
        outputs = _outputs(given, wanted)
        _train(denoiser, tell, images=[one.image for one in given], minutes=minutes)
        _restore(denoiser, given, outputs, wanted, tell)

    return work


def split(
    splitter: Splitter,
    channels: Sequence[Images],
    names: Sequence[str] | None,
    paired: bool,
    mixed: Images,
    minutes: float | None,
    wanted: Wanted,
) -> Work:
    """Train on recordings of each structure alone, and split images of their sum."""

    def work(tell: Listeners) -> None:
        given = mixed()
        outputs = _outputs(given, wanted)
        recordings = [[one.image for one in of_channel()] for of_channel in channels]
        _train(splitter, tell, channels=recordings, names=names, paired=paired, minutes=minutes)
        _restore(splitter, given, outputs, wanted, tell)

    return work


def predict(model: Path, images: Images, wanted: Wanted) -> Work:
    """Load a model, and restore images with it."""

    def work(tell: Listeners) -> None:
        restorer = load(model)
        given = images()
        tell.trained(restorer)
        _restore(restorer, given, _outputs(given, wanted), wanted, tell)

    return work


@contextmanager
def warnings_told(warn: Callable[[str], None]) -> Iterator[None]:
    """Hand on what the library warns of in this thread while the block runs.

    Examples
    --------
    >>> with warnings_told(print):
    ...     logger.warning("the images are saturated")
    the images are saturated
    """
    here = threading.get_ident()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == here:
                warn(record.getMessage())

    handler = Told(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _train(restorer: Denoiser | Splitter, tell: Listeners, **data: Any) -> None:
    """Train on data, as `fit` takes them, and calibrate."""
    restorer.fit(**data, progress=tell.progress, should_stop=tell.enough, watch=tell.watch)
    calibrates(restorer, data.get("images"), progress=tell.progress, should_stop=tell.stop)
    tell.trained(restorer)


def _outputs(given: Sequence[Given], wanted: Wanted) -> list[Path | None]:
    """Name the file of each restoration, before any work is done.

    Raises
    ------
    OutputError
        A file exists, or would be that of two images.
    """
    if wanted.folder is None:
        return [None] * len(given)
    names = [re.sub(r'[\\/:*?"<>|]', "_", one.image.name) for one in given]
    files = [wanted.folder / f"{stem(Path(name))}_restored.ome.tif" for name in names]
    for file in files:
        if taken(file):
            raise OutputError(f"{file} already exists: choose another folder, or move it away")
        if files.count(file) > 1:
            raise OutputError(f"{file} would hold two restorations: rename one of the images")
    return list(files)


def _restore(
    restorer: Restorer,
    given: Sequence[Given],
    outputs: Sequence[Path | None],
    wanted: Wanted,
    tell: Listeners,
) -> None:
    how: dict[str, Any] = {"progress": tell.progress, "should_stop": tell.stop}
    for one, output in zip(given, outputs, strict=True):
        stop_if(tell.stop, "restoring")
        restored = cast(
            Restoration, restorer.predict(one.image, samples=wanted.samples, out=output, **how)
        )
        draws = restorer.sample(one.image, n=wanted.shown, **how) if wanted.shown else None
        tell.restored(one, restored, draws)
