"""Figure of a fit by references: the spectrum, what each reference is of it, and what no reference shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import flag_names, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean
from spectra.report import conventions, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_references"]


@style.styled
def plot_references(dataset: xr.Dataset, **index: int) -> Figure:
    """Draw one spectrum with the references it was fitted by, and the residual below.

    Parameters
    ----------
    dataset : xarray.Dataset
        After :func:`xas.eels.fit_references` with ``keep="curves"``.
    **index : int
        The spectrum, as in ``Dataset.isel``: ``y=3, x=4``. Default: the first along every dimension.

    Returns
    -------
    matplotlib.figure.Figure
        ``figure.savefig("fit.png", dpi=300)``.

    Raises
    ------
    InvalidInput
        Without the curves, or no such dimension or spectrum.
    """
    if "reference_curve" not in dataset:
        raise InvalidInput(
            "plot_references draws reference_curve: call xas.eels.fit_references with keep='curves'."
        )
    dims = series_dims(dataset)
    for dim, i in index.items():
        if dim not in dims:
            raise InvalidInput(
                f"there is no series dimension {dim!r} to pick from; {did_you_mean(dim, dims)}."
            )
        if not -dataset.sizes[dim] <= i < dataset.sizes[dim]:
            raise InvalidInput(f"{dim} = {i} is outside the series: it holds {dataset.sizes[dim]} spectra.")
    one = dataset.isel({dim: index.get(dim, 0) for dim in dims})
    figure = style.new_figure(5.0, 3.9)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    axis = spectral_axis(one)
    x, fit = one[axis].values, one["best_fit"].values
    part = np.isfinite(fit)
    if not part.any():
        above.text(
            0.5, 0.5, f"not fitted: {', '.join(flag_names(one))}", transform=above.transAxes, ha="center"
        )
        return figure
    _draw_parts(above, one, x[part], part)
    below.axhline(0.0, color=style.FLOOR, lw=0.6)
    below.plot(x[part], one["residual"].values[part], color=style.DATA, lw=0.7)
    below.set_ylabel("Residual")
    below.set_xlabel(conventions.axis_label(one, axis))
    below.set_xlim(x[part][0], x[part][-1])
    told = [_told(one), ", ".join(name.replace("_", " ") for name in flag_names(one))]
    above.set_title("\n".join(t for t in told if t), loc="left", fontsize=8.5)
    return figure


def _draw_parts(ax: Axes, one: xr.Dataset, x: Any, part: Any) -> None:
    below = one["fitted_background"].values[part] if "fitted_background" in one else np.zeros(x.size)
    measured = one["best_fit"].values[part] + one["residual"].values[part]
    ax.plot(x, measured, "o", ms=2.4, mfc="none", mew=0.5, color=style.DATA, label="spectrum")
    if "fitted_background" in one:
        ax.plot(x, below, color=style.FLOOR, lw=0.9, ls="--", label="background")
    bottom = below.copy()
    for k, name in enumerate(one["reference"].values):
        top = bottom + one["reference_curve"].isel(reference=k).values[part]
        share, sigma = (float(one[n].isel(reference=k)) for n in ("fraction", "fraction_sigma"))
        ax.fill_between(
            x,
            bottom,
            top,
            alpha=0.5,
            color=style.COLOURS[k % len(style.COLOURS)],
            lw=0,
            label=f"{conventions.literal(str(name))}  {_number(share, sigma)}",
        )
        bottom = top
    ax.plot(x, one["best_fit"].values[part], color=style.FIT, lw=1.0, label="sum")
    measured_name = "net" if "net" in one and "fitted_background" not in one else signal_name(one)
    ax.set_ylabel(conventions.variable_label(one, measured_name))
    ax.legend(fontsize=7.5)


def _told(one: xr.Dataset) -> str:
    """Valence and shift in a line."""
    parts = []
    if "valence" in one:
        parts.append(f"valence {_number(float(one['valence']), float(one['valence_sigma']))}")
    if np.isfinite(one["reference_shift_sigma"]):
        parts.append(
            f"shift {_number(float(one['reference_shift']), float(one['reference_shift_sigma']))} eV"
        )
    return ", ".join(parts)


def _number(value: float, sigma: float) -> str:
    """Value and sigma with the digits that mean something."""
    digits = 2 if not sigma > 0 else int(np.clip(1 - np.floor(np.log10(sigma)), 0, 4))
    return f"{value:.{digits}f} ± {sigma:.{digits}f}"
