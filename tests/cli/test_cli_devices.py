"""Training on two devices from the command line: this process, and the one that it starts."""

import sys

import numpy as np
import pytest
import tifffile
import torch
from invoked import run

from ladderscope import load
from ladderscope.cli import work
from ladderscope.training import team

SETTINGS = """
levels: 2
filters: 4
latent_channels: 2
batch: 4
patch: 16
batch_norm: false
"""
OPTIONS = ["--preset", "tiny", "--steps", 8, "--noise", "gaussian:5", "--device", "cpu"]


@pytest.fixture
def as_a_program(monkeypatch, tmp_path):
    """Let this process be one that another can be started like, and be alone again after it."""
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, "0")
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    program = tmp_path / "program.py"
    program.write_text("from ladderscope.cli import main\nmain()\n")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    yield lambda arguments: monkeypatch.setattr(sys, "argv", [program, *map(str, arguments)])
    for launched in (team._launch, team._fabric):
        launched.cache_clear()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def test_two_devices_train_as_one_does_on_the_same_batches(tmp_path, as_a_program, monkeypatch):
    connected, read = [], work.read_batch
    monkeypatch.setattr(
        work,
        "read_batch",
        lambda *given: connected.append(torch.distributed.is_initialized()) or read(*given),
    )
    noisy = np.random.default_rng(0).normal(100, 5, (64, 64)) + np.mgrid[:64, :64][0]
    tifffile.imwrite(tmp_path / "noisy.tif", noisy.astype(np.float32))
    (tmp_path / "run.yaml").write_text(SETTINGS)

    def trained(devices):
        name = tmp_path / f"{devices}.ladder"
        command = ["train", "denoiser", tmp_path / "noisy.tif", "-o", name, *OPTIONS]
        command += ["--no-thumbnail", "--config", tmp_path / "run.yaml", "--devices", devices]
        as_a_program(command)
        result = run(*command)
        assert result.code == 0, result.said
        return load(name).model

    one, two = trained(1), trained(2)
    assert two.outcome.steps == 8 and connected == [False, True]  # all read at one time
    for alone, shared in zip(one.outcome.history, two.outcome.history, strict=True):
        assert shared.loss == pytest.approx(alone.loss, rel=1e-3)
        assert shared.validation_loss == pytest.approx(alone.validation_loss, rel=1e-3)
    assert two.calibration
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["1.ladder", "2.ladder", "noisy.tif", "program.py", "run.yaml"]
    )
