"""Types and shapes are checked while tests run; models that many tests ask are fitted once."""

import functools
import inspect
import os
import sys
from collections import Counter

import jaxtyping
import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import is_hypothesis_test, settings

# A time limit would make a busy machine fail a test; in CI, neither time nor chance decides.
settings.register_profile("ours", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ours")
matplotlib.use("Agg")
_threads = 1 if "PYTEST_XDIST_WORKER" in os.environ else torch.get_num_threads()
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", _threads)))

CHECKED = ["losses", "noise", "network", "data", "training", "prediction", "interop"]
FIRST = 8  # calls of each function are checked in a test, and all of them in a property test
calls: Counter[object] = Counter()
checked_calls = FIRST
jaxtyped = jaxtyping.jaxtyped


def checked_at_first(typechecker):
    """Decorate as jaxtyping does; a loop that calls a function often is checked at its start."""

    def decorated(function):
        checked = jaxtyped(function, typechecker=typechecker)
        if not inspect.isfunction(function):
            return checked

        @functools.wraps(function)
        def called(*args, **kwargs):
            if jaxtyping.config.jaxtyping_disable:
                return function(*args, **kwargs)
            calls[function] += 1
            return (function if calls[function] > checked_calls else checked)(*args, **kwargs)

        return called

    return decorated


jaxtyping.jaxtyped = checked_at_first
jaxtyping.install_import_hook([f"ladderscope.{room}" for room in CHECKED], "beartype.beartype")

# Only now, so that the hook sees them loaded.
from ladderscope import Denoiser  # noqa: E402
from ladderscope.images import sample_image  # noqa: E402
from ladderscope.noise import Gaussian, PoissonGaussian  # noqa: E402


def pytest_runtest_setup(item):
    """Leave the checks out where torch traces: it cannot see through beartype's wrappers."""
    global checked_calls
    traces = "compil" in item.name or "export" in item.path.stem
    jaxtyping.config.update("jaxtyping_disable", traces)
    checked_calls = sys.maxsize if is_hypothesis_test(getattr(item, "obj", None)) else FIRST
    calls.clear()


def noisy(signal, seed=0):
    """Give a clean image the noise of a camera: shot noise of gain 2, read noise of 3."""
    rng = np.random.default_rng(seed)
    photons = rng.poisson(0.5 * np.asarray(signal, dtype=float)) / 0.5
    return (photons + rng.normal(0, 3, np.shape(signal))).astype(np.float32)


CAMERA = PoissonGaussian(gain=2.0, intercept=9.0)


@pytest.fixture(scope="session")
def crops():
    """Noisy crops of the three sample images: (3, 96, 80)."""
    names = ("dna", "cells", "ph3")
    return noisy([sample_image(name).pixels[200:296, 150:230] for name in names])


@pytest.fixture(scope="session")
def denoiser(crops):
    """A denoiser of one channel, hardly trained. Do not fit it anew."""
    return Denoiser("tiny", noise=CAMERA).fit(crops[0], steps=25, progress=False)


@pytest.fixture(scope="session")
def of_two_channels(crops):
    """A denoiser of two channels of very different brightness."""
    pixels = np.stack([crops[0], 50 * crops[1] + 1000])
    noise = [CAMERA, Gaussian(200.0)]
    return Denoiser("tiny", noise=noise).fit(pixels, "CYX", steps=25, progress=False)


@pytest.fixture
def decoded_to():
    """Decode features to given latents, by the noise that leads each level to its own."""

    def decode(network, features, samples):
        noise = [torch.zeros_like(sample) for sample in samples]
        for index in reversed(range(len(samples))):
            level = network.decode(features, noise).levels[index]
            drawn_from = level.posterior or level.prior
            deviation = (0.5 * drawn_from.log_variance).exp()
            noise[index] = (samples[index] - drawn_from.mean) / deviation
        return network.decode(features, noise)

    return decode
