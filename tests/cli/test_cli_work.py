"""Work behind the commands: trained, calibrated and saved, and nothing lost in between."""

import shutil

import numpy as np
import pytest
import torch

from ladderscope import Denoiser, load
from ladderscope.cli import work
from ladderscope.cli.preflight import state_of
from ladderscope.images import Image
from ladderscope.noise import Gaussian


def test_a_run_that_ends_while_it_calibrates_keeps_its_model_and_one_that_is_killed_resumes(
    monkeypatch, tmp_path
):
    pixels = np.random.default_rng(0).normal(50, 5, (40, 40)).astype(np.float32)
    images = [Image(pixels, "YX", "cells")]
    stopped, killed = tmp_path / "stopped.ladder", tmp_path / "killed.ladder"

    def trained(path, resume=False):
        denoiser = Denoiser("tiny", noise=Gaussian(sigma=5.0))
        work.train_and_save(
            denoiser, path, resume=resume, overwrite=False, thumbnail=False, images=images, steps=2
        )

    def interrupted(restorer, images):
        shutil.copy(state_of(stopped), state_of(killed))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(work, "calibrates", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(stopped)
    uncalibrated = load(stopped).model
    assert not state_of(stopped).exists()
    trained(killed, resume=True)
    calibrated = load(killed).model
    assert not uncalibrated.calibration
    assert calibrated.calibration
    for name, weights in uncalibrated.weights.items():
        torch.testing.assert_close(calibrated.weights[name], weights, rtol=0, atol=0)
