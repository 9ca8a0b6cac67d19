"""A noise fit goes into a model file and comes back; a damaged one is refused."""

import json
import math

import numpy as np
import pytest

from ladderscope.models.noise_entry import FitEntry, fit_of
from ladderscope.noise import NoiseError
from ladderscope.noise_estimation import measure_noise

KINDS = ("poisson_gaussian", "gaussian", "photon_counting", "mixture", "histogram")
RNG = np.random.default_rng(0)
SIGNAL = np.mgrid[:96, :96][1] + 50.0
NOISY = 100 + 2.0 * RNG.poisson(SIGNAL / 2)


def fitted(kind="poisson_gaussian", **known):
    return measure_noise(NOISY, SIGNAL + 100, kind, **known)


def read(entries):
    return fit_of(FitEntry.model_validate_json(json.dumps(entries), strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("known", [{}, {"offset": 100}], ids=str)
def test_every_fit_comes_back(kind, known):
    fit = fitted(kind, **known)
    back = read(fit.to_dict())
    assert back.to_dict() == fit.to_dict()
    assert back.model == fit.model
    assert back.summary() == fit.summary()


def test_a_fit_of_an_earlier_version_is_read():
    entries = fitted().to_dict()
    for key in ("offset", "read_noise", "notices", "advantage", "advantage_error"):
        del entries[key]
    intervals = entries.pop("intervals")
    fit = read(entries | {f"{name}_interval": found for name, found in intervals.items()})
    assert fit.intervals == fitted().intervals
    assert (fit.offset, fit.read_noise, fit.notices) == (None, None, ())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", None),
        ("gain_interval", [1.0]),
        ("intervals", {"gain": [1.0]}),
        ("advantage", "large"),
        ("bin_signals", [1.0, math.nan]),
        ("bin_variances", [1.0]),
        ("bin_counts", "many"),
        ("signal_range", None),
        ("clipped_share", None),
        ("notices", "one"),
        ("notices", [1]),
        ("offset", "x"),
    ],
)
def test_a_damaged_fit_is_refused(key, value):
    with pytest.raises(ValueError, match=key):
        read(fitted().to_dict() | {key: value})


def test_a_fit_of_a_damaged_noise_model_is_refused():
    with pytest.raises(NoiseError):
        read(fitted().to_dict() | {"model": {"kind": "poisson_gaussian"}})
