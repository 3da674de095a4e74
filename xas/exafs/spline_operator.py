"""The spline background of AUTOBK as matrices: what depends on the energy grid only, made once for a series."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline, make_interp_spline

from spectra.errors import InvalidInput
from xas.points.wavenumber import K_STEP, N_FFT, R_STEP, Window, energy_of, k_grid, wavenumber, window

__all__ = ["AutobkOperator", "BackgroundOptions", "Clamp", "autobk_operator", "clamp_rows", "operator_for"]

Array = npt.NDArray[np.float64]
Clamp = Literal["linear", "none", "larch"]


@dataclass(frozen=True)
class BackgroundOptions:
    """Options of :func:`autobk`, k range included, as the kernels take them."""

    rbkg: float
    kmin: float
    kmax: float
    kweight: float
    window: Window
    dk: float
    clamp: Clamp
    clamp_low: float
    clamp_high: float
    nclamp: int


@dataclass(frozen=True)
class AutobkOperator:
    r"""The background's fit as matrices; they depend on the energy grid, E0 and the options, not on the spectra.

    With the spline basis B (points × splines), the interpolation S from the data's k to the k grid, and the rows F of
    the residual (Fourier components below rbkg, and clamps), the coefficients of least squares are linear in the
    spectrum, :math:`c = (FSB)^+ FS\,\mu`, and so is :math:`\chi = S\,(\mu - B c) = O\,\mu`.
    """

    points: slice  # data used, from the last energy at or below E0
    k: Array  # (n_k,)
    splines: Array  # (points, m) B, the B-splines of the not-a-knot spline through the sites
    start: Array  # (m, n - first) larch's first coefficients: a spline through the spectrum, smoothed around each site
    to_k: Array  # (n_k, points) S
    fourier: Array  # (2 · n_R, n_k) real and imaginary parts of the transform below rbkg
    coefficients: Array  # (m, points)
    chi: Array  # (n_k, points) O
    rank: int  # of F S B; below m the coefficients are not unique and those of least norm are taken

    @functools.cached_property
    def on_k(self) -> Array:
        """(n_k, m) The splines on the k grid, S B."""
        return self.to_k @ self.splines

    @functools.cached_property
    def unit_sigma(self) -> Array:
        """(n_k,) Standard deviation of chi for unit noise of independent points."""
        return np.asarray(np.sqrt((self.chi**2).sum(1)))

    @functools.cached_property
    def covariance(self) -> Array:
        """(n_k, n_k) Covariance of chi for unit noise of independent points."""
        return np.asarray(self.chi @ self.chi.T)

    @functools.cached_property
    def bands(self) -> list[tuple[slice, slice, Array]]:
        """S in blocks without the far points, which do not matter: an interpolating spline forgets fourfold per point."""
        near = np.abs(self.to_k) > 1e-18
        blocks = []
        for start in range(0, self.k.size, 32):
            rows = slice(start, start + 32)
            used = np.flatnonzero(near[rows].any(0))
            columns = slice(int(used[0]), int(used[-1]) + 1)
            blocks.append((rows, columns, np.ascontiguousarray(self.to_k[rows, columns].T)))
        return blocks

    def interpolated(self, mu: Array) -> Array:
        """Spectra (rows, points) on the k grid, S mu."""
        result = np.empty((len(mu), self.k.size))
        for rows, columns, block in self.bands:
            np.matmul(mu[:, columns], block, out=result[:, rows])
        return result


def operator_for(energy: Array, e0: float, options: BackgroundOptions) -> AutobkOperator:
    """:func:`autobk_operator`, kept for the next block of the same series."""
    return _kept(energy.tobytes(), e0, options)


@functools.lru_cache(maxsize=8)
def _kept(grid: bytes, e0: float, options: BackgroundOptions) -> AutobkOperator:
    return autobk_operator(np.frombuffer(grid), e0, options)


def autobk_operator(energy: Array, e0: float, options: BackgroundOptions) -> AutobkOperator:
    """Matrices of the background's fit on one grid, with the same points, splines and components as larch.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    e0 : float
        Origin of k in eV.
    options : BackgroundOptions
        A ``kmax`` beyond the data is brought back to their end.

    Raises
    ------
    InvalidInput
        If too few points lie above ``e0``.
    """
    first = max(0, int(np.searchsorted(energy, e0, side="right")) - 1)
    k_all = wavenumber(energy[first:], e0)
    kmin, kmax = options.kmin, min(options.kmax, float(k_all[-1]))
    last = int(np.searchsorted(energy, energy_of(kmax, e0), side="right"))
    points = slice(first, min(energy.size, last + 1))
    k_data, k = k_all[: points.stop - first], k_grid(kmax)
    rbkg = max(options.rbkg, 2 * R_STEP)
    count = 1 + int(2 * rbkg * (kmax - kmin) / np.pi)
    n_r = int(1 + (count - 1) * np.pi / (2 * R_STEP * (kmax - kmin)))
    wanted = np.linspace(kmin, kmax, min(max(5, count), 128))
    sites = np.unique(np.abs(k_all - wanted[:, None]).argmin(1))
    if k_data.size < 9 or sites.size < 4:
        raise InvalidInput(
            f"{k_data.size} points lie between e0 = {e0:g} eV and k = {kmax:.2f} 1/Å, too few for a spline: check e0, or "
            "measure further and in finer steps."
        )
    through_sites = make_interp_spline(k_all[sites], np.eye(sites.size))
    splines = BSpline(through_sites.t, np.eye(sites.size), 3)(k_data)
    to_k = make_interp_spline(k_data, np.eye(k_data.size))(k)
    weight = k**options.kweight * window(k, kmin, kmax, taper=options.dk, shape=options.window)
    angle = 2 * np.pi / N_FFT * np.arange(n_r)[:, None] * np.arange(k.size)
    fourier = K_STEP / np.sqrt(np.pi) * weight * np.concatenate([np.cos(angle), -np.sin(angle)])
    rows = np.concatenate([fourier, clamp_rows(k.size, options)]) if options.clamp == "linear" else fourier
    residual = rows @ to_k
    of_splines = residual @ splines
    coefficients = np.linalg.pinv(of_splines, rcond=1e-12) @ residual
    chi = to_k - (to_k @ splines) @ coefficients
    rank = int(np.linalg.matrix_rank(of_splines, rtol=1e-12))
    near = np.minimum(np.maximum(sites[:, None] + [-5, 0, 0, 5], 0), k_all.size - 1)
    smoothed = np.zeros((sites.size, k_all.size))
    np.add.at(smoothed, (np.arange(sites.size)[:, None], near), 0.25)
    start = through_sites.c @ smoothed
    return AutobkOperator(points, k, splines, start, to_k, fourier, coefficients, chi, rank)


def clamp_rows(n_k: int, options: BackgroundOptions) -> Array:
    """Rows that ask of chi to vanish at its first and last points, as strongly as the clamps' weights say."""
    count = min(options.nclamp, n_k)
    ends = np.eye(n_k)
    rows = np.concatenate(
        [abs(options.clamp_low) * ends[:count], abs(options.clamp_high) * ends[n_k - count :]]
    )
    return rows[rows.any(1)]
