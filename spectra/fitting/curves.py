"""One component's curve and derivatives, whichever shape it is."""

from __future__ import annotations

import numpy as np

from spectra.fitting import kinds
from spectra.fitting.broadened_kernels import doniach, la, lf
from spectra.fitting.compiled import entry_point, kernel
from spectra.fitting.faddeeva import WORK_ROWS, voigt
from spectra.fitting.peak_kernels import breit_wigner_fano, gaussian, gl, lorentzian, pseudo_voigt, sgl
from spectra.fitting.step_kernels import arctan_step, erf_step, exponential, polynomial, power_law

__all__ = ["draw", "draw_shape"]


@kernel
def draw(kind, x, p, f, g, work):
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
    elif kind == kinds.DONIACH:
        doniach(x, p, f, g, work)
    elif kind == kinds.LA:
        la(x, p, f, g, work)
    elif kind == kinds.LF:
        lf(x, p, f, g, work)


@entry_point
def draw_shape(stamp):
    """Curve of the shape ``kind`` with parameters ``p``, and its derivatives by them."""

    def run(kind, x, p):
        _ = stamp  # part of the cache's key
        f, g = np.empty(x.size), np.empty((p.size, x.size))
        draw(kind, x, p, f, g, np.empty((WORK_ROWS + 1, x.size)))
        return f, g

    return run
