"""Whoever listens hears how far the work has come, and may stop it from another thread."""

import signal
import threading

import numpy as np
import pytest

from ladderscope import Denoiser, Splitter, measure_noise, noise
from ladderscope.interruption import StopRequested
from ladderscope.training.seeding import seeded


class Listener:
    """Keeps what it hears; sets an event, and waits for another thread to act on it, at a call."""

    def __init__(self, at=None):
        self.fractions, self.messages = [], []
        self.at, self.stop = at, threading.Event()
        self.reached = threading.Event()

    def __call__(self, fraction, message):
        self.fractions.append(fraction)
        self.messages.append(message)
        if len(self.fractions) == self.at:
            self.reached.set()
            assert self.stop.wait(60)

    def stopping_elsewhere(self):
        """Start a thread that asks for an end as soon as the call is reached."""
        thread = threading.Thread(target=lambda: self.reached.wait(60) and self.stop.set())
        thread.start()
        return thread


def assert_complete(listener):
    assert listener.fractions == sorted(listener.fractions)
    assert listener.fractions[0] >= 0 and listener.fractions[-1] == 1
    assert all(isinstance(message, str) and message for message in listener.messages)


def denoised(crops, **how):
    return Denoiser("tiny").fit(crops[0], steps=6, **how)


def split(crops, **how):
    return Splitter("musplit", "tiny").fit([crops[0], crops[1]], steps=6, **how)


@pytest.mark.parametrize("fit", [denoised, split])
def test_fitting_is_followed_step_by_step(crops, fit):
    listener = Listener()
    fit(crops, progress=listener)
    assert_complete(listener)
    assert len(listener.fractions) >= 6 and "step 3" in listener.messages[2]


def test_listening_changes_no_weight(crops):
    heard, unheard = (denoised(crops, progress=progress) for progress in (Listener(), False))
    for name, value in heard.model.weights.items():
        assert value.equal(unheard.model.weights[name])


@pytest.mark.parametrize("fit", [denoised, split])
def test_another_thread_stops_fitting_and_the_best_model_is_kept(crops, fit):
    listener = Listener(at=3)
    thread = listener.stopping_elsewhere()
    fitted = fit(crops, progress=listener, should_stop=listener.stop.is_set)
    thread.join()
    outcome = fitted.model.outcome
    assert outcome.interrupted and outcome.steps == 3
    assert listener.fractions[-1] < 1
    assert np.isfinite(fitted.predict(crops[0], samples=0).mean).all()


def test_fitting_in_a_thread_beside_the_main_one_is_stopped(crops):
    fitted = []
    thread = threading.Thread(
        target=lambda: fitted.append(denoised(crops, progress=False, should_stop=lambda: True))
    )
    thread.start()
    thread.join()
    assert fitted[0].model.outcome.interrupted and fitted[0].model.outcome.steps == 1


def test_a_stopped_fit_goes_on_from_its_state(crops, tmp_path):
    state = tmp_path / "state"
    denoised(crops, progress=False, state_file=state, should_stop=lambda: True)
    listener = Listener()
    resumed = denoised(crops, progress=listener, state_file=state, resume=True)
    assert_complete(listener)
    whole = denoised(crops, progress=False)
    for name, value in resumed.model.weights.items():
        assert value.equal(whole.model.weights[name])


def test_what_waits_for_its_turn_can_be_stopped():
    held, done = threading.Event(), threading.Event()

    def other():
        with seeded(0):
            held.set()
            done.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(60)
    try:
        with pytest.raises(StopRequested), seeded(0, lambda: True):
            pytest.fail("had its turn")
    finally:
        done.set()
        thread.join()


def predicted(denoiser, crops, **how):
    return [one.mean for one in denoiser.predict([crops[0], crops[1]], samples=9, **how)]


def sampled(denoiser, crops, **how):
    return denoiser.sample(crops[0], n=17, **how)


@pytest.mark.parametrize("work", [predicted, sampled])
def test_restoring_is_followed_to_its_end(denoiser, crops, work):
    listener = Listener()
    heard = work(denoiser, crops, progress=listener)
    assert_complete(listener)
    assert len(set(listener.fractions)) > 2
    unheard = work(denoiser, crops)
    assert np.array_equal(heard, unheard)


@pytest.mark.parametrize("work", [predicted, sampled])
def test_another_thread_stops_restoring(denoiser, crops, work):
    listener = Listener(at=1)
    thread = listener.stopping_elsewhere()
    with pytest.raises(StopRequested, match="restoring"):
        work(denoiser, crops, progress=listener, should_stop=listener.stop.is_set)
    thread.join()
    assert len(listener.fractions) == 1


def test_images_that_are_blank_padding_still_end_at_one(denoiser, crops):
    stack = np.stack([crops[0], np.zeros_like(crops[0])])
    listener = Listener()
    denoiser.predict(stack, "ZYX", samples=2, progress=listener)
    assert_complete(listener)


def test_a_signal_is_one_more_that_asks_for_an_end(crops):
    def press(fraction, message):
        if "step 2" in message:
            signal.raise_signal(signal.SIGINT)

    fitted = denoised(crops, progress=press, should_stop=lambda: False)
    assert fitted.model.outcome.interrupted and fitted.model.outcome.steps == 2


def in_a_thread(work):
    """Run work in a thread beside the main one, and give what came of it."""
    found = []

    def kept():
        try:
            found.append(work())
        except StopRequested as error:
            found.append(error)

    thread = threading.Thread(target=kept)
    thread.start()
    thread.join()
    return found[0]


def test_restoring_in_a_thread_beside_the_main_one_is_stopped(denoiser, crops):
    asked = iter([False, True])
    stopped = in_a_thread(
        lambda: denoiser.predict(crops[0], samples=17, should_stop=lambda: next(asked))
    )
    assert isinstance(stopped, StopRequested) and "restoring" in str(stopped)
    assert next(asked, None) is None


def test_reading_is_stopped_between_two_images(crops):
    for fit in (denoised, split):
        given = [[crops[0], crops[1]]] if fit is denoised else crops
        stopped = in_a_thread(lambda: fit(given, progress=False, should_stop=lambda: True))  # noqa: B023
        assert isinstance(stopped, StopRequested) and "reading" in str(stopped)


def test_the_measurement_of_noise_is_stopped_between_two_channels(crops):
    two = np.stack([crops[0], crops[1]])
    denoiser = Denoiser("tiny")
    with pytest.raises(StopRequested, match="noise of channel 2"):
        denoiser.fit(two, "CYX", steps=6, progress=False, should_stop=lambda: True)


def alone(crops, **how):
    return measure_noise([crops[0], crops[1]], **how)


def bootstrapped(crops, **how):
    return measure_noise(crops[0], kind="histogram", preset="tiny", steps=6, **how)


def on_arrays(crops, **how):
    return noise.measure_noise(crops[0], **how)


@pytest.mark.parametrize("measure", [alone, bootstrapped, on_arrays])
def test_measuring_noise_is_followed_to_its_end_and_can_be_stopped(crops, measure):
    listener = Listener()
    measure(crops, progress=listener)
    assert_complete(listener)
    assert len(listener.fractions) >= 2
    stopped = in_a_thread(lambda: measure(crops, progress=False, should_stop=lambda: True))
    assert isinstance(stopped, StopRequested)
