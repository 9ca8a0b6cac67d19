"""The variance head: beside the network's own output, which it leaves as it is."""

import pytest
import torch

from ladderscope.network import LadderVAE


def ladder(seed=0, **arguments):
    torch.manual_seed(seed)
    return LadderVAE(**({"latent_channels": (3, 2), "filters": 4} | arguments)).eval()


@torch.no_grad()
@pytest.mark.parametrize(
    "arguments",
    [{}, {"dimensions": 3}, {"views": 2}, {"output_channels": 3}, {"variances": 2}],
)
def test_output_and_weights_are_those_of_a_ladder_without_it(arguments):
    plain, headed = ladder(**arguments), ladder(**arguments, variance_filters=5)
    of_plain, of_headed = plain.state_dict(), headed.state_dict()
    assert all(torch.equal(of_headed[name], value) for name, value in of_plain.items())
    assert {name.split(".")[0] for name in of_headed.keys() - of_plain.keys()} == {"variance_head"}
    views = arguments.get("views", 1)
    image = torch.randn(2, views, *(3,) * (headed.dimensions - 2), 18, 23)
    features = plain.encode(image)
    noise = plain.standard_noise(features)
    expected, found = (
        network.decode(network.encode(image), noise, variance=True) for network in (plain, headed)
    )
    assert torch.equal(found.output, expected.output)
    assert expected.log_variance is None
    assert found.log_variance[:, 0].shape == found.output.shape
    assert found.log_variance.shape[1] == arguments.get("variances", 1)
    assert headed.decode(features, noise).log_variance is None


@torch.no_grad()
def test_with_one_plane_of_a_stack_it_is_two_dimensional():
    network = ladder(dimensions=3, decoder_dimensions=2, variance_filters=5)
    features = network.encode(torch.randn(1, 1, 5, 18, 22))
    decoded = network.decode(features, network.standard_noise(features), variance=True)
    assert decoded.log_variance.shape == (1, 1, 1, 18, 22)
    assert decoded.output.shape == (1, 1, 18, 22)


@torch.no_grad()
def test_far_from_all_training_a_variance_is_finite():
    network = ladder(variance_filters=5)
    features = network.encode(1e6 * torch.randn(1, 1, 16, 16))
    decoded = network.decode(features, network.standard_noise(features), variance=True)
    assert torch.isfinite(decoded.log_variance.exp()).all()


@pytest.mark.parametrize("argument", [{"variance_filters": -1}, {"variances": 0}])
def test_too_few_filters_or_variances_are_refused(argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        ladder(**argument)
