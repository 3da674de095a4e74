"""Back-transform of a part of chi(R): the waves of the shells in it, along q."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.exafs.chi_noise import Spread, noise_of_chi, spread_of
from xas.exafs.transform import labelled, last_matrix, last_options
from xas.points.finite import in_blocks
from xas.points.wavenumber import K_STEP, N_FFT, R_STEP, Window, k_grid
from xas.points.wavenumber import window as taper_window

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["back_fourier", "back_matrix"]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]


def back_matrix(
    count: int, low: float, high: float, q: Array, *, rweight: float, taper: float, shape: Window
) -> Complex:
    r"""Matrix B of the back-transform :math:`\tilde\chi(q) = B\,\chi(R)` from the first ``count`` points of chi(R).

    .. math:: B_{jm} = \frac{2\sqrt\pi}{\delta k N} R_m^w\,\Omega(R_m)\, e^{+2iq_jR_m}, \qquad N = 2048

    Parameters
    ----------
    count : int
        Points of chi(R), in steps of 0.0307 Å from 0.
    low, high, taper, shape
        Of the window in R; see :func:`xas.points.wavenumber.window`.
    q : (n_q,) array
        In steps of 0.05 1/Å from 0.
    rweight : float
        The power w of R.

    Returns
    -------
    (n_q, count) complex array
    """
    r = R_STEP * np.arange(N_FFT, dtype=float)
    weight = (r**rweight * taper_window(r, low, high, taper=taper, shape=shape))[:count]
    # whole numbers, so that the phase keeps all its digits
    turns = np.round(q / K_STEP).astype(int)[:, None] * np.arange(count) % N_FFT
    return np.asarray(2 * np.sqrt(np.pi) / (K_STEP * N_FFT) * weight * np.exp(2j * np.pi / N_FFT * turns))


@verb("xas.back_fourier", axis="energy", needs={"chir_re": "xas.fourier", "chir_im": "xas.fourier"})
def back_fourier(
    dataset: xr.Dataset,
    *,
    r: tuple[float, float] = (1.0, 3.0),
    dr: float = 0.2,
    window: Window = "hanning",
    rweight: float = 0.0,
    qmax: float | None = None,
) -> xr.Dataset:
    r"""Transform a part of chi(R) back: the waves of its shells alone, along the wavenumber q.

    .. math:: \tilde\chi(q) = \frac{2\sqrt\pi}{\delta k N} \sum_m \chi(R_m)\, R_m^w\,\Omega(R_m)\, e^{2iqR_m}

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``chir_re`` and ``chir_im`` along ``r`` from :func:`xas.fourier`.
    r : (float, float)
        Middles of the window's tapers in Å, on the scale of chi(R), not corrected for phase shifts.
    dr : float
        Width of the tapers in Å. For "kaiser" the Bessel function's parameter, for "gaussian" the standard deviation
        about the middle of the range; "flat" has no tapers.
    window : {"hanning", "parzen", "welch", "kaiser", "sine", "gaussian", "flat"}
        Shape of the window.
    rweight : float
        Power w of R.
    qmax : float, optional
        Last q in 1/Å. Default: the end of chi(k).

    Returns
    -------
    xarray.Dataset
        With ``chiq_re``, ``chiq_im``, ``chiq_mag`` along ``q`` in steps of 0.05 1/Å, and their ``_sigma`` where the
        history holds the ``xas.fourier`` that made chi(R). They carry the weight of k and the window of that call; the
        real part compares with :math:`k^w\,\Omega(k)\,\chi(k)`. Spectra without chi(R) are flagged ``no_chi``.

    Raises
    ------
    InvalidInput
        If the window reaches beyond chi(R), or is empty.

    Notes
    -----
    Same convention and numbers as larch's ``xftr``. A window over all R, to :math:`\pi/(2\,\delta k)`, gives back what
    was transformed.

    References
    ----------
    D. E. Sayers, E. A. Stern & F. W. Lytle, Phys. Rev. Lett. 27, 1204 (1971), doi:10.1103/PhysRevLett.27.1204

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 7300.0, 1.0)
    >>> k = np.sqrt(0.2625 * np.clip(energy - 6548, 0, None))
    >>> mu = (1 + 0.1 * np.sin(2 * 2.5 * k) * np.exp(-0.02 * k**2)) / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.fourier(xas.autobk(xas.normalize(scan)), k=(3, 12), kweight=2)
    >>> shell = xas.back_fourier(scan, r=(1.5, 3.5))
    >>> float(shell.chiq_mag.sel(q=7, method="nearest").round(1))  # the amplitude: 0.1 exp(-0.02 q²) q²
    1.8
    """
    grid = dataset["r"].values.astype(float)
    low, high = _checked_r_range(grid, r, dr, window)
    end = float(dataset["k"][-1]) if "k" in dataset.coords else 20.0
    if qmax is not None and not 0.5 <= qmax < np.pi / K_STEP:
        raise InvalidInput(f"qmax = {qmax:g} 1/Å: give a number from 0.5 to {np.pi / K_STEP:.4g}.")
    q = k_grid(end if qmax is None else qmax)
    resolve(qmax=float(q[-1]))
    matrix = back_matrix(grid.size, low, high, q, rweight=rweight, taper=dr, shape=window)
    names = ["chiq_re", "chiq_im", "chiq_mag"]
    inputs = [(dataset["chir_re"], ("r",)), (dataset["chir_im"], ("r",))]
    forward, noise = last_matrix(dataset), noise_of_chi(dataset)
    spread = None
    if forward is not None and noise is not None:
        names += [f"{name}_sigma" for name in names]
        inputs += [(noise.sizes, (noise.axis,))]
        spread = spread_of(matrix @ forward, noise)
    made = map_spectra(_kernel(matrix, spread), inputs, dict.fromkeys(names, ("q",)), sizes={"q": q.size})
    if "q" in dataset.dims:
        note("results along q of an earlier call were replaced")
    axis = {"units": "1/angstrom", "long_name": "photoelectron wavenumber of the back-transform"}
    result = dataset.drop_dims("q", errors="ignore").assign(made).assign_coords(q=("q", q, axis))
    said = last_options(dataset)
    power = float(said["kweight"]) if said else 2.0
    units = f"1/angstrom^{power - rweight:g}" if power != rweight else ""
    result = labelled(result, names, "the back-transform", units)
    return flag(
        result, result["chiq_mag"].isnull().all("q"), "no_chi",
        "chi(k) is not known throughout the window: shorten k, or look at the flags of xas.autobk",
    )  # fmt: skip


def _kernel(matrix: Complex, spread: Spread | None) -> Callable[..., dict[str, Array]]:
    """Kernel that applies ``matrix`` to the part of chi(R) that the window lets through, and carries the noise along."""
    used = np.flatnonzero(matrix.any(0))
    part = slice(int(used[0]), int(used[-1]) + 1)
    transposed = np.ascontiguousarray(matrix[:, part].T)
    names = ["chiq_re", "chiq_im", "chiq_mag"]

    def block(re: Array, im: Array, sizes: Array | None = None) -> dict[str, Array]:
        z = (re[:, part] + 1j * im[:, part]) @ transposed
        values: tuple[Any, ...] = (z.real, z.imag, np.abs(z))
        if sizes is None or spread is None:
            return dict(zip(names, values, strict=True))
        sigmas = spread(z.real, z.imag, sizes)
        return dict(zip([*names, *(f"{n}_sigma" for n in names)], values + sigmas, strict=True))

    def kernel(*series: Array) -> dict[str, Array]:
        lead = np.broadcast_shapes(*(a.shape[:-1] for a in series))
        rows = [np.broadcast_to(a, (*lead, a.shape[-1])).reshape(-1, a.shape[-1]) for a in series]
        made = names if len(series) == 2 else [*names, *(f"{n}_sigma" for n in names)]
        out = {name: np.empty((len(rows[0]), len(matrix))) for name in made}
        in_blocks(block, rows[0], rows[1:], out)
        return {name: a.reshape((*lead, -1)) for name, a in out.items()}

    return kernel


def _checked_r_range(grid: Array, r: tuple[float, float], dr: float, shape: Window) -> tuple[float, float]:
    end, (low, high) = float(grid[-1]), r
    if not np.allclose(grid, R_STEP * np.arange(grid.size), rtol=0, atol=1e-6):
        raise InvalidInput(
            f"chi(R) must lie on steps of {R_STEP:.4f} Å from 0, as xas.fourier makes it from chi(k) in steps of "
            f"{K_STEP:g} 1/Å: call xas.fourier again."
        )
    if high > end + 1e-6:
        raise InvalidInput(
            f"r = ({low:g}, {high:g}) reaches beyond chi(R), which ends at {end:.4g} Å: raise rmax of xas.fourier, or "
            f"use r = ({low:g}, {end:.4g}) or less."
        )
    if not 0 <= low < high - 0.1:
        raise InvalidInput(
            f"r = ({low:g}, {high:g}) holds no window: the first number is at least 0 and the second at least 0.1 Å more; "
            f"chi(R) ends at {end:.4g}."
        )
    if dr < 0 or (dr == 0 and shape in {"kaiser", "gaussian"}):
        raise InvalidInput(f"dr = {dr:g} makes no {shape} window; give a positive number.")
    if shape not in {"kaiser", "sine", "gaussian", "flat"} and dr > high - low:
        raise InvalidInput(
            f"dr = {dr:g} is wider than the range r = ({low:g}, {high:g}); the tapers would overlap. Lower dr."
        )
    if high + dr / 2 > end + 1e-6 and shape not in {"gaussian", "flat"}:
        note(f"chi(R) ends at {end:.4g} Å, inside the window's last taper: the window is cut there")
    return float(low), float(high)
