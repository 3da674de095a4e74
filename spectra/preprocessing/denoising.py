"""Noise taken off a series by what its spectra have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, flag, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["denoise"]

Array = npt.NDArray[np.float64]

LEAST = 4
MOST_COMPONENTS = 20
TOLERANCE = 1.01


@verb("spectra.denoise", together=True)
def denoise(dataset: xr.Dataset, *, components: int | None = None, variable: str | None = None) -> xr.Dataset:
    r"""Replace every spectrum of a series by its principal components, and leave the rest out as noise.

    With the spectra as rows of Y and the leading right singular vectors V, :math:`\tilde Y = Y V V^T`. For noise that is
    alike at all points, :math:`\tilde\sigma_{ij}^2 = \sigma_{ij}^2 (h_i + g_j)` with the leverages h of the spectrum and
    g of the point: of k components from r spectra of n points, about k/r + k/n of the variance stays.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series or map with at least 4 good spectra. It is taken as a whole: lazy data are loaded.
    components : int, optional
        How many are kept. Default: as many as predict left-out parts of the series within 1 % of the best
        (cross-validation).
    variable : str, optional
        What is denoised. Default: the measured quantity.

    Returns
    -------
    xarray.Dataset
        With the variable, and its sigma where there is one, denoised; ``pc_number``, the number of components;
        ``pc_rms``, root mean square of what was left out of each spectrum. Spectra with missing points or that failed
        before stay as they are and are flagged ``not_denoised``.

    Raises
    ------
    InvalidInput
        Fewer than 4 good spectra, or more components than they allow.

    Notes
    -----
    Nothing is centred. A band that only a few spectra have is a component with a small singular value, and is lost first:
    compare ``pc_rms`` of the spectra with each other. Cosmic rays are components, too: take them out before.

    References
    ----------
    A. B. Owen & P. O. Perry, Ann. Appl. Stat. 3, 564 (2009), doi:10.1214/08-AOAS227

    Examples
    --------
    >>> import numpy as np, spectra
    >>> rng = np.random.default_rng(1)
    >>> shift = np.arange(400.0)
    >>> pure = np.exp(-(((shift - [[120], [250]]) / 20) ** 2))
    >>> y = rng.uniform(0, 1, (60, 2)) @ pure + rng.normal(0, 0.05, (60, 400))
    >>> series = spectra.from_arrays(shift, y, axis="raman_shift", dims=("scan",))
    >>> done = spectra.denoise(series)
    >>> int(done.pc_number), round(float(done.pc_rms.mean()), 2)
    (2, 0.05)
    """
    import xarray as xr

    axis, name = spectral_axis(dataset), variable or signal_name(dataset)
    if name not in dataset or axis not in dataset[name].dims:
        raise InvalidInput(f"there is no variable {name!r} along {axis} to denoise.")
    dims = series_dims(dataset)
    source = dataset[name]
    whole = source.transpose(*dims, axis)
    rows = np.asarray(whole.values, float).reshape(-1, dataset.sizes[axis])
    good = np.isfinite(rows).all(1) & ~np.asarray(failed(dataset).transpose(*dims).values).reshape(-1)
    if not dims or good.sum() < LEAST:
        raise InvalidInput(
            f"spectra.denoise looks at a series as a whole and needs at least {LEAST} good spectra; this dataset has "
            f"{int(good.sum())}. Look at its flags (dataset.spectra.flags) and at missing points."
        )
    most = min(*rows[good].shape) - 1
    if components is not None and not 1 <= components <= most:
        raise InvalidInput(
            f"components is between 1 and {most} for {int(good.sum())} spectra of {rows.shape[1]} points, got {components}."
        )
    number = components or _number(rows[good], min(MOST_COMPONENTS, most))
    resolve(components=number, variable=name)
    note(f"{number} principal components of {int(good.sum())} spectra were kept")
    curves = _leading(rows[good], number)
    scores = rows[good] @ curves.T
    clean, left = rows.copy(), np.full(len(rows), np.nan)
    clean[good] = scores @ curves
    left[good] = np.sqrt(np.mean((rows[good] - clean[good]) ** 2, axis=1))
    shape = whole.shape
    result = dataset.assign({
        name: (whole.dims, clean.reshape(shape), source.attrs),
        "pc_number": ((), float(number), {"units": "", "long_name": "number of components"}),
        "pc_rms": (dims, left.reshape(shape[:-1]), {
            "units": str(source.attrs.get("units", "")), "long_name": "root mean square of what was left out",
        }),
    })  # fmt: skip
    result[name] = result[name].transpose(*source.dims)
    if f"{name}_sigma" in dataset:
        sigma = dataset[f"{name}_sigma"]
        share = np.ones(rows.shape)
        share[good] = np.sqrt(_leverages(scores)[:, None] + (curves**2).sum(0))
        factor = xr.DataArray(np.minimum(share, 1.0).reshape(shape), dims=whole.dims)
        result[f"{name}_sigma"] = (sigma * factor).transpose(*sigma.dims).assign_attrs(sigma.attrs)
    return flag(
        result, ~good.reshape(shape[:-1]), "not_denoised",
        "the spectrum has missing points or failed before, took no part in the decomposition and is as it was",
        severity="warning",
    )  # fmt: skip


def _number(rows: Array, most: int) -> int:
    """Fewest components whose error of prediction is within TOLERANCE of the least."""
    from spectra.mixtures import decompose

    press = decompose(rows, largest=most).press[:most]
    return int(np.flatnonzero(press <= TOLERANCE * press.min())[0]) + 1


def _leading(rows: Array, number: int) -> Array:
    """(number, n) leading right singular vectors; of a long series by way of the products of its columns."""
    if rows.shape[0] <= 4 * rows.shape[1]:
        return np.asarray(np.linalg.svd(rows, full_matrices=False)[2][:number])
    return np.asarray(np.linalg.eigh(rows.T @ rows)[1].T[::-1][:number])


def _leverages(scores: Array) -> Array:
    """Leverage of each spectrum in its own components."""
    q = np.linalg.qr(scores)[0]
    return np.asarray((q**2).sum(1))
