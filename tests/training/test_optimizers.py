"""Which weights Muon orthogonalises, and which it leaves to Adam."""

import pytest

from ladderscope.network import LadderVAE
from ladderscope.training.optimizers import muon


@pytest.mark.parametrize("views", [1, 2, 3])
def test_muon_leaves_what_sees_pixels_and_what_is_no_matrix_to_adam(views):
    network = LadderVAE(latent_channels=(2, 2), filters=4, views=views, batch_norm=True)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    matrices, rest = (
        {names[id(parameter)] for parameter in group["params"]}
        for group in muon(network).param_groups
    )
    assert matrices | rest == set(names.values()) and not matrices & rest
    seeing_pixels = {f"wider_views.{view}.first.0.weight" for view in range(views - 1)}
    seeing_pixels |= {"first.0.weight", "output.weight", "top_prior"}
    assert {name for name in rest if network.get_parameter(name).ndim > 1} == seeing_pixels
