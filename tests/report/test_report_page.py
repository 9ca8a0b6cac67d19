"""The report holds what it must, in itself, and nobody's file name can break it."""

import base64
import re
from dataclasses import replace

import matplotlib
import numpy as np
import pytest

from ladderscope.evaluation.checks import Check
from ladderscope.images import Image, Statistics
from ladderscope.models import DenoiserSettings, Restoration
from ladderscope.models.architecture import architecture_of
from ladderscope.models.file import Model
from ladderscope.noise import Gaussian
from ladderscope.noise_estimation import calibrate_poisson_gaussian
from ladderscope.noise_estimation.choice import NoiseChoice
from ladderscope.report import Report, comparison_picture, restored_image, write_report
from ladderscope.report.figures import busiest, level_curves
from ladderscope.report.page import page
from ladderscope.report.words import levels_in_words
from ladderscope.training import Outcome, Record

RNG = np.random.default_rng(0)
NASTY = "<script>alert('a')</script>.tif"
MATHEMATICS = ["A$_$", r"$\x$", "$$", "a_{b}^$ \udcff\x1b", "\0"]


@pytest.fixture(scope="module")
def model():
    noisy = RNG.normal(np.mgrid[:64, :64][1], 3.0)
    fit = calibrate_poisson_gaussian([noisy])
    history = tuple(
        Record(step, 1.0 * step, 3.0, 2.0, 1.0, 3.1, 2.1, 1.0, (40.0, 0.25)) for step in (10, 20)
    )
    settings = DenoiserSettings(levels=2, minutes=5)
    return Model(
        settings=settings,
        architecture=architecture_of(settings),
        weights={},
        statistics=(Statistics(30.0, 20.0),) * 2,
        noise_models=(fit.model, Gaussian(4.0)),
        noise_choices=(NoiseChoice(fit), None),
        outcome=Outcome(history, 20, 3, 75.0, True, 10, False),
        axes="ZCYX",
        channel_names=("actin & co", "nuclei"),
        seed=7,
        notices=("validation: one corner of each plane",),
        thumbnail=None,
        version="0.1.0",
        created="2026-01-02T03:04:05+00:00",
    )


def restored(name, model, *, shown, spread=True, draws=None):
    pixels = RNG.normal(30, 5, (5, 2, 150, 140)).astype(np.float32)
    return restored_image(
        Image(pixels, "ZCYX", name),
        Restoration(
            pixels - 1,
            pixels if spread else None,
            "ZCYX",
            name,
            channel_names=("actin & co", "b"),
            checks=(Check("green", "removed noise", "It has 0.93 times the variance."),),
        ),
        model,
        files=["a_restored.ome.tif"],
        seconds=2.0,
        shown=shown,
        draws=draws,
    )


@pytest.fixture(scope="module")
def html(model):
    images = (restored(NASTY, model, shown=True), restored("seventh.tif", model, shown=False))
    return page(
        Report(
            "Denoised <images>",
            "What was done.",
            model,
            images,
            (("bad & blank.tif", "is blank: <0>"),),
            ("a warning of the run",),
        )
    )


def test_nothing_is_loaded_from_elsewhere(html):
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "url(" not in html and "@import" not in html and html.count("<script") == 1
    assert "default-src 'none'" in html
    for chart in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", html):
        svg = base64.b64decode(chart).decode()
        assert not re.search(r"href=\"(?!#)", svg)


def test_names_and_reasons_are_escaped(html):
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    assert "bad &amp; blank.tif" in html and "is blank: &lt;0&gt;" in html
    assert "actin &amp; co" in html


def test_names_that_no_page_can_hold_are_replaced(model, tmp_path):
    image = restored("a\udcff\x1b.tif", model, shown=False)
    failures = (("b\ud800.tif", "b\ud800.tif: no\0thing"),)
    write_report(tmp_path / "r.html", Report("t\x07", "s", model, (image,), failures))
    written = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "a��.tif" in written and "b�.tif: no�thing" in written
    assert not re.search("[\x00-\x08\x0b-\x1f]", written)


def test_it_says_all_that_a_reader_asks(html):
    for text in (
        "What was done.",
        "plane 3 of 5",
        "error bar (standard deviation)",
        "detail, actin &amp; co: noisy (from ",
        "Level 2 adds next to nothing",
        "Measured",
        "standard deviation 4",
        "has 0.93 times the variance",
        "1 min 15 s",
        "best step",
        "interrupted",
        "a warning of the run",
        "validation: one corner",
        "learning_rate",
        "not shown",
        "seventh.tif",
        "Made by Ladderscope",
    ):
        assert text in html


def test_each_channel_has_three_pictures_and_three_details(html):
    assert html.count("data:image/png;base64,") == 2 * 6
    assert html.count("data:image/svg+xml;base64,") == 3  # losses, levels, the one noise fit


def test_before_after_and_samples_share_their_greys(model):
    draws = RNG.normal(30, 5, (4, 2, 128, 128)).astype(np.float32)
    html = page(Report("t", "s", model, (restored("a.tif", model, shown=True, draws=draws),)))
    after = re.search(r"detail, b: restored (\(from [^)]+\))", html)[1]
    for one in ("noisy", "4 posterior samples, one after the other", r"sample \d of 4, one of"):
        assert re.search(f"detail, b: {one}[^(]*{re.escape(after)}", html)
    assert html.count(">b: sample ") == 3  # samples of the detail, that differ most


def test_without_a_spread_its_column_stays_empty(model):
    image = restored("a.tif", model, shown=True, spread=False)
    html = page(Report("t", "s", model, (image,), samples=0))
    assert html.count("data:image/png;base64,") == 2 * 4
    assert "error bar" not in html


def test_a_training_without_history_still_has_a_page(model):
    bare = replace(model, outcome=replace(model.outcome, history=()))
    assert "Settings</h2>" in page(Report("t", "s", bare, ()))


def test_what_the_noise_model_does_not_describe_comes_first(model):
    fit = model.noise_fits[0]
    choice = NoiseChoice(fit, reasons=("Chosen.", "Because."), warnings=("heavy tails",))
    noisy = replace(
        model,
        noise_choices=(choice, None),
        notices=("one corner is held out", "actin & co: heavy tails"),
    )
    html = page(Report("t", "s", noisy, ()))
    assert html.count("heavy tails") == 1
    assert html.index("heavy tails") < html.index("one corner") < html.index("Training images</h2>")
    assert "Chosen. Because." in html


def test_it_is_written_whole(model, tmp_path):
    write_report(tmp_path / "report.html", Report("t", "µ", model, ()))
    assert "µ" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(list(tmp_path.iterdir())) == 1


def test_drawing_leaves_matplotlib_s_settings_alone(model):
    before = dict(matplotlib.rcParams)
    plane = RNG.normal(size=(120, 100))
    drawn = comparison_picture(plane, plane, plane, plane, ["noisy", "restored", "clean"])
    assert drawn.startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", MATHEMATICS)
def test_titles_are_never_mathematics(name):
    plane = RNG.normal(size=(40, 40))
    for titles in ([name] * 3, [f"{name} (3.0 dB)"] * 3):
        assert comparison_picture(plane, plane, None, plane, titles).startswith(b"\x89PNG")


def test_planes_smaller_than_the_detail_are_shown_whole():
    assert busiest(np.eye(20)) == (slice(0, 20), slice(0, 20))


def test_levels_are_counted_from_the_finest_also_where_some_never_see_the_image(model):
    blind = replace(model, settings=DenoiserSettings(levels=4, blind_levels=2, minutes=5))
    said = levels_in_words(blind)
    assert re.findall(r"[Ll]evels? (\d)(?: to (\d))?", said)[:3] == [
        ("1", "2"),
        ("3", ""),
        ("4", ""),
    ]
    html = page(Report("t", "s", blind, ()))
    assert said.partition(".")[0] in html
    curves = level_curves(blind).decode()
    assert all(f"<!-- level {level} -->" in curves for level in (3, 4))
    assert "<!-- level 1 -->" not in curves and "<!-- level 5 -->" not in curves
