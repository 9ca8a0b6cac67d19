"""Noise that is correlated between the planes of a stack: measured, treated, and named."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from ladderscope import Denoiser
from ladderscope.noise import Coloured, Gaussian, PoissonGaussian
from ladderscope.noise_estimation import measure_noise
from ladderscope.noise_estimation.along_z import AlongZ, about_z, measure_along_z
from ladderscope.noise_estimation.choice import choose, with_z
from ladderscope.noise_estimation.colour import Colour

LAW = PoissonGaussian(1.0, 4.0)


def structure(depth=12, side=128):
    """Cells on a dark background, several planes thick, with fine structure."""
    generator = np.random.default_rng(3)
    fine, coarse = (
        ndimage.gaussian_filter(generator.normal(size=(depth, side, side)), width)
        for width in ((1.5, 1.5, 1.5), (3, 9, 9))
    )
    cells = np.clip(coarse / coarse.std() - 0.7, 0, None)
    return 20 + 200 * cells * np.exp(0.5 * fine / fine.std())


def recorded(signal, seed=0):
    generator = np.random.default_rng(seed)
    return generator.poisson(signal) + generator.normal(0, 2, signal.shape)


def interpolated(stack):
    """As many planes, halfway between those of the stack."""
    return (stack[1:] + stack[:-1]) / 2


def test_structure_is_no_correlation_of_the_noise_along_z() -> None:
    found = measure_along_z([recorded(structure())], LAW)
    assert found is not None
    assert not found.is_noise and not found.is_doubtful
    assert abs(found.next_plane) < 0.1
    assert about_z(found, LAW) == ""


@pytest.mark.parametrize(
    ("name", "treated", "expected"),
    [
        ("interpolated", interpolated, (0.5, 0.0)),
        ("smoothed", lambda stack: ndimage.gaussian_filter1d(stack, 0.8, axis=0), (0.68, 0.21)),
        ("sharpened", lambda stack: stack[1:] - 0.5 * stack[:-1], (-0.4, 0.0)),
    ],
)
def test_the_correlation_is_measured_beside_structure(name, treated, expected) -> None:
    found = measure_along_z([treated(recorded(structure()))], LAW)
    assert found is not None and found.is_noise
    assert found.correlations[:2] == pytest.approx(expected, abs=0.05)


def test_what_extends_over_many_planes_is_doubted() -> None:
    stack = recorded(np.full((12, 128, 128), 50.0))
    pattern = np.random.default_rng(1).normal(0, 8, (128, 128))  # as of a camera's pixels
    found = measure_along_z([stack + pattern], LAW)
    assert found is not None and not found.is_noise and found.is_doubtful
    assert "fixed pattern" in about_z(found, LAW)


@pytest.mark.parametrize("shape", [(1, 64, 64), (5, 6, 64), (0, 64, 64)])
def test_too_little_to_measure(shape) -> None:
    assert measure_along_z([np.zeros(shape)], LAW) is None


def test_hot_pixels_of_the_camera_do_not_count() -> None:
    stack = recorded(np.full((8, 128, 128), 50.0))
    stack[:, 7::16, 5::16] += 500
    found = measure_along_z([stack], LAW)
    assert found is not None and abs(found.next_plane) < 0.05


def test_stacks_of_interpolated_planes_have_noise_correlated_along_z_alone() -> None:
    signal = structure(6)
    stack = interpolated(recorded(signal))
    choice = choose(list(stack), stacks=[stack])
    noise = choice.fit.model
    assert isinstance(noise, Coloured)
    correlation = np.array(noise.autocorrelation)
    assert correlation.shape[1:] == (1, 1)
    assert correlation[len(correlation) // 2 + 1, 0, 0] == pytest.approx(0.5, abs=0.05)
    assert "correlated from plane to plane" in choice.reasons[0]
    assert "along z" in choice.reasons[1] and "along z" in noise.summary()
    assert not choice.warnings
    assert Coloured.from_dict(noise.to_dict()) == noise
    # half the variance of the noise before interpolation
    assert noise.deviation_at(120.0) ** 2 == pytest.approx(62.0, rel=0.15)
    planes, clean = (torch.from_numpy(part) for part in (stack, interpolated(signal)))
    gained = noise.log_likelihood(planes, clean) - noise.law.log_likelihood(planes, clean)
    assert gained.mean() > 0.05


def test_correlation_in_all_directions_is_that_of_a_plane_times_that_along_z() -> None:
    plane = np.array([[0.2, 0.5, 0.2], [0.5, 1.0, 0.5], [0.2, 0.5, 0.2]])
    colour = Colour(plane, (0.5, 0.5), 0.01, (0.5, 0.5), 100, 1.5)
    along_z = AlongZ((0.4, 0.0), 0.01, 0.4, 1000)
    both = with_z(colour, along_z)
    np.testing.assert_allclose(
        np.array(both.autocorrelation), np.stack([0.4 * plane, plane, 0.4 * plane])
    )
    assert (both.inflation, with_z(replace(colour, in_tiles=False), along_z).inflation) == (
        1.5,
        1.0,
    )


def test_a_noise_model_without_z_is_reported_for_a_3d_network(caplog) -> None:
    stack = interpolated(recorded(structure(6, 64))).astype(np.float32)
    denoiser = Denoiser("tiny", noise=Gaussian(8.0), dimensions=3, steps=1)
    with caplog.at_level("WARNING"):
        denoiser.fit(stack, axes="ZYX")
    assert "correlated along Z" in caplog.text


def test_fits_of_stacks_hold_their_correlation_along_z() -> None:
    stack = interpolated(recorded(structure(5, 96)))
    fit = measure_noise(stack, kind="auto", axes="ZYX")
    assert "along z" in fit.summary()
    assert about_z(measure_along_z([stack], fit.model), fit.model) == ""
    assert "along z" not in measure_noise(stack, kind="auto", axes="TYX").summary()
