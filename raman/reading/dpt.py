"""Tables of points as OPUS exports them (.dpt): two columns without a word on what they are.

Nothing in the content tells them from other tables of two columns, so the ending counts: the first column is a
wavenumber. One that only counts points (an exported interferogram) is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from spectra.reading import text
from spectra.reading.registry import Reader
from spectra.reading.scan import add_note
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_ROW = re.compile(rb"^\s*[+-]?\d[\d.,eE+-]*[\s;,]+[+-]?\d[\d.,eE+-]*\s*$", re.MULTILINE)


def sniff(source: Source) -> float:
    """Surer than any other reader of tables, where the ending is theirs and rows of two numbers are there."""
    return 0.3 if source.path.suffix.lower() == ".dpt" and _ROW.search(source.head) else 0.0


def scans(
    source: Source,
    *,
    columns: dict[str, int | str] | None = None,
    axis: str | None = None,
    axis_units: str | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
) -> list[xr.Dataset]:
    """The table as a spectrum along wavenumbers; options as in :func:`spectra.read`."""
    found = text.scans(
        source,
        columns=columns,
        axis=axis,
        default_axis="wavenumber",
        axis_units=axis_units,
        delimiter=delimiter,
        decimal=decimal,
    )
    said = "the file does not say what was measured: absorbance, transmittance or another quantity"
    return [add_note(scan, said) if scan.attrs["signal"] == "intensity" else scan for scan in found]


reader = Reader("dpt", "tables of points exported by OPUS (.dpt)", (".dpt",), sniff, scans)
