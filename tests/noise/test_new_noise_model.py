"""A noise model is one class and one entry of the registry: no other part knows its name."""

import json
import math
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from ladderscope import Denoiser, load
from ladderscope.cli import app, options
from ladderscope.errors import LadderscopeError
from ladderscope.models.spelled_noise import parse_noise
from ladderscope.noise import NoiseError, NoiseModel, load_noise_model, noise_model_from_dict
from ladderscope.noise.registry import KINDS, Kind, Spelling, usage
from ladderscope.report import noise_in_words, noise_model_figure
from ladderscope.report.noise_figures import shown_range

# The one file. ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Laplace(NoiseModel):
    """Noise with heavy tails: the density of y − s is exp(−|y − s| / scale) / (2 scale)."""

    scale: float

    kind: ClassVar[str] = "laplace"

    def __post_init__(self) -> None:
        if not 1e-15 < self.scale < 1e15:
            raise NoiseError(f"scale must be a number from 1e-15 to 1e15, not {self.scale}")

    @classmethod
    def of_deviation(cls, deviation: float) -> "Laplace":
        return cls(deviation / math.sqrt(2))

    def log_likelihood(self, observation: Tensor, signal: Tensor) -> Tensor:
        return -(observation - signal).abs() / self.scale - math.log(2 * self.scale)

    def sample(self, signal: Tensor, generator: torch.Generator | None = None) -> Tensor:
        chance = torch.rand((2, *signal.shape), generator=generator, dtype=signal.dtype)
        return signal + self.scale * (chance[0].log() - chance[1].log())

    def moments(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        return signal, torch.full_like(signal, 2 * self.scale**2)

    def summary(self) -> str:
        return f"Laplace noise of scale {self.scale:.4g}."


# The one registration. ----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    spellings = (
        Spelling("laplace", "SCALE", "2.5"),
        Spelling("laplace-deviation", "DEVIATION", "3.5", maker="of_deviation"),
    )
    monkeypatch.setitem(KINDS, "laplace", Kind(__name__, "Laplace", spellings))


# All that follows. --------------------------------------------------------------------------------


def test_its_description_comes_back_and_a_damaged_one_is_refused() -> None:
    model = Laplace(2.5)
    assert model.to_dict() == {"kind": "laplace", "scale": 2.5}
    assert noise_model_from_dict(json.loads(json.dumps(model.to_dict()))) == model
    for entries, fact in [({}, "lacks 'scale'"), ({"scale": "x"}, "'scale'"), ({"scale": 0}, "0")]:
        with pytest.raises(NoiseError, match=fact):
            noise_model_from_dict({"kind": "laplace"} | entries)


def test_it_comes_back_from_a_file(tmp_path: Path) -> None:
    Laplace(2.5).save(tmp_path / "noise.json")
    assert load_noise_model(tmp_path / "noise.json") == Laplace(2.5)
    assert Laplace.load(tmp_path / "noise.json") == Laplace(2.5)


def test_the_command_line_reads_all_its_spellings_and_names_them() -> None:
    assert parse_noise("laplace:2.5") == Laplace(2.5)
    assert parse_noise("laplace-deviation:2") == Laplace.of_deviation(2)
    with pytest.raises(LadderscopeError, match=r"laplace:SCALE such as laplace:2\.5"):
        parse_noise("laplace:1,2")


def test_help_names_its_spellings() -> None:
    assert {"laplace:SCALE", "laplace-deviation:DEVIATION"} <= set(usage().split("; "))
    fresh = runpy.run_path(options.__file__)
    assert usage() in fresh["Noise"].__metadata__[0].help


def test_it_is_drawn_and_described(tmp_path: Path) -> None:
    assert noise_model_figure(Laplace(2.5)).startswith(b"\x89PNG")
    assert shown_range(Laplace(2.5)) == pytest.approx((0, 25 * math.sqrt(2)))
    assert noise_in_words(Laplace(2.5)) == "Given: Laplace noise of scale 2.5."
    assert "Laplace noise of scale 2.5; its standard deviation is 3.54" in Laplace(2.5).fit_summary(
        (0.0, 9.0), {}
    )


def test_images_are_checked_against_it() -> None:
    noisy = Laplace(4.0).sample(torch.full((128, 128), 100.0), torch.Generator().manual_seed(0))
    assert "about right" in Laplace(4.0).check(noisy.numpy()).summary()


def test_a_denoiser_trains_with_it_and_its_file_keeps_it(tmp_path: Path) -> None:
    signal = 100 * np.random.default_rng(0).random((64, 64))
    noisy = Laplace(4.0).sample(torch.from_numpy(signal), torch.Generator().manual_seed(0))
    denoiser = Denoiser("tiny", noise=Laplace(4.0), steps=3)
    denoiser.fit(noisy.numpy().astype(np.float32), progress=False)
    path = denoiser.save(tmp_path / "laplace.ladder")
    assert load(path).model.noise_models == (Laplace(4.0),)
    assert np.isfinite(load(path).predict(noisy.numpy(), samples=0, progress=False).mean).all()
    said = CliRunner().invoke(app, ["info", str(path)])
    assert "Laplace noise of scale 4" in said.output
