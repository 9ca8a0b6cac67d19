"""``choose`` names the model that fits an image, from files and folders."""

import json

import pytest
import tifffile
from invoked import run

from ladderscope import Denoiser
from ladderscope.noise import Gaussian


@pytest.fixture(scope="module")
def models(tmp_path_factory, denoiser, crops):
    folder = tmp_path_factory.mktemp("my models")
    denoiser.save(folder / "dna.ladder")
    bright = Denoiser("tiny", noise=Gaussian(90.0))
    bright.fit(50 * crops[0] + 1000, steps=10, progress=False).save(folder / "bright.ladder")
    return folder


def test_the_models_of_a_folder_are_compared(models, crops, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", crops[0])
    result = run("choose", tmp_path / "a.tif", models, "--json", "-")
    (found,) = json.loads(result.printed)["summaries"]
    assert result.code == 0
    assert [("dna" in one, "nats per pixel" in one) for one in found["model"]] == [
        (True, True),
        (False, True),
    ]
    assert "dna.ladder" in found["choice"][0] or found["choice"][0].startswith("none")


def test_a_folder_without_models_and_several_images_are_refused(models, crops, tmp_path):
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", crops[0])
    (tmp_path / "empty").mkdir()
    result = run("choose", tmp_path / "a.tif", tmp_path / "empty")
    assert result.code == 1 and "empty" in result.said and ".ladder" in result.said
    result = run("choose", tmp_path, models)
    assert result.code == 1 and "2 images" in result.said
