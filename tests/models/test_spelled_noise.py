"""Noise models are read as users write them, and what they cannot be is refused in words."""

import pytest

from ladderscope.errors import LadderscopeError
from ladderscope.models.spelled_noise import parse_noise
from ladderscope.noise import Gaussian, GaussianMixture, PoissonGaussian, save_noise_model

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
