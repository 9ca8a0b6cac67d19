"""Training on images that stay on disk: as in memory, resumed too, and what a damaged file does."""

import numpy as np
import pytest
import tifffile
import torch

from ladderscope import Denoiser, Splitter
from ladderscope.errors import LadderscopeError
from ladderscope.images import at_hand, open_image
from ladderscope.images.stored import StoredPixels
from ladderscope.noise import Gaussian

RNG = np.random.default_rng(0)


def recording(number):
    """Draw noisy waves with a hot pixel, and with padding in every other recording."""
    rows, columns = np.mgrid[:96, :96]
    plane = RNG.poisson(60 + 40 * np.sin(rows / (5 + number)) * np.sin(columns / 7))
    plane[10 + number, 20] = 60000
    if number % 2:
        for row in range(96):
            plane[row, 70 + row // 4 :] = 0
    return plane.astype(np.uint16)


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        tifffile.imwrite(
            tmp_path / f"{number}.tif",
            recording(number),
            compression="zlib" if number else None,
            rowsperstrip=16,
        )
    return tmp_path


@pytest.fixture
def on_disk(monkeypatch):
    return lambda: monkeypatch.setattr(at_hand, "MOST_IN_MEMORY", 0)


def denoiser():
    return Denoiser("tiny", Gaussian(8.0), device="cpu")


def test_a_denoiser_is_the_same_to_the_last_bit_whether_its_images_stay_on_disk(folder, on_disk):
    one = denoiser().fit(folder, steps=4, progress=False)
    on_disk()
    other = denoiser().fit(folder, steps=4, progress=False)
    assert_same(one.model, other.model)


@pytest.mark.parametrize("mixed", [False, True])
def test_so_is_a_splitter_with_context_and_foreground(folder, on_disk, mixed):
    images = [[folder / "0.tif", folder / "1.tif"], [folder / "1.tif", folder / "2.tif"]]
    recorded = [folder / "2.tif", folder / "0.tif"] if mixed else None
    models = []
    for _ in range(2):
        splitter = Splitter("musplit", "tiny", context=2, foreground=True, device="cpu")
        splitter.fit(images, mixed=recorded, steps=2, progress=False)
        models.append(splitter.model)
        on_disk()
    assert_same(*models)


def test_a_training_on_disk_is_resumed_as_if_it_had_not_stopped(folder, on_disk, tmp_path):
    whole = denoiser().fit(folder, steps=6, progress=False)
    on_disk()
    state, seen = tmp_path / "state", []
    denoiser().fit(
        folder,
        steps=6,
        progress=lambda *now: seen.append(now),
        should_stop=lambda: len(seen) >= 3,
        state_file=state,
    )
    resumed = denoiser().fit(folder, steps=6, progress=False, state_file=state, resume=True)
    assert_same(whole.model, resumed.model)


def test_a_file_that_is_damaged_meanwhile_is_named_and_the_training_resumed(
    folder, on_disk, tmp_path
):
    whole = denoiser().fit(folder, steps=6, progress=False)
    on_disk()
    state, victim = tmp_path / "state", folder / "1.tif"
    content, seen = victim.read_bytes(), []

    def damages(*now):
        seen.append(now)
        if len(seen) == 2:
            victim.write_bytes(content[: len(content) // 2])

    with pytest.raises(LadderscopeError, match=r"1\.tif: has changed.*state: resume"):
        denoiser().fit(folder, steps=6, progress=damages, state_file=state)
    victim.write_bytes(content)
    resumed = denoiser().fit(folder, steps=6, progress=False, state_file=state, resume=True)
    assert_same(whole.model, resumed.model)


def test_error_bars_are_calibrated_on_images_that_stay_on_disk(folder, on_disk):
    trained = denoiser().fit(folder, steps=4, progress=False)
    found = []
    for _ in range(2):
        found.append(trained.calibrate(folder, samples=2).model.calibration)
        on_disk()
    assert repr(found[0]) == repr(found[1])


def test_a_mapped_array_stays_where_it_is(tmp_path, on_disk):
    path = tmp_path / "stack.dat"
    np.memmap(path, np.uint16, "w+", shape=(2, 96, 96))[:] = [recording(0), recording(2)]
    mapped = np.memmap(path, np.uint16, "r", shape=(2, 96, 96))
    on_disk()
    opened = open_image(mapped, "TYX")
    [image] = at_hand.at_hand([opened], in_memory=at_hand.are_small([opened]))
    assert isinstance(image.pixels, StoredPixels)
    assert np.array_equal(image.array, mapped)


def test_images_in_memory_are_never_too_large(on_disk):
    on_disk()
    assert at_hand.are_small([open_image(np.eye(8)), open_image(np.eye(9))])


def assert_same(one, other):
    assert one.statistics == other.statistics
    assert one.notices == other.notices
    assert one.weights.keys() == other.weights.keys()
    for name, weights in one.weights.items():
        assert torch.equal(weights, other.weights[name]), name
