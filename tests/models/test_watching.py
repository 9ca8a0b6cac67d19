"""A training can be watched, which leaves it as it was."""

import numpy as np
import torch

from ladderscope import Denoiser, Splitter
from ladderscope.noise import Gaussian

QUIET = {"steps": 8, "progress": False}


def test_a_watched_denoiser_is_the_one_that_nobody_watched(crops, tmp_path):
    seen = []
    denoiser = Denoiser("tiny", noise=Gaussian(9.0)).fit(crops[0], watch=seen.append, **QUIET)
    unwatched = Denoiser("tiny", noise=Gaussian(9.0)).fit(crops[0], **QUIET)
    for name, weight in unwatched.model.weights.items():
        assert torch.equal(denoiser.model.weights[name], weight), name
    lengths = [len(snapshot.history) for snapshot in seen]
    assert lengths == list(range(1, len(denoiser.model.outcome.history) + 1))
    assert seen[-1].history == denoiser.model.outcome.history


def test_a_snapshot_shows_a_detail_as_it_is_restored_by_now(crops):
    seen = []
    Denoiser("tiny", noise=Gaussian(9.0)).fit(crops[:2], "SYX", watch=seen.append, **QUIET)
    first, last = seen[0], seen[-1]
    assert np.array_equal(first.detail.array, crops[:1])
    assert first.restored.mean.shape == last.restored.mean.shape == first.detail.shape
    assert np.isfinite(last.restored.mean).all()
    assert not np.array_equal(first.restored.mean, last.restored.mean)


def test_a_splitter_shows_the_channels_of_a_sum(crops):
    seen = []
    splitter = Splitter("musplit", "tiny")
    splitter.fit([crops[0], crops[1]], paired=True, watch=seen.append, **QUIET)
    assert seen[-1].restored.mean.shape == (2, *seen[-1].detail.shape)
