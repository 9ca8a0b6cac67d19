"""Calibration finds the noise that was put in."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images import sample_image
from ladderscope.noise import NoiseError
from ladderscope.noise_estimation import NoiseFit, calibrate_poisson_gaussian
from ladderscope.words import percent

Image = NDArray[np.float64]


def texture(size: int = 384, seed: int = 0, low: float = 10, high: float = 200) -> Image:
    """Make a smooth random signal, mostly dark as fluorescence is."""
    field = np.random.default_rng(seed).normal(size=(size, size))
    field = ndimage.gaussian_filter(field, 8)
    return low + (high - low) * ((field - field.min()) / np.ptp(field)) ** 2


def observe(
    signal: Image, gain: float, offset: float = 0.0, read: float = 0.0, seed: int = 0
) -> Image:
    """Count photons, amplify, lift and read."""
    generator = np.random.default_rng(seed)
    photons = generator.poisson(signal / gain)
    return photons * gain + offset + read * generator.normal(size=signal.shape)


def assert_found(
    fit: NoiseFit,
    signal: Image,
    gain: float,
    offset: float = 0.0,
    read: float = 0.0,
    tolerance: float = 0.1,
) -> None:
    """Compare gain, and the standard deviation at the darkest and brightest percentile."""
    assert fit.model.gain == pytest.approx(gain, rel=tolerance)
    for level in np.percentile(signal, [1, 99]):
        variance = fit.model.gain * (level + offset) + fit.model.intercept
        expected = math.sqrt(gain * level + read**2)
        assert math.sqrt(variance) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(
    ("gain", "offset", "read"),
    [(0.5, 0.0, 1.0), (2.0, 0.0, 3.0), (2.0, 100.0, 3.0), (5.0, 100.0, 10.0), (5.0, 0.0, 0.0)],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_known_cameras_are_found(gain: float, offset: float, read: float, seed: int) -> None:
    signal = texture(seed=seed)
    fit = calibrate_poisson_gaussian([observe(signal, gain, offset, read, seed)])
    assert_found(fit, signal, gain, offset, read)
    assert fit.gain_interval[0] < fit.model.gain < fit.gain_interval[1]
    assert fit.intercept_interval[0] < fit.model.intercept < fit.intercept_interval[1]
    assert fit.clipped_share == 0


@pytest.mark.parametrize("photons", [(0.2, 5.0), (1.0, 30.0), (10.0, 10_000.0)])
def test_counted_photons_few_or_many(photons: tuple[float, float]) -> None:
    signal = texture(low=photons[0], high=photons[1])
    fit = calibrate_poisson_gaussian([observe(signal, 1.0).astype(np.uint16)])
    assert_found(fit, signal, 1.0)


def test_eight_bit_saturation_is_left_out() -> None:
    signal = texture(high=320)
    observation = np.clip(np.round(observe(signal, 2.0, 0.0, 3.0)), 0, 255).astype(np.uint8)
    assert (observation == 255).mean() > 0.002
    fit = calibrate_poisson_gaussian([observation])
    assert_found(fit, np.minimum(signal, 255), 2.0, 0.0, 3.0)
    assert fit.clipped_share > 0
    assert "clipped" in fit.summary()


def test_a_twelve_bit_ceiling_in_a_sixteen_bit_file_is_seen() -> None:
    signal = texture(high=6000)
    observation = np.clip(np.round(observe(signal, 2.0, 100.0, 3.0)), 0, 4095).astype(np.uint16)
    fit = calibrate_poisson_gaussian([observation])
    assert_found(fit, np.minimum(signal, 3995), 2.0, 100.0, 3.0)


def test_a_background_clipped_to_black_is_left_out() -> None:
    signal = np.maximum(texture(low=-60), 0)
    observation = np.clip(np.round(observe(signal, 2.0, 0.0, 3.0)), 0, 255).astype(np.uint8)
    assert (observation == 0).mean() > 0.1
    fit = calibrate_poisson_gaussian([observation])
    assert fit.model.gain == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("cut", [100, 200])
def test_a_gain_is_measured_on_what_little_is_not_clipped_to_black(cut: int) -> None:
    signal = 4.0 * sample_image("dna").pixels
    observation = np.clip(np.round(observe(signal, 2.0, 0.0, 3.0) - cut), 0, 65535)
    assert (observation == 0).mean() > 0.8
    fit = calibrate_poisson_gaussian([observation.astype(np.uint16)])
    assert fit.gain_interval[0] < 2.0 < fit.gain_interval[1]
    assert f"{percent(fit.clipped_share)} of the pixels were left out" in fit.summary()


def test_an_image_that_is_nearly_all_black_is_measured_with_a_warning() -> None:
    signal = 4.0 * sample_image("ph3").pixels[:256, :256]
    observation = np.clip(np.round(observe(signal, 2.0, 0.0, 3.0) - 200), 0, 65535)
    fit = calibrate_poisson_gaussian([observation.astype(np.uint16)])
    assert "nearly all pixels look clipped" in fit.summary()
    assert np.isfinite([*fit.gain_interval, *fit.intercept_interval]).all()


def test_a_photon_here_and_there_is_not_clipping() -> None:
    signal = texture(256, low=0.01, high=0.2)
    fit = calibrate_poisson_gaussian([observe(signal, 1.0).astype(np.uint16)])
    assert fit.model.gain == pytest.approx(1.0, rel=0.1)
    assert "clipped" not in fit.summary()


def test_a_variance_that_falls_is_told() -> None:
    signal = texture()
    falling = np.random.default_rng(0).normal(signal, np.sqrt(250 - signal))
    assert "variance falls as the signal grows" in calibrate_poisson_gaussian([falling]).summary()
    level = np.random.default_rng(0).normal(signal, 8.0)
    assert "falls" not in calibrate_poisson_gaussian([level]).summary()


def test_padding_changes_nothing() -> None:
    signal = texture()
    observation = observe(signal, 2.0, 0.0, 3.0)
    fit = calibrate_poisson_gaussian([np.pad(observation, 40)])
    assert_found(fit, signal, 2.0, 0.0, 3.0)


def test_hot_pixels_do_not_matter() -> None:
    signal = texture()
    observation = observe(signal, 2.0, 0.0, 3.0)
    hot = np.random.default_rng(5).integers(0, observation.size, 20)
    observation.ravel()[hot] = 60_000
    assert_found(calibrate_poisson_gaussian([observation]), signal, 2.0, 0.0, 3.0)


def test_a_small_image_gives_an_interval_that_admits_it() -> None:
    signal = texture(64)
    fit = calibrate_poisson_gaussian([observe(signal, 2.0, 0.0, 3.0)])
    assert fit.gain_interval[0] < 2.0 < fit.gain_interval[1]
    level = float(np.median(signal))
    deviation = math.sqrt(fit.model.gain * level + fit.model.intercept)
    assert deviation == pytest.approx(math.sqrt(2 * level + 9), rel=0.2)


def test_intervals_cover() -> None:
    fits = []
    for seed in range(30):
        observation = observe(texture(128, seed), 2.0, 0.0, 3.0, seed)
        fits.append(calibrate_poisson_gaussian([observation]))
    gains = [fit.gain_interval[0] < 2 < fit.gain_interval[1] for fit in fits]
    intercepts = [fit.intercept_interval[0] < 9 < fit.intercept_interval[1] for fit in fits]
    assert np.mean(gains) >= 0.85
    assert np.mean(intercepts) >= 0.85


@pytest.mark.parametrize("seed", range(3))
def test_without_a_range_of_signals_the_variance_is_constant(seed: int) -> None:
    signal = np.full((256, 256), 100.0)
    fit = calibrate_poisson_gaussian([observe(signal, 2.0, 0.0, 3.0, seed)])
    assert fit.model.gain == 0
    assert fit.model.intercept == pytest.approx(209, rel=0.1)
    assert fit.offset_guess is None
    assert fit.summary().startswith("Constant noise")


def test_planes_of_different_brightness_make_one_line() -> None:
    signals = [texture(192, seed, 5.0, 20.0 * 2**seed) for seed in range(7)]
    planes = [observe(s, 2.0, 0.0, 3.0, seed) for seed, s in enumerate(signals)]
    assert_found(calibrate_poisson_gaussian(planes), np.stack(signals), 2.0, 0.0, 3.0)
    backwards = calibrate_poisson_gaussian(planes[::-1])
    assert_found(backwards, np.stack(signals), 2.0, 0.0, 3.0)


def test_planes_are_read_one_at_a_time_and_blank_ones_passed_over() -> None:
    observation = observe(texture(), 2.0, 0.0, 3.0)

    def stream() -> Iterator[Image]:
        yield np.zeros((50, 50))
        yield observation
        yield np.zeros((4, 300))

    fit = calibrate_poisson_gaussian(stream())
    assert fit.model.gain == pytest.approx(2.0, rel=0.1)


def test_types_do_not_matter() -> None:
    observation = np.round(observe(texture(), 2.0, 100.0, 3.0))
    fits = [
        calibrate_poisson_gaussian([observation.astype(kind)])
        for kind in (np.uint16, np.int32, np.float32, np.float64, ">u2")
    ]
    assert len({fit.model for fit in fits}) == 1


def test_units_carry_over() -> None:
    observation = observe(texture(), 2.0, 0.0, 3.0)
    plain = calibrate_poisson_gaussian([observation]).model
    scaled = calibrate_poisson_gaussian([8 * observation + 1000]).model
    assert scaled.gain == pytest.approx(8 * plain.gain, rel=0.05)
    assert scaled.gain * 1800 + scaled.intercept == pytest.approx(
        64 * (plain.gain * 100 + plain.intercept), rel=0.05
    )


def test_it_is_deterministic() -> None:
    observation = observe(texture(128), 2.0, 0.0, 3.0)
    first, second = (calibrate_poisson_gaussian([observation]).to_dict() for _ in range(2))
    assert first == second


def test_the_floor_lies_below_every_true_variance() -> None:
    signal = texture()
    fit = calibrate_poisson_gaussian([observe(signal, 2.0, 100.0, 3.0)])
    assert 0 < fit.model.variance_floor < 2 * signal.min() + 9


def test_what_was_seen_is_reported() -> None:
    signal = texture()
    fit = calibrate_poisson_gaussian([observe(signal, 2.0, 100.0, 3.0)])
    assert (np.diff(fit.bin_signals) > 0).all()
    assert fit.bin_signals.shape == fit.bin_variances.shape == fit.bin_counts.shape
    assert fit.signal_range == pytest.approx(np.percentile(signal + 100, [1, 99]), rel=0.03)
    assert fit.offset_guess == pytest.approx(110, abs=5)
    assert "gain" in fit.summary()


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (np.full((100, 100), 7.0), "constant"),
        (np.full((100, 100), 255, dtype=np.uint8), "constant"),
        (np.random.default_rng(0).normal(size=(5, 5)), "too small"),
        (np.mgrid[:64, :64][0].astype(float), "no noise"),
        (np.zeros((2, 64, 64)), "2 axes"),
        (np.zeros((64, 64), dtype=complex), "real numbers"),
        (np.zeros((64, 64), dtype=bool), "real numbers"),
        (np.full((64, 64), np.nan), "NaN"),
    ],
)
def test_images_that_show_no_noise_are_refused(plane: Image, message: str) -> None:
    with pytest.raises(NoiseError, match=message):
        calibrate_poisson_gaussian([plane])


def test_no_image_is_refused() -> None:
    with pytest.raises(NoiseError, match="no image"):
        calibrate_poisson_gaussian([])
