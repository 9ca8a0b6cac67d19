"""The page of a split image: what is shown, and what the residual is taken for."""

import numpy as np
import pytest

from ladderscope.data import Mixing
from ladderscope.images import Image, Statistics
from ladderscope.models import DenoiserSettings, Restoration, SplitterSettings
from ladderscope.models.architecture import architecture_of
from ladderscope.models.file import Mixture, Model
from ladderscope.noise import Gaussian
from ladderscope.report import Report, restored_image, split_picture
from ladderscope.report.page import page
from ladderscope.report.unexplained import unexplained
from ladderscope.training import Outcome, Record

NAMES = ("dna", "actin & co")
SHAPE = (144, 144)
ROWS, COLUMNS = np.mgrid[:144, :144]
CHANNELS = np.stack([30 + 10 * np.sin(ROWS / 9), 40 + 20 * np.sin(COLUMNS / 5)])
NOISE = np.random.default_rng(0).normal(0, 5, SHAPE)

GAUSSIANS = (Gaussian(3.0), Gaussian(4.0))


def model(method="microsplit", noise=GAUSSIANS):
    record = Record(10, 1.0, 3.0, 2.0, 1.0, 3.1, 2.1, 1.0, (40.0, 0.05))
    settings = SplitterSettings(method=method, levels=2, minutes=5)
    return Model(
        settings=settings,
        architecture=architecture_of(settings),
        weights={},
        statistics=(Statistics(30.0, 7.0), Statistics(40.0, 14.0)),
        noise_models=noise,
        noise_choices=(None,) * len(noise),
        outcome=Outcome((record,), 10, 0, 2.0, False, 10, False),
        axes="YX",
        channel_names=NAMES,
        seed=0,
        notices=(),
        thumbnail=None,
        version="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        mixture=Mixture(Statistics(70.0, 16.0), Mixing((0.0, 0.0), (1.0, 1.0))),
    )


MUSPLIT = model("musplit", ())


def split(of=None, *, residual=NOISE, spread=True, planes=1, shown=True):
    mean = np.repeat(CHANNELS[:, None], planes, axis=1).astype(np.float32)
    left = np.repeat(residual[None], planes, axis=0).astype(np.float32)
    restored = Restoration(
        mean, mean / 9 if spread else None, "CZYX", "m.tif", None, NAMES, 16, left
    )
    return restored_image(
        Image(mean.sum(0) + left, "ZYX", "m.tif"),
        restored,
        of or model(),
        files=["m_restored.ome.tif", "m_residual.ome.tif"],
        seconds=1.0,
        shown=shown,
    )


def html_of(image, of=None, samples=16):
    return page(Report("Split images", "What was done.", of or model(), (image,), samples=samples))


def measured(residual, of=None):
    return unexplained(CHANNELS.sum(0) + residual, residual, CHANNELS, of or model())


def test_mixed_each_channel_its_spread_and_the_residual_are_shown_whole_and_enlarged():
    html = html_of(split(planes=3))
    assert html.count("data:image/png;base64,") == 2 * (2 + 2 * len(NAMES))
    for text in (
        "plane 2 of 3",
        "whole image, mixed (from",
        "detail, mixed",
        "actin &amp; co: restored (from",
        "actin &amp; co: error bar (standard deviation) (from 0 to",
        "residual: mixed minus channels (from -",
        "Each channel is the mean of 16 posterior samples",
        "m_residual.ome.tif",
        "Mixed image = dna + actin &amp; co.",
    ):
        assert text in html


def test_without_a_spread_its_row_is_left_out():
    html = html_of(split(spread=False), samples=0)
    assert html.count("data:image/png;base64,") == 2 * (2 + len(NAMES))
    assert "error bar" not in html


def test_an_image_that_is_not_shown_still_has_its_residual_measured():
    html = html_of(split(shown=False))
    assert "data:image/png" not in html and "not shown" in html
    assert "What the channels do not explain" in html and f"{np.std(NOISE):.4g}" in html


def test_the_noise_is_left_out_where_the_method_knows_none():
    html = html_of(split(MUSPLIT), MUSPLIT)
    assert "Camera noise" not in html and "not known" in html
    assert "Camera noise" in html_of(split())


def test_the_residual_is_measured_in_the_image_s_units_and_as_a_share_of_its_deviation():
    found = measured(NOISE)
    assert found.rms == pytest.approx(5, rel=0.02)
    assert found.share == pytest.approx(5 / np.std(CHANNELS.sum(0) + NOISE), rel=0.02)
    assert found.noise == pytest.approx(5)  # √(3² + 4²)
    assert measured(NOISE + 12).rms == pytest.approx(13, rel=0.02)
    assert f"rms {found.rms:.4g}" in found.summary


def test_the_residual_is_compared_with_the_noise_where_that_is_known():
    assert "3.0 times the expected noise" in measured(3 * NOISE).summary
    assert "noise" not in measured(3 * NOISE, MUSPLIT).summary


def test_the_noise_that_is_expected_counts_as_much_as_its_channel_does_in_the_mixture():
    weighted = model()
    object.__setattr__(
        weighted, "mixture", Mixture(Statistics(0.0, 1.0), Mixing((0.0, 0.0), (1.0, 2.0)))
    )
    assert measured(NOISE, weighted).noise == pytest.approx(np.hypot(3, 8))


def test_no_noise_is_expected_of_mixed_images_that_were_recorded():
    recorded = model()
    mixture = Mixture(Statistics(70.0, 16.0), Mixing((0.0, 0.0), (1.0, 1.0)), recorded=True)
    object.__setattr__(recorded, "mixture", mixture)
    assert measured(NOISE, recorded).noise is None


def test_how_channels_add_up_is_said_without_what_changes_nothing():
    assert Mixing((0.0, 0.0), (1.0, 1.0)).in_words(NAMES) == "Mixed image = dna + actin & co."
    said = Mixing((-4.5, 100.0), (1.0, 2.5), -3.0, (0.5, 2.0)).in_words(("a", "b"))
    assert said.startswith("Mixed image = (a + 4.5) + 2.5 × (b − 100) − 3.")
    assert "from 0.5 to 2 times" in said
    said = Mixing((0.0, 0.0), (1.0, 1.0), ratios=(2.0, 2.0)).in_words(("a", "b"))
    assert "is 2 times" in said


def test_levels_are_judged_by_the_free_bits_of_the_method():
    denoiser = DenoiserSettings(free_bits=2.0, steps=1)
    musplit, microsplit = (
        SplitterSettings(method=method, free_bits=2.0, steps=1)
        for method in ("musplit", "microsplit")
    )
    assert denoiser.judged_free_bits == microsplit.judged_free_bits == ("free_bits", 2)
    assert musplit.judged_free_bits == ("musplit_free_bits", 0)
    assert "nats per pixel" in html_of(split(MUSPLIT), MUSPLIT)


def test_the_picture_of_a_split_has_a_column_for_each_plane_there_is():
    import io

    import matplotlib.image

    plane = CHANNELS[0]
    titles = ["mixed", "a, split", "a (the truth)", "b, split", "b (the truth)"]
    widths = []
    for spread in (plane, None):
        drawn = split_picture(plane, [(plane, spread, plane)] * 2, titles)
        widths.append(matplotlib.image.imread(io.BytesIO(drawn)).shape[1])
    assert widths[0] / widths[1] == pytest.approx(7 / 5)
