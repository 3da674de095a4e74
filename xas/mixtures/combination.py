"""Linear combination: which standards a spectrum is made of, and how much of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, series_value, verb
from xas.mixtures.noise import noise_of_curve
from xas.mixtures.standards import (
    Form,
    Standard,
    check_treatment,
    choose_standards,
    fitted_curve,
    how_treated,
)
from xas.normalization.e0 import series_e0

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_window", "linear_combination", "window_origin"]

Array = npt.NDArray[np.float64]
Input = tuple["xr.DataArray", tuple[str, ...]]

#: Default windows: eV from E0, and 1/Å.
AROUND_E0, IN_K = (-20.0, 60.0), (3.0, 12.0)
#: Two standards closer than this part of the larger one are the same spectrum.
SAME = 1e-8


@verb("xas.linear_combination", axis="energy")
def linear_combination(
    dataset: xr.Dataset,
    *,
    standards: Any,
    form: Form = "norm",
    window: tuple[float, float] | None = None,
    kweight: float = 2.0,
    nonnegative: bool = True,
    sum_to_one: bool = True,
    shift: Literal["none", "common", "each"] = "none",
    max_shift: float = 1.0,
    max_components: int | None = None,
    select: Literal["aicc", "series", "all"] = "aicc",
    ranks: int = 5,
    weighted: bool = False,
    treatment: Literal["same", "any"] = "same",
) -> xr.Dataset:
    r"""Fit spectra by sums of standards, try every combination of them, and rank the combinations.

    .. math:: y(E) = \sum_j f_j\, s_j(E - \delta_j), \qquad f_j \ge 0, \quad \sum_j f_j = 1,
              \quad |\delta_j| \le \delta_\max

    Every subset of the standards (5000 at most) is solved in closed form for all spectra at once; those with a
    negative fraction are left to the smaller subsets. What is left is ranked by
    :math:`\mathrm{AICc} = n \ln(\chi^2/n) + 2k + 2k(k+1)/(n-k-1)` for n points and k free parameters.

    Parameters
    ----------
    dataset : xarray.Dataset
        Normalised spectra (:func:`xas.normalize`, or ``attrs["normalized"] == "yes"``).
    standards : mapping of str to xarray.Dataset or path, or xarray.Dataset
        Spectra of the standards by name, or a dataset with a series of them, normalised exactly like the data; files
        are read and normalised so. They are brought to the energies of the data by a cubic spline.
    form : {"norm", "flat", "derivative", "chi"}
        What is fitted: ``norm``, ``flat``, the derivative of ``norm``, or ``chi`` times k to the power ``kweight``.
    window : (float, float), optional
        Range of the fit in eV from E0; for "chi" in 1/Å. Default: (-20, 60), for "chi" (3, 12).
    kweight : float
        Power of k that "chi" is weighted with.
    nonnegative : bool
        Whether negative fractions are excluded.
    sum_to_one : bool
        Whether the fractions add up to one. Without it their sum tests the normalisation.
    shift : {"none", "common", "each"}
        Whether the energies of the standards may move: not at all, all alike, or each on its own.
    max_shift : float
        By how much at most, in eV, to each side.
    max_components : int, optional
        Most standards in one combination. Default: all, but no more than 4.
    select : {"aicc", "series", "all"}
        Which combination counts: for each spectrum the one of lowest AICc, for all spectra the one of lowest summed
        AICc, or the best fractions over all standards whether the data ask for them or not.
    ranks : int
        How many of the best combinations are kept for comparison.
    weighted : bool
        Weight points by the inverse square of ``norm_sigma`` (``chi_sigma``).
    treatment : {"same", "any"}
        "any" accepts standards that were normalised in another way, and notes the difference.

    Returns
    -------
    xarray.Dataset
        ``fraction``, ``fraction_sigma`` (``reference``), ``fraction_covariance``; with shifts ``reference_shift`` and
        its ``_sigma`` in eV; ``best_fit``, ``residual`` inside the window; ``redchi``, ``aicc``, ``rfactor``; and for
        the best combinations ``ranked_fraction`` (``rank``, ``reference``), ``ranked_aicc``, ``ranked_rfactor``.
        Spectra that could not be fitted are flagged ``no_combination``, shifts at their limit ``shift_at_limit``.

    Raises
    ------
    InvalidInput
        If a standard was normalised differently, does not cover the window, or equals another one; if there are too
        many combinations; if the window holds too few points.

    Notes
    -----
    Uncertainties are scaled by the residual, so they hold the noise of spectrum and standards and a part of what the
    standards cannot describe, and add the common error of the normalisation where ``norm_sigma`` is known (of the edge
    step for "chi"). How the noise is distributed over the points comes from ``mu_sigma`` where the data have it, and
    what points share of it from how they were made: differences for "derivative", interpolation and background for
    "chi" of :func:`xas.autobk`. AICc counts as many points as there is independent noise. A standard
    that is not part of the combination has fraction zero; its sigma says how large a fraction would go unnoticed. The
    choice among combinations and of the standards themselves is not in them: compare the ranks. ``rfactor`` is
    :math:`\sum (y - y_\mathrm{fit})^2 / \sum y^2`, as in larch and Athena. Fractions without ``nonnegative`` agree
    with larch's ``lincombo_fit``.

    References
    ----------
    A. Manceau, M. A. Marcus & S. Grangeon, Am. Mineral. 97, 816 (2012), doi:10.2138/am.2012.3903;
    K. P. Burnham & D. R. Anderson, Sociol. Methods Res. 33, 261 (2004), doi:10.1177/0049124104268644

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - [[6546.0], [6549.0]]) / 1.5))
    >>> made = np.array([[1, 0], [0, 1], [0.3, 0.7]]) @ mu
    >>> attrs = {"element": "Mn", "edge": "K"}
    >>> scans = spectra.from_arrays(energy, made, name="mu", dims=("scan",), attrs=attrs)
    >>> scans = xas.normalize(scans, pre=(-120, -30), post=(50, 340))
    >>> ends = {"MnO": scans.isel(scan=0), "Mn2O3": scans.isel(scan=1)}
    >>> xas.linear_combination(scans.isel(scan=2), standards=ends).fraction.values.round(3)
    array([0.3, 0.7])
    """
    from spectra.mixtures import combine, list_subsets, spline_curve

    _check_options(max_shift, max_components, ranks)
    curve = fitted_curve(dataset, form, kweight)
    known = choose_standards(standards, form, kweight, dataset)
    check_treatment(how_treated(dataset, form), known, refuse=treatment == "same")
    largest = min(max_components or 4, len(known))
    list_subsets(len(known), largest=largest)  # refused here if they are too many
    axis = str(curve.dims[-1])
    low, high = fit_window(dataset, form, window)
    inside = (curve[axis].values >= low) & (curve[axis].values <= high)
    x = curve[axis].values[inside].astype(float)
    origin = window_origin(dataset, form)
    _check_points(x, low, high, origin, largest, shift)
    known = [_cut(one, low, high, max_shift if shift != "none" else 0.0, axis) for one in known]
    curves = [spline_curve(one.x, one.y) for one in known]
    _check_different([c(x)[0] for c in curves], known)
    content = {one.name: one.to_spec() for one in known}
    resolve(standards={"content": content}, window=(low - origin, high - origin), max_components=largest)
    noise = noise_of_curve(dataset, form, kweight, inside, weighted=weighted)
    inputs: list[Any] = [(curve.isel({axis: inside}), (axis,)), *noise.inputs]
    options: dict[str, Any] = {
        "nonnegative": nonnegative, "sum_to_one": sum_to_one, "shift": shift, "max_shift": max_shift, "largest": largest,
    }  # fmt: skip
    within = (
        _of_series(x, curves, inputs, known, options, noise.root, weighted=weighted)
        if select == "series"
        else None
    )

    def kernel(y: Array, *arrays: Array) -> dict[str, Array]:
        y, given = np.asarray(y, float), noise.named(arrays)
        made = combine(
            x, y, curves, weights=_weights(y, arrays) if weighted else None, shared_errors=noise.shared(x, y, given),
            noise_root=noise.root, noise_sizes=given.get("sizes"), within=within,
            select="aicc" if select == "aicc" else "all", ranks=ranks, **options,
        )  # fmt: skip
        return {name: getattr(made, name) for name in _OUTPUTS}

    count = min(ranks, len(list_subsets(len(known), largest=largest, within=within).members))
    made = map_spectra(
        kernel, inputs, {name: (*dims, *((axis,) if name == "fit" else ())) for name, dims in _OUTPUTS.items()},
        sizes={"reference": len(known), "reference_2": len(known), "rank": count},
    )  # fmt: skip
    return _described(dataset, made, curve, inside, known, shift)


#: Names in the kernel's result, and their dimensions beside the series.
_OUTPUTS: dict[str, tuple[str, ...]] = {
    "fractions": ("reference",),
    "sigma": ("reference",),
    "covariance": ("reference", "reference_2"),
    "shifts": ("reference",),
    "shift_sigma": ("reference",),
    "fit": (),
    "redchi": (),
    "aicc": (),
    "rfactor": (),
    "ranked_fractions": ("rank", "reference"),
    "ranked_aicc": ("rank",),
    "ranked_rfactor": ("rank",),
    "at_limit": (),
}
_NAMES = {
    "fractions": ("fraction", "fraction"),
    "sigma": ("fraction_sigma", "standard uncertainty of the fraction"),
    "covariance": ("fraction_covariance", "covariance of the fractions"),
    "shifts": ("reference_shift", "energy shift of the standard"),
    "shift_sigma": ("reference_shift_sigma", "standard uncertainty of the energy shift"),
    "redchi": ("redchi", "mean square of the residual over the degrees of freedom"),
    "aicc": ("aicc", "corrected Akaike information criterion"),
    "rfactor": ("rfactor", "R-factor, squares of the residual over squares of the spectrum"),
    "ranked_fractions": ("ranked_fraction", "fractions of the best combinations"),
    "ranked_aicc": ("ranked_aicc", "AICc of the best combinations"),
    "ranked_rfactor": ("ranked_rfactor", "R-factor of the best combinations"),
}


def _check_options(max_shift: float, max_components: int | None, ranks: int) -> None:
    if not 0 < max_shift <= 20:
        raise InvalidInput(f"max_shift is above 0 and at most 20 eV, got {max_shift:g}.")
    if max_components is not None and max_components < 1:
        raise InvalidInput(f"max_components is at least 1, got {max_components}.")
    if ranks < 1:
        raise InvalidInput(f"ranks is at least 1, got {ranks}.")


def _check_points(x: Array, low: float, high: float, origin: float, largest: int, shift: str) -> None:
    least = largest + (largest if shift == "each" else 1) + 3
    if x.size < least:
        counted = f" eV from E0, {low:g} to {high:g} eV," if origin else ""
        raise InvalidInput(
            f"window = ({low - origin:g}, {high - origin:g}){counted} holds {x.size} points; a fit by up to {largest} "
            f"standards needs at least {least}. Widen the window."
        )


def _weights(y: Array, sigma: Sequence[Array]) -> Array:
    return np.asarray(1 / np.broadcast_to(sigma[0], y.shape) ** 2)


def _of_series(
    x: Array, curves: Sequence[Any], inputs: list[Input], known: list[Standard], options: dict[str, Any],
    root: Array | None, *, weighted: bool
) -> tuple[int, ...]:  # fmt: skip
    """The combination of lowest AICc summed over all spectra."""
    from spectra.mixtures import list_subsets, subset_aicc

    subsets = list_subsets(len(known), largest=options["largest"]).members

    def ranking(y: Array, *sigma: Array) -> dict[str, Array]:
        return {
            "aicc": subset_aicc(
                x, y, curves, weights=_weights(y, sigma) if weighted else None, noise_root=root, **options
            )
        }

    scores = map_spectra(ranking, inputs, {"aicc": ("subset",)}, sizes={"subset": len(subsets)})["aicc"]
    total = scores.sum([d for d in scores.dims if d != "subset"]).values
    best = subsets[int(np.argmin(total))]
    note(f"the combination of the series is {', '.join(known[j].name for j in best)}")
    return best


def fit_window(dataset: xr.Dataset, form: Form, window: tuple[float, float] | None) -> tuple[float, float]:
    """Limits of the fit on its axis: eV, or 1/Å for chi.

    Raises
    ------
    InvalidInput
        If no spectrum has an E0 to count from, or the window has no width.
    """
    low, high = sorted(window or (IN_K if form == "chi" else AROUND_E0))
    if high - low <= 0:
        raise InvalidInput(f"window = ({low:g}, {high:g}) has no width.")
    if form == "chi":
        k = dataset["k"].values
        if window is not None and (low < k[0] or high > k[-1] + 1e-9):
            raise InvalidInput(
                f"window = ({low:g}, {high:g}) reaches beyond chi, known from {k[0]:g} to {k[-1]:g} 1/Å."
            )
        return low, min(high, float(k[-1]))
    origin = _origin(dataset)
    return origin + low, origin + high


def _origin(dataset: xr.Dataset) -> float:
    if "e0" in dataset:
        origins = dataset["e0"].values
        origins = origins[np.isfinite(origins)]
        if origins.size:
            return series_value("e0", lambda: float(np.median(origins)))
    found, near, why = series_e0(dataset)
    if found is None and not np.isfinite(near):
        raise InvalidInput("the window counts from E0, and no spectrum has one: call xas.normalize with e0=.")
    note(f"the window counts from {found if found is not None else near:g} eV, looked for {why}")
    return float(found if found is not None else near)


def window_origin(dataset: xr.Dataset, form: Form) -> float:
    """What a window counts from: E0 in eV, or zero for chi."""
    return 0.0 if form == "chi" else _origin(dataset)


def _cut(standard: Standard, low: float, high: float, margin: float, axis: str) -> Standard:
    """The part of a standard that the fit needs, with some points to each side for the spline."""
    unit = "1/Å" if axis == "k" else "eV"
    if standard.x[0] > low - margin or standard.x[-1] < high + margin:
        raise InvalidInput(
            f"standard {standard.name!r} runs from {standard.x[0]:.6g} to {standard.x[-1]:.6g} {unit}, and the fit needs "
            f"{low - margin:.6g} to {high + margin:.6g} {unit}: narrow the window, or leave it out."
        )
    first = max(0, int(np.searchsorted(standard.x, low - margin)) - 6)
    last = int(np.searchsorted(standard.x, high + margin)) + 6
    return Standard(standard.name, standard.x[first:last], standard.y[first:last], standard.treated)


def _check_different(values: Sequence[Array], standards: list[Standard]) -> None:
    for i, a in enumerate(values):
        for j, b in enumerate(values[:i]):
            if np.abs(a - b).max() <= SAME * max(np.abs(a).max(), np.abs(b).max()):
                raise InvalidInput(
                    f"standards {standards[j].name!r} and {standards[i].name!r} are the same spectrum inside the window: "
                    "leave one out."
                )


def _described(
    dataset: xr.Dataset, made: dict[str, xr.DataArray], curve: xr.DataArray, inside: npt.NDArray[np.bool_],
    standards: list[Standard], shift: str,
) -> xr.Dataset:  # fmt: skip
    """The results under their names, with units and flags."""
    if {"reference", "rank"} & set(dataset.dims):
        note("an earlier combination was replaced")
        dataset = dataset.drop_dims(["reference", "reference_2", "rank"], errors="ignore")
    axis = str(curve.dims[-1])
    at_limit, fit = made.pop("at_limit"), made.pop("fit")
    if shift == "none":
        made = {name: values for name, values in made.items() if name not in ("shifts", "shift_sigma")}
    energy_units = "1/angstrom" if axis == "k" else "eV"
    named = {
        _NAMES[n][0]: v.assign_attrs(
            units=energy_units if n.startswith("shift") else "", long_name=_NAMES[n][1]
        )
        for n, v in made.items()
    }
    whole = fit.reindex({axis: curve[axis]}) if not inside.all() else fit
    whole = whole.assign_coords({axis: curve[axis]}).transpose(*curve.dims)
    named["best_fit"] = whole.assign_attrs(units="", long_name="sum of the standards")
    named["residual"] = (curve - whole).assign_attrs(units="", long_name="what the standards leave")
    result = dataset.assign(named).assign_coords(
        reference=("reference", [s.name for s in standards], {"long_name": "standard"}),
        rank=(
            "rank",
            np.arange(1, made["ranked_aicc"].sizes["rank"] + 1),
            {"units": "", "long_name": "rank by AICc"},
        ),
    )
    result = flag(
        result, made["aicc"].isnull(), "no_combination",
        "too few finite points inside the window: mend or drop the spectrum, or move the window",
    )  # fmt: skip
    if shift == "none":
        return result
    return flag(
        result, at_limit == 1, "shift_at_limit",
        "an energy shift stands at its limit: align the spectrum first, or allow a larger shift",
        severity="warning",
    )  # fmt: skip
