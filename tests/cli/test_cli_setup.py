"""Options and YAML files become settings, and mistakes in them are said before any work."""

import pytest

from ladderscope.cli.options import Training
from ladderscope.cli.setup import make_restorer, parse_noise, read_config
from ladderscope.errors import LadderscopeError
from ladderscope.models import Denoiser, Splitter
from ladderscope.noise import (
    Gaussian,
    GaussianMixture,
    PoissonGaussian,
    save_noise_model,
)

MIXTURE = GaussianMixture([[0.0, 0.0], [2.0, 3.0], [0.0, 0.0]], 10.0, 200.0, 0.5)


def test_noise_is_written_as_its_name_and_numbers():
    assert parse_noise("auto") == "auto"
    assert parse_noise("gaussian:2.5") == Gaussian(2.5)
    assert parse_noise("poisson-gaussian:2,100,3") == PoissonGaussian.from_camera(2.0, 100.0, 3.0)
    assert parse_noise("gaussian") == "gaussian"
    assert parse_noise(["poisson-gaussian", "auto"]) == ["poisson_gaussian", "auto"]
    assert parse_noise(["auto", "gaussian:1"]) == ["auto", Gaussian(1.0)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gauss:3",
        "gaussian-poisson",
        "gaussian:x",
        "gaussian:-1",
        "auto:3",
        "poisson-gaussian:2",
        "no such file.json",
        "no such file.npz",
        ".json",
    ],
)
def test_noise_written_otherwise_is_refused(text):
    with pytest.raises(LadderscopeError):
        parse_noise(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gaussian:-1", "-1"),
        ("poisson-gaussian:-2,100,3", "gain.*-2"),
        ("poisson-gaussian:2,100,-3", "read noise.*-3"),
        ("photon-counting:-16,3,1,4", "gain.*-16"),
        ("photon-counting:16,3,1,-4", "shape.*-4"),
        ("photon-counting:16,3,-1,4", "read_noise.*-1"),
        ("emccd:0,100,4", "gain.* 0"),
        ("camera:nan,100,4", "nan"),
    ],
)
def test_numbers_that_cannot_be_are_refused_by_name(text, found):
    with pytest.raises(LadderscopeError, match=f"{found}(.|$)"):
        parse_noise(text)


def test_noise_may_be_a_file_of_one_model_or_of_one_a_channel(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "TWO.JSON"
    save_noise_model(MIXTURE, one)
    save_noise_model([Gaussian(1.0), PoissonGaussian(2.0, 9.0)], two)
    save_noise_model(MIXTURE, tmp_path / "mixture.npz")
    assert parse_noise(str(one)) == parse_noise(str(tmp_path / "mixture.npz")) == MIXTURE
    assert parse_noise(str(two)) == [Gaussian(1.0), PoissonGaussian(2.0, 9.0)]
    assert parse_noise([str(one), "auto", str(one)]) == [MIXTURE, "auto", MIXTURE]


def test_a_file_of_something_else_is_refused_by_its_name(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(LadderscopeError, match=r"other\.json"):
        parse_noise(str(tmp_path / "other.json"))


def test_a_config_file_may_name_a_file_of_noise_models(config, tmp_path):
    save_noise_model(MIXTURE, tmp_path / "noise.json")
    path = config(f"preset: tiny\nnoise: {tmp_path / 'noise.json'}\n")
    assert make_restorer(Denoiser, Training(config=path))[0].noise == MIXTURE


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "run.yaml"

    def write(text):
        path.write_text(text)
        return path

    return write


def test_a_file_gives_settings_and_flags_win(config):
    path = config("preset: tiny\nfilters: 4\nminutes: 2\nnoise: gaussian:3\nseed: 5\naxes: TYX\n")
    denoiser, axes = make_restorer(Denoiser, Training(config=path, steps=7))
    assert (denoiser.settings.filters, denoiser.settings.levels) == (4, 2)
    assert (denoiser.settings.steps, denoiser.settings.minutes) == (7, None)
    assert (denoiser.noise, denoiser.seed, axes) == (Gaussian(3.0), 5, "TYX")
    assert make_restorer(Denoiser, Training(config=path, seed=0, axes="ZYX"))[0].seed == 0


def test_a_file_may_hold_the_settings_of_a_splitter_and_those_are_no_denoiser_s(config):
    path = config("preset: tiny\nmethod: musplit\nratios: [0.5, 2]\nchannels: 3\n")
    settings = make_restorer(Splitter, Training(config=path), channels=2)[0].settings
    assert (settings.method, settings.ratios, settings.channels) == ("musplit", (0.5, 2.0), 2)
    with pytest.raises(LadderscopeError, match="no setting 'method'"):
        make_restorer(Denoiser, Training(config=path))


def test_an_empty_file_changes_nothing(config):
    assert read_config(config("# nothing\n")) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("filter: 4", "there is no setting 'filter'"),
        ("- a", "one setting per line"),
        ("a: [", "is not YAML"),
        ("seed: x", "seed"),
        ("seed: true", "seed"),
        ("filters: many", "filters"),
        ("minutes: 0", "positive"),
        ("preset: huge", "preset"),
        ("{minutes: 1, steps: 1}", "one of minutes, steps or epochs"),
    ],
)
def test_mistakes_in_a_file_are_said(config, text, words):
    with pytest.raises(LadderscopeError, match=words):
        make_restorer(Denoiser, Training(config=config(text)))


def test_a_preset_does_not_go_with_a_model_to_start_from(tmp_path):
    training = Training(start_from=tmp_path / "m.ladder", preset="tiny")
    with pytest.raises(LadderscopeError, match="--preset"):
        make_restorer(Denoiser, training)


def test_options_take_the_place_of_settings_of_the_model_to_start_from(denoiser, tmp_path):
    denoiser.save(tmp_path / "m.ladder")
    training = Training(start_from=tmp_path / "m.ladder", steps=7, noise=["gaussian:3"])
    made, _ = make_restorer(Denoiser, training)
    assert made.settings.steps == 7
    assert made.settings.filters == denoiser.settings.filters
