"""Principal components: how many species a series holds, and whether a candidate is one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, flag, series_dims
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.mixtures.combination import fit_window
from xas.mixtures.standards import Form, check_treatment, choose_standards, fitted_curve, how_treated
from xas.points.noise import estimate_noise

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["principal_components", "series_matrix", "target_transform"]

Array = npt.NDArray[np.float64]


def series_matrix(
    dataset: xr.Dataset,
    form: Form,
    kweight: float,
    window: tuple[float, float] | None,
    verb_name: str,
    least: int,
) -> tuple[Array, Array, npt.NDArray[np.bool_], xr.DataArray]:
    """All good spectra of a series inside the window as one matrix.

    Returns
    -------
    x : (n,) array
    matrix : (good spectra, n) array
    good : (spectra,) bool array
        Which of all spectra, in the order of the series' dimensions, are in it.
    curve : xarray.DataArray
        What is compared, inside the window.
    """
    dims = series_dims(dataset)
    curve = fitted_curve(dataset, form, kweight)
    axis = str(curve.dims[-1])
    low, high = fit_window(dataset, form, window)
    inside = (curve[axis].values >= low) & (curve[axis].values <= high)
    curve = curve.isel({axis: inside}).transpose(*dims, axis)
    rows = np.asarray(curve.values, float).reshape(-1, int(inside.sum()))
    good = np.isfinite(rows).all(1) & ~failed(dataset).transpose(*dims).values.reshape(-1)
    if not dims or good.sum() < least:
        raise InvalidInput(
            f"{verb_name} looks at a series as a whole and needs at least {least} good spectra; this dataset has "
            f"{int(good.sum())}. Look at its flags (dataset.spectra.flags) and at NaN inside the window."
        )
    if rows.shape[1] < 8:
        raise InvalidInput(
            f"window = ({low:g}, {high:g}) holds {rows.shape[1]} points; at least 8 are needed. Widen it."
        )
    return curve[axis].values.astype(float), rows[good], good, curve


@verb("xas.principal_components", axis="energy", together=True)
def principal_components(
    dataset: xr.Dataset,
    *,
    n: int | None = None,
    form: Form = "norm",
    window: tuple[float, float] | None = None,
    kweight: float = 2.0,
    largest: int = 10,
) -> xr.Dataset:
    r"""Decompose a series into principal components and say by seven criteria how many of them are more than noise.

    The criteria are kept side by side, because they disagree: that is the uncertainty of the number. "indicator" and
    "imbedded_error" are minima of Malinowski's IND and IE, "significance" his F test at 5 %, "scree" the largest
    relative fall of the singular values, "cross_validation" the least error of predicting what was left out, "noise"
    the first number whose real error is no larger than the noise of the points, "repeatability" the number that stands
    out of what changes at random from one spectrum of the series to the next.

    Parameters
    ----------
    dataset : xarray.Dataset
        Normalised spectra of a series or map; at least 4.
    n : int, optional
        Number of components that count. Default: that of "repeatability" for a series with a course (at least 9 spectra
        in their order); otherwise the median of the criteria, rounded down.
    form : {"norm", "flat", "derivative", "chi"}
        What is decomposed; "chi" times k to the power ``kweight``.
    window : (float, float), optional
        Range in eV from E0; for "chi" in 1/Å. Default: (-20, 60), for "chi" (3, 12).
    kweight : float
        Power of k that "chi" is weighted with.
    largest : int
        Components that are kept.

    Returns
    -------
    xarray.Dataset
        ``pc_curve`` (``pc``, axis), ``pc_score`` (series, ``pc``), ``pc_singular_value``; for 1, 2, ... components
        ``pc_real_error``, ``pc_imbedded_error``, ``pc_indicator``, ``pc_significance``, ``pc_cross_validation``;
        ``pc_suggested`` (``criterion``), ``pc_number``; ``pc_rms``, what that number leaves of each spectrum. Spectra
        that took no part are flagged ``no_components``.

    Raises
    ------
    InvalidInput
        Fewer than 4 good spectra, or more components than they allow.

    Notes
    -----
    Nothing is centred: each component is a sum of spectra, and n components are n species. Spectra that drift in
    energy or were normalised differently add components that are no species. IND and F test depend on the noise and on
    the number of spectra, and take it to be independent from point to point. Averaged, smoothed or interpolated scans
    have noise that is not; "repeatability" sees it as it is, by what a cubic through its four neighbours in the series
    does not predict of a spectrum. What drifts along the series counts as a component in every criterion.

    References
    ----------
    E. R. Malinowski, Anal. Chem. 49, 612 (1977), doi:10.1021/ac50012a027;
    A. Manceau, M. Marcus & T. Lenoir, J. Synchrotron Rad. 21, 1140 (2014), doi:10.1107/S1600577514013526

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6530.0, 6600.0, 0.5)
    >>> ends = 1 / (1 + np.exp(-(energy - [[6546.0], [6549.0]]) / 1.5))
    >>> share = np.linspace(0, 1, 12)[:, None]
    >>> mu = np.hstack([share, 1 - share]) @ ends + np.random.default_rng(1).normal(0, 1e-3, (12, energy.size))
    >>> attrs = {"element": "Mn", "edge": "K", "normalized": "yes"}
    >>> scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs=attrs)
    >>> int(xas.principal_components(scans, window=(-10, 40)).pc_number)
    2
    """
    from spectra.mixtures import CRITERIA, decompose

    if largest < 1:
        raise InvalidInput(f"largest is at least 1, got {largest}.")
    x, matrix, good, curve = series_matrix(dataset, form, kweight, window, "xas.principal_components", 4)
    noise = float(np.median(estimate_noise(x, matrix))) if form in ("norm", "flat") else np.nan
    made = decompose(
        matrix,
        largest=min(largest, min(matrix.shape) - 1),
        noise=noise,
        ordered=good.size == max(curve.shape[:-1]),
    )
    kept = len(made.curves)
    number = _number(n, made.suggested, kept)
    resolve(n=number, window=_window(dataset, form, x))
    told = ", ".join(f"{c} {v:.0f}" for c, v in zip(CRITERIA, made.suggested, strict=True) if np.isfinite(v))
    note(f"number of components by criterion: {told}")
    scores = np.full((good.size, kept), np.nan)
    scores[good] = made.scores
    left = np.full(good.size, np.nan)
    left[good] = np.sqrt(np.mean((matrix - made.scores[:, :number] @ made.curves[:number]) ** 2, axis=1))
    press = np.full(kept, np.nan)
    press[: min(kept, made.press.size)] = np.sqrt(made.press[:kept])
    return _labelled(dataset, curve, good, {
        "pc_curve": (("pc", curve.dims[-1]), made.curves, "principal component"),
        "pc_score": ((*curve.dims[:-1], "pc"), scores.reshape(*curve.shape[:-1], kept), "score"),
        "pc_singular_value": (("pc",), made.singular_values[:kept], "singular value"),
        "pc_real_error": (("pc",), made.real_error[:kept], "real error RE"),
        "pc_imbedded_error": (("pc",), made.imbedded_error[:kept], "imbedded error IE"),
        "pc_indicator": (("pc",), made.indicator[:kept], "indicator IND"),
        "pc_significance": (("pc",), made.significance[:kept], "probability of being noise (F test)"),
        "pc_cross_validation": (("pc",), press, "root mean square error of prediction"),
        "pc_suggested": (("criterion",), made.suggested, "suggested number of components"),
        "pc_number": ((), float(number), "number of components"),
        "pc_rms": (curve.dims[:-1], left.reshape(curve.shape[:-1]), "root mean square of what the components leave"),
    }, CRITERIA)  # fmt: skip


def _number(given: int | None, suggested: Array, kept: int) -> int:
    if given is None:
        told = suggested[-1] if np.isfinite(suggested[-1]) else np.floor(np.nanmedian(suggested))
        return int(min(kept, max(1, told)))
    if not 1 <= given <= kept:
        raise InvalidInput(f"n is between 1 and the {kept} components that are kept (largest=), got {given}.")
    return given


def _window(dataset: xr.Dataset, form: Form, x: Array) -> tuple[float, float]:
    from xas.mixtures.combination import window_origin

    origin = window_origin(dataset, form)
    return float(x[0] - origin), float(x[-1] - origin)


def _labelled(
    dataset: xr.Dataset, curve: xr.DataArray, good: npt.NDArray[np.bool_], named: dict[str, Any], criteria: tuple[str, ...]
) -> xr.Dataset:  # fmt: skip
    import xarray as xr

    axis = str(curve.dims[-1])
    result = dataset.drop_dims(["pc", "criterion"], errors="ignore")
    for name, (dims, values, text) in named.items():
        variable = xr.DataArray(values, dims=dims, attrs={"units": "", "long_name": text})
        if axis in dims:
            whole = variable.assign_coords({axis: curve[axis]}).reindex({axis: dataset[axis]})
            variable = whole.assign_coords({axis: dataset[axis]})
        result[name] = variable
    kept = result.sizes["pc"]
    result = result.assign_coords(
        pc=("pc", np.arange(1, kept + 1), {"units": "", "long_name": "number of the component"}),
        criterion=("criterion", list(criteria), {"long_name": "criterion for the number of components"}),
    )
    return flag(
        result, ~good.reshape(curve.shape[:-1]), "no_components",
        "the spectrum has missing points inside the window or failed before, and took no part in the decomposition",
    )  # fmt: skip


@verb("xas.target_transform", axis="energy", needs={"pc_curve": "xas.principal_components"}, together=True)
def target_transform(
    dataset: xr.Dataset,
    *,
    candidates: Any,
    n: int | None = None,
    treatment: Literal["same", "any"] = "same",
) -> xr.Dataset:
    r"""Test whether candidates can be among the species of a series, by projection on its principal components.

    Parameters
    ----------
    dataset : xarray.Dataset
        Series with ``pc_curve`` from :func:`xas.principal_components`.
    candidates : mapping of str to xarray.Dataset or path, or xarray.Dataset
        Spectra by name, normalised like the series; as ``standards`` of :func:`xas.linear_combination`.
    n : int, optional
        Number of components. Default: ``pc_number``.
    treatment : {"same", "any"}
        "any" accepts candidates that were normalised in another way, and notes the difference.

    Returns
    -------
    xarray.Dataset
        Per ``target``: ``spoil``, ``target_rfactor``, ``target_rms``, and ``target_curve``, what the components make of
        it.

    Raises
    ------
    InvalidInput
        A candidate was normalised differently or does not cover the window; an ``n`` that is not there.

    Notes
    -----
    SPOIL is the error that the target brings, over the one that the data bring: near zero for a species, large for a
    stranger. It grows with the noise of the candidate and with the number of spectra, so compare candidates among
    each other and look at ``target_curve``.

    References
    ----------
    E. R. Malinowski, Anal. Chim. Acta 103, 339 (1978), doi:10.1016/S0003-2670(01)83099-3

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6530.0, 6600.0, 0.5)
    >>> ends = 1 / (1 + np.exp(-(energy - [[6546.0], [6549.0], [6556.0]]) / 1.5))
    >>> share = np.linspace(0, 1, 12)[:, None]
    >>> mu = np.hstack([share, 1 - share]) @ ends[:2] + np.random.default_rng(1).normal(0, 1e-3, (12, energy.size))
    >>> attrs = {"element": "Mn", "edge": "K", "normalized": "yes"}
    >>> scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs=attrs)
    >>> scans = xas.principal_components(scans, window=(-10, 40))
    >>> pure = {name: spectra.from_arrays(energy, y, name="mu", attrs=attrs) for name, y in zip("abc", ends)}
    >>> (xas.target_transform(scans, candidates=pure).spoil > 10).values.tolist()
    [False, False, True]
    """
    import xarray as xr

    from spectra.mixtures import project_target, spline_curve
    from spectra.verbs import history

    said = next(step for step in reversed(history(dataset)) if step["verb"] == "xas.principal_components")[
        "options"
    ]
    form, kweight = said["form"], float(said["kweight"])
    known = choose_standards(candidates, form, kweight, dataset)
    check_treatment(how_treated(dataset, form), known, refuse=treatment == "same")
    curves = dataset["pc_curve"]
    axis = str(curves.dims[-1])
    inside = np.isfinite(curves.values).all(0)
    x = dataset[axis].values[inside].astype(float)
    number = (
        _number(n, dataset["pc_suggested"].values, dataset.sizes["pc"]) if n else int(dataset["pc_number"])
    )
    for one in known:
        if one.x[0] > x[0] or one.x[-1] < x[-1]:
            raise InvalidInput(
                f"candidate {one.name!r} runs from {one.x[0]:.6g} to {one.x[-1]:.6g}, and the components from {x[0]:.6g} to "
                f"{x[-1]:.6g}: decompose a narrower window, or leave it out."
            )
    targets = np.stack([spline_curve(one.x, one.y)(x)[0] for one in known])
    made = project_target(
        targets, curves.values[:number, inside], dataset["pc_singular_value"].values[:number],
        float(dataset["pc_real_error"][number - 1]),
    )  # fmt: skip
    resolve(candidates={"content": {one.name: one.to_spec() for one in known}}, n=number)
    whole = np.full((len(known), inside.size), np.nan)
    whole[:, inside] = made.predicted
    named = {
        "spoil": (("target",), made.spoil, "SPOIL, error of the target over that of the data"),
        "target_rfactor": (("target",), made.rfactor, "R-factor of the target transformation"),
        "target_rms": (("target",), made.apparent_error, "root mean square difference"),
        "target_curve": (("target", axis), whole, "what the components make of the target"),
    }
    result = dataset.drop_dims("target", errors="ignore")
    result = result.assign({
        name: xr.DataArray(v, dims=dims, attrs={"units": "", "long_name": text}) for name, (dims, v, text) in named.items()
    })  # fmt: skip
    return result.assign_coords(target=("target", [one.name for one in known], {"long_name": "candidate"}))
