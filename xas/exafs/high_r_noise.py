"""Noise of chi(k) as chi(R) shows it where no shells are left: the field's eps_k and eps_r."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.exafs.transform import checked_k_range, fourier_matrix, k_axis
from xas.points.wavenumber import N_FFT, R_STEP, Window

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["HighRNoise", "estimate_noise", "high_r_noise"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HighRNoise:
    """Noise per point of chi(k), of a part (real or imaginary) of chi(R), and the relative uncertainty of both."""

    eps_k: Array  # (...)
    eps_r: Array  # (...)
    relative: float


def high_r_noise(
    k: Array,
    chi: Array,
    low: float,
    high: float,
    *,
    kweight: float,
    taper: float,
    shape: Window,
    r: tuple[float, float] = (15.0, 30.0),
) -> HighRNoise:
    r"""Noise from the mean square of chi(R) at high R, by Parseval's theorem.

    .. math:: \epsilon_R^2 = \frac{1}{2m} \sum_{R} |\chi(R)|^2, \qquad
              \epsilon_k = \epsilon_R \sqrt{\frac{2\pi}{\delta k^2 \sum_j (k_j^w \Omega_j)^2}}

    The sum stands for the usual integral :math:`k^{2w+1}/(2w+1)`, which knows nothing of the window.

    Parameters
    ----------
    k : (n,) array
        Uniform grid from 0, in 1/Å.
    chi : (..., n) array
        Not weighted.
    low, high, taper, shape
        Of the window; see :func:`xas.points.wavenumber.window`.
    kweight : float
        The power w.
    r : (float, float)
        Range in Å that holds noise alone.
    """
    rows = slice(int(0.01 + r[0] / R_STEP), min(N_FFT // 2, int(1.01 + r[1] / R_STEP)))
    _, matrix = fourier_matrix(
        k, low, high, kweight=kweight, taper=taper, shape=shape, rmax=R_STEP * (rows.stop + 1)
    )
    used = np.flatnonzero(matrix.any(0))
    part = slice(int(used[0]), int(used[-1]) + 1)
    band = matrix[rows, part]
    both = np.ascontiguousarray(np.concatenate([band.real, band.imag]).T)
    eps_r = np.sqrt(((chi[..., part] @ both) ** 2).mean(-1))
    form = both @ both.T  # the sum of squares as a quadratic form of chi
    unit = np.trace(form) / both.shape[1]
    relative = float(np.sqrt((form**2).sum() / 2) / np.trace(form))
    return HighRNoise(eps_r / np.sqrt(unit), eps_r, relative)


@verb("xas.estimate_noise", axis="energy", needs={"chi": "xas.autobk"})
def estimate_noise(
    dataset: xr.Dataset,
    *,
    r: tuple[float, float] = (15.0, 30.0),
    k: tuple[float, float] | None = None,
    kweight: float = 2.0,
    dk: float = 1.0,
    window: Window = "hanning",
) -> xr.Dataset:
    r"""Estimate the noise of chi(k) from chi(R) at distances where no shells are left: ``eps_k`` and ``eps_r``.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``chi`` along ``k`` from :func:`xas.autobk`.
    r : (float, float)
        Range in Å that is taken to hold noise alone.
    k : (float, float), optional
        Middles of the window's tapers in 1/Å. Default: (3, 12), or to the end of the data where they end earlier.
    kweight : float
        Power w of k, a real number.
    dk : float
        Width of the tapers in 1/Å, as in :func:`xas.fourier`.
    window : {"hanning", "parzen", "welch", "kaiser", "sine", "gaussian", "flat"}
        Shape of the window.

    Returns
    -------
    xarray.Dataset
        With ``eps_k``, the standard deviation of a point of chi(k) if all had the same, and ``eps_r``, that of real and
        imaginary part of a chi(R) made with the same window and weight, in units of Å to the power -(w + 1); both with
        the ``_sigma`` of such an estimate from white noise. Spectra of which chi is not known throughout the window are
        flagged ``no_chi`` and hold NaN.

    Raises
    ------
    InvalidInput
        If a range is empty or reaches beyond the data.

    Notes
    -----
    ``chi_sigma`` and ``chir_re_sigma`` follow from the noise of the points; this is an independent look at the same,
    blind to how mu was measured. It sees glitches and jumps too, which the others do not, and it misses noise above the
    frequency to which the energies were measured: where points are further apart than 0.05 1/Å, as between k = 3 and 6
    in many scans, chi(R) at 15 to 30 Å holds less than its share. Larch divides ``eps_r`` by the mean of the window.

    References
    ----------
    M. Newville, B. I. Boyanov & D. E. Sayers, J. Synchrotron Rad. 6, 264 (1999), doi:10.1107/S0909049598018263

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 7300.0, 1.0)
    >>> k = np.sqrt(0.2625 * np.clip(energy - 6548, 0, None))
    >>> mu = (1 + 0.1 * np.sin(2 * 2.5 * k) * np.exp(-0.02 * k**2)) / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> mu = mu + 1e-3 * np.random.default_rng(1).normal(size=energy.size)
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.estimate_noise(xas.autobk(xas.normalize(scan)))
    >>> bool(abs(scan.eps_k - 0.0009) < 3 * scan.eps_k_sigma)
    True
    """
    grid = k_axis(dataset)
    low, high = checked_k_range(grid, k, dk, window)
    resolve(k=(low, high))
    if not (0 <= r[0] < r[1] - 1 and r[1] < N_FFT / 2 * R_STEP):
        raise InvalidInput(
            f"r = ({r[0]:g}, {r[1]:g}) is no range: it begins at 0 or above, spans at least 1 Å and ends below "
            f"{N_FFT / 2 * R_STEP:.4g} Å."
        )

    def kernel(chi: Array) -> Mapping[str, Array]:
        found = high_r_noise(grid, chi, low, high, kweight=kweight, taper=dk, shape=window, r=r)
        values = {"eps_k": found.eps_k, "eps_r": found.eps_r}
        return values | {f"{name}_sigma": found.relative * a for name, a in values.items()}

    names = ("eps_k", "eps_r", "eps_k_sigma", "eps_r_sigma")
    made = map_spectra(kernel, [(dataset["chi"], ("k",))], dict.fromkeys(names, ()))
    _compare(dataset, made["eps_k"], low, high)
    result = dataset.assign(made)
    texts = {"eps_k": "noise of a point of chi(k)", "eps_r": "noise of real and imaginary part of chi(R)"}
    units = {"eps_k": "", "eps_r": f"1/angstrom^{kweight + 1:g}"}
    for name in names:
        base = name.removesuffix("_sigma")
        text = f"{texts[base]}, from chi(R) at high R"
        long_name = f"standard uncertainty of the {text}" if name.endswith("_sigma") else text
        result[name].attrs.update(units=units[base], long_name=long_name)
    return flag(
        result, result["eps_k"].isnull(), "no_chi",
        "chi(k) is not known throughout the window: shorten k, or look at the flags of xas.autobk",
    )  # fmt: skip


def _compare(dataset: xr.Dataset, eps_k: xr.DataArray, low: float, high: float) -> None:
    """Say so where chi(R) holds much more noise than the points of the scan let expect."""
    if "chi_sigma" not in dataset or eps_k.chunks is not None:
        return
    points = np.sqrt((dataset["chi_sigma"].sel(k=slice(low, high)) ** 2).mean("k"))
    ratio = np.ravel((eps_k / points).values)
    if np.isfinite(ratio).any() and np.nanmedian(ratio) > 2:
        note(
            f"eps_k is {np.nanmedian(ratio):.1f} times the chi_sigma of the points: their noise is correlated, as in scans "
            "that were smoothed or interpolated, or shells reach as far as r; sigmas that follow from chi_sigma are too small"
        )
