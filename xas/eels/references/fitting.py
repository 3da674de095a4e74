"""Edges as sums of reference edges (multiple linear least squares): the verb."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, series_value, verb
from xas.eels.background.subtraction import AXES
from xas.eels.channels.curves import Curve
from xas.eels.references.broadening import common_broadening, some_spectra
from xas.eels.references.curves import ReferenceCurve
from xas.eels.references.fit import Inside, Prior, fit_reference_curves
from xas.eels.references.input import Reference, choose_references
from xas.eels.references.labels import label_fit
from xas.xanes.valence_scale import mixture_valence

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_references"]

Array = npt.NDArray[Any]
#: A name alone is no spectrum: two references this near to each other are the same one.
SAME = 1e-8

#: Flags: mask of the kernel -> name, severity, explanation.
FLAGS = {
    "is_empty": ("no_combination", "failed", "nothing could be fitted: values that are not finite, no counts, or nothing above the background inside the window"),
    "is_unsettled": ("not_settled", "failed", "the fit did not settle: look at the spectrum, narrow the limits of the shift, or take another window"),
    "is_at_limit": ("shift_at_limit", "warning", "the shift stands at its limit: align the spectra first, or allow a larger shift"),
    "is_short": ("reference_too_short", "warning", "with this shift a reference ends inside the window and goes on level there: narrow the window"),
    "is_spiked": ("spikes_left_out", "warning", "channels far above their surroundings were left out of the fit"),
    "is_negative": ("negative_counts", "warning", "counts below zero inside the window: the detector's dark level was subtracted from more than it was in"),
    "is_foreign": (
        "undecided",
        "warning",
        "more than a tenth of the edge's amplitude is left over and is no noise: no sum of these references describes it, and their shares and valence are no conclusion",
    ),
    "is_excess": ("references_insufficient", "warning", "more is left than noise, or neighbouring residuals go together: the sample holds something that no reference shows, or another resolution"),
}  # fmt: skip


@verb("xas.eels.fit_references", axis=AXES)
def fit_references(
    dataset: xr.Dataset,
    *,
    references: Any,
    window: tuple[float, float] | None = None,
    valences: dict[str, float] | None = None,
    shift: tuple[float, float] | None = (-2.0, 2.0),
    broadening: float | Literal["common"] = 0.0,
    background: Literal["subtracted", "power_law", "linear", "none"] | None = None,
    gain: float | None = None,
    leave_out_spikes: bool = True,
    keep: Literal["numbers", "fit", "curves"] = "fit",
) -> xr.Dataset:
    r"""Fit edges by sums of reference edges: the share of each, the valence, and one shift common to all.

    .. math:: \min \sum_i w_i \Big(N_i - \sum_k a_k S_k(E_i - s)\Big)^2, \quad a_k \ge 0, \quad
              f_k = \frac{a_k}{\sum_j a_j}, \quad v = \sum_k f_k v_k

    with references S of area 1 inside the window and weights of the counts that the fit expects, which makes it the
    maximum of the Poisson likelihood at any number of counts.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``energy_loss`` or ``energy`` (soft X-rays) in eV, with ``net`` from
        :func:`xas.eels.subtract_background`, or with the background still in; any series dimensions.
    references : mapping of str to xarray.Dataset or path, or xarray.Dataset
        Spectra of known compounds by name, or a series of them; their background subtracted (``net``). Files are read
        and treated as the data were.
    window : (float, float), optional
        Energies in eV that are fitted. Default: what data and references have in common at every allowed shift, behind
        the window of a background that was subtracted.
    valences : table of float, optional
        Valence of each reference by name; then ``valence`` is added.
    shift : (float, float), optional
        Limits of the shift in eV by which the data lie above the references. None: no shift.
    broadening : float or "common"
        Full width in eV of a Gaussian that the references are seen with, for data of lower resolution. "common": the one
        that describes the series best (256 of its spectra), up to 3 eV; it is noted with its sigma, and not part of others.
    background : {"subtracted", "power_law", "linear", "none"}, optional
        What lies under the edge: it was subtracted before (``net``), it is fitted together with the references, or there
        is none. Default: subtracted where ``net`` is there; else a power law for energy losses, a straight line for soft X-rays.
    gain : float, optional
        Variance of a channel per count. Default: that of the background's fit; else 1 where the unit is counts; else
        the scatter about the fit tells it. Not with a stated ``<signal>_sigma``.
    leave_out_spikes : bool
        Whether single channels far above the noise and their surroundings are left out, and the spectrum flagged.
    keep : {"numbers", "fit", "curves"}
        Whether curves are kept: none (large images), ``best_fit`` and ``residual``, or also ``reference_curve``.

    Returns
    -------
    xarray.Dataset
        ``fraction`` (``reference``) with ``_sigma`` and ``fraction_covariance``; ``reference_area`` (signal × eV);
        ``reference_shift`` with ``_sigma`` (eV); with ``valences`` ``valence`` with ``_sigma``; ``redchi``; curves as asked
        for, ``fitted_background`` if it was fitted. Where the references state their noise, what that does to fractions and
        valence: ``fraction_reference_sigma``, ``valence_reference_sigma``. ``misfit`` is the part of the edge's amplitude that
        is left over and is no noise. Flags: ``no_combination`` and ``not_settled`` mean failure; ``undecided`` (misfit
        above 0.1: no sum of these references describes the spectrum), ``shift_at_limit``, ``reference_too_short``, ``spikes_left_out``, ``negative_counts`` and
        ``references_insufficient`` are warnings.

    Raises
    ------
    InvalidInput
        No or too many references, two alike, one of another element or edge or that ends inside the window; a window
        that holds too few channels.

    Notes
    -----
    Sigmas hold the counts, the correlation with shift and background, and the doubt about a background that was
    subtracted before. They grow by the root of ``redchi`` where the noise is not known or more is left than noise explains,
    and with the correlation r of neighbours in what is left, which makes fewer independent values of them, by the root
    of (1 + r)/(1 - r). That of a fraction at zero says how large a share would go unnoticed: near 0 and 1, where the limit cuts, ± sigma
    covers more than 68 %. Not in them: the noise of the references, which all spectra of an image share
    (``..._reference_sigma`` where it is known), other resolution or thickness, and the choice of references. Fractions
    are of the area inside the window: of atoms where an atom in each reference has the same area there.

    References
    ----------
    Shifts and references for manganese: Zhang et al., Am. Mineral. 95, 1741 (2010), doi:10.2138/am.2010.3468.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> loss = np.arange(635.0, 670.0, 0.2)
    >>> def edge(l3, height):
    ...     lines = height / (1 + (loss - l3) ** 2) + 1 / (1 + (loss - l3 - 11) ** 2)
    ...     return spectra.from_arrays(loss, 900 * lines, axis="energy_loss", name="counts", units="counts")
    >>> low, high = edge(642.0, 4.0), edge(644.0, 2.0)
    >>> mixed = low.assign(counts=0.3 * low.counts / low.counts.sum() + 0.7 * high.counts / high.counts.sum())
    >>> found = xas.eels.fit_references(
    ...     mixed.assign(counts=2e4 * mixed.counts), references={"2+": low, "4+": high},
    ...     valences={"2+": 2, "4+": 4}, background="none",
    ... )
    >>> found.fraction.values.round(2), round(float(found.valence), 1)
    (array([0.3, 0.7]), 3.4)
    """
    axis = spectral_axis(dataset)
    _check(shift, broadening, gain)
    known = choose_references(references, dataset, broadening=0.0 if broadening == "common" else broadening)
    if valences is not None and set(valences) != {one.name for one in known}:
        raise InvalidInput(
            f"valences name all references, {', '.join(one.name for one in known)}, got {', '.join(valences) or 'none'}."
        )
    how = background or (
        "subtracted" if "net" in dataset else "power_law" if axis == "energy_loss" else "linear"
    )
    if how == "subtracted" and "net" in dataset and "deconvolution" in dataset["net"].attrs:
        note(
            "net was deconvolved: sigmas take its channels as independent, which they are not, and are too small"
        )
    if how == "subtracted" and "net" not in dataset:
        raise InvalidInput(
            "background='subtracted' needs the variable 'net', which xas.eels.subtract_background adds: call it first, or "
            "choose 'none' for spectra that came without background."
        )
    low, high = _window(dataset, known, window, shift, how)
    resolve(
        window=(low, high), background=how,
        references={"content": {one.name: one.to_spec() for one in known}},
    )  # fmt: skip
    energy = dataset[axis].values.astype(float)
    part = slice(*np.searchsorted(energy, (low - 1e-9, high + 1e-9)))
    x = energy[part]
    parameters = len(known) + 1 + 2 * (how in ("power_law", "linear"))
    if x.size < 3 * parameters:
        raise InvalidInput(
            f"window ({low:g}, {high:g}) holds {x.size} channels, and {parameters} numbers are fitted: widen it."
        )
    _check_different(known, x)
    fit = functools.partial(_fitted, part=part, x=x, how=how, gain=gain, shift=shift, spikes=leave_out_spikes)
    width = _broadening(dataset, known, fit) if broadening == "common" else broadening
    curves = [one.curve.broadened(width) for one in known]
    values = None if valences is None else [valences[one.name] for one in known]
    made = fit(dataset, curves, keep=keep, valences=values)
    result = label_fit(dataset, made, known, how, (low, high), shift, width, valences, keep)
    for mask, (name, severity, explanation) in FLAGS.items():
        result = flag(result, made[mask] == 1, name, explanation, severity=severity)  # type: ignore[arg-type]
    return result


def _check(
    shift: tuple[float, float] | None, broadening: float | Literal["common"], gain: float | None
) -> None:
    if shift is not None and not (-10 <= shift[0] < shift[1] <= 10):
        raise InvalidInput(
            f"shift is two ascending numbers within ±10 eV, or None, got ({shift[0]:g}, {shift[1]:g})."
        )
    if broadening != "common" and not 0 <= broadening <= 10:
        raise InvalidInput(f"broadening is a full width of 0 to 10 eV, or 'common', got {broadening:g}.")
    if gain is not None and not gain > 0:
        raise InvalidInput(f"gain is the variance per count, above 0, got {gain:g}.")


def _window(
    dataset: xr.Dataset,
    known: Sequence[Reference],
    window: tuple[float, float] | None,
    shift: tuple[float, float] | None,
    how: str,
) -> tuple[float, float]:
    """Limits of the fit."""
    x = dataset[spectral_axis(dataset)].values
    behind = -np.inf
    if how == "subtracted" and "window" in dataset["background"].attrs:
        behind = float(dataset["background"].attrs["window"][1])
    if window is None:
        down, up = shift or (0.0, 0.0)
        low = max(float(x[0]), behind, *(one.curve.x[0] + up for one in known))
        high = min(float(x[-1]), *(one.curve.x[-1] + down for one in known))
    else:
        low, high = sorted(window)
        if low < behind:
            note(
                f"the window of the fit begins at {low:g} eV, inside that of the background (to {behind:g} eV): the same counts are "
                "used twice, and sigmas are a little off"
            )
    for one in known:
        ends = one.curve.x[0], one.curve.x[-1]
        if not low < high or ends[0] > low + 1e-6 or ends[1] < high - 1e-6:
            raise InvalidInput(
                f"reference {one.name!r} runs from {ends[0]:.1f} to {ends[1]:.1f} eV, the data from {x[0]:.1f} to {x[-1]:.1f} eV, and "
                f"the fit needs {low:.1f} to {high:.1f} eV: give a window that both hold, allow less shift, or leave it out."
            )
    return low, high


def _check_different(known: Sequence[Reference], x: Array) -> None:
    values = [np.interp(x, one.curve.x, one.curve.y) for one in known]
    values = [v / np.abs(v).sum() for v in values]
    for i, one in enumerate(values):
        for k in range(i):
            if np.abs(one - values[k]).max() <= SAME * np.abs(one).max():
                raise InvalidInput(
                    f"references {known[k].name!r} and {known[i].name!r} are the same spectrum inside the window: leave one out."
                )


#: Names in the kernel's result and their dimensions beside the series.
_OUTPUTS: dict[str, tuple[str, ...]] = {
    "fraction": ("reference",),
    "covariance": ("reference", "reference_2"),
    "reference_covariance": ("reference", "reference_2"),
    "area": ("reference",),
    **dict.fromkeys(("shift", "shift_sigma", "redchi", "misfit"), ()),
}


def _broadening(
    dataset: xr.Dataset, known: Sequence[Reference], fit: Callable[..., dict[str, xr.DataArray]]
) -> float:
    """The broadening that all spectra share, said in the history."""

    def find() -> tuple[float, float]:
        part = some_spectra(dataset)

        def left(width: float) -> Array:
            curves = [one.curve.broadened(width) for one in known]
            return np.asarray(fit(part, curves, keep="numbers", valences=None)["redchi"].values)

        return common_broadening(left, degrees=fit.keywords["x"].size)  # type: ignore[attr-defined]

    width, sigma = series_value("broadening", find)
    note(f"the references are seen with {width:.3f} ± {sigma:.3f} eV more (full width), found on the series")
    resolve(broadening=width)
    return float(width)


def _fitted(
    dataset: xr.Dataset,
    curves: Sequence[ReferenceCurve],
    *,
    part: slice,
    x: Array,
    how: str,
    gain: float | None,
    shift: tuple[float, float] | None,
    spikes: bool,
    keep: str,
    valences: Sequence[float] | None,
) -> dict[str, xr.DataArray]:
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    subtracted = how == "subtracted"
    inside: Inside = how if how in ("power_law", "linear") else "none"  # type: ignore[assignment]
    counted = str(dataset[signal].attrs.get("units", "")).startswith("count")
    stated = dataset.get(f"{signal}_sigma")
    if stated is not None and gain is not None:
        raise InvalidInput(
            f"gain is for counts without {signal}_sigma; this dataset states sigmas: leave gain out."
        )
    inputs: dict[str, tuple[xr.DataArray, tuple[str, ...]]] = {
        "y": (dataset["net" if subtracted else signal].isel({axis: part}), (axis,))
    }
    if stated is not None:
        inputs["sigma"] = (stated.isel({axis: part}), (axis,))
    curve = Curve.from_attrs(dataset["background"].attrs) if subtracted and "background" in dataset else None
    by_count = counted or axis == "energy_loss"
    if curve is not None:
        inputs["background"] = (dataset["background"].isel({axis: part}), (axis,))
        inputs["doubt"] = (dataset["background_covariance"], ("background_term", "background_term_2"))
        inputs["dispersion"] = (dataset["background_dispersion"], ())
        # the scatter in front of an edge without counts says nothing of that on it: what is left of the fit does
        by_count = dataset["background_dispersion"].attrs.get("of") == "count"
    if gain is None and counted and curve is None:
        gain = 1.0
    in_front = curve is not None and by_count
    resolve(
        gain="stated sigmas" if stated is not None else gain or ("as in front of the edge" if in_front else "scatter about the fit")
    )  # fmt: skip
    names = tuple(inputs)
    masks = tuple(FLAGS)

    def kernel(*arrays: Array) -> dict[str, Array]:
        given = dict(zip(names, arrays, strict=True))
        y = np.asarray(given["y"], float)
        options: dict[str, Any] = {"counting": by_count, "gain": gain}
        raw = y
        if "sigma" in given:
            options |= {"variance": np.asarray(given["sigma"], float) ** 2, "gain": None}
        elif by_count and "dispersion" in given and gain is None:
            options["gain"] = given["dispersion"]
        if curve is not None:
            options["prior"] = Prior(given["background"], given["doubt"], curve.basis(x), curve.logarithmic)
            raw = y + given["background"]
        found = fit_reference_curves(
            x, y, curves, background=inside, shift=shift, spikes=spikes, keep_fit=keep != "numbers", **options
        )
        out = {name: getattr(found, name) for name in _OUTPUTS}
        out |= {name: getattr(found, name) for name in masks if hasattr(found, name)}
        out["is_spiked"] = np.nan_to_num(found.left_out) > 0
        out["is_negative"] = (raw < 0).any(-1) & counted if "sigma" not in given else np.zeros(y.shape[:-1])
        if valences is not None:
            v = np.asarray(valences, float)
            out["valence"], out["valence_sigma"] = mixture_valence(found.fraction, found.covariance, v)
            out["valence_reference_sigma"] = mixture_valence(found.fraction, found.reference_covariance, v)[1]
        if keep != "numbers":
            out["fit"] = found.fit
        if keep == "curves":
            out["curves"] = found.curves(x, curves)
        if keep != "numbers" and inside != "none":
            out["below"] = found.below(x, inside)
        return {name: np.asarray(values, float) for name, values in out.items()}

    outputs = dict(_OUTPUTS) | dict.fromkeys(masks, ())
    if valences is not None:
        outputs |= dict.fromkeys(("valence", "valence_sigma", "valence_reference_sigma"), ())
    if keep != "numbers":
        outputs["fit"] = (axis,)
    if keep == "curves":
        outputs["curves"] = ("reference", axis)
    if keep != "numbers" and inside != "none":
        outputs["below"] = (axis,)
    return map_spectra(
        kernel, list(inputs.values()), outputs, sizes={"reference": len(curves), "reference_2": len(curves)}
    )
