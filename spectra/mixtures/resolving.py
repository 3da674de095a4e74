"""The verb ``spectra.mcr_als``: spectra and amounts of unknown species out of a series or a map of any technique."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, flag, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.mixtures.curve_resolution import Resolved, resolve_curves
from spectra.mixtures.purest import extreme_spectra, simplisma
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["mcr_als"]

Array = npt.NDArray[np.float64]

#: More species than these are not told apart in a series, and their subsets double with each.
MOST_SPECIES = 8
#: SIMPLISMA compares every spectrum with every other one.
MOST_COMPARED = 3000


@verb("spectra.mcr_als", together=True)
def mcr_als(
    dataset: xr.Dataset,
    *,
    n: int,
    variable: str | None = None,
    window: tuple[float, float] | None = None,
    start: Literal["extremes", "simplisma"] = "extremes",
    max_iter: int = 500,
    tol: float = 1e-6,
) -> xr.Dataset:
    r"""Resolve a series or a map into the spectra and amounts of ``n`` species, none of them negative.

    .. math:: D = C S + E, \qquad C \ge 0, \quad S \ge 0, \quad \max_x S_j = 1

    by alternating least squares (also called non-negative matrix factorisation). What is resolved should be free of
    its background. For normalised X-ray absorption :func:`xas.mcr_als` knows more: fractions that add up to one, known
    species, bands of feasible solutions.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique along one or more series dimensions.
    n : int
        Number of species, at most 8.
    variable : str, optional
        What is resolved. Default: ``net`` where it is, else the measured quantity.
    window : (float, float), optional
        Range of the spectral axis, in its units. Default: all of it.
    start : {"extremes", "simplisma"}
        Spectra of the series to begin with: the end members at the corners of the cloud of scores, or the purest by
        SIMPLISMA (up to 3000 spectra).
    max_iter : int
        Most iterations.
    tol : float
        Settled when the sum of squares changes by less than this part of itself.

    Returns
    -------
    xarray.Dataset
        ``species_spectrum`` (``species``, axis), largest value 1; ``species_amount`` (series, ``species``) with its
        ``_sigma``; ``best_fit``, ``residual``; ``lack_of_fit`` in percent, of all spectra. Spectra with gaps in the
        window are flagged ``not_resolved``; if the iteration did not settle, all are flagged ``not_settled``.

    Raises
    ------
    InvalidInput
        A single spectrum, more species than whole spectra, no points in the window.

    Notes
    -----
    The data do not fix the result: turned solutions :math:`C T^{-1}, T S` without negative values describe them as
    well, fewer where single species are seen alone somewhere. ``species_amount_sigma`` is that of a linear fit with the
    species' spectra held, scaled by the residual of its spectrum; it does not hold that they may be others.

    References
    ----------
    R. Tauler, Chemom. Intell. Lab. Syst. 30, 133 (1995), doi:10.1016/0169-7439(95)00047-X;
    M. C. U. Araújo et al., Chemom. Intell. Lab. Syst. 57, 65 (2001), doi:10.1016/S0169-7439(01)00119-8

    Examples
    --------
    >>> import numpy as np, spectra
    >>> shift = np.arange(400.0, 700.0, 2.0)
    >>> pure = [np.exp(-(((shift - at) / 12) ** 2)) for at in (485.0, 590.0)]
    >>> amounts = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, 3.0], [0.0, 2.0]])
    >>> series = spectra.from_arrays(shift, amounts @ pure, axis="raman_shift", dims=("scan",))
    >>> found = spectra.mcr_als(series, n=2)
    >>> sorted(found.species_amount.max("scan").values.round(1).tolist())
    [2.0, 3.0]
    """
    axis, dims = spectral_axis(dataset), series_dims(dataset)
    name = variable or ("net" if "net" in dataset else signal_name(dataset))
    if name not in dataset or axis not in dataset[name].dims:
        raise InvalidInput(f"there is no variable {name!r} along {axis} to resolve.")
    if not dims:
        raise InvalidInput("mcr_als resolves a series or a map, and this is a single spectrum.")
    if not 1 <= n <= MOST_SPECIES:
        raise InvalidInput(f"n is between 1 and {MOST_SPECIES} species, got {n}.")
    if max_iter < 1 or not tol > 0:
        raise InvalidInput(f"max_iter is at least 1 and tol above 0, got {max_iter} and {tol:g}.")
    x = dataset[axis].values
    low, high = sorted(window) if window else (float(x[0]), float(x[-1]))
    inside = (x >= low) & (x <= high)
    if np.count_nonzero(inside) <= n:
        raise InvalidInput(
            f"window ({low:g}, {high:g}) holds {np.count_nonzero(inside)} points, and {n} species are asked for: widen it."
        )
    values = np.asarray(dataset[name].transpose(*dims, axis).values, float)[..., inside]
    rows = values.reshape(-1, values.shape[-1])
    good = np.isfinite(rows).all(-1) & ~np.asarray(failed(dataset).values, bool).ravel()
    matrix = rows[good]
    if len(matrix) <= n:
        raise InvalidInput(f"{n} species need more than {n} whole spectra, and there are {len(matrix)}.")
    if start == "simplisma" and len(matrix) > MOST_COMPARED:
        raise InvalidInput(
            f"start='simplisma' compares all spectra with each other, at most {MOST_COMPARED}; there are {len(matrix)}: take "
            "'extremes'."
        )
    chosen = (extreme_spectra if start == "extremes" else simplisma)(matrix, n)
    made = resolve_curves(matrix, matrix[chosen], closure=False, max_iter=max_iter, tol=tol)
    resolve(variable=name, window=(low, high))
    note(
        f"{'settled' if made.converged else 'did not settle'} after {made.iterations} iterations, lack of fit "
        f"{made.lack_of_fit:.3g} %, last change {made.change:.1e}"
    )
    return _labelled(dataset, name, matrix, good, inside, made)


def _labelled(
    dataset: xr.Dataset,
    name: str,
    matrix: Array,
    good: npt.NDArray[np.bool_],
    inside: npt.NDArray[np.bool_],
    made: Resolved,
) -> xr.Dataset:
    """Dataset with what was resolved; species in the order of how much of the signal they are."""
    axis, dims = spectral_axis(dataset), series_dims(dataset)
    shape = tuple(dataset.sizes[d] for d in dims)
    part = made.fractions.sum(0) * made.spectra.sum(1)
    order = np.argsort(-part, kind="stable")
    amounts, species = made.fractions[:, order], made.spectra[order]
    fitted = amounts @ species
    freedom = max(matrix.shape[1] - len(species), 1)
    error = np.sqrt(((matrix - fitted) ** 2).sum(1) / freedom)
    sigma = error[:, None] * np.sqrt(np.diag(np.linalg.pinv(species @ species.T)))

    def spread(found: Array, width: int, where: Any = slice(None)) -> Array:
        whole = np.full((good.size, width), np.nan)
        whole[np.ix_(good, np.arange(width)[where])] = found
        return whole.reshape(*shape, width)

    units = str(dataset[name].attrs.get("units", ""))
    curve = spread(fitted, inside.size, inside)
    spectrum = np.full((len(species), inside.size), np.nan)
    spectrum[:, inside] = species
    result = dataset.drop_dims("species", errors="ignore").assign(
        species_amount=(
            (*dims, "species"),
            spread(amounts, len(species)),
            {"units": units, "long_name": "amount"},
        ),
        species_amount_sigma=(
            (*dims, "species"),
            spread(sigma, len(species)),
            {"units": units, "long_name": "standard uncertainty of the amount, spectra of the species held"},
        ),
        species_spectrum=(("species", axis), spectrum, {"units": "", "long_name": "spectrum of the species"}),
        best_fit=((*dims, axis), curve, {"units": units}),
        lack_of_fit=((), made.lack_of_fit, {"units": "%", "long_name": "lack of fit of all spectra"}),
    )
    result["residual"] = (dataset[name] - result["best_fit"]).transpose(*dims, axis).assign_attrs(units=units)
    result = result.assign_coords(species=[f"species {i}" for i in range(1, len(species) + 1)])
    lost = ~good.reshape(shape)
    if lost.any():
        text = "The spectrum has gaps in the window, or failed before: it took no part in the resolution."
        result = flag(result, lost, "not_resolved", text)
    if not made.converged:
        text = "The iteration did not settle: raise max_iter, or ask for fewer species."
        result = flag(result, good.reshape(shape), "not_settled", text, severity="warning")
    return result
