"""The model that fits an image is the one that makes it likeliest, and whose restoration holds."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import noisy

from ladderscope import Denoiser, LadderscopeError, Splitter
from ladderscope.images import Image
from ladderscope.models import Choice, Fit, choose
from ladderscope.models.choosing import _nats_per_pixel
from ladderscope.noise import Gaussian


@pytest.fixture(scope="module")
def bright(crops):
    """A denoiser of the same image at another exposure."""
    return Denoiser("tiny", noise=Gaussian(90.0)).fit(
        50 * crops[0] + 1000, steps=25, progress=False
    )


def test_the_likeliest_model_comes_first_whatever_its_normalisation(denoiser, bright, crops):
    dim, strong = (choose(image, [bright, denoiser]) for image in (crops[0], 50 * crops[0] + 1000))
    assert [one.model for one in dim.fits] == ["model 2", "model 1"]
    assert [one.model for one in strong.fits] == ["model 1", "model 2"]
    assert dim.fits[0].nats < dim.fits[1].nats


def test_the_likelihood_is_in_grey_levels(denoiser, crops):
    """Another unit of brightness adds its logarithm."""
    image = Image(crops[0], "YX", "a")
    coarse = Denoiser("tiny", noise=Gaussian(5.0)).fit(crops[0], steps=5, progress=False)
    fine = Denoiser("tiny", noise=Gaussian(50.0)).fit(10 * crops[0], steps=5, progress=False)
    ten = Image(10 * crops[0], "YX", "a")
    apart = _nats_per_pixel(fine, ten) - _nats_per_pixel(coarse, image)
    assert apart == pytest.approx(np.log(10), abs=0.02)


def test_the_best_is_the_likeliest_without_a_red_light():
    fits = (
        Fit("a", 1.0, "red", ""),
        Fit("b", 2.0, "amber", ""),
        Fit("c", 3.0, "green", ""),
        Fit("d", None, None, "a splitter"),
    )
    assert Choice(fits).best.model == "b"
    assert Choice((fits[0], fits[3])).best is None


def test_an_image_unlike_all_has_no_model(denoiser):
    stripes = 4000 + 900 * np.sin(np.arange(96)) * np.ones((96, 1))
    choice = choose(noisy(stripes), [denoiser])
    assert choice.best is None and choice.fits[0].light == "red" and choice.fits[0].reason


def test_models_that_cannot_be_compared_come_last_with_the_reason(
    denoiser, of_two_channels, crops, tmp_path
):
    splitter = Splitter("musplit", "tiny").fit([*crops[:2]], steps=2, progress=False)
    denoiser.save(tmp_path / "dna.ladder")
    choice = choose(crops[0], [splitter, of_two_channels, tmp_path / "dna.ladder"])
    assert choice.fits[0].model == str(tmp_path / "dna.ladder")
    reasons = [one.reason for one in choice.fits[1:]]
    assert "splitter" in reasons[0] and "2" in reasons[1]


def test_channels_are_compared_with_their_own_statistics(of_two_channels, crops):
    pixels = np.stack([crops[0], 50 * crops[1] + 1000])
    same, swapped = (
        choose(one, [of_two_channels], axes="CYX").fits[0].nats for one in (pixels, pixels[::-1])
    )
    assert same < swapped


def test_there_must_be_one_image_and_a_model(denoiser, crops):
    with pytest.raises(LadderscopeError, match="no model"):
        choose(crops[0], [])
    with pytest.raises(LadderscopeError, match="2 images"):
        choose([crops[0], crops[1]], [denoiser])


def test_a_noise_model_is_needed(denoiser, crops):
    without = Denoiser.from_model(replace(denoiser.model, noise_models=()))
    assert "no noise model" in choose(crops[0], [without]).fits[0].reason
