"""A fit as it is judged by eye: data, components on the background, their sum, and what is left over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag_names, signal_name
from spectra.report import conventions, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["FitParts", "draw_fit", "fit_parts"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FitParts:
    """Curves of a fitted spectrum: components lie above ``base``; what was subtracted before is added again."""

    data: Array
    fit: Array
    base: Array
    components: dict[str, Array]
    residual: Array
    sigma: Array | None  # of what was fitted, where known


def fit_parts(dataset: xr.Dataset) -> FitParts | None:
    """What a figure shows of the fit of one spectrum; None where nothing was fitted."""
    axis = conventions.axes_of(dataset, "best_fit")[0]
    best_fit, residual = (np.asarray(dataset[n].values, float) for n in ("best_fit", "residual"))
    if not np.isfinite(best_fit).any():
        return None
    floor = _subtracted(dataset, best_fit + residual)
    inside, components = _components(dataset, axis, best_fit)
    sigma = _uncertainty(dataset, best_fit + floor, subtracted=bool(floor.any()))
    return FitParts(
        best_fit + residual + floor, best_fit + floor, floor + inside, components, residual, sigma
    )


def draw_fit(ax: Axes, dataset: xr.Dataset) -> None:
    """Draw the fit of one spectrum in ``ax`` and its residual, over its uncertainty where known, on top of it."""
    axis = conventions.axes_of(dataset, "best_fit")[0]
    x = dataset[axis].values
    found = fit_parts(dataset)
    if found is None:
        _draw_failure(ax, dataset, x)
        return
    size = 2.2 if x.size < 400 else 1.5
    ax.plot(x, found.data, "o", color=style.DATA, ms=size, mfc="none", mew=0.5, label="data")
    if np.nanmax(found.base) > np.nanmin(found.base):
        ax.plot(x, found.base, color=style.FLOOR, ls="--", lw=1.0, label="background")
    highest = np.nanmax(np.abs(dataset["best_fit"].values))
    for i, (name, curve) in enumerate(found.components.items()):
        colour = style.COLOURS[i % len(style.COLOURS)]
        ax.fill_between(x, found.base, found.base + curve, color=colour, alpha=0.25, lw=0)
        drawn = np.where(np.abs(curve) > 2e-3 * highest, found.base + curve, np.nan)
        ax.plot(x, drawn, color=colour, lw=0.9, label=conventions.species_text(name))
    ax.plot(x, found.fit, color=style.FIT, lw=1.2, label="fit")
    _legend_above(ax)
    _label_with_power(ax, conventions.variable_label(dataset, signal_name(dataset)))
    _draw_residual(ax, x, found.residual, found.sigma)


def _label_with_power(ax: Axes, label: str) -> None:
    """The label of the height, with the power of ten of very large or small numbers: above the axis the residual hides it."""
    highest = max(map(abs, ax.get_ylim()))
    power = math.floor(math.log10(highest)) if highest > 0 and math.isfinite(highest) else 0
    if -4 < power < 5:
        ax.set_ylabel(label)
        return
    ax.yaxis.set_major_formatter(lambda value, _: f"{value / 10.0**power:.6g}")
    ten = f"$10^{{{power}}}$"
    ax.set_ylabel(f"{label[:-1].replace('(', f'({ten} ')})" if label.endswith(")") else f"{label} ({ten})")


def _legend_above(ax: Axes) -> None:
    """A legend in columns above the lines, with as much room as it needs: it must hide no data."""
    columns = 3
    rows = -(-len(ax.get_legend_handles_labels()[1]) // columns)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + (0.04 + 0.085 * rows) * (high - low))
    ax.legend(
        loc="upper center",
        ncols=columns,
        fontsize=7.5,
        columnspacing=1.0,
        handlelength=1.2,
        handletextpad=0.5,
    )


def _subtracted(dataset: xr.Dataset, fitted: Array) -> Array:
    """The background that was taken off before the fit, so that the figure shows what was measured."""
    zero = np.zeros_like(fitted)
    name = "background" if "background" in dataset else "baseline"
    if name not in dataset or dataset[name].dims != dataset["best_fit"].dims:
        return zero
    background = np.asarray(dataset[name].values, float)
    measured = np.asarray(dataset[signal_name(dataset)].values, float)
    scale = np.nanmax(np.abs(measured))
    return background if np.nanmax(np.abs(fitted + background - measured)) < 1e-6 * scale else zero


def _components(dataset: xr.Dataset, axis: str, best_fit: Array) -> tuple[Array, dict[str, Array]]:
    """What of the fit is no peak (a polynomial, a step, an active background), and the peaks by name."""
    if "component_curve" not in dataset:
        return np.zeros_like(best_fit), {}
    curves = dataset["component_curve"].transpose("component", axis)
    names = [str(name) for name in dataset["component"].values]
    is_peak = np.isfinite(dataset["height"].values) if "height" in dataset else np.ones(len(names), bool)
    peaks = {
        name: np.asarray(curve, float)
        for name, curve, peak in zip(names, curves.values, is_peak, strict=True)
        if peak and np.isfinite(curve).any()
    }
    inside = best_fit - sum(peaks.values(), np.zeros_like(best_fit))
    return np.where(np.abs(inside) > 1e-9 * np.nanmax(np.abs(best_fit)), inside, 0.0), peaks


def _draw_failure(ax: Axes, dataset: xr.Dataset, x: Array) -> None:
    measured = signal_name(dataset)
    ax.plot(x, dataset[measured].values, color=style.DATA, lw=0.8)
    why = ", ".join(name.replace("_", " ") for name in flag_names(dataset)) or "no fit"
    ax.text(0.5, 0.95, f"not fitted: {why}", transform=ax.transAxes, ha="center", va="top", color=style.FIT)
    ax.set_ylabel(conventions.variable_label(dataset, measured))


def _uncertainty(dataset: xr.Dataset, expected: Array, *, subtracted: bool) -> Array | None:
    """Standard uncertainty of what was fitted: as stated, or that of counts, or unknown."""
    measured = signal_name(dataset)
    for name in ("fit_sigma", *(["net_sigma"] if subtracted else []), f"{measured}_sigma"):
        if name in dataset and dataset[name].dims == dataset["best_fit"].dims:
            return np.asarray(dataset[name].values, float)
    counted = dataset[measured].attrs.get("units") == "counts"
    return np.sqrt(np.maximum(expected, 1.0)) if counted else None


def _draw_residual(
    ax: Axes,
    x: Array,
    residual: Array,
    sigma: Array | None,
) -> None:
    strip = ax.inset_axes((0.0, 1.03, 1.0, 0.22), sharex=ax)
    strip.axhline(0.0, color=style.FLOOR, lw=0.6)
    strip.plot(x, residual if sigma is None else residual / sigma, color=style.DATA, lw=0.7)
    strip.set_ylabel("Res." if sigma is None else "Res. / σ")
    strip.tick_params(labelbottom=False)
    strip.locator_params(axis="y", nbins=3)
