"""What a report asks of a restorer: samples of a detail, and restorations read from files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ladderscope import load
from ladderscope.images import Image
from ladderscope.images.stored import StoredPixels
from ladderscope.models.detail import samples_of_detail
from ladderscope.models.kept import recomposed

FIXTURES = Path(__file__).parent / "fixtures" / "format_2"
KINDS = ["denoiser_channels", "denoiser_context", "denoiser_3d", "splitter_microsplit"]
DETAIL = slice(30, 70), slice(8, 48)
SIZES = {"Y": 90, "X": 80, "Z": 4}


@pytest.fixture(params=KINDS)
def restored(request):
    """A restorer of some kind, and an image of noise like those that it was trained on."""
    restorer = load(FIXTURES / f"{request.param}.ladder")
    model = restorer.model
    axes = model.axes if model.mixture is None else model.axes.replace("C", "")
    known = model.statistics[0] if model.mixture is None else model.mixture.statistics
    shape = [{**SIZES, "C": len(model.statistics)}[letter] for letter in axes]
    pixels = np.random.default_rng(0).normal(known.mean, known.std, shape).astype(np.float32)
    names = model.channel_names if "C" in axes else None
    return restorer, Image(pixels, axes, "a", channel_names=names)


def test_samples_of_a_detail_are_those_of_the_middle_plane(restored):
    restorer, image = restored
    drawn = samples_of_detail(restorer, image, DETAIL, n=2, seed=5)
    axes = restorer.predict(image, samples=0).axes
    whole = [Image(one, axes, "a").middle_planes() for one in restorer.sample(image, n=2, seed=5)]
    wanted = np.stack(whole)[..., *DETAIL]
    assert drawn.shape == wanted.shape
    # what lies beyond the overlap of the tiles, and rounding
    assert np.abs(drawn - wanted).mean() < 0.03 * np.abs(wanted[0] - wanted[1]).mean()


def test_padding_is_not_sampled(denoiser, crops):
    padded = crops[0].copy()
    padded[:60] = 0
    drawn = samples_of_detail(denoiser, Image(padded, "YX", "a"), DETAIL, n=2, seed=0)
    assert not drawn[:, :, :30].any() and drawn[:, :, 30:].any()


def kept(pixels, axes, in_memory):
    if pixels is None:
        return None
    stored = StoredPixels(pixels.shape, pixels.dtype, pixels.__getitem__)
    return Image(pixels if in_memory else stored, axes, "a")


def composed_again(restorer, image, made, in_memory):
    mean, std = (kept(pixels, made.axes, in_memory) for pixels in (made.mean, made.std))
    again = recomposed(restorer, image, mean, std, made.samples)
    assert isinstance(again.mean, np.ndarray) == in_memory
    return again


def assert_same(again, made):
    for name in ("mean", "std", "residual"):
        one, other = getattr(again, name), getattr(made, name)
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(np.asarray(one), other)
    others = ("axes", "name", "pixel_size", "channel_names", "samples", "checks", "calibration")
    assert [getattr(again, name) for name in others] == [getattr(made, name) for name in others]


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_kept_restoration_is_what_it_was(restored, in_memory):
    restorer, image = restored
    made = restorer.predict(image, samples=2)
    assert made.checks
    assert_same(composed_again(restorer, image, made, in_memory), made)


@pytest.mark.parametrize("in_memory", [True, False])
def test_so_is_one_whose_channels_are_in_another_order(of_two_channels, crops, in_memory):
    of_channels = replace(of_two_channels.model, channel_names=("dim", "bright"))
    named = type(of_two_channels).from_model(of_channels)
    pixels = np.stack([50 * crops[1] + 1000, crops[0]])
    image = Image(pixels, "CYX", "a", channel_names=("bright", "dim"))
    made = named.predict(image, samples=0)
    assert_same(composed_again(named, image, made, in_memory), made)
    drawn = samples_of_detail(named, image, DETAIL, n=1, seed=5)[0]
    assert drawn[0].mean() > 500 > drawn[1].mean()


def test_files_of_another_size_or_order_of_axes_are_no_restoration_of_the_image(denoiser, crops):
    image = Image(crops[0], "YX", "a")
    for other in (Image(crops[0], "XY", "a"), Image(crops[0][1:], "YX", "a")):
        assert recomposed(denoiser, image, other, None, 0) is None
        assert recomposed(denoiser, image, image, other, 0) is None
