"""What a report asks of a restorer: samples of a detail, and the checks of a kept restoration."""

from dataclasses import replace

import numpy as np
import pytest

from ladderscope.images import Image
from ladderscope.models.detail import checked, samples_of_detail

DETAIL = slice(30, 70), slice(8, 48)


def test_samples_of_a_detail_are_those_of_the_image_in_the_order_of_its_channels(
    of_two_channels, crops
):
    pixels = np.stack([crops[0], 50 * crops[1] + 1000])
    image = Image(pixels, "CYX", "a")
    drawn = samples_of_detail(of_two_channels, image, DETAIL, n=3, seed=5)
    whole = of_two_channels.sample(pixels, "CYX", n=3, seed=5)
    assert drawn.shape == (3, 2, 40, 40)
    for channel in range(2):
        error = np.abs(drawn - whole[:, :, *DETAIL])[:, channel].mean()
        assert error < 0.1 * whole[:, channel].std(axis=0).mean()  # what lies beyond the overlap


def test_a_stack_is_shown_in_its_middle_plane(denoiser, crops):
    stack = np.stack([crops[0], crops[0][::-1], crops[0]])
    drawn = samples_of_detail(denoiser, Image(stack, "ZYX", "a"), DETAIL, n=2, seed=0)[:, 0]
    whole = denoiser.sample(stack, "ZYX", n=2, seed=0)[:, :, *DETAIL]
    errors = [float(np.abs(drawn - whole[:, plane]).mean()) for plane in range(3)]
    assert errors[1] < 0.2 * min(errors[0], errors[2])


def test_padding_is_not_sampled(denoiser, crops):
    padded = crops[0].copy()
    padded[:60] = 0
    drawn = samples_of_detail(denoiser, Image(padded, "YX", "a"), DETAIL, n=2, seed=0)
    assert not drawn[:, :, :30].any() and drawn[:, :, 30:].any()


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_kept_restoration_is_checked_as_it_was(of_two_channels, crops, order):
    pixels = np.stack([crops[0], 50 * crops[1] + 1000])
    image = Image(pixels[order], "CYX", "a")
    restored = of_two_channels.predict(image, samples=0)
    assert restored.checks
    again = checked(of_two_channels, image, replace(restored, checks=()))
    assert again.checks == restored.checks
