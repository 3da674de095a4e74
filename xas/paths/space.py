r"""What a fit of paths compares: chi(k) itself, its Fourier transform over a range of R, or the back-transform.

Each is a fixed real matrix P applied to chi(k). Neighbouring points of chi(R) are far from independent, so the rows
of P are replaced by the few that span them, which leaves every sum of squares :math:`|P\delta|^2` as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.linalg import qr

from spectra.errors import InvalidInput
from xas.exafs.q_space import back_matrix
from xas.exafs.transform import fourier_matrix
from xas.points.wavenumber import K_STEP, R_STEP, Window

__all__ = ["FitSpace", "Space", "fit_space"]

Array = npt.NDArray[np.float64]
Space = Literal["r", "k", "q"]

#: Rows that add less than this to those before are left out.
NEGLIGIBLE = 1e-8
#: Where chi(R) is taken to hold noise only, in Å.
NOISE_RANGE = (15.0, 30.0)


@dataclass(frozen=True)
class FitSpace:
    """The matrix, and what belongs to the choice of ranges."""

    matrix: Array  # (m, n) from chi(k) to what is fitted; white noise of size 1 has the mean square `count` after it
    points: tuple[int, int]  # first and last+1 point of chi(k) that counts
    independent: float  # independent points in the ranges
    count: int  # points that were fitted before the rows were reduced
    noise: Array  # (n, n): chi @ noise @ chi is the square of the noise of chi(k)


def fit_space(
    k: Array,
    *,
    space: Space,
    k_range: tuple[float, float],
    r_range: tuple[float, float],
    kweights: tuple[float, ...],
    dk: float,
    shape: Window,
) -> FitSpace:
    r"""The matrix of a fit on the grid ``k``.

    With several k-weights w, all weigh alike in R and q: rows are divided by the noise that white noise of chi(k) makes
    in them, :math:`\epsilon_w \propto \sqrt{(k_2^{2w+1} - k_1^{2w+1})/(2w+1)}`, as in larch. The number of independent points
    is :math:`2\Delta k\,\Delta R/\pi + 1`.

    Parameters
    ----------
    k : (n,) array
        From 0 in steps of 0.05 1/Å.
    space : {"r", "k", "q"}
        Real and imaginary part of chi(R); chi(k), without window; or the real part of the back-transform.
    k_range, r_range : (float, float)
        In 1/Å and Å.
    kweights : tuple of float
    dk, shape
        Of the window in k; see :func:`xas.points.wavenumber.window`.
    """
    (low, high), (near, far) = k_range, r_range
    if not 0 <= near < far - 0.1 or far > np.pi / (2 * K_STEP):
        raise InvalidInput(
            f"r = ({near:g}, {far:g}) holds no shell: the first number is at least 0 and the second at least 0.1 Å more, "
            f"{np.pi / (2 * K_STEP):.3g} Å at most."
        )
    inside = slice(int(max(0.0, 0.01 + low / K_STEP)), int(0.01 + high / K_STEP))
    parts = []
    for w in kweights:
        if space == "k":
            parts.append(np.diag(k**w)[inside])
            continue
        _, matrix = fourier_matrix(k, low, high, kweight=w, taper=dk, shape=shape, rmax=far + R_STEP)
        scale = np.sqrt((high ** (2 * w + 1) - low ** (2 * w + 1)) / (2 * w + 1))
        if space == "r":
            some = matrix[int(0.01 + near / R_STEP) : int(0.01 + far / R_STEP)]
            rows = np.concatenate([some.real, some.imag])
        else:
            q = k[inside]
            back = back_matrix(len(matrix), near, far, q, rweight=0.0, taper=0.0, shape="hanning")
            rows = (back @ matrix).real
        parts.append(rows / scale)
    rows = np.concatenate(parts)
    rows = rows * np.sqrt(len(rows)) / np.linalg.norm(rows)
    _, matrix = fourier_matrix(k, low, high, kweight=kweights[0], taper=dk, shape=shape, rmax=NOISE_RANGE[1])
    used = np.flatnonzero(rows.any(0))
    return FitSpace(
        _reduced(rows),
        (int(used[0]), int(used[-1]) + 1),
        1 + 2 * (high - low) * (far - near) / np.pi,
        len(rows),
        _noise_form(matrix),
    )


def _noise_form(matrix: npt.NDArray[np.complex128]) -> Array:
    """Quadratic form of chi(k) that is 1 on average for white noise of size 1: its power at high R."""
    some = matrix[int(0.01 + NOISE_RANGE[0] / R_STEP) :]
    form = some.real.T @ some.real + some.imag.T @ some.imag
    return np.asarray(form / np.trace(form))


def _reduced(rows: Array) -> Array:
    """Fewer rows that give every vector the same length."""
    used = np.flatnonzero(rows.any(0))
    part = slice(int(used[0]), int(used[-1]) + 1)
    triangle, order = qr(rows[:, part], mode="r", pivoting=True)
    sizes = np.abs(np.diag(triangle))
    kept = int((sizes > NEGLIGIBLE * sizes[0]).sum())
    out = np.zeros((kept, rows.shape[1]))
    out[:, part.start + order] = triangle[:kept]
    return out
