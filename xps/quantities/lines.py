"""Lines of one or several regions as measured: area, uncertainty, and what makes their counts comparable."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import as_dataset, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.fitting.spec import from_tables
from spectra.verbs import history, note
from xps.background.subtraction import Method
from xps.background.tougaard import named_loss
from xps.counting import counting, counts_per_rate
from xps.quantities.areas import fitted_areas, integrated_area
from xps.quantities.sensitivity import Level, binding_energy, parse_level
from xps.reading.levels import core_level

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["How", "Line", "chosen_lines", "component_areas", "measure", "other_lines"]

AXIS = "binding_energy"
REACH = 30.0  # eV; chemical shifts and the charge of an insulator move a level by up to this
FloatArray = npt.NDArray[np.floating]
Background = Literal["shirley", "tougaard", "linear"]


@dataclass(frozen=True)
class How:
    """How areas are taken: options of the verb."""

    windows: Mapping[str, tuple[float, float]]
    background: Background | None
    n_end: int
    areas: Literal["fit", "net"] | None
    components: Mapping[str, tuple[str, ...]]

    def method(self) -> Method | None:
        """The background with its options; None where the one of the dataset counts."""
        if self.background is None:
            return None
        loss = named_loss("universal") if self.background == "tougaard" else None
        return Method(self.background, self.n_end, loss)


@dataclass(frozen=True)
class Line:
    """One line of one region, with everything that its counts depend on."""

    name: str
    area: xr.DataArray  # (series) counts eV, or counts/s eV
    sigma: xr.DataArray
    photon_energy: float | None
    pass_energy: float | None
    seconds: float | None  # counts over counts per second
    transmission: xr.DataArray | None  # (series) or a number
    region: int  # lines of the same number were measured in one sweep

    @property
    def level(self) -> Level:
        """The core level."""
        return parse_level(self.name)

    def to_spec(self) -> dict[str, Any]:
        """The numbers, as a results file keeps them to compute the analysis again."""
        given = None if self.transmission is None else np.asarray(self.transmission.values).tolist()
        return {
            "area": np.asarray(self.area.values).tolist(),
            "area_sigma": np.asarray(self.sigma.values).tolist(),
            "photon_energy": self.photon_energy,
            "pass_energy": self.pass_energy,
            "seconds": self.seconds,
            "transmission": given,
        }

    @classmethod
    def without_area(
        cls, dataset: xr.Dataset, name: str, photon_energy: float | None, window: tuple[float, float] | None
    ) -> Line:
        """How a line of ``dataset`` was counted; its area is not taken."""
        import xarray as xr

        axis = dataset[AXIS]
        given = dataset.get("transmission")
        if given is not None and AXIS in given.dims:
            low, high = sorted(window or (float(axis[0]), float(axis[-1])))
            given = given.where((axis >= low) & (axis <= high)).mean(AXIS)
        stated = dataset.attrs.get("photon_energy") if photon_energy is None else photon_energy
        unknown = xr.DataArray(np.nan)
        return cls(
            name,
            unknown,
            unknown,
            None if stated is None else float(stated),
            float(dataset.attrs["pass_energy"]) if "pass_energy" in dataset.attrs else None,
            _seconds(dataset),
            given,
            0,
        )

    @classmethod
    def from_spec(cls, name: str, table: Mapping[str, Any], like: xr.Dataset, region: int) -> Line:
        """A line from its numbers: one for all spectra, or one for each of ``like``."""
        allowed = ("area", "area_sigma", "photon_energy", "pass_energy", "seconds", "transmission")
        unknown = [key for key in table if key not in allowed]
        if unknown or "area" not in table:
            raise InvalidInput(
                f"the region {name!r} is a table without an area or with an unknown {unknown[0] if unknown else 'key'!r}; "
                f"allowed: {', '.join(allowed)}."
            )

        def each(key: str) -> xr.DataArray:
            return _per_spectrum(like, f"{key} of {name}", table.get(key, np.nan))

        return cls(
            name,
            each("area"),
            each("area_sigma"),
            table.get("photon_energy"),
            table.get("pass_energy"),
            table.get("seconds"),
            None if table.get("transmission") is None else each("transmission"),
            region,
        )


def _per_spectrum(like: xr.Dataset, what: str, value: Any) -> xr.DataArray:
    import xarray as xr

    values = np.asarray(value, float)
    dims = series_dims(like) if values.ndim else ()
    shape = tuple(like.sizes[d] for d in dims)
    if values.shape != shape:
        raise InvalidInput(
            f"{what} has shape {values.shape}, and the series {shape}: give one number, or one for each."
        )
    return xr.DataArray(values, dims=dims)


def chosen_lines(
    dataset: xr.Dataset, lines: Sequence[str] | None, how: How, elsewhere: Sequence[str]
) -> tuple[str, ...]:
    """Names of the lines that the dataset itself is measured for.

    Those given; else the level of its region; else, in a survey, those that have a window and are not ``elsewhere``.

    Raises
    ------
    InvalidInput
        Nothing says which.
    """
    if lines is None:
        region, _ = core_level(str(dataset.attrs.get("region", "")))
        level = region is not None and region != "survey"
        lines = (str(region),) if level else tuple(n for n in how.windows if n not in elsewhere)
    if not lines:
        raise InvalidInput(
            "nothing says which lines this spectrum is of: name them, lines = ('Mn 2p',), and for several of one "
            "spectrum also their windows."
        )
    return tuple(parse_level(name).name for name in lines)


def other_lines(regions: Any, like: xr.Dataset, how: How, photon_energy: float | None) -> list[Line]:
    """Lines of further regions: a dataset, a file or the numbers for each name.

    Raises
    ------
    InvalidInput
    """
    if regions is None:
        return []
    if not isinstance(regions, Mapping):
        raise InvalidInput(
            f"regions must name each region's line, as {{'O 1s': dataset}}, got {type(regions).__name__}."
        )
    found = []
    for number, (given, region) in enumerate(regions.get("content", regions).items(), 1):
        name = parse_level(given).name
        if isinstance(region, str | os.PathLike):
            from xps.reading import read

            region = read(region, select=name)
            for file in json.loads(region.attrs.get("inputs", "[]")):
                note(f"{name} read from {file['file']}, SHA-256 {file['sha256']}")
        if isinstance(region, Mapping) and not hasattr(region, "data_vars"):
            found.append(Line.from_spec(name, region, like, number))
            continue
        data = as_dataset(region, verb="xps.quantify")
        _check_series(name, data, like)
        found.append(measure(data, name, how, photon_energy, region=number, alone=True))
    return found


def _check_series(name: str, data: xr.Dataset, like: xr.Dataset) -> None:
    ours = {d: like.sizes[d] for d in series_dims(like)}
    for dim in series_dims(data):
        if ours.get(dim) != data.sizes[dim]:
            raise InvalidInput(
                f"the region {name!r} is a series of {data.sizes[dim]} along {dim!r}, and the dataset has {ours or 'none'}: "
                "give regions of the same series, or one spectrum for all."
            )


def measure(
    dataset: xr.Dataset,
    name: str,
    how: How,
    photon_energy: float | None,
    *,
    region: int = 0,
    alone: bool,
) -> Line:
    """Area of the line ``name`` in ``dataset``.

    Parameters
    ----------
    dataset : xarray.Dataset
    name : str
    how : How
    photon_energy : float, optional
        Instead of the dataset's.
    region : int
        Number of the region.
    alone : bool
        Whether it is the only line of the dataset: it then needs no window.
    """
    level = parse_level(name)
    name = level.name
    window = how.windows.get(name)
    fitted = "covariance" in dataset and how.areas != "net" and how.background is None
    if how.areas == "fit" and not fitted:
        raise InvalidInput(
            f"areas = 'fit', and the region of {name} holds no fit: call xps.deconvolve first."
        )
    if not alone and window is None and not (fitted and name in how.components):
        raise InvalidInput(
            f"several lines are taken from one spectrum, and {name} has no window: give windows = {{{name!r}: (low, high)}}."
        )
    _check_window(dataset, level, window)
    area = _of_fit(dataset, name, how, alone) if fitted else _of_net(dataset, name, how, window)
    line = Line.without_area(dataset, name, photon_energy, window)
    return replace(line, area=area["area"], sigma=area["sigma"], region=region)


def _seconds(dataset: xr.Dataset) -> float | None:
    try:
        return counts_per_rate(dataset, signal_name(dataset))
    except InvalidInput:
        return None


def _check_window(dataset: xr.Dataset, level: Level, window: tuple[float, float] | None) -> None:
    x = dataset[AXIS].values
    low, high = sorted(window or (float(x[0]), float(x[-1])))
    expected = binding_energy(level)
    if not low - REACH <= expected <= high + REACH:
        raise InvalidInput(
            f"{level.name} lies near {expected:.0f} eV, and its window runs from {low:.1f} to {high:.1f} eV: give the "
            "window of this line, or name the line that this region is of."
        )


def _of_net(
    dataset: xr.Dataset, name: str, how: How, window: tuple[float, float] | None
) -> dict[str, xr.DataArray]:
    """Integrated net counts."""
    method = how.method()
    counts = dataset[signal_name(dataset)]
    x = dataset[AXIS].values
    known = counting(dataset)
    note(known.said)
    if method is None and "net" not in dataset:
        raise InvalidInput(
            f"the area of {name} needs the variable 'net', which is not there: call xps.subtract_background first, or "
            "name a background."
        )
    own = Method.from_attrs(dataset["background"].attrs) if "background" in dataset else None
    if method is None and own is None:
        note(
            f"the background of {name} came from elsewhere and was taken as known: no uncertainty from its ends"
        )
    low, high = sorted(window or (float(x[0]), float(x[-1])))
    within = (x >= low) & (x <= high)
    if np.count_nonzero(within) < 3 * how.n_end:
        raise InvalidInput(
            f"the window of {name}, {low:.1f} to {high:.1f} eV, holds {np.count_nonzero(within)} points of this spectrum "
            f"and {3 * how.n_end} are needed: widen it, or lower n_end."
        )

    def kernel(y: FloatArray, net: FloatArray, *variance: FloatArray) -> dict[str, Any]:
        drawn = within if method is not None else np.isfinite(net).reshape(-1, x.size).any(0)
        used = np.flatnonzero(drawn)
        if not used.size:
            return {"area": np.full(y.shape[:-1], np.nan), "sigma": np.full(y.shape[:-1], np.nan)}
        part = slice(int(used[0]), int(used[-1]) + 1)
        chosen = method or own
        var = variance[0][..., part] if variance else None
        if chosen is None:
            return _plain_area(x[part], net[..., part], var, (low, high))
        area = integrated_area(
            x[part], y[..., part], background=chosen, variance=var, limits=None if method else (low, high)
        )
        return {"area": area.area, "sigma": area.sigma}

    arrays = [counts, dataset["net"] if method is None else counts]
    arrays += [] if known.variance is None else [known.variance]
    return map_spectra(kernel, [(a, (AXIS,)) for a in arrays], {"area": (), "sigma": ()})


def _plain_area(
    x: FloatArray, net: FloatArray, variance: FloatArray | None, limits: tuple[float, float]
) -> dict[str, Any]:
    """Area above a background that is known."""
    weight = np.gradient(x)
    weight[[0, -1]] /= 2
    weight = np.where((x >= limits[0]) & (x <= limits[1]), weight, 0.0)
    area = net @ weight
    sigma = np.full(area.shape, np.nan) if variance is None else np.sqrt(variance @ weight**2)
    return {"area": area, "sigma": sigma}


def _of_fit(dataset: xr.Dataset, name: str, how: How, alone: bool) -> dict[str, xr.DataArray]:
    """Summed area of the components of the line."""
    components = tuple(str(c) for c in dataset["component"].values)
    mine = how.components.get(name, components if alone else ())
    _check_sublevel(name, mine)
    areas, covariance = component_areas(dataset, (mine,), name)
    note(f"area of {name} from its fit: {', '.join(mine)}")
    first = {"group": 0, "group_2": 0}
    return {"area": areas.isel(group=0, drop=True), "sigma": covariance.isel(first, drop=True) ** 0.5}


def component_areas(
    dataset: xr.Dataset, groups: Sequence[Sequence[str]], what: str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Summed areas of groups of components of the fit in ``dataset``, (group), and their covariance.

    Raises
    ------
    InvalidInput
        A component that the fit does not have, or a fit without a model.
    """
    components = [str(c) for c in dataset["component"].values]
    for group in groups:
        unknown = [c for c in group if c not in components]
        if unknown or not group:
            raise InvalidInput(
                f"components of {what}: {unknown[0] if unknown else 'none'!r} is not among those of its fit, "
                f"{', '.join(components)}."
            )
    entry = next((e for e in reversed(history(dataset)) if "params" in e.get("resolved", {})), None)
    if entry is None:
        raise InvalidInput(
            f"the fit of {what} has no model in its history: take areas = 'net', or fit it anew."
        )
    model = from_tables(entry["resolved"]["model"], entry["resolved"]["params"])
    prefixes = [tuple(model.components[components.index(c)].prefix for c in group) for group in groups]
    parameters = [str(p) for p in dataset["parameter"].values]
    free = tuple(str(p) for p in dataset["varied"].values)

    def kernel(values: FloatArray, covariance: FloatArray) -> dict[str, Any]:
        by_name = {p: values[..., i] for i, p in enumerate(parameters) if p in model.settings}
        area, spread = fitted_areas(model, prefixes, by_name, free, covariance)
        return {"area": area, "spread": spread}

    found = map_spectra(
        kernel,
        [(dataset["best_value"], ("parameter",)), (dataset["covariance"], ("varied", "varied_2"))],
        {"area": ("group",), "spread": ("group", "group_2")},
        sizes={"group": len(groups), "group_2": len(groups)},
    )
    return found["area"], found["spread"]


def _check_sublevel(name: str, components: Sequence[str]) -> None:
    """One line of a doublet must not count with the factor of both, nor the other way round."""
    level = parse_level(name)
    if level.shell[1] == "s":
        return
    halves = {h for c in components for h in ("1/2", "3/2", "5/2", "7/2") if f"{level.shell}{h}" in c}
    if level.j is not None and halves - {level.j}:
        raise InvalidInput(
            f"the fit of {name} holds components of {level.shell}{min(halves - {level.j})}: name the line "
            f"{level.element} {level.shell}, or the components that belong to {name}."
        )
    if level.j is None and len(halves) == 1:
        raise InvalidInput(
            f"the fit of {name} holds {level.shell}{min(halves)} only: name the line {level.element} "
            f"{level.shell}{min(halves)}, so that its own factor is taken."
        )
