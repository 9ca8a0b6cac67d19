"""Options and YAML files become settings, and mistakes in them are said before any work."""

import pytest

from ladderscope.cli.options import Training
from ladderscope.cli.setup import make_restorer, read_config
from ladderscope.errors import LadderscopeError
from ladderscope.models import Denoiser, Splitter
from ladderscope.noise import (
    Gaussian,
    GaussianMixture,
    save_noise_model,
)

MIXTURE = GaussianMixture([[0.0, 0.0], [2.0, 3.0], [0.0, 0.0]], 10.0, 200.0, 0.5)


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
