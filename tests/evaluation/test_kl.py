"""Collapse is found, what to change is said, and the change mends it."""

from dataclasses import replace

import pytest

from ladderscope import Denoiser, load
from ladderscope.evaluation import kl_report
from ladderscope.noise import PoissonGaussian

CAMERA = PoissonGaussian(gain=2.0, intercept=9.0)


def test_collapse_is_found_and_the_advice_mends_it(crops, tmp_path):
    given = {"free_bits": 0.0, "kl_weight": 1000.0, "steps": 60}
    collapsed = Denoiser("tiny", noise=CAMERA, **given).fit(crops[0], progress=False)
    found = kl_report(collapsed.model)
    assert {level.use for level in found.levels} == {"collapsed"}
    assert found.setting == "kl_weight" and "kl_weight" in found.advice[0]

    given[found.setting] = found.value
    mended = Denoiser("tiny", noise=CAMERA, **given).fit(crops[0], progress=False)
    after = kl_report(mended.model)
    assert after.levels[0].use == "in use" and after.levels[0].active > 0
    assert after.levels[0].nats_per_patch > 100 * found.levels[0].nats_per_patch

    opened = load(mended.save(tmp_path / "mended.ladder"))
    assert kl_report(opened.model) == after


def test_levels_are_judged_by_what_they_carry(denoiser):
    model = denoiser.model
    last = model.outcome.history[-1]
    outcome = replace(
        model.outcome,
        history=(last, replace(last, level_kl=(40.0, 1.02))),
        active_channels=(3, 1),
    )
    found = kl_report(replace(model, outcome=outcome))
    assert [level.use for level in found.levels] == ["in use", "on the free-bits floor"]
    assert found.levels[0].nats_per_pixel[-1] == pytest.approx(40.0 / model.settings.patch**2)
    assert len(found.levels[0].nats_per_pixel) == 2
    assert (found.setting, found.value) == ("free_bits", 4.0)
    assert "Level 2" in found.advice[0] and "3 of 4 channels active" in found.summary()
    idle = replace(outcome, active_channels=(0, 1))
    assert kl_report(replace(model, outcome=idle)).levels[0].use == "collapsed"


def test_a_model_of_an_earlier_version_has_no_active_channels(denoiser):
    model = denoiser.model
    outcome = replace(model.outcome, active_channels=None)
    found = kl_report(replace(model, outcome=outcome))
    assert [level.active for level in found.levels] == [None, None]
    assert kl_report(replace(model, outcome=replace(outcome, history=()))).levels == ()
