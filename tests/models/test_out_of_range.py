"""Images unlike the training: what comes out is bounded, the rest unharmed, and all of it said."""

import logging

import numpy as np
import pytest

from ladderscope import Denoiser, Splitter
from ladderscope.noise import Gaussian

FAR = np.ones((96, 80), dtype=bool)
FAR[12:60, 14:62] = False


@pytest.fixture(scope="module")
def splitter(crops):
    noise = Gaussian(10.0)
    return Splitter("denoisplit", "tiny", noise=noise).fit(
        [crops[0], crops[1]], steps=25, progress=False
    )


def warnings(caplog):
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


def edited(image, name):
    changed = image.astype(np.float64)
    if name == "bead":
        changed[30:42, 32:44] = 4095
    elif name == "pixel":
        changed[36, 38] = 65535
    elif name == "huge pixel":
        changed[36, 38] = 1e30
    elif name == "dark pixel":
        changed[36, 38] = -1e6
    return changed


PLACES = {
    "bead": "12×12 pixels at row 30, column 32",
    "pixel": "at Y=36, X=38 (65535)",
    "huge pixel": "at Y=36, X=38 (1e+30)",
    "dark pixel": "at Y=36, X=38 (-1e+06)",
}


@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("name", PLACES)
def test_a_denoiser_keeps_what_is_far_beyond_its_training(denoiser, crops, caplog, name, samples):
    image = edited(crops[0], name)
    usual = denoiser.predict(crops[0], samples=samples)
    caplog.clear()
    found = denoiser.predict(image, samples=samples)
    assert any(PLACES[name] in text for text in warnings(caplog))
    np.testing.assert_allclose(found.mean[36, 38], image[36, 38], rtol=0.1)
    np.testing.assert_allclose(found.mean[FAR], usual.mean[FAR], atol=1)
    assert found.std is None or np.isfinite(found.std).all()


@pytest.mark.parametrize("name", PLACES)
def test_a_splitter_leaves_what_is_far_beyond_its_training_in_the_residual(
    splitter, crops, caplog, name
):
    mixed = crops[0] + crops[1]
    image = edited(mixed, name)
    usual = splitter.predict(mixed, samples=0)
    caplog.clear()
    found = splitter.predict(image, samples=0)
    assert any(PLACES[name] in text for text in warnings(caplog))
    assert np.abs(found.mean).max() < 2000
    np.testing.assert_allclose(found.residual[36, 38], image[36, 38], rtol=0.3)
    np.testing.assert_allclose(found.mean[:, FAR], usual.mean[:, FAR], atol=1)


@pytest.mark.parametrize(
    "change", [lambda at: 100 * at, lambda at: at + 1e4, lambda at: -at], ids=["×100", "+", "−"]
)
def test_an_image_of_another_scale_keeps_its_mean_or_is_warned_of(
    denoiser, splitter, crops, caplog, change
):
    image = change(crops[0])
    found = denoiser.predict(image, samples=0).mean
    assert np.ptp(found) < 2 * np.ptp(image) + 1000
    assert warnings(caplog)
    caplog.clear()
    split = splitter.predict(image, samples=0)
    assert np.abs(split.mean).max() < 2000
    assert np.isfinite(split.residual).all()
    assert warnings(caplog)


def test_draws_are_bounded_as_their_mean_is(denoiser, crops, caplog):
    image = edited(crops[0], "bead")
    image[:, :16] = 0
    drawn = denoiser.sample(image, n=1, seed=1)
    assert any("12×12" in text for text in warnings(caplog))
    assert (drawn[:, :, :16] == 0).all()
    mean = denoiser.predict(image, samples=1, seed=1).mean
    np.testing.assert_allclose(drawn[0], mean, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("value", [0, 65535])
def test_padding_comes_back_as_it_was(denoiser, crops, value):
    image = crops[0].copy()
    image[:9], image[:, -3:] = value, value
    padding = image == value
    found = denoiser.predict(image, samples=2)
    assert (found.mean[padding] == value).all()
    assert (found.std[padding] == 0).all()
    usual = denoiser.predict(crops[0], samples=2).mean
    np.testing.assert_allclose(found.mean[32:, :60], usual[32:, :60], atol=1)


def test_padding_of_a_split_image_is_in_no_residual(splitter, crops):
    image = crops[0] + crops[1]
    image[:9] = 0
    found = splitter.predict(image, samples=0)
    assert not found.mean[:, :9].any()
    assert not found.residual[:9].any()


def test_blank_frames_are_named_and_come_back_as_they_are(denoiser, crops, caplog):
    movie = np.stack([crops[0]] * 4)
    movie[1], movie[3] = 0, 65535
    found = denoiser.predict(movie, axes="TYX", samples=2)
    assert found.mean.mean(axis=(1, 2))[[1, 3]].tolist() == [0, 65535]
    assert not found.std[[1, 3]].any()
    (text,) = (text for text in warnings(caplog) if "blank" in text)
    assert "plane 1 (every pixel is 0)" in text
    assert "plane 3 (every pixel is 65535)" in text


def test_a_white_frame_in_training_is_left_out(crops, denoiser):
    movie = np.stack([crops[0]] * 3)
    movie[1] = 65535
    fitted = Denoiser("tiny", noise=denoiser.model.noise_models[0]).fit(
        movie, "TYX", steps=2, progress=False
    )
    assert any("T=1" in text for text in fitted.warnings)
    assert fitted.model.statistics[0].brightest < 1000


def test_a_blank_channel_is_named_and_comes_back(of_two_channels, crops, caplog):
    image = np.stack([crops[0], np.full_like(crops[1], 9)])
    found = of_two_channels.predict(image, axes="CYX", samples=0)
    assert (found.mean[1] == 9).all()
    assert (found.mean[0] != 9).any()
    assert any("channel 2" in text and "blank" in text for text in warnings(caplog))


def test_a_failed_restoration_is_replaced_and_named(crops, caplog):
    denoiser = Denoiser("tiny", noise=Gaussian(10.0)).fit(crops[0], steps=2, progress=False)
    for values in denoiser._network.parameters():
        values.data *= 40
    found = denoiser.predict(crops[0], samples=0)
    assert np.ptp(found.mean) < 3 * np.ptp(crops[0])
    assert any("failed" in text for text in warnings(caplog))


def test_hot_pixels_in_training_leave_the_rest_as_it_is(crops, denoiser):
    hot = crops[0].copy()
    hot[20:22, 20:24] = hot[60, 50] = 65535
    fitted = Denoiser("tiny", noise=denoiser.model.noise_models[0]).fit(
        hot, steps=25, progress=False
    )
    assert fitted.model.statistics[0].brightest < 1000
    assert any("9 pixels" in text for text in fitted.warnings)
    ours, usual = (one.predict(crops[0], samples=0).mean for one in (fitted, denoiser))
    assert ours.mean() == pytest.approx(usual.mean(), rel=0.05)


def test_a_blank_channel_in_training_is_left_as_it_is(crops):
    image = np.stack([crops[0], np.full_like(crops[0], 7)])
    fitted = Denoiser("tiny").fit(image, "CYX", steps=2, progress=False)
    assert any("channel 2" in text for text in fitted.warnings)
    assert (fitted.predict(image, "CYX", samples=0).mean[1] == 7).all()
