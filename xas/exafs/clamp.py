"""larch's spline clamps, for comparison: their weight depends on the fit itself, so the problem is not linear."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import leastsq

__all__ = ["larch_clamped"]

Array = npt.NDArray[np.float64]

#: larch's calls of MINPACK's lmdif: relative step of the forward differences, and tolerances of the stop.
DIFFERENCE, TOLERANCE = 1e-3, 1e-6
MAX_STEPS, MAX_CALLS = 60, 2000


def larch_clamped(
    fourier: Array, clamps: Array, start: Array, components: Array, ends: Array
) -> tuple[Array, Array]:
    r"""Spline coefficients that larch arrives at, and whether each spectrum's iteration settled.

    larch minimises the sum of squares of :math:`(u, \; s\,v)`, with :math:`u = f - A c` the Fourier components below
    rbkg, :math:`v = g - G c` the clamped points of chi, and :math:`s = 0.1 + 10\,\overline{u^2}`. It takes
    Gauss–Newton steps with forward differences of 0.1 % and stops at a relative change of 1e-6, which leaves it up to
    1e-3 in k²χ away from the minimum. Here are the same differences and the same stop, so that the numbers are larch's.
    On short scans, where the splines are hardly determined, the error of the differences makes the last step lead
    uphill and larch damps it: such spectra are handed to MINPACK itself. Far above mu = 1 the weight s grows large,
    and neither settles.

    Parameters
    ----------
    fourier : (rows, m) array
        A.
    clamps : (q, m) array
        G.
    start : (n, m) array
        First coefficients of each spectrum.
    components : (n, rows) array
        f of each spectrum.
    ends : (n, q) array
        g of each spectrum.

    Returns
    -------
    coefficients : (n, m) array
    settled : (n,) array
        1 or 0.
    """
    c, settled, damped = _full_steps(fourier, clamps, start, components, ends)
    for i in np.flatnonzero(damped):
        c[i], settled[i] = _by_minpack(fourier, clamps, start[i], components[i], ends[i])
    return c, settled


def _full_steps(
    fourier: Array, clamps: Array, start: Array, components: Array, ends: Array
) -> tuple[Array, Array, Array]:
    """Coefficients, whether they settled, and whether MINPACK would have shortened a step on the way, of all spectra."""
    left, singular, right = np.linalg.svd(fourier, full_matrices=False)
    kept = singular > 1e-12 * singular[0]
    left, to_c = left[:, kept], right[kept].T / singular[kept]  # c = to_c z makes A an orthonormal basis
    length, rows = (fourier**2).sum(0), len(fourier)
    c, settled, scale = start.copy(), np.zeros(len(start)), np.zeros_like(start)
    damped, longest = np.zeros(len(start), bool), np.full(len(start), np.inf)
    for _ in range(MAX_STEPS):
        going = np.flatnonzero((settled == 0) & ~damped)
        if not going.size:
            break
        here = c[going]
        u, v = components[going] - here @ fourier.T, ends[going] - here @ clamps.T
        s = 0.1 + 10 * (u**2).mean(1)
        h = DIFFERENCE * np.where(here == 0, 1.0, np.abs(here))
        ahead = s[:, None] + 10 / rows * (h * h * length - 2 * h * (u @ fourier))
        slope = (ahead - s[:, None]) / h
        jacobian = v[:, :, None] * slope[:, None, :] - ahead[:, None, :] * clamps
        held = jacobian @ to_c
        step_z = _solve_identity_plus(held, u @ left - np.einsum("nqp,nq->np", held, s[:, None] * v))
        step = step_z @ to_c.T
        after = here + step
        u1, v1 = components[going] - after @ fourier.T, ends[going] - after @ clamps.T
        s1 = 0.1 + 10 * (u1**2).mean(1)
        before = (u**2).sum(1) + (s[:, None] ** 2 * v**2).sum(1)
        actual = 1 - ((u1**2).sum(1) + (s1[:, None] ** 2 * v1**2).sum(1)) / before
        predicted = ((step_z**2).sum(1) + (np.einsum("nqp,np->nq", held, step_z) ** 2).sum(1)) / before
        scale[going] = np.maximum(scale[going], np.sqrt(length + (jacobian**2).sum(1)))
        moved = np.linalg.norm(scale[going] * step, axis=1)
        far = moved > 1.1 * longest[going]
        c[going] = np.where((actual >= 1e-4 * predicted)[:, None], after, here)
        size = np.linalg.norm(scale[going] * c[going], axis=1)
        small = 2 * moved <= TOLERANCE * size
        still = (np.abs(actual) <= TOLERANCE) & (predicted <= TOLERANCE) & (actual <= 2 * predicted)
        settled[going[(small | still) & ~far]] = 1
        damped[going] = far | ((actual <= 0.25 * predicted) & ~small & ~still)
        longest[going] = 2 * moved
    return c, settled, damped


def _by_minpack(
    fourier: Array, clamps: Array, start: Array, components: Array, ends: Array
) -> tuple[Array, float]:
    """One spectrum, as larch calls MINPACK for it."""

    def residual(c: Array) -> Array:
        u = components - fourier @ c
        return np.concatenate([u, (0.1 + 10 * (u**2).mean()) * (ends - clamps @ c)])

    c, _, _, _, told = leastsq(
        residual, start, full_output=True, maxfev=MAX_CALLS,
        ftol=TOLERANCE, xtol=TOLERANCE, gtol=0.0, epsfcn=DIFFERENCE**2, factor=100,
    )  # fmt: skip
    return c, float(told in (1, 2, 3))


def _solve_identity_plus(k: Array, b: Array) -> Array:
    """Solution of (I + KᵀK) x = b for each (q, p) matrix K with few rows, by Woodbury's identity."""
    small = np.eye(k.shape[1]) + k @ k.swapaxes(1, 2)
    inner = np.linalg.solve(small, np.einsum("nqp,np->nq", k, b)[..., None])
    return np.asarray(b - np.einsum("nqp,nq->np", k, inner[..., 0]))
