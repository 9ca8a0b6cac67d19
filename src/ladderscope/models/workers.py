"""Prediction by the workers of a Dask cluster: one task per group of pieces.

Each worker gets the model once, and opens the image by itself. It writes pieces into the working
folder, so that pixels neither pass the scheduler nor are lost with a worker: a task that is run
again finds what it had finished. The network computes with one thread per task.
"""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image, open_image
from ladderscope.images.addresses import url_of
from ladderscope.images.large import opened_large
from ladderscope.interruption import stop_if
from ladderscope.models.file import Model
from ladderscope.models.output import Output
from ladderscope.models.pieces import Piece, Place
from ladderscope.models.restoring import Watched
from ladderscope.models.streaming import Begun, Compute, Prediction, begun_there, computed_here
from ladderscope.models.working_folder import WorkingFolder, is_there, read

_PATIENCE = 60  # seconds until a scheduler and its workers must have answered
_POLL = 0.5  # seconds between two questions whether to stop
_AHEAD = 2  # tasks per thread that are sent ahead of the results
_GROUPS = 16  # per thread, so that all end at nearly the same time
_LARGEST = 32  # pieces of a group


@dataclass(frozen=True)
class _Address:
    """An image that a worker opens by itself."""

    path: Path
    axes: str
    name: str

    def opened(self) -> Image:
        return replace(opened_large(open_image(self.path, self.axes)).image, name=self.name)


@dataclass(frozen=True)
class _Work:
    """What every worker gets once."""

    name: str
    again: Callable[[Image], Prediction]
    image: Image | _Address
    folder: WorkingFolder


# What this process, a worker, has got, and has made of it; some threads share it.
_received: dict[str, _Work] = {}
_made: dict[str, Begun] = {}
_making = threading.Lock()


@contextmanager
def connected(dask: object) -> Iterator[Any]:
    """Give a client of a cluster, and start the cluster if it is to be a local one.

    Parameters
    ----------
    dask
        ``"local:N"`` for N processes on this computer, the address of a scheduler, or a client,
        which is given back; None gives None.

    Raises
    ------
    LadderscopeError
        Dask is not installed, no scheduler answers, or it has no workers.
    """
    if dask is None:
        yield None
        return
    try:
        import distributed
        from dask import config
    except ImportError as error:
        raise LadderscopeError(
            'Dask is not installed: pip install "ladderscope[dask]", here and for every worker'
        ) from error
    if not isinstance(dask, str):
        yield dask
        return
    kind, _, number = dask.partition(":")
    if kind == "local" and not (number.isdecimal() and int(number) > 0):
        raise LadderscopeError(f"dask={dask!r}: give local:N for N processes, such as local:4")
    if kind != "local":
        try:
            client = distributed.Client(dask, timeout=_PATIENCE)
            client.wait_for_workers(1, timeout=_PATIENCE)
        except (OSError, ValueError, TimeoutError) as error:
            raise LadderscopeError(
                f"dask={dask!r}: no Dask scheduler with workers answers there ({error}). Start "
                "them with “dask scheduler” and “dask worker ADDRESS”, or give local:N"
            ) from error
        with client:
            yield client
        return
    with (
        config.set(_fast_start()),
        distributed.LocalCluster(
            n_workers=int(number),
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address=None,
            silence_logs="CRITICAL",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _fast_start() -> dict[str, str]:
    """Let one process load what workers need, and fork them from there, where that is possible."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return {}
    from dask import config
    from distributed.utils import get_mp_context

    chosen = {"distributed.worker.multiprocessing-method": "forkserver"}
    with config.set(chosen):
        context = get_mp_context()  # sets what Dask itself loads
    context.set_forkserver_preload(["distributed", "ladderscope.models.splitter"])
    return chosen


def again(
    kind: Any,
    model: Model,
    device: str | None,
    samples: int,
    seed: int,
    output: Output,
    image: Image,
) -> Prediction:
    """Make on a worker the prediction that a restorer, of this kind and model, makes."""
    restorer = kind.from_model(model, device=device)
    prediction: Prediction = restorer._prediction(image, samples, seed, output)
    return prediction


@contextmanager
def team(dask: object) -> Iterator[tuple[Compute, int | None]]:
    """Say who makes the pieces of a prediction, and with how many threads the network computes.

    Parameters
    ----------
    dask
        As `connected` takes it; None for this process alone, with its usual number of threads.
    """
    with connected(dask) as client:
        yield (computed_here, None) if client is None else (partial(_computed, client), 1)


def _computed(
    client: Any, begun: Begun, missing: Sequence[Place], watched: Watched
) -> Iterator[Piece]:
    from distributed import CancelledError, KilledWorker, wait

    if not missing:
        return
    work = _work(begun)
    client.register_plugin(_courier(work), name=work.name)
    waiting, running = _groups(missing, _threads(client)), dict[Any, Sequence[Place]]()
    done, alive = 0, time.monotonic()
    try:
        while True:
            alive = time.monotonic() if client.nthreads() else alive
            if time.monotonic() - alive > _PATIENCE:
                raise LadderscopeError(_lost(begun, "no worker is left"))
            for group in islice(waiting, max(0, _AHEAD * _threads(client) - len(running))):
                running[client.submit(_restored, work.name, group, pure=False)] = group
            if not running:
                return
            stop_if(watched.should_stop, f"restoring {begun.prediction.fields.image.name}")
            with suppress(TimeoutError):
                wait(list(running), timeout=_POLL, return_when="FIRST_COMPLETED")
            for future in [one for one in running if one.done()]:
                group = running.pop(future)
                try:
                    future.result()
                except (KilledWorker, CancelledError) as error:
                    left = [place for place in group if not is_there(begun.folder, place)]
                    if len(left) == len(group):
                        raise LadderscopeError(_lost(begun, str(error))) from error
                    running[client.submit(_restored, work.name, group, pure=False)] = group
                    continue
                for place in group:
                    yield _seen(begun, place)
                done += len(group)
                if watched.report is not None:
                    name = begun.prediction.fields.image.name
                    watched.report(done / len(missing), f"restoring {name}")
    finally:
        client.cancel(list(running))
        with suppress(Exception):  # a cluster that is gone
            client.unregister_worker_plugin(work.name)


def _threads(client: Any) -> int:
    return max(1, sum(map(int, client.nthreads().values())))


def _groups(missing: Sequence[Place], threads: int) -> Iterator[Sequence[Place]]:
    size = max(1, min(_LARGEST, len(missing) // (_GROUPS * threads)))
    return (missing[first : first + size] for first in range(0, len(missing), size))


def _work(begun: Begun) -> _Work:
    image, folder = begun.prediction.fields.image, begun.folder
    sent: Image | _Address = image
    if not isinstance(image.pixels, np.ndarray):
        if image.path is None:
            raise LadderscopeError(
                f"{image.name} is too large to be sent to workers: give the path of its file"
            )
        there = image.path if url_of(image.path) else image.path.absolute()
        sent = _Address(there, image.axes, image.name)
    name = f"ladderscope-{token_hex(8)}"
    folder = replace(folder, path=folder.path.absolute())
    return _Work(name, begun.prediction.again, sent, folder)


def _courier(work: _Work) -> Any:
    """Make what brings the work to every worker, also to those that come later."""
    from distributed import WorkerPlugin

    class Courier(WorkerPlugin):  # type: ignore[misc]  # Any where Dask is not installed
        def __init__(self) -> None:
            self.work = work

        def setup(self, worker: Any) -> None:
            receive(self.work)

        def teardown(self, worker: Any) -> None:
            forget(self.work.name)

    return Courier()


def receive(work: _Work) -> None:
    """Keep work that this process will be asked for."""
    _received[work.name] = work


def forget(name: str) -> None:
    """Let go of work."""
    _received.pop(name, None)
    _made.pop(name, None)


def _restored(name: str, group: Sequence[Place]) -> int:
    """Make, on a worker, those pieces of a group that are not there; give their number."""
    with _making:
        begun = _made.get(name)
        if begun is None:
            work = _received[name]
            image = work.image if isinstance(work.image, Image) else work.image.opened()
            begun = _made[name] = begun_there(work.again(image), work.folder)
    missing = [place for place in group if read(begun.folder, place) is None]
    return sum(1 for _ in computed_here(begun, missing, Watched()))


def _seen(begun: Begun, place: Place) -> Piece:
    piece = read(begun.folder, place)
    if piece is None:
        raise LadderscopeError(
            f"a worker has restored a tile, but it is not in {begun.folder.path}: workers and this "
            "process need one file system, where this folder has the same path"
        )
    return piece


def _lost(begun: Begun, why: str) -> str:
    return (
        f"{begun.prediction.fields.image.name}: workers died while they restored it, or the "
        f"scheduler did ({why}). Give each worker more memory, or fewer threads. What is "
        f"finished is kept in {begun.folder.path}: resume it (resume=True, --resume)"
    )
