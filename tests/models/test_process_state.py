"""What a notebook has set or drawn before changes no result, and is left as it was."""

import numpy as np
import pytest
import torch

from ladderscope import Denoiser, Splitter, load

STEPS = {"steps": 4, "progress": False}


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def denoised(crops):
    denoiser = Denoiser("tiny", batch_norm=True).fit(crops[0], **STEPS)
    return denoiser.predict(crops[0], samples=2).mean


def sampled(crops):
    return Denoiser("tiny", context=2).fit(crops[0], **STEPS).sample(crops[0], n=2)


def split(crops):
    splitter = Splitter(preset="tiny", variance="predicted").fit([crops[0], crops[1]], **STEPS)
    return splitter.predict(crops[0] + crops[1], samples=0).mean


@pytest.mark.parametrize("result_of", [denoised, sampled, split])
def test_a_default_type_of_float64_changes_nothing(crops, result_of, request):
    expected = result_of(crops)
    request.getfixturevalue("float64")
    found = result_of(crops)
    assert found.dtype == np.float32 and np.array_equal(found, expected)
    assert torch.get_default_dtype() == torch.float64


def test_a_model_is_loaded_and_used_without_torch_s_random_numbers(denoiser, crops, tmp_path):
    path = denoiser.save(tmp_path / "model.ladder")
    expected = denoiser.predict(crops[0], samples=2).mean
    torch.manual_seed(5)
    before = torch.get_rng_state()
    found = load(path).predict(crops[0], samples=2).mean
    assert np.array_equal(found, expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_loaded_under_float64_is_float32(denoiser, crops, tmp_path, float64):
    path = denoiser.save(tmp_path / "model.ladder")
    found = load(path).predict(crops[0], samples=0).mean
    assert np.array_equal(found, denoiser.predict(crops[0], samples=0).mean)


def test_another_default_device_changes_nothing(crops, tmp_path):
    expected = denoised(crops)
    torch.set_default_device("meta")
    try:
        assert np.array_equal(denoised(crops), expected)
        kept = Denoiser("tiny").fit(crops[0], **STEPS)
        kept.save(tmp_path / "m.ladder")
        assert np.array_equal(
            load(tmp_path / "m.ladder").sample(crops[0], n=1), kept.sample(crops[0], n=1)
        )
    finally:
        torch.set_default_device(None)
