"""The evidence behind a verdict on order: as a table, and as a picture of the bands and of what each row weighs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from raman.tables import load_table
from spectra.dataset import series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.report import conventions

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["ordering_evidence", "plot_ordering"]

COLOURS = {"ordered": "#0072b2", "mixed": "#e69f00"}  # told apart by all readers
LARGEST = 7.0  # rows weigh less than this, so that pictures compare


def ordering_evidence(dataset: xr.Dataset, **index: int) -> pd.DataFrame:
    """What each row of evidence says of one spectrum, as a referee would want to see it.

    Parameters
    ----------
    dataset : xarray.Dataset
        Result of :func:`raman.diagnose_ordering`.
    **index : int
        Which spectrum of a series: ``scan=3``.

    Returns
    -------
    pandas.DataFrame
        One row per evidence: value, its standard uncertainty and units; ``ordered`` and ``mixed``, natural logarithms
        of the likelihood over that of disorder; what it means, its source and its status.

    Raises
    ------
    InvalidInput
        No verdict in the dataset, or a series of which no spectrum is named.
    """
    import pandas as pd

    one = _one(dataset, index)
    weight = one["evidence_weight"]
    columns = {
        "value": one["evidence_value"].values,
        "sigma": one["evidence_value_sigma"].values,
        "units": one["evidence_units"].values,
        "ordered": weight.sel(order="ordered").values,
        "mixed": weight.sel(order="mixed").values,
        "meaning": one["evidence_meaning"].values,
        "status": one["evidence_status"].values,
        "source": one["evidence_source"].values,
    }
    return pd.DataFrame(columns, index=pd.Index(one["evidence"].values, name="evidence"))


def plot_ordering(dataset: xr.Dataset, **index: int) -> Figure:
    """Draw the bands that were judged, and what each row of evidence weighs.

    Parameters
    ----------
    dataset, **index
        As in :func:`ordering_evidence`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import matplotlib.pyplot as plt

    one = _one(dataset, index)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.2, 3.6), width_ratios=(1, 1.15), layout="constrained"
    )
    _bands(left, one)
    _weights(right, one)
    said = ", ".join(f"{o} {float(one.ordering_probability.sel(order=o)):.3f}" for o in one["order"].values)
    title = f"Local order of Ni and Mn: {one.verdict.item()}   ({said})"
    if "verdict_raman" in one:
        title += f"\nRaman alone: {one.verdict_raman.item()},  infrared alone: {one.verdict_infrared.item()}"
    figure.suptitle(title, fontsize=10)
    return figure


def _one(dataset: xr.Dataset, index: dict[str, int]) -> xr.Dataset:
    if "evidence_weight" not in dataset:
        raise InvalidInput("there is no verdict in this dataset: call raman.diagnose_ordering first.")
    left = [d for d in series_dims(dataset) if d not in index]
    if left:
        raise InvalidInput(
            f"which spectrum is not said; give {', '.join(f'{d}=0' for d in left)} or another number."
        )
    return dataset.isel(index)


def _bands(axes: Any, one: xr.Dataset) -> None:
    axis = spectral_axis(one)
    kind = "raman" if axis == "raman_shift" else "infrared"
    name = "net" if "net" in one else signal_name(one)
    low, high = load_table("ordering")[kind]["window"]["value"]
    part = one[name].where((one[axis] >= low) & (one[axis] <= high), drop=True)
    axes.plot(part[axis], part, color="0.15", lw=1)
    if "splitting" in one and np.isfinite(one["splitting"]) and one.verdict.item() in COLOURS:
        expected = load_table("ordering")["raman"]["expected"]
        middle = expected["a_position"]["value"] + expected["f_distance"]["value"]
        axes.axvspan(middle - 15, middle + 15, color=COLOURS["ordered"], alpha=0.1, lw=0)
        axes.text(
            0.03, 0.95, f"F2g(3): two bands\n{float(one.splitting):.1f} ± {float(one.splitting_sigma):.1f} cm⁻¹ apart",
            transform=axes.transAxes, va="top", fontsize=8,
        )  # fmt: skip
    axes.set(xlabel="Raman shift (cm⁻¹)" if kind == "raman" else "Wavenumber (cm⁻¹)", ylabel=name, yticks=[])
    if conventions.descends(axis):
        axes.invert_xaxis()


def _weights(axes: Any, one: xr.Dataset) -> None:
    names = list(one["evidence"].values)
    place = np.arange(len(names))[::-1]
    for order, offset in (("ordered", 0.18), ("mixed", -0.18)):
        weight = np.nan_to_num(one["evidence_weight"].sel(order=order).values)
        axes.barh(place + offset, weight, height=0.34, color=COLOURS[order], label=order)
    axes.axvline(0, color="0.4", lw=0.8)
    axes.set_yticks(place, [_label(one, n) for n in names], fontsize=8)
    axes.set(xlim=(-LARGEST, LARGEST), xlabel="ln of likelihood over that of disorder")
    axes.legend(fontsize=8, frameon=False, loc="center right")


def _label(one: xr.Dataset, name: str) -> str:
    row = one.sel(evidence=name)
    value, sigma = float(row.evidence_value), float(row.evidence_value_sigma)
    if not np.isfinite(value):
        return f"{name}: not available"
    known = f" ± {sigma:.2g}" if np.isfinite(sigma) else ""
    return f"{name}: {value:.4g}{known}"
