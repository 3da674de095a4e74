"""The results of a dataset as a table for people: value ± standard uncertainty, units in the headers, flags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["asked_first", "summary_table", "with_uncertainty"]


def with_uncertainty(value: float, sigma: float | None) -> str:
    """``value ± sigma``, the uncertainty with two significant digits and the value to the same place.

    Examples
    --------
    >>> with_uncertainty(6549.7213, 0.0456)
    '6549.721 ± 0.046'
    >>> with_uncertainty(35837.2, 214.0)
    '35840 ± 210'
    """
    if value is None or math.isnan(value):
        return "–"
    if sigma is None or not math.isfinite(sigma) or sigma <= 0:
        return f"{value:.6g}"
    places = 1 - math.floor(math.log10(sigma))
    if places >= 0:
        sigma = round(sigma, places)
        places = 1 - math.floor(math.log10(sigma))  # 0.0996 rounds up to 0.10
    if places > 9 or abs(value) >= 1e7:
        return f"{value:.6g} ± {sigma:.2g}"
    places = max(places, 0) if places >= 0 else places
    if places >= 0:
        return f"{value:.{places}f} ± {sigma:.{places}f}"
    return f"{round(value, places):.0f} ± {round(sigma, places):.0f}"


def summary_table(dataset: xr.Dataset, *, rows: int | None = None) -> pd.DataFrame:
    """Tidy results as texts: one row per spectrum and component, at most ``rows``.

    ``attrs["answers"]`` names the columns that say what was asked.
    """
    import pandas as pd

    from spectra.report.conventions import answers
    from spectra.results.table import tidy_table

    table = asked_first(tidy_table(dataset), dataset)
    shown = table if rows is None else table.head(rows)
    columns = {}
    for name in shown.columns:
        if any(
            str(name).endswith(end) and str(name).removesuffix(end) in shown.columns
            for end in ("_sigma", "_systematic")
        ):
            continue
        sigma, systematic = shown.get(f"{name}_sigma"), shown.get(f"{name}_systematic")
        both = zip(*(_column(c, len(shown)) for c in (sigma, systematic)), strict=True)
        header = _header(str(name), table.attrs.get("units", {}))
        columns[header if systematic is None else f"{header} ± noise ± systematic"] = [
            _cell(value, *errors) for value, errors in zip(shown[name], both, strict=True)
        ]
    found = pd.DataFrame(columns)
    found.attrs["answers"] = [c for c in columns if c.partition("[")[0].partition(" (")[0] in answers()]
    return found


def asked_first(table: pd.DataFrame, dataset: xr.Dataset) -> pd.DataFrame:
    """Columns of a tidy table with what was asked behind the place in the series, before all that it was made of."""
    from spectra.report.conventions import answers

    def rank(name: object) -> int:
        stem = str(name).partition("[")[0]
        if stem in dataset.coords or stem in dataset.dims:
            return 0
        return 2 - (stem.removesuffix("_sigma").removesuffix("_systematic") in answers())

    return table[sorted(table.columns, key=rank)]


def _column(values: pd.Series[Any] | None, length: int) -> list[Any]:
    return [None] * length if values is None else list(values)


def _header(name: str, units: Mapping[str, str]) -> str:
    return f"{name} ({units[name]})" if units.get(name) else name


def _cell(value: Any, sigma: Any, systematic: Any) -> str:
    if isinstance(value, float):
        text = with_uncertainty(value, None if sigma is None else float(sigma))
        known = text != "–" and systematic is not None and math.isfinite(systematic)
        return f"{text} ± {systematic:.2g}" if known else text
    return "–" if value is None else str(value)
