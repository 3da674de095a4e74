"""Normalisation of absorption spectra, with the uncertainties that noise and the choice of ranges leave."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.normalization.edge_step import (
    CURVES,
    NO_EDGE,
    NO_RANGE,
    NUMBERS,
    SATURATED,
    normalize_spectra,
    other_choices,
)
from xas.normalization.further_edges import following_energy
from xas.normalization.origins import choose_origins
from xas.normalization.range_choice import FAMILY
from xas.normalization.ranges import choose_ranges

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["flag_failures", "flag_short_scans", "normalize"]

Array = npt.NDArray[np.float64]

#: eV below and above E0 that a scan needs for a line and for a polynomial.
LEAST_BELOW, LEAST_ABOVE = 5.0, 50.0


@verb("xas.normalize", axis="energy")
def normalize(
    dataset: xr.Dataset,
    *,
    method: Literal["edge_step", "area", "minmax"] = "edge_step",
    e0: float | Literal["series", "each"] = "series",
    pre: tuple[float, float] | None = None,
    post: tuple[float, float] | None = None,
    order: Literal[0, 1, 2, 3, 4, 5] | None = None,
    pre_order: Literal[0, 1] = 1,
    victoreen: float = 0.0,
    edge_step: float | None = None,
) -> xr.Dataset:
    r"""Normalise absorption spectra to an edge step of one, with the uncertainty that their noise leaves.

    A line is fitted below the edge, a polynomial to what stands above that line behind the edge; their distance at
    E0 is the edge step:

    .. math:: \mathrm{norm} = \frac{\mu - \mathrm{pre}}{S}, \quad S = (\mathrm{post} - \mathrm{pre})(E_0), \quad
              \mathrm{flat} = \mathrm{norm} - \frac{\mathrm{post} - \mathrm{pre}}{S} + 1 \;\; (E \ge E_0)

    Both fits are linear, so a series that shares one E0 is normalised by two matrix products. Points that are NaN are
    left out of the fits and stay NaN. The sigmas are those of the noise alone; what the choice of the ranges does to
    the edge step stands beside them as ``edge_step_systematic`` and usually matters more.

    Parameters
    ----------
    dataset : xarray.Dataset
        Absorption ``mu`` along ``energy`` in eV; with ``mu_sigma`` if it is known. ``attrs["element"]`` and
        ``attrs["edge"]`` say where to look for the edge.
    method : {"edge_step", "area", "minmax"}
        What becomes one. "edge_step": the distance of the two curves at E0. "area": the mean of what stands above the
        pre-edge line over the post-edge range, so that spectra get equal areas there. "minmax": the distance from the
        lowest point of the pre-edge range to the highest behind E0, without any fit.
    e0 : float or {"series", "each"}
        Origin in eV. "series": one for all spectra, the energy (to 0.1 eV) of steepest ascent on the main rise of the
        first spectrum with an edge, behind pre-edge peaks and below 0.9 of the step. "each": that energy of each
        spectrum, not rounded.
    pre : (float, float), optional
        Range of the pre-edge line in eV from E0, as in (-150, -30). Default: from the second point to half way.
    post : (float, float), optional
        Range of the post-edge polynomial in eV from E0, as in (50, 700); a negative end counts from the end of the
        data: (50, -20). Default: from 25 eV (less for short scans) to the end, or to the next edge, tabulated or seen.
    order : {0, 1, 2, 3, 4, 5}, optional
        Degree of the post-edge polynomial. Default: 2 for a range of at least 300 eV, 1 from 30 eV, 0 below.
    pre_order : {0, 1}
        Degree of the pre-edge line; 0 is a constant.
    victoreen : float
        The pre-edge line is divided by E to this power: 3 describes the absorption of the lighter elements.
    edge_step : float, optional
        A step that is known and not to be fitted, in the units of ``mu``, for all spectra: of a concentration series,
        or one that an Athena project fixes. It is taken as exact, so its sigma and systematic are zero. Only for the
        method "edge_step".

    Returns
    -------
    xarray.Dataset
        With ``e0`` (eV; its ``e0_sigma`` where it was looked for), ``edge_step``, ``edge_step_sigma`` (from noise),
        ``edge_step_systematic`` (from the choice of ranges) per spectrum and ``pre_edge``, ``post_edge``, ``norm``,
        ``norm_sigma``, ``flat`` along ``energy``; ``noise`` per spectrum where it was estimated. Spectra without an
        edge, with too few points in a range, or cut off at the top are flagged ``no_edge``, ``no_range`` and
        ``saturated`` and hold NaN.
        Scans that begin less than 5 eV below E0 or end less than 50 eV above it carry a warning that says what holds.

    Raises
    ------
    InvalidInput
        If no spectrum has an edge, E0 lies outside of the data, a range holds too few points, or ``edge_step`` is not
        above zero or not of this method.

    Notes
    -----
    Default ranges, the points that a range holds and the edge step (taken at the grid point nearest to E0) are those
    of larch's ``pre_edge``. Where ``mu_sigma`` is not given, the noise of each spectrum is estimated from what its
    neighbours do not predict of a point (:func:`xas.points.noise.estimate_noise`); ``attrs["noise"]`` of the uncertainties
    says which. ``edge_step_systematic`` is the root mean square change of the edge step when one choice is changed:
    the pre-edge range begins or ends 30 % of its width later or earlier, the post-edge range 20 %, the polynomial has
    one degree more or less. "area" and "minmax" have no polynomial; there the squares of what a changed pre-edge range,
    a changed post-edge range, and a constant in place of the pre-edge line ("area") or a line subtracted first
    ("minmax") do to it are added. Scatter between scientists, not noise: it does not average out in a series. A step that is given leaves the two curves as they are fitted; ``flat`` then runs at the height of the
    post-edge curve at E0, which need not be one.

    References
    ----------
    M. Newville, Rev. Mineral. Geochem. 78, 33 (2014), doi:10.2138/rmg.2014.78.2

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.normalize(scan, pre=(-120, -30), post=(50, 340))
    >>> round(float(scan.e0), 1), round(float(scan.edge_step), 3)
    (6548.0, 0.8)
    """
    _check_step(edge_step, method)
    signal = dataset[signal_name(dataset)]
    energy = dataset["energy"].values.astype(float)
    origins = choose_origins(dataset, e0)
    origin = origins.common
    ranges = choose_ranges(
        energy,
        origin,
        pre=pre,
        post=post,
        pre_order=pre_order,
        order=order,
        next_edge=following_energy(dataset, origin),
    )
    if method == "area" and post is None:
        ranges = replace(ranges, post=(0.0, ranges.post[1]))
    choice = {"pre": ranges.pre, "post": ranges.post, "order": ranges.order, "pre_order": ranges.pre_order}
    resolve(e0=origin, **choice)
    for text in ranges.notes:
        note(text)
    if dataset.attrs.get("normalized") == "yes":
        note("the data came normalised already and were normalised again")
    sigma = dataset.get(f"{signal.name}_sigma")
    noise = "estimated from the spectrum" if sigma is None else f"{signal.name}_sigma"

    def kernel(mu: Array, e0s: Array, *given: Array) -> dict[str, Array]:
        known = np.broadcast_to(given[0], mu.shape).astype(float) if given else None
        starts = np.broadcast_to(e0s, mu.shape[:-1])
        rows = np.asarray(mu, float)
        return normalize_spectra(
            energy,
            rows,
            starts,
            ranges,
            sigma=known,
            victoreen=victoreen,
            method=method,
            edge_step=edge_step,
        )

    inputs: list[Any] = [(signal, ("energy",)), (origins.e0, ())]
    inputs += [] if sigma is None else [(sigma, ("energy",))]
    made = map_spectra(kernel, inputs, {**dict.fromkeys(CURVES, ("energy",)), **dict.fromkeys(NUMBERS, ())})
    failure = made.pop("failure")
    result = origins.added_to(dataset).assign(made)
    units = str(signal.attrs.get("units", ""))
    for name, text in LONG_NAMES.items():
        own = "" if name in {"norm", "norm_sigma", "flat"} else units
        result[name].attrs.update(units=own, long_name=text)
    for name in ("edge_step_sigma", "norm_sigma"):
        result[name].attrs["noise"] = noise
    other = None if method == "edge_step" else other_choices(energy, origin, ranges, method=method)
    result["edge_step_systematic"].attrs["family"] = FAMILY if other is None else other.text
    if edge_step is not None:
        result["edge_step"].attrs["fixed"] = "given, not fitted"
    if sigma is not None:
        result = result.drop_vars("noise")
    record = {"method": method, "e0": origin, **choice, "victoreen": victoreen}
    record |= {} if edge_step is None else {"edge_step": edge_step}
    for name in ("norm", "flat"):
        result[name].attrs["normalization"] = json.dumps(record)
    result = flag_failures(result, failure)
    return flag_short_scans(result, energy, origin)


def _check_step(edge_step: float | None, method: str) -> None:
    if edge_step is None:
        return
    if method != "edge_step":
        raise InvalidInput(
            f"edge_step = {edge_step:g} is given, and method = {method!r} has no step to fix: leave one of them out."
        )
    if not 0 < edge_step < np.inf:
        raise InvalidInput(
            f"edge_step is a height above zero in the units of the absorption, got {edge_step:g}."
        )


def flag_failures(dataset: xr.Dataset, failure: xr.DataArray) -> xr.Dataset:
    """``dataset`` with the spectra marked that could not be normalised, and why."""
    dataset = flag(
        dataset, failure == NO_EDGE, "no_edge",
        "no absorption edge was found near E0: check the channel, the element and e0",
    )  # fmt: skip
    dataset = flag(
        dataset, failure == NO_RANGE, "no_range",
        "too few finite points in the pre- or post-edge range: mend or drop the spectrum, or widen the range",
    )  # fmt: skip
    return flag(
        dataset, failure == SATURATED, "saturated",
        "the absorption stands at its maximum for six points or more, as of a detector at its limit: use another "
        "channel or a thinner sample",
    )  # fmt: skip


def flag_short_scans(dataset: xr.Dataset, energy: Array, e0: float) -> xr.Dataset:
    """``dataset`` with a warning on every spectrum if the scans are too short for a line or a polynomial."""
    below, above = e0 - float(energy[0]), float(energy[-1]) - e0
    every = np.ones(tuple(dataset.sizes[d] for d in series_dims(dataset)), bool)
    if below < LEAST_BELOW:
        text = (
            f"the scan begins {below:.1f} eV below E0: the pre-edge line rests on the foot of the edge. Positions compare "
            "among spectra treated alike; edge steps and heights do not. Use pre_order=0, and begin at least 20 eV lower"
        )
        note(text)
        dataset = flag(dataset, every, "short_pre_edge", text, severity="warning")
    if above < LEAST_ABOVE:
        text = (
            f"the scan ends {above:.1f} eV above E0: edge_position, white_line, pre_edge_peaks and linear_combination hold "
            "among spectra treated alike; the edge step rests on the white line, and autobk, fourier, wavelet and "
            "fit_paths have nothing to work on"
        )
        note(text)
        dataset = flag(dataset, every, "short_post_edge", text, severity="warning")
    return dataset


LONG_NAMES = {
    "edge_step": "edge step",
    "edge_step_sigma": "standard uncertainty of the edge step from noise",
    "edge_step_systematic": "what the choice of ranges does to the edge step",
    "noise": "standard deviation of the noise of a point",
    "pre_edge": "pre-edge line",
    "post_edge": "post-edge polynomial",
    "norm": "normalised absorption",
    "norm_sigma": "standard uncertainty of the normalised absorption from noise",
    "flat": "flattened normalised absorption",
}
