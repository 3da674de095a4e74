"""Inelastic background of a core level: the step and slope under the lines, and the verb that subtracts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xps.background.ends import Background, end_means, linear, polynomial
from xps.background.shirley import shirley, slope
from xps.background.tougaard import Loss, named_loss, tougaard
from xps.counting import counting
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "BACKGROUNDS",
    "Method",
    "linear",
    "polynomial",
    "shirley",
    "slope",
    "subtract_background",
    "tougaard",
]

AXIS = "binding_energy"
FloatArray = npt.NDArray[np.floating]


#: Every background by name: a function of axis, spectra and ``n_end`` that returns a :class:`Background`.
BACKGROUNDS: Mapping[str, Callable[..., Background]] = {
    "shirley": shirley,
    "tougaard": tougaard,
    "linear": linear,
    "slope": slope,
    "polynomial": polynomial,
}
#: Strengths of a background that was fitted with the lines, and is replaced.
STRENGTHS = tuple(f"{name}{of}" for name in ("shirley_k", "slope_k", "tougaard_b") for of in ("", "_sigma"))
#: Those that need no rise towards high binding energy.
FREE = ("linear", "polynomial")


@dataclass(frozen=True)
class Method:
    """A background with its options, as an attribute of the variable ``background`` can say it."""

    name: str
    n_end: int
    loss: Loss | None = None
    meet_end: bool = True
    degree: int | None = None

    def __call__(self, x: FloatArray, y: FloatArray) -> Background:
        """Background of the spectra ``y`` along ``x``."""
        if self.loss is not None:
            return tougaard(x, y, n_end=self.n_end, loss=self.loss, meet_end=self.meet_end)
        if self.degree is not None:
            return polynomial(x, y, n_end=self.n_end, degree=self.degree)
        return BACKGROUNDS[self.name](x, y, n_end=self.n_end)

    def to_attrs(self) -> dict[str, Any]:
        """Method and options as attributes."""
        own: dict[str, Any] = {} if self.degree is None else {"degree": self.degree}
        if self.loss is not None:
            own = {"loss": list(self.loss.numbers()), "meet_end": int(self.meet_end)}
        return {"method": self.name, "n_end": self.n_end, "treatment": "static", **own}

    @classmethod
    def from_attrs(cls, attrs: Mapping[str, Any]) -> Method | None:
        """The method that made a background; None where the background came from elsewhere."""
        if attrs.get("method") not in BACKGROUNDS:
            return None
        loss = Loss(*map(float, attrs["loss"])) if "loss" in attrs else None
        degree = int(attrs["degree"]) if "degree" in attrs else None
        return cls(str(attrs["method"]), int(attrs["n_end"]), loss, bool(attrs.get("meet_end", True)), degree)


@verb("xps.subtract_background", axis=AXIS)
def subtract_background(
    dataset: xr.Dataset,
    *,
    method: Literal["shirley", "tougaard", "linear", "slope", "polynomial"] = "shirley",
    window: tuple[float, float] | None = None,
    n_end: int = 5,
    loss: str | tuple[float, float, float, float] | tuple[float, float, float, float, float] | None = None,
    meet_end: bool = True,
    degree: int | None = None,
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
    method : {"shirley", "tougaard", "linear", "slope", "polynomial"}
        ``shirley``: a step under each line, for one core level of an oxide or metal. ``tougaard``: the tail of all
        electrons that lost energy, for windows that reach 30 to 50 eV beyond the line. ``linear``: a straight line
        between the ends, where the background hardly steps or falls towards high binding energy. ``slope``: flat
        below the lines, and steeper behind each by its area. ``polynomial``: through the points of both ends, for a
        curved background of other origin; take many points per end.
    window : (float, float), optional
        Binding energies in eV between which the background is taken, in either order; beyond them ``background``
        and ``net`` are NaN. Default: the whole axis.
    n_end : int
        Points averaged at each end of the window.
    loss : str or (float, float, float, float), optional
        For ``tougaard``, the cross section: a name (``universal``, ``polymer``), or (B, C, D, T0) of
        K(T) = B T / ((C - T²)² + D T²) for T ≥ T0, in eV² and eV as CasaXPS stores them (two parameters: C
        negative, D = 0), or (B, C, D, T0, C') with (C + C' T²)² instead. Default: ``universal``.
    meet_end : bool
        For ``tougaard``: scale B so that the background meets the data at the high-binding-energy end;
        ``tougaard_b`` holds the result. False takes B as given.
    degree : int, optional
        For ``polynomial``: its degree, from 1 to ``n_end``. Default: 2.

    Returns
    -------
    xarray.Dataset
        With ``background`` and ``net``, their ``_sigma`` where known, ``background_iterations`` of ``shirley`` and
        ``slope`` (how many it took until the curve stood still), and ``tougaard_b`` (eV²). Flags:
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
    chosen = _chosen(method, n_end, loss, meet_end, degree)
    inside = _inside(dataset, window, n_end)
    x = dataset[AXIS].values
    counts = dataset[signal_name(dataset)]
    known = counting(dataset)
    note(known.said)

    def spectra(y: FloatArray, var: FloatArray) -> dict[str, Any]:
        return _with_uncertainty(chosen, x, y, var, inside)

    checks = tuple(check for check, _, _ in FLAGS.values())
    found = map_spectra(
        spectra,
        [(counts, (AXIS,)), (counts * np.nan if known.variance is None else known.variance, (AXIS,))],
        {
            **dict.fromkeys(("background", "background_sigma", "net", "net_sigma"), (AXIS,)),
            **dict.fromkeys((*checks, "tougaard_b", "iterations"), ()),
        },
        dtypes={**dict.fromkeys(checks, bool), "iterations": int},
    )
    units = str(counts.attrs.get("units", ""))
    dataset = dataset.drop_vars(STRENGTHS, errors="ignore")
    named = {"background": "inelastic background", "net": "counts above the background"}
    for name in named if known.variance is None else [*named, "background_sigma", "net_sigma"]:
        label = named.get(name, f"standard uncertainty of {name.removesuffix('_sigma')}")
        attrs = {"units": units, "long_name": label, **(chosen.to_attrs() if name == "background" else {})}
        dataset[name] = found[name].transpose(*counts.dims).assign_attrs(attrs)
    if method == "tougaard":
        dataset["tougaard_b"] = found["tougaard_b"].assign_attrs(
            units="eV2", long_name="B of the cross section"
        )
    if method in ("shirley", "slope"):
        dataset["background_iterations"] = found["iterations"].assign_attrs(
            units="", long_name="iterations until the background stood still"
        )
    return _flagged(dataset, found)


def _chosen(
    method: str, n_end: int, loss: str | tuple[float, ...] | None, meet_end: bool, degree: int | None
) -> Method:
    if n_end < 1:
        raise InvalidInput(f"n_end must be at least 1, got {n_end}.")
    if degree is not None and method != "polynomial":
        raise InvalidInput(f"degree belongs to method 'polynomial', got method {method!r}: leave it out.")
    if method == "tougaard":
        section = named_loss(loss or "universal") if isinstance(loss, str | None) else Loss(*loss)
        resolve(loss=section.numbers())
        return Method(method, n_end, section, meet_end)
    if loss is not None or not meet_end:
        raise InvalidInput(
            f"loss and meet_end belong to method 'tougaard', got method {method!r}: leave them out."
        )
    if method == "polynomial":
        degree = 2 if degree is None else degree
        resolve(degree=degree)
        if not 1 <= degree <= n_end:
            raise InvalidInput(
                f"degree must be from 1 to n_end = {n_end}, got {degree}: lower it, or raise n_end."
            )
    return Method(method, n_end, degree=degree)


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
    method: Method, x: FloatArray, y: FloatArray, variance: FloatArray, inside: slice
) -> dict[str, Any]:
    """Background of the points inside the window with its uncertainty and all that is flagged."""
    xw, yw, var = x[inside], np.asarray(y[..., inside], float), variance[..., inside]
    n_end = method.n_end
    result = method(xw, yw)
    curve = np.where(result.converged[..., None], result.background, np.nan)
    of_background, of_net = result.carried(var, n_end)
    finite = np.isfinite(yw).all(-1)
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
        "broken": ~finite,
        "unsettled": finite & ~result.converged,
        "falls": (low - high > 3 * noise)[..., 0] & (method.name not in FREE),
        "cut": _cuts_a_line(xw, yw - curve, noise[..., 0], n_end),
        "negative": (yw < 0).any(-1),
        "tougaard_b": getattr(result, "b", np.full(y.shape[:-1], np.nan)),
        "iterations": result.iterations,
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


#: What can be wrong with a background: which check says so, how bad it is, what happened and what to do.
FLAGS: Mapping[str, tuple[str, Literal["failed", "warning"], str]] = {
    "counts_not_finite": ("broken", "failed", "Counts inside the window are not finite: repair them."),
    "background_not_converged": (
        "unsettled",
        "failed",
        "No background fits: an end lies too high for the peaks to carry (noise: raise n_end; a flank: move the "
        "window), or the window holds no net peak (take method 'linear').",
    ),
    "negative_counts": (
        "negative",
        "warning",
        "Counts below zero were met: an offset was subtracted before, and counting statistics do not hold.",
    ),
    "end_on_slope": (
        "cut",
        "warning",
        "An end of the window lies on the flank of a line: the background is too high there. Widen the window.",
    ),
    "background_falls": (
        "falls",
        "warning",
        "The background falls towards high binding energy, which no loss of energy does: take method 'linear' or "
        "move the window.",
    ),
}


def _flagged(dataset: xr.Dataset, found: Mapping[str, xr.DataArray]) -> xr.Dataset:
    for name, (check, severity, explanation) in FLAGS.items():
        where = found[check]
        # the first one always: status is there even where all is well
        if name == "counts_not_finite" or where.chunks is not None or bool(where.any()):
            dataset = flag(dataset, where, name, explanation, severity=severity)
    return dataset
