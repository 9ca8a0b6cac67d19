"""What has to hold on a GPU, where there is one."""

import numpy as np
import pytest
import torch

from ladderscope import Denoiser, load

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

ROWS = np.mgrid[:96, :96].sum(0)
NOISY = np.random.default_rng(0).normal(100 + 20 * np.sin(ROWS / 9), 5).astype(np.float32)


def test_a_model_trained_on_a_gpu_restores_alike_on_the_cpu(tmp_path):
    denoiser = Denoiser("tiny", device="cuda").fit(NOISY, steps=30, progress=False)
    elsewhere = load(denoiser.save(tmp_path / "m.ladder"), device="cpu")
    for samples in (0, 4):
        here, there = (one.predict(NOISY, samples=samples).mean for one in (denoiser, elsewhere))
        assert np.abs(here - there).max() < 0.05 * NOISY.std()


def test_a_training_interrupted_on_a_gpu_goes_on_as_if_it_had_not_been(tmp_path):
    steps = iter(range(100))
    whole = Denoiser("tiny", device="cuda").fit(NOISY, steps=40, progress=False)
    broken = Denoiser("tiny", device="cuda")
    broken.fit(
        NOISY,
        steps=40,
        progress=False,
        state_file=tmp_path / "state",
        should_stop=lambda: next(steps) >= 19,
    )
    resumed = Denoiser("tiny", device="cuda").fit(
        NOISY, steps=40, progress=False, state_file=tmp_path / "state", resume=True
    )
    assert resumed.model.outcome.steps == whole.model.outcome.steps
    for name, value in whole.model.weights.items():
        torch.testing.assert_close(resumed.model.weights[name], value, rtol=0.02, atol=0.002)
