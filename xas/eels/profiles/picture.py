"""The figure of a line scan: each quantity against the distance, with the step, its position and the shell; and a table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import series_dims
from spectra.errors import InvalidInput, did_you_mean
from spectra.report import conventions, style
from spectra.report.summary import with_uncertainty
from spectra.verbs import history
from xas.eels.pictures import title_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures", "plot_line_scan", "profile_table"]

_LABELS = {"l3_l2_ratio": "$L_3/L_2$", "branching_ratio": "$L_3/(L_3+L_2)$", "valence": "Valence"}
_SHELL, _EDGE = "#e9eef5", "#9db4d1"
_VERB = "xas.eels.surface_profile"


def figures(dataset: xr.Dataset) -> Iterator[tuple[str, str, Any]]:
    """Name, caption and matplotlib figure of each: the first lines of a dataset that has profiles."""
    if "profile_verdict" not in dataset:
        return
    dim, _ = _asked(dataset)
    rows = [d for d in dataset["profile_verdict"].dims if d != "quantity"]
    shape = tuple(dataset.sizes[d] for d in rows)
    for place in list(np.ndindex(*shape))[:3]:
        index = {str(d): i for d, i in zip(rows, place, strict=True)}
        which = "".join(f", {d} {i}" for d, i in index.items())
        caption = (
            f"Profile along {dim}{which}: bars are one standard uncertainty, the curve is the step averaged over its posterior "
            "with one standard uncertainty, the shell is shaded, and the central 95 % of its end darker."
        )
        yield (
            "_".join(["line_scan", *(str(i) for i in index.values())]),
            caption,
            plot_line_scan(dataset, **index),
        )


@style.styled
def plot_line_scan(
    dataset: xr.Dataset, quantities: tuple[str, ...] | None = None, *, shared: bool = True, **index: int
) -> Figure:
    """Draw quantities along a line, one panel each, with the step between surface and core.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the results of :func:`xas.eels.surface_profile`.
    quantities : tuple of str, optional
        What is drawn: quantities of the profile, or other numbers along the line, which get no step. Default: those of
        the profile, and ``valence`` where there is one.
    shared : bool
        Draw the step that all quantities share, where there is one; otherwise each its own.
    **index : int
        The line, as in ``Dataset.isel``: ``y=3``. Default: the first.

    Returns
    -------
    matplotlib.figure.Figure
        ``figure.savefig("line.png", dpi=300)``.

    Raises
    ------
    InvalidInput
        There is no profile, no such variable, dimension or line.

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> line = spectra.from_arrays([630.0, 640.0], np.ones((9, 2)), axis="energy_loss", dims=("distance",))
    >>> ratio = np.array([3, 3.1, 2.9, 3, 2.2, 2.3, 2.1, 2.2, 2.2])
    >>> line = line.assign(l3_l2_ratio=("distance", ratio), l3_l2_ratio_sigma=("distance", np.full(9, 0.1)))
    >>> figure = plot_line_scan(xas.eels.surface_profile(line, quantities=("l3_l2_ratio",)))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['$L_3/L_2$']
    """
    one, dim = _one_line(dataset, index)
    known = [str(q) for q in one["quantity"].values]
    names = list(
        quantities or [*known, *(["valence"] if "valence" in one and "valence" not in known else [])]
    )
    figure = style.new_figure(4.6, 0.7 + 1.75 * len(names))
    panels = np.atleast_1d(np.asarray(figure.subplots(len(names), 1, sharex=True), object))
    together = shared and "shared_step_position" in one
    for ax, name, colour in zip(panels, names, style.COLOURS * 3, strict=False):
        _draw_points(ax, one, name, dim, colour)
        if name in known:
            _draw_step(ax, one, name, dim, together)
    units = str(one[dim].attrs.get("units", "")) if dim in one.coords else ""
    panels[-1].set_xlabel(
        f"{conventions.literal(dim.capitalize())} ({units})" if units else f"{dim.capitalize()} (spectra)"
    )
    figure.suptitle(_title(one, together), x=0.01, ha="left", fontsize=9)
    return figure


def _asked(dataset: xr.Dataset) -> tuple[str, str]:
    """Dimension of the line and the side of the surface, as the verb was asked."""
    if "profile_verdict" not in dataset:
        raise InvalidInput(f"there is no profile in this dataset: call {_VERB} first.")
    options: dict[str, Any] = next(
        (e["options"] for e in reversed(history(dataset)) if e["verb"] == _VERB), {}
    )
    dim = next(
        str(d) for d in dataset["profile_curve"].dims if d in series_dims(dataset) and _along(dataset, str(d))
    )
    return dim, str(options.get("surface", "low"))


def _along(dataset: xr.Dataset, dim: str) -> bool:
    return dim not in dataset["profile_verdict"].dims


def _one_line(dataset: xr.Dataset, index: dict[str, int]) -> tuple[xr.Dataset, str]:
    dim, _ = _asked(dataset)
    rows = [str(d) for d in dataset["profile_verdict"].dims if d != "quantity"]
    unknown = [d for d in index if d not in rows]
    if unknown:
        raise InvalidInput(f"there are no lines along {unknown[0]!r}; {did_you_mean(unknown[0], rows)}.")
    beyond = [d for d, i in index.items() if not -dataset.sizes[d] <= i < dataset.sizes[d]]
    if beyond:
        raise InvalidInput(f"{beyond[0]}={index[beyond[0]]} is beyond the {dataset.sizes[beyond[0]]} lines.")
    return dataset.isel(dict.fromkeys(rows, 0) | index), dim


def _numbers(one: xr.Dataset, name: str, dim: str) -> Any:
    if name not in one.data_vars or dim not in one[name].dims:
        allowed = [str(n) for n, v in one.data_vars.items() if v.dims[:1] == (dim,) and v.ndim == 1]
        raise InvalidInput(f"there is no variable {name!r} along {dim}; {did_you_mean(name, allowed)}.")
    array = one[name]
    return array.isel({d: 0 for d in array.dims if d != dim}).values.astype(float)


def _places(one: xr.Dataset, dim: str) -> Any:
    numeric = dim in one.coords and one[dim].dtype.kind in "fiu"
    return one[dim].values.astype(float) if numeric else np.arange(float(one.sizes[dim]))


def _draw_points(ax: Axes, one: xr.Dataset, name: str, dim: str, colour: str) -> None:
    values = _numbers(one, name, dim)
    sigma = _numbers(one, f"{name}_sigma", dim) if f"{name}_sigma" in one else None
    if sigma is not None and f"{name}_common_sigma" in one:  # what all points share moves them together
        sigma = np.sqrt(np.maximum(sigma**2 - _numbers(one, f"{name}_common_sigma", dim) ** 2, 0.0))
    ax.errorbar(
        _places(one, dim), values, yerr=sigma, color=colour, marker="o", ls="none", elinewidth=0.8, zorder=3
    )
    label = _LABELS.get(name) or (str(one["pair"].values[0]) if "pair" in one[name].dims else None)
    ax.set_ylabel(label or conventions.variable_label(one, name))


def _draw_step(ax: Axes, one: xr.Dataset, name: str, dim: str, together: bool) -> None:
    part = one.sel(quantity=name)
    prefix = "shared_" if together else ""
    _, surface = _asked(one)
    x, order = _places(one, dim), np.argsort(_places(one, dim))
    where = float(part[f"{prefix}step_position"])
    if np.isfinite(where):
        end = x.min() if surface == "low" else x.max()
        margin = 0.5 * float(np.median(np.abs(np.diff(np.sort(x)))))
        outer = end - margin if surface == "low" else end + margin
        ax.axvspan(*sorted((outer, where)), color=_SHELL, lw=0, zorder=0)
        ax.axvspan(
            float(part[f"{prefix}step_position_low"]),
            float(part[f"{prefix}step_position_high"]),
            color=_EDGE,
            alpha=0.6,
            lw=0,
            zorder=1,
        )
        curve, sigma = (
            part[f"{prefix}profile_curve{s}"].transpose(dim).values[order] for s in ("", "_sigma")
        )
        ax.plot(x[order], curve, color=style.FIT, lw=1.2, zorder=4)
        ax.fill_between(x[order], curve - sigma, curve + sigma, color=style.FIT, alpha=0.25, lw=0, zorder=2)
    own = float(part["step_position"]), float(part["step_position_sigma"])
    units = str(part["step_position"].attrs.get("units", ""))
    verdict = str(part["profile_verdict"].item())
    said = f"{verdict}: {with_uncertainty(*own)} {units}".rstrip() if np.isfinite(own[0]) else verdict
    ax.set_title(said, loc="right", fontsize=8)


def _title(one: xr.Dataset, together: bool) -> str:
    title = textwrap.fill(title_of(one), 64)
    if not together:
        return title
    place = with_uncertainty(float(one["shared_step_position"]), float(one["shared_step_position_sigma"]))
    units = one["shared_step_position"].attrs.get("units", "")
    return f"{title}\ntogether: {one['shared_profile_verdict'].item()}, {place} {units}".strip()


def profile_table(dataset: xr.Dataset) -> pd.DataFrame:
    """What a profile says, for people: a row per line and quantity, and one for the step that they share.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the results of :func:`xas.eels.surface_profile`.

    Returns
    -------
    pandas.DataFrame
        ``verdict``, probability of a step, position with its central 95 %, width or its limit, levels; texts.
    """
    import pandas as pd

    _asked(dataset)
    rows = [str(d) for d in dataset["profile_verdict"].dims if d != "quantity"]
    units = str(dataset["step_position"].attrs.get("units", ""))
    found = []
    for place in np.ndindex(*(dataset.sizes[d] for d in rows)):
        line = dataset.isel(dict(zip(rows, place, strict=True)))
        start = dict(zip(rows, place, strict=True))
        found += [start | _row(line.sel(quantity=q), "", str(q), units) for q in dataset["quantity"].values]
        if "shared_step_position" in dataset:
            found.append(start | _row(line, "shared_", "together", units))
    return pd.DataFrame(found)


def _row(line: xr.Dataset, prefix: str, name: str, units: str) -> dict[str, str]:
    def pair(variable: str) -> str:
        return with_uncertainty(float(line[f"{prefix}{variable}"]), float(line[f"{prefix}{variable}_sigma"]))

    low, high, upper = (
        float(line[f"{prefix}{n}"]) for n in ("step_position_low", "step_position_high", "step_width_upper")
    )
    width = pair("step_width")
    if width == "–" and np.isfinite(upper):
        width = f"< {upper:.1f}"
    step = float(line[f"{prefix}profile_probability"].sel(profile_model="step"))
    row = {
        "quantity": name,
        "verdict": str(line[f"{prefix}profile_verdict"].item()),
        "P(step)": f"{step:.3f}",
        f"position ({units})": pair("step_position"),
        "95 %": f"{low:.2f} to {high:.2f}" if np.isfinite(low) else "–",
        f"width ({units})": width,
    }
    levels = {"surface": "surface_level", "core": "core_level", "surface / core": "level_ratio"}
    return row | {k: pair(v) if line[f"{prefix}{v}"].ndim == 0 else "–" for k, v in levels.items()}
