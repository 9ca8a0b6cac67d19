"""The check tells noise that suits its model from noise that does not, in words."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images import sample_image
from ladderscope.noise import Gaussian, NoiseError, PoissonGaussian
from ladderscope.noise_estimation import NoiseCheck, check

Image = NDArray[Any]

CAMERA = PoissonGaussian(gain=2.0, intercept=9.0)
BLUR = np.array([1.0, 2.0, 1.0]) / 4
SHARPEN = np.array([-0.25, 1.5, -0.25])


def signal(name: str = "dna") -> Image:
    return sample_image(name).pixels.astype(float)


def observe(clean: Image, seed: int = 0) -> Image:
    """Give a clean image the noise of `CAMERA`."""
    generator = np.random.default_rng(seed)
    return 2.0 * generator.poisson(clean / 2) + generator.normal(0, 3, clean.shape)


def checked(images: Any, *arguments: Any, **options: Any) -> NoiseCheck:
    found = check(images, *arguments, **options)
    assert isinstance(found, NoiseCheck)
    return found


def autocorrelation(kernel: Image, shift: int) -> float:
    """Return the correlation that filtering with this kernel puts into white noise."""
    return float(np.dot(kernel[shift:], kernel[: kernel.size - shift]) / np.dot(kernel, kernel))


@pytest.mark.parametrize("name", ["dna", "cells"])
@pytest.mark.parametrize("model", [None, CAMERA])
def test_white_noise_of_the_right_size_is_about_right(
    name: str, model: PoissonGaussian | None
) -> None:
    found = checked(observe(signal(name)), model)
    assert found.verdict == "about right"
    assert found.deviation_ratio == pytest.approx(1, abs=0.08)
    assert found.deviation_ratio_dark == pytest.approx(1, abs=0.12)
    assert found.deviation_ratio_bright == pytest.approx(1, abs=0.12)
    assert max(map(abs, found.correlation)) < 0.06
    assert not found.heavy_tails
    assert found.frames == 0
    assert "about right" in found.summary()
    assert "independent" in found.summary()


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.7, "too weak"), (1.4, "too strong"), (1.0, "about right")]
)
def test_a_model_of_the_wrong_size_is_named(factor: float, verdict: str) -> None:
    wrong = PoissonGaussian(factor**2 * CAMERA.gain, factor**2 * CAMERA.intercept)
    found = checked(observe(signal()), wrong)
    assert found.verdict == verdict
    assert found.deviation_ratio == pytest.approx(1 / factor, rel=0.08)
    assert verdict in found.summary()


def test_the_ratio_does_not_depend_on_units() -> None:
    noisy = observe(signal())
    plain = checked(noisy, CAMERA)
    scaled = checked(8 * noisy + 1000, PoissonGaussian(16.0, 64 * 9.0 - 16_000))
    assert scaled.deviation_ratio == pytest.approx(plain.deviation_ratio, rel=0.01)
    assert scaled.correlation == pytest.approx(plain.correlation, abs=1e-6)


def test_a_constant_model_of_photons_errs_at_both_ends() -> None:
    clean = np.linspace(10, 250, 384) * np.ones((384, 1))
    found = checked(observe(clean), Gaussian(math.sqrt(2 * 130 + 9)))
    assert found.verdict in ("too weak", "too strong")
    assert found.deviation_ratio_dark < 0.8
    assert found.deviation_ratio_bright > 1.2
    assert "does not grow with the signal" in found.summary()


@pytest.mark.parametrize("name", ["dna", "cells"])
def test_blurred_noise_is_correlated_along_the_blur(name: str) -> None:
    clean = signal(name)
    blurred = clean + ndimage.correlate1d(observe(clean) - clean, BLUR, axis=1)
    found = checked(blurred)
    assert found.verdict == "correlated between neighbouring pixels"
    # a signal that carries some noise of its own, as that of the cells does, dilutes it
    assert 0.45 < found.correlation[0] < autocorrelation(BLUR, 1) + 0.05
    assert abs(found.correlation[1]) < 0.12
    assert "blind_levels=2" in found.summary()
    assert "pixel-wise" in found.summary()


def test_turning_the_image_turns_the_correlation() -> None:
    clean = signal()
    blurred = clean + ndimage.correlate1d(observe(clean) - clean, BLUR, axis=1)
    across, along = checked(blurred), checked(blurred.T)
    assert along.correlation[1] == pytest.approx(across.correlation[0], abs=0.05)
    assert along.correlation[1] > 0.5 > abs(along.correlation[0])


def test_lines_are_correlated_along_themselves_alone() -> None:
    clean = signal()
    rows = np.random.default_rng(3).normal(0, 8, (512, 1))
    lines = checked(clean + rows + np.random.default_rng(4).normal(0, 0.5, clean.shape))
    assert lines.verdict == "correlated between neighbouring pixels"
    assert lines.correlation[0] > 0.9
    assert abs(lines.correlation[1]) < 0.15
    noisy = observe(clean)
    faint = checked(noisy + rows)
    share = 64 / (64 + (noisy - clean).var())
    assert faint.correlation[0] == pytest.approx(share, abs=0.12)
    assert faint.verdict == "correlated between neighbouring pixels"


def test_sharpened_noise_is_correlated_negatively() -> None:
    clean = signal()
    noise = ndimage.correlate1d(observe(clean) - clean, SHARPEN, axis=1)
    found = checked(clean + noise)
    assert found.verdict == "correlated between neighbouring pixels"
    assert found.correlation[0] == pytest.approx(autocorrelation(SHARPEN, 1), abs=0.06)
    assert "sharpened" in found.summary()


@pytest.mark.parametrize("seed", range(3))
def test_on_a_plain_background_the_correlation_is_exact(seed: int) -> None:
    white = np.random.default_rng(seed).normal(100, 5, (384, 384))
    halves = np.array([1.0, 1.0]) / 2  # correlation 1/2 with the next pixel, none beyond
    found = checked(ndimage.correlate1d(ndimage.correlate1d(white, halves, 0), halves, 1))
    assert found.correlation == pytest.approx((0.5, 0.5), abs=5 * found.correlation_error)
    assert found.correlation_diagonal == pytest.approx(0.25, abs=5 * found.correlation_error)
    assert checked(white).correlation == pytest.approx((0, 0), abs=0.05)


def test_the_standard_error_is_the_spread_over_images() -> None:
    found = [
        checked(np.random.default_rng(seed).normal(100, 5, (128, 128)), Gaussian(5.0))
        for seed in range(40)
    ]
    spread = np.std([one.correlation[0] for one in found])
    assert np.mean([one.correlation_error for one in found]) == pytest.approx(spread, rel=0.5)
    assert sum(one.verdict != "about right" for one in found) <= 1
    assert not any(one.heavy_tails for one in found)


def test_hot_pixels_make_heavy_tails_and_nothing_else() -> None:
    noisy = observe(signal())
    hot = np.random.default_rng(1).random(noisy.shape) < 1e-3
    found = checked(noisy + 200 * hot, CAMERA)
    assert found.verdict == "about right"
    assert found.heavy_tails
    assert found.outlier_share > 2 * found.outlier_share_predicted
    assert "hot pixels" in found.summary()


def test_outliers_of_gaussian_noise_are_predicted() -> None:
    found = checked(np.random.default_rng(0).normal(100, 5, (512, 512)), Gaussian(5.0))
    beyond_three = math.erfc(3 / math.sqrt(2))
    assert found.outlier_share_predicted == pytest.approx(beyond_three, rel=0.2)
    assert found.outlier_share == pytest.approx(beyond_three, rel=0.3)


def movie() -> Image:
    """Eight frames of which the third and sixth, counted from 0, repeat their predecessors."""
    clean = signal()[:160, :200]
    frames = np.stack([observe(clean, seed) for seed in range(8)])
    frames[3] = frames[2]
    frames[6] = frames[5] + 0.01
    return frames


def test_repeated_frames_are_listed() -> None:
    found = checked(movie(), axes="TYX")
    assert found.repeated_frames == (3, 6)
    assert found.frames == 8
    assert "2 of 8 frames (25 %) repeat" in found.summary()
    assert "3, 6" in found.summary()
    assert checked(list(movie())).repeated_frames == (3, 6)
    assert checked(movie(), axes="ZYX").repeated_frames == ()
    assert checked(list(movie()), axes="SYX").repeated_frames == ()


def test_repeats_are_found_along_time_whatever_the_order_of_axes() -> None:
    stack = np.stack([movie(), observe(np.full((8, 160, 200), 90.0), 9)])  # Z, T, Y, X
    for axes, order in (("ZTYX", (0, 1, 2, 3)), ("XTYZ", (3, 1, 2, 0)), ("TZYX", (1, 0, 2, 3))):
        found = checked(stack.transpose(order), CAMERA, axes=axes)
        assert found.repeated_frames == (3, 6)
        assert found.verdict == "about right"


def test_a_still_dark_movie_does_not_repeat_itself() -> None:
    clean = np.zeros((96, 96))
    clean[40:56, 40:56] = 4000.0
    frames = np.stack([observe(clean, seed) for seed in range(4)])
    assert checked(frames, CAMERA, axes="TYX").repeated_frames == ()


def test_blank_frames_are_no_repeats() -> None:
    frames = movie()
    frames[4:6] = 0
    assert checked(frames, axes="TYX").repeated_frames == (3,)


def test_channels_are_checked_one_by_one() -> None:
    noisy = observe(signal())
    stack = np.stack([noisy, 8 * noisy], axis=-1)
    models = [CAMERA, PoissonGaussian(16.0, 64 * 9.0)]
    found = check(stack, models, axes="YXC")
    assert isinstance(found, list)
    assert [one.verdict for one in found] == ["about right", "about right"]
    swapped = check(stack, models[::-1], axes="YXC")
    assert isinstance(swapped, list)
    assert [one.verdict for one in swapped] == ["too strong", "too weak"]
    alike = check(stack, CAMERA, axes="YXC")
    assert isinstance(alike, list)
    assert [one.verdict for one in alike] == ["about right", "too weak"]
    assert len(check(stack, axes="YXC")) == 2


class Watched:
    """An array that remembers how much of it was asked for at a time."""

    def __init__(self, pixels: Image) -> None:
        self.pixels, self.most = pixels, 0
        self.shape, self.dtype = pixels.shape, pixels.dtype

    def __array__(self, *args: Any, **kwargs: Any) -> Image:
        raise AssertionError("read as a whole")

    def __getitem__(self, where: Any) -> Image:
        part = self.pixels[where]
        self.most = max(self.most, part.size)
        return part


def test_arrays_are_read_plane_by_plane() -> None:
    frames = Watched(movie())
    assert checked(frames, axes="TYX").repeated_frames == (3, 6)
    assert frames.most == 160 * 200


def test_an_iterable_is_read_once_and_may_be_long() -> None:
    clean = np.full((70, 70), 100.0)

    def stream() -> Iterator[Image]:
        for seed in range(60):
            yield observe(clean, seed)

    found = checked(stream())
    assert found.verdict == "about right"
    assert found.frames == 60
    assert checked(list(stream()), CAMERA).correlation == found.correlation


def test_what_a_plot_needs_is_there() -> None:
    found = checked(observe(signal("cells")), CAMERA)
    sizes = {
        values.size
        for values in (
            found.bin_signals,
            found.bin_observed,
            found.bin_predicted,
            found.bin_counts,
        )
    }
    assert len(sizes) == 1
    assert found.bin_signals.size > 5
    assert (np.diff(found.bin_signals) > 0).all()
    expected = np.sqrt(2 * found.bin_signals + 9)
    assert found.bin_predicted == pytest.approx(expected, rel=1e-6)
    assert found.bin_observed == pytest.approx(expected, rel=0.25)


def test_padding_and_clipping_are_left_out() -> None:
    noisy = observe(signal())
    assert checked(np.pad(noisy, 40), CAMERA).verdict == "about right"
    clipped = np.clip(np.round(1.5 * noisy), 0, 255).astype(np.uint8)
    assert (clipped == 255).mean() > 5e-4
    assert checked(clipped).verdict == "about right"


def test_a_background_clipped_to_black_is_not_held_against_the_model() -> None:
    clean = np.maximum(1.5 * signal() - 60, 0)
    clipped = np.clip(np.round(observe(clean)), 0, 255).astype(np.uint8)
    assert (clipped == 0).mean() > 0.2
    found = checked(clipped, CAMERA)
    assert found.verdict == "about right"
    assert found.deviation_ratio_dark == pytest.approx(1, abs=0.15)


def test_it_is_deterministic() -> None:
    noisy = observe(signal()[:128, :128])
    assert checked(noisy).summary() == checked(noisy).summary()


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.ones((3, 64, 64)), {}, r"\(3, 64, 64\).* give axes"),
        (np.ones((3, 64, 64)), {"axes": "YX"}, "one letter"),
        (np.ones((3, 64, 64)), {"axes": "QYX"}, "axes \"QYX\".*'Q'"),
        (np.ones((3, 64, 64)), {"axes": "YYX"}, 'axes "YYX" repeats Y'),
        (np.ones((3, 64, 64)), {"axes": "TZX"}, 'axes "TZX" lacks Y'),
        (np.ones((3, 64, 64)), {"axes": "CYX", "model": [Gaussian(1.0)]}, "1 given for 3 channels"),
        (np.ones((64, 64)), {"model": [Gaussian(1.0)]}, "axes with a C"),
        ([np.ones((64, 64))], {"axes": "CYX"}, "iterable"),
        ([np.ones((2, 64, 64))], {}, "2 axes"),
        ([np.full((64, 64), np.nan)], {"model": Gaussian(1.0)}, "NaN"),
        (np.full((64, 64), 7.0), {"model": Gaussian(1.0)}, "constant"),
        (np.full((64, 64), 7.0), {}, "constant"),
        (np.random.default_rng(0).normal(size=(20, 20)), {"model": Gaussian(1.0)}, "too small"),
        (np.random.default_rng(0).normal(size=(5, 5)), {"model": Gaussian(1.0)}, "too small"),
        (np.mgrid[:64, :64][0].astype(float), {"model": Gaussian(1.0)}, "no noise"),
        (np.ones((64, 64), dtype=bool), {}, "bool"),
        ([], {"model": Gaussian(1.0)}, "none"),
        ([], {}, "no image"),
    ],
)
def test_images_that_cannot_be_checked_are_refused(
    images: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(NoiseError, match=message):
        check(images, **options)


@pytest.mark.parametrize("name", ["dna", "cells", "ph3"])
def test_fine_structure_of_a_real_image_is_no_correlated_noise(name: str) -> None:
    assert checked(sample_image(name).pixels).verdict == "about right"


def test_noise_that_was_interpolated_is_correlated_at_every_brightness() -> None:
    noisy = observe(signal()[:160, :160])
    found = checked(ndimage.zoom(noisy, 2, order=1))
    assert found.verdict == "correlated between neighbouring pixels"
