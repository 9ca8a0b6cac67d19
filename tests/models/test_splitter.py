"""The splitter: what it takes, how it mixes, what it gives back, and what it says."""

import logging

import numpy as np
import pytest
import tifffile

from ladderscope import Splitter, load
from ladderscope.errors import LadderscopeError
from ladderscope.images import Image, ImageError, Statistics, read_image, sample_image
from ladderscope.models import ModelFileError
from ladderscope.models.load import load_denoiser
from ladderscope.noise import Gaussian
from ladderscope.prediction import sampler


def tiny(method="microsplit", noise=None, **settings):
    return Splitter(method, "tiny", noise or Gaussian(6.0), **({"steps": 3} | settings))


@pytest.fixture(scope="module")
def parts():
    """Crops of two structures, the second far brighter: (96, 80) each."""
    dna, cells = (
        sample_image(name).pixels[200:296, 150:230].astype(np.float32) for name in ("dna", "cells")
    )
    return dna + 10, 20 * cells + 1000


@pytest.fixture(scope="module")
def splitter(parts):
    """A splitter with lateral context, hardly trained. Do not fit it anew."""
    noise = [Gaussian(6.0), Gaussian(100.0)]
    known = {"names": ["nuclei", "cells"], "offsets": [10.0, 1000.0], "progress": False}
    return tiny(noise=noise, context=2, balance="std").fit(list(parts), steps=12, **known)


@pytest.fixture(scope="module")
def plain(parts):
    """A splitter that was told nothing beside the names. Do not fit it anew."""
    return tiny().fit(list(parts), names=["a", "b"], progress=False)


@pytest.fixture(scope="module")
def mixed(splitter, parts):
    return splitter.model.mixture.mixing.mixed(np.stack(parts))


def stacked(pixels, axes):
    """The image with these axes, two long in each but C, Y and X."""
    pixels = pixels[:40, :36]
    for letter in axes[-3::-1]:
        pixels = pixels[None] if letter == "C" else np.stack([pixels, pixels[..., ::-1, :]])
    return pixels


@pytest.mark.parametrize("axes", ["YX", "TYX", "SYX", "ZYX", "CYX", "TZYX", "TCYX"])
def test_every_kind_of_image_comes_back_with_its_channels_first(splitter, mixed, axes):
    image = stacked(mixed, axes)
    restored = splitter.predict(image, axes, samples=2)
    others = axes.replace("C", "")
    assert restored.axes == f"C{others}"
    wanted = (2, *(side for side, letter in zip(image.shape, axes, strict=True) if letter != "C"))
    assert restored.mean.shape == restored.std.shape == wanted
    assert restored.mean.dtype == restored.std.dtype == restored.residual.dtype == np.float32
    assert restored.residual.shape == image.shape
    assert restored.channel_names == ("nuclei", "cells") and restored.samples == 2
    assert np.isfinite(restored.mean).all() and (restored.std >= 0).all()


@pytest.mark.parametrize("axes", ["YX", "TYX", "ZYX"])
def test_every_kind_of_recording_can_be_trained_on(parts, axes):
    fitted = tiny().fit([stacked(part, axes) for part in parts], axes, progress=False)
    assert fitted.model.axes == axes
    assert fitted.predict(stacked(sum(parts), axes), axes, samples=0).axes == f"C{axes}"


def test_axes_in_any_order_keep_it_behind_the_channels(splitter, mixed):
    movie = stacked(mixed, "TYX")
    plain = splitter.predict(movie, "TYX", samples=0)
    turned = splitter.predict(movie.transpose(2, 0, 1), "XTY", samples=0)
    assert turned.axes == "CXTY"
    assert np.array_equal(turned.mean, plain.mean.transpose(0, 3, 1, 2))
    assert np.array_equal(turned.residual, plain.residual.transpose(2, 0, 1))


def test_planes_of_a_movie_are_split_as_they_are_alone(splitter, mixed):
    movie = np.stack([mixed, mixed[::-1]])
    together = splitter.predict(movie, "TYX", samples=0)
    for time, plane in enumerate(movie):
        alone = splitter.predict(plane, samples=0)
        np.testing.assert_allclose(together.mean[:, time], alone.mean, rtol=1e-5)
        np.testing.assert_allclose(together.residual[time], alone.residual, atol=0.1)


def test_channels_keep_their_order_and_their_units(splitter, mixed, parts):
    model = splitter.model
    for found, part in zip(model.statistics, parts, strict=True):
        assert found.mean == pytest.approx(part.mean(), rel=1e-4)
        assert found.std == pytest.approx(part.std(), rel=1e-4)
    mean = splitter.predict(mixed, samples=0).mean
    for found, part in zip(mean, parts, strict=True):
        assert abs(found.mean() - part.mean()) < part.std()


@pytest.mark.parametrize("samples", [0, 3])
def test_the_residual_is_what_the_means_do_not_explain(splitter, mixed, samples):
    restored = splitter.predict(mixed, samples=samples)
    mixing = splitter.model.mixture.mixing
    explained = mixing.offset + sum(
        weight * (mean.astype(float) - offset)
        for weight, mean, offset in zip(mixing.weights, restored.mean, mixing.offsets, strict=True)
    )
    np.testing.assert_allclose(restored.residual, mixed - explained, atol=0.01 * mixed.std())
    assert mixing.weights[0] > 10  # that of a far brighter channel's unit


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_residual_of_integers_does_not_wrap(plain, parts, dtype):
    whole = parts[0].astype(dtype)
    residual, of_floats = (
        plain.predict(image, samples=0).residual for image in (whole, whole.astype(np.float32))
    )
    assert np.array_equal(residual, of_floats)
    assert residual.min() < 0  # the brighter channel is missing, and nothing says so


def test_mean_and_spread_are_those_of_samples(splitter, mixed):
    restored = splitter.predict(mixed, samples=32)
    draws = splitter.sample(mixed, n=32)
    assert draws.shape == (32, 2, *mixed.shape) and draws.dtype == np.float32
    for channel in (0, 1):
        of_channel = draws[:, channel].astype(float)
        spread = of_channel.std(0, ddof=1).mean()
        off = np.abs(restored.mean[channel] - of_channel.mean(0)).mean()
        assert off < 1.5 * spread / np.sqrt(32)
        assert restored.std[channel].mean() > spread  # the decoder's variance is in it


def test_samples_have_the_axes_of_a_restoration(splitter, mixed):
    movie = stacked(mixed, "TYX")
    draws = splitter.sample(movie, "TYX", n=3, seed=4)
    assert draws.shape == (3, 2, 2, 40, 36)
    assert len({draw.tobytes() for draw in draws}) == 3
    assert np.array_equal(draws, splitter.sample(movie, "TYX", n=3, seed=4))


def test_a_seed_fixes_the_samples(splitter, mixed):
    own, again, other = (splitter.predict(mixed, samples=2, seed=s) for s in (None, 0, 1))
    assert np.array_equal(own.mean, again.mean) and np.array_equal(own.std, again.std)
    assert not np.array_equal(own.mean, other.mean)


def test_how_many_samples_are_decoded_at_once_changes_nothing(splitter, mixed, monkeypatch):
    together = splitter.predict(mixed, samples=5)
    monkeypatch.setattr(sampler, "SAMPLES_AT_ONCE", 2)
    apart = splitter.predict(mixed, samples=5)
    for channel, known in enumerate(splitter.model.statistics):
        for one, other in ((together.mean, apart.mean), (together.std, apart.std)):
            np.testing.assert_allclose(other[channel], one[channel], atol=0.02 * known.std)


@pytest.mark.parametrize("shape", [(1, 2), (3, 70), (17, 1), (33, 31)])
def test_an_image_smaller_than_a_patch_is_split(splitter, mixed, shape):
    image = mixed[: shape[0], : shape[1]]
    restored = splitter.predict(image, samples=2)
    assert restored.mean.shape == (2, *shape) and np.isfinite(restored.mean).all()


def test_several_images_give_a_list(splitter, mixed, tmp_path):
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", mixed)
    found = splitter.predict(tmp_path, samples=0)
    assert [restored.name for restored in found] == ["a.tif", "b.tif"]
    assert np.array_equal(found[0].mean, splitter.predict(mixed, samples=0).mean)


@pytest.mark.parametrize(
    "method, settings",
    [
        ("musplit", {"context": 3}),
        ("musplit", {"variance": "predicted"}),
        ("denoisplit", {}),
        ("microsplit", {"variance": 0.5}),
        ("microsplit", {"variance": "predicted", "context": 2}),
    ],
    ids=str,
)
def test_a_saved_model_gives_the_same_numbers_to_the_bit(parts, tmp_path, method, settings):
    fitted = tiny(method, **settings).fit(list(parts), progress=False)
    opened = load(fitted.save(tmp_path / "m.ladder"))
    assert isinstance(opened, Splitter)
    one, other = (model.predict(sum(parts), samples=2) for model in (fitted, opened))
    for name in ("mean", "std", "residual"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(*(model.sample(sum(parts), n=2) for model in (fitted, opened)))


def test_everything_known_of_a_model_comes_back(splitter, tmp_path):
    path = splitter.save(tmp_path / "m.ladder")
    one, other = splitter.model, load(path).model
    for name in one.__dataclass_fields__.keys() - {"weights"}:
        assert getattr(other, name) == getattr(one, name), name
    assert other.mixture.mixing.offsets == (10.0, 1000.0)
    assert load(path).save(tmp_path / "copy.ladder").read_bytes() == path.read_bytes()
    assert other.thumbnail.startswith(b"\x89PNG")


def test_a_splitter_is_not_taken_for_a_denoiser(splitter, tmp_path):
    path = splitter.save(tmp_path / "m.ladder")
    with pytest.raises(LadderscopeError, match="holds a splitter, and a denoiser is needed"):
        load_denoiser(path)
    broken = load(path)
    broken._model = broken.model.__class__(**{**vars(broken.model), "mixture": None})
    with pytest.raises(LadderscopeError, match="damaged"):
        broken.predict(np.eye(8))


def test_an_opened_splitter_can_be_trained_anew(splitter, parts, tmp_path):
    opened = load(splitter.save(tmp_path / "m.ladder"))
    opened.fit(list(parts), steps=2, progress=False)
    assert opened.model.outcome.steps == 2
    assert opened.model.settings.context == 2 and opened.model.settings.balance == "std"


def test_names_are_written_with_the_channels(splitter, mixed, tmp_path):
    written = splitter.predict(mixed, samples=2).save(tmp_path / "a_restored.ome.tif")
    assert len(written) == 3
    mean = read_image(written[0])
    assert mean.axes == "CYX" and mean.channel_names == ("nuclei", "cells")
    assert read_image(tmp_path / "a_residual.ome.tif").axes == "YX"


def test_channels_have_names_whether_or_not_they_are_given_any(parts):
    fitted = tiny(channels=3).fit([*parts, parts[0][::-1]], progress=False)
    names = ("channel 1", "channel 2", "channel 3")
    assert fitted.model.channel_names == names
    assert fitted.predict(sum(parts), samples=0).channel_names == names
    assert fitted.predict(sum(parts), samples=0).mean.shape == (3, 96, 80)


def test_offsets_are_those_given_or_the_darkest_places_and_that_is_said(splitter, plain, parts):
    assert splitter.model.mixture.mixing.offsets == (10.0, 1000.0)
    fitted = plain.model
    for found, part in zip(fitted.mixture.mixing.offsets, parts, strict=True):
        assert part.min() <= found < np.percentile(part, 3) + 0.02 * np.ptp(part)
    mixing = fitted.mixture.mixing
    assert mixing.offset == pytest.approx(np.mean(mixing.offsets))
    (said,) = [notice for notice in fitted.notices if "Mixed image = " in notice]
    for number in (*mixing.offsets, mixing.offset):
        assert f"{abs(number):.4g}" in said
    (given,) = [notice for notice in splitter.model.notices if "Mixed image = " in notice]
    assert "× (nuclei − 10)" in given and "(cells − 1000)" in given
    assert any("--offset" in notice for notice in fitted.notices)
    assert not any("--offset" in notice for notice in splitter.model.notices)


def test_balance_brings_channels_to_the_deviation_of_the_strongest(splitter, plain, parts):
    one, other = splitter.model.mixture.mixing.weights
    assert other == 1
    assert one * parts[0].std() == pytest.approx(parts[1].std(), rel=1e-4)
    assert plain.model.mixture.mixing.weights == (1.0, 1.0)


def test_ratios_are_drawn_said_and_kept(plain, parts, tmp_path):
    fitted = tiny(ratios=(0.25, 4.0)).fit(list(parts), progress=False)
    assert any("varies from 0.25 to 4 times" in notice for notice in fitted.model.notices)
    assert fitted.model.mixture.mixing.ratios == (0.25, 4.0)
    assert fitted.model.mixture.statistics.std > 1.5 * plain.model.mixture.statistics.std
    assert load(fitted.save(tmp_path / "m.ladder")).model.settings.ratios == (0.25, 4.0)


def test_paired_channels_are_mixed_where_they_lie_over_one_another(parts):
    # what one has too much the other has too little: together they are flat where they belong
    opposite = [parts[0], 300 - parts[0]]
    deviations = [
        tiny(foreground=False)
        .fit(opposite, paired=paired, progress=False)
        .model.mixture.statistics.std
        for paired in (True, False)
    ]
    assert deviations[0] < 1e-3 < parts[0].std() / 2 < deviations[1]


def test_mixed_images_are_used_as_recorded_and_what_they_are_made_of_is_found(parts):
    recorded = 0.5 * parts[0] + 2 * parts[1] + 77
    fitted = tiny().fit(list(parts), mixed=recorded, names=["a", "b"], progress=False)
    mixture = fitted.model.mixture
    assert mixture.statistics.mean == pytest.approx(recorded.mean(), rel=1e-4)
    assert mixture.statistics.std == pytest.approx(recorded.std(), rel=1e-4)
    assert mixture.mixing.weights == pytest.approx((0.5, 2.0), rel=1e-3)
    assert mixture.mixing.offset == pytest.approx(77, abs=2)
    (said,) = [notice for notice in fitted.model.notices if "Mixed image = " in notice]
    assert "0.5 × a" in said and "2 × b" in said
    restored = fitted.predict(recorded, samples=0)
    explained = 0.5 * restored.mean[0] + 2 * restored.mean[1] + 77
    np.testing.assert_allclose(restored.residual, recorded - explained, atol=0.01 * recorded.std())


def test_mixed_images_of_many_are_matched_by_their_order(parts, monkeypatch):
    stacks = [[part[: 40 + 8 * k, :48] + k for k in range(6)] for part in parts]
    recorded = [one + other for one, other in zip(*stacks, strict=True)]
    seen = []
    from ladderscope.models import splitter as module

    keep = module.MixedPatches
    monkeypatch.setattr(
        module, "MixedPatches", lambda *given: (seen.append(given[0]), keep(*given))[1]
    )
    tiny().fit(stacks, mixed=recorded, progress=False)
    (training,) = seen
    assert 0 < len(training.mixed) == len(training.fields[0]) < 6
    for field, *channels in zip(training.mixed, *training.fields, strict=True):
        np.testing.assert_allclose(field.pixels, sum(one.pixels for one in channels), rtol=1e-6)


def warned(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_how_much_the_channels_explain_of_what_was_recorded_is_told(parts, caplog):
    stacks = [[part, part[::-1, ::-1]] for part in parts]
    recorded = [one + other for one, other in zip(*stacks, strict=True)]
    fitted = tiny().fit(stacks, mixed=recorded, progress=False)
    assert any("the channels explain 100 % of" in notice for notice in fitted.model.notices)
    assert fitted.model.mixture.recorded
    assert not warned(caplog)
    mispaired = tiny().fit(stacks, mixed=recorded[::-1], names=["a", "b"], progress=False)
    (said,) = warned(caplog)
    assert said in mispaired.model.notices
    share = int(said.split("explain ")[1].split(" %")[0])
    assert share < 50 and "check that image k" in said


def test_a_channel_that_is_absent_from_what_was_recorded_is_named(parts, caplog):
    noise_ = np.random.default_rng(0).normal(0, 1, parts[0].shape)
    recorded = parts[1] - 2 * parts[0] + noise_
    tiny().fit(list(parts), mixed=recorded, names=["a", "b"], progress=False)
    (said,) = warned(caplog)
    assert "negatively in them: a" in said


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (["1", "2", "10"], ["01", "02", "10"], "10.tif (a) goes with 02.tif (b)"),
        (["x3_1", "x3_2", "x3_4"], ["y7_1", "y7_2", "y7_3"], "x3_4.tif (a) goes with y7_3.tif"),
        (["c0_1", "c0_2", "c0_3"], ["c1_1", "c1_2", "c1_3"], None),
        (["one", "two", "three"], ["1", "2", "3"], None),
    ],
    ids=["padding", "another field", "channels in the names", "words"],
)
def test_pairs_of_other_numbers_are_told(parts, tmp_path, one, other, told):
    for name, part, stems in zip("ab", parts, (one, other), strict=True):
        (tmp_path / name).mkdir()
        for stem in stems:
            tifffile.imwrite(tmp_path / name / f"{stem}.tif", part)
    channels = [tmp_path / "a", tmp_path / "b"]
    fitted = tiny().fit(channels, paired=True, names=["a", "b"], progress=False)
    said = [notice for notice in fitted.model.notices if "paired by their order" in notice]
    assert (told is None and not said) or told in said[0]


def test_mixed_images_of_other_numbers_are_told(parts, tmp_path):
    for name, part, stems in (("a", sum(parts), "13"), ("b", parts[0], "12")):
        (tmp_path / name).mkdir()
        for stem in stems:
            tifffile.imwrite(tmp_path / name / f"{stem}.tif", part)
    fitted = tiny().fit([tmp_path / "b", list(parts)], mixed=tmp_path / "a", progress=False)
    assert any("goes with 3.tif (the mixed images)" in said for said in fitted.model.notices)


@pytest.mark.parametrize(
    "given", [{"offsets": [1.0, 2.0]}, {"ratios": (0.5, 2.0)}, {"balance": "std"}], ids=str
)
def test_how_to_mix_is_not_asked_of_what_was_recorded(parts, given):
    (name,) = given
    offsets = given.pop("offsets", None)
    with pytest.raises(LadderscopeError, match=f"{name} apply to computed mixed images"):
        tiny(**given).fit(list(parts), mixed=sum(parts), offsets=offsets, progress=False)


def test_noise_does_not_weaken_the_weights_of_what_was_recorded(parts):
    rng = np.random.default_rng(0)

    def noisy(image):
        return image + rng.normal(0, 0.5 * parts[0].std(), image.shape)

    recorded = noisy(0.7 * parts[0] + 1.3 * parts[1] + 20)
    found = tiny().fit([noisy(part) for part in parts], mixed=recorded, progress=False).model
    assert found.mixture.mixing.weights == pytest.approx((0.7, 1.3), rel=0.1)


def test_musplit_needs_no_noise(parts, tmp_path):
    fitted = Splitter("musplit", "tiny", steps=3).fit(list(parts), progress=False)
    assert fitted.model.noise_models == fitted.model.noise_fits == ()
    assert load(fitted.save(tmp_path / "m.ladder")).model.noise_models == ()
    assert not any("noise model" in notice for notice in fitted.model.notices)


def test_the_kl_counts_less_for_musplit_unless_it_is_asked_for():
    weights = {
        (method, preset): Splitter(method, preset).settings.kl_weight
        for method in ("musplit", "denoisplit", "microsplit")
        for preset in ("small", "paper")
    }
    assert weights.pop(("musplit", "small")) == 0.1
    assert set(weights.values()) == {1.0}
    assert Splitter("musplit", kl_weight=1.0).settings.kl_weight == 1


def test_noise_given_to_musplit_is_said_to_be_left_out(parts):
    fitted = tiny("musplit", Gaussian(5.0)).fit(list(parts), progress=False)
    assert fitted.model.noise_models == ()
    assert any("musplit" in notice and "noise model" in notice for notice in fitted.model.notices)


def test_noise_is_given_or_calibrated_channel_by_channel(crops, caplog):
    caplog.set_level(logging.INFO, logger="ladderscope")
    noise = [Gaussian(5.0), "auto"]
    model = tiny("denoisplit", noise).fit([crops[0], crops[1]], progress=False).model
    assert model.noise_models[0] == Gaussian(5.0) and model.noise_fits[0] is None
    assert model.noise_models[1] == model.noise_fits[1].model
    assert "noise of channel 2" in caplog.text and "noise of channel 1" not in caplog.text
    with pytest.raises(LadderscopeError, match="1 noise models for 2 channels"):
        tiny("denoisplit", [Gaussian(1.0)]).fit([crops[0], crops[1]], progress=False)


def test_a_channel_whose_noise_cannot_be_measured_is_named(crops):
    smooth = np.add.outer(np.arange(96.0), np.arange(96.0)).astype(np.float32)
    flat = np.where(smooth > 90, 200.0, 100.0)
    with pytest.raises(LadderscopeError, match=r"^without: .*musplit"):
        tiny(noise="auto").fit([crops[0], flat], names=["with", "without"], progress=False)


@pytest.mark.parametrize(
    ("method", "settings", "told"),
    [
        (
            "musplit",
            {"denoisplit_weight": 0.5, "free_bits": 2.0},
            "denoisplit_weight and free_bits",
        ),
        ("denoisplit", {"variance": "predicted"}, "variance"),
        ("microsplit", {"denoisplit_weight": 0.5, "musplit_free_bits": 1.0}, None),
    ],
    ids=["musplit", "denoisplit", "microsplit"],
)
def test_settings_that_a_method_has_no_use_for_are_told(parts, method, settings, told):
    notices = tiny(method, **settings).fit(list(parts), progress=False).model.notices
    said = [notice for notice in notices if "ignores" in notice]
    wanted = [f"the method {method} ignores {told}"] if told else []
    assert said == wanted


def test_background_is_drawn_less_often_and_the_threshold_is_told(plain, parts):
    fitted = plain.model
    (said,) = [notice for notice in fitted.notices if "background alone" in notice]
    for name, part in zip("ab", parts, strict=True):
        threshold = float(said.split(f"{name} ")[-1].split(",")[0].split(" ")[0])
        assert part.min() < threshold < part.max()
    alike = tiny(foreground=False).fit(list(parts), progress=False).model
    assert not any("background alone" in notice for notice in alike.notices)
    assert fitted.mixture.statistics.mean > alike.mixture.statistics.mean


def test_a_seed_fixes_training_to_the_bit(parts):
    one, again, other = (tiny(seed=s).fit(list(parts), progress=False) for s in (5, 5, 6))
    wanted = one.predict(sum(parts), samples=0).mean
    assert np.array_equal(again.predict(sum(parts), samples=0).mean, wanted)
    assert not np.array_equal(other.predict(sum(parts), samples=0, seed=5).mean, wanted)


def interrupted(splitter, parts, state, at, monkeypatch):
    """Fit with a Ctrl-C before step `at`."""
    import signal

    from ladderscope.data import MixedPatches

    ask = MixedPatches.__getitem__
    asked = []

    def pressed(patches, number):
        asked.append(number)
        if number == at and patches.shape.views > 1:
            signal.raise_signal(signal.SIGINT)
        return ask(patches, number)

    with monkeypatch.context() as patched:
        patched.setattr(MixedPatches, "__getitem__", pressed)
        splitter.fit(list(parts), state_file=state, progress=False)
    return splitter


def test_a_resumed_training_ends_as_an_uninterrupted_one(parts, tmp_path, monkeypatch):
    settings = {"context": 2, "steps": 7, "ratios": (0.5, 2.0)}
    whole = tiny(**settings).fit(list(parts), progress=False)
    state = tmp_path / "state"
    broken = interrupted(tiny(**settings), parts, state, 3, monkeypatch)
    assert broken.model.outcome.interrupted and broken.model.outcome.steps < 7
    resumed = tiny(**settings).fit(list(parts), state_file=state, resume=True, progress=False)
    assert resumed.model.outcome.steps == 7
    for name, value in whole.model.weights.items():
        assert np.array_equal(resumed.model.weights[name], value), name
    resumed.save(tmp_path / "m.ladder")
    assert not state.exists()


@pytest.fixture(scope="module")
def finished_state(parts, tmp_path_factory):
    state = tmp_path_factory.mktemp("training") / "state"
    tiny().fit(list(parts), state_file=state, progress=False)
    return state


@pytest.mark.parametrize("other", ["seed", "paired", "offsets", "images", "method"])
def test_the_state_of_another_training_is_refused(parts, finished_state, other):
    changed = tiny("denoisplit" if other == "method" else "microsplit", seed=int(other == "seed"))
    given = [parts[0], parts[1][::-1] + 1] if other == "images" else list(parts)
    more = {"paired": other == "paired", "offsets": [5.0, 990.0] if other == "offsets" else None}
    with pytest.raises(LadderscopeError, match="other settings or other images"):
        changed.fit(given, state_file=finished_state, resume=True, progress=False, **more)


def test_images_of_different_size_and_number_are_mixed_unpaired(parts, tmp_path):
    channels = [[parts[0], parts[0][:40, :50]], parts[1][:64]]
    fitted = tiny().fit(channels, progress=False)
    assert fitted.predict(sum(parts), samples=0).mean.shape == (2, 96, 80)
    path = fitted.save(tmp_path / "m.ladder")
    assert load(path).model.thumbnail is None  # no two places to be shown over one another


def test_what_is_held_out_is_said_of_every_channel():
    channels = [[ONE] * 6, OTHER[:16, :16]]
    notices = tiny().fit(channels, progress=False).model.notices
    said = [notice for notice in notices if "validation: " in notice]
    assert len(said) == 2
    assert "1 of 6 images" in said[0] and "too small" in said[1]
    assert said[0].startswith("channel 1, ") and said[1].startswith("channel 2, ")
    alike = tiny().fit([ONE, OTHER], progress=False).model.notices
    assert sum(notice.startswith("validation: ") for notice in alike) == 1


def test_channels_may_come_from_files(parts, tmp_path):
    for name, part in zip("ab", parts, strict=True):
        (tmp_path / name).mkdir()
        for number in range(2):
            tifffile.imwrite(tmp_path / name / f"{number}.tif", part[:, 8 * number :])
    fitted = tiny().fit([str(tmp_path / "a" / "*.tif"), tmp_path / "b"], progress=False)
    arrays = tiny().fit([[part, part[:, 8:]] for part in parts], progress=False)
    wanted = arrays.predict(sum(parts), samples=0).mean
    assert np.array_equal(fitted.predict(sum(parts), samples=0).mean, wanted)


def test_a_stack_is_said_once_to_be_split_plane_by_plane(parts, caplog):
    caplog.set_level(logging.INFO, "ladderscope")
    stacks = [[stacked(part, "ZYX")] * 2 for part in parts]
    fitted = tiny().fit(stacks, "ZYX", progress=False)
    assert sum("one by one" in notice for notice in fitted.model.notices) == 1
    caplog.clear()
    fitted.predict(stacked(sum(parts), "ZYX"), "ZYX", samples=0)
    assert "one by one" in caplog.text


@pytest.mark.parametrize("far", [lambda y: y + 40_000, lambda y: 20 * y], ids=["shift", "scale"])
def test_a_mixed_image_far_from_the_training_sums_draws_a_warning_that_says_by_how_much(
    splitter, mixed, caplog, far
):
    splitter.predict(mixed, samples=0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    splitter.predict(far(mixed), samples=0)
    known = splitter.model.mixture.statistics
    away = abs(far(mixed).mean() - known.mean) / known.std
    assert any(f" {away:.1f} " in said for said in warned(caplog))


def test_pixels_darker_than_training_draw_a_warning_also_where_no_integer_is_negative(caplog):
    rng = np.random.default_rng(0)
    bright = [rng.normal(1000, 30, (64, 64)).astype(np.uint16) for _ in range(2)]
    fitted = tiny().fit(bright, offsets=[0, 0], progress=False)
    mixed = bright[0] + bright[1]
    assert mixed.dtype == np.uint16
    fitted.predict(mixed, samples=0)
    assert not warned(caplog)
    mixed[0] -= 300
    fitted.predict(mixed, samples=0)
    (said,) = warned(caplog)
    assert "1.6 % of its pixels" in said


def test_a_field_with_fewer_cells_draws_no_warning(caplog):
    def field(cells):
        rng = np.random.default_rng(cells)
        plane = rng.normal(20, 1, (256, 256)).astype(np.float32)
        for number in range(cells):
            top, left = divmod(number, 8)
            plane[32 * top : 32 * top + 20, 32 * left : 32 * left + 20] += 200
        return plane

    fitted = tiny("musplit").fit([field(8), field(8)], offsets=[20, 20], progress=False)
    sparse = field(1) + field(0) - 20
    assert sparse.std() < fitted.model.mixture.statistics.std / 3
    fitted.predict(sparse, samples=0)
    assert not warned(caplog)


def test_a_warning_names_the_array_of_a_list(splitter, mixed, caplog):
    found = splitter.predict([mixed, mixed + 40_000], samples=0)
    assert [one.name for one in found] == ["array 1", "array 2"]
    far, beyond = warned(caplog)
    assert far.startswith("array 2: ") and beyond.startswith("array 2: ")
    assert "100 %" in beyond and "residual" in beyond


@pytest.mark.parametrize("method", ["musplit", "microsplit"])
def test_a_mixed_image_of_twice_the_brightness_draws_a_warning(parts, caplog, method):
    fitted = tiny(method).fit([part - part.min() for part in parts], progress=False)
    sums = sum(part - part.min() for part in parts)
    fitted.predict(sums, samples=0)
    assert not warned(caplog)
    fitted.predict(2 * sums, samples=0)
    (said,) = warned(caplog)
    known = fitted.model.mixture
    furthest = (2 * sums.max() - known.intensities.bright) / known.statistics.std
    assert f" {furthest:.1f} " in said


def test_a_warning_comes_of_a_loaded_model_as_of_the_one_it_was(parts, tmp_path, caplog):
    fitted = tiny(context=2).fit([ONE[:28], OTHER], progress=False)
    assert fitted.model.settings.patch == 24
    fitted.predict(ONE[:30], samples=0)
    before = warned(caplog)
    caplog.clear()
    load(fitted.save(tmp_path / "m.ladder")).predict(ONE[:30], samples=0)
    assert warned(caplog) == before


def test_a_thumbnail_warns_of_nothing(parts, tmp_path, caplog):
    # structure in one corner alone: the detail in the middle is unlike the whole
    rng = np.random.default_rng(0)
    corner = [np.pad(part, ((0, 304), (0, 320)), mode="edge") for part in parts]
    corner = [np.where(np.arange(400)[:, None] < 96, part, 0) for part in corner]
    corner = [part + rng.normal(0, 0.1, part.shape) for part in corner]
    tiny().fit(corner, progress=False).save(tmp_path / "m.ladder")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(100, 9, shape).astype(np.float32)


ONE, OTHER = noise(64, 64), noise(64, 64, seed=1)
BAD_CHANNELS = {
    "one string": ("a/*.tif", "must be a list .* not str"),
    "one array": (np.stack([ONE, OTHER]), "must be a list .* not ndarray"),
    "an image": (Image(ONE, "YX", "a"), "must be a list .* not Image"),
    "a generator": ((one for one in (ONE, OTHER)), "must be a list .* not generator"),
    "a dict": ({"a": ONE, "b": OTHER}, "must be a list .* not dict"),
    "too few": ([ONE], r"1 channel given.* 2.*channels=1"),
    "too many": ([ONE, OTHER, ONE], r"3 channels given.* 2.*channels=3"),
    "none": ([], "0 channels given"),
    "an empty one": ([ONE, []], "channel 2: no images"),
    "a blank one": ([ONE, np.full((64, 64), 7.0)], "channel 2: .*blank: every pixel of it is 7"),
    "a blank image of two": ([[ONE, np.zeros((64, 64))], OTHER], "channel 1: array 2: is blank"),
    "NaN": ([np.where(ONE > 120, np.nan, ONE), OTHER], "channel 1: .*NaN"),
    "no file": ([ONE, "/nowhere/a.tif"], "channel 2: .*nowhere"),
    "no match": ([ONE, "/nowhere/*.tif"], "channel 2: no image found"),
    "several channels": ([ONE, Image(np.stack([ONE, OTHER]), "CYX", "b")], "has 2 channels; give"),
    "unknown axes": ([ONE, noise(2, 64, 64)], "channel 2: .*axes"),
    "smaller than the levels": ([ONE, OTHER[:3]], "3 pixels.*at least"),
}


@pytest.mark.parametrize("case", BAD_CHANNELS)
def test_channels_that_cannot_be_used_are_an_error_that_says_which(case):
    channels, said = BAD_CHANNELS[case]
    with pytest.raises(LadderscopeError, match=f"(?s){said}"):
        tiny().fit(channels, progress=False)


BAD_PAIRS = {
    "number": ([[ONE, ONE], OTHER], {"paired": True}, "channel 1 has 2, channel 2 has 1"),
    "size": ([ONE, OTHER[:60]], {"paired": True}, r"\(64, 64\).*\(60, 64\)"),
    "mixed number": ([ONE, OTHER], {"mixed": [ONE, ONE]}, "the mixed images has 2"),
    "mixed size": ([ONE, OTHER], {"mixed": noise(64, 60)}, r"\(64, 64\).*\(64, 60\)"),
    "sizes with mixed": ([ONE, OTHER[:60]], {"mixed": ONE}, r"\(64, 64\).*\(60, 64\)"),
    "blank mixed": ([ONE, OTHER], {"mixed": np.zeros((64, 64))}, "the mixed images: .*blank"),
    "names that repeat": ([ONE, OTHER], {"names": ["a", "a"]}, r"\['a', 'a'\].* 2 different"),
    "too few names": ([ONE, OTHER], {"names": ["a"]}, "2 different"),
    "an empty name": ([ONE, OTHER], {"names": ["a", ""]}, "2 different"),
    "names in one string": ([ONE, OTHER], {"names": "ab"}, "2 different"),
    "names that are none": ([ONE, OTHER], {"names": [1, 2]}, "2 different"),
    "too few offsets": ([ONE, OTHER], {"offsets": [1.0]}, "2 finite numbers"),
    "too many offsets": ([ONE, OTHER], {"offsets": [1.0] * 3}, "2 finite numbers"),
    "one offset": ([ONE, OTHER], {"offsets": 100.0}, "2 finite numbers"),
    "offsets that are none": ([ONE, OTHER], {"offsets": ["dark", 1]}, "2 finite numbers"),
    "offsets of one word": ([ONE, OTHER], {"offsets": "ab"}, "2 finite numbers"),
    "offsets without end": ([ONE, OTHER], {"offsets": [1.0, np.inf]}, "2 finite numbers"),
    "resuming from nowhere": ([ONE, OTHER], {"resume": True}, "state_file"),
}


@pytest.mark.parametrize("case", BAD_PAIRS)
def test_what_does_not_fit_together_is_an_error_that_says_what(case):
    channels, arguments, said = BAD_PAIRS[case]
    with pytest.raises(LadderscopeError, match=f"(?s){said}"):
        tiny().fit(channels, progress=False, **arguments)


@pytest.mark.parametrize(
    "setting, said",
    [
        ({"method": "usplit"}, "musplit"),
        ({"channels": 1}, "channels"),
        ({"channels": 2.5}, "channels"),
        ({"context": 0}, "context"),
        ({"context": 4}, "context=4 .*levels=2.*at most context=3"),
        ({"variance": -1}, "variance must be positive"),
        ({"variance": 0.0}, "variance must be positive"),
        ({"variance": float("nan")}, "variance must be positive"),
        ({"variance": "guessed"}, "variance"),
        ({"ratios": (2, 0.5)}, "the smaller first"),
        ({"ratios": (0, 1)}, "positive"),
        ({"ratios": (-1, 1)}, "positive"),
        ({"ratios": (1, float("inf"))}, "positive"),
        ({"ratios": 1.0}, "ratios"),
        ({"ratios": (1, 2, 3)}, "ratios"),
        ({"balance": "max"}, "balance"),
        ({"denoisplit_weight": 1.0}, "denoisplit_weight"),
        ({"musplit_free_bits": -1.0}, "musplit_free_bits"),
        ({"dimensions": 4}, "dimensions"),
        ({"depth": 1}, "depth"),
        ({"paired": True}, "no setting 'paired'"),
        ({"patch": 36, "context": 2}, "multiple of 8"),
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_an_error_that_names_it(setting, said):
    with pytest.raises(LadderscopeError, match=said):
        Splitter(**({"preset": "tiny"} | setting))


def test_context_wider_than_the_image_is_refused_or_said():
    with pytest.raises(LadderscopeError, match=r"128×128 pixels around.*32×32.*40 pixels"):
        tiny(context=3).fit([ONE[:40], OTHER], progress=False)
    fitted = tiny(context=2).fit([ONE[:40], OTHER], progress=False).model
    assert any("widest view" in notice for notice in fitted.notices)
    fitted = tiny(context=2).fit([ONE, OTHER], progress=False).model
    assert not any("reflection" in notice for notice in fitted.notices)


def test_an_image_smaller_than_its_context_draws_a_warning(caplog):
    fitted = tiny(context=2).fit([ONE, OTHER], progress=False)
    fitted.predict(ONE, samples=0)
    assert "widest view" not in caplog.text
    fitted.predict(ONE[:30], samples=0)
    assert "30 pixels on its shorter side" in caplog.text and "widest view is 64" in caplog.text


@pytest.mark.parametrize("shortest", [20, 28])
def test_with_context_a_patch_shrinks_to_what_its_levels_can_halve(shortest):
    fitted = tiny(context=2).fit([ONE[:shortest], OTHER], progress=False).model
    assert fitted.settings.patch == shortest // 8 * 8


@pytest.mark.parametrize("preset", ["tiny", "small", "paper"])
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("context", [1, 2, 3, 4])
def test_every_preset_goes_with_context_and_stacks(preset, dimensions, context):
    if (preset, context) == ("tiny", 4):
        pytest.skip("two levels take three views")
    settings = Splitter(preset=preset, dimensions=dimensions, context=context).settings
    assert settings.patch % 2 ** (settings.levels + (context > 1)) == 0


def test_an_image_of_several_channels_is_not_split(splitter):
    with pytest.raises(LadderscopeError, match="has 2 channels"):
        splitter.predict(np.stack([ONE, OTHER]), "CYX")


@pytest.mark.parametrize(
    "bad, said",
    [
        (np.zeros((40, 40)), "blank"),
        (np.where(ONE > 120, np.inf, ONE), "NaN or infinite"),
        ("/nowhere/a.tif", "nowhere"),
        (noise(3), "two dimensions"),
    ],
    ids=["blank", "infinite", "missing", "one dimension"],
)
def test_a_mixed_image_that_cannot_be_used_is_an_error(splitter, bad, said):
    with pytest.raises(ImageError, match=said):
        splitter.predict(bad)


def test_a_splitter_that_is_not_trained_says_what_to_do():
    for question in (lambda: tiny().predict(ONE), lambda: tiny().sample(ONE), lambda: tiny().model):
        with pytest.raises(LadderscopeError, match="this splitter is not trained yet"):
            question()


def test_bad_input_leaves_a_trained_splitter_as_it_was(parts):
    fitted = tiny().fit(list(parts), progress=False)
    before, wanted = fitted.model, fitted.predict(sum(parts), samples=0).mean
    with pytest.raises(LadderscopeError):
        fitted.fit([ONE, np.zeros((64, 64))], progress=False)
    assert fitted.model is before
    assert np.array_equal(fitted.predict(sum(parts), samples=0).mean, wanted)


def test_a_model_file_of_a_splitter_that_is_damaged_is_told_by_name(splitter, tmp_path):
    import json
    import zipfile

    path = splitter.save(tmp_path / "m.ladder")
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    for broken in ({"mixing": {}}, {"statistics": {}}, [1], {"mixing": {"offsets": 3}}):
        config["mixture"] = broken
        entries["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        with pytest.raises(ModelFileError, match=r"m\.ladder"):
            load(path)


def test_levels_that_never_see_the_image_go_with_splitting(parts):
    fitted = tiny(blind_levels=1, context=2).fit(list(parts), progress=False)
    assert all(len(line.level_kl) == 1 for line in fitted.model.outcome.history)
    assert np.isfinite(fitted.predict(sum(parts), samples=2).mean).all()


def test_what_the_model_knows_of_the_mixture_is_what_it_normalises_with(splitter, mixed):
    known = splitter.model.mixture.statistics
    assert isinstance(known, Statistics)
    assert abs(known.mean - mixed.mean()) < mixed.std()
    (job,) = splitter._jobs()
    assert job.statistics == known and job.outputs == range(2)
