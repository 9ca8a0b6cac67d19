"""Noise models are fitted to pairs, to repeats, and to noisy images alone; bad input is named."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images import ImageError, sample_image
from ladderscope.noise import (
    Gaussian,
    GaussianMixture,
    Histogram,
    NoiseError,
    NoiseModel,
    PoissonGaussian,
)
from ladderscope.noise_estimation import (
    JointHistogram,
    NoiseFit,
    fit_noise_model,
    measure_noise,
)
from ladderscope.noise_estimation.evidence import Pairs
from ladderscope.noise_estimation.kinds import FITTABLE
from ladderscope.noise_estimation.line import Line
from ladderscope.noise_estimation.mixture_fit import cell_objective, fit_mixture

Array = NDArray[np.float64]
each_kind = pytest.mark.parametrize("kind", FITTABLE)
# Images that show no single photons keep the line.
GIVEN = {kind: kind for kind in FITTABLE} | {"photon_counting": "poisson_gaussian"}


def light(name: str = "dna", low: float = 1.0, high: float = 100.0, size: int = 256) -> Array:
    """Give photons a pixel: a real image, without noise of its own."""
    pixels = ndimage.gaussian_filter(sample_image(name).pixels.astype(float), 2)[:size, :size]
    return low + (high - low) * (pixels - pixels.min()) / np.ptp(pixels)


def observe(
    photons: Array, gain: float = 2.0, offset: float = 0.0, read: float = 3.0, seed: int = 0
) -> Array:
    generator = np.random.default_rng(seed)
    counts = generator.poisson(photons)
    return gain * counts + offset + read * generator.normal(size=photons.shape)


def taken(photons: Array, times: int, **camera: Any) -> Array:
    return np.stack([observe(photons, seed=seed, **camera) for seed in range(times)])


def deviation(model: NoiseModel, signals: Array) -> Array:
    return model.moments(torch.from_numpy(signals))[1].sqrt().numpy()


def held_out(model: NoiseModel, observation: Array, signal: Array) -> float:
    observed, clean = torch.from_numpy(observation), torch.from_numpy(signal)
    return float(model.log_likelihood(observed, clean).mean())


# What is found ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "offset", "read"), [(1.0, 0.0, 0.0), (2.0, 100.0, 3.0), (0.5, 10.0, 1.0)]
)
@pytest.mark.parametrize("photons", [(1.0, 30.0), (10.0, 10_000.0)])
def test_pairs_show_the_camera(
    gain: float, offset: float, read: float, photons: tuple[float, float]
) -> None:
    counts = light("dna", *photons)
    signal = gain * counts + offset
    observation = np.round(observe(counts, gain, offset, read))
    fit = measure_noise(observation.astype(np.uint16), signal)
    assert fit.model.gain == pytest.approx(gain, rel=0.05)
    levels = np.percentile(signal, np.arange(1.0, 100.0))
    rounding = 1 / 12 if read or gain < 1 else 0.0
    expected = np.sqrt(gain * (levels - offset) + read**2 + rounding)
    np.testing.assert_allclose(deviation(fit.model, levels), expected, rtol=0.05)
    assert fit.gain_interval[0] < fit.model.gain < fit.gain_interval[1]


@each_kind
def test_every_kind_finds_the_noise_in_pairs(kind: str) -> None:
    counts = light("cells", 50, 60) if kind == "gaussian" else light("cells", 1, 200)
    signal = 2 * counts
    model = fit_noise_model(observe(counts), signal, kind)
    assert model.kind == GIVEN[kind]
    levels = np.percentile(signal, np.arange(2.0, 99.0))
    expected = np.sqrt(2 * levels + 9)
    np.testing.assert_allclose(deviation(model, levels), expected, rtol=0.08)


@pytest.mark.parametrize(("kind", "type_"), [("poisson_gaussian", np.uint16), ("gaussian", float)])
def test_noisy_images_alone_will_do(kind: str, type_: type) -> None:
    counts = light("dna", 1, 100, 512) if kind == "poisson_gaussian" else np.full((256, 256), 10.0)
    fit = measure_noise(np.round(observe(counts, offset=100)).astype(type_), kind=kind)
    levels = 100 + 2 * np.percentile(counts, [1, 99])
    expected = np.sqrt(2 * (levels - 100) + 9)
    np.testing.assert_allclose(deviation(fit.model, levels), expected, rtol=0.1)
    assert (fit.gain_interval is None) == (kind == "gaussian")


def test_intervals_of_pairs_cover() -> None:
    counts = light("dna", 1, 100, 128)
    covered = []
    for seed in range(40):
        fit = measure_noise(observe(counts, seed=seed), 2 * counts)
        covered.append(
            (
                fit.gain_interval[0] < 2 < fit.gain_interval[1],
                fit.intercept_interval[0] < 9 < fit.intercept_interval[1],
            )
        )
    assert np.mean(covered, axis=0).min() >= 0.85


def test_a_mixture_is_as_likely_as_the_truth() -> None:
    rows = [[-2.0, -6.0], [1.0, 3.0], [1.0, 3.5], [3.0, 5.0], [0.0, 0.0], [1.0, 0.5]]
    truth = GaussianMixture(rows, 0.0, 100.0, min_sigma=0.5)
    signal = np.random.default_rng(0).uniform(0.0, 100.0, (2, 400, 400))
    generator = torch.Generator().manual_seed(0)
    drawn = truth.sample(torch.from_numpy(signal), generator).numpy()
    found = fit_noise_model(drawn[0], signal[0], "mixture", components=2)
    ours, best = (held_out(model, drawn[1], signal[1]) for model in (found, truth))
    assert ours > best - 2e-4
    assert found.min_signal == pytest.approx(0.0, abs=0.5)
    assert found.max_signal == pytest.approx(100.0, abs=0.5)


def test_a_mixture_is_as_likely_as_a_long_search_on_pixels() -> None:
    signal = np.random.default_rng(0).uniform(5.0, 60.0, (2, 20_000))
    drawn = np.random.default_rng(1).gamma(signal / 4, 4.0)
    joint = JointHistogram()
    joint.add(drawn[0], signal[0])
    line = Line(4.0, 0.0, (0.0, 0.0), (0.0, 0.0))
    ours = fit_mixture(Pairs(line, np.array([20.0]), 5.0, joint.table(), components=2))
    observed, clean = (torch.from_numpy(part[0]) for part in (drawn, signal))
    weight = torch.tensor(ours.weight, dtype=torch.float64)
    weight = torch.nn.Parameter(weight + 0.3 * torch.randn(6, 2, dtype=torch.float64))
    optimizer = torch.optim.Adam([weight], lr=0.05)
    u = (clean - ours.min_signal) / (ours.max_signal - ours.min_signal)
    powers = torch.stack([torch.ones_like(u), u])
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 400)
        optimizer.zero_grad()
        mean, variance, logit = (
            weight[:2] @ powers,
            weight[2:4].exp() @ powers,
            weight[4:] @ powers,
        )
        log_weight = logit.log_softmax(dim=0)
        mean = mean - (log_weight.exp() * mean).sum(dim=0) + clean
        density = torch.distributions.Normal(mean, variance.sqrt()).log_prob(observed)
        loss = -torch.logsumexp(log_weight + density, dim=0).mean()
        loss.backward()
        optimizer.step()
    theirs = GaussianMixture(weight.detach().numpy(), ours.min_signal, ours.max_signal, 1e-3)
    assert held_out(ours, drawn[1], signal[1]) > held_out(theirs, drawn[1], signal[1]) - 1e-3


def objective_and_coefficients(components: int = 3) -> tuple[Any, Array]:
    counts = light("dna", 1, 100)
    joint = JointHistogram()
    joint.add(observe(counts), 2 * counts)
    objective = cell_objective(joint.table(), Line(2.0, 9.0, (0.0, 0.0), (0.0, 0.0)), step=0.0)
    return objective, np.random.default_rng(0).normal(size=(3 * components, 2))


def test_the_objective_of_a_mixture_is_its_likelihood() -> None:
    objective, coefficients = objective_and_coefficients()
    model = objective.model(coefficients)
    low, high = objective.signals
    signals = torch.from_numpy(low + (high - low) * objective.places)[:, None]
    residuals = torch.from_numpy(objective.residuals * objective.unit)
    likelihood = model.log_likelihood(signals + residuals, signals).numpy()
    mean = float((likelihood * objective.shares).sum())
    assert -objective.loss(coefficients) - math.log(objective.unit) == pytest.approx(mean, rel=1e-9)


def test_the_gradient_of_a_mixture_is_right() -> None:
    objective, coefficients = objective_and_coefficients()
    _, gradient = objective.loss_and_gradient(coefficients)
    for at in range(coefficients.size):
        change = np.zeros(coefficients.size)
        change[at] = 1e-6
        change = change.reshape(coefficients.shape)
        slope = objective.loss(coefficients + change) - objective.loss(coefficients - change)
        assert gradient[at] == pytest.approx(slope / 2e-6, abs=1e-7)


@pytest.mark.parametrize("components", [1, 2, 5])
@pytest.mark.parametrize("coefficients", [1, 2, 3])
def test_mixtures_of_any_size(components: int, coefficients: int) -> None:
    counts = light("dna", 20, 30)
    model = fit_noise_model(
        observe(counts), 2 * counts, "mixture", components=components, coefficients=coefficients
    )
    assert np.shape(model.weight) == (3 * components, coefficients)
    levels = 2 * np.percentile(counts, [5.0, 50.0, 95.0])
    np.testing.assert_allclose(deviation(model, levels), np.sqrt(2 * levels + 9), rtol=0.1)


def test_a_histogram_describes_what_no_line_can() -> None:
    signal = np.random.default_rng(0).uniform(20.0, 200.0, (2, 300, 300))
    drawn = np.random.default_rng(1).gamma(signal / 20, 20.0)
    found = {kind: fit_noise_model(drawn[0], signal[0], kind) for kind in FITTABLE}
    likelihoods = {kind: held_out(model, drawn[1], signal[1]) for kind, model in found.items()}
    truth = torch.distributions.Gamma(torch.from_numpy(signal[1] / 20), 1 / 20)
    best = float(truth.log_prob(torch.from_numpy(drawn[1])).mean())
    assert likelihoods["histogram"] > likelihoods["poisson_gaussian"] + 0.05
    assert best - 0.03 < likelihoods["histogram"] < best
    assert best - 0.03 < likelihoods["mixture"] < best


def test_a_fit_is_deterministic() -> None:
    counts = light()
    for kind in FITTABLE:
        first, second = (measure_noise(observe(counts), 2 * counts, kind) for _ in range(2))
        assert first.to_dict() == second.to_dict()


# Repeats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, 3, 10])
def test_repeats_show_the_camera_however_few(times: int) -> None:
    counts = light("dna", 1, 100)
    fit = measure_noise(taken(counts, times, offset=100), axes="TYX", repeats="T")
    assert fit.model.gain == pytest.approx(2.0, rel=0.05)
    levels = 100 + 2 * np.percentile(counts, [1.0, 50.0, 99.0])
    expected = np.sqrt(2 * (levels - 100) + 9)
    np.testing.assert_allclose(deviation(fit.model, levels), expected, rtol=0.05)


@pytest.mark.parametrize("times", [2, 5])
def test_repeats_of_a_scene_without_neighbours_will_do(times: int) -> None:
    counts = np.random.default_rng(0).uniform(1.0, 200.0, (256, 256))
    fit = measure_noise(taken(counts, times), axes="TYX", repeats="T")
    assert fit.model.gain == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("times", [2, 4])
def test_the_variance_is_corrected_for_the_mean_of_repeats(times: int) -> None:
    stack = 50 + 3 * np.random.default_rng(0).normal(size=(times, 300, 300))
    assert fit_noise_model(stack, kind="gaussian", axes="TYX", repeats="T").sigma == pytest.approx(
        3.0, rel=0.01
    )


def test_intervals_of_repeats_cover() -> None:
    counts = light("dna", 1, 100, 128)
    covered = []
    for seed in range(30):
        stack = np.stack([observe(counts, seed=1000 * seed + n) for n in range(2)])
        fit = measure_noise(stack, axes="TYX", repeats="T")
        covered.append(fit.gain_interval[0] < 2 < fit.gain_interval[1])
    assert np.mean(covered) >= 0.85


def test_few_repeats_hide_the_shape_and_that_is_said() -> None:
    stack = taken(light(), 3)
    assert "skewness" in measure_noise(stack, kind="mixture", axes="TYX", repeats="T").summary()
    with pytest.raises(NoiseError, match="mirror images"):
        measure_noise(stack[:2], kind="histogram", axes="TYX", repeats="T")


def test_scenes_have_repeats_of_their_own() -> None:
    scenes = np.stack([taken(light("dna"), 4), taken(light("cells"), 4)], axis=1)
    fit = measure_noise(scenes, axes="TSYX", repeats="T")
    assert fit.model.gain == pytest.approx(2.0, rel=0.05)


def test_identical_repeats_are_named() -> None:
    stack = taken(light(), 4)
    stack[3] = stack[1]
    with pytest.raises(NoiseError, match="repeats 2 and 4 are identical"):
        measure_noise(stack, axes="TYX", repeats="T")


def test_bleaching_is_named() -> None:
    counts = light("dna", 1, 100)
    fading = np.stack([observe(counts * 0.97**n, offset=100, seed=n) for n in range(10)])
    with pytest.raises(NoiseError, match=r"mean of frame 1 is .* bleaching"):
        measure_noise(fading, axes="TYX", repeats="T")


@pytest.mark.parametrize("times", [2, 3])
def test_light_that_changes_between_few_repeats_is_named(times: int) -> None:
    counts = light("dna", 1, 300)
    stack = np.stack([observe(counts * (1 + 0.2 * (n == 1)), seed=n) for n in range(times)])
    with pytest.raises(NoiseError, match="drift: mean of frame 1"):
        measure_noise(stack, axes="TYX", repeats="T")


@pytest.mark.parametrize(
    ("every", "message"),
    [(6, r"frames far apart.* moves"), (2, r"not show one scene: they are displaced")],
)
def test_a_moving_stage_is_named(every: int, message: str) -> None:
    counts = light("dna", 1, 300)
    moving = np.stack([observe(np.roll(counts, n // every, axis=1), seed=n) for n in range(10)])
    with pytest.raises(NoiseError, match=message):
        measure_noise(moving, axes="TYX", repeats="T")


@pytest.mark.parametrize("times", [2, 4])
def test_frames_of_other_scenes_are_no_repeats(times: int) -> None:
    counts = light("dna", 1, 300)
    scenes = [np.roll(counts, 37 * n, axis=n % 2) for n in range(times)]
    stack = np.stack([observe(scene, seed=n) for n, scene in enumerate(scenes)])
    with pytest.raises(NoiseError, match=r"do not show one scene.*no repeats"):
        measure_noise(stack, axes="TYX", repeats="T")


def test_a_lamp_that_flickers_a_little_is_not_refused() -> None:
    counts = light("dna", 1, 300)
    lamp = np.random.default_rng(0).normal(1.0, 0.002, 10)
    stack = np.stack([observe(counts * at, seed=n) for n, at in enumerate(lamp)])
    fit = measure_noise(stack, axes="TYX", repeats="T")
    assert fit.model.gain == pytest.approx(2.0, rel=0.05)
    assert "drift" not in fit.summary()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"axes": "TYX", "repeats": "Z"}, "none of the axes"),
        ({"axes": "TYX", "repeats": "Y"}, "none of the axes"),
        ({"axes": "TYX", "repeats": "TS"}, "none of the axes"),
        ({"axes": "TYX", "repeats": "T", "signal": np.zeros((64, 64))}, "not both"),
    ],
)
def test_impossible_repeats_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(NoiseError, match=message):
        measure_noise(np.zeros((3, 64, 64)), **arguments)


def test_one_repeat_is_none() -> None:
    with pytest.raises(NoiseError, match="only one repeat"):
        measure_noise(np.zeros((1, 64, 64)), axes="TYX", repeats="T")


# What comes in -----------------------------------------------------------------------------------


class OnlyPlanes:
    """An array that refuses to give more than one plane at once."""

    def __init__(self, array: Array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __array__(self, *args: Any, **kwargs: Any) -> Array:
        raise AssertionError("read as a whole")

    def __getitem__(self, index: Any) -> Array:
        part = self.array[index]
        assert part.ndim <= 2
        return part


def stacks(folder: Path, array: Array) -> dict[str, Any]:
    """Give the same images in all forms."""
    mapped = np.memmap(folder / "a.raw", array.dtype, "w+", shape=array.shape)
    mapped[:] = array
    mapped.flush()
    return {
        "array": array,
        "planes": OnlyPlanes(array),
        "mapped": np.memmap(folder / "a.raw", array.dtype, "r", shape=array.shape),
        "part of a mapped one": np.memmap(folder / "a.raw", array.dtype, "c", shape=array.shape)[:],
        "zarr": zarr.array(array),
        "iterable": iter(array),
        "list": list(array),
    }


def test_all_forms_of_images_give_the_same(tmp_path: Path) -> None:
    counts = np.stack([light("dna", size=128), light("cells", size=128)])
    signal = 2 * counts
    models = {
        name: fit_noise_model(
            form,
            iter(signal) if name in ("iterable", "list") else signal,
            axes=None if name in ("iterable", "list") else "SYX",
        )
        for name, form in stacks(tmp_path, observe(counts)).items()
    }
    assert len(set(models.values())) == 1, models


def test_noisy_images_alone_come_in_all_forms(tmp_path: Path) -> None:
    counts = np.stack([light("dna", size=128), light("cells", size=128)])
    models = {
        fit_noise_model(form, axes=None if name in ("iterable", "list") else "TYX")
        for name, form in stacks(tmp_path, observe(counts)).items()
    }
    assert len(models) == 1


def test_repeats_are_read_plane_by_plane() -> None:
    stack = OnlyPlanes(taken(light(), 3))
    assert isinstance(fit_noise_model(stack, axes="TYX", repeats="T"), PoissonGaussian)


def test_axes_stand_in_any_order() -> None:
    counts = np.stack([light("dna", size=128), light("cells", 1, 50, size=128)])
    signal = 2 * counts
    observation = np.stack([observe(counts, seed=seed) for seed in range(3)])  # TCYX
    straight = fit_noise_model(
        observation, np.broadcast_to(signal, (3, *signal.shape)), axes="TCYX"
    )
    turned = fit_noise_model(
        observation.transpose(3, 0, 2, 1), signal.transpose(2, 1, 0), axes="xtyc"
    )
    assert isinstance(straight, list) and len(straight) == 2
    for one, other in zip(straight, turned, strict=True):
        assert one.gain == pytest.approx(other.gain, rel=1e-6)
        assert one.gain == pytest.approx(2.0, rel=0.05)


def test_a_list_comes_back_exactly_when_there_are_channels() -> None:
    observation = observe(light())
    assert isinstance(measure_noise(observation), NoiseFit)
    assert len(measure_noise(observation[None], axes="CYX")) == 1


def test_one_clean_image_is_shared() -> None:
    counts = light("dna", size=128)
    stack = taken(counts, 5)
    shared = fit_noise_model(stack, 2 * counts, axes="TYX")
    assert shared == fit_noise_model(iter(stack), 2 * counts)
    assert shared.gain == pytest.approx(2.0, rel=0.05)


def test_eight_bit_pairs_do_not_overflow() -> None:
    signal = np.clip(2 * light("dna", 20, 60), 0, 255).astype(np.uint8)
    noise = 5 * np.random.default_rng(0).normal(size=signal.shape)
    observation = np.clip(np.round(signal + noise), 0, 255).astype(np.uint8)
    assert (observation < signal).any()
    model = fit_noise_model(observation, signal, "gaussian")
    assert model.sigma == pytest.approx(math.sqrt(25 + 1 / 12), rel=0.02)


@pytest.mark.parametrize(
    ("offset", "ceiling", "type_"), [(0, 255, np.uint8), (100, 4095, np.uint16)]
)
def test_clipped_pixels_are_left_out_and_told(offset: float, ceiling: int, type_: type) -> None:
    counts = light("dna", 1, 0.75 * ceiling)
    signal = 2 * counts + offset
    observation = np.clip(np.round(observe(counts, 2, offset)), 0, ceiling).astype(type_)
    fit = measure_noise(observation, signal)
    assert fit.model.gain == pytest.approx(2.0, rel=0.05)
    assert fit.clipped_share > 0.001
    assert "does not model clipping" in fit.summary()
    assert str(ceiling) in fit.summary()


def test_an_image_clipped_everywhere_is_refused() -> None:
    observation = np.clip(np.round(observe(np.full((64, 64), 120.0), 2)), 0, 200).astype(np.uint8)
    observation[observation >= 200] = 255
    with pytest.raises(NoiseError, match="clipped at all signals"):
        measure_noise(observation, np.full((64, 64), 240.0), "gaussian")


@each_kind
def test_hot_pixels_are_left_out_and_told(kind: str) -> None:
    counts = light("dna", 1, 100)
    observation = observe(counts)
    hot = np.random.default_rng(5).integers(0, observation.size, 60)
    observation.ravel()[hot] = 60_000
    fit = measure_noise(observation, 2 * counts, kind)
    without = fit_noise_model(observe(counts), 2 * counts, kind)
    levels = 2 * np.percentile(counts, [5, 50, 95])
    np.testing.assert_allclose(deviation(fit.model, levels), deviation(without, levels), rtol=0.03)
    assert "hot pixels" in fit.summary()


def test_few_photons_are_no_outliers() -> None:
    counts = np.linspace(0.002, 0.2, 512) * np.ones((512, 1))
    fit = measure_noise(observe(counts, 1, 0, 0), counts)
    assert fit.model.gain == pytest.approx(1.0, rel=0.1)


def test_a_line_below_zero_is_held_and_told() -> None:
    signal = np.random.default_rng(0).uniform(10.0, 100.0, (200, 200))
    noise = np.random.default_rng(1).normal(size=signal.shape)
    deviations = np.sqrt(np.maximum(2 * (signal - 40), 0.01))
    fit = measure_noise(signal + deviations * noise, signal)
    found = fit.model.gain * fit.signal_range[0] + fit.model.intercept
    assert found >= -1e-9 * abs(fit.model.intercept)
    assert fit.model.moments(torch.tensor(fit.signal_range))[1].min() > 0
    assert "held at zero" in fit.summary()


def test_noise_that_a_line_cannot_describe_is_not_left_out() -> None:
    signal = np.random.default_rng(0).uniform(10.0, 100.0, (200, 200))
    variance = np.where(signal < 50, 9.0, 9.0 + 40 * (signal - 50))
    noise = np.random.default_rng(1).normal(size=signal.shape)
    fit = measure_noise(signal + np.sqrt(variance) * noise, signal)
    assert "left out" not in fit.summary()
    dark = fit.bin_signals < 45
    assert np.average(fit.bin_variances[dark]) == pytest.approx(9.0, rel=0.05)


def test_a_mixture_keeps_some_noise_below_the_darkest_signal() -> None:
    counts = light("dna", 1, 100)
    model = fit_noise_model(observe(counts, offset=100), 100 + 2 * counts, "mixture")
    darkest = deviation(model, np.array([102.0]))
    assert deviation(model, np.array([50.0, 80.0, 95.0])).min() > 0.3 * darkest


def test_a_signal_that_is_not_the_mean_is_refused_or_told() -> None:
    counts = light("dna", 1, 100)
    with pytest.raises(NoiseError, match="the signal is not their mean"):
        measure_noise(observe(counts, offset=100), 2 * counts)
    (notice,) = measure_noise(observe(counts) + 2, 2 * counts).notices
    assert re.search(r"observations lie (1\.9|2)\S* above", notice)


def bad(change: Callable[[Array, Array], tuple[Any, Any]]) -> tuple[Any, Any]:
    counts = light("dna", size=64)
    return change(observe(counts), 2 * counts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, s: (y, s[1:]), "shape"),
        (lambda y, s: ([y], [s[1:]]), "same shape"),
        (lambda y, s: ([y, y + 1], [s]), "the signal has fewer planes"),
        (lambda y, s: ([y], [s, s]), "the observation has fewer planes"),
        (lambda y, s: ([y], [np.where(s > s.mean(), s, np.nan)]), "signal holds NaN"),
        (lambda y, s: ([np.where(s > s.mean(), y, np.inf)], s), "observation holds NaN or inf"),
        (lambda y, s: (y[:30, :30], s[:30, :30]), "900 distinct pixels"),
        (lambda y, s: ([y[:30, :30]] * 2, [s[:30, :30]] * 2), "900 distinct pixels"),
        (lambda y, s: ([y[:30, :30]] * 2, None), "900 distinct pixels"),
        (lambda y, s: (y, np.full_like(s, 7.0)), "the signal is 7 everywhere"),
        (lambda y, s: (s, s), "observation and signal are the same"),
        (lambda y, s: (y > 3, s), "bool"),
        (lambda y, s: (y, [s]), "must be an array"),
        (lambda y, s: ([], None), "no image"),
    ],
)
def test_bad_pairs_are_refused(
    change: Callable[[Array, Array], tuple[Any, Any]], message: str
) -> None:
    observation, signal = bad(change)
    with pytest.raises(NoiseError, match=message):
        measure_noise(observation, signal)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_arrays_are_refused_as_files_are_where_they_hold_nan(bad: float) -> None:
    noisy = taken(light(size=64), 3)
    holes = noisy.copy()
    holes[1, 7, 9] = bad
    for arguments in (
        {"observation": holes},
        {"observation": holes, "repeats": "T"},
        {"observation": noisy, "signal": holes},
        {"observation": holes, "signal": noisy},
    ):
        with pytest.raises(ImageError, match=r"NaN or infinite.*T=1, Y=7, X=9"):
            measure_noise(**arguments, axes="TYX")


@pytest.mark.parametrize("kind", ["poisson_gaussian", "mixture", "histogram"])
def test_a_signal_without_a_range_is_refused(kind: str) -> None:
    noisy = 7 + np.random.default_rng(0).normal(size=(64, 64))
    with pytest.raises(NoiseError, match="needs a range"):
        measure_noise(noisy, np.full((64, 64), 7.0), kind)


def test_a_signal_without_a_range_is_fine_for_gaussian_noise() -> None:
    noisy = 7 + 3 * np.random.default_rng(0).normal(size=(64, 64))
    fit = measure_noise(noisy, np.full((64, 64), 7.0), "gaussian")
    assert fit.model.sigma == pytest.approx(3.0, rel=0.05)
    assert fit.intercept_interval[0] < 9 < fit.intercept_interval[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "poisson"}, "'poisson'.* poisson_gaussian, gaussian, photon_counting, mixture"),
        ({"kind": "mixture"}, "ladderscope.fit_noise_model"),
        ({"kind": "histogram"}, "ladderscope.fit_noise_model"),
        ({"kind": "gaussian", "components": 0}, "components"),
        ({"offset": 1.0, "dark": np.zeros((64, 64))}, "not both"),
        ({"offset": math.nan}, "finite number"),
        ({"offset": "low"}, "finite number"),
        ({"axes": "XX"}, 'axes "XX" repeats X'),
        ({"axes": "TYX"}, r"axes \"TYX\" .*\(64, 64\)"),
    ],
)
def test_bad_requests_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(NoiseError, match=message):
        measure_noise(observe(light(size=64)), **arguments)


def test_axes_are_asked_for() -> None:
    with pytest.raises(NoiseError, match=r"\(2, 64, 64\).* give axes"):
        measure_noise(np.zeros((2, 64, 64)))


def test_copies_are_counted_once_and_told() -> None:
    stack = taken(light(size=128), 3)
    fit = measure_noise(np.concatenate([stack, stack[:2]]), axes="TYX")
    assert fit.model == fit_noise_model(stack, axes="TYX")
    assert "2 planes are copies" in fit.summary()


# Darkness ----------------------------------------------------------------------------------------


def darkness(offset: float = 100.0, read: float = 3.0, frames: int = 1, seed: int = 9) -> Array:
    shape = (frames, 128, 128) if frames > 1 else (128, 128)
    return offset + read * np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("signal", [True, False])
@pytest.mark.parametrize("frames", [0, 1, 4])
def test_offset_and_read_noise_are_told_apart(frames: int, signal: bool) -> None:
    counts = light("dna", 1, 100, 512)
    clean = 2 * counts + 100 if signal else None
    known = {"dark": darkness(frames=frames)} if frames else {"offset": 100.0}
    fit = measure_noise(observe(counts, offset=100), clean, **known)
    assert fit.offset == pytest.approx(100, rel=0.005)
    assert fit.read_noise == pytest.approx(3.0, rel=0.15)
    assert "black level is 100" in fit.summary()
    assert "If the darkest" not in fit.summary()


def test_without_them_both_stay_open() -> None:
    fit = measure_noise(observe(light(), offset=100))
    assert fit.offset is None and fit.read_noise is None
    assert "If the darkest pixels show the black level" in fit.summary()


@pytest.mark.parametrize("kind", ["mixture", "histogram", "gaussian"])
def test_the_read_noise_is_that_of_the_dark_whatever_is_fitted(kind: str) -> None:
    counts = light("dna", 1, 100, 512)
    fit = measure_noise(observe(counts, offset=100), 2 * counts + 100, kind, offset=100.0)
    assert fit.read_noise == pytest.approx(3.0, rel=0.15)


def test_a_dark_frame_is_questioned_only_where_the_images_know_better() -> None:
    noisy = observe(light("dna", 20, 200), offset=100)
    assert "settings" not in measure_noise(noisy, dark=darkness()).summary()
    for dark in (np.zeros((64, 64)), darkness(offset=50.0)):
        assert "with the settings of the images?" in measure_noise(noisy, dark=dark).summary()
    restless = observe(light("dna", 1, 200), offset=100, read=9.0)
    assert "suggest a read noise of" in measure_noise(restless, dark=darkness()).summary()


def test_hot_pixels_of_dark_frames_do_not_matter() -> None:
    dark = darkness()
    dark.ravel()[::500] = 5000
    fit = measure_noise(observe(light(), offset=100), dark=dark)
    assert fit.offset == pytest.approx(100, abs=0.2)
    assert fit.read_noise == pytest.approx(3.0, rel=0.05)


def test_a_fixed_pattern_is_no_read_noise() -> None:
    pattern = 4 * np.random.default_rng(3).normal(size=(128, 128))
    fit = measure_noise(observe(light(), offset=100, read=5.0), dark=darkness(frames=5) + pattern)
    assert fit.read_noise == pytest.approx(3.0, rel=0.03)


def test_each_channel_has_its_own_darkness() -> None:
    counts = np.stack([light("dna"), light("cells")])
    observation = observe(counts, offset=100)
    observation[1] += 50
    fits = measure_noise(observation, axes="CYX", offset=[100.0, 150.0])
    assert [fit.offset for fit in fits] == [100.0, 150.0]
    with pytest.raises(NoiseError, match="3 given for 2 channels"):
        measure_noise(observation, axes="CYX", offset=[1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("dark", "message"),
    [
        (darkness(offset=150.0), "not dark: 150"),
        (darkness(read=15.0), "not dark: its standard deviation"),
        (darkness() + light("cells", 0.0, 30.0, 128), "correlated"),
        (np.maximum(darkness(offset=0.0), 0), "clipped"),
        (np.stack([darkness()] * 2), "identical"),
        (np.full((128, 128), np.nan), "NaN"),
        (np.zeros(64), "shape"),
        (np.zeros((5, 5)), "100 pixels"),
    ],
)
def test_dark_frames_that_are_not_dark_are_refused(dark: Array, message: str) -> None:
    with pytest.raises(NoiseError, match=message):
        measure_noise(observe(light(), offset=100), dark=dark)


def test_an_offset_above_the_darkest_pixels_is_refused() -> None:
    with pytest.raises(NoiseError, match="offset is not dark: 200"):
        measure_noise(observe(light("dna", 1, 200), offset=100), offset=200.0)


def test_a_photon_counter_is_black_in_the_dark() -> None:
    counts = light("dna", 1, 30)
    fit = measure_noise(observe(counts, 1, 0, 0), counts, dark=np.zeros((64, 64), dtype=np.uint8))
    assert (fit.offset, fit.read_noise) == (0.0, 0.0)


# What is told ------------------------------------------------------------------------------------


@each_kind
def test_every_fit_is_summed_up(kind: str) -> None:
    counts = light("dna", size=128)
    fit = measure_noise(observe(counts, offset=100), 2 * counts + 100, kind, offset=100)
    assert fit.summary().startswith(
        {
            "poisson_gaussian": "Poisson–Gaussian noise: gain",
            "gaussian": "Gaussian noise: standard deviation",
            "mixture": "A Gaussian mixture of 3 components",
            "histogram": "A histogram of the noise",
            "photon_counting": "Photon-counting noise: gain",
        }[fit.model.kind]
    )


def test_gaussian_noise_that_grows_is_told() -> None:
    counts = light("dna", 1, 100)
    assert (
        "grows with the signal" in measure_noise(observe(counts), 2 * counts, "gaussian").summary()
    )


def test_kinds_are_classes() -> None:
    counts = light(size=128)
    found = [fit_noise_model(observe(counts), 2 * counts, kind) for kind in FITTABLE]
    assert [type(model) for model in found] == [
        PoissonGaussian,
        Gaussian,
        PoissonGaussian,
        GaussianMixture,
        Histogram,
    ]
