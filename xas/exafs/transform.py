"""Fourier transform of the fine structure: chi(k) to chi(R)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.verbs import history, note, resolve, verb
from xas.exafs.chi_noise import ChiNoise, noise_of_chi, spread_of
from xas.points.finite import in_blocks
from xas.points.wavenumber import N_FFT, Window
from xas.points.wavenumber import window as taper_window

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "checked_k_range",
    "fourier",
    "fourier_matrix",
    "k_axis",
    "labelled",
    "last_matrix",
    "last_options",
]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]


def fourier_matrix(
    k: Array, low: float, high: float, *, kweight: float, taper: float, shape: Window, rmax: float
) -> tuple[Array, Complex]:
    r"""Grid in R and the matrix M of the transform :math:`\chi(R) = M \chi(k)`.

    .. math:: M_{mj} = \frac{\delta k}{\sqrt\pi} k_j^w \Omega(k_j) e^{-2\pi i jm/N},
              \qquad R_m = m \frac{\pi}{N \delta k}, \; N = 2048

    Parameters
    ----------
    k : (n,) array
        Uniform grid from 0, in 1/Å.
    low, high, taper, shape
        Of the window; see :func:`xas.points.wavenumber.window`.
    kweight : float
        The power w.
    rmax : float
        Last R in Å.

    Returns
    -------
    r : (n_r,) array
    matrix : (n_r, n) complex array
    """
    step = k[1] - k[0]
    r_step = np.pi / (step * N_FFT)
    r = r_step * np.arange(int(min(N_FFT / 2, 1.01 + rmax / r_step)))
    extended = step * np.arange(int(1.01 + max(k[-1], high + taper) / step))
    weight = k**kweight * taper_window(extended, low, high, taper=taper, shape=shape)[: k.size]
    # whole numbers, so that the phase keeps all its digits
    turns = np.arange(r.size)[:, None] * np.arange(k.size) % N_FFT
    return r, step / np.sqrt(np.pi) * weight * np.exp(-2j * np.pi / N_FFT * turns)


@verb("xas.fourier", axis="energy", needs={"chi": "xas.autobk"})
def fourier(
    dataset: xr.Dataset,
    *,
    k: tuple[float, float] | None = None,
    kweight: float = 2.0,
    dk: float = 1.0,
    window: Window = "hanning",
    rmax: float = 10.0,
) -> xr.Dataset:
    r"""Fourier transform chi(k) to chi(R), not corrected for phase shifts.

    .. math:: \chi(R) = \frac{\delta k}{\sqrt\pi} \sum_j \chi(k_j)\, k_j^w\, \Omega(k_j)\, e^{-2ik_jR}

    Peaks of its magnitude stand 0.3 to 0.5 Å below the distances of the shells. Amplitudes under different windows,
    or the same window of different width, do not compare.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``chi`` along ``k`` from :func:`xas.autobk`.
    k : (float, float), optional
        Middles of the window's tapers in 1/Å. Default: (3, 12), or to the end of the data where they end earlier.
    kweight : float
        Power w of k, a real number.
    dk : float
        Width of the tapers in 1/Å. For "kaiser" the Bessel function's parameter, for "gaussian" the standard deviation
        about the middle of the range; "flat" has no tapers.
    window : {"hanning", "parzen", "welch", "kaiser", "sine", "gaussian", "flat"}
        Shape of the window.
    rmax : float
        Last R in Å.

    Returns
    -------
    xarray.Dataset
        With ``chir_re``, ``chir_im``, ``chir_mag`` and their ``_sigma`` along ``r`` in steps of 0.0307 Å, in units of Å
        to the power -(w + 1). Spectra of which chi is not known throughout the window are flagged ``no_chi`` and hold NaN.

    Raises
    ------
    InvalidInput
        If the window reaches beyond the data, or is empty.

    Notes
    -----
    Same convention and numbers as larch's ``xftf``, which takes only the integer part of the k weight.

    The sigmas propagate ``chi_sigma`` with the correlation that interpolation and background leave in chi(k), taken
    from the ``xas.autobk`` in the history; where chi(k) came otherwise, its points count as independent.
    That of the magnitude is to first order: it holds where the magnitude exceeds some three times those of its parts.

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
    >>> round(float(scan.chir_mag.idxmax("r")), 1)
    2.5
    """
    if not (rmax > 0 and np.isfinite(kweight)):
        raise InvalidInput(
            f"rmax is a distance above zero and kweight a number, got {rmax:g} Å and {kweight:g}."
        )
    grid = k_axis(dataset)
    low, high = checked_k_range(grid, k, dk, window)
    resolve(k=(low, high))
    r, matrix = fourier_matrix(grid, low, high, kweight=kweight, taper=dk, shape=window, rmax=rmax)
    names = ["chir_re", "chir_im", "chir_mag"]
    inputs = [(dataset["chi"], ("k",))]
    noise = noise_of_chi(dataset)
    if noise is not None:
        names += [f"{name}_sigma" for name in names]
        inputs += [(noise.sizes, (noise.axis,))]
    made = map_spectra(_transform(matrix, noise), inputs, dict.fromkeys(names, ("r",)), sizes={"r": r.size})
    if "r" in dataset.dims:
        note("results along r of an earlier call were replaced")
    axis = {"units": "angstrom", "long_name": "distance R, not corrected for phase shifts"}
    result = dataset.drop_dims("r", errors="ignore").assign(made).assign_coords(r=("r", r, axis))
    result = labelled(result, names, "chi(R)", f"1/angstrom^{kweight + 1:g}")
    return flag(
        result, result["chir_mag"].isnull().all("r"), "no_chi",
        "chi(k) is not known throughout the window: shorten k, or look at the flags of xas.autobk",
    )  # fmt: skip


def k_axis(dataset: xr.Dataset) -> Array:
    """The grid of chi(k), which is uniform and begins at 0."""
    if "k" not in dataset.coords:
        raise InvalidInput(
            "chi has no k axis: give its wavenumbers in 1/Å with dataset.assign_coords(k=...)."
        )
    grid = dataset["k"].values.astype(float)
    step = grid[1] - grid[0] if grid.size > 1 else 0.0
    if not (step > 0 and np.allclose(grid, step * np.arange(grid.size), rtol=0, atol=1e-6 * step)):
        raise InvalidInput(
            "chi(k) must lie on a uniform grid of k from 0, as xas.autobk makes it: interpolate it with "
            "dataset.interp(k=...), or call xas.autobk again."
        )
    return grid


def labelled(dataset: xr.Dataset, names: list[str], what: str, units: str) -> xr.Dataset:
    """``dataset`` with units and names on real part, imaginary part and magnitude of a transform, and on their sigmas."""
    parts = {"re": "real part", "im": "imaginary part", "mag": "magnitude"}
    for name in names:
        text = f"{parts[name.split('_')[1]]} of {what}"
        if name.endswith("_sigma"):
            text = f"standard uncertainty of the {text} from noise"
        dataset[name].attrs.update(units=units, long_name=text)
    return dataset


def last_matrix(dataset: xr.Dataset) -> Complex | None:
    """Matrix from chi(k) to chi(R) of the last ``xas.fourier`` in the history, if it made the ``r`` that is there."""
    said = last_options(dataset)
    if said is None or "k" not in dataset.coords:
        return None
    r, matrix = fourier_matrix(
        dataset["k"].values.astype(float), *said["k"], kweight=said["kweight"], taper=said["dk"],
        shape=said["window"], rmax=said["rmax"],
    )  # fmt: skip
    return matrix if r.size == dataset.sizes["r"] else None


def last_options(dataset: xr.Dataset) -> dict[str, Any] | None:
    """Options of the last ``xas.fourier`` in the history, k range included."""
    calls = [call for call in history(dataset) if call["verb"] == "xas.fourier"]
    return {**calls[-1]["options"], **calls[-1].get("resolved", {})} if calls else None


def _transform(matrix: Complex, noise: ChiNoise | None) -> Callable[..., dict[str, Array]]:
    """Kernel that applies ``matrix`` to the part of chi(k) that the window lets through, and carries the noise along."""
    used = np.flatnonzero(matrix.any(0))
    part = slice(used[0], used[-1] + 1)
    real, imaginary = (
        np.ascontiguousarray(matrix.real[:, part].T),
        np.ascontiguousarray(matrix.imag[:, part].T),
    )
    spread = None if noise is None else spread_of(matrix, noise)
    names = ["chir_re", "chir_im", "chir_mag"]

    def block(chi: Array, sigma: Array | None = None) -> dict[str, Array]:
        re, im = chi[:, part] @ real, chi[:, part] @ imaginary
        values = (re, im, np.sqrt(re**2 + im**2))
        if sigma is None or spread is None:
            return dict(zip(names, values, strict=True))
        return dict(
            zip([*names, *(f"{n}_sigma" for n in names)], values + spread(re, im, sigma), strict=True)
        )

    def kernel(*series: Array) -> dict[str, Array]:
        lead = np.broadcast_shapes(*(a.shape[:-1] for a in series))
        rows = [np.broadcast_to(a, (*lead, a.shape[-1])).reshape(-1, a.shape[-1]) for a in series]
        made = [*names, *(f"{n}_sigma" for n in names)] if len(series) == 2 else names
        out = {name: np.empty((len(rows[0]), real.shape[1])) for name in made}
        in_blocks(block, rows[0], rows[1:], out)
        return {name: a.reshape((*lead, -1)) for name, a in out.items()}

    return kernel


def checked_k_range(
    grid: Array, k: tuple[float, float] | None, dk: float, shape: Window
) -> tuple[float, float]:
    """The range of a window on the k grid, as given or the default one, if it holds a window."""
    end = float(grid[-1])
    low, high = (3.0, min(12.0, end)) if k is None else k
    if high > end + 1e-6:
        raise InvalidInput(
            f"k = ({low:g}, {high:g}) reaches beyond chi(k), which ends at {end:g} 1/Å: use k = ({low:g}, {end:g}) or less."
        )
    if not 0 <= low < high - 0.5:
        raise InvalidInput(
            f"k = ({low:g}, {high:g}) holds no window: the first number is at least 0 and the second at least 0.5 1/Å more; "
            f"chi(k) ends at {end:g}."
        )
    if dk < 0 or (dk == 0 and shape in {"kaiser", "gaussian"}):
        raise InvalidInput(f"dk = {dk:g} makes no {shape} window; give a positive number.")
    if shape not in {"kaiser", "sine", "gaussian", "flat"} and dk > high - low:
        raise InvalidInput(
            f"dk = {dk:g} is wider than the range k = ({low:g}, {high:g}); the tapers would overlap. Lower dk."
        )
    if k is None and end < 12:
        note(f"the window ends at {end:g} 1/Å with the data instead of 12")
    elif high + dk / 2 > end + 1e-6 and shape not in {"gaussian", "flat"}:
        note(f"the data end at {end:g} 1/Å, inside the window's last taper: the window is cut there")
    return float(low), float(high)
