"""What is compiled says so, and what was compiled before does not."""

import logging

import numba

from spectra.fitting.first_use import say_when_compiled


def test_a_function_says_when_it_is_compiled(caplog):
    half = numba.njit(lambda x: x / 2)
    say_when_compiled(half)
    with caplog.at_level(logging.WARNING, "spectra.fitting.first_use"):
        assert half(3.0) == 1.5
        assert "compiled at its first use" in caplog.text
        caplog.clear()
        assert half(5.0) == 2.5
        assert not caplog.records
