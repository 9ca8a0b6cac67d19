"""A restorer's error bars are calibrated on images, stored with the model, and applied once."""

import logging

import numpy as np
import pytest
import torch

from ladderscope import Denoiser, LadderscopeError, Splitter, load
from ladderscope.images import Image
from ladderscope.models import calibrating
from ladderscope.models.file import Model
from ladderscope.noise import Coloured, Gaussian, PhotonCounting, PoissonGaussian
from ladderscope.noise.shares import share_of_noise

NOISE = PoissonGaussian.from_camera(gain=1.0, read_noise=2.0)


def scene(seed, size=96):
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    phase = rng.uniform(0, 6, 2)
    clean = 40 + 20 * np.sin(rows / 9 + phase[0]) * np.sin(columns / 13 + phase[1])
    return clean, (rng.poisson(clean) + rng.normal(0, 2, clean.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def denoiser():
    return Denoiser("tiny", NOISE).fit(scene(0)[1], steps=40, progress=False)


@pytest.fixture
def fresh(denoiser):
    return Denoiser.from_model(denoiser.model)


def covered(restored, truth, level=0.9):
    lower, upper = restored.interval(level)
    assert lower.dtype == upper.dtype == np.float32
    return np.mean((lower <= truth) & (truth <= upper))


def test_intervals_hold_on_other_images_after_calibrating_with_truth(fresh, tmp_path):
    pairs = [scene(seed) for seed in (1, 2, 3)]
    assert (
        fresh.calibrate([noisy for _, noisy in pairs], [clean for clean, _ in pairs], samples=8)
        is fresh
    )
    fresh.save(tmp_path / "m.ladder")
    again = load(tmp_path / "m.ladder")
    assert again.model.calibration == fresh.model.calibration
    clean, noisy = scene(4)
    restored = again.predict(noisy, samples=8)
    assert covered(restored, clean) == pytest.approx(0.9, abs=0.06)
    assert "with truth" in restored.calibration[0].summary()
    plain = Denoiser.from_model(load(tmp_path / "m.ladder").model)
    assert np.array_equal(restored.mean, plain.predict(noisy, samples=8).mean)


def test_calibrating_again_starts_from_the_predicted_standard_deviation(fresh):
    clean, noisy = scene(1)
    first = fresh.calibrate(noisy, clean, samples=4).model.calibration
    assert fresh.calibrate(noisy, clean, samples=4).model.calibration == first


def test_of_an_image_too_large_for_memory_parts_from_all_over_are_calibrated_on(fresh, monkeypatch):
    clean, noisy = scene(1)
    whole = fresh.calibrate(noisy, clean, samples=4).model.calibration[0]
    monkeypatch.setattr(calibrating, "IN_MEMORY", noisy.size - 1)
    monkeypatch.setattr(calibrating, "_MOST_PIXELS", noisy.size // 2)
    shapes, compared = [], calibrating._compared
    monkeypatch.setattr(
        calibrating,
        "_compared",
        lambda model, found, *rest: (
            shapes.append(found.mean.shape) or compared(model, found, *rest)
        ),
    )
    parts = fresh.calibrate(noisy, clean, samples=4).model.calibration[0]
    assert shapes == [(1, 1, 16, 18)] * 16 and parts.pixels == noisy.size // 2
    std, mean = np.array([5.0]), np.array([40.0])
    assert parts.std(std, mean) == pytest.approx(whole.std(std, mean), rel=0.2)
    with pytest.raises(LadderscopeError, match="cannot be the truth"):
        fresh.calibrate(noisy, clean[1:], samples=4)


def test_a_second_exposure_stands_in_for_the_truth(fresh):
    pairs = [scene(seed) for seed in (1, 2, 3, 4)]
    clean = [truth for truth, _ in pairs]
    noisy = [image for _, image in pairs]
    rng = np.random.default_rng(9)
    second = [(rng.poisson(one) + rng.normal(0, 2, one.shape)) for one in clean]
    known = fresh.calibrate(noisy, clean, samples=4).model.calibration[0]
    found = fresh.calibrate(noisy, second, truth_frames=1, samples=4).model.calibration[0]
    assert found.source == "second exposure"
    std, mean = np.array([float(np.median(known.predicted))]), np.array([40.0])
    assert found.std(std, mean) == pytest.approx(known.std(std, mean), rel=0.2)


def test_without_truth_error_bars_only_grow(fresh):
    clean, noisy = scene(1)
    before = fresh.predict(noisy, samples=8)
    assert before.calibration == ()
    fresh.calibrate(noisy, samples=8)
    after = fresh.predict(noisy, samples=8)
    assert np.all(after.std >= before.std * (1 - 1e-5))
    assert "without truth" in after.calibration[0].summary()
    assert covered(after, clean) > 0.9 * covered(before, clean)


def test_the_metadata_of_the_spread_names_the_calibration(fresh, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    clean, noisy = scene(1)
    texts = []
    for name in ("a", "b"):
        _, spread = fresh.predict(noisy, samples=2).save(tmp_path / f"{name}.tif")
        texts.append(tifffile.TiffFile(spread).ome_metadata)
        fresh.calibrate(noisy, clean, samples=2)
    assert "Not calibrated" in texts[0]
    assert "Calibrated with truth" in texts[1]


def test_channels_keep_their_calibration_in_another_order():
    clean, noisy = scene(0)
    image = np.stack([noisy, 3 * noisy])
    names = ("dim", "bright")
    two = Denoiser("tiny", [NOISE, Gaussian(30.0)]).fit(
        Image(image, "CYX", "i", channel_names=names), steps=4, progress=False
    )
    truth = np.stack([clean, 3 * clean + 40.0])
    two.calibrate(Image(image, "CYX", "i", channel_names=names), truth, "CYX", samples=2)
    dim, bright = two.model.calibration
    assert dim != bright
    turned = Image(image[::-1].copy(), "CYX", "i", channel_names=names[::-1])
    restored = two.predict(turned, samples=2)
    assert restored.calibration == (bright, dim)
    straight = two.predict(Image(image, "CYX", "i", channel_names=names), samples=2)
    assert np.allclose(restored.std[::-1], straight.std, rtol=1e-5)
    assert np.allclose(restored.interval(0.5)[0][::-1], straight.interval(0.5)[0], rtol=1e-4)


def test_a_splitter_needs_its_channels_as_truth(tmp_path):
    one, other = scene(0)[0].astype(np.float32), scene(5)[0].astype(np.float32)
    splitter = Splitter("musplit", "tiny").fit([one, other], steps=4, progress=False)
    mixed = one + other
    with pytest.raises(LadderscopeError, match="stacked along C"):
        splitter.calibrate(mixed)
    with pytest.raises(LadderscopeError, match="2 channels"):
        splitter.calibrate(mixed, one, truth_axes="YX")
    with pytest.raises(LadderscopeError, match="no noise model"):
        splitter.calibrate(mixed, np.stack([one, other]), truth_axes="CYX", truth_frames=2)
    with pytest.raises(LadderscopeError, match="images, too"):
        splitter.calibrate(truth=np.stack([one, other]))
    splitter.calibrate(samples=4)
    (held_out, _) = splitter.model.calibration
    assert held_out.source == "held-out recordings"
    assert "do not show the same fields" in held_out.summary()
    with pytest.raises(LadderscopeError, match="right after fit"):
        Splitter.from_model(splitter.model).calibrate()
    splitter.calibrate(mixed, np.stack([one, other]), truth_axes="CYX", samples=4)
    restored = splitter.predict(mixed, samples=4)
    inside = [
        np.abs(restored.mean - np.stack([one, other])) <= restored.interval(0.9)[1] - restored.mean
    ]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.01)


def test_what_cannot_be_calibrated_is_said(fresh, caplog):
    clean, noisy = scene(1)
    with pytest.raises(LadderscopeError, match="samples"):
        fresh.calibrate(noisy, clean, samples=1)
    with pytest.raises(LadderscopeError, match=r"\(96, 96\).*same size"):
        fresh.calibrate(noisy, clean[:80])
    with pytest.raises(LadderscopeError, match="2 images and 1 truth"):
        fresh.calibrate([noisy, noisy], clean)
    with pytest.raises(LadderscopeError, match="1,000"):
        fresh.calibrate(noisy[:32, :30], clean[:32, :30], samples=2)
    with caplog.at_level(logging.WARNING, "ladderscope"):
        truth, trained_on = scene(0)
        fresh.calibrate(trained_on, truth, samples=2)
    assert "trained on these images" in caplog.text


def test_no_interval_without_a_standard_deviation(fresh):
    with pytest.raises(LadderscopeError, match=r"1 sample:.*samples=2"):
        fresh.predict(scene(1)[1], samples=1).interval()
    with pytest.raises(LadderscopeError, match="between 0 and 1"):
        fresh.predict(scene(1)[1], samples=2).interval(90)


def test_a_damaged_calibration_is_refused(fresh, tmp_path):
    from dataclasses import replace

    clean, noisy = scene(1)
    fresh.calibrate(noisy, clean, samples=2)
    model: Model = fresh.model
    (good,) = model.calibration
    for bad, fact in (
        (replace(good, predicted=(*good.predicted[::-1], 0.5)), "predicted"),
        (replace(good, multipliers=good.multipliers[:3]), "multipliers"),
        (replace(good, calibrated=(-1.0,) * len(good.calibrated)), "calibrated"),
        (replace(good, source="the stars"), "source"),
    ):
        fresh._model = replace(model, calibration=(bad,))
        with pytest.raises(LadderscopeError, match=fact):
            fresh.save(tmp_path / "m.ladder")
    fresh._model = replace(model, calibration=(good, good))
    with pytest.raises(LadderscopeError, match="2 calibrations for 1 statistics"):
        fresh.save(tmp_path / "m.ladder")


@pytest.mark.parametrize(
    "law",
    [
        Gaussian(3.0),
        NOISE,
        PhotonCounting(gain=5.0, offset=2.0, read_noise=0.5, shape=2.0),
        Coloured(Gaussian(3.0), [[0.4, 1.0, 0.4]]),
    ],
)
def test_a_share_of_the_noise_has_mean_zero_and_its_share_of_the_variance(law):
    signal = torch.full((300, 300), 12.0, dtype=torch.float64)
    drawn = share_of_noise(law, signal, 0.1, torch.Generator().manual_seed(0))
    variance = float(law.moments(signal)[1].mean())
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02 * variance**0.5)
    assert float(drawn.var()) == pytest.approx(0.1 * variance, rel=0.04)
