"""Splitters on the command line: how they are trained, what they write, what they refuse."""

from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import tifffile
from invoked import run

from ladderscope.cli.train import Method
from ladderscope.images import read_image, sample_image
from ladderscope.models import config
from ladderscope.models.file import read_model

QUICK = ["--preset", "tiny", "--steps", 4]
GIVEN = [*QUICK, "--noise", "gaussian:5"]


def stain(name, number=0, shape=(96, 96)):
    """Cut a part of a stain, and give it noise."""
    top = 280 + 8 * number
    clean = sample_image(name).pixels[top : top + shape[0], 100 : 100 + shape[1]].astype(float)
    noisy = clean + np.random.default_rng(number).normal(20, 5, clean.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def write(path, pixels, **metadata):
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata=metadata or None)
    return path


def train(folder, *arguments, names=("dna", "cells")):
    channels = [part for name in names for part in ("--channel", f"{name}={folder}/{name}/*.tif")]
    return run("train", "splitter", *channels, *arguments)


def written(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    for name in ("dna", "cells"):
        for number in range(2):
            write(tmp_path / name / f"{number}.tif", stain(name, number))
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    for name in ("dna", "cells"):
        write(root / name / "a.tif", stain(name))
    mixed = write(root / "mixed.tif", stain("dna").astype(np.uint16) + stain("cells") - 20)
    result = train(root, "-o", root / "m.ladder", *GIVEN, "--offset", 20)
    return SimpleNamespace(root=root, result=result, model=root / "m.ladder", mixed=mixed)


def test_a_splitter_is_trained_and_saved_with_the_names_of_its_channels(trained):
    assert trained.result.code == 0
    model = read_model(trained.model)
    assert (model.kind, model.channel_names) == ("splitter", ("dna", "cells"))
    assert model.settings.method == "microsplit"
    assert model.mixture.mixing.offsets == (20.0, 20.0)
    assert f"model {trained.model}" in trained.result.shown
    assert "noise cells: Given: Gaussian noise of standard deviation 5" in trained.result.shown
    assert not list(trained.root.glob("*.png"))  # the noise was given


def test_prediction_writes_channels_spread_residual_and_report(trained, tmp_path):
    page = tmp_path / "pages" / "r.html"
    arguments = ["predict", trained.model, trained.mixed, "-o", tmp_path / "out", "--samples", 2]
    result = run(*arguments, "--report", page)
    assert result.code == 0
    parts = ("residual.ome.tif", "restored.ome.tif", "samples.gif", "spread.ome.tif")
    assert written(tmp_path / "out") == [f"mixed_{part}" for part in parts]
    restored = read_image(tmp_path / "out" / "mixed_restored.ome.tif")
    spread = read_image(tmp_path / "out" / "mixed_spread.ome.tif")
    for image in (restored, spread):
        assert (image.axes, image.channel_names) == ("CYX", ("dna", "cells"))
        assert image.pixels.shape == (2, 96, 96)
    residual = read_image(tmp_path / "out" / "mixed_residual.ome.tif")
    assert residual.axes == "YX"
    observed = tifffile.imread(trained.mixed)
    assert np.allclose(residual.pixels, observed - restored.pixels.sum(0) + 20, atol=1e-3)
    assert "residual mixed.tif: rms" in result.shown and f"report {page}" in result.shown
    html = page.read_text(encoding="utf-8")
    assert "1 image was split into dna and cells, using the mean of 2 posterior samples" in html

    for part in ("restored.ome.tif", "samples.gif", "spread.ome.tif"):
        (tmp_path / "out" / f"mixed_{part}").unlink()
    refused = run(*arguments)
    assert refused.code == 1 and "mixed_residual.ome.tif already exists" in refused.said
    assert run(*arguments, "--overwrite", "--report", page.with_suffix(".txt")).code == 1


def test_one_file_has_its_spread_and_residual_beside_it_and_keeps_its_type(trained, tmp_path):
    result = run("predict", trained.model, trained.mixed, "-o", tmp_path / "b.tif", "--keep-dtype")
    assert result.code == 0
    assert written(tmp_path) == ["b.tif", "b_residual.tif", "b_spread.tif"]
    assert tifffile.imread(tmp_path / "b.tif").dtype == np.uint16
    assert tifffile.imread(tmp_path / "b_residual.tif").dtype == np.float32


def test_a_denoiser_s_prediction_has_a_report_too_and_no_residual(denoiser, trained, tmp_path):
    model = denoiser.save(tmp_path / "d.ladder")
    page, out = tmp_path / "r.html", tmp_path / "out"
    source = trained.root / "dna" / "a.tif"
    assert run("predict", model, source, "-o", out, "--samples", 0, "--report", page).code == 0
    assert written(out) == ["a_restored.ome.tif", "a_spread.ome.tif"]
    html = page.read_text(encoding="utf-8")
    assert "1 image was restored, using a single pass at the posterior means, by a denoiser" in html
    assert "removed noise" in html and "do not explain" not in html


def test_info_says_what_is_split_and_how_it_was_mixed(trained):
    shown = run("info", trained.model).shown
    for text in (
        "splitter (microsplit, no lateral context)",
        "values dna: mean",
        "values cells: mean",
        "mixed Mixed image = (dna − 20) + (cells − 20) + 20.",
        "values mixed images: mean",
        "noise dna: Given",
    ):
        assert text in shown


def test_images_far_from_the_training_mixtures_draw_a_warning_also_on_the_page(trained, tmp_path):
    far = write(tmp_path / "far.tif", 30.0 * tifffile.imread(trained.mixed).astype(np.float32))
    page = tmp_path / "r.html"
    result = run(
        *("predict", trained.model, far, "-o", tmp_path / "out"),
        *("--samples", 0, "--report", page),
    )
    assert result.code == 0
    assert "far from those of the mixed training images" in result.said
    assert "far from those of the mixed training images" in page.read_text(encoding="utf-8")


def test_an_image_whose_channels_are_apart_already_is_refused(trained, tmp_path):
    apart = write(tmp_path / "apart.tif", np.stack([stain("dna"), stain("cells")]), axes="CYX")
    result = run("predict", trained.model, apart, "-o", tmp_path / "out")
    assert result.code == 1 and "2 channels" in result.said
    assert not (tmp_path / "out").exists()


def test_where_a_denoiser_is_asked_for_a_splitter_is_refused(trained, tmp_path):
    result = run(
        *("noise", "fit", trained.root / "dna", "-o", tmp_path / "n.json"),
        *("--kind", "mixture", "--denoiser", trained.model),
    )
    assert result.code == 1 and "holds a splitter" in result.said


def test_everything_that_was_asked_for_reaches_the_model(folder):
    model = folder / "m.ladder"
    result = train(
        *(folder, "-o", model, *QUICK, "--method", "denoisplit", "--context", 2, "--paired"),
        *("--balance", "std", "--ratios", 0.5, 2, "--offset", 18, "--offset", 19, "--seed", 3),
        "--no-thumbnail",
    )
    assert result.code == 0
    found = read_model(model)
    assert (found.settings.method, found.settings.context) == ("denoisplit", 2)
    assert (found.settings.balance, found.settings.ratios) == ("std", (0.5, 2.0))
    assert found.mixture.mixing.offsets == (18.0, 19.0)
    assert max(found.mixture.mixing.weights) > 1
    assert (found.seed, found.thumbnail) == (3, None)
    assert (folder / "m_noise.png").exists()  # it was measured
    assert "varies from 0.5 to 2 times" in run("info", model).shown


def test_a_recorded_superposition_is_trained_on(folder):
    for number in range(2):
        both = stain("dna", number).astype(np.uint16) + stain("cells", number)
        write(folder / "both" / f"{number}.tif", both)
    model = folder / "m.ladder"
    settings = folder / "run.yaml"
    settings.write_text("preset: tiny\nsteps: 2\nmethod: musplit\nvariance: 0.5\n")
    assert train(folder, "-o", model, "--mixed", folder / "both", "--config", settings).code == 0
    found = read_model(model)
    assert found.mixture.mixing.weights == pytest.approx((1, 1), abs=1e-3)
    assert (found.settings.variance, found.noise_models) == (0.5, ())
    shown = run("info", model).shown
    assert "splitter (musplit, no lateral context)" in shown and "Given" not in shown


@pytest.mark.parametrize(
    ("channels", "arguments", "words"),
    [
        (["dna/*.tif"], [], "write a name and its files"),
        (["=dna/*.tif"], [], "write a name and its files"),
        (["a=dna/*.tif", "a=cells/*.tif"], [], "two channels named a"),
        (["a=dna/*.tif"], [], "two or more"),
        (["a=dna/*.tif", "b=none/*.tif"], [], "no image found"),
        (["a=dna/*.tif", "b=dna/0.tif"], [], "for channel a and for channel b"),
        (
            ["a=dna/*.tif", "b=cells/*.tif"],
            ["--mixed", "dna/*.tif"],
            "for channel a and for the mixed images",
        ),
        (["a=dna", "b=cells"], ["--ratios", 2, 1], "the smaller first"),
        (["a=dna", "b=cells"], ["--context", 5], "context=3"),
        (["a=dna", "b=cells"], ["--offset", 1, "--offset", 2, "--offset", 3], "2 finite numbers"),
        (["a=dna", "b=cells"], ["--dimensions", 3], "at least 2 Z planes"),
        (["a=dna/1.tif", "b=cells"], ["--mixed", "dna/0.tif"], "same number of images"),
        (["a=dna/0.tif", "b=cells"], ["--paired"], "same number of images"),
    ],
)
def test_what_cannot_be_is_said_before_any_training(
    folder, monkeypatch, channels, arguments, words
):
    monkeypatch.chdir(folder)
    named = [part for channel in channels for part in ("--channel", channel)]
    result = run("train", "splitter", *named, "-o", "m.ladder", *GIVEN, *arguments)
    assert result.code == 1
    assert words in result.said
    assert written(folder) == ["cells", "dna"]


def test_a_stack_of_one_plane_is_no_third_dimension_for_a_denoiser_either(tmp_path):
    image = write(tmp_path / "a.tif", stain("dna")[None], axes="ZYX")
    result = run("denoise", image, "-o", tmp_path / "out", *GIVEN, "--dimensions", 3)
    assert result.code == 1 and "at least 2 Z planes" in result.said


def test_wider_views_and_stacks_reach_a_denoiser(tmp_path):
    stack = np.stack([stain("cells", number, (64, 64)) for number in range(3)])
    image, model = write(tmp_path / "a.tif", stack, axes="ZYX"), tmp_path / "m.ladder"
    asked = ["--context", 2, "--dimensions", 3]
    assert run("train", "denoiser", image, "-o", model, *GIVEN, *asked).code == 0
    settings = read_model(model).settings
    assert (settings.context, settings.dimensions, settings.depth) == (2, 3, 2)


def test_a_stack_is_split_with_wider_views_from_the_command_to_the_file(tmp_path):
    stacks = [
        np.stack([stain(name, number, (64, 64)) for number in range(3)]).astype(np.uint16)
        for name in ("dna", "cells")
    ]
    for name, stack in zip(("dna", "cells"), stacks, strict=True):
        write(tmp_path / name / "a.tif", stack, axes="ZYX")
    mixed = write(tmp_path / "mixed.tif", sum(stacks) - 20, axes="ZYX")
    model, out = tmp_path / "m.ladder", tmp_path / "out"
    asked = ["--context", 2, "--dimensions", 3, "--offset", 20]
    assert train(tmp_path, "-o", model, *GIVEN, *asked).code == 0
    page = tmp_path / "r.html"
    result = run("predict", model, mixed, "-o", out, "--samples", 2, "--report", page)
    assert result.code == 0 and page.exists()
    restored, residual = (
        read_image(out / f"mixed_{kind}.ome.tif") for kind in ("restored", "residual")
    )
    assert (restored.axes, restored.channel_names) == ("CZYX", ("dna", "cells"))
    assert restored.pixels.shape == (2, 3, 64, 64)
    assert residual.axes == "ZYX"
    explained = restored.pixels.sum(0) - 20
    np.testing.assert_allclose(residual.pixels, sum(stacks) - 20 - explained, atol=1e-3)


def test_mixed_images_that_cannot_be_used_are_named_as_such(folder):
    write(folder / "mixed" / "0.tif", np.full((96, 96), 7, np.uint8))
    write(folder / "mixed" / "1.tif", stain("dna", 1))
    mixed = ["--mixed", folder / "mixed"]
    result = train(folder, "-o", folder / "m.ladder", *GIVEN, *mixed)
    assert result.code == 1
    assert f"the mixed images: {folder / 'mixed' / '0.tif'}: is blank" in result.said


def test_paired_channels_of_different_size_are_refused(folder):
    write(folder / "cells" / "1.tif", stain("cells", 1, (96, 80)))
    result = train(folder, "-o", folder / "m.ladder", *GIVEN, "--paired")
    assert result.code == 1
    assert "(96, 96)" in result.said and "(96, 80)" in result.said


@pytest.mark.parametrize("paired", [True, False])
def test_a_file_that_cannot_be_used_is_left_out_unless_others_belong_to_it(folder, paired):
    write(folder / "cells" / "1.tif", np.full((96, 96), 7, np.uint8))
    result = train(folder, "-o", folder / "m.ladder", *GIVEN, *(["--paired"] * paired))
    assert result.code == 1
    assert "1.tif: is blank" in result.said
    assert (folder / "m.ladder").exists() is not paired
    assert ("skipped:" in result.said) is not paired


def test_a_channel_of_nothing_but_constant_images_is_refused(folder):
    for number in range(2):
        write(folder / "cells" / f"{number}.tif", np.full((96, 96), 7, np.uint8))
    result = train(folder, "-o", folder / "m.ladder", *GIVEN)
    assert result.code == 1
    assert "none of the 2 images can be used" in result.said
    assert not (folder / "m.ladder").exists()


def test_the_demonstration_adds_two_stains_and_takes_them_apart(tmp_path, monkeypatch):
    stains = {name: sample_image(name) for name in ("dna", "cells")}
    parts = {name: replace(stain, pixels=stain.pixels[240:368]) for name, stain in stains.items()}
    monkeypatch.setattr("ladderscope.images.sample_image", parts.__getitem__)
    out = tmp_path / "demo"
    quick = ["--preset", "tiny", "--steps", 2]
    result = run("demo", "--split", "-o", out, *quick)
    assert result.code == 0
    assert "split dna, PSNR: mixed" in result.shown and "range-invariant: mixed" in result.shown
    assert "CC0" in result.shown
    assert written(out) == ["split"]
    assert written(out / "split") == [
        "demo_split.png",
        "mixed.tif",
        "mixed_residual.ome.tif",
        "mixed_restored.ome.tif",
        "mixed_samples.gif",
        "mixed_spread.ome.tif",
        "model.ladder",
        "report.html",
        "training",
    ]
    shapes = [tifffile.imread(out / "split" / "training" / f"{n}.tif").shape for n in ("dna",)]
    assert [*shapes, tifffile.imread(out / "split" / "mixed.tif").shape] == [(128, 320), (128, 192)]
    assert run("demo", "--split", "-o", out, *quick).code == 1
    assert "omit --image" in run("demo", "--split", "--image", "ph3").said


def test_the_methods_on_the_command_line_are_those_of_the_settings():
    assert get_args(Method) == get_args(config.Method)
