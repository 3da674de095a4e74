"""Curve resolution: spectra and fractions of the species of a series without standards, or with some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.mixtures.combination import window_origin
from xas.mixtures.components import series_matrix
from xas.mixtures.noise import noise_of_curve
from xas.mixtures.standards import Form, Standard, check_treatment, choose_standards, how_treated

if TYPE_CHECKING:
    import xarray as xr

    from spectra.mixtures import Bands, Resolved

__all__ = ["mcr_als"]

Array = npt.NDArray[np.float64]
#: More species than these are not told apart in a series, and their subsets double with each.
MOST_SPECIES = 8


@verb("xas.mcr_als", axis="energy", together=True)
def mcr_als(
    dataset: xr.Dataset,
    *,
    n: int,
    known: Any = None,
    start: Literal["simplisma", "extremes"] = "simplisma",
    closure: bool = True,
    unimodal: bool = False,
    bands: bool = True,
    form: Literal["norm", "flat"] = "norm",
    window: tuple[float, float] | None = None,
    max_iter: int = 500,
    tol: float = 1e-6,
    treatment: Literal["same", "any"] = "same",
) -> xr.Dataset:
    r"""Resolve a series into the spectra and fractions of ``n`` species by constrained alternating least squares.

    .. math:: D = C S + E, \qquad C \ge 0, \quad S \ge 0, \quad \sum_j c_{ij} = 1

    The data alone do not fix the result: turned solutions :math:`C T^{-1}, T S` describe them equally well. How far
    they may turn under the constraints is given as bands, for each species where its part of the signal is least and
    largest.

    Parameters
    ----------
    dataset : xarray.Dataset
        Normalised spectra of a series; see :func:`xas.principal_components` for the number of species.
    n : int
        Number of species, known ones among them; at most 8.
    known : mapping of str to xarray.Dataset or path, optional
        Spectra of known species, held as they are. Each narrows the bands.
    start : {"simplisma", "extremes"}
        Spectra of the series to begin with: the purest by SIMPLISMA, or those at the corners of the cloud of scores.
    closure : bool
        Whether the fractions of each spectrum add up to one, as those of normalised spectra do.
    unimodal : bool
        Whether each fraction has a single maximum along the series (one dimension only).
    bands : bool
        Whether bands of feasible solutions are computed.
    form : {"norm", "flat"}
        What is resolved.
    window : (float, float), optional
        Range in eV from E0. Default: (-20, 60).
    max_iter : int
        Most iterations.
    tol : float
        Settled when the sum of squares changes by less than this part of itself.
    treatment : {"same", "any"}
        "any" accepts known spectra that were normalised in another way, and notes the difference.

    Returns
    -------
    xarray.Dataset
        ``species_fraction`` (series, ``species``) with ``_sigma``, ``species_spectrum`` (``species``, ``energy``), both
        also as ``_least`` and ``_most`` for the bands, ``species_signal_least``, ``species_signal_most``; ``best_fit``,
        ``residual``, ``rfactor``; ``lack_of_fit`` in percent and ``iterations``. Spectra that took no part are flagged
        ``not_resolved``; if the iteration did not settle, all are flagged ``not_settled``.

    Raises
    ------
    InvalidInput
        More species than spectra or known spectra than species; unimodality on a map; known spectra that were
        normalised differently or do not cover the window.

    Notes
    -----
    ``species_fraction_sigma`` is what the noise of a spectrum and of its normalisation makes in its fractions with the
    spectra of the species held as they were found: linear propagation, scaled by the residual, as in
    :func:`xas.linear_combination`. It does not hold that the species' spectra may be others; that is what the bands
    are for, and they are wider than noise makes them, unless pure spectra or energies where one species alone absorbs
    are in the series. With ``unimodal`` a fraction depends on its neighbours, and no sigma is given. The bands do not
    ask for unimodality. Points below zero, as in the noise before the edge, are cut off in the spectra of unknown
    species.

    References
    ----------
    R. Tauler, Chemom. Intell. Lab. Syst. 30, 133 (1995), doi:10.1016/0169-7439(95)00047-X;
    R. Tauler, J. Chemom. 15, 627 (2001), doi:10.1002/cem.654;
    W. Windig & J. Guilment, Anal. Chem. 63, 1425 (1991), doi:10.1021/ac00014a016

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6530.0, 6600.0, 0.5)
    >>> ends = 1 / (1 + np.exp(-(energy - [[6546.0], [6549.0]]) / 1.5))
    >>> share = np.linspace(0, 1, 12)[:, None]
    >>> attrs = {"element": "Mn", "edge": "K", "normalized": "yes"}
    >>> mu = np.hstack([share, 1 - share]) @ ends
    >>> scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs=attrs)
    >>> found = xas.mcr_als(scans, n=2, window=(-10, 40))
    >>> found.species_fraction.isel(species=0).values.round(2)[:4]
    array([1.  , 0.91, 0.82, 0.73])
    """
    from spectra.mixtures import extreme_spectra, feasible_bands, resolve_curves, simplisma

    _check_options(dataset, n, unimodal, max_iter, tol)
    x, matrix, good, curve = series_matrix(dataset, form, 0.0, window, "xas.mcr_als", n + 1)
    held = _known(dataset, known, n, form, x, refuse=treatment == "same")
    fixed = np.array([one.y for one in held]).reshape(len(held), x.size)
    begin = _begin(matrix, fixed, n, extreme_spectra if start == "extremes" else simplisma)
    made = resolve_curves(
        matrix, np.vstack([fixed, begin]), known=len(held), closure=closure, unimodal_fractions=unimodal,
        max_iter=max_iter, tol=tol,
    )  # fmt: skip
    resolve(
        n=n, window=(float(x[0]) - window_origin(dataset, form), float(x[-1]) - window_origin(dataset, form))
    )
    if held:
        resolve(known={"content": {one.name: one.to_spec() for one in held}})
    note(
        f"{'settled' if made.converged else 'did not settle'} after {made.iterations} iterations, lack of fit "
        f"{made.lack_of_fit:.3g} %, last change {made.change:.1e}"
    )
    found = None
    if bands:
        error = np.sqrt(np.mean((matrix - made.fractions @ made.spectra) ** 2))
        inverse = np.linalg.pinv(made.spectra @ made.spectra.T)
        found = feasible_bands(
            made.fractions, made.spectra, known=len(held), closure=closure,
            fraction_error=float(3 * error * np.sqrt(np.diag(inverse).max())), spectrum_error=float(3 * error),
        )  # fmt: skip
    names = [one.name for one in held] + [f"species {i}" for i in range(1, n - len(held) + 1)]
    result = _labelled(dataset, curve, matrix, good, made, found, names)
    return (
        result
        if unimodal
        else result.assign(species_fraction_sigma=_sigma(dataset, curve, good, made, form, closure))
    )


def _check_options(dataset: xr.Dataset, n: int, unimodal: bool, max_iter: int, tol: float) -> None:
    if not 1 <= n <= MOST_SPECIES:
        raise InvalidInput(f"n is between 1 and {MOST_SPECIES} species, got {n}.")
    if unimodal and len(series_dims(dataset)) != 1:
        dims = ", ".join(series_dims(dataset))
        raise InvalidInput(
            f"unimodal asks for a series along one dimension; this dataset has {dims or 'none'}."
        )
    if max_iter < 1 or not tol > 0:
        raise InvalidInput(f"max_iter is at least 1 and tol above 0, got {max_iter} and {tol:g}.")


def _known(dataset: xr.Dataset, given: Any, n: int, form: Form, x: Array, *, refuse: bool) -> list[Standard]:
    """Known species on the grid of the data."""
    from spectra.mixtures import spline_curve

    if given is None:
        return []
    held = choose_standards(given, form, 0.0, dataset)
    if len(held) > n:
        raise InvalidInput(f"known holds {len(held)} spectra, more than the n = {n} species there are.")
    check_treatment(how_treated(dataset, form), held, refuse=refuse)
    for one in held:
        if one.x[0] > x[0] or one.x[-1] < x[-1]:
            raise InvalidInput(
                f"known species {one.name!r} runs from {one.x[0]:.6g} to {one.x[-1]:.6g} eV, and the window from {x[0]:.6g} to "
                f"{x[-1]:.6g} eV: narrow the window, or leave it out."
            )
    return [
        one
        if np.array_equal(one.x, x)
        else Standard(one.name, x, spline_curve(one.x, one.y)(x)[0], one.treated)
        for one in held
    ]


def _begin(matrix: Array, fixed: Array, n: int, choose: Any) -> Array:
    """Spectra of the series to begin with, unlike the known ones."""
    wanted = n - len(fixed)
    if wanted == 0:
        return np.empty((0, matrix.shape[1]))
    if not len(fixed):
        return np.asarray(matrix[choose(matrix, n)])
    # those that the known ones describe least, one after the other
    chosen: list[int] = []
    for _ in range(wanted):
        basis = np.linalg.qr(np.vstack([fixed, matrix[chosen]]).T)[0]
        left = ((matrix - (matrix @ basis) @ basis.T) ** 2).sum(1)
        chosen.append(int(np.argmax(left)))
    return np.asarray(matrix[chosen])


def _sigma(
    dataset: xr.Dataset, curve: xr.DataArray, good: npt.NDArray[np.bool_], made: Resolved, form: Form, closure: bool
) -> xr.DataArray:  # fmt: skip
    """Standard uncertainty of the fractions with the species' spectra as they are."""
    from spectra.mixtures import combine

    axis = str(curve.dims[-1])
    x = curve[axis].values.astype(float)
    noise = noise_of_curve(dataset, form, 0.0, np.isin(dataset[axis].values, x), weighted=False)
    curves = [lambda _, row=row: (row, np.zeros_like(row)) for row in made.spectra]

    def kernel(y: Array, *arrays: Array) -> dict[str, Array]:
        y, given = np.asarray(y, float), noise.named(arrays)
        fitted = combine(
            x, y, curves, shared_errors=noise.shared(x, y, given), noise_root=noise.root,
            noise_sizes=given.get("sizes"), sum_to_one=closure, select="all",
        )  # fmt: skip
        return {"sigma": fitted.sigma}

    sizes = {"species": len(made.spectra)}
    sigma = map_spectra(kernel, [(curve, (axis,)), *noise.inputs], {"sigma": ("species",)}, sizes=sizes)[
        "sigma"
    ]
    kept = good.reshape(curve.shape[:-1])[..., None]
    about = {
        "units": "",
        "long_name": "standard uncertainty of the fraction with the spectra of the species as found",
    }
    return sigma.transpose(*curve.dims[:-1], "species").where(kept).assign_attrs(about)


def _labelled(
    dataset: xr.Dataset, curve: xr.DataArray, matrix: Array, good: npt.NDArray[np.bool_], made: Resolved,
    bands: Bands | None, names: list[str],
) -> xr.Dataset:  # fmt: skip
    import xarray as xr

    dims, axis = curve.dims[:-1], str(curve.dims[-1])

    def per_spectrum(values: Array, *more: str) -> xr.DataArray:
        full = np.full((good.size, *values.shape[1:]), np.nan)
        full[good] = values
        return xr.DataArray(full.reshape(*curve.shape[:-1], *values.shape[1:]), dims=(*dims, *more))

    def along(array: xr.DataArray) -> xr.DataArray:
        whole = array.assign_coords({axis: curve[axis]}).reindex({axis: dataset[axis]})
        return whole.assign_coords({axis: dataset[axis]})

    fit = made.fractions @ made.spectra
    with np.errstate(divide="ignore", invalid="ignore"):
        rfactor = ((matrix - fit) ** 2).sum(1) / (matrix**2).sum(1)
    named = {
        "species_fraction": (per_spectrum(made.fractions, "species"), "fraction of the species"),
        "species_spectrum": (
            along(xr.DataArray(made.spectra, dims=("species", axis))),
            "spectrum of the species",
        ),
        "best_fit": (along(per_spectrum(fit, axis)), "sum of the species"),
        "residual": (along(per_spectrum(matrix - fit, axis)), "what the species leave"),
        "rfactor": (per_spectrum(rfactor), "R-factor, squares of the residual over squares of the spectrum"),
        "lack_of_fit": (xr.DataArray(made.lack_of_fit), "lack of fit"),
        "iterations": (xr.DataArray(float(made.iterations)), "iterations"),
    }
    for side, word in enumerate(("least", "most")) if bands is not None else ():
        text = f"where the species makes up the {word} of the signal"
        assert bands is not None
        named[f"species_fraction_{word}"] = (
            per_spectrum(bands.fractions[side], "species"),
            f"fraction {text}",
        )
        spectrum = xr.DataArray(bands.spectra[side], dims=("species", axis))
        named[f"species_spectrum_{word}"] = (along(spectrum), f"spectrum {text}")
        named[f"species_signal_{word}"] = (
            xr.DataArray(bands.signal[side], dims=("species",)),
            f"part of the signal {text}",
        )
    result = dataset.drop_dims("species", errors="ignore")
    result = result.assign({
        name: array.assign_attrs(units="percent" if name == "lack_of_fit" else "", long_name=text)
        for name, (array, text) in named.items()
    })  # fmt: skip
    result = result.assign_coords(species=("species", names, {"long_name": "species"}))
    result = flag(
        result, ~good.reshape(curve.shape[:-1]), "not_resolved",
        "the spectrum has missing points inside the window or failed before, and took no part in the resolution",
    )  # fmt: skip
    settled = np.full(curve.shape[:-1], made.converged)
    return flag(
        result, ~settled, "not_settled",
        "the alternating least squares did not settle: allow more iterations, fewer species or a larger tol",
        severity="warning",
    )  # fmt: skip
