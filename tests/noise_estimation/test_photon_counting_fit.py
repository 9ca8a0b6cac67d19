"""Photon-counting noise is measured: its parameters, their intervals, and whether it is there."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, stats

from ladderscope.images import sample_image
from ladderscope.noise import NoiseModel, PhotonCounting, PoissonGaussian
from ladderscope.noise_estimation import measure_noise
from ladderscope.noise_estimation.checked import clean_plane
from ladderscope.noise_estimation.dark import Darkness
from ladderscope.noise_estimation.flat_pixels import FlatPixels
from ladderscope.noise_estimation.from_images import fit_images
from ladderscope.noise_estimation.photon_bins import find_lattice, sorted_by_brightness
from ladderscope.noise_estimation.photon_counting_fit import Advantage
from ladderscope.noise_estimation.pulse_spectra import Cells, Counting, Line, probabilities

Array = NDArray[np.float64]
DETECTOR = PhotonCounting(gain=16.0, offset=100.0, read_noise=2.0, shape=3.0)


def light(photons: float, size: int = 320) -> Array:
    """Give photons a pixel, in the mean: a real image."""
    pixels = ndimage.gaussian_filter(sample_image("dna").pixels.astype(float), 1)[:size, :size]
    pixels -= 0.9 * np.percentile(pixels, 0.5)
    return photons * np.maximum(pixels, 0) / pixels.mean()


def seen(photons: Array, detector: PhotonCounting = DETECTOR, seed: int = 0) -> Array:
    generator = np.random.default_rng(seed)
    heights = generator.poisson(photons).astype(float)
    if detector.shape is not None:
        scattered = generator.gamma(np.maximum(heights, 1e-9) * detector.shape) / detector.shape
        heights = np.where(heights > 0, scattered, 0.0)
    noise = detector.read_noise * generator.normal(size=photons.shape)
    return detector.offset + detector.gain * heights + noise


def measured(images: Array, *known: Any, **named: Any) -> Any:
    return measure_noise(images, *known, kind="photon_counting", **named)


def assert_close(found: NoiseModel, detector: PhotonCounting, gain: float = 0.1) -> None:
    assert isinstance(found, PhotonCounting)
    assert found.gain == pytest.approx(detector.gain, rel=gain)
    assert found.offset == pytest.approx(detector.offset, abs=0.1 * detector.gain)
    if detector.shape is not None:
        assert found.shape is not None
        assert detector.shape / 1.5 < found.shape < detector.shape * 1.5
    else:
        assert found.shape is None


# The law -----------------------------------------------------------------------------------------

CELLS = Cells(first=-40.0, width=2.0, count=256, lowest=0, highest=255)


@pytest.mark.parametrize("inverse", [1e-5, 0.25, 1.0])
def test_cells_have_the_probabilities_of_a_sum_over_photons(inverse: float) -> None:
    gain, offset, read_noise, mean, spread = 16.0, 3.5, 0.8, 0.7, 0.2
    parameters = np.array([np.log(gain), offset, np.log(read_noise), inverse])
    found = probabilities(Counting(), parameters, np.log([mean, spread, np.e]), CELLS)[0]
    # a Poisson law of Gamma-distributed rates is negative binomial
    photons = stats.nbinom(1 / spread, 1 / (1 + spread * mean))
    edges = CELLS.first + CELLS.width * (np.arange(CELLS.count + 1) - 0.5)
    fine = np.linspace(-6, 6, 1001) * read_noise
    weights = stats.norm.pdf(fine, scale=read_noise)
    below = photons.pmf(0) * stats.norm.cdf(edges, offset, read_noise)
    for number in range(1, 12):
        pulse = stats.gamma(number / inverse, scale=gain * inverse)
        shifted = np.stack([pulse.cdf(edge - offset - fine) for edge in edges])
        below += photons.pmf(number) * (shifted * weights).sum(axis=1) / weights.sum()
    np.testing.assert_allclose(found, np.diff(below), atol=1e-4)


@pytest.mark.parametrize("law", [Counting(), Line()])
def test_the_derivatives_of_the_probabilities_are_those_of_differences(law: Any) -> None:
    def at(point: Array) -> Array:
        return probabilities(law, point[:4], point[4:], CELLS)

    point = np.array([np.log(12.0), 3.0, 0.2, 0.4, np.log(3.0), np.log(0.1), 0.6])
    derivatives = at(point)[1:]
    for number, step in enumerate(1e-5 * np.eye(7)):
        expected = (at(point + step)[0] - at(point - step)[0]) / 2e-5
        np.testing.assert_allclose(derivatives[number], expected, atol=1e-8)


@pytest.mark.parametrize("skew", [-0.5, 1.0, 2.5])
def test_the_rates_of_a_region_have_the_moments_that_they_are_given(skew: float) -> None:
    gain, offset, read_noise, inverse, mean, spread = 16.0, 3.5, 4.0, 0.25, 6.0, 0.05
    parameters = np.array([np.log(gain), offset, np.log(read_noise), inverse])
    rates = np.array([np.log(mean), np.log(spread), skew])
    cells = Cells(first=-200.0, width=2.0, count=512, lowest=0, highest=511)
    chance = probabilities(Counting(), parameters, rates, cells)[0]
    centre = cells.centres() @ chance
    variance, third = ((cells.centres() - centre) ** power @ chance for power in (2, 3))
    pulses = gain**2 * (1 + inverse), gain**3 * (1 + inverse) * (1 + 2 * inverse)
    of_rates = spread * mean**2, 2 * skew * spread**2 * mean**3
    assert centre == pytest.approx(offset + gain * mean, rel=1e-6)
    expected = pulses[0] * mean + gain**2 * of_rates[0] + read_noise**2 + cells.width**2 / 12
    assert variance == pytest.approx(expected, rel=1e-4)
    together = 3 * gain * pulses[0] * of_rates[0] + gain**3 * of_rates[1]
    assert third == pytest.approx(pulses[1] * mean + together, rel=1e-3)


# What is found -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [1.0, 3.0, None])
@pytest.mark.parametrize("photons", [0.3, 3.0])
def test_noisy_images_alone_show_the_detector(shape: float | None, photons: float) -> None:
    detector = PhotonCounting(16.0, 100.0, 2.0, shape)
    fit = measured(np.rint(seen(light(photons), detector)).astype(np.uint16))
    assert_close(fit.model, detector, gain=0.12)
    assert fit.intervals["gain"][0] < fit.model.gain < fit.intervals["gain"][1]
    assert fit.advantage > 3 * fit.advantage_error > 0
    assert fit.summary().startswith("Photon-counting noise: gain ")


def test_photons_of_less_than_three_read_noises_do_not_pass_for_those_of_a_camera() -> None:
    detector = PhotonCounting(10.0, 50.0, 4.0, 3.0)
    recorded = np.clip(np.rint(seen(light(10.0, 512), detector)), 0, 255).astype(np.uint8)
    assert_close(measured(recorded).model, detector)


def test_many_photons_without_a_dark_region_show_the_detector() -> None:
    detector = PhotonCounting(16.0, 3.5, 0.6, 1.0)
    photons = np.repeat(np.linspace(6.0, 50.0, 16), 24) * np.ones((384, 1))
    fit = measured(np.rint(seen(photons, detector)).astype(np.uint16))
    assert_close(fit.model, detector, gain=0.15)
    low, high = fit.intervals["gain"]
    assert low < 16.0 < high


def test_that_dark_regions_show_more_of_the_photons_than_bright_ones_is_no_chance() -> None:
    photons = np.linspace(0.0, 60.0, 256)[:, None] * np.ones(256)
    fit = measured(np.rint(seen(photons, PhotonCounting(16.0, 100.0, 2.0, 1.0))))
    assert isinstance(fit.model, PhotonCounting)
    assert fit.advantage > 10 * fit.advantage_error


def test_what_structure_adds_to_the_variance_is_known_from_the_neighbours() -> None:
    generator = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(generator.normal(size=(256, 256)), 2.0)
    signal = 1000.0 + 20.0 * texture / texture.std()
    for noise in (0.0, 30.0):
        pixels = FlatPixels()
        pixels.add(clean_plane(signal + noise * generator.normal(size=signal.shape)), 0)
        (one, *_) = sorted_by_brightness(pixels, find_lattice(np.arange(9.0)), slope=1e6)
        # the mean of the ring has told a part of it
        left = one.variance - noise**2
        assert abs(one.structure - left) < max(2 * one.structure_error, 0.2 * left)
        assert noise == 0.0 or one.structure < 0.3 * one.variance


def test_intervals_cover() -> None:
    true = {"gain": 16.0, "offset": 100.0, "read_noise": np.hypot(2.0, 12**-0.5), "shape": 3.0}
    covered = []
    for seed in range(4):
        fit = measured(np.rint(seen(light(1.0, 200), seed=seed)))
        covered += [low < true[name] < high for name, (low, high) in fit.intervals.items()]
    assert len(covered) == 16
    assert sum(covered) >= 13


def test_no_scatter_of_grey_levels_is_needed() -> None:
    detector = PhotonCounting(16.0, 100.0, 2.0, 3.0)
    for type_ in (np.float32, np.float64):
        assert_close(measured(seen(light(1.0), detector).astype(type_)).model, detector)


def test_a_peak_that_is_cut_in_half_at_zero_shows_the_offset() -> None:
    detector = PhotonCounting(16.0, 0.0, 3.0, 3.0)
    fit = measured(np.clip(np.rint(seen(light(1.0), detector)), 0, 255).astype(np.uint8))
    assert_close(fit.model, detector)
    assert fit.model.read_noise == pytest.approx(3.0, rel=0.05)


def test_a_peak_narrower_than_a_grey_level_is_not_taken_for_clipping() -> None:
    detector = PhotonCounting(gain=10.0, offset=100.0, read_noise=0.1, shape=3.0)
    values = np.rint(seen(light(1.0, 192), detector)).astype(np.uint16)
    fit = measured(values)
    assert_close(fit.model, detector, gain=0.05)
    assert fit.model.offset == pytest.approx(100.0, abs=0.3)
    low, high = fit.intervals["offset"]
    assert low <= 100 <= high
    assert fit.advantage > 0.5  # nats per pixel


@pytest.mark.parametrize(("photons", "step"), [(0.5, 20), (3.0, 1), (1.0, 1), (0.1, 1)])
def test_a_file_may_hold_whole_numbers_of_photons(photons: float, step: int) -> None:
    counts = step * np.random.default_rng(0).poisson(light(photons))
    fit = measured(np.minimum(counts, 240).astype(np.uint8))
    assert (fit.model.gain, fit.model.offset, fit.model.shape) == (step, 0.0, None)
    assert "whole numbers of photons" in fit.summary()


def test_photons_that_explain_less_than_a_line_does_are_no_whole_numbers_of_photons() -> None:
    noisy = np.rint(0.9 * np.random.default_rng(0).poisson(60 + light(8.0)))
    fit = measured(noisy.astype(np.uint16))
    assert isinstance(fit.model, PoissonGaussian)
    assert fit.doubt.startswith("photon counting would make flat regions")
    assert fit.doubt in fit.summary()


@pytest.mark.parametrize(
    ("advantage", "words"),
    [
        (Advantage(0.0369, 0.001), "more likely, by 0.0369 ± 0.0010 nats per pixel"),
        (Advantage(-0.0369, 0.001), "less likely, by 0.0369 ± 0.0010 nats per pixel"),
        (Advantage(-2e-6, 1e-6), "no more likely, within 0.0001 nats per pixel"),
        (Advantage(0.001, 0.0001), "hardly more likely, by 0.0010 ± 0.0001 nats per pixel"),
        (
            Advantage(0.1, 0.05),
            "hardly more likely, by 0.1000 ± 0.0500 nats per pixel, no more than chance",
        ),
    ],
)
def test_the_sign_of_an_advantage_is_said_in_words(advantage: Advantage, words: str) -> None:
    assert advantage.words == words


def test_pixels_at_the_ceiling_are_told_of() -> None:
    detector = PhotonCounting(16.0, 20.0, 2.0, 3.0)
    photons = light(1.0)
    photons[:80] = 40.0
    fit = measured(np.clip(np.rint(seen(photons, detector)), 0, 255).astype(np.uint8))
    assert isinstance(fit.model, PhotonCounting)
    assert "Pixels pile up at 255" in fit.summary()


def test_a_stretched_file_shows_the_stretched_detector() -> None:
    levels = np.rint(seen(light(1.0), PhotonCounting(6.0, 10.0, 1.0, 3.0)))
    fit = measured(np.clip(np.rint(2.55 * levels), 0, 255).astype(np.uint8))
    assert_close(fit.model, PhotonCounting(15.3, 25.5, 2.7, 3.0))


def test_frames_may_differ_in_brightness() -> None:
    frames = [seen(light(photons, 200), seed=at) for at, photons in enumerate((0.5, 1.0, 2.0))]
    assert_close(measured(np.rint(np.stack(frames)), axes="TYX").model, DETECTOR)


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_camera_keeps_its_line(gain: float) -> None:
    generator = np.random.default_rng(0)
    photons = 20 + light(40.0)
    noisy = gain * generator.poisson(photons) + 100 + generator.normal(0, 4, photons.shape)
    fit = measured(np.rint(noisy).astype(np.uint16))
    assert isinstance(fit.model, PoissonGaussian)
    assert fit.model == measure_noise(np.rint(noisy).astype(np.uint16)).model
    assert "Poisson–Gaussian noise is given" in fit.summary()


def test_constant_noise_is_no_photon_counting() -> None:
    fit = measured(np.random.default_rng(0).normal(100.0, 3.0, (128, 128)))
    assert isinstance(fit.model, PoissonGaussian)


# What else is known ------------------------------------------------------------------------------


def test_pairs_and_repeats_show_the_detector() -> None:
    photons = light(1.0, 200)
    frames = np.rint(np.stack([seen(photons, seed=seed) for seed in range(4)]))
    signal = DETECTOR.offset + DETECTOR.gain * photons
    assert_close(measured(frames[0], signal).model, DETECTOR)
    assert_close(measured(frames, axes="TYX", repeats="T").model, DETECTOR)


def test_dark_frames_hold_offset_and_read_noise() -> None:
    image = np.rint(seen(light(1.0, 200)))
    dark = np.rint(np.random.default_rng(1).normal(100.0, 2.0, (4, 64, 64)))
    fit = measured(image, dark=dark)
    assert (fit.model.offset, fit.model.read_noise) == pytest.approx((fit.offset, fit.read_noise))
    assert_close(fit.model, DETECTOR)
    assert measured(image, offset=100.0).model.offset == 100.0


@pytest.mark.parametrize(
    ("offset", "read_noise", "counted"),
    [(0.0, None, True), (0.05, 0.2, True), (-0.4, None, False), (0.0, 0.9, False)],
)
def test_whole_numbers_of_photons_agree_with_the_dark_frames(
    offset: float, read_noise: float | None, counted: bool
) -> None:
    plane = clean_plane(np.random.default_rng(0).poisson(light(2.0, 200)).astype(np.uint8))
    fit = fit_images([plane], "photon_counting", Darkness(offset, read_noise))
    assert ("whole numbers of photons" in fit.summary()) == counted
    if counted:
        assert fit.model == PhotonCounting(1.0, offset, read_noise or 0.12)


# The pixels --------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_number_of_planes() -> None:
    pixels, plane = FlatPixels(), clean_plane(seen(light(1.0, 320)))
    for number in range(70):
        pixels.add(plane, number)
    assert 1_000_000 < pixels.values.size < 2_100_000
    assert np.unique(pixels.groups).size == 32


@pytest.mark.parametrize(
    ("values", "step"),
    [
        (np.arange(50.0), 1.0),
        (20.0 * np.arange(9), 20.0),
        (np.rint(3.7 * np.arange(60)), 3.7),
        (np.array([5.0, 5.0]), 1.0),
        (np.arange(40) / 16, 1 / 16),
    ],
)
def test_the_spacing_of_values_is_found(values: Array, step: float) -> None:
    assert find_lattice(values).step == pytest.approx(step, rel=1e-2)
