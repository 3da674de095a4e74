"""Figures of core losses: background and its extrapolation, the net edge with what was measured of it; maps."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean
from spectra.report import conventions, style
from spectra.report.figures import spectrum_name
from spectra.report.maps import draw_map, warned
from xas.eels.background.subtraction import AXES
from xas.eels.channels.curves import Curve
from xas.eels.iron.windows import IronWindows

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures", "plot_edge", "plot_map", "title_of"]

Array = npt.NDArray[Any]

#: What a map shows if nobody says: the first of these that is there.
ANSWERS = ("ferric_fraction", "valence", "branching_ratio", "l3_l2_ratio", "window_ratio", "thickness")
#: Energies drawn in front of the background's window and behind the last level, eV.
MARGIN = 12.0


@style.styled
def plot_edge(dataset: xr.Dataset, *, window: tuple[float, float] | None = None, **index: int) -> Figure:
    """Draw one edge: the spectrum with its background above, the net signal with steps and windows below.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``net`` from :func:`xas.eels.subtract_background`; with :func:`xas.eels.white_line_ratio` or
        :func:`xas.eels.iron_window_ratio` the lines, their windows and the continuum under them are drawn.
    window : (float, float), optional
        Energies in eV shown. Default: the background's window, the lines and the level behind them.
    **index : int
        The spectrum, as in ``Dataset.isel``: ``y=3, x=4``. Default: the one with the largest net area that did not fail.

    Returns
    -------
    matplotlib.figure.Figure
        ``figure.savefig("edge.png", dpi=300)``.

    Raises
    ------
    InvalidInput
        Without background, or no such dimension or spectrum.
    """
    if "net" not in dataset or "background" not in dataset:
        raise InvalidInput(
            "plot_edge draws a background and what is above it: call xas.eels.subtract_background first."
        )
    dims = series_dims(dataset)
    for dim, i in index.items():
        if dim not in dims:
            raise InvalidInput(
                f"there is no series dimension {dim!r} to pick from; {did_you_mean(dim, dims)}."
            )
        if not -dataset.sizes[dim] <= i < dataset.sizes[dim]:
            raise InvalidInput(f"{dim} = {i} is outside the series: it holds {dataset.sizes[dim]} spectra.")
    chosen = {**_strongest(dataset.isel(index)), **index}
    one = dataset.isel(chosen)
    energy = one[spectral_axis(one)].values.astype(float)
    lines = _Measured.of(one, energy)
    figure = style.new_figure(5.4, 4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.25])
    low, high = window or _shown(one, energy, lines)
    part = (energy >= low) & (energy <= high)
    if part.sum() < 2:
        raise InvalidInput(f"window ({low:g}, {high:g}) holds {part.sum()} channels of the data.")
    _draw_background(above, one, energy, part)
    _draw_net(below, one, energy, part, lines)
    below.set_xlim(low, high)
    below.set_xlabel(conventions.axis_label(one, spectral_axis(one)))
    told = [title_of(dataset), spectrum_name(dataset, **chosen) if chosen else ""]
    above.set_title(", ".join(t for t in told if t), loc="left")
    return figure


def title_of(dataset: xr.Dataset) -> str:
    """The dataset's title as a figure shows it; what was simulated says so."""
    title = conventions.literal(str(dataset.attrs.get("title", "")))
    if dataset.attrs.get("simulated") and "simulated" not in title.lower():
        return f"{title} (simulated)".strip()
    return title


@style.styled
def plot_map(
    dataset: xr.Dataset,
    variables: str | Sequence[str] | None = None,
    *,
    species: str | None = None,
    most_sigma: float | None = None,
) -> Figure:
    """Draw numbers per pixel with their sigmas side by side; what failed is grey, what carries a warning hatched.

    Parameters
    ----------
    dataset : xarray.Dataset
        A map of two dimensions.
    variables : str or sequence of str, optional
        Numbers per spectrum. Default: the share of Fe³⁺, the valence, the branching ratio or what there is, and its sigma.
    species : str, optional
        Which, for variables along ``species``.
    most_sigma : float, optional
        Pixels of the first variable with a larger sigma are grey in every panel: too little of the element to say.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidInput
        No map, or no such variable.
    """
    dims = series_dims(dataset)
    if len(dims) != 2:
        raise InvalidInput(
            f"plot_map draws a map of two dimensions; this dataset has {', '.join(dims) or 'none'}."
        )
    names = (variables,) if isinstance(variables, str) else tuple(variables or _answer(dataset))
    if most_sigma is not None and f"{names[0]}_sigma" not in dataset:
        raise InvalidInput(f"most_sigma needs {names[0]}_sigma, which this dataset does not have.")
    panels = [_values(dataset, name, species, dims) for name in names]
    if most_sigma is not None:
        unsure = ~(_values(dataset, f"{names[0]}_sigma", species, dims) <= most_sigma)
        panels = [np.where(unsure, np.nan, values) for values in panels]
    hatched = warned(dataset)
    figure = style.new_figure(2.9 * len(names), 2.7)
    for i, (ax, name) in enumerate(
        zip(np.atleast_1d(np.asarray(figure.subplots(1, len(names)), object)), names, strict=True)
    ):
        doubt = hatched & np.isfinite(panels[i]) if hatched.ndim == 2 else None
        label = _label(dataset, name, names[0])
        draw_map(
            ax, dataset, panels[i], dims, label if species is None else f"{label} of {species}", hatched=doubt
        )
        if i:
            ax.set_ylabel("")
        elif "simulated" in title_of(dataset).lower():
            ax.set_title(textwrap.fill(title_of(dataset), 34), loc="left")
    return figure


def figures(dataset: xr.Dataset) -> Iterator[tuple[str, str, Any]]:
    """Name, caption and figure of each: edges with their background (of both ends of a series), and maps."""
    axis = spectral_axis(dataset)
    if axis not in AXES or "background_parameter" not in dataset or "net" not in dataset:
        return
    dims = series_dims(dataset)
    for chosen, which in _spectra_to_show(dataset, dims):
        caption = (
            f"Edge{which}: above, the spectrum, the window of the background (grey) and its extrapolation with one standard "
            "uncertainty; below, what is left, with the lines and the continuum under them where they were measured."
        )
        yield (
            "_".join(["edge", *(str(i) for i in chosen.values())]),
            caption,
            plot_edge(dataset, window=None, **chosen),
        )
    found = _answer(dataset, missing=False)
    if len(dims) == 2 and min(dataset.sizes[d] for d in dims) > 1 and found:
        label = conventions.plain_text(conventions.short_label(dataset, found[0]))
        most = _worth_showing(dataset, found)
        beside = " and its standard uncertainty" if len(found) > 1 else ""
        unsure = f" or the uncertainty exceeds {most:.2g}" if most is not None else ""
        caption = f"Map of {label}{beside}; grey where it failed{unsure}, hatched where a warning is set."
        yield "map", caption, plot_map(dataset, found, most_sigma=most)


def _worth_showing(dataset: xr.Dataset, names: tuple[str, ...]) -> float | None:
    """Three times the uncertainty that the best quarter of the pixels stays below: beyond, a map shows noise."""
    if len(names) < 2:
        return None
    sigma = dataset[names[1]].where(~failed(dataset)).values
    finite = sigma[np.isfinite(sigma)]
    return 3 * float(np.percentile(finite, 25)) if finite.size else None


@dataclass(frozen=True)
class _Measured:
    """What was measured of the lines of one spectrum: places, windows, continuum."""

    lines: tuple[tuple[str, tuple[float, float]], ...]
    continuum: Array | None
    post: tuple[float, float] | None

    @classmethod
    def of(cls, one: xr.Dataset, energy: Array) -> _Measured | None:
        if "window_ratio" in one:
            return cls._iron(one, energy)
        if "l3_l2_ratio" not in one or not np.isfinite(float(one["l3_position"])):
            return None
        said = json.loads(one["l3_l2_ratio"].attrs.get("windows", "{}"))
        at = [float(one[f"{name}_position"]) for name in ("l3", "l2")]
        halves = [float(one[f"{name}_half_width"]) for name in ("l3", "l2")]
        lines = tuple((n, (e - h, e + h)) for n, e, h in zip(("L3", "L2"), at, halves, strict=True))
        post = (at[1] + said["post"][0], at[1] + said["post"][1])
        arctan = one["l3_l2_ratio"].attrs.get("method") in ("double_arctan", "curve_fit")
        steps = one["l3_l2_ratio"].attrs.get("method") in ("double_step", "normalized_sum", "double_arctan")
        if not steps:
            return cls(lines, None, None)
        return cls(
            lines,
            _continuum(one, energy, at, said["steps"], post, said["arctan_width"] if arctan else 0.0),
            post,
        )

    @classmethod
    def _iron(cls, one: xr.Dataset, energy: Array) -> _Measured:
        attrs = one["window_ratio"].attrs
        said = json.loads(attrs["definition"])
        found: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
        windows = IronWindows(**found).moved(float(attrs["fe2_maximum_found"]) - said["fe2_maximum"])
        curve = _continuum(
            one, energy, windows.inflections, windows.steps, windows.post, windows.arctan_width
        )
        return cls((("L3", windows.l3), ("L2", windows.l2)), curve, windows.post)


def _continuum(
    one: xr.Dataset,
    energy: Array,
    at: Sequence[float],
    steps: Sequence[float],
    post: Sequence[float],
    width: float,
) -> Array:
    behind = (energy >= post[0]) & (energy <= post[1])
    level = float(one["net"].values[behind].mean()) if behind.any() else np.nan
    apart = energy - np.asarray(at)[:, None]
    rise = np.arctan(np.pi * apart / width) / np.pi + 0.5 if width else (apart >= 0).astype(float)
    return np.asarray(level * (np.asarray(steps) @ rise))


def _draw_background(ax: Axes, one: xr.Dataset, energy: Array, part: Array) -> None:
    name, signal = one["background"], signal_name(one)
    fit = name.attrs.get("window", [energy[0], energy[0]])
    background, sigma = name.values[part], _background_sigma(one, energy)[part]
    x = energy[part]
    ax.axvspan(fit[0], fit[1], color="#e8e8e8", lw=0)
    ax.plot(x, one[signal].values[part], color=style.DATA, lw=1.0, label=conventions.short_label(one, signal))
    inside = (x >= fit[0]) & (x <= fit[1])
    ax.plot(x, np.where(inside | (x < fit[0]), background, np.nan), color=style.FIT, lw=1.4)
    ax.plot(x, np.where(x >= fit[1], background, np.nan), color=style.FIT, ls="--", label="background ± σ")
    ax.fill_between(x, background - sigma, background + sigma, color=style.FIT, alpha=0.25, lw=0)
    ax.set_ylabel(conventions.variable_label(one, signal))
    ax.legend()


def _background_sigma(one: xr.Dataset, energy: Array) -> Array:
    """Standard uncertainty of the background of one spectrum along the energies."""
    curve = Curve.from_attrs(one["background"].attrs)
    if curve is None:
        return np.full(energy.shape, np.nan)
    covariance = np.asarray(one["background_covariance"].values, float)
    above = energy > 0
    basis = curve.basis(np.where(above, energy, np.nan))
    if curve.logarithmic:
        basis = (
            basis * curve.value(np.where(above, energy, np.nan), one["background_parameter"].values)[:, None]
        )
    return np.asarray(np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", basis, covariance, basis), 0)))


def _draw_net(ax: Axes, one: xr.Dataset, energy: Array, part: Array, lines: _Measured | None) -> None:
    x, net = energy[part], one["net"].values[part]
    ax.axhline(0, color=style.FLOOR, lw=0.6)
    ax.plot(x, net, color=style.DATA, lw=1.0)
    ax.set_ylabel(conventions.variable_label(one, "net"))
    top = float(np.nanmax(net)) if np.isfinite(net).any() else 1.0
    ax.set_ylim(None, 1.22 * top if top > 0 else None)
    if lines is None:
        return
    for i, (name, (low, high)) in enumerate(lines.lines):
        inside = (x >= low) & (x <= high)
        floor = lines.continuum[part] if lines.continuum is not None else np.zeros_like(x)
        ax.fill_between(x, floor, net, where=inside.tolist(), color=style.COLOURS[i], alpha=0.35, lw=0)
        height = float(np.nanmax(net[inside])) if inside.any() and np.isfinite(net[inside]).any() else 0.0
        text = f"L$_{{{name[1]}}}$"
        ax.annotate(text, ((low + high) / 2, height), (0, 4), textcoords="offset points", ha="center")
    if lines.continuum is not None:
        ax.plot(x, lines.continuum[part], color=style.COLOURS[3], lw=1.2, label="continuum")
    if lines.post is not None:
        ax.axvspan(
            max(lines.post[0], x[0]),
            min(lines.post[1], x[-1]),
            color=style.COLOURS[3],
            alpha=0.15,
            lw=0,
            label="its level",
        )
        ax.legend(loc="upper right")


def _shown(one: xr.Dataset, energy: Array, lines: _Measured | None) -> tuple[float, float]:
    """Window of the background, the lines, and what lies behind them."""
    fit = one["background"].attrs.get("window", [energy[0], energy[-1]])
    if lines is None:
        return max(energy[0], fit[0] - MARGIN), energy[-1]
    end = lines.post[1] if lines.post is not None else lines.lines[-1][1][1] + MARGIN
    return max(energy[0], fit[0] - MARGIN), min(energy[-1], end + MARGIN / 2)


def _strongest(dataset: xr.Dataset) -> dict[str, int]:
    """Place of the spectrum with the largest net area among those that did not fail."""
    dims = series_dims(dataset)
    if not dims:
        return {}
    axis = spectral_axis(dataset)
    area = dataset["net"].sum(axis, skipna=True).transpose(*dims).values.astype(float)
    good = ~np.asarray(failed(dataset).transpose(*dims).values, bool)
    flat = int(np.argmax(np.where(good, area, -np.inf) if good.any() else area))
    return {d: int(i) for d, i in zip(dims, np.unravel_index(flat, area.shape), strict=True)}


def _spectra_to_show(dataset: xr.Dataset, dims: tuple[str, ...]) -> list[tuple[dict[str, int], str]]:
    """Both ends of a series, the strongest spectrum of a map; those that did not fail."""
    if not dims:
        return [({}, "")]
    if len(dims) > 1:
        chosen = _strongest(dataset)
        return [(chosen, f" of the strongest spectrum ({', '.join(f'{d} {i}' for d, i in chosen.items())})")]
    good = np.flatnonzero(~np.asarray(failed(dataset).values, bool))
    ends = dict.fromkeys(good[[0, -1]].tolist() if good.size else [0])
    names = (" of the first spectrum", " of the last spectrum")
    return [({dims[0]: int(i)}, which) for i, which in zip(ends, names, strict=False)]


def _answer(dataset: xr.Dataset, *, missing: bool = True) -> tuple[str, ...]:
    name = next((n for n in ANSWERS if n in dataset), None)
    if name is None:
        if missing:
            raise InvalidInput(
                "there is nothing that a map shows by default: say variables, or measure with xas.eels.white_line_ratio."
            )
        return ()
    return (name, f"{name}_sigma") if f"{name}_sigma" in dataset else (name,)


def _label(dataset: xr.Dataset, name: str, first: str) -> str:
    """Label of a panel; the sigma of the first by its sign, as its own name is long."""
    return "σ" if name == f"{first}_sigma" else conventions.variable_label(dataset, name)


def _values(dataset: xr.Dataset, name: str, species: str | None, dims: tuple[str, ...]) -> Array:
    if name not in dataset:
        raise InvalidInput(
            f"there is no variable {name!r}; {did_you_mean(name, map(str, dataset.data_vars))}."
        )
    values = dataset[name].where(~failed(dataset))
    if "species" in values.dims:
        names = [str(n) for n in dataset["species"].values]
        if species not in names:
            raise InvalidInput(f"say of which species: {did_you_mean(str(species), names)}.")
        values = values.sel(species=species)
    if set(values.dims) != set(dims):
        raise InvalidInput(
            f"{name!r} is no number per spectrum: it has {', '.join(map(str, values.dims)) or 'none'}."
        )
    return values.transpose(*dims).values.astype(float)
