"""Splitters are calibrated on sums of held-out recordings, which share the noise of their truth."""

from types import SimpleNamespace

import numpy as np
import pytest

from ladderscope.data import Channels, Field, Mixing
from ladderscope.images import Image
from ladderscope.models.calibrating import Compared
from ladderscope.models.held_out import held_out_sums, on_held_out
from ladderscope.models.restoring import Fields
from ladderscope.noise import Gaussian

SUM = Mixing((0.0, 0.0), (1.0, 1.0))
NOISE = 3.0


def test_recordings_are_added_up_in_several_combinations_none_of_them_a_pair():
    rng = np.random.default_rng(0)
    structures = [[Field(rng.normal(size=(40, 40))) for _ in range(2)] for _ in range(2)]
    made = held_out_sums(Channels(structures), SUM)
    used = [
        tuple(
            number
            for number, field in enumerate(fields)
            if np.isin(channel, field.pixels.astype(np.float32)).all()
        )
        for image in made.channels
        for fields, channel in zip(structures, image.array, strict=True)
    ]
    assert used == [(0,), (0,), (1,), (1,), (0,), (1,), (1,), (0,)]
    for mixed, image in zip(made.mixed, made.channels, strict=True):
        assert np.allclose(mixed.array, image.array.sum(axis=0))
    first = made.channels[0].array
    assert np.allclose(first[0], structures[0][0].pixels)
    assert np.allclose(first[1], np.rot90(structures[1][0].pixels))


def test_pairs_stay_together():
    rng = np.random.default_rng(0)
    structures = [[Field(rng.normal(size=(40, 40))) for _ in range(2)] for _ in range(2)]
    pairs = held_out_sums(Channels(structures, paired=True), SUM)
    assert len(pairs.channels) == 2 and pairs.source == "held-out pairs"
    for number, image in enumerate(pairs.channels):
        assert np.allclose(image.array[1], structures[1][number].pixels)


@pytest.mark.parametrize(("handed_on", "known"), [(0.1, True), (0.7, True), (0.7, False)])
def test_noise_that_a_network_hands_on_is_part_of_its_error(handed_on, known):
    rng = np.random.default_rng(1)
    recorded = 50 + rng.normal(0, NOISE, (2, 256, 256)).astype(np.float32)

    def restore(image: Image, _done: float) -> Compared:
        noise = image.array - 100
        mean = np.stack([50 + handed_on * noise] * 2)[None].astype(np.float32)
        return Compared(Fields(image, "YX", (0,)), mean, np.full_like(mean, 0.3))

    sums = held_out_sums(Channels([[Field(channel)] for channel in recorded]), SUM)
    laws = (Gaussian(NOISE), Gaussian(NOISE)) if known else ()
    model = SimpleNamespace(noise_models=laws, settings=SimpleNamespace(blind_levels=0))
    wanted = handed_on * NOISE * 2**0.5
    for made in on_held_out(model, sums, restore, samples=16, seed=0):
        assert made.std(np.array([0.3]), np.array([50.0])) == pytest.approx(wanted, rel=0.15)
