"""Inelastic background of a core level: the step and slope under the lines, and the verb that subtracts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xps.counting import counting_variance
from xps.ends import Background, carried_variance, end_means, spectra_along
from xps.tables import load_table, number
from xps.tougaard import Loss, named_loss, tougaard

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BACKGROUNDS", "linear", "shirley", "subtract_background", "tougaard"]

AXIS = "binding_energy"
FloatArray = npt.NDArray[np.floating]


def linear(x: npt.ArrayLike, y: npt.ArrayLike, *, n_end: int = 5) -> Background:
    """Straight line through the means of both ends, each at the mean energy of its points.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending.
    y : (..., n) array
        Counts.
    n_end : int
        Points averaged at each end.

    Returns
    -------
    Background
        ``converged`` is False only where a spectrum is not finite.
    """
    x, y, dtype = spectra_along(x, y)
    (low, high), (x_low, x_high) = end_means(y, n_end), end_means(x, n_end)
    # a spectrum that is broken anywhere has no background, whichever points a method happens to use
    along = (x - x_low) / (x_high - x_low) + 0 * y
    line = low + (high - low) * along + 0 * y.sum(-1, keepdims=True)
    good = np.isfinite(line).all(-1)
    return Background(line.astype(dtype), good, good.astype(int), 1 - along, along)


def shirley(
    x: npt.ArrayLike, y: npt.ArrayLike, *, n_end: int = 5, tol: float = 1e-6, max_iter: int = 50
) -> Background:
    r"""Background proportional to the peak area at lower binding energy (Shirley 1972), found by iteration.

    .. math:: B_{k+1}(x) = y_L + (y_H - y_L)\,
              \frac{\int_{x_L}^{x} (y - B_k)\,dt}{\int_{x_L}^{x_H} (y - B_k)\,dt}

    Integrals are trapezoids from the first to the last point; the start is :math:`B_0 = y_L`. Seven iterations are
    typical, each costs one pass over the spectra that have not settled yet. Where the mean of the high end lies
    above the foot of the peaks by its noise, no background solves the equation: this shows as slow settling or none,
    and goes away with more points in ``n_end``.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending.
    y : (..., n) array
        Counts.
    n_end : int
        Points averaged at each end for y_L and y_H. More points: less noise, less of the window left for peaks.
    tol : float
        Settled when no point moves by more than ``tol * |y_H - y_L|``.
    max_iter : int
        Iterations at most.

    Returns
    -------
    Background
        ``converged`` is False where ``max_iter`` was reached or the window holds no net peak (then the curve is
        NaN); nothing is raised.

    References
    ----------
    D. A. Shirley, Phys. Rev. B 5, 4709 (1972), doi:10.1103/PhysRevB.5.4709
    """
    x, y, dtype = spectra_along(x, y)
    flat = y.reshape(-1, x.size)
    low, high = end_means(flat, n_end)
    step = high - low
    background, course, feedback = (np.full(flat.shape, np.nan) for _ in range(3))
    settled = np.zeros(len(flat), bool)
    iterations = np.zeros(len(flat), int)
    active = np.flatnonzero(np.isfinite(flat).all(-1))
    background[active] = low[active]
    # spectra leave as they settle or fail, so that none depends on what else is in the series
    for _ in range(max_iter):
        area = _running_integral(x, flat[active] - background[active])
        iterations[active] += 1
        peak = area[:, -1] > 0
        background[active[~peak]] = np.nan
        active, area = active[peak], area[peak]
        course[active] = area / area[:, -1:]
        feedback[active] = step[active] / area[:, -1:]
        new = low[active] + step[active] * course[active]
        change = np.abs(new - background[active]).max(-1, initial=0)
        background[active] = new
        done = change <= tol * np.abs(step[active, 0])
        settled[active[done]] = True
        active = active[~done]
        if not active.size:
            break
    shares = (_share(x, start, course, feedback) for start in (1 - course, course))
    curves = [values.reshape(y.shape) for values in (background, *shares)]
    return Background(
        curves[0].astype(dtype),
        settled.reshape(y.shape[:-1]),
        iterations.reshape(y.shape[:-1]),
        curves[1],
        curves[2],
    )


def _share(x: FloatArray, direct: FloatArray, course: FloatArray, feedback: FloatArray) -> FloatArray:
    """Derivative of the settled background by one end: an end that rises also takes area from the peaks."""
    share = direct
    for _ in range(12):  # each turn adds a term of a series that falls like the background to the peak height
        taken = _running_integral(x, share)
        share = direct - feedback * (taken - course * taken[:, -1:])
    return share


def _running_integral(x: FloatArray, y: FloatArray) -> FloatArray:
    """Trapezoidal integral of y from the first point up to each."""
    area = np.zeros_like(y)
    np.cumsum((y[:, 1:] + y[:, :-1]) * (np.diff(x) / 2), axis=-1, out=area[:, 1:])
    return area


#: Every background by name: a function of axis, spectra and ``n_end`` that returns a :class:`Background`.
BACKGROUNDS: Mapping[str, Callable[..., Background]] = {
    "shirley": shirley,
    "tougaard": tougaard,
    "linear": linear,
}


@verb("xps.subtract_background", axis=AXIS)
def subtract_background(
    dataset: xr.Dataset,
    *,
    method: Literal["shirley", "tougaard", "linear"] = "shirley",
    window: tuple[float, float] | None = None,
    n_end: int = 5,
    loss: str | tuple[float, float, float, float] | None = None,
    meet_end: bool = True,
) -> xr.Dataset:
    """Subtract the inelastic background of a core level; add ``background`` and ``net``.

    The background is *static*: fixed from the data before any fit. ``background_sigma`` and ``net_sigma`` (in the
    units of the counts, where the variance of the counts is known) hold what the scatter of the end points hands
    on, on top of that of each point; the course of the background between the ends is taken as free of noise.
    The share of the ends is common to all points, so ``net_sigma`` is not a weight for a fit.

    Parameters
    ----------
    dataset : xarray.Dataset
        With counts along ``binding_energy`` in eV; any series dimensions.
    method : {"shirley", "tougaard", "linear"}
        ``shirley``: a step under each line, for one core level of an oxide or metal. ``tougaard``: the tail of all
        electrons that lost energy, for windows that reach 30 to 50 eV beyond the line. ``linear``: a straight line
        between the ends, where the background hardly steps or falls towards high binding energy.
    window : (float, float), optional
        Binding energies in eV between which the background is taken, in either order; beyond them ``background``
        and ``net`` are NaN. Default: the whole axis.
    n_end : int
        Points averaged at each end of the window.
    loss : str or (float, float, float, float), optional
        For ``tougaard``, the cross section: a name (``universal``, ``polymer``), or (B, C, D, T0) of
        K(T) = B T / ((C - T²)² + D T²) for T ≥ T0, in eV² and eV as CasaXPS stores them (two parameters: C
        negative, D = 0). Default: ``universal``.
    meet_end : bool
        For ``tougaard``: scale B so that the background meets the data at the high-binding-energy end;
        ``tougaard_b`` holds the result. False takes B as given.

    Returns
    -------
    xarray.Dataset
        With ``background`` and ``net``, their ``_sigma`` where known, and ``tougaard_b`` (eV²). Flags:
        ``background_not_converged`` and ``counts_not_finite`` (NaN); ``end_on_slope``, ``background_falls`` and
        ``negative_counts`` (warnings).

    Raises
    ------
    InvalidInput
        If the window holds fewer than ``3 * n_end`` points, or an option does not fit the method.

    References
    ----------
    D. A. Shirley, Phys. Rev. B 5, 4709 (1972), doi:10.1103/PhysRevB.5.4709;
    S. Tougaard, Surf. Interface Anal. 11, 453 (1988), doi:10.1002/sia.740110902

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(630.0, 665.0, 0.1)
    >>> line = 500 * np.exp(-(((energy - 642) / 1.5) ** 2))
    >>> mn = spectra.from_arrays(
    ...     energy, 100 + line + np.cumsum(line) / 100, axis="binding_energy", name="counts", units="counts"
    ... )
    >>> mn = xps.subtract_background(mn, method="shirley", window=(632, 660))
    >>> bool(mn.net.max() > 495), int(mn.status)
    (True, 0)
    """
    kernel = _kernel(method, n_end, loss, meet_end)
    inside = _inside(dataset, window, n_end)
    x = dataset[AXIS].values
    counts = dataset[signal_name(dataset)]
    variance, assumption = counting_variance(dataset)
    note(assumption)

    def spectra(y: FloatArray, var: FloatArray) -> dict[str, Any]:
        return _with_uncertainty(kernel, x, y, var, inside, n_end)

    checks = ("finite", "converged", "falls", "cut", "negative")
    found = map_spectra(
        spectra,
        [(counts, (AXIS,)), (counts * np.nan if variance is None else variance, (AXIS,))],
        {
            **dict.fromkeys(("background", "background_sigma", "net", "net_sigma"), (AXIS,)),
            **dict.fromkeys((*checks, "tougaard_b"), ()),
        },
        dtypes=dict.fromkeys(checks, bool),
    )
    units = str(counts.attrs.get("units", ""))
    how = {"method": method, "n_end": n_end, "treatment": "static"}
    named = {"background": "inelastic background", "net": "counts above the background"}
    for name in named if variance is None else [*named, "background_sigma", "net_sigma"]:
        label = named.get(name, f"standard uncertainty of {name.removesuffix('_sigma')}")
        attrs = {"units": units, "long_name": label, **(how if name == "background" else {})}
        dataset[name] = found[name].transpose(*counts.dims).assign_attrs(attrs)
    if method == "tougaard":
        dataset["tougaard_b"] = found["tougaard_b"].assign_attrs(
            units="eV2", long_name="B of the cross section"
        )
    return _flagged(dataset, method, found)


def _kernel(
    method: str, n_end: int, loss: str | tuple[float, float, float, float] | None, meet_end: bool
) -> Callable[[FloatArray, FloatArray], Background]:
    if n_end < 1:
        raise InvalidInput(f"n_end must be at least 1, got {n_end}.")
    if method != "tougaard":
        if loss is not None or not meet_end:
            raise InvalidInput(
                f"loss and meet_end belong to method 'tougaard', got method {method!r}: leave them out."
            )
        return lambda x, y: BACKGROUNDS[method](x, y, n_end=n_end)
    section = named_loss(loss or "universal") if isinstance(loss, str | None) else Loss(*loss)
    resolve(loss=(section.b, section.c, section.d, section.t0))
    return lambda x, y: tougaard(x, y, n_end=n_end, loss=section, meet_end=meet_end)


def _inside(dataset: xr.Dataset, window: tuple[float, float] | None, n_end: int) -> slice:
    """Points of the axis inside the window."""
    x = dataset[AXIS].values
    low, high = sorted(window) if window else (x[0], x[-1])
    first, last = np.searchsorted(x, [low, high])
    last += last < x.size and x[last] == high
    if last - first < 3 * n_end:
        raise InvalidInput(
            f"window ({low:.1f}, {high:.1f}) holds {max(last - first, 0)} points of an axis from {x[0]:.1f} to "
            f"{x[-1]:.1f} eV; subtract_background needs at least {3 * n_end} (3 × n_end = {n_end}). "
            "Widen or move the window, or lower n_end."
        )
    step = float(np.diff(x).max())
    if low < x[0] - step or high > x[-1] + step:
        note(
            f"the window ({low:.2f}, {high:.2f}) reaches beyond the data, which run from {x[0]:.2f} to {x[-1]:.2f} "
            "eV: the background was taken to the end of the data"
        )
    resolve(window=(float(x[first]), float(x[last - 1])))
    return slice(int(first), int(last))


def _with_uncertainty(
    kernel: Callable[[FloatArray, FloatArray], Background],
    x: FloatArray,
    y: FloatArray,
    variance: FloatArray,
    inside: slice,
    n_end: int,
) -> dict[str, Any]:
    """Background of the points inside the window with its uncertainty and all that is flagged."""
    xw, yw, var = x[inside], np.asarray(y[..., inside], float), variance[..., inside]
    result = kernel(xw, yw)
    curve = np.where(result.converged[..., None], result.background, np.nan)
    of_background, of_net = carried_variance(var, result.low_share, result.high_share, n_end)
    low, high = end_means(yw, n_end)
    noise = np.sqrt(sum(end_means(np.nan_to_num(var), n_end)) / n_end)
    full = {
        "background": curve,
        "background_sigma": np.where(np.isfinite(curve), np.sqrt(of_background), np.nan),
        "net": yw - curve,
        "net_sigma": np.where(np.isfinite(curve), np.sqrt(of_net), np.nan),
    }
    outside = [(0, 0)] * (y.ndim - 1) + [(inside.start, y.shape[-1] - inside.stop)]
    return {
        **{name: np.pad(values, outside, constant_values=np.nan) for name, values in full.items()},
        "finite": np.isfinite(yw).all(-1),
        "converged": result.converged,
        "falls": (low - high > 3 * noise)[..., 0],
        "cut": _cuts_a_line(xw, yw - curve, noise[..., 0], n_end),
        "negative": (yw < 0).any(-1),
        "tougaard_b": getattr(result, "b", np.full(y.shape[:-1], np.nan)),
    }


def _cuts_a_line(x: FloatArray, net: FloatArray, noise: FloatArray, n_end: int) -> npt.NDArray[np.bool_]:
    """Whether the net counts rise towards an end as they do on the flank of a line, beyond their noise."""
    limits = load_table("checks")["end_on_slope"]
    found = np.zeros(net.shape[:-1], bool)
    for outer, inner in (
        (slice(0, n_end), slice(n_end, 2 * n_end)),
        (slice(-n_end, None), slice(-2 * n_end, -n_end)),
    ):
        change = np.abs(net[..., outer].mean(-1) - net[..., inner].mean(-1))
        distance = abs(x[outer].mean() - x[inner].mean())
        steep = change > number(limits["slope"]) * distance * net.max(-1)
        found |= steep & (change > number(limits["sigmas"]) * noise)
    return found


def _flagged(dataset: xr.Dataset, method: str, found: Mapping[str, xr.DataArray]) -> xr.Dataset:
    dataset = flag(
        dataset,
        ~found["finite"],
        "counts_not_finite",
        "Counts inside the window are not finite: repair them.",
    )
    dataset = flag(
        dataset,
        found["finite"] & ~found["converged"],
        "background_not_converged",
        "No background fits: an end lies too high for the peaks to carry (noise: raise n_end; a flank: move the "
        "window), or the window holds no net peak (take method 'linear').",
    )
    dataset = flag(
        dataset,
        found["negative"],
        "negative_counts",
        "Counts below zero were met: an offset was subtracted before, and counting statistics do not hold.",
        severity="warning",
    )
    dataset = flag(
        dataset,
        found["cut"],
        "end_on_slope",
        "An end of the window lies on the flank of a line: the background is too high there. Widen the window.",
        severity="warning",
    )
    if method == "linear":
        return dataset
    return flag(
        dataset,
        found["falls"],
        "background_falls",
        "The background falls towards high binding energy, which no loss of energy does: take method 'linear' or "
        "move the window.",
        severity="warning",
    )
