"""Two workers of one training, in two threads: own batches and clocks, and the same course."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ladderscope.data import Field, PatchShape, TrainingPatches, hold_out, validation_batch
from ladderscope.images import Statistics
from ladderscope.losses import ConstantKLWeight
from ladderscope.network import LadderVAE
from ladderscope.noise import Gaussian
from ladderscope.training import Budget, DenoisingModule, TrainingError
from ladderscope.training.budget import CosineRate, PlateauRate
from ladderscope.training.course import Course
from ladderscope.training.run import _fit
from ladderscope.training.worker import Worker

NOISY = np.random.default_rng(0).normal(100, 5, (48, 48)) + np.mgrid[:48, :48][0]
HELD_OUT = hold_out([Field(NOISY)], 8, seed=0)
FABRIC = Worker.start(torch.device("cpu")).fabric


class Meeting:
    """Where two threads hand each other values."""

    def __init__(self):
        self.barrier = threading.Barrier(2, timeout=60)
        self.values = [None, None]

    def exchanged(self, rank, value):
        self.values[rank] = value
        self.barrier.wait()
        found = list(self.values)
        self.barrier.wait()
        return found


@dataclass(frozen=True)
class OneOfTwo(Worker):
    """All that differs from a worker that is alone."""

    meeting: Meeting
    rank: int

    @property
    def is_first(self):
        return self.rank == 0

    def batch(self, patches, step):
        return patches[2 * step + self.rank]

    def average(self, tensors):
        both = self.meeting.exchanged(self.rank, [one.clone() for one in tensors])
        for one, *of_each in zip(tensors, *both, strict=True):
            one.copy_(sum(of_each) / 2)

    def everywhere(self, found):
        return all(self.meeting.exchanged(self.rank, found))

    def agreed(self, value):
        return self.meeting.exchanged(self.rank, value)[0]


class Patches(TrainingPatches):
    """Training patches of which some batches are not numbers."""

    def __init__(self, broken=()):
        super().__init__(HELD_OUT.training, PatchShape(8), 4, seed=0)
        self.broken = broken

    def __getitem__(self, number):
        batch = super().__getitem__(number)
        if number in self.broken:
            return batch._replace(observation=torch.full_like(batch.observation, math.nan))
        return batch


class Run:
    """One training by two workers, the second of which has a clock of its own."""

    def __init__(self, *, rate=CosineRate(1e-2, 3), steps=12, minutes=None, folder=None):  # noqa: B008
        self.meeting = Meeting()
        self.modules, self.courses = [], []
        for rank in (0, 1):
            torch.manual_seed(0)
            network = LadderVAE(latent_channels=(2, 2), filters=4, batch_norm=True)
            noise, statistics = [Gaussian(5.0)], [Statistics(120.0, 15.0)]
            self.modules.append(
                DenoisingModule(network, noise, statistics, kl_weight=ConstantKLWeight(1.0))
            )
            self.courses.append(
                Course(
                    Budget(minutes=minutes, steps=None if minutes else steps),
                    rate if isinstance(rate, CosineRate) else PlateauRate(rate.peak, 1, 2),
                    validation_batch(HELD_OUT.validation, PatchShape(8), seed=0),
                    validations=6,
                    state_file=None if folder is None else folder / f"state {rank}",
                )
            )
        self.courses[1]._started -= 1e6

    def fit(self, patches=None, stop=(None, None), *, report=None):
        patches = patches or Patches()

        def work(rank):
            module = self.modules[rank]
            worker = OneOfTwo(FABRIC, self.meeting, rank)
            try:
                return _fit(worker, module, patches, self.courses[rank], report, stop[rank], None)
            except TrainingError:  # which both raise
                raise
            except BaseException:
                self.meeting.barrier.abort()
                raise

        with ThreadPoolExecutor(2) as pool:
            return [future.exception() or future.result() for future in map_of(pool, work)]

    def assert_alike(self):
        one, other = self.courses
        assert one.history == other.history and one.history
        assert (one.best_loss, one.best_step) == (other.best_loss, other.best_step)
        assert_same(one.best_weights, other.best_weights)
        first, second = (dict(module.network.named_parameters()) for module in self.modules)
        assert_same(first, second)
        counts = [(module.steps_done, module.skipped) for module in self.modules]
        assert counts[0] == counts[1]


def map_of(pool, work):
    return [pool.submit(work, rank) for rank in (0, 1)]


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("budget", [{}, {"minutes": 0.01}, {"rate": PlateauRate(1.0)}], ids=str)
def test_both_take_the_same_course(budget):
    run = Run(**budget)
    assert run.fit() == [False, False]
    run.assert_alike()
    assert run.courses[0].history[-1].seconds < 1e5  # by the clock of the first


@pytest.mark.parametrize("broken", [{4}, {7}, {4, 7, 9}], ids=str)
def test_a_batch_that_one_cannot_use_is_skipped_by_both(broken):
    run = Run()
    run.fit(Patches(broken))
    run.assert_alike()
    assert run.modules[0].skipped == len({number // 2 for number in broken})


def test_a_loss_that_stays_not_finite_for_one_stops_both_with_advice():
    run = Run(steps=200)
    found = run.fit(Patches(range(1, 400, 2)))
    assert all(isinstance(error, TrainingError) for error in found)
    assert all("learning rate" in str(error) for error in found)


def test_late_divergence_of_one_ends_both_with_the_best_weights():
    run = Run(steps=60)
    assert run.fit(Patches(range(41, 400, 2))) == [False, False]
    run.assert_alike()
    assert all(course.diverged for course in run.courses)


def test_the_first_is_asked_to_stop_and_writes_the_state(tmp_path):
    run = Run(folder=tmp_path)
    asked = iter([False, False, True])
    assert run.fit(stop=(lambda: next(asked), lambda: True)) == [True, True]
    run.assert_alike()
    assert run.modules[1].steps_done == 3
    assert [path.name for path in tmp_path.iterdir()] == ["state 0"]
