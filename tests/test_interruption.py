"""How signals ask for an end: gently once while training, and at once everywhere else."""

import os
import signal
import threading

import pytest

from ladderscope.interruption import Stopped, listening, stopping_gently

ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.fixture(autouse=True)
def as_at_the_start():
    """Give every signal its default handler, whatever the tests run under."""
    before = {number: signal.getsignal(number) for number in ENDS}
    for number in ENDS:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_stops_at_once_with_the_status_that_shells_expect(number):
    with pytest.raises(Stopped) as stopped, listening():
        signal.raise_signal(number)
    assert isinstance(stopped.value, KeyboardInterrupt)
    assert stopped.value.status == 128 + number


@pytest.mark.parametrize("second", ENDS)
@pytest.mark.parametrize("first", ENDS)
def test_where_it_may_be_gentle_the_first_is_noted_and_the_second_stops(first, second, caplog):
    with stopping_gently() as should_stop:
        assert not should_stop()
        signal.raise_signal(first)
        assert should_stop() and "stopping after this step" in caplog.text
        with pytest.raises(Stopped) as stopped:
            signal.raise_signal(second)
    assert stopped.value.status == 128 + second


@pytest.mark.parametrize("number", ENDS)
def test_all_but_a_gentle_ctrl_c_decides_the_status_of_the_whole(number):
    with listening() as requests:
        with stopping_gently():
            signal.raise_signal(number)
        assert requests.status == (0 if number == signal.SIGINT else 128 + number)
        with pytest.raises(Stopped):
            signal.raise_signal(number)


def test_each_gentle_block_begins_anew():
    with listening():
        for _ in "ab":
            with stopping_gently() as should_stop:
                signal.raise_signal(signal.SIGINT)
                assert should_stop()


@pytest.mark.parametrize("block", [listening, stopping_gently])
def test_handlers_are_put_back(block):
    with pytest.raises(ZeroDivisionError), block():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        raise ZeroDivisionError
    assert {signal.getsignal(number) for number in ENDS} == {signal.SIG_DFL}


def test_what_the_program_ignores_or_handles_itself_is_left_to_it():
    heard = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with listening():
        signal.raise_signal(signal.SIGTERM)
        if hasattr(signal, "SIGHUP"):
            signal.raise_signal(signal.SIGHUP)
    assert heard == [signal.SIGTERM]


def test_a_thread_beside_the_main_one_hears_nothing_and_changes_nothing():
    found = []

    def work():
        with stopping_gently() as should_stop:
            found.append((should_stop(), signal.getsignal(signal.SIGINT)))

    with listening() as requests:
        handler = signal.getsignal(signal.SIGINT)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found == [(False, handler)] and not requests.gentle


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_after_a_terminal_is_closed_messages_are_no_errors():
    kept, closed = os.dup(2), os.open(os.devnull, os.O_RDONLY)
    os.dup2(closed, 2)
    try:
        with pytest.raises(Stopped), listening():
            signal.raise_signal(signal.SIGHUP)
        assert os.write(2, b"a message") == 9
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(closed)
