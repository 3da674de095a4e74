"""Normalised absorption near the edge, with what its uncertainties are computed from: what the XANES verbs start with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve
from xas.e0 import series_e0
from xas.noise import estimate_noise
from xas.range_choice import FAMILY, RangeFamily
from xas.ranges import Ranges, choose_ranges
from xas.tables import next_edge

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Normalized",
    "known_origins",
    "normalization_record",
    "normalized_between",
    "normalized_near_edge",
    "require_normalized",
]

Array = npt.NDArray[np.float64]


def normalization_record(dataset: xr.Dataset) -> dict[str, Any]:
    """How ``flat`` of a dataset was made: method, ranges, degrees; ``{"method": "as given"}`` for data that came so."""
    if "flat" in dataset:
        text = dataset["flat"].attrs.get("normalization")
        return dict(json.loads(text)) if text else {"method": "unknown"}
    return {"method": "as given"}


@dataclass(frozen=True)
class Normalized:
    """Arrays that a kernel is given, and how to make of them the spectrum near the edge and its noise."""

    inputs: list[
        Any
    ]  # for map_spectra: flat near the edge, then what the noise comes from, then the whole signal
    whole: Array  # (n,) energy of the whole scan
    part: slice  # the points near the edge
    record: dict[str, Any]  # how it was normalised
    family: RangeFamily | None  # other choices of ranges; None for normalisations that have none
    noise_from: str  # "noise", "sigma" or "signal": what the second input is
    normalized: bool  # whether edge step and norm_sigma are among the inputs

    @property
    def energy(self) -> Array:
        """(m,) energy near the edge."""
        return self.whole[self.part]

    @property
    def record_text(self) -> str:
        """The record as text, for an attribute."""
        return json.dumps(self.record)

    @property
    def family_text(self) -> str:
        """What the systematic holds."""
        return FAMILY if self.family is not None else "not known for this normalisation"

    def uncertainties(
        self, y: Array, signal: Array, noise: Array, *parts: Array
    ) -> tuple[Array, Array, Array]:
        """Spectrum (..., m); the part of its sigma that is each point's own, (...) or (..., m); and the part that a point
        shares with all others through pre-edge line and edge step (..., m).
        """
        lead = y.shape[:-1]
        if self.noise_from == "signal":
            noise = estimate_noise(self.whole, np.broadcast_to(signal, (*lead, signal.shape[-1])))
        elif self.noise_from == "noise":
            noise = np.broadcast_to(noise, lead)
        if not self.normalized:
            own = np.broadcast_to(noise, lead if self.noise_from != "sigma" else y.shape)
            return y, own.astype(float), np.zeros(y.shape)
        step, total = (np.broadcast_to(p, shape) for p, shape in zip(parts, (lead, y.shape), strict=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.noise_from == "sigma":
                own = np.broadcast_to(noise, y.shape) / step[..., None]
                return y, own, np.sqrt(np.clip(total**2 - own**2, 0, None))
            own = noise / step
            return y, own, np.sqrt(np.clip(total**2 - own[..., None] ** 2, 0, None))

    def shift_systematic(self, arrays: tuple[Array, ...], sensitivity: Array) -> Array:
        """Root mean square shift (...) of a result with this sensitivity (..., m) under other choices of ranges."""
        lead = sensitivity.shape[:-1]
        if self.family is None:
            return np.full(lead, np.nan)
        n = self.whole.size
        mu = np.ascontiguousarray(np.broadcast_to(arrays[1], (*lead, n)), dtype=float).reshape(-1, n)
        by_point = np.nan_to_num(sensitivity).reshape(-1, sensitivity.shape[-1])
        finite = np.isfinite(mu)
        result = np.empty(len(mu))
        mu = mu if finite.all() else mu.copy()
        # points are rarely missing, and then few: straight lines across them do for an estimate of this kind
        for row in np.flatnonzero(~finite.all(1)):
            known = finite[row]
            if known.any():
                mu[row] = np.interp(self.whole, self.whole[known], mu[row, known])
        block = max(1, 200_000 // n)
        for start in range(0, len(mu), block):
            rows = slice(start, start + block)
            result[rows] = self.family.shift_systematic(mu[rows], by_point[rows], self.part)
        return result.reshape(lead)


def normalized_near_edge(
    dataset: xr.Dataset, verb: str, before: float, after: float, least: int = 8
) -> Normalized:
    """Flattened absorption between ``before`` and ``after`` in eV from E0.

    Raises
    ------
    InvalidInput
        If the data are not normalised, or too few points lie there.
    """
    require_normalized(dataset, verb)
    origins = known_origins(dataset, verb)
    low, high = float(origins.min()) + before, float(origins.max()) + after
    resolve(searched=(low, high))
    return normalized_between(dataset, verb, low, high, float(np.median(origins)), least)


def require_normalized(dataset: xr.Dataset, verb: str) -> None:
    """Refuse data without ``flat`` that did not come normalised."""
    if "flat" not in dataset and dataset.attrs.get("normalized") != "yes":
        raise InvalidInput(
            f"{verb} needs the variable 'flat', which xas.normalize adds: call it first, or set "
            "dataset.attrs['normalized'] = 'yes' if the data came normalised."
        )


def normalized_between(
    dataset: xr.Dataset, verb: str, low: float, high: float, e0: float, least: int
) -> Normalized:
    """Flattened absorption between two energies in eV."""
    signal = dataset[signal_name(dataset)]
    sigma = dataset.get(f"{signal.name}_sigma")
    energy = dataset["energy"].values.astype(float)
    part = slice(*map(int, np.searchsorted(energy, [low, high])))
    if part.stop - part.start < least:
        raise InvalidInput(
            f"{verb} finds {part.stop - part.start} points between {low:g} and {high:g} eV, where the edge is "
            f"looked for; at least {least} are needed. Check e0, the element and the energy axis."
        )
    near = {"energy": part}
    flat = dataset["flat"] if "flat" in dataset else signal
    noise: tuple[xr.DataArray, tuple[str, ...]]
    if sigma is not None:
        noise_from, noise = "sigma", (sigma.isel(near), ("near",))
    elif "flat" in dataset and "noise" in dataset:
        noise_from, noise = "noise", (dataset["noise"], ())
    else:  # estimated from the signal, which is among the inputs anyway
        noise_from, noise = "signal", (signal.isel(energy=0, drop=True), ())
    inputs: list[Any] = [(flat.isel(near), ("near",)), (signal, ("energy",)), noise]
    if "flat" in dataset:
        inputs += [(dataset["edge_step"], ()), (dataset["norm_sigma"].isel(near), ("near",))]
    inputs = [(array.rename(energy="near") if "near" in dims else array, dims) for array, dims in inputs]
    record = normalization_record(dataset)
    family = _family(dataset, energy, e0, record)
    return Normalized(inputs, energy, part, record, family, noise_from, "flat" in dataset)


def _family(dataset: xr.Dataset, energy: Array, origin: float, record: dict[str, Any]) -> RangeFamily | None:
    """Other choices of ranges: of those that were used, or of the default ones for data that came normalised."""
    if record["method"] == "as given":
        above = next_edge(dataset.attrs.get("element"), dataset.attrs.get("edge"))
        try:
            return RangeFamily(energy, origin, choose_ranges(energy, origin, next_edge=above))
        except InvalidInput:
            return None
    if record["method"] != "edge_step":
        return None
    ranges = Ranges(tuple(record["pre"]), tuple(record["post"]), record["pre_order"], record["order"])
    return RangeFamily(energy, record["e0"], ranges, record["victoreen"])


def known_origins(dataset: xr.Dataset, verb: str) -> Array:
    """Finite E0 of the spectra (any number of them); looked for where no verb has added it."""
    if "e0" in dataset:
        origins = np.ravel(dataset["e0"].values)
        origins = origins[np.isfinite(origins)]
    else:
        found, near, why = series_e0(dataset)
        note(f"the edge was looked for {why}")
        origins = np.array([near if found is None else found])
    if not origins.size:
        raise InvalidInput(f"{verb}: no spectrum has an E0; look at the flags that xas.normalize set.")
    return origins
