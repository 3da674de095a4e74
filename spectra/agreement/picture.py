"""The figure of a comparison: valence against how deep each source looks, or along the series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.agreement.comparison import Comparison
from spectra.agreement.explaining import probability
from spectra.errors import InvalidInput
from spectra.report import conventions, style
from spectra.report.summary import with_uncertainty

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["figures", "plot_comparison"]

Array = npt.NDArray[np.float64]
BAND = "#9db4d1"
THICK = 2.6  # of the inner bars


def figures(dataset: xr.Dataset) -> Iterator[tuple[str, str, Any]]:
    """Name, caption and figure for the report, of a dataset that holds a comparison."""
    if "valence_covariance" not in dataset or "verdict" not in dataset:
        return
    found = Comparison.from_dataset(dataset)
    bars = "thick bars are noise, thin ones noise and systematic (one standard uncertainty)"
    if found.series:
        text = f"What each source says along the series; {bars}; the band is the combined valence, where there is one."
    else:
        text = f"Valence against information depth; {bars}. {found.reason}"
    yield "valence_by_source", text, plot_comparison(found)


@style.styled
def plot_comparison(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw what sources say of a valence.

    Parameters
    ----------
    comparison : Comparison
        Of one sample: valence against information depth (logarithmic), sources of unknown depth on the left and those that
        see all of the sample on the right. Of a series of one dimension: valence along it.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInput
        A series of two or more dimensions: take a part of it with ``comparison.at(...)``.

    Examples
    --------
    >>> import spectra
    >>> found = spectra.compare_valence({"XPS": (3.2, 0.1), "XAS": (3.9, 0.1)}, element="Mn", depth={"XPS": 6.0})
    >>> plot_comparison(found).get_ylabel()
    'Valence of Mn'
    """
    if len(comparison.series) > 1:
        raise InvalidInput(
            f"a figure shows one series, and this one has {', '.join(comparison.series)}: take one part with .at(...)."
        )
    panel = style.new_axes(5.6, 3.6) if ax is None else ax
    if comparison.series:
        _along(panel, comparison)
    else:
        _against_depth(panel, comparison.data)
    panel.set_ylabel(f"Valence of {conventions.literal(comparison.data.attrs.get('element', ''))}".rstrip())
    return panel


def _bars(ax: Axes, x: Array, data: xr.Dataset, number: int, dx: Array | None = None) -> None:
    one = data.isel(source=number)
    value, sigma, total = (
        np.atleast_1d(one[n].values) for n in ("valence", "valence_sigma", "valence_total")
    )
    colour = style.COLOURS[number % len(style.COLOURS)]
    ax.errorbar(x, value, yerr=total, xerr=dx, color=colour, ls="none", elinewidth=0.9, capsize=3, zorder=3)
    label = conventions.literal(one["source"].item())
    ax.errorbar(
        x, value, yerr=sigma, color=colour, marker="o", ms=4.5, ls="none", elinewidth=THICK, capsize=0, label=label, zorder=4
    )  # fmt: skip


def _against_depth(ax: Axes, data: xr.Dataset) -> None:
    depth = data["information_depth"].values
    finite = depth[np.isfinite(depth)]
    low, high = (finite.min(), finite.max()) if finite.size else (1.0, 1.0)
    ax.set_xscale("log")
    left, right = low / 6, high * 6
    ticks: dict[float, str] = {}
    for i, d in enumerate(depth):
        x = float(d)
        if np.isnan(d):
            x = left * 1.22 ** (np.isnan(depth[:i]).sum())
            ticks[left] = "not\nknown"
        elif np.isinf(d):
            x = right * 1.22 ** (np.isinf(depth[:i]).sum())
            ticks[right] = "all"
        sigma = float(data["information_depth_sigma"].values[i])
        dx = np.array([min(sigma, 0.9 * x)]) if np.isfinite(sigma) and np.isfinite(d) else None
        _bars(ax, np.array([x]), data, i, dx)
    unknown, whole = bool(np.isnan(depth).any()), bool(np.isinf(depth).any())
    ax.set_xlim(left / 2 if unknown else low / 2.5, right * 2.5 if whole else high * 2.5)
    for shown, at in ((unknown, low / 2.6), (whole, high * 2.6)):
        if shown and finite.size:
            ax.axvline(at, color=style.FLOOR, lw=0.6, ls=":", zorder=0)
    if finite.size:
        decades = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 1)
        round_numbers = [step * 10.0**k for k in decades for step in (1, 2, 5)]
        ticks |= {t: f"{t:g}" for t in round_numbers if low / 1.8 < t < high * 1.8}
    ax.set_xticks(sorted(ticks), [ticks[t] for t in sorted(ticks)])
    ax.minorticks_off()
    ax.set_xlabel("Information depth (nm), 95 % of the signal")
    combined = float(data["combined_valence"]), float(data["combined_valence_sigma"])
    if np.isfinite(combined[0]):
        ax.axhspan(
            combined[0] - combined[1], combined[0] + combined[1], color=BAND, alpha=0.5, lw=0, zorder=0
        )
        ax.axhline(combined[0], color=style.FIT, lw=0.9, zorder=1)
    verdict = str(data["verdict"].item())
    p = float(data["p_value"])
    said = {
        "agree": f"agree: {with_uncertainty(*combined)}",
        "disagree": "disagree",
        "undecided": "undecided",
    }[verdict]
    ax.set_title(said + (f"  ({probability(p)})" if np.isfinite(p) else ""), loc="right")
    _title(ax, data)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _along(ax: Axes, comparison: Comparison) -> None:
    data, (dim,) = comparison.data, comparison.series
    numeric = dim in data.coords and data[dim].dtype.kind in "fiu"
    x = data[dim].values.astype(float) if numeric else np.arange(float(data.sizes[dim]))
    step = float(np.min(np.diff(np.sort(x)))) if x.size > 1 else 1.0
    n = data.sizes["source"]
    for i in range(n):
        _bars(ax, x + step * 0.1 * (i - (n - 1) / 2), data.transpose("source", ..., "trial_valence"), i)
    mean, sigma = data["combined_valence"].values, data["combined_valence_sigma"].values
    for at in np.flatnonzero(np.isfinite(mean)):
        ends = x[at] - 0.32 * step, x[at] + 0.32 * step
        ax.fill_between(
            ends, mean[at] - sigma[at], mean[at] + sigma[at], color=BAND, alpha=0.6, lw=0, zorder=0
        )
        ax.plot(ends, [mean[at]] * 2, color=style.FIT, lw=1.1, zorder=1)
    apart = np.flatnonzero(data["verdict"].values == "disagree")
    if apart.size:
        ax.plot(
            x[apart], np.full(apart.size, 0.03), marker="x", color=style.FIT, ls="none", ms=5,
            transform=ax.get_xaxis_transform(), label="disagree", clip_on=False,
        )  # fmt: skip
    if not numeric:
        names = data[dim].values if dim in data.coords else range(1, x.size + 1)
        ax.set_xticks(x, [conventions.literal(name) for name in names])
    ax.set_xlabel(conventions.axis_label(data, dim))
    _title(ax, data)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _title(ax: Axes, data: xr.Dataset) -> None:
    told = [str(data.attrs[k]) for k in ("sample",) if data.attrs.get(k)]
    told += ["(simulated)"] if data.attrs.get("simulated") else []
    ax.set_title(conventions.literal(" ".join(told)), loc="left")
