"""Scores against truth: each number is the right one, of the right channel."""

import io
import math
import sys
from contextlib import redirect_stderr
from types import ModuleType

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation import (
    evaluate,
    micro_scores,
    microssim_installed,
    ms_ssim,
    psnr,
    range_invariant_psnr,
    spread_ranks_errors,
    ssim,
)
from ladderscope.images import Image, sample_image

RNG = np.random.default_rng(0)
DNA, CELLS = (sample_image(name).pixels[:180, :200] for name in ("dna", "cells"))
TRUTH = np.stack([DNA, CELLS]).astype(np.float32)
NOISY = (TRUTH + RNG.normal(0, [[[5]], [[15]]], TRUTH.shape)).astype(np.float32)
NAMES = ("nuclei", "cell bodies")


def image(pixels, axes="YX", name="array", **about):
    return Image(np.asarray(pixels), axes, name, **about)


@pytest.fixture
def without_microssim(monkeypatch):
    monkeypatch.setitem(sys.modules, "microssim", None)


# -- MS-SSIM


def reference_ms_ssim(prediction, truth, peak):
    """Follow equation 7 of Wang et al. with SciPy's filters, reflecting at borders."""

    def smooth(one):
        return gaussian_filter(one, 1.5, mode="mirror", truncate=3.5)

    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    one, other = prediction.astype(float), truth.astype(float)
    result = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mean_one, mean_other = smooth(one), smooth(other)
        variances = smooth(one**2) - mean_one**2 + smooth(other**2) - mean_other**2
        covariance = smooth(one * other) - mean_one * mean_other
        contrast = (2 * covariance + c2) / (variances + c2)
        brightness = (2 * mean_one * mean_other + c1) / (mean_one**2 + mean_other**2 + c1)
        value = (contrast * brightness).mean() if scale == 4 else contrast[5:-5, 5:-5].mean()
        result *= max(value, 0) ** weight
        rows, columns = (size // 2 for size in one.shape)
        one, other = (
            image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean((1, 3))
            for image in (one, other)
        )
    return result


@pytest.mark.parametrize("offset", [0.0, 1e5], ids=["no offset", "large offset"])
@pytest.mark.parametrize("channel", [0, 1])
def test_ms_ssim_is_that_of_the_paper_whatever_the_offset(channel, offset):
    truth = TRUTH[channel].astype(float) + offset
    prediction = gaussian_filter(NOISY[channel].astype(float), 1) + offset
    expected = reference_ms_ssim(prediction, truth, np.ptp(truth))
    assert 0.5 < expected < 0.999
    assert ms_ssim(prediction, truth) == pytest.approx(expected, abs=1e-5)
    assert ms_ssim(prediction, truth, peak=1000) == pytest.approx(
        reference_ms_ssim(prediction, truth, 1000), abs=1e-5
    )


def test_ms_ssim_of_a_stack_is_the_mean_over_its_planes():
    truth, noisy = TRUTH[0], NOISY[0]
    single = ms_ssim(noisy, truth)
    assert ms_ssim(truth, truth) == pytest.approx(1)
    both = ms_ssim(np.stack([noisy, truth]), np.stack([truth, truth]))
    assert both == pytest.approx((single + 1) / 2)


def test_ms_ssim_of_the_inverted_image_is_nothing():
    assert ms_ssim(255 - TRUTH[0], TRUTH[0]) == 0


def test_ms_ssim_needs_eleven_pixels_at_the_coarsest_scale():
    assert ms_ssim(TRUTH[0, :176, :176], TRUTH[0, :176, :176]) == pytest.approx(1)
    with pytest.raises(LadderscopeError, match="176×176"):
        ms_ssim(TRUTH[0, :175], TRUTH[0, :175])
    with pytest.raises(LadderscopeError, match="shape"):
        ms_ssim(TRUTH[0], TRUTH[0, 1:])
    with pytest.raises(LadderscopeError, match="constant"):
        ms_ssim(TRUTH[0], np.ones_like(TRUTH[0]))


# -- a spread that ranks the errors


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-20, 20)), min_size=3, max_size=50))
def test_the_ranking_is_the_correlation_of_ranks(pairs):
    spread, error = np.array(pairs, float).T
    assume(np.ptp(spread) > 0 and np.ptp(np.abs(error)) > 0)
    expected = np.corrcoef(rankdata(spread), rankdata(np.abs(error)))[0, 1]
    assert spread_ranks_errors(spread, error + 7, np.full_like(error, 7)) == pytest.approx(expected)


def test_neither_the_sign_of_an_error_nor_the_scale_of_the_spread_matters():
    error = RNG.normal(size=(20, 20))
    zero = np.zeros_like(error)
    assert spread_ranks_errors(np.abs(error) ** 3 + 1, error, zero) == pytest.approx(1)
    assert spread_ranks_errors(-np.abs(error), error, zero) == pytest.approx(-1)


def test_a_perfect_spread_ranks_better_the_more_it_varies():
    normal = RNG.normal(size=(2, 200_000))
    found = []
    for width in (0.0001, 0.5, 2.0):
        spread = np.exp(width * normal[0])
        found.append(spread_ranks_errors(spread, spread * normal[1], np.zeros_like(spread)))
    assert found[0] == pytest.approx(0, abs=0.01)
    # log |z| of a normal z has a variance of π²/8; ranks are near to what the logarithms give
    assert found[1] == pytest.approx(0.5 / math.sqrt(0.25 + math.pi**2 / 8), abs=0.06)
    assert found[2] > 0.8


def test_of_very_many_pixels_a_million_are_drawn_always_the_same():
    spread = RNG.random((1200, 1000), np.float32)
    truth = np.zeros_like(spread)
    prediction = spread * RNG.normal(size=spread.shape).astype(np.float32)
    drawn = spread_ranks_errors(spread, prediction, truth)
    assert drawn == spread_ranks_errors(spread, prediction, truth)
    whole = np.corrcoef(rankdata(spread), rankdata(np.abs(prediction)))[0, 1]
    assert drawn == pytest.approx(whole, abs=0.002)


@pytest.mark.parametrize(
    ("spread", "prediction", "said"),
    [
        (np.ones((4, 4)), np.arange(16.0).reshape(4, 4), "the spread is 1 at every pixel"),
        (np.arange(16.0).reshape(4, 4), np.full((4, 4), 3.0), "the error is 2 at every pixel"),
        (np.ones((4, 5)), np.ones((4, 4)), r"spread.* \(4, 5\)"),
        (np.full((4, 4), np.nan), np.arange(16.0).reshape(4, 4), "the spread is nan"),
    ],
)
def test_what_cannot_be_ranked_is_said(spread, prediction, said):
    with pytest.raises(LadderscopeError, match=said):
        spread_ranks_errors(spread, prediction, np.ones((4, 4)))


# -- evaluate


def test_every_channel_has_the_numbers_of_its_own_pixels(without_microssim):
    spread = image(RNG.random(TRUTH.shape), "CYX")
    scores = evaluate(image(NOISY, "CYX"), image(TRUTH, "CYX", channel_names=NAMES), spread)
    assert [score.channel for score in scores] == list(NAMES)
    for score, noisy, truth, width in zip(scores, NOISY, TRUTH, spread.pixels, strict=True):
        peak = float(np.ptp(truth))
        assert score.psnr == pytest.approx(
            peak_signal_noise_ratio(truth.astype(float), noisy.astype(float), data_range=peak)
        )
        slope, offset = np.polyfit(noisy.ravel().astype(float), truth.ravel(), 1)
        assert score.range_invariant_psnr == pytest.approx(psnr(slope * noisy + offset, truth))
        assert score.ssim == pytest.approx(
            structural_similarity(
                noisy.astype(float),
                truth.astype(float),
                data_range=peak,
                gaussian_weights=True,
                use_sample_covariance=False,
            )
        )
        assert score.ms_ssim == pytest.approx(reference_ms_ssim(noisy, truth, peak), abs=1e-5)
        error = np.abs(noisy.astype(float) - truth)
        expected = np.corrcoef(rankdata(width), rankdata(error))[0, 1]
        assert score.spread.ranks_errors == pytest.approx(expected)
        assert (score.micro_ssim, score.micro_ms3im) == (None, None)
    assert scores[0].psnr > scores[1].psnr + 5


def test_truth_may_be_an_image_for_each_channel(without_microssim):
    whole = evaluate(image(NOISY, "CYX", channel_names=NAMES), image(TRUTH, "CYX"))
    parts = [image(channel, channel_names=("of the file",)) for channel in TRUTH]
    assert evaluate(image(NOISY, "CYX", channel_names=NAMES), parts) == whole
    swapped = evaluate(image(NOISY, "CYX"), parts[::-1])
    assert [score.channel for score in swapped] == ["channel 1", "channel 2"]
    assert swapped[0].psnr < whole[0].psnr


def test_axes_in_another_order_are_the_same_image(without_microssim):
    small = NOISY[:, :60, :72].reshape(2, 3, 20, 4, 18).transpose(0, 1, 3, 2, 4)
    truth = TRUTH[:, :60, :72].reshape(2, 3, 20, 4, 18).transpose(0, 1, 3, 2, 4)
    expected = evaluate(image(small, "CTZYX"), image(truth, "CTZYX"))
    for axes in ("CZTYX", "XYZTC", "CSZYX"):
        order = ["CTZYX".index(letter) for letter in axes.replace("S", "T")]
        other = image(truth.transpose(order), axes)
        assert evaluate(image(small, "CTZYX"), other) == expected
    assert evaluate(image(small[:, :1], "CTZYX"), image(truth[:, 0], "CZYX")) == evaluate(
        image(small[:, 0], "CZYX"), image(truth[:, 0], "CZYX")
    )


def test_integers_are_compared_without_wrapping_around(without_microssim):
    (score,) = evaluate(image(DNA[::-1].copy()), image(DNA))
    (expected,) = evaluate(image(DNA[::-1].astype(float)), image(DNA.astype(float)))
    assert score == expected


def test_equal_images_are_perfect_and_small_ones_have_no_ms_ssim(without_microssim):
    (score,) = evaluate(image(DNA[:64, :64]), image(DNA[:64, :64]))
    assert (score.channel, score.psnr, score.ssim) == ("channel 1", math.inf, 1.0)
    assert score.ms_ssim is None


def test_a_lost_scale_costs_psnr_and_not_range_invariant_psnr(without_microssim):
    (kept,) = evaluate(image(NOISY[0]), image(DNA))
    (lost,) = evaluate(image(0.01 * NOISY[0] - 3), image(DNA))
    assert lost.range_invariant_psnr == pytest.approx(kept.range_invariant_psnr, abs=1e-3)
    assert lost.psnr < kept.psnr - 10
    assert kept.range_invariant_psnr == range_invariant_psnr(NOISY[0], DNA)
    assert kept.ssim == ssim(NOISY[0], DNA)


def spoilt(value, count=3, pixels=NOISY):
    pixels = pixels.copy()
    pixels[1].flat[:count] = value
    return image(pixels, "CYX", "bad.tif")


@pytest.mark.parametrize(
    ("prediction", "truth", "spread", "said"),
    [
        (image(NOISY, "CYX", "a.tif"), image(DNA, name="b.tif"), None, "2 channels.*1 channel"),
        (image(NOISY[0]), [image(DNA), image(DNA)], None, "1 channel.*2 channels"),
        (image(DNA, name="a.tif"), image(DNA[1:], name="b.tif"), None, r"a.tif.*180.*b.tif.*179"),
        (image(DNA), image([DNA, DNA], "ZYX"), None, r"\(180, 200\) \(YX\).*\(2, 180, 200\)"),
        (spoilt(np.nan), image(TRUTH, "CYX"), None, "bad.tif: 3 of 36000 .* C=1"),
        (image(TRUTH, "CYX"), spoilt(np.inf, 1), None, "bad.tif: 1 of 36000 .* infinite"),
        (
            image(NOISY, "CYX"),
            image(TRUTH, "CYX"),
            spoilt(np.nan, pixels=TRUTH),
            "bad.tif: 3 of 36000",
        ),
        (image(NOISY, "CYX"), spoilt(4, 36000), None, "bad.tif: every pixel of channel 2 is 4"),
        (image(NOISY, "CYX"), image(TRUTH, "CYX"), image(DNA, name="s.tif"), "s.tif"),
        (image(NOISY, "CYX"), image(TRUTH, "CYX"), image(-TRUTH, "CYX", "s.tif"), "s.tif: .* -161"),
        (image(DNA[:10]), image(DNA[:10]), None, "11×11"),
    ],
)
def test_what_cannot_be_compared_is_said(prediction, truth, spread, said, without_microssim):
    with pytest.raises(LadderscopeError, match=said):
        evaluate(prediction, truth, spread)


# -- MicroSSIM


class StandIn:
    """Keeps what it is called with; scores are the scale it fitted, doubled for several scales."""

    seen: list = []  # noqa: RUF012
    times = 1

    def __init__(self, scale=None):
        self.scale = scale

    def fit(self, truth, prediction):
        StandIn.seen.append((truth, prediction))
        sys.stderr.write("100%|██████")
        self.scale = np.mean(truth) / np.mean(prediction)
        return self

    def get_parameters(self):
        return {"scale": self.scale}

    def score(self, truth, prediction):
        assert truth.shape == prediction.shape == (180, 200)
        return self.times * self.scale


class StandInOfScales(StandIn):
    times = 2


@pytest.fixture
def stand_in(monkeypatch):
    module = ModuleType("microssim")
    module.MicroSSIM, module.MicroMS3IM = StandIn, StandInOfScales
    monkeypatch.setitem(sys.modules, "microssim", module)
    monkeypatch.setattr(StandIn, "seen", [])


def test_microssim_is_fitted_once_to_the_whole_stack_and_scores_every_plane(stand_in):
    truth = np.stack([DNA, np.zeros_like(DNA), 2 * DNA.astype(np.uint16)])
    with redirect_stderr(io.StringIO()) as said:
        scores = micro_scores(truth / 4, truth)
    assert scores == pytest.approx((4, 8))
    ((truths, predictions),) = StandIn.seen
    assert [plane.sum() for plane in truths] == [DNA.sum(), 2 * DNA.sum()], "blank one left out"
    assert all(plane.dtype == np.float64 for plane in [*truths, *predictions])
    assert said.getvalue() == ""


def test_a_single_plane_goes_to_microssim_as_it_is(stand_in):
    (score,) = evaluate(image(DNA / 2), image(DNA))
    assert (score.micro_ssim, score.micro_ms3im) == pytest.approx((2, 4))
    ((truth, _),) = StandIn.seen
    assert truth.shape == DNA.shape


def test_without_microssim_its_numbers_are_missing_and_asking_for_them_says_why(without_microssim):
    assert not microssim_installed()
    with pytest.raises(LadderscopeError, match="pip install microssim"):
        micro_scores(DNA, DNA)


def test_the_numbers_of_microssim_are_the_package_s():
    package = pytest.importorskip("microssim")
    prediction = gaussian_filter(NOISY[0].astype(float), 1)
    (score,) = evaluate(image(prediction), image(DNA))
    truth = DNA.astype(float)
    assert score.micro_ssim == pytest.approx(package.micro_structural_similarity(truth, prediction))
    assert score.micro_ms3im == pytest.approx(
        float(package.micro_multiscale_structural_similarity(truth, prediction))
    )
    stacked = micro_scores(np.stack([prediction] * 2), np.stack([truth] * 2))
    assert stacked == pytest.approx((score.micro_ssim, score.micro_ms3im))


def test_microssim_does_not_mind_a_lost_scale():
    pytest.importorskip("microssim")
    kept, lost = (micro_scores(one, DNA) for one in (NOISY[0], 0.5 * NOISY[0] + 40))
    assert kept == pytest.approx(lost, abs=1e-3)


def test_microssim_of_small_and_of_saturated_images():
    pytest.importorskip("microssim")
    assert micro_scores(NOISY[0, :64, :64], DNA[:64, :64]).micro_ms3im is None
    saturated = np.full((180, 200), 255.0)
    saturated[0, 0] = 0
    assert micro_scores(NOISY[0], saturated) == (None, None)
