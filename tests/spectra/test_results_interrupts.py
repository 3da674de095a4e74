"""Ctrl-C is held back while HDF5 is at work, and heard as soon as it can be."""

from __future__ import annotations

import signal
import threading

import pytest

from spectra.results.interrupts import interrupts_held


@pytest.fixture(autouse=True)
def usual_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(reached, *, let_it_through):
    """A block that is interrupted at its start."""
    with interrupts_held() as let_through:
        let_through()
        signal.raise_signal(signal.SIGINT)
        if let_it_through:
            let_through()
        reached.append("end of the block")


def test_held_until_the_block_ends():
    reached = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(reached, let_it_through=False)
    assert reached


def test_heard_where_the_block_lets_it_through():
    reached = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(reached, let_it_through=True)
    assert not reached


def failing():
    with interrupts_held():
        raise ZeroDivisionError


def test_the_usual_handler_is_back_afterwards_whatever_happens():
    with interrupts_held():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ZeroDivisionError):
        failing()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_ignores_ctrl_c_goes_on_ignoring_it():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts_held() as let_through:
        signal.raise_signal(signal.SIGINT)
        let_through()


def test_other_threads_can_write_too():
    outcome = []

    def work():
        with interrupts_held() as let_through:
            let_through()
            outcome.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert outcome == ["done"]
