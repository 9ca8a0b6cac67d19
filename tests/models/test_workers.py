"""Prediction by the workers of a Dask cluster."""

import sys
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from conftest import CAMERA
from interrupting import files_in
from typer.testing import CliRunner

from ladderscope import Denoiser
from ladderscope.cli.commands import app
from ladderscope.errors import LadderscopeError
from ladderscope.models import restoring, streaming, workers
from ladderscope.models.working_folder import folder_of, read

distributed = pytest.importorskip("distributed")
cloudpickle = pytest.importorskip("cloudpickle")

TILES = 8


@pytest.fixture(scope="module")
def tiled(crops):
    """A denoiser that restores a crop in small tiles."""
    return Denoiser("tiny", noise=CAMERA, tile_core=32).fit(crops[0], steps=3, progress=False)


@pytest.fixture(scope="module")
def image(crops, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "a.tif"
    tifffile.imwrite(path, np.tile(crops[0], (1, 2)))
    return path


@pytest.fixture(scope="module")
def undisturbed(tiled, image, tmp_path_factory):
    out, usual = tmp_path_factory.mktemp("undisturbed") / "r.ome.tif", torch.get_num_threads()
    torch.set_num_threads(1)
    tiled.predict(image, samples=2, out=out)
    torch.set_num_threads(usual)
    return files_in(out.parent)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "r.ome.tif"


def killed_once(log, mark):
    """Make what notes each tile that a worker begins, and kills the first one at its second."""

    class Killing(distributed.WorkerPlugin):
        def setup(self, worker):
            import os
            import signal
            from pathlib import Path

            from ladderscope.models import restoring

            ask, begun = restoring.restore_tile, []

            def noted(*args, **kwargs):
                begun.append(1)
                with Path(log).open("a") as file:
                    file.write(f"{os.getpid()}\n")
                if len(begun) == 2 and not Path(mark).exists():
                    Path(mark).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return ask(*args, **kwargs)

            restoring.restore_tile = noted

    return Killing()


def test_a_worker_that_dies_midway_changes_nothing(tiled, image, undisturbed, out, tmp_path):
    log, mark = str(tmp_path / "log"), str(tmp_path / "mark")
    with workers.connected("local:2") as client:
        client.register_plugin(killed_once(log, mark))
        restored = tiled.predict(image, samples=2, out=out, dask=client)
    begun = (tmp_path / "log").read_text().split()
    assert len(begun) == TILES + 1 and len(set(begun)) > 1  # the one that it held is done again
    assert files_in(out.parent) == undisturbed
    assert np.array_equal(restored.mean, tifffile.imread(out))


def by_hand(groups, again=lambda work: work):
    """Do in this process what workers do, with what they get."""

    def compute(client, begun, missing, watched):
        work = again(cloudpickle.loads(cloudpickle.dumps(workers._work(begun))))
        workers.receive(work)
        try:
            for first in reversed(range(0, len(missing), groups)):
                group = missing[first : first + groups]
                assert workers._restored(work.name, group) == len(group)
                assert workers._restored(work.name, group) == 0
                yield from (read(begun.folder, place) for place in group)
        finally:
            workers.forget(work.name)

    return compute


@pytest.fixture
def alone(monkeypatch):
    """Have a client that is not asked."""
    client = object()
    return lambda *args: monkeypatch.setattr(workers, "_computed", by_hand(*args)) or client


@pytest.mark.parametrize(("threads", "groups"), [(1, 3), (4, 1)])
def test_neither_threads_nor_groups_nor_their_order_change_a_byte(
    tiled, image, undisturbed, out, alone, monkeypatch, threads, groups
):
    usual = torch.get_num_threads()
    monkeypatch.setattr("ladderscope.images.large.IN_MEMORY", 100 if groups == 1 else 10**6)
    torch.set_num_threads(threads)
    try:
        tiled.predict(image, samples=2, out=out, dask=alone(groups))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(usual)
    assert files_in(out.parent) == undisturbed


def test_whoever_resumes_computes_with_the_threads_that_it_was_begun_with(
    tiled, image, undisturbed, out, monkeypatch
):
    usual, seen, ask = torch.get_num_threads(), [], restoring.restore_tile
    monkeypatch.setattr(
        restoring,
        "restore_tile",
        lambda *args, **kwargs: seen.append(torch.get_num_threads()) or ask(*args, **kwargs),
    )
    torch.set_num_threads(1)
    tiled.predict_part(image, part=(1, 2), samples=2, out=out)
    torch.set_num_threads(3)
    tiled.predict(image, samples=2, out=out, resume=True)
    torch.set_num_threads(usual)
    assert seen == [1] * TILES and files_in(out.parent) == undisturbed


def test_a_worker_that_would_restore_otherwise_is_refused(
    tiled, image, out, alone, monkeypatch, tmp_path
):
    def of_another_version(work):
        monkeypatch.setattr(streaming, "version", lambda _: "9.9")
        return work

    def elsewhere(work):
        moved = replace(work.folder, path=tmp_path / "another computer's folder")
        return replace(work, folder=moved)

    with pytest.raises(LadderscopeError, match="not found on"):
        tiled.predict(image, samples=2, out=out, dask=alone(1, elsewhere))
    with pytest.raises(LadderscopeError, match=r"version is .*, here 9\.9"):
        tiled.predict(image, samples=2, out=out, resume=True, dask=alone(1, of_another_version))
    assert folder_of(out).exists() and not out.exists()


def test_the_command_line_gives_the_tiles_to_workers(tiled, image, out, alone, monkeypatch):
    model, client = tiled.save(out.parent / "m.ladder"), alone(2)
    monkeypatch.setattr(workers, "connected", lambda dask: nullcontext(client if dask else None))
    given = ["predict", str(model), str(image), "--samples", "2", "-o"]
    there, here = (str(out.parent / name) for name in ("there", "here"))
    assert CliRunner().invoke(app, [*given, there, "--dask", "tcp://host:8786"]).exit_code == 0
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    assert CliRunner().invoke(app, [*given, here]).exit_code == 0
    torch.set_num_threads(usual)
    assert files_in(out.parent / "there") == files_in(out.parent / "here")
    refused = CliRunner().invoke(app, [*given, there, "--dask", "local:2", "--part", "1/2"])
    assert refused.exit_code and "--dask" in refused.stderr


def test_what_is_missing_for_workers_is_named(tiled, image, out, monkeypatch):
    with pytest.raises(LadderscopeError, match="out="):
        tiled.predict(image, dask="local:2")
    with pytest.raises(LadderscopeError, match="local:4"):
        tiled.predict(image, out=out, dask="local:0")
    monkeypatch.setattr(workers, "_PATIENCE", 0.1)
    with pytest.raises(LadderscopeError, match=r"no Dask scheduler.*local:N"):
        tiled.predict(image, out=out, dask="tcp://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LadderscopeError, match=r"ladderscope\[dask\]"):
        tiled.predict(image, out=out, dask="local:2")


def test_a_cluster_that_has_lost_all_workers_is_given_up(tiled, image, out, monkeypatch):
    monkeypatch.setattr(workers, "_PATIENCE", 0.01)
    monkeypatch.setattr(workers, "_POLL", 0.02)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(LadderscopeError, match=r"no worker is left.*--resume"),
    ):
        tiled.predict(image, samples=2, out=out, dask=client)
    assert folder_of(out).exists() and not out.exists()


class Task:
    """What a single worker does, one after the other."""

    def __init__(self, client, function, given):
        self.client, self.function, self.given = client, function, given

    def done(self):
        return self.given is self.client.waiting[0]

    def result(self):
        self.client.waiting.pop(0)
        return self.function(*self.given)


class Single:
    """A client of one worker, this process; it notes what is sent, and how much of it waits."""

    def __init__(self):
        self.plugins, self.sent, self.waiting, self.most = [], [], [], 0

    def nthreads(self):
        return {"here": 1}

    def register_plugin(self, plugin, name):
        self.plugins.append(plugin)
        plugin.setup(None)

    def unregister_worker_plugin(self, name):
        self.plugins[-1].teardown(None)

    def submit(self, function, *given, pure):
        self.sent.append(cloudpickle.dumps(given))
        self.waiting.append(given)
        self.most = max(self.most, len(self.waiting))
        return Task(self, function, given)

    def cancel(self, futures):
        assert not futures


def test_a_worker_gets_the_model_once_and_few_tasks_at_a_time(
    tiled, image, undisturbed, out, monkeypatch
):
    monkeypatch.setattr(distributed, "wait", lambda *_, **__: None)
    client = Single()
    tiled.predict(image, samples=2, out=out, dask=client)
    assert len(client.plugins) == 1 and len(client.sent) == TILES and client.most == 2
    assert max(map(len, client.sent)) < 1000 < len(cloudpickle.dumps(client.plugins[0].work))
    assert files_in(out.parent) == undisturbed
