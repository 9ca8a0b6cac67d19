"""Files that earlier versions wrote open, and predict what they predicted then."""

from pathlib import Path

import numpy as np
import pytest

from ladderscope import LadderscopeError, load

FIXTURES = Path(__file__).parent / "fixtures"
OF_FORMAT_2 = sorted(path.stem for path in (FIXTURES / "format_2").glob("*.ladder"))


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """Leave bfloat16 out, where the processor has it."""
    monkeypatch.setattr("ladderscope.models.predictor.fast_type", lambda device: None)


@pytest.mark.parametrize("name", ["denoiser", "splitter", "from_careamics"])
def test_a_file_of_format_1_predicts_as_it_did(name, tmp_path):
    y, x = np.mgrid[:40, :44]
    image = (200 + 60 * np.sin(x / 4) + 30 * np.cos(y / 3)).astype(np.float32)
    restorer = load(FIXTURES / f"{name}.ladder", device="cpu")
    with np.load(FIXTURES / "predicted.npz") as expected:
        np.testing.assert_allclose(
            restorer.predict(image, samples=0).mean, expected[name], rtol=1e-3
        )
    again = load(restorer.save(tmp_path / "again.ladder"), device="cpu")
    assert again.model.created == restorer.model.created
    assert again.model.notices == restorer.model.notices


@pytest.mark.parametrize("name", OF_FORMAT_2)
def test_a_file_of_format_2_predicts_as_it_did_and_so_does_its_copy(name, tmp_path):
    restorer = load(FIXTURES / "format_2" / f"{name}.ladder", device="cpu")
    copy = load(restorer.save(tmp_path / "copy.ladder"), device="cpu")
    with np.load(FIXTURES / "format_2" / "predicted.npz") as stored:
        image, axes = stored["image"], "ZYX"
        expected = {what: stored[f"{name}/{what}"] for what in ("mean", "sampled", "spread")}
    if restorer.settings.dimensions == 2:
        image, axes = image[0], "YX"
    if restorer.model.axes == "CYX":
        image, axes = np.stack([image, 3 * image + 50]), "CYX"
    for opened in (restorer, copy):
        draws = opened.sample(image, axes, n=2, seed=7)
        found = {
            "mean": opened.predict(image, axes, samples=0).mean,
            "sampled": draws.mean(axis=0),
            "spread": draws.std(axis=0, ddof=1),
        }
        for what, pixels in found.items():
            np.testing.assert_allclose(pixels, expected[what], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("name", ["denoiser", "splitter_microsplit"])
def test_a_file_from_before_the_variance_head_has_no_error_bar_in_a_single_pass(name):
    restorer = load(FIXTURES / "format_2" / f"{name}.ladder", device="cpu")
    y, x = np.mgrid[:40, :44]
    image = (200 + 60 * np.sin(x / 4) + 30 * np.cos(y / 3)).astype(np.float32)
    single = restorer.predict(image, samples=0)
    assert np.isfinite(single.mean).all()
    assert single.std is None
    with pytest.raises(LadderscopeError, match="samples"):
        single.interval(0.9)
    assert restorer.predict(image, samples=2).std.min() > 0
