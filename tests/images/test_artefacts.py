"""Padding, hot and dead pixels are found where they are, and nowhere else."""

import numpy as np
import pytest
from scipy import ndimage

from ladderscope.images import Image, sample_image
from ladderscope.images.artefacts import (
    blank_filled,
    filled,
    find_artefacts,
    with_padding,
)
from ladderscope.images.cleaning import clean
from ladderscope.images.outliers import find_outliers
from ladderscope.images.padding import find_padding

SIZE = 128
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]
FROM_CENTRE = np.hypot(ROWS - SIZE / 2, COLUMNS - SIZE / 2)


def mask(*edits):
    made = np.zeros((SIZE, SIZE), dtype=bool)
    for edit in edits:
        made[edit] = True
    return made


PADDINGS = {
    "a border": mask(np.s_[:, :20]),
    "a border of 3 rows": mask(np.s_[:3]),
    "a column": mask(np.s_[:, -1:]),
    "a frame": mask(np.s_[:5], np.s_[-5:], np.s_[:, :5], np.s_[:, -5:]),
    "a wide frame": mask(np.s_[:32], np.s_[-32:], np.s_[:, :32], np.s_[:, -32:]),
    "a wedge": ROWS + COLUMNS < 60,
    "a steep wedge": 0.1 * ROWS > COLUMNS,
    "two wedges": np.abs(ROWS - COLUMNS) > 70,
    "a round field": FROM_CENTRE > 0.45 * SIZE,
    "gaps of 3 pixels": mask(np.s_[:, 61:64], np.s_[41:44]),
    "gaps of 5 pixels": mask(np.s_[:, 61:66], np.s_[41:46]),
    "a quarter": mask(np.s_[:64, :64]),
}


@pytest.fixture(scope="module")
def recorded():
    """An image of nuclei on an offset of 100: 16 bits."""
    clean = 100 + sample_image("dna").pixels[:SIZE, :SIZE].astype(float)
    return np.rint(noisy(clean)).clip(1).astype(np.uint16)


def noisy(clean):
    rng = np.random.default_rng(0)
    return 2.0 * rng.poisson(clean / 2) + rng.normal(0, 3, clean.shape)


def outlying(plane, *places, value=65535):
    changed = plane.copy()
    for place in places:
        changed[place] = value
    return changed


class TestPadding:
    @pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
    @pytest.mark.parametrize("value", [0, 65535, "mean"])
    def test_is_found_whatever_its_shape_and_value(self, recorded, padding, value):
        padded = recorded.copy()
        padded[padding] = recorded.mean() if value == "mean" else value
        found = find_padding(padded)
        assert found[padding].mean() > 0.98
        assert (padded[found] == padded[padding][0]).all()
        assert np.mean(found & ~padding) < 0.005

    @pytest.mark.parametrize("value", [0.0, -1.0, 150.25])
    def test_is_found_in_floats(self, recorded, value):
        padded = recorded.astype(np.float32)
        padded[PADDINGS["a round field"]] = value
        assert np.array_equal(find_padding(padded), PADDINGS["a round field"])

    @pytest.mark.parametrize("name", ["a border", "a wedge", "a round field"])
    def test_is_found_in_a_small_image(self, recorded, name):
        padded = recorded[:48, :48].copy()
        rows, columns = np.mgrid[:48, :48]
        padding = {
            "a border": columns < 4,
            "a wedge": rows + columns < 24,
            "a round field": np.hypot(rows - 24, columns - 24) > 22,
        }[name]
        padded[padding] = 0
        assert np.array_equal(find_padding(padded), padding)

    @pytest.mark.parametrize("shape", [(17, 1), (3, 5), (5, 40), (40, 11), (33, 15)])
    @pytest.mark.parametrize("seed", range(3))
    def test_is_not_found_in_scraps_of_noise(self, shape, seed):
        plane = np.random.default_rng(seed).normal(50, 2, shape).round().astype(np.uint8)
        found = find_artefacts(plane)
        assert found.mask is None

    def test_of_two_values_is_found(self, recorded):
        padded = recorded.copy()
        padded[:, :20], padded[:, -20:] = 0, 65535
        assert find_padding(padded).sum() == 40 * SIZE

    def test_a_blank_plane_is_padding_alone(self):
        found = find_artefacts(np.full((40, 30), 7, dtype=np.uint8))
        assert found.is_blank
        assert found.outliers is None

    @pytest.mark.parametrize("photons", [0.01, 0.1, 1.0, 3.0])
    def test_counted_photons_are_none(self, photons):
        counts = np.random.default_rng(0).poisson(photons, (SIZE, SIZE))
        assert find_artefacts(counts.astype(np.uint8)).mask is None
        assert find_artefacts((16.0 * counts).astype(np.float32)).mask is None

    @pytest.mark.parametrize("black", [100, 103, 110])
    def test_a_background_clipped_at_black_is_none(self, black):
        clean = np.where(FROM_CENTRE < 30, 150.0, 100.0)
        plane = noisy(ndimage.gaussian_filter(clean, 3)) - black
        assert find_padding(np.rint(plane).clip(0).astype(np.uint16)) is None
        assert find_padding(plane.clip(0)) is None

    @pytest.mark.parametrize("level", [0.0, 5.0])
    def test_the_even_background_of_an_image_without_noise_is_none(self, level):
        blobs = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(SIZE, SIZE)), 8)
        assert find_padding(1000 * blobs.clip(0) + level) is None
        assert find_padding((1000 * blobs.clip(0)).astype(np.uint8)) is None

    @pytest.mark.parametrize("ceiling", [255, 4095])
    def test_saturated_structures_are_none(self, ceiling):
        rows, columns = (at % 42 - 21 for at in (ROWS, COLUMNS))
        spots = np.exp(-(rows**2 + columns**2) / 72)
        plane = noisy(20 * ceiling * spots + 50).clip(0, ceiling)
        assert find_padding(np.rint(plane).astype(np.uint16)) is None

    def test_a_bright_square_within_is_none(self, recorded):
        assert find_padding(outlying(recorded, np.s_[40:64, 40:64], value=4095)) is None

    @pytest.mark.parametrize("filter_size", [2, 4])
    def test_labels_and_checks_are_none(self, filter_size):
        checks = ((ROWS // (8 * filter_size) + COLUMNS // 16) % 2 * 200).astype(np.uint8)
        assert find_padding(checks) is None
        labels = ndimage.label(np.random.default_rng(2).random((16, 16)) > 0.6)[0]
        assert find_padding(labels.repeat(8, axis=0).repeat(8, axis=1)) is None

    @pytest.mark.parametrize("name", ["dna", "cells", "ph3"])
    def test_a_recorded_image_has_none(self, name):
        assert find_artefacts(sample_image(name).pixels).mask is None


class TestOutliers:
    @pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
    @pytest.mark.parametrize("value", [65535, 2500, 0])
    def test_single_pixels_are_found_where_they_are(self, recorded, value, dtype):
        places = [(0, 0), (40, 41), (64, 64), (100, 127)]
        plane = outlying((recorded + 400).astype(dtype), *places, value=value)
        assert sorted(map(tuple, np.argwhere(find_outliers(plane)))) == sorted(places)

    def test_of_any_size_they_are_found(self, recorded):
        plane = outlying(recorded.astype(np.float64), (40, 41), value=1e30)
        assert np.argwhere(find_outliers(plane)).tolist() == [[40, 41]]

    def test_the_inside_of_a_bright_square_is_none(self, recorded):
        assert find_outliers(outlying(recorded, np.s_[40:48, 40:48])) is None

    def test_a_few_side_by_side_are_found_where_nothing_compares(self, recorded):
        found = find_outliers(outlying(recorded, np.s_[60:62, 60:64]))
        assert np.argwhere(found).tolist() == [
            [row, at] for row in (60, 61) for at in range(60, 64)
        ]

    def test_a_tenth_of_a_per_cent_is_found(self, recorded):
        places = np.random.default_rng(0).choice(SIZE**2, 16, replace=False)
        plane = recorded.copy()
        plane.flat[places] = 65535
        assert sorted(np.flatnonzero(find_outliers(plane))) == sorted(places)

    @pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0])
    @pytest.mark.parametrize("photons", [30, 3000])
    def test_sharp_spots_are_none(self, sigma, photons):
        rng = np.random.default_rng(3)
        clean = np.full((SIZE, SIZE), 1.0)
        for row, column in rng.uniform(5, SIZE - 5, (8, 2)):
            clean += photons * np.exp(
                -((ROWS - row) ** 2 + (COLUMNS - column) ** 2) / (2 * sigma**2)
            )
        plane = rng.poisson(clean) + 100 + rng.normal(0, 1.5, clean.shape)
        assert find_outliers(np.rint(plane).astype(np.uint16)) is None

    def test_padding_is_no_outlier(self, recorded):
        padded = recorded.copy()
        padded[:3] = 65535
        found = find_artefacts(outlying(padded, (50, 50)))
        assert np.argwhere(found.outliers).tolist() == [[50, 50]]


class TestFilling:
    def test_outliers_become_like_their_surroundings(self, recorded):
        plane = outlying(recorded, (40, 41), (40, 42))
        stand_in = filled(plane, find_artefacts(plane))
        around = recorded[38:43, 39:45]
        assert around.min() <= stand_in[40, 41] <= around.max()
        stand_in[40, 41:43] = recorded[40, 41:43]
        assert np.array_equal(stand_in, recorded)

    def test_padding_is_filled_by_reflection(self, recorded):
        plane = recorded.copy()
        plane[:, :20] = 0
        stand_in = filled(plane, find_artefacts(plane))
        assert np.array_equal(stand_in[:, 10:20], recorded[:, 21:31][:, ::-1])

    def test_what_has_nothing_to_fill_is_handed_back_itself(self, recorded):
        assert filled(recorded, find_artefacts(recorded)) is recorded

    def test_each_plane_of_an_image_has_its_own_artefacts(self, recorded):
        pixels = np.stack([[recorded, recorded[::-1]], [recorded[:, ::-1], recorded]])
        pixels[0, 1, :30] = 0
        pixels[1, 0] = 5
        image = Image(pixels, "TCYX", "movie.tif")
        padding = np.zeros(pixels.shape, dtype=bool)
        padding[0, 1, :30] = padding[1, 0] = True
        assert np.array_equal(with_padding(image).padding, padding)
        assert np.array_equal(clean(image).padding, padding)
        assert np.array_equal(clean(image).pixels[1, 0], recorded)
        assert pixels[0, 1, :30].max() == 0

    def test_blank_planes_are_filled_by_the_nearest_measured_one(self, recorded):
        stack = np.stack([recorded, recorded + 1, recorded + 2, recorded + 3])
        padding = np.zeros(stack.shape, dtype=bool)
        padding[0] = padding[3] = padding[2, :9] = True
        filled_up = blank_filled(stack, padding)
        assert [int(plane[50, 50]) - int(recorded[50, 50]) for plane in filled_up] == [1, 1, 2, 2]
        assert blank_filled(stack, None) is stack
        assert blank_filled(stack, np.ones_like(padding)) is stack

    def test_an_image_without_artefacts_stays_the_same(self, recorded):
        image = Image(recorded, "YX", "a.tif")
        assert with_padding(image) is image
        assert clean(image).pixels is recorded
