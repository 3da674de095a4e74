"""chi(k) of a scattering path for any parameters, and the table that the compiled equation draws it from."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from xas.paths.feff import FeffPath
from xas.paths.kernels import ACROSS, TINY
from xas.points.wavenumber import INVERSE_KINETIC

__all__ = ["path_chi", "path_table"]

Array = npt.NDArray[np.float64]
Value = float | Array


@functools.lru_cache(maxsize=256)
def _splines(path: FeffPath) -> tuple[CubicSpline, ...]:
    return tuple(
        CubicSpline(path.k, y) for y in (path.phase, path.amplitude, path.mean_free_path, path.real_p)
    )


def path_chi(
    path: FeffPath,
    k: npt.ArrayLike,
    *,
    s02: Value = 1.0,
    degen: Value | None = None,
    e0: Value = 0.0,
    deltar: Value = 0.0,
    sigma2: Value = 0.0,
    third: Value = 0.0,
    fourth: Value = 0.0,
    ei: Value = 0.0,
) -> Array:
    r"""Fine structure of one scattering path, by the EXAFS equation (formula: :mod:`xas.paths.kernels`).

    Parameters
    ----------
    path : FeffPath
    k : (n,) array
        Wavenumbers in 1/Å. The table of FEFF is continued by its last piece where k lies outside of it.
    s02, degen : float or (...) array
        Amplitude factor and number of equal paths; ``degen`` is FEFF's unless given.
    e0 : float or (...) array
        Energy in eV by which the zero of k moves up.
    deltar : float or (...) array
        Half path length minus FEFF's, in Å.
    sigma2, third, fourth : float or (...) array
        Cumulants of the half path length in Å², Å³ and Å⁴.
    ei : float or (...) array
        Additional broadening in eV.

    Returns
    -------
    (..., n) array

    Examples
    --------
    >>> import numpy as np, xas
    >>> k = np.arange(0.0, 8.0, 0.5)
    >>> path = xas.FeffPath(
    ...     "demo", "", "K", 2.0, 6.0, 1.2, (), k, 0 * k, 0.5 + 0 * k, 0 * k, 1 + 0 * k, 9 + 0 * k, k + 1e-3)
    >>> xas.path_chi(path, k, sigma2=np.array([0.003, 0.006])).shape
    (2, 16)
    """
    k = np.asarray(k, float)
    e0, deltar, sigma2, third, fourth, ei, s02, degen = (
        np.asarray(v, float)[..., None]
        for v in (e0, deltar, sigma2, third, fourth, ei, s02, path.degeneracy if degen is None else degen)
    )
    above = k * k - e0 * INVERSE_KINETIC
    above = np.where(np.abs(above) < 1.5 * TINY, TINY, above)
    q = np.sign(above) * np.sqrt(np.abs(above))
    phase, amplitude, free_path, real = (spline(q) for spline in _splines(path))
    square = (real + 1j / free_path) ** 2 + 1j * ei * INVERSE_KINETIC
    p = np.sqrt(square)
    exponent = -2 * path.reff * p.imag - 2 * square * (sigma2 - square * fourth / 3)
    exponent = exponent + 2j * p * (deltar - 2 * sigma2 / path.reff - 2 * square * third / 3)
    wave = np.exp(exponent + 1j * (2 * q * path.reff + phase))
    chi = np.asarray((degen * s02 * amplitude * wave / (q * (path.reff + deltar) ** 2)).imag)
    if k.size > 2 and k[0] == 0.0:  # no value at k = 0: a straight line through the next two
        chi[..., 0] = 2 * chi[..., 1] - chi[..., 2]
    return chi


def path_table(path: FeffPath, first: int, last: int, *, whole: bool = True) -> Array:
    """Numbers that the compiled equation needs of a path drawn on the points ``first`` to ``last`` of the axis.

    ``whole``: with derivatives by the higher cumulants and Ei.
    """
    splines = _splines(path)
    pieces = np.concatenate([spline.c for spline in splines]).T  # (piece, 4 coefficients of each)
    assert pieces.shape == (path.k.size - 1, ACROSS)
    return np.concatenate([[first, last, path.reff, path.k.size, whole], path.k, pieces.ravel()])
