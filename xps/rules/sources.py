"""Where the evidence of an audit comes from: a fit made here, one stored by another program, or printed numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, signal_name
from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.spec import Model, from_tables
from spectra.verbs import history
from xps.alike import different_pass_energies
from xps.counting import counting
from xps.links import identifier
from xps.rules.evidence import Component, Evidence, Origin, Setting, named
from xps.rules.foreign import foreign_background, foreign_components, region_rsf
from xps.rules.refit import Refit, owner

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["evidence", "printed"]

FloatArray = npt.NDArray[np.float64]
AXIS = "binding_energy"
FIT: Origin = "fit"
PRINTED = ("level", "line", "label", "position", "fwhm", "area", "shape")


def evidence(
    dataset: xr.Dataset,
    declared: Mapping[str, Any] | None = None,
    regions: Mapping[str, xr.Dataset] | None = None,
) -> Evidence:
    """What is known of the fit in ``dataset``; of the one stored by another program where none was made here."""
    own = _drawn_from_file(dataset, _fitted(dataset))
    components, origin = (own, FIT) if own else foreign_components(dataset)
    flat = _Flat(dataset)
    background = dict(dataset["background"].attrs) if "background" in dataset else foreign_background(dataset)
    return Evidence(
        origin,
        components,
        attrs=dict(dataset.attrs),
        x=np.asarray(dataset[AXIS].values, float),
        counts=flat.curve(signal_name(dataset)),
        net=flat.curve("net"),
        sigma=_sigma(dataset, flat),
        residual=flat.curve("residual") if own else None,
        background_sigma=flat.curve("background_sigma"),
        background=background,
        window=_window(dataset),
        flags=_flags(dataset),
        redchi=flat.number("redchi") if "fit_sigma" in dataset else None,
        refit=_refit(dataset, flat) if own else None,
        correlation=_correlation(dataset, flat),
        shift=flat.number("charge_shift"),
        shift_sigma=flat.number("charge_shift_sigma"),
        calibration=_calibration(dataset),
        fractions=tuple(map(str, dataset["state"].values)) if "state" in dataset.coords else (),
        mean_valence=flat.number("mean_valence"),
        splitting_3s=flat.number("multiplet_splitting"),
        verbs=tuple(str(step["verb"]) for step in history(dataset)),
        pass_energies=different_pass_energies(dataset),
        etched=_etched(dataset),
        region_rsf=region_rsf(dataset),
        quantified=dict(dataset["atomic_fraction"].attrs) if "atomic_fraction" in dataset else None,
        declared={k: v for k, v in (declared or {}).items() if v is not None},
        regions={name: evidence(other, declared) for name, other in (regions or {}).items()},
    )


def printed(
    lines: Sequence[Mapping[str, Any]],
    declared: Mapping[str, Any] | None = None,
    *,
    etched: float | None = None,
) -> Evidence:
    """Evidence of assignments as a publication prints them.

    Parameters
    ----------
    lines : sequence of tables
        Each with ``level`` (``"Mn 2p"``), ``position`` (eV) and what else is printed: ``line`` (``"3/2"``), ``label``
        (``"Mn3+"``), ``fwhm``, ``area``, ``shape``.
    """
    components = []
    for number, line in enumerate(lines):
        for key in line:
            if key not in PRINTED:
                raise InvalidInput(f"line {number} has no {key!r}; {did_you_mean(key, PRINTED)}.")
        for key in ("level", "position"):
            if key not in line:
                raise InvalidInput(
                    f"line {number} needs {key!r}: a level such as 'Mn 2p' and its position in eV."
                )
        if not re.fullmatch(r"[A-Z][a-z]? [1-7][spdf]", str(line["level"])):
            raise InvalidInput(f"line {number} has the level {line['level']!r}: write it as 'Mn 2p'.")
        j = re.search(r"[1357]/2", str(line.get("line", "")))
        values: dict[str, Any] = {
            key: np.array([float(line[key])])
            for key in ("position", "fwhm", "area")
            if line.get(key) is not None
        }
        label = str(line.get("label", ""))
        name = " ".join(filter(None, [f"{line['level']}{j.group(0) if j else ''}", label]))
        components.append(
            Component(
                name,
                str(line["level"]),
                j.group(0) if j else None,
                label,
                str(line.get("shape", "")),
                **values,
            )
        )
    time = None if etched is None else np.array([etched])
    return Evidence("printed", tuple(components), declared=dict(declared or {}), etched=time)


class _Flat:
    """Variables of a dataset with the dimensions of the series flattened into one."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self.dataset = dataset
        self.dims = tuple(str(d) for d in dataset[signal_name(dataset)].dims if d != AXIS)
        # a spectrum that failed holds NaN and is flagged: nothing is left to judge
        there = ~failed(dataset)
        for name in {signal_name(dataset), "best_fit"} & set(dataset.data_vars):
            there = there & dataset[name].notnull().any(AXIS)
        self.good = np.asarray(there.transpose(*self.dims).values, bool).ravel()

    def array(self, variable: xr.DataArray, own: tuple[str, ...]) -> FloatArray:
        shape = tuple(self.dataset.sizes[d] for d in self.dims)
        spread = variable.broadcast_like(self.dataset[signal_name(self.dataset)].isel({AXIS: 0}, drop=True))
        values = np.asarray(spread.transpose(*self.dims, *own).values, float)
        return np.asarray(
            values.reshape(int(np.prod(shape)), *values.shape[len(shape) :])[self.good], np.float64
        )

    def curve(self, name: str) -> FloatArray | None:
        return self.array(self.dataset[name], (AXIS,)) if name in self.dataset else None

    def number(self, name: str) -> FloatArray | None:
        if name not in self.dataset or set(self.dataset[name].dims) - set(self.dims):
            return None
        return self.array(self.dataset[name], ())


def _fitted(dataset: xr.Dataset) -> tuple[Component, ...]:
    """Components of the fit that the dataset holds."""
    flat = _Flat(dataset)
    if "component" not in dataset.coords or "component_curve" not in dataset or not flat.good.any():
        return ()
    settings, shapes = _settings(dataset)
    lines = _lines(dataset, flat)
    names = [str(dataset["component"].values[i]) for i in lines]
    prefixes = [identifier(name) for name in names]
    parameters = [str(p) for p in dataset["parameter"].values] if "parameter" in dataset.coords else []
    values = flat.array(dataset["best_value"], ("parameter",)) if parameters else None
    errors = (
        flat.array(dataset["best_value_sigma"], ("parameter",)) if "best_value_sigma" in dataset else None
    )
    curves = flat.array(dataset["component_curve"], ("component", AXIS))[:, lines]
    columns = {
        key: flat.array(dataset[key], ("component",))[:, lines]
        for key in ("position", "maximum", "fwhm", "area", "height", "area_sigma")
        if key in dataset
    }
    result = []

    for i, (name, prefix) in enumerate(zip(names, prefixes, strict=True)):
        mine = [k for k, p in enumerate(parameters) if owner(p, prefixes) == prefix]
        of: dict[str, Any] = {key: column[:, i] for key, column in columns.items()}
        position = of.pop("maximum", None)
        level, j, label = named(name, dataset.attrs.get("region"), dataset.attrs.get("element"))
        result.append(
            Component(
                name,
                level,
                j,
                label,
                shapes.get(prefix, ""),
                position=of.pop("position") if position is None else position,
                numbers={parameters[k].removeprefix(prefix): values[:, k] for k in mine}
                if values is not None
                else {},
                settings={
                    p.removeprefix(prefix): _setting(settings[p], prefixes, prefix)
                    for p in settings
                    if owner(p, prefixes) == prefix
                },
                sigmas={parameters[k].removeprefix(prefix): errors[:, k] for k in mine}
                if errors is not None
                else {},
                curve=curves[:, i],
                **{k: v for k, v in of.items() if k != "position"},
            )
        )
    return tuple(result)


def _lines(dataset: xr.Dataset, flat: _Flat) -> list[int]:
    """Places of the components that are lines: a polynomial below them has no maximum."""
    if "maximum" not in dataset:
        return list(range(dataset.sizes["component"]))
    seen = np.isfinite(flat.array(dataset["maximum"], ("component",))).any(axis=0)
    return [int(i) for i in np.flatnonzero(seen)]


def _drawn_from_file(dataset: xr.Dataset, own: tuple[Component, ...]) -> tuple[Component, ...]:
    """Components taken from a CasaXPS fit as they were: with the shapes, limits and factors that stand there."""
    taken = any(step.get("options", {}).get("components") == "casaxps" for step in history(dataset))
    stored, _ = foreign_components(dataset)
    if not taken or len(stored) != len(own):
        return own
    return tuple(
        replace(mine, rsf=file.rsf)
        if mine.settings
        else replace(mine, rsf=file.rsf, shape=file.shape, settings=file.settings, numbers=file.numbers)
        for mine, file in zip(own, stored, strict=True)
    )


def _settings(dataset: xr.Dataset) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Settings of the parameters and shapes by prefix, from the step that made the fit."""
    resolved = _resolved(dataset)
    shapes = {c.get("prefix", ""): str(c.get("shape", "")) for c in resolved.get("model", ())}
    return dict(resolved.get("params", {})), shapes


def _resolved(dataset: xr.Dataset) -> Mapping[str, Any]:
    """What the step that made the fit came to; empty where nothing was fitted."""
    made = (step.get("resolved", {}) for step in reversed(history(dataset)))
    return next((r for r in made if "params" in r and "model" in r), {})


def _refit(dataset: xr.Dataset, flat: _Flat) -> Refit | None:
    """The fit, to be made again; None where nothing was fitted or not all of it is known."""
    resolved = _resolved(dataset)
    variable = str(resolved.get("variable") or signal_name(dataset))
    if not resolved or variable not in dataset or "best_value" not in dataset:
        return None
    x = np.asarray(dataset[AXIS].values, float)
    low, high = resolved.get("window") or (x[0], x[-1])
    y = flat.curve(variable)
    assert y is not None
    model = from_tables(resolved["model"], resolved["params"])
    common = dataset["shared"].values if "shared" in dataset.coords else ()
    # what a joint fit shares is known from all spectra: kept where it ended, whichever value it started from
    kept = {str(n): replace(model.settings[str(n)], value=np.nan, vary=False) for n in common}
    return Refit(
        Model(model.components, model.settings | kept),
        tuple(identifier(str(dataset["component"].values[i])) for i in _lines(dataset, flat)),
        x,
        np.where((x >= low) & (x <= high), y, np.nan),
        _sigma(dataset, flat),
        tuple(str(p) for p in dataset["parameter"].values),
        flat.array(dataset["best_value"], ("parameter",)),
    )


def _setting(entry: Mapping[str, Any], prefixes: Sequence[str], own: str) -> Setting:
    low, high = (
        float(v if entry.get(k) is None else entry[k]) for k, v in (("min", -np.inf), ("max", np.inf))
    )
    expr = entry.get("expr")
    if not expr:
        return Setting(low, high, bool(entry.get("vary", True)))
    words = re.findall(r"[a-z]\w*", str(expr))
    others = [o for word in words if (o := owner(word, prefixes)) is not None and o != own]
    return Setting(low, high, False, prefixes.index(others[0]) if others else None)


def _sigma(dataset: xr.Dataset, flat: _Flat) -> FloatArray | None:
    """Uncertainty of each point: what the fit was weighted by, else that of the counts."""
    if "fit_sigma" in dataset:
        return flat.curve("fit_sigma")
    variance = counting(dataset).variance
    return None if variance is None else np.sqrt(flat.array(variance, (AXIS,)))


def _correlation(dataset: xr.Dataset, flat: _Flat) -> tuple[tuple[str, ...], FloatArray] | None:
    if "covariance" not in dataset or "varied" not in dataset.coords:
        return None
    covariance = flat.array(dataset["covariance"], ("varied", "varied_2"))
    sigma = np.sqrt(np.einsum("sii->si", covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = covariance / (sigma[:, :, None] * sigma[:, None, :])
    return tuple(str(v) for v in dataset["varied"].values), correlation


def _window(dataset: xr.Dataset) -> tuple[float, float] | None:
    """Where there is a background."""
    x = dataset[AXIS].values
    if "net" in dataset:
        axes = [d for d in dataset["net"].dims if d != AXIS]
        there = np.flatnonzero(np.asarray(dataset["net"].notnull().any(axes).values))
        return (float(x[there[0]]), float(x[there[-1]])) if there.size else None
    regions = json.loads(dataset.attrs.get("casaxps", "{}")).get("regions", [])
    if regions and None not in regions[0]["binding_energy"]:
        low, high = sorted(regions[0]["binding_energy"])
        return float(low), float(high)
    stored = json.loads(dataset.attrs.get("khervefitting", "{}")).get("background", {})
    if isinstance(stored.get("Bkg Low"), int | float) and isinstance(stored.get("Bkg High"), int | float):
        return float(stored["Bkg Low"]), float(stored["Bkg High"])
    return None


def _flags(dataset: xr.Dataset) -> dict[str, npt.NDArray[np.bool_]]:
    if "status" not in dataset:
        return {}
    status = np.asarray(dataset["status"].values).ravel()
    names = str(dataset["status"].attrs.get("flag_meanings", "")).split()
    return {name: (status & (1 << i)) != 0 for i, name in enumerate(names)}


def _calibration(dataset: xr.Dataset) -> dict[str, Any] | None:
    """How the scale was calibrated, here or by the program that wrote the file."""
    if "charge_shift" in dataset:
        return dict(dataset["charge_shift"].attrs)
    stored = json.loads(dataset.attrs.get("casaxps", "{}")).get("calibrations", [])
    return {"measured_by": "CasaXPS", "shift": sum(float(c["shift"]) for c in stored)} if stored else None


def _etched(dataset: xr.Dataset) -> FloatArray | None:
    """Etching time of each spectrum, from a coordinate or an attribute that speaks of etching or sputtering."""
    tells = re.compile(r"(etch|sputter)\w*(time|min|s)?", re.IGNORECASE)
    for name, coordinate in dataset.coords.items():
        if tells.match(str(name)) and coordinate.dtype.kind in "fiu":
            return _Flat(dataset).array(coordinate, ())
    for name, value in dataset.attrs.items():
        if tells.match(str(name)) and isinstance(value, int | float):
            return np.full(1, float(value))
    return None
