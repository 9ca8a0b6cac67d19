"""Noise models in files: everything comes back, and what is wrong with a file is named."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladderscope.noise import (
    Gaussian,
    NoiseError,
    NoiseModel,
    PoissonGaussian,
)
from ladderscope.noise.histogram import Histogram
from ladderscope.noise.mixture import GaussianMixture
from ladderscope.noise.model import load_noise_model, save_noise_model

RNG = np.random.default_rng(0)
MIXTURE = GaussianMixture(RNG.normal(size=(9, 2)), min_signal=0.1, max_signal=99.9, min_sigma=0.3)
HISTOGRAM = Histogram(RNG.random(4).cumsum(), RNG.random(4), RNG.random((4, 7)), reach=4.5)
MODELS = [Gaussian(0.1), PoissonGaussian(1 / 3, -2.5), MIXTURE, HISTOGRAM]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)


@each_model
def test_every_kind_comes_back_from_json(model: NoiseModel, tmp_path: Path) -> None:
    model.save(tmp_path / "noise.json")
    assert load_noise_model(tmp_path / "noise.json") == model
    assert type(model).load(str(tmp_path / "noise.json")) == model


def test_a_list_comes_back_as_a_list_even_of_one(tmp_path: Path) -> None:
    for models in (MODELS, MODELS[:1]):
        save_noise_model(tuple(models), tmp_path / "noise.json")
        assert load_noise_model(tmp_path / "noise.json") == models


def test_the_json_is_plain(tmp_path: Path) -> None:
    save_noise_model(Gaussian(2.0), tmp_path / "noise.json")
    assert json.loads((tmp_path / "noise.json").read_text()) == {
        "format": "ladderscope noise model",
        "format_version": 1,
        "noise": {"kind": "gaussian", "sigma": 2.0},
    }


def test_a_mixture_comes_back_from_npz_to_the_last_digit(tmp_path: Path) -> None:
    MIXTURE.save(tmp_path / "noise.NPZ")
    assert [file.name for file in tmp_path.iterdir()] == ["noise.NPZ"]
    assert GaussianMixture.load(tmp_path / "noise.NPZ") == MIXTURE
    with np.load(tmp_path / "noise.NPZ") as archive:
        shapes = {key: archive[key].shape for key in archive}
    expected = {"trained_weight": (9, 2), "min_signal": (1,), "max_signal": (1,), "min_sigma": ()}
    assert shapes == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_npz_of_other_software_is_read(dtype: type, shape: tuple[int, ...], tmp_path: Path) -> None:
    weight = np.array([[1, 2], [3, 4], [5, 6]], dtype)
    low, high, least = (np.full(shape, value, dtype) for value in (100, 2000, 50))
    np.savez(
        tmp_path / "theirs.npz",
        trained_weight=weight,
        min_signal=low,
        max_signal=high,
        min_sigma=least,
        n_gaussian=np.array(1),
    )
    expected = GaussianMixture(weight.astype(float), 100.0, 2000.0, 50.0)
    assert load_noise_model(tmp_path / "theirs.npz") == expected


def test_a_model_that_cannot_be_saved_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    MIXTURE.save(tmp_path / "noise.npz")
    with pytest.raises(NoiseError, match=r"'mixture', not 'gaussian'.*\.json"):
        Gaussian(1.0).save(tmp_path / "noise.npz")
    with pytest.raises(NoiseError, match="'mixture', not 'mixture', 'mixture'"):
        save_noise_model([MIXTURE, MIXTURE], tmp_path / "noise.npz")
    assert load_noise_model(tmp_path / "noise.npz") == MIXTURE


def test_saving_replaces_the_whole_file(tmp_path: Path) -> None:
    HISTOGRAM.save(tmp_path / "noise.json")
    Gaussian(1.0).save(tmp_path / "noise.json")
    assert load_noise_model(tmp_path / "noise.json") == Gaussian(1.0)
    assert len(list(tmp_path.iterdir())) == 1


def test_another_kind_is_named_beside_the_one_that_was_asked_for(tmp_path: Path) -> None:
    MIXTURE.save(tmp_path / "noise.npz")
    with pytest.raises(NoiseError, match=r"kind 'mixture', not 'histogram'.*GaussianMixture\.load"):
        Histogram.load(tmp_path / "noise.npz")
    save_noise_model([MIXTURE, MIXTURE], tmp_path / "two.json")
    with pytest.raises(NoiseError, match=r"2 noise models, .*load_noise_model"):
        GaussianMixture.load(tmp_path / "two.json")


@pytest.mark.parametrize("name", ["noise.txt", "noise", "noise.json.gz"])
def test_unknown_suffixes_are_refused_both_ways(name: str, tmp_path: Path) -> None:
    with pytest.raises(NoiseError, match=r"\.json.*\.npz"):
        Gaussian(1.0).save(tmp_path / name)
    with pytest.raises(NoiseError, match=r"\.json.*\.npz"):
        load_noise_model(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_no_model_and_no_file_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(NoiseError, match="empty"):
        save_noise_model([], tmp_path / "noise.json")
    with pytest.raises(NoiseError, match=r"absent\.npz: there is no such file"):
        load_noise_model(tmp_path / "absent.npz")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(NoiseError, match=r"folder\.json: is a folder"):
        load_noise_model(tmp_path / "folder.json")


GOOD: dict[str, Any] = {
    "trained_weight": np.zeros((6, 2)),
    "min_signal": np.zeros(1),
    "max_signal": np.ones(1),
    "min_sigma": np.array(2.0),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trained_weight": None}, "lacks trained_weight; .* and this one max_signal, min_sigma"),
        ({"min_sigma": None, "min_signal": None}, "lacks min_signal, min_sigma"),
        ({"trained_weight": np.full((6, 2), np.nan)}, "'trained_weight'.* finite"),
        ({"min_signal": np.array([np.nan])}, "'min_signal'.* finite"),
        ({"max_signal": np.array("high")}, "'max_signal'.* finite"),
        ({"trained_weight": np.zeros((5, 2))}, r"3·K rows .* \(5, 2\)"),
        ({"trained_weight": np.zeros(6)}, r"3·K rows .* \(6,\)"),
        ({"max_signal": np.zeros(2)}, r"max_signal must be one number, .* \(2,\)"),
        ({"max_signal": np.zeros(1)}, "from 0.0 to 0.0"),
        ({"min_sigma": np.array(0.0)}, "min_sigma"),
    ],
    ids=lambda value: None if isinstance(value, str) else ",".join(value),
)
def test_wrong_entries_of_an_npz_are_named(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    entries = {key: value for key, value in (GOOD | change).items() if value is not None}
    np.savez(tmp_path / "noise.npz", **entries)
    with pytest.raises(NoiseError, match=rf"noise\.npz: .*{message}"):
        load_noise_model(tmp_path / "noise.npz")


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_pickled_content_is_refused_and_never_run(tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.savez(tmp_path / "noise.npz", **(GOOD | {"min_sigma": trap}))
    with pytest.raises(NoiseError, match=r"Pickled content is never\s+opened"):
        load_noise_model(tmp_path / "noise.npz")
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", **GOOD)
    np.save(tmp_path / "array.npy", np.zeros(3))
    whole = (tmp_path / "whole.npz").read_bytes()
    damaged = whole[:200] + 50 * b"x" + whole[250:]
    array = (tmp_path / "array.npy").read_bytes()
    for content in (b"", b"not a zip", whole[: len(whole) // 2], damaged, array):
        (tmp_path / "noise.npz").write_bytes(content)
        with pytest.raises(NoiseError, match=r"noise\.npz: not an \.npz of plain numbers"):
            load_noise_model(tmp_path / "noise.npz")


HEAD = '{"format": "ladderscope noise model", "format_version": 1'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON file"),
        ("{", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ("[]", "not of a noise model"),
        ('{"kind": "gaussian", "sigma": 1.0}', "not of a noise model"),
        ('{"format": "ladderscope noise model"}', "format version nothing"),
        ('{"format": "ladderscope noise model", "format_version": 2}', "version 2.*Update"),
        (HEAD + "}", "no noise model"),
        (HEAD + ', "noise": []}', "no noise model"),
        (HEAD + ', "noise": {}}', "unknown kind"),
        (HEAD + ', "noise": 3}', "no noise model"),
        (HEAD + ', "noise": {"kind": "gaussian", "sigma": NaN}}', "finite"),
        (HEAD + ', "noise": {"kind": "gaussian"}}', "lacks 'sigma'"),
    ],
)
def test_wrong_json_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "noise.json").write_text(text)
    with pytest.raises(NoiseError, match=rf"noise\.json: .*{message}"):
        load_noise_model(tmp_path / "noise.json")


def test_bytes_that_are_no_text_are_no_json(tmp_path: Path) -> None:
    (tmp_path / "noise.json").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(NoiseError, match="not a JSON file"):
        load_noise_model(tmp_path / "noise.json")
