"""A part of the output takes a part of each level's map, and is what it is in the whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope.network import LadderVAE


def network(**arguments):
    torch.manual_seed(0)
    used = {"latent_channels": (3, 2), "filters": 4, "variance_filters": 2} | arguments
    return LadderVAE(**used).eval()


def decoding(network, shape):
    generator = torch.Generator().manual_seed(0)
    features = network.encode(torch.randn((1, *shape), generator=generator))
    noise = network.standard_noise(features, generator)

    def decode(wanted=None):
        return network.decode(features, noise, variance=True, wanted=wanted)

    return decode


NETWORKS = {
    "one block": (network(), (1, 90, 81)),
    "two blocks": (network(blocks=2), (1, 90, 81)),
    "blind": (network(blind_levels=1), (1, 90, 81)),
    "volumes": (network(dimensions=3), (1, 2, 90, 81)),
    "lateral context": (network(views=2), (2, 90, 81)),
}
DECODE = {name: decoding(*case) for name, case in NETWORKS.items()}
WHOLE = {name: decode() for name, decode in DECODE.items()}


def spans(length):
    ends = st.tuples(st.integers(0, length), st.integers(0, length))
    return ends.filter(lambda span: span[0] < span[1]).map(lambda span: slice(*span))


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=10)
@given(rows=spans(90), columns=spans(81))
def test_any_part_is_that_of_the_whole(name, rows, columns):
    part = DECODE[name]((rows, columns))
    for of_part, whole in (
        (part.output, WHOLE[name].output),
        (part.log_variance, WHOLE[name].log_variance),
    ):
        torch.testing.assert_close(of_part, whole[..., rows, columns], rtol=1e-4, atol=1e-5)


def test_a_small_part_takes_small_maps_of_the_fine_levels():
    part = DECODE["one block"]((slice(40, 44), slice(40, 44)))
    whole = WHOLE["one block"]
    assert whole.levels[0].sample.shape[2:] == (46, 42)
    assert max(part.levels[0].sample.shape[2:]) <= 28
