"""The denoiser: what it takes, what it gives back, and what it says."""

import logging

import numpy as np
import pytest
import tifffile

from ladderscope import Denoiser, Restoration
from ladderscope.errors import LadderscopeError
from ladderscope.images import Image, ImageError, joined
from ladderscope.models import building
from ladderscope.noise import Gaussian, PoissonGaussian
from ladderscope.prediction import sampler


def tiny(noise=None, **settings):
    return Denoiser("tiny", noise=noise or Gaussian(6.0), **({"steps": 3} | settings))


def stacked(crops, axes):
    """The crops as an image of these axes, two long in each but Y and X."""
    pixels = crops[:, :40, :36]
    for letter in axes[:-2]:
        pixels = np.stack([pixels, (3 if letter == "C" else 1) * pixels[..., ::-1, :]])
    return pixels[..., 0, :, :]


@pytest.mark.parametrize("axes", ["YX", "TYX", "SYX", "ZYX", "CYX", "TCYX"])
def test_every_kind_of_image_comes_back_in_its_shape_and_axes(crops, axes):
    image = stacked(crops, axes)
    restored = tiny().fit(image, axes, progress=False).predict(image, axes, samples=2)
    assert restored.axes == axes
    assert restored.mean.shape == restored.std.shape == image.shape
    assert restored.mean.dtype == restored.std.dtype == np.float32
    assert np.isfinite(restored.mean).all() and (restored.std >= 0).all()


def test_planes_of_a_stack_are_restored_as_they_are_alone(denoiser, crops):
    movie = np.stack([crops[0], crops[0][::-1]])
    together = denoiser.predict(movie, "TYX", samples=0).mean
    for plane, observed in zip(together, movie, strict=True):
        np.testing.assert_allclose(plane, denoiser.predict(observed, samples=0).mean, rtol=1e-5)


def test_channels_have_statistics_and_noise_of_their_own(of_two_channels, crops):
    model = of_two_channels.model
    pixels = [crops[0], 50 * crops[1] + 1000]
    for found, channel in zip(model.statistics, pixels, strict=True):
        assert found.mean == pytest.approx(channel.mean(), rel=1e-4)
        assert found.std == pytest.approx(channel.std(), rel=1e-4)
    assert model.noise_models == (PoissonGaussian(gain=2.0, intercept=9.0), Gaussian(200.0))
    restored = of_two_channels.predict(np.stack(pixels), "CYX", samples=0).mean
    for plane, channel in zip(restored, pixels, strict=True):
        assert abs(plane.mean() - channel.mean()) < channel.std()


def test_planes_and_channels_are_drawn_independently(of_two_channels, crops):
    same = np.stack([crops[0], 50 * crops[0] + 1000])
    image = np.stack([same, same])
    draws = of_two_channels.sample(image, "TCYX", n=8)
    residuals = (draws - draws.mean(axis=0)).reshape(8, 4, -1)
    for one in range(4):
        for other in range(one):
            correlation = np.corrcoef(residuals[:, one].ravel(), residuals[:, other].ravel())
            assert abs(correlation[0, 1]) < 0.1


def test_one_image_gives_a_restoration_and_several_a_list(denoiser, crops, tmp_path):
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", crops[0])
    one = denoiser.predict(tmp_path / "a.tif", samples=0)
    assert isinstance(one, Restoration) and one.name == "a.tif"
    assert isinstance(denoiser.predict(crops[0], samples=0), Restoration)
    for several in ([tmp_path / "a.tif", tmp_path / "b.tif"], str(tmp_path / "*.tif"), tmp_path):
        found = denoiser.predict(several, samples=0)
        assert [restored.name for restored in found] == ["a.tif", "b.tif"]
        assert np.array_equal(found[0].mean, one.mean)
    assert len(denoiser.predict([crops[0]], samples=0)) == 1


def test_one_sample_has_no_spread_and_without_samples_it_is_predicted(denoiser, crops):
    one, none = (denoiser.predict(crops[0], samples=samples) for samples in (1, 0))
    assert one.std is None and one.samples == 1
    assert none.std.shape == none.mean.shape and none.samples == 0
    assert np.isfinite(none.std).all() and none.std.min() > 0
    many = denoiser.predict(crops[0], samples=16).std
    assert 0.4 < none.std.mean() / many.mean() < 2.5


def test_mean_and_spread_are_those_of_samples(denoiser, crops):
    restored = denoiser.predict(crops[0], samples=32)
    draws = denoiser.sample(crops[0], n=32)
    standard_error = restored.std / np.sqrt(32)
    assert np.abs(restored.mean - draws.mean(axis=0)).mean() < 1.5 * standard_error.mean()
    assert restored.std.mean() == pytest.approx(draws.std(axis=0, ddof=1).mean(), rel=0.05)
    assert np.array_equal(denoiser.predict(crops[0], samples=1).mean, draws[0])


def test_a_seed_fixes_the_samples(denoiser, crops):
    own, again, other = (denoiser.predict(crops[0], samples=2, seed=s) for s in (None, 0, 1))
    assert np.array_equal(own.mean, again.mean) and np.array_equal(own.std, again.std)
    assert not np.array_equal(own.mean, other.mean)
    assert np.array_equal(
        denoiser.predict(crops[0], samples=0, seed=1).mean,
        denoiser.predict(crops[0], samples=0).mean,
    )


def test_how_many_samples_are_decoded_at_once_changes_nothing(denoiser, crops, monkeypatch):
    together = denoiser.predict(crops[0], samples=5)
    monkeypatch.setattr(sampler, "SAMPLES_AT_ONCE", 2)
    apart = denoiser.predict(crops[0], samples=5)
    scale = crops[0].std()
    np.testing.assert_allclose(apart.mean, together.mean, atol=0.02 * scale)
    np.testing.assert_allclose(apart.std, together.std, atol=0.02 * scale)


@pytest.mark.parametrize("axes", ["YX", "SCYX"])
def test_samples_come_before_the_axes_of_the_image(denoiser, crops, axes):
    image = crops[0][(None,) * (len(axes) - 2)]
    draws = denoiser.sample(image, axes, n=3, seed=4)
    assert draws.shape == (3, *image.shape)
    assert draws.dtype == np.float32
    assert len({draw.tobytes() for draw in draws}) == 3
    assert np.array_equal(draws, denoiser.sample(image, axes, n=3, seed=4))


@pytest.mark.parametrize("seed", [-1, 0.5])
def test_a_bad_seed_of_samples_is_an_error(denoiser, crops, seed):
    with pytest.raises(LadderscopeError, match="seed"):
        denoiser.predict(crops[0], seed=seed)
    with pytest.raises(LadderscopeError, match="seed"):
        denoiser.sample(crops[0], seed=seed)


def test_bad_numbers_of_samples_are_errors(denoiser, crops):
    with pytest.raises(LadderscopeError, match="samples=-1"):
        denoiser.predict(crops[0], samples=-1)
    with pytest.raises(LadderscopeError, match="n=0"):
        denoiser.sample(crops[0], n=0)
    with pytest.raises(LadderscopeError, match="2 images"):
        denoiser.sample([crops[0], crops[0]])


@pytest.mark.parametrize("shape", [(1, 2), (3, 70), (17, 1), (33, 31)])
def test_an_image_smaller_than_a_patch_is_restored(denoiser, crops, shape):
    image = crops[0][: shape[0], : shape[1]]
    restored = denoiser.predict(image, samples=2)
    assert restored.mean.shape == shape and np.isfinite(restored.mean).all()


def test_a_denoiser_that_is_not_trained_says_what_to_do(crops):
    for question in (
        lambda: Denoiser("tiny").predict(crops[0]),
        lambda: Denoiser("tiny").sample(crops[0]),
        lambda: Denoiser("tiny").model,
    ):
        with pytest.raises(LadderscopeError, match=r"fit\(images\)"):
            question()


def test_another_number_of_channels_is_an_error_that_says_both(denoiser, of_two_channels, crops):
    with pytest.raises(LadderscopeError, match=r"2 channels.*trained on 1"):
        denoiser.predict(crops[:2], "CYX")
    with pytest.raises(LadderscopeError, match=r"1 channel.*trained on 2"):
        of_two_channels.sample(crops[0])


@pytest.mark.parametrize("far", [lambda y: y + 10_000, lambda y: 20 * y], ids=["shift", "scale"])
def test_an_image_far_from_the_training_set_draws_a_warning(denoiser, crops, caplog, far):
    denoiser.predict(crops[0], samples=0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    denoiser.predict(far(crops[0]), samples=0)
    assert "far from those of the training images" in caplog.text


def test_images_smaller_than_the_levels_need_are_an_error(crops):
    with pytest.raises(LadderscopeError, match="at least 8"):
        tiny(levels=3).fit(crops[0][:7])


def test_a_patch_shrinks_to_the_smallest_image_and_that_is_said(crops):
    fitted = tiny().fit([crops[0], crops[0][:23, :50]], progress=False)
    assert fitted.model.settings.patch == 20
    assert any("20×20" in notice for notice in fitted.model.notices)


def test_a_stack_is_said_to_be_restored_plane_by_plane(crops, caplog):
    caplog.set_level(logging.INFO, "ladderscope")
    stack = stacked(crops, "ZYX")
    fitted = tiny().fit(stack, "ZYX", progress=False)
    assert any("one by one" in notice for notice in fitted.model.notices)
    caplog.clear()
    fitted.predict(stack, "ZYX", samples=0)
    assert "one by one" in caplog.text


def test_given_noise_wins_and_auto_is_calibrated_and_told(crops, caplog):
    caplog.set_level(logging.INFO, logger="ladderscope")
    given = tiny(PoissonGaussian(gain=1.5, intercept=4.0)).fit(crops[0], progress=False).model
    assert given.noise_models == (PoissonGaussian(gain=1.5, intercept=4.0),)
    assert given.noise_fits == (None,)
    pair = np.stack([crops[0], crops[1]])
    mixed = tiny([Gaussian(5.0), "auto"]).fit(pair, "CYX", progress=False).model
    assert mixed.noise_models[0] == Gaussian(5.0) and mixed.noise_fits[0] is None
    assert mixed.noise_models[1] == mixed.noise_fits[1].model
    assert "noise of channel 2" in caplog.text and "noise of channel 1" not in caplog.text


def test_noise_models_for_another_number_of_channels_are_an_error(crops):
    with pytest.raises(LadderscopeError, match="2 noise models for 1 channels"):
        tiny([Gaussian(1.0), Gaussian(1.0)]).fit(crops[0], progress=False)


def test_a_bad_image_is_an_image_error_and_leaves_a_trained_denoiser_as_it_was(crops):
    fitted = tiny().fit(crops[0], progress=False)
    before = fitted.model
    broken = crops[0].copy()
    broken[3, 4] = np.nan
    for bad in (broken, np.zeros((40, 40))):
        with pytest.raises(ImageError):
            fitted.fit(bad, progress=False)
    assert fitted.model is before
    with pytest.raises(ImageError):
        fitted.predict(broken)


@pytest.mark.parametrize("bad", [np.nan, 1j], ids=["NaN", "complex"])
def test_a_channel_of_an_array_is_checked_before_it_is_used(crops, denoiser, bad):
    pair = np.stack([crops[0], crops[1]]).astype(np.result_type(bad, np.float32))
    pair[:, 3, 4] += bad
    for broken in (Image(pair, "CYX", "a").channel(0), joined([Image(pair[0], "YX", "a")], "T")):
        for use in (lambda image: tiny().fit(image, progress=False), denoiser.predict):
            with pytest.raises(ImageError, match=r"^a.*(NaN or infinite|complex)"):
                use(broken)


@pytest.mark.parametrize("budget", [{"steps": 4}, {"epochs": 1}], ids=str)
def test_a_seed_fixes_training_to_the_bit(crops, budget):
    one, again = (
        Denoiser("tiny", Gaussian(6.0), 5).fit(crops[0], progress=False, **budget) for _ in "ab"
    )
    other = Denoiser("tiny", Gaussian(6.0), 6).fit(crops[0], progress=False, **budget)
    wanted = one.predict(crops[0], samples=0).mean
    assert np.array_equal(again.predict(crops[0], samples=0).mean, wanted)
    assert not np.array_equal(other.predict(crops[0], samples=0, seed=5).mean, wanted)


def test_an_epoch_draws_as_many_pixels_as_the_images_have(crops):
    fitted = tiny(patch=16, batch=5).fit(crops[0], epochs=2, progress=False)
    assert fitted.model.outcome.steps == 2 * round(96 * 80 / (5 * 16**2))
    assert len(fitted.model.outcome.history) == 2


def test_fit_returns_itself_and_remembers_its_budget(crops):
    unfitted = tiny()
    assert unfitted.fit(crops[0], steps=2, progress=False) is unfitted
    assert unfitted.model.settings.steps == 2


def test_the_state_of_training_is_kept_until_the_model_is_saved(crops, tmp_path):
    state = tmp_path / "state"
    fitted = tiny().fit(crops[0], state_file=state, progress=False)
    assert state.exists()
    again = tiny().fit(crops[0], state_file=state, resume=True, progress=False)
    assert again.model.outcome.steps == 3
    wanted = fitted.predict(crops[0], samples=0).mean
    assert np.array_equal(again.predict(crops[0], samples=0).mean, wanted)
    fitted.save(tmp_path / "m.ladder")
    assert [path.name for path in tmp_path.iterdir()] == ["m.ladder"]


@pytest.mark.parametrize("other", ["settings", "images", "seed"])
def test_the_state_of_another_training_is_refused(crops, tmp_path, other):
    state = tmp_path / "state"
    tiny().fit(crops[0], state_file=state, progress=False)
    changed = tiny(filters=12 if other == "settings" else 8, seed=1 if other == "seed" else 0)
    with pytest.raises(LadderscopeError, match="other settings or other images"):
        changed.fit(
            crops[1 if other == "images" else 0], state_file=state, resume=True, progress=False
        )


def test_predicting_moves_no_global_random_state(denoiser, crops):
    import torch

    torch.manual_seed(5)
    before = torch.get_rng_state()
    denoiser.predict(crops[0], samples=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_resuming_without_a_state_file_says_what_is_missing(crops):
    with pytest.raises(LadderscopeError, match="state_file"):
        Denoiser("tiny").fit(crops[0], resume=True)


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**63, "0"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(LadderscopeError, match="whole number"):
        Denoiser("tiny", seed=seed)


def test_a_seed_of_numpy_is_a_seed(crops, tmp_path):
    fitted = Denoiser("tiny", seed=np.int64(3)).fit(crops[0], steps=2, progress=False)
    fitted.save(tmp_path / "a.ladder")


@pytest.mark.parametrize("device", ["gpu", "xpu"])
def test_a_device_that_is_not_there_is_an_error_at_once(device):
    with pytest.raises(LadderscopeError, match="device="):
        Denoiser("tiny", device=device)


def test_what_gives_a_list_is_told_by_what_was_asked(denoiser, crops, tmp_path):
    whole = tmp_path / "a[1].tif"
    tifffile.imwrite(whole, crops[0])
    assert isinstance(denoiser.predict(whole, samples=0), Restoration)
    one_by_one = denoiser.predict((crop for crop in crops[:1]), samples=0)
    assert isinstance(one_by_one, list) and len(one_by_one) == 1


def test_a_budget_too_short_for_the_machine_is_a_warning_with_the_steps_it_held():
    noisy = np.random.default_rng(0).poisson(30 + np.mgrid[:64, :64][0]).astype(np.float32)
    denoiser = Denoiser("tiny", device="cpu").fit(noisy, minutes=1e-6, progress=False)
    assert any(
        f"only {denoiser.model.outcome.steps} " in text and "--minutes" in text
        for text in denoiser.warnings
    )
    enough = Denoiser("tiny", device="cpu").fit(noisy, steps=2, progress=False)
    assert not any("--minutes" in text for text in enough.warnings)


def test_minutes_end_when_a_small_image_was_seen_often_enough(monkeypatch):
    monkeypatch.setattr(building, "FEWEST_STEPS", 4)
    monkeypatch.setattr(building, "MOST_VIEWS", 20)
    noisy = np.random.default_rng(0).poisson(30 + np.mgrid[:64, :64][0]).astype(np.float32)
    settings = {"patch": 32, "batch": 8, "noise": Gaussian(6.0), "device": "cpu"}
    seen = Denoiser("tiny", **settings).fit(noisy, minutes=10, progress=False)
    assert seen.model.outcome.steps == 20 * 64**2 // (8 * 32**2)
    assert any("after 10 steps" in text and "More images" in text for text in seen.model.notices)
    asked = Denoiser("tiny", **settings).fit(noisy, steps=12, progress=False)
    assert asked.model.outcome.steps == 12
    assert not any("More images" in text for text in asked.model.notices)
