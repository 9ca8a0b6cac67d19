"""What tests of the network share."""

import pytest
import torch


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
