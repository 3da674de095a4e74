"""From a table with labelled columns to a dataset: which column is the axis, in which units, which was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import AXES, SCALES, TOLD
from spectra.errors import InvalidInput, ReadError, did_you_mean
from spectra.reading.labels import AXIS_ORDER, axis_of_label, is_requested, units_of_label
from spectra.reading.scan import make_scan, unique_names, variable_name

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Columns"]

#: Photon energies written in keV: below the hardest edge in use, above the softest in a crystal monochromator.
_KEV_RANGE = (1.5, 45.0)
#: eV: beyond the K edges of all elements.
_HARDEST = 2e5

#: Turning points per point beyond which a column is no axis; an encoder that jitters stays well below.
_MOST_TURNS = 0.2

#: Names of the measured quantity, the surest first; without one it is the first column that varies.
_SIGNALS = (
    r"^norm|munorm",
    r"^x?mu(_|$)|^xmu|^mutrans|^mufluor",
    r"counts?$|^counts",
    r"intensity|absorbance",
    r"^cps",
)


@dataclass(frozen=True)
class Columns:
    """The columns of one table, found by what their labels and the user say.

    Parameters
    ----------
    file : str
        Name of the file, for errors.
    values : (rows, columns) array
        Numbers; NaN where a cell holds none.
    labels : list of str, optional
        Labels of the columns, as the file writes them.
    first_line : int
        Line of the first row in the file, from 1.
    words : dict
        Columns (from 0) that hold text, with their first cell.
    units : dict
        Units of columns (from 0) that the file states apart from the labels.
    """

    file: str
    values: npt.NDArray[np.float64]
    labels: list[str] | None = None
    first_line: int = 1
    words: dict[int, str] = field(default_factory=dict)
    units: dict[int, str] = field(default_factory=dict)

    def scan(
        self,
        *,
        columns: Mapping[str, int | str] | None = None,
        axis: str | None = None,
        default_axis: str | None = None,
        stated_axis: str | None = None,
        axis_units: str | None = None,
        attrs: Mapping[str, Any] | None = None,
        notes: Sequence[str] = (),
    ) -> xr.Dataset:
        """Dataset of the table.

        ``columns``, ``axis`` and ``axis_units`` are as in :func:`spectra.read`. ``stated_axis`` is the axis that the
        file names apart from its labels; ``default_axis`` is preferred where the labels name several, and taken for
        the first column where nothing names one.
        """
        done = list(notes)
        names = self._names()
        asked = {name: self._number(column, names) for name, column in (columns or {}).items()}
        for name in asked:
            if name not in AXES and variable_name(name) != name:
                raise InvalidInput(
                    f"columns: {name!r} cannot be a variable; use lower case, digits, underscores."
                )
        axis_name, position = self._axis(asked, axis, stated_axis, default_axis, done)
        x = self._axis_values(position, axis_name, axis_units, done)
        if axis_name not in asked:
            self._refuse_zigzag(x, axis_name, position)
        wanted = {n: p for n, p in asked.items() if n != axis_name} or self._others(names, position)
        for name, p in wanted.items():
            if p in self.words:
                raise ReadError(f"{self.file}: column {p + 1} ({name}) holds {self._text(p)}, not numbers.")
        if not wanted:
            raise ReadError(f"{self.file}: {self._no_values(position)}")
        if self.words and not columns:
            left = ", ".join(f"{p + 1} ({self._label(p) or word!r})" for p, word in self.words.items())
            done.append(f"columns that hold text were left out: {left}")
        values = {name: self.values[:, p] for name, p in wanted.items()}
        self._count_missing(values, done)
        return make_scan(
            self.file,
            x,
            values,
            axis=axis_name,
            signal=next(iter(values)) if asked.keys() - {axis_name} else self._signal(values),
            units={name: self.units.get(p, "") for name, p in wanted.items()},
            labels={axis_name: self._label(position), **{n: self._label(p) for n, p in wanted.items()}},
            attrs=attrs,
            notes=done,
        )

    def _count_missing(self, values: Mapping[str, npt.NDArray[np.float64]], notes: list[str]) -> None:
        for name, column in values.items():
            missing = np.flatnonzero(~np.isfinite(column))
            if 0 < missing.size < column.size:
                where = f"row {missing[0] + 1}" + (" and others" if missing.size > 1 else "")
                notes.append(f"{name} holds no number in {missing.size} of {column.size} rows ({where})")

    def _text(self, position: int) -> str:
        return f"text ({self.words[position]!r} in line {self.first_line})"

    def _label(self, position: int) -> str:
        return self.labels[position] if self.labels else ""

    def _names(self) -> list[str]:
        width = self.values.shape[1]
        labels = self.labels or (["", "intensity"] if width == 2 else [""] * width)
        return unique_names(labels, taken=tuple(AXES))

    def _number(self, column: int | str, names: Sequence[str]) -> int:
        """Position from 0 of a column given by number from 1 or by label."""
        width = len(names)
        if isinstance(column, int):
            if not 1 <= column <= width:
                raise InvalidInput(f"column {column} was asked for; the table has columns 1 to {width}.")
            return column - 1
        labels = self.labels or [""] * width
        for position in range(width):
            if column == labels[position] or variable_name(column) == variable_name(labels[position]):
                return position
        if column in names:
            return names.index(column)
        raise InvalidInput(f"no column is labelled {column!r}; {did_you_mean(column, filter(None, labels))}.")

    def _axis(
        self,
        asked: Mapping[str, int],
        axis: str | None,
        stated: str | None,
        default: str | None,
        notes: list[str],
    ) -> tuple[str, int]:
        """Name of the spectral axis and its column."""
        if axis is not None and axis not in AXES:
            raise InvalidInput(f"axis {axis!r} is not a spectral axis; {did_you_mean(axis, TOLD)}.")
        given = [name for name in asked if name in AXES]
        if given:
            return given[0], asked[given[0]]
        labels = self.labels or []
        every = {p: kind for p, label in enumerate(labels) if (kind := axis_of_label(label))}
        named = {p: kind for p, kind in every.items() if p not in self.words} or every
        wanted = axis or (default if default in named.values() else None)
        candidates = [p for p, kind in named.items() if wanted in (None, kind)]
        if (
            not candidates and wanted is not None and AXES[wanted] == "eV"
        ):  # "energy" may be any of the energies
            candidates = [p for p, kind in named.items() if kind == "energy"]
        candidates = [p for p in candidates if np.ptp(self.values[:, p]) != 0] or candidates
        if candidates:
            best = min(candidates, key=lambda p: (is_requested(labels[p]), AXIS_ORDER.index(named[p]), p))
            if named[best] == "energy":
                return axis or stated or "energy", best
            return named[best], best
        fallback = axis or stated or default
        if fallback is None:
            raise ReadError(f"{self.file}: {self._which_axis()}")
        return fallback, self._unlabelled(fallback, notes, said=stated is not None and axis is None)

    def _which_axis(self) -> str:
        said = (
            f"no label names the axis ({', '.join(self.labels)})"
            if self.labels
            else "the columns have no labels"
        )
        others = ", ".join(f"'{name}'" for name in TOLD[1:])
        return (
            f"{said}; say axis='energy' (or {others}), and which column it is, as in columns={{'energy': 2}}, if it is not "
            "the first."
        )

    def _unlabelled(self, axis: str, notes: list[str], *, said: bool) -> int:
        """Column taken for an axis that no label names: the first, unless it only counts or stays."""
        x = self.values[:, 0]
        label = self._in_brackets(0)
        steps = np.diff(x)
        if 0 in self.words or (steps == 0).all():
            raise ReadError(
                f"{self.file}: column 1{label} is no {axis}: it does not vary; name the column with columns={{'{axis}': N}}."
            )
        if (steps == 1).all() and x[0] in (0.0, 1.0):
            raise ReadError(
                f"{self.file}: column 1{label} counts points or pixels and is no {axis}: calibrate it, "
                f"or name the column with columns={{'{axis}': N}}."
            )
        if not said:
            notes.append(f"column 1{label} was taken as the {axis}: no label names it")
        return 0

    def _axis_values(
        self, position: int, axis: str, axis_units: str | None, notes: list[str]
    ) -> npt.NDArray[np.float64]:
        """Axis in its own units."""
        x = self.values[:, position]
        if position in self.words or not np.isfinite(x).any():
            held = self._text(position) if position in self.words else "no finite value"
            raise ReadError(f"{self.file}: column {position + 1}, the {axis}, holds {held}, not numbers.")
        units = axis_units or self.units.get(position) or units_of_label(self._label(position))
        if units is None:
            units = self._units_by_size(x, axis, position, notes)
        known = SCALES[AXES[axis]]
        if units not in known:
            raise InvalidInput(f"{axis} cannot be given in {units!r}; allowed: {', '.join(known)}.")
        scaled = x * known[units] if known[units] != 1 else x
        if axis == "energy" and axis_units == "keV" and np.nanmin(scaled) > _HARDEST:
            raise ReadError(
                f"{self.file}: column {position + 1} runs from {np.nanmin(x):g} to {np.nanmax(x):g}, which is no photon "
                f"energy in keV: it is in eV already, so leave axis_units out."
            )
        if units == "keV" and not any("was taken as keV" in sentence for sentence in notes):
            notes.append(f"{axis} is written in keV and was turned into eV")
        return scaled

    def _refuse_zigzag(self, x: npt.NDArray[np.float64], axis: str, position: int) -> None:
        """A column that turns back and forth all the time was measured, and is no axis whatever its label."""
        steps = np.diff(x[np.isfinite(x)])
        turns = np.count_nonzero(np.diff(np.sign(steps[steps != 0])))
        if steps.size > 8 and turns > _MOST_TURNS * steps.size:
            raise ReadError(
                f"{self.file}: column {position + 1}{self._in_brackets(position)} turns back and forth {turns} times in "
                f"{x.size} points and is no {axis}; name the column with columns={{'{axis}': N}}."
            )

    def _in_brackets(self, position: int) -> str:
        return f" ({self._label(position)})" if self._label(position) else ""

    def _units_by_size(self, x: npt.NDArray[np.float64], axis: str, position: int, notes: list[str]) -> str:
        if axis != "energy":
            return AXES[axis]
        low, high = float(np.nanmin(x)), float(np.nanmax(x))
        if low >= _KEV_RANGE[1]:
            return "eV"
        if low >= _KEV_RANGE[0] and high <= _KEV_RANGE[1] and high < 2.5 * low:
            notes.append(f"{axis} runs from {low:g} to {high:g} without units and was taken as keV")
            return "keV"
        raise ReadError(
            f"{self.file}: column {position + 1} runs from {low:g} to {high:g}, which is no photon energy in eV or keV; "
            f"name the column with columns={{'{axis}': N}} or say axis_units=."
        )

    def _others(self, names: Sequence[str], position: int) -> dict[str, int]:
        """Every column of numbers but the axis, by name."""
        return {name: n for n, name in enumerate(names) if n != position and n not in self.words}

    def _no_values(self, position: int) -> str:
        if self.words:
            n = next(iter(self.words))
            return f"column {n + 1} holds {self._text(n)}, not numbers."
        return f"column {position + 1} is the axis, and no other column is left to be the measurement."

    def _signal(self, values: Mapping[str, npt.NDArray[np.float64]]) -> str:
        varying = [n for n, v in values.items() if np.isfinite(v).any() and np.nanmax(v) > np.nanmin(v)]
        for pattern in _SIGNALS:
            for name in varying:
                if re.search(pattern, name):
                    return name
        return next(iter(varying or values))
