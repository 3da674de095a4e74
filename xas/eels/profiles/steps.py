"""From the surface into the bulk: is there a step in what was measured along a line, where, how wide, how high."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note, resolve, verb
from xas.eels.background.subtraction import AXES
from xas.eels.profiles.evidence import LEAST, MODELS
from xas.eels.profiles.rows import (
    ALONE,
    LEVELS,
    MASKS,
    PLACES,
    VERDICTS,
    WORDS,
    Asked,
    all_rows,
    outputs,
    pairs,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["surface_profile"]

Array = npt.NDArray[Any]


@verb("xas.eels.surface_profile", axis=AXES, together=True)
def surface_profile(
    dataset: xr.Dataset,
    *,
    quantities: tuple[str, ...] = ("l3_l2_ratio", "atomic_ratio"),
    dim: str = "distance",
    surface: Literal["low", "high"] = "low",
    region: tuple[float, float] | None = None,
    shared: bool = True,
    shape: Literal["error_function", "logistic"] = "error_function",
    scatter: Literal["stated", "free"] | None = None,
    confidence: float = 0.95,
) -> xr.Dataset:
    r"""Compare a step, a straight gradient and a level along a line, and place the step between surface and core.

    .. math:: q(x) = q_s + (q_c - q_s)\, \Phi\!\left(\frac{x - p}{w / 2.563}\right)

    with the levels :math:`q_s` of the surface and :math:`q_c` of the core, the position p and the width w from 10 to
    90 % of the rise. Levels are integrated out; the posterior of position and width is computed on a grid.

    Parameters
    ----------
    dataset : xarray.Dataset
        With numbers along ``dim``; further series dimensions are lines of their own.
    quantities : tuple of str
        Variables along ``dim``, each best with its ``_sigma``: ``l3_l2_ratio``, ``branching_ratio``, ``valence``,
        ``atomic_ratio`` or any other. Points that are NaN are left out.
    dim : str
        The dimension along the line; without a coordinate spectra are counted.
    surface : {"low", "high"}
        The end of the line that is the surface: where ``dim`` is low, or high.
    region : (float, float), optional
        Part of the line, in units of ``dim``. Default: all of it.
    shared : bool
        Judge also one step that all quantities have in common: the same position and width, levels of their own.
    shape : {"error_function", "logistic"}
        Course of the step.
    scatter : {"stated", "free"}, optional
        Points scatter by their sigma; or by it up to a common factor that is not known. Default: ``stated`` for
        quantities that have sigmas.
    confidence : float
        Probability that an answer needs to become the verdict, above 0.5.

    Returns
    -------
    xarray.Dataset
        Per line and ``quantity``: ``profile_verdict`` (step, gradient, level or undecided) and ``profile_probability``
        (``profile_model``); ``step_position`` ± sigma with the central 95 % from ``step_position_low`` to ``_high``;
        ``step_width`` ± sigma, NaN where a sharp step does as well (``sharp_probability``), and its limit
        ``step_width_upper``; ``surface_level``, ``core_level`` and their ``level_ratio`` ± sigma; ``change_point`` ±
        sigma, low and high, which assumes no shape; ``profile_gradient`` ± sigma; ``profile_curve`` ± sigma along
        ``dim``. Numbers of a step are NaN where the verdict is gradient or level, and hold *if* there is a step where it
        is undecided. With ``shared`` the same as ``shared_…``, the probability ``same_step_probability`` that all
        quantities have one step and not each its own, and ``step_difference`` ± sigma per ``quantity_pair``. Places and
        widths are in the units of ``dim``, levels in those of the quantity. Flags:
        ``no_profile`` (failed), ``scatter_beyond_sigma``.

    Raises
    ------
    InvalidInput
        A quantity that is missing or does not lie along ``dim``, fewer than six spectra, options outside their range.

    Notes
    -----
    Prior: level, gradient and step equally likely. A contrast is normal, its standard deviation log-uniform from 0.5 to
    50 of a point's sigma. A step lies anywhere with two points on each side, uniformly; half of the prior is a sharp
    step, half one with a width uniform up to half of the line. What is common to all points of a quantity
    (``<name>_common_sigma``, the factor of :func:`xas.eels.quantify`) is left out of the fit and added to the levels
    afterwards; it cancels in ``level_ratio``. Sigmas that grow with the value, as those of ratios do, are taken at the
    fitted curve: weights must not follow the noise. The width is that of what was seen: the probe, its broadening in the
    specimen and a boundary that is inclined to the beam are in it. Quantities of the same spectra that share counts, as
    L3/L2 and O/Mn do, are taken as independent.

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> depth = np.arange(0.0, 15.5, 0.5)
    >>> ratio = np.where(depth < 5, 3.0, 2.2) + 0.1 * np.random.default_rng(1).normal(size=31)
    >>> line = spectra.from_arrays([630.0, 640.0], np.ones((31, 2)), axis="energy_loss", dims=("distance",))
    >>> line = line.assign_coords(distance=("distance", depth, {"units": "nm"}))
    >>> line = line.assign(l3_l2_ratio=("distance", ratio), l3_l2_ratio_sigma=("distance", np.full(31, 0.1)))
    >>> found = xas.eels.surface_profile(line, quantities=("l3_l2_ratio",))
    >>> found.profile_verdict.item(), round(found.step_position.item())
    ('step', 5)
    """
    place, units, notes = _places(dataset, dim, region)
    for text in notes:
        note(text)
    if not 0.5 < confidence < 1:
        raise InvalidInput(f"confidence must be between 0.5 and 1, got {confidence:g}.")
    if not quantities or len(set(quantities)) != len(quantities):
        raise InvalidInput(f"quantities must be named, each once, got {quantities}.")
    given = [_Quantity.of(dataset, name, dim, scatter) for name in quantities]
    asked = Asked(place, surface, shared and len(given) > 1, shape, confidence, tuple(q.free for q in given))
    resolve(
        scatter={q.name: "free" if q.free else "stated" for q in given},
        region=(float(place[np.isfinite(place)].min()), float(place[np.isfinite(place)].max())),
    )
    inputs = [(array, (dim,)) for q in given for array in (q.values, q.noise)]
    made = map_spectra(
        lambda *rows: all_rows(asked, rows), inputs, outputs(asked, dim), dtypes=dict.fromkeys(VERDICTS, WORDS.dtype),
        sizes={"quantity": len(given), "profile_model": len(MODELS), "quantity_pair": len(pairs(len(given)))},
    )  # fmt: skip
    result = _labelled(dataset, made, given, asked, dim, units)
    everywhere = {n: made[n].any("quantity").expand_dims({dim: dataset.sizes[dim]}) for n in MASKS}
    result = flag(
        result, everywhere["is_missing"], "no_profile",
        f"fewer than {LEAST} spectra of the line have a number: look at the flags of those that have none",
    )  # fmt: skip
    return flag(
        result, everywhere["is_beyond"], "scatter_beyond_sigma",
        "numbers scatter about the step by more than their sigmas say: there is more along the line, or choose scatter='free'",
        severity="warning",
    )  # fmt: skip


@dataclass(frozen=True)
class _Quantity:
    """A variable along the line, with the sigma that is not common to all of its points."""

    name: str
    values: xr.DataArray
    noise: xr.DataArray
    common: xr.DataArray  # relative to the values, per line
    free: bool
    units: str

    @classmethod
    def of(cls, dataset: xr.Dataset, name: str, dim: str, scatter: str | None) -> _Quantity:
        if name not in dataset.data_vars:
            raise InvalidInput(
                f"there is no variable {name!r} along the line; {did_you_mean(name, _along(dataset, dim))}. Ratios come from "
                "xas.eels.white_line_ratio (l3_l2_ratio) and xas.eels.quantify (atomic_ratio)."
            )
        values = _number(dataset, name, dim)
        sigma = _number(dataset, f"{name}_sigma", dim) if f"{name}_sigma" in dataset else None
        common = _number(dataset, f"{name}_common_sigma", dim) if f"{name}_common_sigma" in dataset else None
        if sigma is None and scatter == "stated":
            raise InvalidInput(f"{name} has no {name}_sigma: choose scatter='free'.")
        noise = _ones(values) if sigma is None else sigma
        if common is not None and sigma is not None:
            noise = (sigma**2 - common**2).clip(min=0.0) ** 0.5
        relative = abs((values * 0.0 if common is None else common) / values).mean(dim).fillna(0.0)
        units = str(dataset[name].attrs.get("units", ""))
        return cls(name, values, noise, relative, sigma is None or scatter == "free", units)


def _ones(values: xr.DataArray) -> xr.DataArray:
    """Ones of the shape of ``values``, for numbers without sigma."""
    return values * 0.0 + 1.0


def _along(dataset: xr.Dataset, dim: str) -> list[str]:
    """Numbers per spectrum that a profile can be made of."""
    axes = {str(d) for d in series_dims(dataset)}
    return [
        str(n)
        for n, v in dataset.data_vars.items()
        if dim in v.dims and v.dtype.kind == "f" and not str(n).endswith("_sigma")
        and all(d in axes or v.sizes[d] == 1 for d in v.dims)
    ]  # fmt: skip


def _number(dataset: xr.Dataset, name: str, dim: str) -> xr.DataArray:
    array = dataset[name]
    others = [d for d in array.dims if d not in series_dims(dataset)]
    if dim not in array.dims or any(array.sizes[d] > 1 for d in others):
        raise InvalidInput(
            f"{name} is no number per spectrum along {dim}: it has {', '.join(map(str, array.dims)) or 'none'}; allowed: "
            f"{', '.join(_along(dataset, dim)) or 'none'}."
        )
    return array.isel(dict.fromkeys(others, 0), drop=True).astype(float)


def _places(
    dataset: xr.Dataset, dim: str, region: tuple[float, float] | None
) -> tuple[Array, str, list[str]]:
    """Distances, NaN outside of the region; their units; what to note."""
    dims = series_dims(dataset)
    if dim not in dims:
        raise InvalidInput(
            f"there is no line along {dim!r}: the spectra lie along {', '.join(dims) or 'nothing'}; {did_you_mean(dim, dims)}."
        )
    notes = []
    if dim in dataset.coords and dataset[dim].dtype.kind in "fiu":
        place, units = dataset[dim].values.astype(float), str(dataset[dim].attrs.get("units", ""))
    else:
        place, units = np.arange(dataset.sizes[dim], dtype=float), ""
        notes.append(f"{dim} has no numbers: positions are counted in spectra from 0")
    if not np.isfinite(place).all() or np.unique(place).size < place.size:
        raise InvalidInput(
            f"{dim} must hold finite numbers, each once: it is the place of each spectrum along the line."
        )
    if region is not None:
        place = np.where((place >= min(region)) & (place <= max(region)), place, np.nan)
    if np.isfinite(place).sum() < LEAST:
        where = "" if region is None else f" between {min(region):g} and {max(region):g}"
        raise InvalidInput(
            f"a profile needs at least {LEAST} spectra along {dim}, got {np.isfinite(place).sum()}{where}."
        )
    return place, units, notes


def _labelled(
    dataset: xr.Dataset,
    made: dict[str, xr.DataArray],
    given: list[_Quantity],
    asked: Asked,
    dim: str,
    units: str,
) -> xr.Dataset:
    """Variables with their units, and sigmas of levels with what is common to all points."""
    names = [q.name for q in given]
    labels: dict[str, Any] = {
        "quantity": names, "profile_model": list(MODELS), "quantity_units": ("quantity", [q.units for q in given]),
    }  # fmt: skip
    if asked.shared:
        labels["quantity_pair"] = [f"{names[i]} - {names[j]}" for i, j in pairs(len(names))]
    texts = PLACES | LEVELS | ALONE | {
        "profile_probability": ("", "probability of a level, a straight gradient and a step"),
        "profile_verdict": ("", "what the line shows"),
        "profile_curve": ("q", "step fitted along the line"),
        "same_step_probability": ("", "probability that all quantities have one step, and not each its own"),
        "step_difference": ("d", "distance between the steps of two quantities"),
    }  # fmt: skip
    new = {}
    for name, values in made.items():
        if name in MASKS:
            continue
        stem = name.removeprefix("shared_").removesuffix("_sigma")
        kind, text = texts[stem]
        text = f"{text}, common to all quantities" if name.startswith("shared_") else text
        text = f"standard uncertainty of the {text}" if name.endswith("_sigma") else text
        new[name] = _with_common(name, values, made, given).assign_attrs(
            units=units if kind == "d" else "", long_name=text
        )
        new[name].attrs |= {"surface": f"where {dim} is {asked.surface}"} if stem in LEVELS else {}
    dims = [d for d in labels if d in dataset.dims and d != "quantity_units"]
    return dataset.drop_dims(dims).assign(new).assign_coords(labels)


def _with_common(
    name: str, values: xr.DataArray, made: dict[str, xr.DataArray], given: list[_Quantity]
) -> xr.DataArray:
    """Sigma of a level with the relative uncertainty that all points of the quantity share."""
    stem = name.removesuffix("_sigma")
    if name == stem or stem.removeprefix("shared_") not in ("surface_level", "core_level"):
        return values
    import xarray as xr

    common = made[stem] * xr.concat([q.common for q in given], "quantity")
    whole: xr.DataArray = (values**2 + common**2) ** 0.5
    return whole.transpose(*values.dims)
