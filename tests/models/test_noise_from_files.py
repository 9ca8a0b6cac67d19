"""Noise models from files: pairs by order, repeats, dark frames, and a denoiser's own estimate."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
import zarr

import ladderscope
from ladderscope import noise
from ladderscope.images import Image, ImageError, sample_image
from ladderscope.models import Denoiser, Restoration, fit_noise_model, measure_noise
from ladderscope.models.noise_fit import MOST_PAIRS
from ladderscope.noise import GaussianMixture, Histogram, NoiseError
from ladderscope.noise_estimation.planes import MOST_PLANES

GAIN, OFFSET, READ = 2.0, 100.0, 3.0
SIGNALS = [
    OFFSET + 4.0 * sample_image(name).pixels[100:356, 150:406].astype(float)
    for name in ("dna", "cells")
]


def observed(signal, seed=0, gain=GAIN):
    """What a camera makes of a signal, in whole grey levels."""
    rng = np.random.default_rng(seed)
    light = gain * rng.poisson((signal - OFFSET) / gain) + OFFSET
    return (light + rng.normal(0, READ, signal.shape)).round().clip(0, 65535).astype(np.uint16)


def is_right(model, gain=GAIN, within=0.05):
    """Whether the standard deviation is that of the camera, over the signals that there are."""
    signals = np.percentile(SIGNALS, np.linspace(1, 99, 30))
    found = model.moments(torch.from_numpy(signals))[1].sqrt().numpy()
    # rounding to whole grey levels adds 1/12
    true = np.sqrt(gain * (signals - OFFSET) + READ**2 + 1 / 12)
    return bool((np.abs(found / true - 1) < within).all())


def written(path, stack, metadata):
    tifffile.imwrite(path, stack, metadata=metadata, photometric="minisblack")


@pytest.fixture
def pairs(tmp_path):
    """Two noisy files, plain and compressed, and their signals, in folders of their own."""
    for number, signal in enumerate(SIGNALS):
        for folder, pixels in (("noisy", observed(signal, number)), ("clean", signal)):
            (tmp_path / folder).mkdir(exist_ok=True)
            tifffile.imwrite(
                tmp_path / folder / f"{number}.tif", pixels, compression="zlib" if number else None
            )
    return tmp_path


# -- pairs


def test_pairs_of_files_are_matched_by_order(pairs):
    fit = measure_noise(f"{pairs}/noisy/*.tif", f"{pairs}/clean/*.tif")
    assert is_right(fit.model)
    assert fit.model.gain == pytest.approx(GAIN, rel=0.05)
    together = noise.measure_noise(
        np.stack([observed(signal, number) for number, signal in enumerate(SIGNALS)]),
        np.stack(SIGNALS),
        axes="SYX",
    )
    assert fit.model == together.model
    assert fit.summary() == together.summary()


@pytest.mark.parametrize("kind", ["poisson_gaussian", "gaussian", "mixture", "histogram"])
def test_every_kind_is_fitted_to_pairs_from_the_top_of_the_package(pairs, kind):
    model = ladderscope.fit_noise_model(pairs / "noisy", pairs / "clean", kind)
    assert model.kind == kind
    assert kind == "gaussian" or is_right(model, within=0.08)


def test_a_mixture_has_the_components_asked_for(pairs):
    model = fit_noise_model(
        pairs / "noisy", pairs / "clean", "mixture", components=2, coefficients=3
    )
    assert np.shape(model.weight) == (6, 3)


def test_one_signal_serves_all_frames_of_all_films(tmp_path):
    films = [np.stack([observed(SIGNALS[0], 10 * film + at) for at in range(3)]) for film in (0, 1)]
    for number, film in enumerate(films):
        written(tmp_path / f"{number}.tif", film, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "signal.tiff", SIGNALS[0])
    model = fit_noise_model(f"{tmp_path}/*.tif", tmp_path / "signal.tiff")
    assert is_right(model)
    assert model == fit_noise_model(films, SIGNALS[0], axes="TYX")
    assert model == noise.fit_noise_model(np.concatenate(films), SIGNALS[0], axes="TYX")


def test_the_signal_may_have_its_axes_in_another_order_or_only_from_the_observation():
    stack = np.stack([observed(signal, number) for number, signal in enumerate(SIGNALS)])
    clean = np.stack(SIGNALS)
    model = fit_noise_model(stack, clean, axes="ZYX")
    named = Image(clean.transpose(1, 2, 0), "YXZ", "signal")
    assert fit_noise_model(stack, named, axes="ZYX") == model
    assert fit_noise_model(Image(stack, "ZYX", "noisy"), clean) == model


def test_several_channels_give_a_list(pairs):
    gains = (2.0, 6.0)
    noisy = np.stack([observed(SIGNALS[0], 1, gain) for gain in gains])
    fits = measure_noise(noisy, np.stack([SIGNALS[0]] * 2), axes="CYX", offset=[100.0, 90.0])
    assert [fit.model.gain for fit in fits] == pytest.approx(gains, rel=0.05)
    assert [fit.offset for fit in fits] == [100.0, 90.0]
    assert [type(fits), type(measure_noise(noisy[:1], axes="CYX"))] == [list, list]


@pytest.mark.parametrize(
    ("clean", "said"),
    [
        (SIGNALS * 2, "2 observations and 4 signals"),
        ([SIGNALS[0], SIGNALS[1][:-1]], r"array 2, a signal, has the shape \(255, 256\)"),
        (SIGNALS[0][:9], r"observation, \(256, 256\) \(YX\): give both the same"),
    ],
)
def test_pairs_that_do_not_match_are_refused_by_name_before_anything_is_read(clean, said):
    noisy = [observed(signal) for signal in SIGNALS]
    with pytest.raises(NoiseError, match=said):
        measure_noise(noisy, clean)


def test_a_signal_without_the_slices_of_its_observation_is_refused():
    stack = np.stack([observed(SIGNALS[0], seed) for seed in (0, 1)])
    with pytest.raises(NoiseError, match="one clean image without S and T"):
        measure_noise(stack, SIGNALS[0], axes="ZYX")


def test_a_signal_that_ladderscope_wrote_is_a_signal(tmp_path):
    for number, signal in enumerate(SIGNALS):
        Restoration(signal.astype(np.float32), None, "YX").save(tmp_path / f"{number}.ome.tif")
    noisy = [observed(signal, number) for number, signal in enumerate(SIGNALS)]
    assert is_right(fit_noise_model(noisy, tmp_path))


# -- repeats


def test_repeats_lie_along_an_axis_or_in_a_file_each(tmp_path):
    film = np.stack([observed(SIGNALS[1], seed) for seed in range(8)])
    for number, frame in enumerate(film):
        tifffile.imwrite(tmp_path / f"{number}.tif", frame)
    model = fit_noise_model(film, axes="TYX", repeats="T")
    assert is_right(model)
    assert fit_noise_model(tmp_path, repeats="t") == model
    assert fit_noise_model(list(film), repeats="S") == model


def test_films_of_several_scenes_are_repeats_each_within_itself():
    films = [
        np.stack([observed(signal, 10 * number + at) for at in range(6)])
        for number, signal in enumerate(SIGNALS)
    ]
    fit = measure_noise(films, axes="TYX", repeats="T")
    assert is_right(fit.model)
    assert fit.model == noise.fit_noise_model(np.stack(films), axes="STYX", repeats="T")


def test_repeats_of_several_sizes_are_refused_by_name():
    films = [np.zeros((3, 64, 64)), np.zeros((4, 64, 64))]
    with pytest.raises(ImageError, match=r"array 2 has the shape \(4, 64, 64\) \(TYX\)"):
        measure_noise(films, axes="TYX", repeats="T")


def test_a_signal_and_repeats_are_too_much():
    with pytest.raises(NoiseError, match="not both"):
        measure_noise(np.zeros((2, 64, 64)), SIGNALS[0], axes="TYX", repeats="T")


# -- noisy images alone


def test_noisy_files_alone_give_what_their_planes_give(pairs):
    planes = [observed(signal, number) for number, signal in enumerate(SIGNALS)]
    fit = measure_noise(pairs / "noisy")
    assert fit.model == noise.fit_noise_model(planes)
    assert fit.model == fit_noise_model(planes)


class Watched:
    """An array that counts what is asked of it, and refuses to be read as a whole."""

    def __init__(self, pixels):
        self.pixels, self.asked = pixels, []

    shape = property(lambda self: self.pixels.shape)
    dtype = property(lambda self: self.pixels.dtype)

    def __array__(self, *args, **kwargs):
        raise AssertionError("read as a whole")

    def __getitem__(self, key):
        part = self.pixels[key]
        self.asked.append(part.size)
        return part


def test_files_of_other_black_levels_are_named(tmp_path):
    rng = np.random.default_rng(0)
    light = np.linspace(0, 200, 192) * np.ones((192, 1))
    for name, offset in (("a.tif", 100), ("b.tif", 140)):
        pixels = 2 * rng.poisson(light / 2) + offset + rng.normal(0, 3, light.shape)
        tifffile.imwrite(tmp_path / name, pixels.round().astype(np.uint16))
    assert "black level of b.tif" in measure_noise(f"{tmp_path}/*.tif", progress=False).summary()
    one = measure_noise(tmp_path / "a.tif", progress=False).summary()
    assert "black level of" not in one


@pytest.mark.parametrize("with_signal", [False, True])
def test_a_stack_is_asked_for_one_plane_at_a_time_and_for_forty_alone(with_signal):
    stack = Watched(
        np.random.default_rng(0).poisson(np.mgrid[:64, :64][1] + 20, (100, 2, 64, 64)).astype("u2")
    )
    signal = np.broadcast_to(np.mgrid[:64, :64][1] + 20.0, (2, 64, 64)) if with_signal else None
    measure_noise(stack, signal, axes="TCYX")
    assert set(stack.asked) == {64 * 64}
    assert (len(stack.asked) == 200) if with_signal else (len(stack.asked) <= 2 * MOST_PLANES)


def test_a_zarr_array_on_disk_is_measured(tmp_path):
    noisy = np.stack([observed(signal, number) for number, signal in enumerate(SIGNALS)])
    zarr.create_array(tmp_path / "a.zarr", data=noisy, chunks=(1, 128, 128))
    found = fit_noise_model(tmp_path / "a.zarr", axes="ZYX")
    assert found == noise.fit_noise_model(noisy, axes="ZYX")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_pixel_that_is_no_number_is_told_with_its_file_and_plane(tmp_path, bad):
    film = np.stack([observed(SIGNALS[0], seed) for seed in range(3)]).astype(np.float32)
    film[2, 5, 5] = bad
    tifffile.imwrite(
        tmp_path / "film.tif", film, metadata={"axes": "TYX"}, photometric="minisblack"
    )
    with pytest.raises(ImageError, match=r"film\.tif: 1 of .* NaN or infinite.* T=2, Y=5, X=5"):
        measure_noise(tmp_path / "film.tif")


# -- dark frames


def dark_frames(frames=1, offset=OFFSET, seed=9):
    return np.random.default_rng(seed).normal(offset, READ, (frames, 128, 128))


def test_dark_frames_come_as_a_file_a_stack_or_many_files(tmp_path, pairs):
    frames = dark_frames(3).round().astype(np.uint16)
    written(tmp_path / "stack.tif", frames, metadata=None)
    for number, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"dark{number}.tif", frame)
    found = [
        measure_noise(pairs / "noisy", pairs / "clean", dark=dark)
        for dark in (frames, tmp_path / "stack.tif", f"{tmp_path}/dark*.tif", list(frames))
    ]
    assert found[0].offset == pytest.approx(OFFSET, rel=0.01)
    assert found[0].read_noise == pytest.approx(READ, rel=0.05)
    assert len({(fit.offset, fit.read_noise) for fit in found}) == 1
    assert measure_noise(pairs / "noisy", dark=tmp_path / "dark0.tif").offset > 99


def test_dark_frames_of_a_channel_belong_to_it():
    noisy = np.stack([observed(signal, 5) for signal in SIGNALS])
    dark = Image(np.concatenate([dark_frames(), dark_frames(offset=98)]), "CYX", "dark.tif")
    fits = measure_noise(noisy, np.stack(SIGNALS), axes="CYX", dark=dark)
    assert [fit.offset for fit in fits] == pytest.approx([100, 98], abs=0.3)
    shared = measure_noise(noisy, np.stack(SIGNALS), axes="CYX", dark=dark_frames()[0])
    assert [fit.offset for fit in shared] == pytest.approx([100, 100], abs=0.3)


@pytest.mark.parametrize(
    ("dark", "said"),
    [
        (Image(dark_frames(2), "CYX", "dark.tif"), "2 channels and the images 1"),
        (Image(dark_frames(2).T, "YXT", "dark.tif"), "give one frame, a stack"),
        (dark_frames(4).reshape(2, 2, 128, 128), "give axes"),
    ],
)
def test_dark_frames_that_do_not_fit_are_refused(dark, said):
    with pytest.raises((NoiseError, ImageError), match=said):
        measure_noise(observed(SIGNALS[0]), dark=dark)


# -- mixtures and histograms of noisy images alone


def knowing(truth):
    """A denoiser that is right: it knows the signal of the image called "array n"."""

    def predict(images, samples, progress, should_stop):
        assert samples == 0
        return [
            Restoration(
                np.stack([truth[image.name]] * image.pixels.shape[0]).astype(np.float32),
                None,
                image.axes,
                image.name,
            )
            for image in images
        ]

    return SimpleNamespace(predict=predict)


@pytest.mark.parametrize(
    ("kind", "expected"), [("mixture", GaussianMixture), ("histogram", Histogram)]
)
def test_a_denoiser_that_is_given_tells_the_signal(kind, expected):
    films = [
        np.stack([observed(signal, 10 * number + at) for at in range(2)])
        for number, signal in enumerate(SIGNALS)
    ]
    denoiser = knowing({"array 1": SIGNALS[0], "array 2": SIGNALS[1]})
    fit = measure_noise(films, kind=kind, axes="TYX", denoiser=denoiser)
    assert isinstance(fit.model, expected)
    assert is_right(fit.model, within=0.1)
    assert "estimate of the given denoiser" in fit.summary()


def test_a_denoiser_is_refused_before_it_restores_where_only_noisy_images_count():
    with pytest.raises(NoiseError, match="denoiser"):
        measure_noise(observed(SIGNALS[0]), kind="auto", denoiser=SimpleNamespace())


def test_any_kind_is_fitted_to_the_estimate_of_a_denoiser_that_is_given():
    denoiser = knowing({"array 1": SIGNALS[0]})
    model = fit_noise_model(observed(SIGNALS[0]), denoiser=denoiser)
    pairs = fit_noise_model(observed(SIGNALS[0]), SIGNALS[0].astype(np.float32))
    assert model == pairs


def test_a_denoiser_sees_no_more_planes_than_it_needs(monkeypatch):
    seen = []

    def predict(images, samples, progress, should_stop):
        seen.extend(image.pixels.shape for image in images)
        return [Restoration(image.pixels.astype(np.float32), None, image.axes) for image in images]

    side = 1024
    film = np.broadcast_to(observed(SIGNALS[0])[:1, :1], (1000, side, side))
    with pytest.raises(NoiseError):  # it restores noise to noise
        measure_noise(film, kind="mixture", axes="TYX", denoiser=SimpleNamespace(predict=predict))
    assert seen == [(MOST_PAIRS // side**2, side, side)]


@pytest.mark.parametrize("kind", ["mixture", "histogram"])
def test_without_any_denoiser_one_is_trained_in_the_same_call(crops, kind):
    channels = np.stack([crops[0], 3 * crops[1]])
    fits = measure_noise(channels, kind=kind, axes="CYX", preset="tiny", steps=6, progress=False)
    assert [fit.model.kind for fit in fits] == [kind] * 2
    assert all("No clean images were given" in fit.notices[0] for fit in fits)
    again = fit_noise_model(channels, kind=kind, axes="CYX", preset="tiny", steps=6, progress=False)
    assert again == [fit.model for fit in fits]


def test_a_fitted_denoiser_of_the_package_is_taken(denoiser, crops):
    assert isinstance(denoiser, Denoiser)
    assert fit_noise_model(crops[0], kind="histogram", denoiser=denoiser).kind == "histogram"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "poisson"}, "'poisson'"),
        ({"kind": "mixture", "components": 0}, "0 components"),
        ({"kind": "mixture", "offset": 100.0, "dark": dark_frames()}, "not both"),
        ({"kind": "mixture", "offset": [1.0, 2.0]}, "offset"),
        ({"kind": "mixture", "dark": "no such file.tif"}, "no such file"),
    ],
)
def test_mistakes_are_said_before_a_denoiser_is_trained(monkeypatch, options, said):
    def train(*_, **__):
        raise AssertionError("trained")

    monkeypatch.setattr(Denoiser, "fit", train)
    with pytest.raises((NoiseError, ImageError), match=said):
        measure_noise(observed(SIGNALS[0]), **options)
