"""One component's curve and derivatives, whichever shape it is.

The shapes broadened by quadrature take as long to compile as all the others together: they are compiled apart.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray

from spectra.fitting import kinds
from spectra.fitting.boundary import addressed, call
from spectra.fitting.broadened_kernels import doniach, la, lf
from spectra.fitting.compiled import kernel
from spectra.fitting.faddeeva import WORK_ROWS, voigt
from spectra.fitting.peak_kernels import breit_wigner_fano, gaussian, gl, lorentzian, pseudo_voigt, sgl
from spectra.fitting.step_kernels import arctan_step, erf_step, exponential, polynomial, power_law

Floats = npt.NDArray[np.float64]

__all__ = ["address", "draw", "draw_shape"]


@kernel
def _plain(kind, x, p, f, g, work):
    """Curve of the shape ``kind`` into ``f``, its derivative by the k-th parameter into ``g[k]``."""
    if kind == kinds.VOIGT:
        voigt(x, p, f, g, work)
    elif kind == kinds.GAUSSIAN:
        gaussian(x, p, f, g, work)
    elif kind == kinds.LORENTZIAN:
        lorentzian(x, p, f, g, work)
    elif kind == kinds.PSEUDO_VOIGT:
        pseudo_voigt(x, p, f, g, work)
    elif kind == kinds.SGL:
        sgl(x, p, f, g, work)
    elif kind == kinds.GL:
        gl(x, p, f, g, work)
    elif kind == kinds.BREIT_WIGNER_FANO:
        breit_wigner_fano(x, p, f, g, work)
    elif kind == kinds.ARCTAN_STEP:
        arctan_step(x, p, f, g, work)
    elif kind == kinds.ERF_STEP:
        erf_step(x, p, f, g, work)
    elif kind == kinds.POLYNOMIAL:
        polynomial(x, p, f, g, work)
    elif kind == kinds.EXPONENTIAL:
        exponential(x, p, f, g, work)
    elif kind == kinds.POWER_LAW:
        power_law(x, p, f, g, work)


@kernel
def _broadened(kind, x, p, f, g, work):
    if kind == kinds.DONIACH:
        doniach(x, p, f, g, work)
    elif kind == kinds.LA:
        la(x, p, f, g, work)
    elif kind == kinds.LF:
        lf(x, p, f, g, work)


def _plain_shapes(stamp):
    def run(sizes, _code, x, p, f, g, work, _unused):
        _ = stamp  # part of the cache's key
        n, count = sizes[1], sizes[2]
        parameters, slopes, memory = carray(p, count), carray(g, (count, n)), carray(work, (WORK_ROWS + 1, n))
        _plain(sizes[0], carray(x, n), parameters, carray(f, n), slopes, memory)

    return run


def _broadened_shapes(stamp):
    def run(sizes, _code, x, p, f, g, work, _unused):
        _ = stamp  # part of the cache's key
        n, count = sizes[1], sizes[2]
        parameters, slopes, memory = carray(p, count), carray(g, (count, n)), carray(work, (WORK_ROWS + 1, n))
        _broadened(sizes[0], carray(x, n), parameters, carray(f, n), slopes, memory)

    return run


def _compiled(kind: int) -> Any:
    return _group(kind in {kinds.DONIACH, kinds.LA, kinds.LF})


@functools.cache
def _group(broadened: bool) -> Any:
    return addressed(_broadened_shapes if broadened else _plain_shapes)


def address(kind: int) -> int:
    """Where the compiled function is that draws the shape ``kind``; compiled now, or read from disk."""
    return int(_compiled(kind).address)


@kernel
def draw(address, sizes, x, p, f, g, work, table):
    """Curve of a shape into ``f``, its derivative by the k-th parameter into ``g[k]``; ``sizes[0]`` is its kind.

    ``table`` is what a tabulated curve is drawn from; the shapes have none.
    """
    sizes[1], sizes[2] = x.size, p.size
    call(address, sizes, sizes, x, p, f, g, work, table)


def draw_shape(kind: int, x: Floats, p: Floats) -> tuple[Floats, Floats]:
    """Curve of the shape ``kind`` with parameters ``p``, and its derivatives by them."""
    curve, slopes, work = np.empty(x.size), np.empty((p.size, x.size)), np.empty((WORK_ROWS + 1, x.size))
    sizes = np.array([kind, x.size, p.size], np.int64)
    function, integers = _compiled(kind).ctypes, sizes.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
    floats = [a.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for a in (x, p, curve, slopes, work, work)]
    function(integers, integers, *floats)
    return curve, slopes
