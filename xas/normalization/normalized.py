"""Normalised absorption near the edge, with what its uncertainties are computed from: what the XANES verbs start with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, series_value
from xas.normalization.e0 import series_e0
from xas.normalization.edge_step import other_choices
from xas.normalization.further_edges import following_energy
from xas.normalization.range_choice import Choices, RangeFamily
from xas.normalization.ranges import Ranges, choose_ranges
from xas.normalization.shared_errors import shared_errors
from xas.points.noise import estimate_noise

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
Kernel = Callable[[Array, Array], dict[str, Array]]
Prepare = Callable[[Array], Kernel]

#: Spectra at a time: what is computed from them stays near the processor. And points a spectrum needs near the edge.
BLOCK, LEAST = 128, 8
#: Points within so many eV share one error of pre-edge line and edge step.
ONE_ERROR = 3.0


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
    family: Choices | None  # other choices of ranges; None where it is not known how it was normalised
    noise_from: str  # "noise", "sigma" or "signal": what the second input is
    normalized: bool  # whether edge step and norm_sigma are among the inputs
    with_next: Array | None = None  # (m,) correlation of the noise of a point with that of the next one

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
        return self.family.text if self.family is not None else "not known for this normalisation"

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
        mu = np.broadcast_to(arrays[1], (*lead, self.whole.size)).reshape(-1, self.whole.size)
        by_point = sensitivity.reshape(-1, sensitivity.shape[-1])
        result = np.empty(len(mu))
        for start in range(0, len(mu), BLOCK):
            rows = slice(start, start + BLOCK)
            result[rows] = self._shifts(mu[rows], np.nan_to_num(by_point[rows]), self.part)
        return result.reshape(lead)

    def _shifts(self, mu: Array, sensitivity: Array, part: slice) -> Array:
        if self.family is None:
            return np.full(len(mu), np.nan)
        result = self.family.shift_systematic(np.asarray(mu, float), sensitivity, part)
        # points are rarely missing, and then few: straight lines across them do for an estimate of this kind
        for row in np.flatnonzero(np.isnan(result)):
            known = np.isfinite(mu[row])
            if known.any() and not known.all():
                whole = np.interp(self.whole, self.whole[known], mu[row, known])
                result[row] = self.family.shift_systematic(whole[None], sensitivity[[row]], part)[0]
        return result

    def measure(
        self, arrays: tuple[Array, ...], prepare: Prepare, names: tuple[str, ...]
    ) -> dict[str, Array]:
        """Numbers of each spectrum, with sigma and systematic.

        Parameters
        ----------
        arrays : tuple of arrays
            As ``inputs`` are handed to a kernel.
        prepare : callable
            Takes the energies that are there and returns the kernel for them: from spectra (rows, m) and the noise of
            their points, (rows,) or (rows, m), to each number (rows,) and ``by_<number>`` (rows, m), its derivative by
            each point.
        names : tuple of str
            The numbers.

        Returns
        -------
        dict of arrays
            ``<name>``, ``<name>_sigma``, ``<name>_systematic`` (...).
        """
        lead, m = arrays[0].shape[:-1], self.energy.size
        count = int(np.prod(lead))
        cores = [
            () if a.ndim == 0 or dims == () else (a.shape[-1],)
            for a, (_, dims) in zip(arrays, self.inputs, strict=True)
        ]
        rows = [
            np.broadcast_to(a, (*lead, *c)).reshape(count, *c) for a, c in zip(arrays, cores, strict=True)
        ]
        out = {f"{n}{end}": np.full(count, np.nan) for n in names for end in ("", "_sigma", "_systematic")}
        kernel = prepare(self.energy)
        for start in range(0, count, BLOCK):
            block = slice(start, start + BLOCK)
            part = tuple(r[block] for r in rows)
            finite = np.isfinite(part[0])
            if finite.all():
                made = self._measured(part, kernel, names, np.arange(m))
                for name, values in made.items():
                    out[name][block] = values
                continue
            for row in range(len(finite)):
                kept = np.flatnonzero(finite[row])
                if kept.size < LEAST:
                    continue
                one = tuple(r[row : row + 1] for r in part)
                made = self._measured(one, prepare(self.energy[kept]), names, kept)
                for name, values in made.items():
                    out[name][start + row] = values[0]
        return {name: values.reshape(lead) for name, values in out.items()}

    def _measured(
        self, rows: tuple[Array, ...], kernel: Kernel, names: tuple[str, ...], kept: npt.NDArray[np.intp]
    ) -> dict[str, Array]:
        """Numbers of a block of spectra that all have the points ``kept``, with sigma and systematic."""
        y, mu, noise, *parts = rows
        whole = kept.size == y.shape[1]
        y = np.asarray(y if whole else y[:, kept], float)
        if self.noise_from == "signal":
            noise = estimate_noise(self.whole, mu)
        own = noise if noise.ndim == 1 or whole else noise[:, kept]
        with np.errstate(divide="ignore", invalid="ignore"):
            own = own / (parts[0] if own.ndim == 1 else parts[0][:, None]) if parts else own
        made = kernel(y, own)
        out = {}
        for name in names:
            by_point = made[f"by_{name}"]
            used = np.flatnonzero(by_point.any(0))
            near = slice(used[0], used[-1] + 1) if used.size else slice(0, 1)
            spread = own[:, None] if own.ndim == 1 else own
            errors = by_point * spread
            variance = (errors[:, near] ** 2).sum(1)
            if self.with_next is not None:
                both = np.where(np.diff(kept) == 1, self.with_next[kept[:-1]], 0.0)
                variance += 2 * (errors[:, :-1] * errors[:, 1:]) @ both
            if parts:
                total = parts[1] if whole else parts[1][:, kept]
                variance += _shared_variance(self.energy[kept], y, total, spread, by_point, near)
            by_point = by_point[:, near]
            first, last = kept[near][[0, -1]]
            if whole:
                in_scan = by_point
            else:
                in_scan = np.zeros((len(y), last - first + 1))
                in_scan[:, kept[near] - first] = by_point
            there = slice(self.part.start + int(first), self.part.start + int(last) + 1)
            known = np.isfinite(made[name])
            out[name] = made[name]
            out[f"{name}_sigma"] = np.where(known, np.sqrt(variance), np.nan)
            out[f"{name}_systematic"] = np.where(known, self._shifts(mu, in_scan, there), np.nan)
        return out


def _shared_variance(x: Array, y: Array, total: Array, own: Array, by_point: Array, near: slice) -> Array:
    """Variance (rows,) that pre-edge line and edge step leave in a number with these derivatives by each point."""
    spread = own if own.shape[1] == 1 else own[:, near]
    with np.errstate(invalid="ignore"):
        shared = np.sqrt(np.clip(total[:, near] ** 2 - spread**2, 0, None))
    variance = np.asarray((by_point[:, near] * shared).sum(1) ** 2)
    used = by_point != 0
    first, last = used.argmax(1), x.size - 1 - used[:, ::-1].argmax(1)
    wide = x[last] - x[first] > ONE_ERROR
    if wide.any():
        i = np.arange(x.size)
        there = (i >= first[wide, None]) & (i <= last[wide, None])
        errors = shared_errors(x, y[wide], total[wide], own[wide], there.astype(float))
        variance[wide] = ((by_point[wide, None] * errors).sum(-1) ** 2).sum(-1)
    return variance


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
    first, middle, last = series_value(
        "e0", lambda: (float(origins.min()), float(np.median(origins)), float(origins.max()))
    )
    low, high = first + before, last + after
    resolve(searched=(low, high))
    return normalized_between(dataset, verb, low, high, middle, least)


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
    with_next = dataset["noise_correlation"].values[part] if "noise_correlation" in dataset else None
    return Normalized(inputs, energy, part, record, family, noise_from, "flat" in dataset, with_next)


def _family(dataset: xr.Dataset, energy: Array, origin: float, record: dict[str, Any]) -> Choices | None:
    """Other choices of ranges: of those that were used, or of the default ones for data that came normalised."""
    if record["method"] == "as given":
        above = following_energy(dataset, origin)
        try:
            return RangeFamily(energy, origin, choose_ranges(energy, origin, next_edge=above))
        except InvalidInput:
            return None
    method = record["method"]
    if method == "mback" and "f2" in dataset:
        from xas.normalization.tabulated_f2 import other_matches

        ranges = Ranges(tuple(record["pre"]), tuple(record["post"]), record.get("pre_order", 1), 2)
        return other_matches(energy, dataset["f2"].values, record["e0"], ranges, record["order"])
    if method not in {"edge_step", "area", "minmax"}:
        return None
    ranges = Ranges(tuple(record["pre"]), tuple(record["post"]), record["pre_order"], record["order"])
    return other_choices(
        energy,
        record["e0"],
        ranges,
        victoreen=record["victoreen"],
        method=method,
        edge_step=record.get("edge_step"),
    )


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
