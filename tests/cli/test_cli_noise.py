"""``ladderscope noise``: what it writes, prints and refuses, and that its files denoise."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from invoked import run

import ladderscope
from ladderscope.images import sample_image
from ladderscope.models.file import read_model
from ladderscope.noise import (
    Coloured,
    Gaussian,
    GaussianMixture,
    Histogram,
    PoissonGaussian,
    load_noise_model,
    save_noise_model,
)
from ladderscope.noise_estimation import choice

CHOSEN = choice.NoiseChoice(SimpleNamespace(model=Gaussian(3.0)))
SIGNAL = 100 + 4.0 * sample_image("dna").pixels[100:356, 150:406].astype(float)
MIXTURE = GaussianMixture([[0.0, 0.0], [2.0, 3.0], [0.0, 0.0]], 10.0, 200.0, 0.5)
HISTOGRAM = Histogram([50.0, 90.0], [2.0, 4.0], [[0.0, 1.0, 2.0, 1.0, 0.0]] * 2, 3.0)


def observed(signal, seed=0, gain=2.0):
    rng = np.random.default_rng(seed)
    light = gain * rng.poisson((signal - 100) / gain) + 100
    return (light + rng.normal(0, 3, signal.shape)).round().clip(0, 65535).astype(np.uint16)


@pytest.fixture
def noisy(tmp_path):
    path = tmp_path / "noisy.tif"
    tifffile.imwrite(path, observed(SIGNAL))
    return path


@pytest.fixture
def clean(tmp_path):
    path = tmp_path / "clean.tif"
    tifffile.imwrite(path, SIGNAL)
    return path


@pytest.fixture
def of_two_channels(tmp_path):
    path = tmp_path / "two.ome.tif"
    pixels = np.stack([observed(SIGNAL), observed(SIGNAL, 1, gain=8.0)])
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(path, pixels, metadata=metadata)
    return path


# -- fit


def test_fit_writes_a_model_and_a_picture_and_says_what_was_found(noisy, clean, tmp_path):
    out = tmp_path / "camera" / "noise.json"
    result = run("noise", "fit", noisy, "--signal", clean, "-o", out, "--offset", 100)
    assert result.code == 0
    model = load_noise_model(out)
    assert isinstance(model, PoissonGaussian)
    assert model.gain == pytest.approx(2.0, rel=0.05)
    assert "noise Poisson–Gaussian noise: gain" in result.shown
    assert (result.said + result.shown).count("Poisson–Gaussian noise: gain") == 1
    assert "The black level is 100 and the read noise" in result.shown
    assert f"model {out}" in result.shown
    assert f"picture {out.with_suffix('.png')}" in result.shown
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_fit_on_noisy_images_alone_needs_nothing_else(noisy, tmp_path):
    assert run("noise", "fit", noisy, "-o", tmp_path / "a.json", "--no-picture").code == 0
    assert load_noise_model(tmp_path / "a.json") == ladderscope.fit_noise_model(noisy)
    assert not (tmp_path / "a.png").exists()


def test_fit_takes_repeats_and_dark_frames_from_files(tmp_path):
    for seed in range(6):
        tifffile.imwrite(tmp_path / f"repeat{seed}.tif", observed(SIGNAL, seed))
        dark = np.random.default_rng(90 + seed).normal(100, 3, (64, 64)).round()
        tifffile.imwrite(tmp_path / f"dark{seed}.tif", dark.astype(np.uint16))
    result = run(
        *("noise", "fit", f"{tmp_path}/repeat*.tif", "--repeats", "T", "-o", tmp_path / "a.json"),
        *("--dark", f"{tmp_path}/dark*.tif"),
    )
    assert result.code == 0
    assert load_noise_model(tmp_path / "a.json").gain == pytest.approx(2.0, rel=0.05)
    assert "The black level is 100 and the read noise 3" in result.shown


def test_fit_of_several_channels_names_them_and_draws_a_row_each(of_two_channels, tmp_path):
    result = run("noise", "fit", of_two_channels, "-o", tmp_path / "a.json")
    models = load_noise_model(tmp_path / "a.json")
    assert [round(model.gain / 2) for model in models] == [1, 4]
    assert "DAPI: Poisson–Gaussian" in result.shown
    assert "GFP: Poisson–Gaussian" in result.shown


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_fit_writes_mixtures_in_both_formats(noisy, clean, tmp_path, suffix):
    out = tmp_path / f"mixture{suffix}"
    options = ["--kind", "mixture", "--components", 2, "--coefficients", 3, "-o", out]
    assert run("noise", "fit", noisy, "--signal", clean, *options).code == 0
    assert np.shape(load_noise_model(out).weight) == (6, 3)


@pytest.mark.parametrize("spelled", ["poisson-gaussian", "poisson_gaussian"])
def test_a_kind_is_spelled_as_on_the_command_line_or_in_python(noisy, tmp_path, spelled):
    options = ["--kind", spelled, "--no-picture", "-o", tmp_path / "a.json"]
    assert run("noise", "fit", noisy, *options).code == 0
    assert load_noise_model(tmp_path / "a.json").kind == "poisson_gaussian"


@pytest.mark.parametrize(
    ("kind", "law", "said"),
    [("auto", "poisson_gaussian", "was chosen"), ("correlated-gaussian", "gaussian", "asked for")],
)
def test_correlated_noise_is_fitted_and_denoises(tmp_path, kind, law, said):
    blur = np.outer(*2 * [np.exp(-(np.arange(-4, 5.0) ** 2) / 1.5)])
    model = Coloured(PoissonGaussian(2.0, 60.0), blur)
    light = torch.from_numpy(SIGNAL.clip(100, 300))
    pixels = model.sample(light, torch.Generator().manual_seed(0)).numpy().round()
    tifffile.imwrite(tmp_path / "a.tif", pixels.astype(np.uint16))
    out = tmp_path / "noise.json"
    result = run("noise", "fit", tmp_path / "a.tif", "-o", out, "--kind", kind)
    assert result.code == 0 and said in result.shown
    found = load_noise_model(out)
    assert (found.kind, found.pixelwise.kind) == ("coloured", law)
    tifffile.imwrite(tmp_path / "part.tif", pixels[:96, :96].astype(np.uint16))
    quick = ["--preset", "tiny", "--steps", 1, "--samples", 0]
    assert run("denoise", tmp_path / "part.tif", "-o", tmp_path, "--noise", out, *quick).code == 0


def test_auto_is_refused_where_there_is_more_than_noisy_images(noisy, clean, tmp_path):
    for more in (["--signal", clean], ["--offset", 100]):
        result = run("noise", "fit", noisy, "-o", tmp_path / "a.json", "--kind", "auto", *more)
        assert result.code == 1 and "noisy images alone" in result.said
    assert not (tmp_path / "a.json").exists()


def test_an_unknown_kind_is_refused_with_those_that_there_are(noisy, tmp_path):
    result = run("noise", "fit", noisy, "-o", tmp_path / "a.json", "--kind", "poisson")
    assert result.code == 2
    assert all(kind in result.said for kind in ("'poisson'", "gaussian", "mixture", "histogram"))


def test_fit_opens_every_file_once(tmp_path, caplog):
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(
            tmp_path / name, observed(SIGNAL).clip(0, 255).astype(np.uint8), compression="jpeg"
        )
    assert run("noise", "fit", tmp_path, "-o", tmp_path / "noise.json").code == 0
    altered = [one.getMessage() for one in caplog.records if "altered" in one.getMessage()]
    files = sorted(said.partition(":")[0] for said in altered)
    assert files == [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]


def test_fit_trains_a_denoiser_where_a_mixture_has_no_signal(noisy, tmp_path):
    options = ["--kind", "mixture", "--preset", "tiny", "--steps", 20, "--no-picture"]
    result = run("noise", "fit", noisy, "-o", tmp_path / "a.json", *options)
    assert result.code == 0
    assert "a denoiser is trained first" in result.said
    assert "No clean images were given" in result.shown
    assert load_noise_model(tmp_path / "a.json").kind == "mixture"


def test_fit_takes_the_estimate_of_a_denoiser_that_is_trained_already(denoiser, crops, tmp_path):
    denoiser.save(tmp_path / "model.ladder")
    tifffile.imwrite(tmp_path / "crop.tif", crops[0])
    given = ["--denoiser", tmp_path / "model.ladder", "--kind", "histogram"]
    result = run("noise", "fit", tmp_path / "crop.tif", "-o", tmp_path / "a.json", *given)
    assert result.code == 0
    assert "given denoiser" in result.shown


def test_fit_refuses_outputs_that_exist_and_replaces_them_when_told(noisy, tmp_path):
    (tmp_path / "a.png").write_text("mine")
    result = run("noise", "fit", noisy, "-o", tmp_path / "a.json")
    assert result.code == 1
    assert "a.png already exists: give --overwrite" in result.said
    assert (tmp_path / "a.png").read_text() == "mine"
    assert not (tmp_path / "a.json").exists()
    assert run("noise", "fit", noisy, "-o", tmp_path / "a.json", "--overwrite").code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "noise.txt"], "is a .json or .npz file"),
        (["-o", "noise.npz"], "write noise.json"),
        (["-o", "noise.json", "--axes", "TYX"], 'axes "TYX" names 3 dimensions'),
        (["-o", "noise.json", "--signal", "missing.tif"], "missing.tif: there is no such file"),
        (["-o", "noise.json", "--repeats", "T"], 'repeats="T" is none of the axes'),
        (["-o", "noise.json", "--offset", "1", "--offset", "2"], "2 given for 1 channels"),
        (["-o", "noise.json", "--denoiser", "missing.ladder"], "missing.ladder"),
    ],
)
def test_fit_says_mistakes_in_plain_words(noisy, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = run("noise", "fit", noisy, *arguments)
    assert result.code == 1
    assert said in result.said
    assert sorted(tmp_path.iterdir()) == before


def scene_that(change):
    """Give six repeats of a scene that is not still."""
    return np.stack([observed(change(SIGNAL, at), at) for at in range(6)])


BAD = {
    "small.tif": observed(SIGNAL)[:30, :30],
    "short.tif": SIGNAL[:-1],
    "flat.tif": np.full(SIGNAL.shape, 160.0),
    "holes.tif": np.where(SIGNAL > 300, np.nan, SIGNAL),
    "bleaching.tif": scene_that(lambda signal, at: 100 + (signal - 100) * 0.97**at),
    "moving.tif": scene_that(lambda signal, at: np.roll(signal, at, axis=0)),
    "copied.tif": np.stack([observed(SIGNAL, seed) for seed in (0, 1, 2, 1)]),
    "light.tif": observed(SIGNAL + 50),
    "shifted.tif": np.random.default_rng(5).normal(160, 3, (64, 64)),
}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["noisy.tif", "--signal", "short.tif"], "give both the same shape"),
        (["noisy.tif", "--signal", "flat.tif"], "the signal is 160 everywhere"),
        (["noisy.tif", "--signal", "flat.tif", "--kind", "histogram"], 'fit the kind "gaussian"'),
        (["noisy.tif", "--signal", "holes.tif"], "holes.tif: 4565 of 65536 pixels are NaN"),
        (["holes.tif"], "holes.tif: 4565 of 65536 pixels are NaN"),
        (["flat.tif"], "constant, too small or clipped"),
        (["small.tif"], "only 900 distinct pixels"),
        (["small.tif", "small.tif"], "only 900 distinct pixels"),
        (["bleaching.tif", "--repeats", "T"], "bleaching"),
        (["moving.tif", "--repeats", "T"], "displaced"),
        (["copied.tif", "--repeats", "T"], "repeats 2 and 4 are identical"),
        (["noisy.tif", "--dark", "light.tif"], "the dark frame is not dark: its neighbouring"),
        (["noisy.tif", "--dark", "shifted.tif"], "the dark frame is not dark: 160"),
        (["noisy.tif", "--offset", "160"], "the offset is not dark: 160"),
    ],
)
def test_images_that_no_noise_can_be_measured_in_are_refused(
    noisy, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    for name in {*arguments} & {*BAD}:
        pixels = BAD[name]
        pixels = pixels if pixels.dtype.kind == "u" else pixels.astype(np.float32)
        about = {"metadata": {"axes": "TYX"[-pixels.ndim :]}, "photometric": "minisblack"}
        tifffile.imwrite(tmp_path / name, pixels, **about)
    result = run("noise", "fit", *arguments, "-o", "a.json")
    assert (result.code, result.shown) == (1, "")
    assert said in result.said
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"min_sigma": None}, "lacks min_sigma"),
        ({"trained_weight": np.full((3, 2), np.nan)}, "finite numbers"),
    ],
)
def test_a_damaged_npz_is_refused_wherever_it_is_given(noisy, tmp_path, change, said):
    path = tmp_path / "noise.npz"
    MIXTURE.save(path)
    with np.load(path) as archive:
        entries = {key: value for key, value in ({**archive} | change).items() if value is not None}
    np.savez(path, **entries)
    for command in (
        ["noise", "show", path],
        ["noise", "check", noisy, "--noise", path],
        ["denoise", noisy, "-o", tmp_path / "out", "--noise", path],
    ):
        result = run(*command)
        assert (result.code, said in result.said) == (1, True)


def test_eight_bit_sums_do_not_overflow(tmp_path):
    light = np.clip(observed(SIGNAL) / 2.0, 0, 255).round()
    for kind, name in ((np.uint8, "a"), (np.float32, "b")):
        tifffile.imwrite(tmp_path / f"{name}.tif", light.astype(kind))
        out = tmp_path / f"{name}.json"
        assert run("noise", "fit", tmp_path / f"{name}.tif", "-o", out).code == 0
    one, other = (load_noise_model(tmp_path / f"{name}.json") for name in "ab")
    assert one == other


def test_an_npz_of_two_channels_is_refused_before_anything_is_fitted(of_two_channels, tmp_path):
    result = run("noise", "fit", of_two_channels, "--kind", "mixture", "-o", tmp_path / "a.npz")
    assert result.code == 1
    assert "2 channels" in result.said
    assert "trained" not in result.said


def test_the_images_are_not_overwritten_by_a_picture_of_their_name(tmp_path):
    path = tmp_path / "a.png"
    tifffile.imwrite(path, observed(SIGNAL))
    result = run("noise", "fit", path, "-o", tmp_path / "a.json", "--overwrite")
    assert result.code == 1
    assert "is an input" in result.said


# -- show


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Gaussian(3.0), ["standard deviation 3", "0: standard deviation 3"]),
        (
            PoissonGaussian.from_camera(2.0, 100.0, 3.0),
            ["variance = 2 × signal − 191, at least 9", "100: standard deviation 3", "300: "],
        ),
        (MIXTURE, ["mixture of 1 component", "from 10 to 200", "200: standard deviation"]),
        (HISTOGRAM, ["A histogram", "at 2 signals from 50 to 90", "90: standard deviation"]),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_show_says_the_numbers_of_every_kind(tmp_path, model, said):
    save_noise_model(model, tmp_path / "noise.json")
    result = run("noise", "show", tmp_path / "noise.json")
    assert result.code == 0
    for words in said:
        assert words in result.shown
    assert [path.name for path in tmp_path.iterdir()] == ["noise.json"]


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")]
)
def test_show_draws_the_picture_that_its_name_asks_for(tmp_path, name, start):
    save_noise_model([MIXTURE, Gaussian(3.0)], tmp_path / "noise.json")
    result = run("noise", "show", tmp_path / "noise.json", "-o", tmp_path / name)
    assert result.code == 0
    assert "channel 2: Gaussian noise" in result.shown
    assert (tmp_path / name).read_bytes().startswith(start)
    again = run("noise", "show", tmp_path / "noise.json", "-o", tmp_path / name)
    assert (again.code, "already exists" in again.said) == (1, True)


def test_show_takes_the_signals_that_are_asked_for(tmp_path):
    save_noise_model(PoissonGaussian(2.0, 9.0), tmp_path / "noise.json")
    result = run("noise", "show", tmp_path / "noise.json", "--signals", 20, 100)
    assert "signal 20: standard deviation 7 grey levels signal 40" in result.shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.json"], "missing.json: there is no such file"),
        (["noise.json", "-o", "a.jpg"], "a picture is a .png, .svg or .pdf"),
        (["noise.json", "--signals", "5", "5"], "a brighter one"),
        (["noise.json", "--signals", "0", "1e308"], "1e+15"),
        (["other.json"], "other.json"),
    ],
)
def test_show_says_mistakes_in_plain_words(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    save_noise_model(Gaussian(3.0), "noise.json")
    (tmp_path / "other.json").write_text("[]")
    result = run("noise", "show", *arguments)
    assert result.code == 1
    assert said in result.said


# -- check


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        ("auto", "about right"),
        ("poisson-gaussian:2,100,3", "about right"),
        ("gaussian:1", "too weak"),
        ("gaussian:200", "too strong"),
    ],
)
def test_check_says_whether_the_noise_suits_the_image(noisy, noise, words):
    result = run("noise", "check", noisy, "--noise", noise)
    assert result.code == 0
    assert words in result.shown
    assert str(noisy) in result.shown


def test_check_warns_of_what_the_chosen_model_does_not_describe(noisy):
    warning = "warning photon-counting was asked for, but the images do not show it"
    assert warning in run("noise", "check", noisy, "--noise", "photon-counting").shown
    assert "warning" not in run("noise", "check", noisy, "--noise", "poisson-gaussian").shown


def test_check_holds_no_more_planes_than_are_checked(noisy, tmp_path, monkeypatch):
    film = np.broadcast_to(tifffile.imread(noisy)[:64, :64], (40, 64, 64))
    tifffile.imwrite(tmp_path / "film.tif", film, metadata={"axes": "TYX"})
    held = []
    monkeypatch.setattr(
        choice, "choose", lambda planes, asked, stacks: held.append(planes) or CHOSEN
    )
    run("noise", "check", tmp_path / "film.tif")
    assert [len(planes) for planes in held] == [20]


def test_check_names_the_axis_along_which_planes_are_correlated(tmp_path):
    white = np.random.default_rng(0).normal(100.0, 6.0, (6, 64, 64)).astype(np.float32)
    stack = (white[1:] + white[:-1]) / 2
    tifffile.imwrite(tmp_path / "stack.tif", stack, metadata={"axes": "ZYX"})
    given = run("noise", "check", tmp_path / "stack.tif", "--noise", "gaussian:4.24")
    assert "correlated along Z" in given.shown and given.code == 0
    found = run("noise", "check", tmp_path / "stack.tif")
    assert "along z" in found.shown and "correlated along Z" not in found.shown


def test_check_takes_a_file_of_a_model_for_each_channel(of_two_channels, tmp_path):
    models = [PoissonGaussian.from_camera(gain, 100.0, 3.0) for gain in (2.0, 8.0)]
    save_noise_model(models, tmp_path / "right.json")
    save_noise_model(models[::-1], tmp_path / "wrong.json")
    right = run("noise", "check", of_two_channels, "--noise", tmp_path / "right.json")
    wrong = run("noise", "check", of_two_channels, "--noise", tmp_path / "wrong.json")
    assert (right.shown.count("about right"), right.code) == (2, 0)
    assert "DAPI: The noise is too strong" in wrong.shown
    assert "GFP: The noise is too weak" in wrong.shown
    one = run("noise", "check", of_two_channels, "--noise", "gaussian:1", "--noise", "auto")
    assert "DAPI: The noise is too weak" in one.shown
    assert "GFP: The noise is about right" in one.shown


def test_check_goes_on_after_a_file_that_cannot_be_checked(noisy, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8))
    result = run("noise", "check", tmp_path)
    assert result.code == 1
    assert "a.tif" in result.said
    assert "about right" in result.shown


def test_check_refuses_another_number_of_models_than_channels(noisy):
    result = run("noise", "check", noisy, "--noise", "auto", "--noise", "auto")
    assert result.code == 1
    assert "noisy.tif: 2 noise models are given for 1 channel" in result.said


# -- elsewhere


@pytest.mark.parametrize("command", [["noise", "fit"], ["noise", "check"], ["check"]], ids=" ".join)
def test_what_is_left_out_of_the_noise_is_reported(tmp_path, command):
    pixels = observed(SIGNAL)
    pixels[20, 90], pixels[:, :40] = 65535, 0
    for name in "abcdefg" if "fit" in command else "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels)
    out = ["-o", tmp_path / "noise.json"] if "fit" in command else []
    result = run(*command, tmp_path, *out)
    assert result.code == 0
    assert "a.tif: 16 % of the pixels are padding" in result.shown
    assert ("b.tif: 16 %" in result.shown) == ("fit" not in command)
    assert ("6 other images: b.tif, c.tif, d.tif and 3 more" in result.shown) == ("fit" in command)


def test_a_fitted_model_denoises(noisy, clean, tmp_path):
    out = tmp_path / "noise.json"
    assert run("noise", "fit", noisy, "--signal", clean, "--kind", "histogram", "-o", out).code == 0
    part = tmp_path / "part.tif"
    tifffile.imwrite(part, tifffile.imread(noisy)[:96, :96])
    quick = ["--preset", "tiny", "--steps", 4, "--samples", 0]
    result = run("denoise", part, "-o", tmp_path / "out", "--noise", out, *quick)
    assert result.code == 0
    assert read_model(tmp_path / "out" / "model.ladder").noise_models == (load_noise_model(out),)
