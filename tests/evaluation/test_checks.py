"""Each fault turns its own check red, and a sound restoration keeps all of them green."""

import numpy as np
import pytest
from scipy import ndimage, stats

from ladderscope.evaluation.checks import (
    Appearance,
    Check,
    Known,
    RestoredPlane,
    appearance,
    light_of,
    restoration_checks,
    split_checks,
    worst,
)
from ladderscope.evaluation.checks.regions import WINDOWS, departing_regions
from ladderscope.evaluation.checks.structure import bands, lost_structure
from ladderscope.images import Statistics
from ladderscope.noise import Gaussian, PoissonGaussian

SIGMA = 5.0
WHITE = Gaussian(SIGMA)


@pytest.fixture(scope="module")
def scene():
    """A Gaussian random field, which the Wiener filter restores in the best way there is."""
    rng = np.random.default_rng(1)
    side = 192
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    power = 1 / (1 + (frequency / 0.03) ** 4)
    power *= 400 / power.mean()  # variance 400
    white = np.fft.fft2(rng.normal(size=(side, side)))
    clean = np.fft.ifft2(white * np.sqrt(power)).real
    noisy = clean + rng.normal(0, SIGMA, clean.shape)
    restored = np.fft.ifft2(np.fft.fft2(noisy) * power / (power + SIGMA**2)).real
    return clean + 200, noisy + 200, restored + 200


def known_of(noisy, noise):
    statistics = Statistics(float(noisy.mean()), float(noisy.std()), noisy.min(), noisy.max())
    return Known(statistics, noise, appearance([noisy]))


def lights(noisy, restored, noise=WHITE, **known):
    found = restoration_checks(
        [RestoredPlane(noisy, restored)], 1, known.get("known") or known_of(noisy, noise)
    )
    return {one.name: one.light for one in found}


def test_the_best_restoration_is_green(scene):
    _, noisy, restored = scene
    assert set(lights(noisy, restored).values()) == {"green"}


def test_a_spot_that_is_not_there_is_found_at_its_place(scene):
    _, noisy, restored = scene
    spot = np.zeros_like(noisy)
    spot[60, 100] = 2 * np.pi * 9 * 20
    checks = restoration_checks(
        [RestoredPlane(noisy, restored + ndimage.gaussian_filter(spot, 3))],
        1,
        known_of(noisy, Gaussian(SIGMA)),
    )
    found = worst(checks)
    assert (found.light, found.name) == ("red", "local means")
    assert "brighter" in found.reason and found.remedy
    row, column = (int(found.reason.split(word)[1].split(",")[0]) for word in ("row ", "column "))
    assert abs(row - 60) < 6 and abs(column - 100) < 6


def test_a_blurred_restoration_lacks_what_the_blur_removes(scene):
    _, noisy, restored = scene
    blurred = ndimage.gaussian_filter(restored, 2)
    assert lights(noisy, blurred)["structure"] == "red"
    rng = np.random.default_rng(0)
    found = bands(noisy, blurred, rng.normal(0, SIGMA, noisy.shape))
    for band in found:
        if band.contrast > 0.5:
            lost = (band.shared - band.noise) / (band.image - band.noise)
            transfer = np.exp(-2 * (np.pi * 2 * 0.5 / band.size) ** 2)
            assert abs(lost - (1 - transfer)) < 0.12
    sound = lost_structure(bands(noisy, restored, rng.normal(0, SIGMA, noisy.shape)))
    assert abs(sound.fraction) < 4 * sound.error


@pytest.mark.parametrize("factor", [0.75, 1.35])
def test_a_noise_model_of_another_strength_is_red(scene, factor):
    _, noisy, restored = scene
    assert lights(noisy, restored, Gaussian(SIGMA * factor))["noise"] == "red"


def test_a_wrong_law_is_red():
    rng = np.random.default_rng(2)
    clean = np.clip(ndimage.gaussian_filter(rng.normal(size=(192, 192)), 8), 0, None)
    clean = 10 + 400 * clean / clean.max()
    law = PoissonGaussian(2.0, 9.0)
    noisy = 2.0 * rng.poisson(clean / 2) + rng.normal(0, 3, clean.shape)
    assert set(lights(noisy, clean, law).values()) == {"green"}
    assert "red" in lights(noisy, clean, Gaussian(float(np.sqrt(2 * clean.mean() + 9)))).values()


def test_an_offset_of_the_restoration_is_red(scene):
    _, noisy, restored = scene
    assert lights(noisy, restored + 0.6 * SIGMA)["local means"] == "red"


def test_correlated_noise_is_red(scene):
    clean, _, _ = scene
    tap = (1 - np.sqrt(1 - 2 * 0.3**2)) / (2 * 0.3)
    noise = np.random.default_rng(3).normal(0, SIGMA, clean.shape)
    for axis in (0, 1):
        kernel = np.array([tap, 1, tap]) / np.sqrt(1 + 2 * tap**2)
        noise = ndimage.correlate1d(noise, kernel, axis=axis, mode="wrap")
    found = lights(clean + noise, clean)
    assert found["noise"] == found["residual"] == "red"


def test_means_of_noise_over_windows_are_standard_normal():
    rng = np.random.default_rng(4)
    ones = np.ones((96, 96))
    counts = rng.random((96, 96)) > 0.3
    found = [
        region.errors
        for _ in range(30)
        for region in departing_regions(rng.normal(size=(96, 96)), 3 * ones, 20.0, counts)
        if region.width == WINDOWS[-1]
    ]
    # the largest of few independent values: far less than the limits, and not too small
    assert 1 < np.mean(np.abs(found)) < 3 and max(np.abs(found)) < 4.5


def test_one_hot_pixel_is_not_a_region(scene):
    _, noisy, restored = scene
    hot = noisy.copy()
    hot[50, 50] += 100 * SIGMA
    known = known_of(hot, Gaussian(SIGMA))
    assert lights(hot, restored, known=known)["local means"] == "green"


def test_other_images_are_named_as_such(scene):
    _, noisy, restored = scene
    known = known_of(noisy, Gaussian(SIGMA))
    assert lights(3 * noisy, 3 * restored, known=known)["training images"] == "red"
    rough = noisy + np.random.default_rng(5).normal(0, 8 * SIGMA, noisy.shape)
    assert lights(rough, restored, known=known)["training images"] != "green"
    old = Known(known.statistics, known.noise, None)
    assert lights(noisy, restored, known=old)["training images"] == "green"


def test_padding_and_blank_planes_do_not_count(scene):
    _, noisy, restored = scene
    padding = np.zeros(noisy.shape, bool)
    padding[:, 120:] = True
    padded = np.where(padding, 0.0, noisy)
    planes = [RestoredPlane(padded, np.where(padding, 0.0, restored), padding)]
    found = restoration_checks(planes, 1, known_of(noisy, Gaussian(SIGMA)))
    assert {one.light for one in found if one.name != "noise"} == {"green"}
    blank = np.full((64, 64), 7.0)
    assert restoration_checks([RestoredPlane(blank, blank)], 1, known_of(noisy, None)) == ()


def test_the_sum_of_a_split_must_explain_the_image(scene):
    clean, noisy, _ = scene
    known = Known(known_of(noisy, None).statistics, None, appearance([noisy]))
    assert light_of(split_checks([RestoredPlane(noisy, clean)], 1, known)) == "green"
    flat = np.full_like(clean, clean.mean())
    assert light_of(split_checks([RestoredPlane(noisy, flat)], 1, known)) == "red"


def test_quantiles_and_detail_are_those_of_the_pixels():
    pixels = np.random.default_rng(6).normal(50, 4, (2, 128, 128))
    found = appearance(pixels)
    assert np.allclose(
        found.quantiles, stats.norm.ppf([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], 50, 4), atol=0.2
    )
    # of white noise, three quarters of the variance lie within 2×2 pixels, and so on
    assert np.allclose(found.detail[:4], 16 * 0.75 * 0.25 ** np.arange(4), rtol=0.1)
    assert isinstance(found, Appearance)


def test_the_light_is_that_of_the_gravest_check():
    checks = [Check("green", "a", ""), Check("red", "b", ""), Check("amber", "c", "")]
    assert (light_of(checks), worst(checks).name, light_of([])) == ("red", "b", None)
