"""A map of incident energy and loss as one looks at it: photons as colours, windows marked, their yields above."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spectra.dataset import failed, series_dims
from spectra.errors import InvalidInput, did_you_mean
from spectra.report import style
from spectra.report.methods import simulated
from spectra.verbs import history

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["incident_dim", "plot_map", "plot_parts"]

#: A map is drawn with at most so many channels across; more are added up, by whole channels.
_ACROSS = 400
#: Losses up to here belong to the elastic line, as far as colours go.
_ELASTIC = 0.5
_VARIABLES = ("counts_per_flux", "counts_per_emission", "counts")


def incident_dim(dataset: xr.Dataset) -> str | None:
    """The dimension of the incident energies, where the series has one and its energies differ."""
    dims = series_dims(dataset)
    if len(dims) != 1 or dataset.sizes[dims[0]] < 2 or "incident_energy" not in dataset.coords:
        return None
    energy = dataset["incident_energy"]
    return dims[0] if energy.dims == dims and np.ptp(energy.values) > 0.05 else None


@style.styled
def plot_map(
    dataset: xr.Dataset,
    variable: str | None = None,
    *,
    scale: Literal["energy_loss", "emission_energy"] = "energy_loss",
    window: tuple[float, float] | None = None,
) -> Figure:
    """Incident energy against loss (or emission energy), the windows of ``integrate_windows`` marked and drawn beside.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series along one dimension with the coordinate ``incident_energy``.
    variable : str, optional
        What is shown. Default: the first of ``counts_per_flux``, ``counts_per_emission`` and ``counts`` that is there.
    scale : {"energy_loss", "emission_energy"}
        Axis across.
    window : (float, float), optional
        Part of that axis that is shown. Default: where there are photons.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidInput
        No incident energies along the one dimension of the series, or no such variable.

    Examples
    --------
    >>> import numpy as np, spectra, xas.rixs
    >>> energies = np.array([528.0, 529.0, 531.0])
    >>> rixs_map = spectra.from_arrays(
    ...     np.arange(0, 10, 0.1), np.ones((3, 100)), axis="energy_loss", name="counts", dims=("incident_energy",),
    ...     coords={"incident_energy": (energies, "eV")},
    ... )
    >>> len(xas.rixs.plot_map(rixs_map).axes) > 0
    True
    """
    dim = incident_dim(dataset)
    if dim is None:
        raise InvalidInput(
            "plot_map needs a series along one dimension with different incident energies: read the files with "
            "read_series(..., dim='incident', coordinate='incident_energy')."
        )
    name = variable or next(v for v in _VARIABLES if v in dataset)
    if name not in dataset or "energy_loss" not in dataset[name].dims:
        there = [str(n) for n, v in dataset.data_vars.items() if "energy_loss" in v.dims]
        raise InvalidInput(
            f"variable: nothing called {name!r} lies along energy_loss; {did_you_mean(name, there)}."
        )
    shown = dataset.sortby("incident_energy")
    energy = shown["incident_energy"].values
    loss, z = _joined(
        shown["energy_loss"].values, np.asarray(shown[name].transpose(dim, "energy_loss").values, float)
    )
    with_yields = "partial_yield" in shown
    figure = style.new_figure(7.2 if with_yields else 5.0, 3.6)
    panels = np.atleast_1d(
        np.asarray(
            figure.subplots(
                1, 2 if with_yields else 1, width_ratios=[3, 2] if with_yields else [1], sharey=True
            )
        )
    )
    ax = panels[0]
    z[np.asarray(failed(shown).values, bool)] = np.nan
    edges, rows = _edges(loss), _edges(energy)
    top = _brightest(loss, z)
    for k, row in enumerate(z):  # one strip each: on emission energies every row has an axis of its own
        across = energy[k] - edges[::-1] if scale == "emission_energy" else edges
        values = row[::-1] if scale == "emission_energy" else row
        drawn = ax.pcolormesh(across, rows[k : k + 2], values[None, :], cmap="viridis", vmin=0.0, vmax=top)
    low, high = window or _lit(energy, loss, z, top, scale)
    if with_yields and window is None:
        windows, given = _asked(shown)
        ends = [e for pair in windows.values() for e in pair] if given == scale else []
        low, high = min([low, *ends]), max([high, *ends])
    if scale == "energy_loss":
        low, high = max(low, edges[0]), min(high, edges[-1])
    ax.set_xlim(low, high)
    ax.set_title(simulated(dataset).partition(" ")[0], loc="left")
    ax.set_xlabel("Energy loss (eV)" if scale == "energy_loss" else "Emission energy (eV)")
    ax.set_ylabel("Incident energy (eV)")
    told = {
        "counts": "photons per channel",
        "counts_per_flux": "photons / (flux · s)",
        "counts_per_emission": "share of main emission",
    }
    figure.colorbar(drawn, ax=ax, label=told.get(name, name.replace("_", " ")), extend="max")
    if with_yields:
        _windows(ax, shown, energy, scale)
        _yields(panels[1], shown, energy)
    return figure


def _joined(loss: Any, z: Any) -> tuple[Any, Any]:
    """Neighbouring channels added up until a picture can show each."""
    k = max(1, -(-loss.size // _ACROSS))
    n = loss.size // k * k
    return loss[:n].reshape(-1, k).mean(axis=-1), z[:, :n].reshape(len(z), -1, k).mean(axis=-1)


def _brightest(loss: Any, z: Any) -> float:
    """End of the colours: the brightest beside the elastic line, which would darken everything else."""
    beside = z[:, np.abs(loss) > _ELASTIC] if (np.abs(loss) > _ELASTIC).any() else z
    lit = beside[beside > 0]
    return float(np.percentile(lit, 99.5)) if lit.size else 1.0


def _edges(centres: Any) -> Any:
    middles = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]])


def _lit(energy: Any, loss: Any, z: Any, top: float, scale: str) -> tuple[float, float]:
    """Where there is anything to see: from the first to the last place that holds a fiftieth of the brightest."""
    from scipy.ndimage import uniform_filter1d

    smooth = uniform_filter1d(np.nan_to_num(z), 9, axis=-1)
    row, column = np.nonzero(smooth > 0.02 * top)
    if not row.size:
        return float(loss[0]), float(loss[-1])
    across = energy[row] - loss[column] if scale == "emission_energy" else loss[column]
    margin = 0.05 * float(np.ptp(across)) + 0.1
    return float(across.min()) - margin, float(across.max()) + margin


def _asked(dataset: xr.Dataset) -> tuple[dict[str, Any], str]:
    """Windows and scale of the last call of ``integrate_windows``."""
    calls = [e for e in history(dataset) if e["verb"] == "xas.rixs.integrate_windows"]
    options: dict[str, Any] = calls[-1]["options"] if calls else {"windows": {}, "scale": "energy_loss"}
    return dict(options["windows"]), str(options["scale"])


def _windows(ax: Axes, shown: xr.Dataset, energy: Any, scale: str) -> None:
    windows, given = _asked(shown)
    rows = np.array([energy[0], energy[-1]]) + np.array([-1, 1]) * 0.5 * max(
        float(np.min(np.diff(energy))), 1e-3
    )
    for name, colour in zip(shown["window"].values, style.COLOURS, strict=False):
        if str(name) not in windows:
            continue
        for end in windows[str(name)]:
            across = np.full(2, float(end)) if given == scale else rows - float(end)
            ax.plot(across, rows, color="white", lw=2.2)
            ax.plot(across, rows, color=colour, lw=1.2)


def _yields(ax: Axes, shown: xr.Dataset, energy: Any) -> None:
    for k, (name, colour) in enumerate(zip(shown["window"].values, style.COLOURS, strict=False)):
        value, sigma = (shown[v].isel(window=k).values for v in ("partial_yield", "partial_yield_sigma"))
        best = float(np.nanmax(value)) if np.isfinite(value).any() and np.nanmax(value) > 0 else 1.0
        ax.errorbar(value / best, energy, xerr=sigma / best, fmt="o-", ms=3, color=colour, label=str(name))
    ax.set_xlim(left=0)
    ax.set_xlabel("Yield / its maximum")
    ax.legend()


@style.styled
def plot_parts(dataset: xr.Dataset, **index: int) -> Figure:
    """First and last parts of an exposure, and their difference over its noise; ``index`` picks one of a series."""
    one = dataset.isel(index)
    axis = "energy_loss" if "energy_loss" in one.dims else "detector_channel"
    x, first, last = (np.asarray(one[n].values, float) for n in (axis, "counts_first", "counts_last"))
    k = max(1, x.size // (_ACROSS // 2))
    n = x.size // k * k
    x = x[:n].reshape(-1, k).mean(axis=-1)
    first, last = (y[:n].reshape(-1, k).sum(axis=-1) for y in (first, last))
    scale = first.sum() / last.sum() if last.sum() > 0 else 1.0
    figure = style.new_figure(5.2, 4.0)
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    above.step(x, first, where="mid", color=style.DATA, label="first parts")
    above.step(x, last * scale, where="mid", color=style.FIT, label="last parts, same total")
    above.set_yscale("symlog", linthresh=10)
    above.set_ylim(bottom=0)
    above.set_ylabel("Photons")
    p = float(one["shape_p_value"])
    moved, spread = float(one["scale_drift"]), float(one["scale_drift_sigma"])
    units = str(one["scale_drift"].attrs.get("units", "")) or "channels"
    drift = f"; scale drifted by {moved:.2g} ± {spread:.2g} {units}" if abs(moved) > 3 * spread else ""
    above.set_title(f"one shape: p = {p:.2g}{drift}", loc="left")
    above.legend()
    noise = np.sqrt(first + last * scale**2)
    below.step(
        x,
        np.where(noise > 0, (last * scale - first) / np.where(noise > 0, noise, 1), 0),
        where="mid",
        color=style.DATA,
        lw=0.8,
    )
    below.axhline(0, color=style.FLOOR, lw=0.6)
    below.set_ylabel("Δ / noise")
    below.set_xlabel("Energy loss (eV)" if axis == "energy_loss" else "Channel of the detector")
    return figure
