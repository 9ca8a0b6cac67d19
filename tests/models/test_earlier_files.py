"""Files that earlier versions wrote open, and predict what they predicted then."""

from pathlib import Path

import numpy as np
import pytest

from ladderscope import load

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("name", ["denoiser", "splitter", "from_careamics"])
def test_a_file_of_format_1_predicts_as_it_did(name, tmp_path, monkeypatch):
    monkeypatch.setattr("ladderscope.models.restorer.fast_type", lambda device: None)
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
