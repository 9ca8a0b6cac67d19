"""Several processes that train together: how many, which is the first, and what may go wrong."""

import sys

import pytest
import torch

from ladderscope import Denoiser, Splitter
from ladderscope.errors import LadderscopeError
from ladderscope.training import Team
from ladderscope.training import team as module

IN_SLURM = {
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "1",
    "SLURM_JOB_NAME": "train",
    "SLURM_NODEID": "0",
}
BY_TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "1",
    "WORLD_SIZE": "2",
    "GROUP_RANK": "0",
    "LOCAL_WORLD_SIZE": "2",
}


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    yield
    module._fabric.cache_clear()


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize("kind", ["slurm", "torchrun"])
def test_a_cluster_says_which_process_is_the_first(monkeypatch, kind, rank):
    names = ("SLURM_PROCID", "SLURM_LOCALID") if kind == "slurm" else ("RANK", "LOCAL_RANK")
    for name, value in (IN_SLURM if kind == "slurm" else BY_TORCHRUN).items():
        monkeypatch.setenv(name, value)
    for name in names:
        monkeypatch.setenv(name, rank)
    assert Team("cpu", 2).is_first is (rank == "0")
    assert Team("cpu").is_first  # whatever the cluster says


def test_other_numbers_than_those_of_the_job_are_refused(monkeypatch):
    for name, value in {**IN_SLURM, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LadderscopeError, match=r"nodes=3.*SLURM"):
        Team("cpu", 2, 3).start()


@pytest.mark.parametrize(
    "wanted, facts",
    [
        ({"devices": 3}, r"devices=3.*2 processor cores"),
        ({"devices": 0}, "devices=0"),
        ({"devices": True}, "devices=True"),
        ({"nodes": -1}, "nodes=-1"),
    ],
    ids=str,
)
def test_devices_that_are_not_there_are_refused(wanted, facts):
    for kind in (Denoiser, Splitter):
        with pytest.raises(LadderscopeError, match=facts):
            kind(device="cpu", **wanted)


def test_more_gpus_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(LadderscopeError, match=r"devices=2.*1 GPU"):
        Team("cuda", 2)


def test_a_batch_that_cannot_be_divided_equally_is_refused(crops):
    denoiser = Denoiser("tiny", batch=5, device="cpu", devices=2)
    with pytest.raises(LadderscopeError, match=r"batch of 5.*batch=6"):
        denoiser.fit(crops[0], steps=1, progress=False)


def test_a_notebook_is_told_that_several_devices_need_a_script(monkeypatch, crops):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys, "argv", [""])
    denoiser = Denoiser("tiny", batch=4, device="cpu", devices=2)
    with pytest.raises(LadderscopeError, match=r"devices=2.*script"):
        denoiser.fit(crops[0], steps=1, progress=False)
