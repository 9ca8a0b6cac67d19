"""The noise of each channel is taken or measured, and what is wrong with it is said."""

import logging

import numpy as np
import pytest

from ladderscope.data import Field
from ladderscope.errors import LadderscopeError
from ladderscope.models.channel_noise import channel_noise, check_noise
from ladderscope.models.noise_entry import NoiseEntry
from ladderscope.models.notices import Notices
from ladderscope.noise import Coloured, Gaussian

SIGNAL = 40.0 * np.linspace(0, 5, 192) * np.ones((192, 1))


def camera(seed=0, offset=100):
    rng = np.random.default_rng(seed)
    noisy = 2.0 * rng.poisson(SIGNAL / 2.0) + offset + rng.normal(0, 3, SIGNAL.shape)
    return noisy.round().astype(np.uint16)


def found(noise, *images, structured=False):
    notice = Notices()
    fields = [[Field(pixels, image=number) for number, pixels in enumerate(images)]]
    files = [[f"{letter}.tif" for letter in "abcdefgh"[: len(images)]]]
    models, choices = channel_noise(noise, fields, ["GFP"], files, notice, structured=structured)
    return models[0], choices[0], notice.warnings


def test_a_choice_is_logged_with_its_reasons(caplog):
    caplog.set_level(logging.INFO, logger="ladderscope")
    model, choice, warnings = found("auto", camera())
    assert model is choice.fit.model
    assert warnings == []
    for sentence in choice.reasons:
        assert sentence in caplog.text


def test_a_given_model_is_taken():
    assert found(Gaussian(9.0), camera()) == (Gaussian(9.0), None, [])


@pytest.mark.parametrize("name", ["poisson-gaussian", "poisson_gaussian"])
def test_a_law_is_asked_for_by_name(name):
    model, choice, _ = found(name, camera())
    assert (model.kind, choice.asked) == ("poisson_gaussian", "poisson_gaussian")


@pytest.mark.parametrize("noise", ["poisson", 3.0, ["auto", "nothing"], None])
def test_other_names_are_refused_with_those_that_there_are(noise):
    with pytest.raises(LadderscopeError, match="poisson_gaussian"):
        check_noise(noise)


@pytest.mark.parametrize("noise", ["auto", Gaussian(9.0)], ids=["auto", "given"])
def test_files_whose_black_levels_differ_are_named(noise):
    (warning,) = found(noise, camera(0), camera(1, offset=112))[2]
    for part in ("black level of b.tif", "a.tif", "dark frame"):
        assert part in warning


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["day1/a.tif", "day2/a.tif"], ["level of day2/a.tif", "that of day1/a.tif"]),
        (["a", "a"], ["level of image 2 (a)", "that of image 1 (a)"]),
        (["day1/a.tif", "day2/b.tif"], ["level of b.tif", "that of a.tif"]),
    ],
)
def test_files_of_one_name_are_told_apart(files, named):
    notice = Notices()
    images = camera(0), camera(1, offset=112)
    fields = [[Field(pixels, image=number) for number, pixels in enumerate(images)]]
    channel_noise(Gaussian(9.0), fields, ["GFP"], [files], notice, structured=False)
    assert all(part in notice.warnings[0] for part in named)


def test_files_that_are_brighter_have_no_other_black_level():
    brighter = camera(1)[:, 96:]
    assert found("auto", camera()[:, :96], brighter)[2] == []


@pytest.mark.parametrize("noise", ["gaussian", Gaussian(2.1)], ids=["asked", "given"])
def test_correlated_noise_is_warned_of_unless_levels_are_blind(noise):
    white = np.random.default_rng(0).normal(0, 3, SIGNAL.shape)
    pixels = 100 + SIGNAL + (white + np.roll(white, 1, axis=1)) / 2
    assert "correlated" in found(noise, pixels)[2][0]
    assert found(noise, pixels, structured=True)[2] == []


def test_correlated_noise_that_is_given_is_described():
    white = np.random.default_rng(0).normal(0, 3, SIGNAL.shape)
    pixels = 100 + SIGNAL + (white + np.roll(white, 1, axis=1)) / 2
    assert found(Coloured(Gaussian(2.1), [[0.5, 1.0, 0.5]]), pixels)[2] == []


def test_an_entry_of_an_earlier_version_has_no_reasons():
    entry = NoiseEntry.model_validate({"model": Gaussian(3.0).to_dict(), "fit": None})
    assert (entry.asked, entry.reasons, entry.warnings) == ("auto", (), ())
