"""The core loss as deconvolution takes it: what lies above the background, its noise, and where it begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve
from xas.eels.channels.curves import Curve
from xas.eels.channels.linear_variance import Noise
from xas.eels.deconvolution.low_loss import even_step, known_gain

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CoreLoss", "as_measured", "core_loss"]

Array = npt.NDArray[Any]
AXIS = "energy_loss"
PARAMETERS, COVARIANCE = ("background_term",), ("background_term", "background_term_2")


@dataclass(frozen=True)
class CoreLoss:
    """Which arrays a dataset's core loss is made of, and how blocks of them are read.

    ``inputs`` are those of :func:`spectra.dataset.map_spectra`; a block is the list of their rows.
    """

    energy: Array
    step: float
    first: int  # channel that it begins with; below it nothing is taken to be
    inputs: list[tuple[xr.DataArray, tuple[str, ...]]]
    curve: Curve | None
    stated: bool
    of_count: bool
    gain: float | None

    def net(self, block: list[Array]) -> tuple[Array, Array, Array]:
        """Rows without background and holes, which channels are known, and which rows have holes inside."""
        values = block[0]
        known = np.isfinite(values)
        known[:, : self.first] = False
        inner = known[:, self.first :]
        width = inner.shape[-1] - inner.argmax(-1) - inner[:, ::-1].argmax(-1)
        holes = ~inner.any(-1) | (inner.sum(-1) < width)
        return np.where(known, values, 0), known, holes

    def noise(self, block: list[Array], known: Array) -> Noise:
        """Noise of a block; NaN variances where nothing is known, none at all in channels that are not."""
        counts = block[1]
        if self.stated:
            variance = block[2].astype(float) ** 2
        elif self.curve is not None:
            dispersion = block[-1].reshape(-1, 1)
            variance = dispersion * (np.maximum(counts, 0.0) if self.of_count else np.ones_like(counts))
        else:
            variance = np.maximum(counts, 0.0) * (np.nan if self.gain is None else self.gain)
        variance = np.where(known, variance, 0.0)
        if self.curve is None:
            return Noise(self.energy, variance)
        return Noise(self.energy, variance, self.curve, block[-3], block[-2])

    def gains(self, block: list[Array]) -> Array | None:
        """Variance per count (rows,); None where noise does not follow counts, or its sigmas are stated."""
        if self.stated or (self.curve is not None and not self.of_count):
            return None
        if self.curve is not None:
            return np.asarray(block[-1], float).reshape(-1)
        return None if self.gain is None else np.full(len(block[0]), self.gain)

    def rows(self, arrays: tuple[Array, ...]) -> tuple[tuple[int, ...], list[Array]]:
        """The leading shape, and the inputs as rows over it."""
        lead = np.broadcast_shapes(
            *(a.shape[: a.ndim - len(dims)] for a, (_, dims) in zip(arrays, self.inputs, strict=True))
        )
        made = []
        for a, (_, dims) in zip(arrays, self.inputs, strict=True):
            core = a.shape[a.ndim - len(dims) :]
            made.append(np.broadcast_to(a, (*lead, *core)).reshape((-1, *core)))
        return lead, made


def core_loss(dataset: xr.Dataset, start: float | None, verb: str) -> CoreLoss:
    """The core loss of ``dataset``: ``net`` from the background's window on, else the signal itself.

    Raises
    ------
    InvalidInput
        If it was deconvolved before, or ``start`` leaves nothing.
    """
    energy = dataset[AXIS].values.astype(float)
    step = even_step(energy, "the dataset")
    name = "net" if "net" in dataset else signal_name(dataset)
    if "deconvolution" in dataset[name].attrs:
        raise InvalidInput(
            f"net was deconvolved before ({dataset[name].attrs['deconvolution']}): {verb} takes it as subtract_background "
            "leaves it."
        )
    if start is None and _fitted_here(dataset):
        start = float(dataset["background"].attrs["window"][0])
    elif "net" not in dataset:
        note("no background was subtracted here, the spectra are taken as free of it")
    first = 0 if start is None else int(np.searchsorted(energy, start - step / 2))
    if energy.size - first < 8:
        raise InvalidInput(
            f"start at {start:g} eV leaves {max(energy.size - first, 0)} channels of data up to {energy[-1]:g} eV: begin "
            "in front of the edge."
        )
    resolve(start=float(energy[first]))
    return _read(dataset, dataset[name], energy, first)


def as_measured(dataset: xr.Dataset) -> CoreLoss:
    """What was deconvolved, of a dataset that was: the channels as measured and their noise; no ``net``, which is gone."""
    energy = dataset[AXIS].values.astype(float)
    first = int(np.searchsorted(energy, float(dataset["net"].attrs["deconvolved_from"]) - 1e-6))
    return _read(dataset, dataset[signal_name(dataset)], energy, first)


def _fitted_here(dataset: xr.Dataset) -> bool:
    return "net" in dataset and "background_covariance" in dataset


def _read(dataset: xr.Dataset, values: xr.DataArray, energy: Array, first: int) -> CoreLoss:
    signal = signal_name(dataset)
    inputs: list[tuple[xr.DataArray, tuple[str, ...]]] = [(values, (AXIS,)), (dataset[signal], (AXIS,))]
    known = dataset.get(f"{signal}_sigma")
    if known is not None:
        inputs.append((known, (AXIS,)))
    curve = None
    if _fitted_here(dataset):
        curve = Curve.from_attrs(dataset["background"].attrs)
        inputs.append((dataset["background_parameter"], PARAMETERS))
        inputs.append((dataset["background_covariance"], COVARIANCE))
        inputs.append((dataset["background_dispersion"], ()))
    of_count = curve is not None and dataset["background_dispersion"].attrs.get("of") == "count"
    gain = known_gain(dataset, None) if known is None else None
    step = float(energy[-1] - energy[0]) / (energy.size - 1)
    return CoreLoss(energy, step, first, inputs, curve, known is not None, of_count, gain)
