"""The latents' noise: standard normal, and a function of where it is and nothing else."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.prediction import latent_noise

NAME = {"seed": 0, "field": 0, "sample": 0, "level": 1}


def noise(rows, columns, channels=2, **name):
    return latent_noise(*(NAME | name).values(), channels, slice(*rows), slice(*columns))


WHOLE = noise((0, 200), (0, 200))
SPAN = st.tuples(st.integers(0, 199), st.integers(1, 200)).filter(lambda span: span[0] < span[1])


@given(rows=SPAN, columns=SPAN)
def test_any_part_of_a_map_has_the_values_of_the_whole(rows, columns):
    part = noise(rows, columns)
    assert torch.equal(part, WHOLE[:, slice(*rows), slice(*columns)])


@pytest.mark.parametrize("name", NAME)
@pytest.mark.parametrize("value", [1, 2, 2**31, 2**40])
def test_another_seed_plane_sample_or_level_has_noise_of_its_own(name, value):
    value = value + 1 if name == "level" else value
    other = noise((0, 64), (0, 64), **{name: value})
    correlation = np.corrcoef(other.ravel(), WHOLE[:, :64, :64].ravel())[0, 1]
    assert abs(correlation) < 5 / math.sqrt(other.numel())


def test_names_whose_numbers_are_swapped_differ():
    parts = [
        noise((0, 8), (0, 8), seed=a, field=b, sample=c, level=d)
        for a, b, c, d in [(1, 2, 3, 4), (2, 1, 3, 4), (1, 3, 2, 4), (1, 2, 4, 3), (4, 3, 2, 1)]
    ]
    assert len({part.numpy().tobytes() for part in parts}) == len(parts)


def test_it_is_standard_normal_to_its_tails():
    values = noise((0, 256), (0, 256), channels=8).double()
    count = values.numel()
    assert values.dtype == torch.float64 and count == 2**19
    # each within five of its own standard errors
    assert abs(values.mean()) < 5 / math.sqrt(count)
    assert abs(values.var() - 1) < 5 * math.sqrt(2 / count)
    assert abs(values.pow(3).mean()) < 5 * math.sqrt(15 / count)
    assert abs(values.pow(4).mean() - 3) < 5 * math.sqrt(96 / count)
    for limit, share in ((1, 0.317311), (3, 0.0026998), (4, 6.334e-5)):
        beyond = float((values.abs() > limit).double().mean())
        assert abs(beyond - share) < 5 * math.sqrt(share / count)


def test_channels_and_neighbouring_places_are_independent():
    values = noise((0, 192), (0, 192), channels=3).double().numpy()
    bound = 5 / math.sqrt(values[0].size)
    pairs = {
        "channels": (values[0], values[1]),
        "rows": (values[:, 1:], values[:, :-1]),
        "columns": (values[:, :, 1:], values[:, :, :-1]),
        "cells": (values[:, 64:], values[:, :-64]),
        "diagonal cells": (values[:, 64:, 64:], values[:, :-64, :-64]),
    }
    for one, other in pairs.values():
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < bound


def test_it_is_float32_with_a_channel_for_each_asked():
    part = noise((60, 70), (120, 135), channels=5)
    assert part.shape == (5, 10, 15)
    assert part.dtype == torch.float32


def test_the_global_random_states_are_neither_read_nor_moved():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert torch.equal(noise((0, 8), (0, 8)), WHOLE[:, :8, :8])
    assert torch.equal(torch.get_rng_state(), before)
