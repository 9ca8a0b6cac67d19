"""A fit is one function and one entry of the table: no other part knows its kind."""

import runpy

import numpy as np
import pytest
from numpy.typing import NDArray

import ladderscope
from ladderscope.cli import noise as command
from ladderscope.noise import Gaussian, NoiseError
from ladderscope.noise_estimation import measure_noise
from ladderscope.noise_estimation.evidence import Pairs
from ladderscope.noise_estimation.kinds import FITTABLE, Fittable, with_signal, without_signal

# The one file. ------------------------------------------------------------------------------------


def fit_robust(pairs: Pairs) -> Gaussian:
    """Fit Gaussian noise whose standard deviation is that of the least noisy bin."""
    return Gaussian(float(pairs.variances.min()) ** 0.5)


# The one registration. ----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    robust = Fittable(__name__, "fit_robust", needs_signal=True, of_shape=True)
    monkeypatch.setitem(FITTABLE, "robust", robust)


# All that follows. --------------------------------------------------------------------------------


def pair() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    signal = np.mgrid[:128, :128][1] + 100.0
    return signal + np.random.default_rng(0).normal(0, 3, signal.shape), signal


def test_it_is_fitted_to_pairs_and_repeats() -> None:
    noisy, signal = pair()
    fit = measure_noise(noisy, signal, "robust")
    assert fit.model.sigma == pytest.approx(3, rel=0.2)
    assert (fit.gain_interval, fit.intercept_interval) == (None, None)
    repeats = signal + np.random.default_rng(1).normal(0, 3, (4, *signal.shape))
    fit = measure_noise(repeats, kind="robust", axes="TYX", repeats="T", offset=90.0)
    assert fit.model.sigma == pytest.approx(3, rel=0.2)
    assert fit.read_noise == pytest.approx(3, rel=0.2)


def test_what_it_needs_is_checked() -> None:
    noisy, signal = pair()
    with pytest.raises(NoiseError, match=r"robust .*poisson_gaussian, gaussian, photon_counting$"):
        measure_noise(noisy, kind="robust")
    with pytest.raises(NoiseError, match=r"robust .*at least 3 repeats"):
        measure_noise(np.stack([noisy, noisy + 1]), kind="robust", axes="TYX", repeats="T")
    with pytest.raises(NoiseError, match=r"range of signals.*\"gaussian\""):
        measure_noise(noisy - signal, np.zeros(signal.shape), "robust")


def test_the_command_line_offers_it() -> None:
    assert command.kind_of("robust") == "robust"
    fresh = runpy.run_path(command.__file__)
    option = fresh["fit"].__annotations__["kind"].__metadata__[0]
    kinds = "poisson-gaussian|gaussian|photon-counting|mixture|histogram|robust"
    assert option.metavar == f"{kinds}|auto|correlated-gaussian|correlated-poisson-gaussian"
    assert "robust" in option.help


def test_each_kind_either_needs_a_signal_or_not() -> None:
    assert [*without_signal(), *with_signal()] == [*FITTABLE]


def test_the_public_docstring_names_every_kind_that_there_is() -> None:
    kinds = [kind for kind in FITTABLE if kind != "robust"]
    assert all(f'"{kind}"' in str(ladderscope.measure_noise.__doc__) for kind in kinds)
