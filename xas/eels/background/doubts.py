"""A background that was subtracted and lies above the data: what a short window or another edge makes of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name, spectral_axis
from xas.eels.channels.curves import Curve
from xas.eels.channels.linear_variance import Noise

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["flag_over_subtracted", "stretches"]

Array = npt.NDArray[Any]

#: Stretches behind the window that are looked at, and how many channels of each at most.
STRETCHES, CHANNELS = 8, 8
#: The mean of a stretch is negative if it is so many of its sigmas below zero, and by this share of the background:
#: a hundredth is what a power law over hundreds of eV misses by in measured spectra.
SIGMAS, SHARE = 5.0, 0.01


def flag_over_subtracted(dataset: xr.Dataset, window: tuple[float, float]) -> xr.Dataset:
    """``dataset`` with the warning ``over_subtracted`` where the extrapolated background crosses the data.

    Behind ``window`` the net signal is averaged over eight stretches. A spectrum is flagged where one of these means is
    negative by more than five of its standard uncertainties (noise and background) and by more than a hundredth of the
    background there.
    """
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    energy = dataset[axis].values.astype(float)
    curve = Curve.from_attrs(dataset["background"].attrs)
    chosen = stretches(energy, window[1])
    if curve is None or not chosen:
        return dataset
    index = np.concatenate(chosen)
    known = dataset.get(f"{signal}_sigma")
    of_count = dataset["background_dispersion"].attrs.get("of") == "count"
    part = {axis: index}
    inputs: list[Any] = [(dataset[n].isel(part), (axis,)) for n in ("net", "background")]
    inputs += [
        (dataset["background_parameter"], ("background_term",)),
        (dataset["background_covariance"], ("background_term", "background_term_2")),
        (dataset["background_dispersion"], ()),
    ]
    if known is not None:
        inputs.append((known.isel(part), (axis,)))
    starts = np.concatenate([[0], np.cumsum([len(c) for c in chosen])])
    parts = [slice(int(first), int(last)) for first, last in itertools.pairwise(starts)]

    def kernel(net: Array, background: Array, *more: Array) -> dict[str, Array]:
        lead = net.shape[:-1]
        rows = [
            np.asarray(np.broadcast_to(a, (*lead, *a.shape[a.ndim - core :])), float).reshape((-1, *a.shape[a.ndim - core :]))
            for a, core in zip((net, background, *more), (1, 1, 1, 2, 0, 1), strict=False)
        ]  # fmt: skip
        crossed = np.zeros(len(rows[0]), bool)
        for one in parts:
            net_here, under = rows[0][:, one], rows[1][:, one]
            with np.errstate(invalid="ignore"):
                mean = net_here.mean(-1)
                doubtful = np.flatnonzero(~crossed & (mean < -SHARE * np.abs(under.mean(-1))))
            if not doubtful.size:
                continue
            some = [rows[0][doubtful, one], rows[1][doubtful, one], *(row[doubtful] for row in rows[2:5])]
            some += [rows[5][doubtful, one]] if known is not None else []
            noise = Noise(
                energy[index[one]], _variance(some, known is not None, of_count), curve, some[2], some[3]
            )
            u = np.full(some[0].shape, 1 / some[0].shape[-1])
            with np.errstate(invalid="ignore"):
                crossed[doubtful] = mean[doubtful] < -SIGMAS * np.sqrt(noise.between(u, u))
        return {"crossed": crossed.reshape(lead).astype(float)}

    crossed = map_spectra(kernel, inputs, {"crossed": ()})["crossed"]
    return flag(
        dataset, crossed == 1, "over_subtracted",
        "the extrapolated background lies above the data behind its window: a short window, an edge inside of it, or another "
        "curve than the data follow; widen or move the window, or take another method",
        severity="warning",
    )  # fmt: skip


def stretches(energy: Array, end: float) -> list[npt.NDArray[np.intp]]:
    """Channels (evenly spread, at most eight) of each of eight stretches behind ``end``."""
    first = int(np.searchsorted(energy, end, "right"))
    behind = np.arange(first, energy.size)
    if behind.size < 2:
        return []
    parts = np.array_split(behind, min(STRETCHES, behind.size))
    return [
        p[np.unique(np.linspace(0, p.size - 1, min(CHANNELS, p.size)).round().astype(int))] for p in parts
    ]


def _variance(rows: list[Array], stated: bool, of_count: bool) -> Array:
    """Variance of each channel: stated, of counts, or one for all."""
    net, background, dispersion = rows[0], rows[1], rows[4]
    if stated:
        return np.asarray(rows[5] ** 2)
    if of_count:
        return np.asarray(dispersion[:, None] * np.maximum(net + background, 0.0))
    return np.asarray(np.broadcast_to(dispersion[:, None], net.shape))
