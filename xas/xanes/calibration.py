"""Calibration of valence by standards: a line through edge positions that knows how they were measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, WriteError
from spectra.knowledge import read_toml
from xas.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Calibration", "StandardPosition", "calibrate_valence", "load_calibration"]

Array = npt.NDArray[np.float64]

#: Ranges of two normalisations may differ by so many eV, as where data end a little earlier.
TOLERANCE = 5.0


@dataclass(frozen=True)
class StandardPosition:
    """One standard of a calibration."""

    name: str
    valence: float
    position: float  # eV
    sigma: float  # eV, of the measurement


@dataclass(frozen=True)
class Calibration:
    """A line position = intercept + slope · valence through standards, and how they were measured.

    ``spread`` is the standard deviation of the standards about the line, NaN for two of them.
    """

    element: str
    edge: str
    variable: str  # what was measured: "edge_position", "white_line_position", "pre_edge_centroid", ...
    measure: str  # its definition in words
    normalization: Mapping[str, Any]
    standards: tuple[StandardPosition, ...]
    slope: float  # eV per unit of valence
    intercept: float  # eV
    spread: float  # eV
    energy_scale: str = ""  # what the energies were calibrated with
    least_sigma: float = 0.0  # no valence is claimed to be better known

    def _repr_html_(self) -> str:
        from spectra.notebook.pages import page_html, table_html

        standards = [asdict(s) for s in self.standards]
        return page_html(
            f"Calibration of the valence of {self.element} at its {self.edge} edge",
            table_html(list(standards[0]), [list(row.values()) for row in standards]) if standards else "",
            facts={
                "measured": f"{self.variable.replace('_', ' ')}, {self.measure}",
                "slope": f"{self.slope:.4g} eV per valence",
                "at valence 0": f"{self.intercept:.2f} eV",
                "spread of the standards": f"{self.spread:.2g} eV",
                "energy scale": self.energy_scale or "not said",
            },
        )

    def to_spec(self) -> dict[str, Any]:
        """As a table of plain values: what recipes, histories and files hold."""
        table = asdict(self)
        table["standards"] = [asdict(s) for s in self.standards]
        table["normalization"] = {
            k: list(v) if isinstance(v, tuple) else v for k, v in self.normalization.items()
        }
        if np.isnan(self.spread):
            del table["spread"]
        return table

    @classmethod
    def from_spec(cls, table: Mapping[str, Any]) -> Calibration:
        """The calibration written as a table.

        Raises
        ------
        InvalidInput
            A key is missing or not known.
        """
        values = {"spread": float("nan"), **table}
        try:
            values["standards"] = tuple(StandardPosition(**s) for s in values["standards"])
            return cls(**values)
        except (TypeError, KeyError) as error:
            raise InvalidInput(
                f"this table is no calibration of valence ({error}); xas.calibrate_valence makes one."
            ) from None

    def save(self, path: str | Path) -> Path:
        """Write it as a TOML file."""
        import tomli_w

        target = Path(path)
        if target.suffix != ".toml":
            raise WriteError(f"a calibration is written as .toml, got {target.name!r}.")
        beside = target.with_name(f"{target.name}.part")
        beside.write_text(tomli_w.dumps(self.to_spec()), encoding="utf-8")
        beside.replace(target)
        return target

    def valence(self, position: Array, sigma: Array) -> tuple[Array, Array]:
        r"""Valence of measured positions and its standard uncertainty.

        .. math:: v = \frac{E - a}{b}, \quad
                  \sigma_v^2 = \frac{1}{b^2}\left[\sigma_E^2 + t^2 s^2\left(1 + \frac{1}{n} +
                  \frac{(v - \bar v)^2}{\sum (v_i - \bar v)^2}\right)\right]

        with the spread s of n standards and Student's t for n − 2 degrees of freedom at 68 %; never below
        ``least_sigma``.
        """
        v = (position - self.intercept) / self.slope
        known = np.array([s.valence for s in self.standards])
        lever = 1 + 1 / known.size + (v - known.mean()) ** 2 / ((known - known.mean()) ** 2).sum()
        spread = 0.0 if np.isnan(self.spread) else _student(known.size - 2) * self.spread
        total = np.sqrt(sigma**2 + spread**2 * lever) / abs(self.slope)
        return v, np.where(np.isfinite(v), np.maximum(total, self.least_sigma), np.nan)


def _student(freedom: int) -> float:
    """Half width of the 68.27 % interval of Student's t in standard deviations."""
    from scipy.stats import t

    return float(t.ppf(0.5 + 0.6827 / 2, freedom))


def calibrate_valence(
    standards: xr.Dataset | Sequence[xr.Dataset],
    *,
    valences: Sequence[float],
    names: Sequence[str] | None = None,
    variable: str = "edge_position",
    energy_scale: str | None = None,
    least_sigma: float | None = None,
) -> Calibration:
    """Line through the edge positions of standards of known valence.

    Parameters
    ----------
    standards : xarray.Dataset or sequence of them
        A series with one spectrum per standard, or one dataset each; normalised alike and measured by the same verb.
    valences : sequence of float
        Of each standard.
    names : sequence of str, optional
        Of each standard. Default: its label or title.
    variable : str
        What was measured: ``edge_position``, ``white_line_position``, ``pre_edge_centroid``, ...
    energy_scale : str, optional
        What the energies were calibrated with, as in "Mn foil, first inflection at 6539.0 eV". Default:
        ``attrs["energy_scale"]``.
    least_sigma : float, optional
        Least uncertainty of a valence. Default: what the structure does to the edge of oxides at one valence, 0.2; with
        fewer than four standards, which do not show their own scatter, 0.4.

    Returns
    -------
    Calibration

    Raises
    ------
    InvalidInput
        Fewer than two valences, standards treated differently, or a standard that failed.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> mu = 1 / (1 + np.exp(-(energy - np.array([[6544.0], [6550.0]])) / 1.5))
    >>> oxides = spectra.from_arrays(energy, mu, name="mu", dims=("sample",), attrs={"element": "Mn", "edge": "K"})
    >>> oxides = xas.edge_position(xas.normalize(oxides, e0=6546.0, pre=(-120, -30), post=(50, 340)))
    >>> line = xas.calibrate_valence(oxides, valences=(2, 4), names=("MnO", "MnO2"))
    >>> round(line.slope, 2)
    3.0
    """
    each = _one_by_one(standards)
    titles = list(names) if names is not None else [_title(s, i) for i, s in enumerate(each)]
    if not len(each) == len(valences) == len(titles):
        raise InvalidInput(
            f"calibrate_valence got {len(each)} standards, {len(valences)} valences and {len(titles)} names: one each is needed."
        )
    if len(set(valences)) < 2:
        raise InvalidInput(f"a line needs standards of at least two valences, got {sorted(set(valences))}.")
    first = describe(each[0], variable)
    for title, one in zip(titles, each, strict=True):
        why = difference(first, describe(one, variable))
        if why:
            raise InvalidInput(
                f"the standard {title!r} was not measured like {titles[0]!r}: {why}. Treat them alike."
            )
    measured = []
    for title, valence, one in zip(titles, valences, each, strict=True):
        position, sigma = (float(one[n]) for n in (variable, f"{variable}_sigma"))
        if not np.isfinite(position):
            raise InvalidInput(
                f"the standard {title!r} has no {variable}: look at its flags, or leave it out."
            )
        measured.append(StandardPosition(str(title), float(valence), position, sigma))
    v, e = (np.array([getattr(m, n) for m in measured]) for n in ("valence", "position"))
    slope, intercept = np.polyfit(v - v.mean(), e - e.mean(), 1)
    left = e - e.mean() - slope * (v - v.mean()) - intercept
    spread = float(np.sqrt((left**2).sum() / (v.size - 2))) if v.size > 2 else float("nan")
    default = load_table("valence")["least_sigma" if v.size >= 4 else "few_standards"]["value"]
    return Calibration(
        element=first["element"],
        edge=first["edge"],
        variable=variable,
        measure=first["measure"],
        normalization=first["normalization"],
        standards=tuple(measured),
        slope=float(slope),
        intercept=float(e.mean() + intercept - slope * v.mean()),
        spread=spread,
        energy_scale=first["energy_scale"] if energy_scale is None else energy_scale,
        least_sigma=float(default if least_sigma is None else least_sigma),
    )


def load_calibration(path: str | Path) -> Calibration:
    """The calibration in a TOML file, or the one that the valences in a results file were made with.

    Parameters
    ----------
    path : str or path
        A TOML file that :meth:`Calibration.save` wrote, or a results file with a valence in it.

    Returns
    -------
    Calibration

    Raises
    ------
    InvalidInput
        If the file holds none.
    """
    source = Path(path)
    if source.suffix == ".toml":
        return Calibration.from_spec(read_toml(source, "the calibration"))
    if not source.exists():
        from xas.eels.white_lines.printed_ratios import refuse_printed

        refuse_printed(str(path))
    import spectra

    data = spectra.load(source)
    for dataset in data.values() if isinstance(data, Mapping) and not hasattr(data, "data_vars") else [data]:
        for variable in dataset.data_vars.values():
            if "calibration" in variable.attrs:
                return Calibration.from_spec(json.loads(variable.attrs["calibration"]))
    raise InvalidInput(f"{source.name} holds no valence, and so no calibration of one.")


def _one_by_one(standards: xr.Dataset | Sequence[xr.Dataset]) -> list[xr.Dataset]:
    import xarray as xr

    from spectra.dataset import series_dims

    if not isinstance(standards, xr.Dataset):
        return [one for each in standards for one in _one_by_one(each)]
    dims = series_dims(standards)
    if len(dims) > 1:
        raise InvalidInput(
            f"standards lie along one dimension, one spectrum each; these have {', '.join(dims)}."
        )
    if not dims:
        return [standards]
    return [standards.isel({dims[0]: i}) for i in range(standards.sizes[dims[0]])]


def _title(dataset: xr.Dataset, number: int) -> str:
    if "label" in dataset.coords:
        return str(dataset["label"].values)
    return str(dataset.attrs.get("sample") or dataset.attrs.get("title") or f"standard {number + 1}")


def describe(dataset: xr.Dataset, variable: str) -> dict[str, Any]:
    """How ``variable`` of a dataset was measured: what a calibration must share with the data."""
    if variable not in dataset or f"{variable}_sigma" not in dataset:
        raise InvalidInput(
            f"the dataset has no {variable!r} with a sigma: call the verb that measures it first, as in xas.edge_position."
        )
    attrs = dataset[variable].attrs
    return {
        "element": str(dataset.attrs.get("element", "")),
        "edge": str(dataset.attrs.get("edge", "")),
        "measure": str(attrs.get("definition", variable)),
        "normalization": json.loads(attrs.get("normalization", '{"method": "unknown"}')),
        "energy_scale": str(dataset.attrs.get("energy_scale", "")),
    }


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In what two measurements differ so that they do not compare; empty if they do."""
    for key, words in (("element", "the element"), ("edge", "the edge"), ("measure", "the measure")):
        if one[key] != other[key]:
            return f"{words} is {one[key]!r} there and {other[key]!r} here"
    a, b = one["normalization"], other["normalization"]
    for key in ("method", "order", "pre_order", "victoreen"):
        if a.get(key) != b.get(key):
            return f"the normalisation has {key} = {a.get(key)!r} there and {b.get(key)!r} here"
    for key in ("pre", "post"):
        ends = np.abs(np.subtract(a.get(key, (0, 0)), b.get(key, (0, 0))))
        if ends.max() > TOLERANCE:
            there, here = (f"({x[key][0]:g}, {x[key][1]:g})" for x in (a, b))
            return f"the normalisation has {key} = {there} there and {here} here"
    if one["energy_scale"] and other["energy_scale"] and one["energy_scale"] != other["energy_scale"]:
        return f"the energy scale is {one['energy_scale']!r} there and {other['energy_scale']!r} here"
    return ""
