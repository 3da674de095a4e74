"""Noise taken off a series by what its spectra have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, flag, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.preprocessing.low_rank import (
    count_scales,
    leading_curves,
    left_structure,
    leverages,
    nonnegative_factors,
)
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["denoise"]

Array = npt.NDArray[np.float64]

LEAST = 4
MOST_COMPONENTS = 20
TOLERANCE = 1.01


@verb("spectra.denoise", together=True)
def denoise(
    dataset: xr.Dataset,
    *,
    components: int | None = None,
    variable: str | None = None,
    method: Literal["principal_components", "nmf"] = "principal_components",
    noise: Literal["even", "counts"] = "even",
) -> xr.Dataset:
    r"""Replace every spectrum of a series by what it has in common with the others, and leave the rest out as noise.

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
    method : {"principal_components", "nmf"}
        ``nmf``: the nearest sums of as many curves, inside the space of the principal components, in which neither shares
        nor curves are negative; no sigma can be stated for it.
    noise : {"even", "counts"}
        Alike at all points, or growing with the root of counts: then the series is scaled by the root of its mean
        spectrum and of its mean along the axis, so that what is strong does not decide alone. For core losses: ``counts``.

    Returns
    -------
    xarray.Dataset
        With the variable, and its sigma where there is one, denoised; ``pc_number``, the number of components;
        ``pc_rms``, root mean square of what was left out of each spectrum. Spectra with missing points or that failed
        before stay as they are and are flagged ``not_denoised``. Spectra of which more than noise was left out (over 5,
        15 or 45 points) are flagged ``structure_left_out``: their lines, areas and ratios are now those of others.

    Raises
    ------
    InvalidInput
        Fewer than 4 good spectra, more components than they allow, or ``nmf`` of what is negative in the mean.

    Notes
    -----
    Nothing is centred. A band that only a few spectra have is a component with a small singular value, and is lost first:
    compare ``pc_rms`` of the spectra with each other. Cosmic rays are components, too: take them out before.

    Points of a denoised spectrum are correlated along the whole axis, and sums of them scatter more than their sigmas say
    (with sigmas of counts, less): ratios of white lines after denoising look more certain or less than they are. Where a
    ratio differs from place to place by less than its noise it is pulled towards that of the series. Denoise to see where
    something changes; measure on what was counted, or on sums of it.

    References
    ----------
    A. B. Owen & P. O. Perry, Ann. Appl. Stat. 3, 564 (2009), doi:10.1214/08-AOAS227;
    counts: M. R. Keenan & P. G. Kotula (2004)

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
    values = rows[good]
    scales = (
        count_scales(values) if noise == "counts" else (np.ones((len(values), 1)), np.ones(rows.shape[1]))
    )
    scale = scales[0] * scales[1]
    scaled = values / scale
    if method == "nmf":
        _refuse_negative(values, name)
    number = components or _number(scaled, min(MOST_COMPONENTS, most))
    resolve(components=number, variable=name)
    curves = leading_curves(scaled, number)
    scores = scaled @ curves.T
    clean, left = rows.copy(), np.full(len(rows), np.nan)
    if method == "nmf":
        shares, parts, settled = nonnegative_factors(scores, curves)
        clean[good] = (shares @ parts) * scale
        note(f"{number} components without negative parts of {int(good.sum())} spectra were kept")
        if not settled:
            note("the factorisation without negative parts did not settle: take fewer components")
    else:
        clean[good] = (scores @ curves) * scale
        note(f"{number} principal components of {int(good.sum())} spectra were kept")
    note(
        "points are correlated along the axis now: sigmas of areas and ratios measured of them are not those of noise"
    )
    left[good] = np.sqrt(np.mean((values - clean[good]) ** 2, axis=1))
    odd = np.zeros(len(rows), bool)
    odd[good] = left_structure(values, clean[good], _spread(dataset, name, whole, good, clean[good], noise))
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
        share[good] = np.sqrt(leverages(scores)[:, None] + (curves**2).sum(0)) if method != "nmf" else np.nan
        factor = xr.DataArray(np.minimum(share, 1.0).reshape(shape), dims=whole.dims)
        result[f"{name}_sigma"] = (
            (sigma * factor)
            .transpose(*sigma.dims)
            .assign_attrs(dict(sigma.attrs) | {"correlated_channels": "yes"})
        )
    result = flag(
        result, odd.reshape(shape[:-1]), "structure_left_out",
        "more than noise was left out of the spectrum: its lines, areas and ratios are now those of others; keep more "
        "components, or measure it as it was",
        severity="warning",
    )  # fmt: skip
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


def _spread(
    dataset: xr.Dataset, name: str, whole: xr.DataArray, good: npt.NDArray[Any], clean: Array, noise: str
) -> Array:
    """Standard deviation of the points of the good rows, up to a factor."""
    if f"{name}_sigma" in dataset:
        sigma = dataset[f"{name}_sigma"].broadcast_like(whole).transpose(*whole.dims).values
        rows = np.asarray(sigma, float).reshape(-1, whole.shape[-1])[good]
        if np.isfinite(rows).all() and (rows > 0).all():
            return np.asarray(rows)
    if noise == "counts":
        return np.asarray(np.sqrt(np.maximum(clean, 0) + 0.5))
    return np.ones_like(clean)


def _refuse_negative(values: Array, name: str) -> None:
    mean, doubt = values.mean(0), values.std(0) / np.sqrt(len(values))
    below = int((mean < -4 * doubt).sum())
    if below:
        raise InvalidInput(
            f"method='nmf' is for what cannot be negative; the mean of {name} is, at {below} of {mean.size} points: denoise "
            "before a background is subtracted, or take method='principal_components'."
        )
