"""What a ratio of two edges is asked for: windows, sources of the factor, the microscope, the low loss; refusals."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve
from xas.eels.composition.edge_intensities import near_edges
from xas.eels.composition.hydrogenic import effective_collection_angle

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "check_source",
    "check_windows",
    "edge_of",
    "even_step",
    "fitted_channels",
    "low_loss_of",
    "settings_of",
]

Array = npt.NDArray[np.float64]
Window = tuple[float, float]

#: Fewest channels of a background.
_FEWEST = 6
#: In front of an onset the edge has begun already (eV); and how far behind the second window a fit reaches by default.
_BEFORE, _BEYOND = 7.0, 50.0


def even_step(energy: Array) -> float:
    """Step of an even axis; an uneven one is refused."""
    step = float(energy[-1] - energy[0]) / (energy.size - 1)
    if not np.allclose(np.diff(energy), step, rtol=0.02):
        raise InvalidInput(
            "a fit with the low loss needs an even energy_loss: resample it first (spectra.resample)."
        )
    return step


def settings_of(
    dataset: xr.Dataset, signal: tuple[Window, Window], effective: bool
) -> list[dict[str, float]]:
    """Energy of the beam and collection angle for each edge; what is missing is refused where it is used."""
    angle: Any = dataset.attrs.get("collection_angle")
    beam: Any = dataset.attrs.get("beam_energy")
    for key, value, units in (("beam_energy", beam, "keV"), ("collection_angle", angle, "mrad")):
        if value is None or not 0 < float(value) < np.inf:
            raise InvalidInput(
                f"cross_section needs {key} in {units}, a positive number; got {value}. Files that do not say it leave it to "
                f"you: dataset.assign_attrs({key}=...)."
            )
    angles = [angle, angle]
    if effective:
        convergence = dataset.attrs.get("convergence_angle")
        angles = [
            effective_collection_angle(angle, convergence, beam_energy=beam, loss=sum(window) / 2)
            for window in signal
        ]
        resolve(collection_angle=angles)
    return [{"beam_energy": float(beam), "collection_angle": float(a)} for a in angles]


def low_loss_of(dataset: xr.Dataset, given: Any) -> tuple[xr.DataArray, Array] | None:
    """Low losses along ``low_loss_channel`` and their energies; those of the dataset where none are given."""
    from spectra.dataset import as_dataset

    if given is None and "low_loss" not in dataset:
        note("no low loss: the course of the edges is that of single scattering")
        return None
    if given is None:
        values, axis = dataset["low_loss"], "low_energy_loss"
        energy = dataset[axis].values
    else:
        low = as_dataset(given, verb="xas.eels.quantify")
        values, axis = low[signal_name(low)], "energy_loss"
        if axis not in values.dims or any(
            dataset.sizes.get(d) != n for d, n in values.sizes.items() if d != axis
        ):
            raise InvalidInput(
                f"low_loss has the dimensions {dict(values.sizes)}, and the dataset {dict(dataset.sizes)}: give one low loss per "
                "spectrum (dual EELS) along energy_loss, or a single one for all."
            )
        energy = low[axis].values
    if energy[0] >= 0 or energy[-1] < 20:
        raise InvalidInput(
            f"low_loss from {energy[0]:g} to {energy[-1]:g} eV does not hold the zero-loss peak and the losses behind it."
        )
    return values.rename({axis: "low_loss_channel"}).drop_vars("low_loss_channel"), np.asarray(energy, float)


def fitted_channels(
    energy: Array,
    background: tuple[Window, Window],
    signal: tuple[Window, Window],
    near_edge: float,
    fit_range: Window | None,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Channels (n,) that the model is fitted to, and (2, n) those of the near-edge structure."""
    low, high = fit_range or (background[0][0], min(signal[1][1] + _BEYOND, float(energy[-1])))
    resolve(fit_range=(float(low), float(high)))
    used = (energy >= low) & (energy <= high)
    near = near_edges(energy, signal, _BEFORE, near_edge)
    used &= ~near.any(0)
    parts = [
        (energy < signal[0][0]),
        (energy > signal[0][0]) & (energy < signal[1][0]),
        (energy > signal[1][0]),
    ]
    counts = [int((used & part).sum()) for part in parts]
    if min(counts) < _FEWEST or near_edge < 0:
        raise InvalidInput(
            f"fit_range ({low:g}, {high:g}) without {near_edge:g} eV behind the onsets leaves {counts[0]}, {counts[1]} and {counts[2]} "
            f"channels before, between and behind the edges; {_FEWEST} are needed in each. Widen it or lower near_edge."
        )
    return np.asarray(used), near


def edge_of(text: str) -> tuple[str, str]:
    """Element and shell of an edge's name."""
    element, _, shell = text.strip().partition(" ")
    if not element or shell not in ("K", "L"):
        raise InvalidInput(f"edges are element and shell, as 'O K' and 'Mn L'; got {text!r}.")
    return element, shell


def check_windows(energy: Array, background: tuple[Window, Window], signal: tuple[Window, Window]) -> None:
    """Windows that lie inside the data and apart, the signal in both as wide."""
    named = {
        f"{kind} window {i + 1}": w
        for kind, pair in (("background", background), ("signal", signal))
        for i, w in enumerate(pair)
    }
    for name, (low, high) in named.items():
        if not low < high:
            raise InvalidInput(f"{name} must ascend, got ({low:g}, {high:g}).")
        if low < energy[0] or high > energy[-1]:
            raise InvalidInput(
                f"{name} ({low:g}, {high:g}) lies outside of the data, {energy[0]:g} to {energy[-1]:g} eV."
            )
    ordered = sorted(named.items(), key=lambda item: item[1])
    for (one, a), (other, b) in itertools.pairwise(ordered):
        if a[1] > b[0]:
            raise InvalidInput(
                f"{one} ({a[0]:g}, {a[1]:g}) and {other} ({b[0]:g}, {b[1]:g}) overlap: their noise is shared."
            )
    for front in background:
        channels = int(((energy >= front[0]) & (energy <= front[1])).sum())
        if channels < _FEWEST:
            raise InvalidInput(
                f"background window ({front[0]:g}, {front[1]:g}) holds {channels} channels, {_FEWEST} are needed."
            )
    first, second = (w[1] - w[0] for w in signal)
    if abs(first - second) > 1e-6 * first:
        raise InvalidInput(
            f"the signal windows must be as wide as each other, got {first:g} and {second:g} eV."
        )


def check_source(k: float | None, core: Any, core_ratio: float | None, model: Any, method: str) -> None:
    """Exactly one source of the factor."""
    calibrated = [k is not None, core is not None or core_ratio is not None]
    course_only = method == "fit" and any(
        calibrated
    )  # the model gives the course of the edges, not the factor
    sources = [*calibrated, model is not None and not course_only]
    if sum(sources) != 1:
        raise InvalidInput(
            f"one source of the factor is needed, got {sum(sources)}: k= from a standard, core= with core_ratio=, or "
            "model= for hydrogenic cross-sections, the last only for want of the others."
        )
    if k is not None and not 0 < k < np.inf:
        raise InvalidInput(f"k must be a positive number, got {k}.")
    if (core is None) != (core_ratio is None):
        raise InvalidInput("core and core_ratio go together: where the composition is known, and what it is.")
    if core_ratio is not None and not 0 < core_ratio < np.inf:
        raise InvalidInput(f"core_ratio must be a positive number, got {core_ratio}.")
