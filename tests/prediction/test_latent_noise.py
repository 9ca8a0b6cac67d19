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


SOLID = latent_noise(0, 0, 0, 1, 2, slice(0, 5), slice(-140, 140), slice(-70, 100))


@given(
    planes=st.integers(0, 4),
    corner=st.tuples(st.integers(-140, 130), st.integers(-70, 90)),
    size=st.tuples(st.integers(1, 10), st.integers(1, 10), st.integers(1, 5)),
)
def test_any_part_of_a_stack_has_the_values_of_the_whole_before_its_corner_too(
    planes, corner, size
):
    rows, columns = (
        slice(first, first + side) for first, side in zip(corner, size[:2], strict=True)
    )
    depth = slice(planes, min(planes + size[2], 5))
    part = latent_noise(0, 0, 0, 1, 2, depth, rows, columns)
    whole = SOLID[
        :, depth, rows.start + 140 : rows.stop + 140, columns.start + 70 : columns.stop + 70
    ]
    assert torch.equal(part, whole)


@given(top=st.integers(-300, 100), left=st.integers(-300, 100))
def test_positions_before_the_corner_have_noise_of_their_own(top, left):
    corner = latent_noise(0, 0, 0, 1, 1, slice(top, top + 8), slice(left, left + 8))
    around = latent_noise(0, 0, 0, 1, 1, slice(top - 5, top + 20), slice(left - 5, left + 20))
    assert torch.equal(around[:, 5:13, 5:13], corner)
    mirrored = latent_noise(0, 0, 0, 1, 1, slice(-top - 8, -top), slice(-left - 8, -left))
    assert (top, left) == (-4, -4) or not torch.equal(mirrored.flip(1, 2), corner)


def test_planes_and_what_lies_before_the_corner_are_independent():
    assert SOLID.shape == (2, 5, 280, 170) and SOLID.dtype == torch.float32
    maps = SOLID.double().numpy()
    bound = 5 / math.sqrt(maps[:, 0].size)
    for plane in range(1, 5):
        assert abs(np.corrcoef(maps[:, plane].ravel(), maps[:, 0].ravel())[0, 1]) < bound
    # of the cells of 64×64 that lie on either side of the corner none is another's copy
    cells = [
        maps[:, 0, top : top + 64, left : left + 64]
        for top in range(12, 268, 64)
        for left in (6, 70)
    ]
    both_ways = [*cells, *(cell[..., ::-1, ::-1] for cell in cells)]
    found = np.corrcoef([cell.ravel() for cell in both_ways])
    assert np.abs(np.triu(found, 1)).max() < 6 / math.sqrt(cells[0].size)
    assert abs(maps.mean()) < 5 / math.sqrt(maps.size)
    assert abs(maps.var() - 1) < 5 * math.sqrt(2 / maps.size)
