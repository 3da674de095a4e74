"""The result of a comparison: numbers, tables, a figure and words around one dataset."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.agreement.explaining import entries_of, pair_table
from spectra.errors import InvalidInput, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["Comparison"]

_SERIES = "verdict"  # lies along the series' dimensions alone


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """What sources say of one valence, whether they agree, and on what; of a series, for each entry.

    Numbers of one sample are plain numbers; of a series they are DataArrays along it.
    """

    data: xr.Dataset

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Comparison:
        """The comparison that a results file kept.

        Raises
        ------
        InvalidInput
            Another dataset.
        """
        if "valence_covariance" not in dataset or "verdict" not in dataset:
            raise InvalidInput(
                "this dataset holds no comparison of valences: spectra.compare_valence makes one."
            )
        return cls(dataset)

    def to_dataset(self) -> xr.Dataset:
        """All of it as a dataset that :func:`spectra.save` keeps and reports draw."""
        import spectra.dataset.accessor  # noqa: F401  it has ``.spectra``, as every dataset

        return self.data.copy()

    @property
    def series(self) -> tuple[str, ...]:
        """Dimensions of the series; empty for one sample."""
        return tuple(str(d) for d in self.data[_SERIES].dims)

    def at(self, **where: Any) -> Comparison:
        """One entry of a series, by label or coordinate: ``found.at(voltage=4.2)``; of numbers the nearest is taken."""
        made = self.data
        for dim, label in where.items():
            if dim not in self.series:
                raise InvalidInput(
                    f"this comparison has no series {dim!r}; {did_you_mean(dim, self.series)}."
                )
            numeric = dim not in made.coords or made[dim].dtype.kind in "fiu"
            try:
                made = made.sel({dim: label}, method="nearest" if numeric and dim in made.coords else None)
            except (KeyError, IndexError):
                listed = ", ".join(map(str, self.data[dim].values[:8]))
                raise InvalidInput(f"there is no {dim} = {label!r}; there are {listed}.") from None
        return Comparison(made)

    def _value(self, name: str) -> Any:
        array = self.data[name]
        if self.series:
            return array
        value = array.item()
        return None if isinstance(value, float) and np.isnan(value) else value

    @property
    def verdict(self) -> Any:
        """``agree``, ``disagree`` or ``undecided``."""
        return self._value("verdict")

    @property
    def agrees(self) -> Any:
        """Whether the sources agree; False where they disagree and where it is undecided (see ``verdict``)."""
        return self.data["verdict"] == "agree" if self.series else self.verdict == "agree"

    @property
    def combined(self) -> Any:
        """The valence they agree on; None (NaN in a series) where they do not: ``reason`` says why."""
        return self._value("combined_valence")

    @property
    def combined_sigma(self) -> Any:
        """Its standard uncertainty, noise and systematics."""
        return self._value("combined_valence_sigma")

    @property
    def chi2(self) -> Any:
        """Of the sources about their mean."""
        return self._value("chi2")

    @property
    def p_value(self) -> Any:
        """Probability of a chi2 as large or larger, were all of one truth."""
        return self._value("p_value")

    @property
    def birge_ratio(self) -> Any:
        """Root of chi2 over its degrees of freedom: 1 where sources scatter as they say."""
        return self._value("birge_ratio")

    @property
    def reason(self) -> Any:
        """The verdict in sentences: why there is a combined value, or none, and what could be the matter."""
        return self._value("reason")

    @property
    def outlier(self) -> Any:
        """The one source without which the others agree; None (or "") where there is none, or more than one."""
        clears = self.data["agree_without"] == 1
        names = self.data["source"]
        first = names.isel(source=clears.argmax("source").drop_vars("source", errors="ignore"))
        found = first.drop_vars("source").where(clears.sum("source") == 1, "")
        return found if self.series else (str(found.item()) or None)

    @property
    def table(self) -> pd.DataFrame:
        """One row per source (and entry of the series): what it says, how sure, how deep, and what is to be said of it."""
        frame = self.data[
            ["valence", "valence_sigma", "valence_systematic", "valence_total", "difference_from_others",
             "difference_from_others_sigma", "combined_weight"]
        ].to_dataframe(dim_order=[*self.series, "source"]).reset_index()  # fmt: skip
        per_source = {
            "technique": "source_technique", "method": "source_method", "depth_nm": "information_depth",
            "depth_sigma_nm": "information_depth_sigma", "depth_from": "depth_from", "remarks": "remarks",
        }  # fmt: skip
        repeats = len(frame) // self.data.sizes["source"]
        for column, name in per_source.items():
            frame[column] = np.tile(self.data[name].values, repeats)
        renamed = {f"valence_{n}": n for n in ("sigma", "systematic", "total")} | {
            "combined_weight": "weight"
        }
        order = [
            *self.series, "source", "technique", "method", "valence", "sigma", "systematic", "total", "depth_nm",
            "depth_sigma_nm", "depth_from", "difference_from_others", "difference_from_others_sigma", "weight", "remarks",
        ]  # fmt: skip
        return frame.rename(columns=renamed)[order]

    @property
    def pairs(self) -> pd.DataFrame:
        """Each two sources: their difference, in sigmas, what they share, and what could explain it."""
        import pandas as pd

        rows = []
        for place, entry in entries_of(self.data, self.series):
            one = pair_table(entry)
            for at, (dim, number) in enumerate(zip(self.series, place, strict=True)):
                label = self.data[dim].values[number] if dim in self.data.coords else number
                one.insert(at, dim, label)
            rows.append(one)
        return pd.concat(rows, ignore_index=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw valence against information depth, or, of a series, against it; see :func:`plot_comparison`."""
        from spectra.agreement.picture import plot_comparison

        return plot_comparison(self, ax)

    def __repr__(self) -> str:
        head = f"Comparison of {self.data.sizes['source']} sources of the valence of {self.data.attrs.get('element', '')}"
        if self.series:
            return (
                f"{head}, {', '.join(f'{d}: {self.data.sizes[d]}' for d in self.series)}\n{self._counted()}"
            )
        shown = self.table[["source", "valence", "sigma", "systematic", "total", "depth_nm"]]
        return f"{head}\n{shown.to_string(index=False, float_format='%.3g')}\n{self.reason}"

    def _counted(self) -> str:
        words, numbers = np.unique(self.data["verdict"].values, return_counts=True)
        return ", ".join(f"{n} {w}" for w, n in zip(words, numbers, strict=True))

    def _repr_html_(self) -> str:
        said = self._counted() if self.series else self.reason
        table = self.table.to_html(index=False, escape=True, float_format=lambda x: f"{x:.3g}", border=0)
        title = html.escape(str(self.data.attrs.get("title", "")))
        return f"<div><p><b>{title}</b><br>{html.escape(said)}</p>{table}</div>"
