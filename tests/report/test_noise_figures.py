"""Pictures of noise models: every kind, with and without points, over the right signals."""

import io
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid

from ladderscope.noise import (
    Gaussian,
    GaussianMixture,
    Histogram,
    PoissonGaussian,
)
from ladderscope.noise_estimation import measure_noise
from ladderscope.report import noise_model_figure
from ladderscope.report.noise_figures import (
    densities_at,
    moments_at,
    shown_range,
    shown_signals,
)

MIXTURE = GaussianMixture([[0.0, 0.0], [2.0, 3.0], [0.0, 0.0]], 10.0, 200.0, 0.5)
HISTOGRAM = Histogram([50.0, 90.0], [2.0, 4.0], [[0.0, 1.0, 2.0, 1.0, 0.0]] * 2, 3.0)
CAMERA = PoissonGaussian.from_camera(gain=2.0, offset=100.0, read_noise=3.0)
MODELS = [Gaussian(3.0), PoissonGaussian(0.0, 4.0), CAMERA, MIXTURE, HISTOGRAM]


@pytest.fixture(scope="module")
def fit():
    signal = 100.0 + np.mgrid[:128, :128][1]
    noisy = 2.0 * np.random.default_rng(0).poisson((signal - 100) / 2) + 100
    return measure_noise(noisy + np.random.default_rng(1).normal(0, 3, signal.shape), signal)


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(png), format="png")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
def test_every_kind_is_drawn_with_curves_in_both_panels(model):
    drawn = pixels(noise_model_figure(model))
    height, width, _ = drawn.shape
    coloured = np.ptp(drawn[..., :3], axis=-1) > 0.2
    assert coloured[:, : width // 2].any()
    assert coloured[:, width // 2 :].any()
    assert 0.2 < height / width < 0.6


def test_several_channels_get_a_row_each(fit):
    one, three = (pixels(noise_model_figure(rows)) for rows in (fit, [fit, MIXTURE, CAMERA]))
    assert three.shape[1] == one.shape[1]
    assert three.shape[0] == 3 * one.shape[0]


def test_the_measured_points_of_a_fit_are_drawn_beside_its_curve(fit):
    with_points, without = (pixels(noise_model_figure(one)) for one in (fit, fit.model))
    grey = [
        np.count_nonzero(np.abs(drawn[..., :3] - np.array([138, 143, 152]) / 255).max(-1) < 0.02)
        for drawn in (with_points, without)
    ]
    assert grey[0] > 10 * max(grey[1], 1)


@pytest.mark.parametrize("file_format", ["png", "svg"])
def test_names_of_channels_are_never_mathematics(file_format):
    names = ["A$_$", r"$\x$", "$--> \udcff\x1b"]
    drawn = noise_model_figure([CAMERA] * 3, names=names, file_format=file_format)
    if file_format == "svg":
        ElementTree.fromstring(drawn)
        assert b"A$_$" in drawn and rb"$\x$" in drawn


@pytest.mark.parametrize(("name", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_pictures_come_as_vectors_too(fit, name, start):
    assert noise_model_figure(fit, file_format=name).startswith(start)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (MIXTURE, (10.0, 200.0)),
        (HISTOGRAM, (50.0, 90.0)),
        (CAMERA, (100.0, 300.0)),
        (Gaussian(3.0), (0.0, 30.0)),
        (PoissonGaussian(0.0, 4.0), (0.0, 20.0)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_the_signals_shown_are_those_the_model_was_made_for(model, expected):
    assert shown_range(model) == pytest.approx(expected)
    assert shown_signals(shown_range(model))[[0, -1]] == pytest.approx(expected)


def test_the_signals_shown_of_a_fit_are_those_it_measured(fit):
    assert shown_range(fit) == fit.signal_range


def test_a_histogram_of_one_signal_has_a_range_to_show():
    low, high = shown_range(Histogram([50.0], [2.0], [[0.0, 1.0, 2.0, 1.0, 0.0]], 3.0))
    assert low == 50 < high


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
def test_densities_are_those_of_the_model_and_reach_over_its_whole_width(model):
    signal = shown_signals(shown_range(model))[2]
    away, density = densities_at(model, signal)
    assert trapezoid(density, away) == pytest.approx(1, abs=5e-3)
    mean, variance = moments_at(model, np.array([signal]))
    centre = trapezoid(away * density, away)
    assert centre == pytest.approx(mean[0] - signal, abs=0.02 * variance[0] ** 0.5)
    spread = trapezoid((away - centre) ** 2 * density, away)
    assert spread == pytest.approx(variance[0], rel=0.03)
    assert density[300] == pytest.approx(
        float(model.log_likelihood(torch.tensor(signal + away[300]), torch.tensor(signal)).exp()),
        rel=1e-3,
    )
