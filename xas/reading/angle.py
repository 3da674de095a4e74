"""Column files that hold the angle of the monochromator instead of the photon energy: KEK 9809 and Daresbury SRS."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, ReadError
from spectra.reading.columns import Columns
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from spectra.reading.table import Dialect, Table, parse_tables
from xas.reading.bragg import photon_energy

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

#: What the number in the line "Mode" says of a counter in a 9809 file.
_MODES = {"1": "i0", "2": "itrans", "3": "ifluor"}


def sniff(source: Source) -> float:
    """Certain where the first line is that of either format."""
    return 1.0 if re.match(rb"\s*(9809\s|&SRS\s)", source.head) and source.is_text else 0.0


def scans(
    source: Source, *, columns: dict[str, int | str] | None = None, d_spacing: float | None = None
) -> list[xr.Dataset]:
    """The one scan of such a file; ``d_spacing`` (Å) goes before the one in the header."""
    lines = source.text.split("\n")
    kek = lines[0].split()[:1] == ["9809"]
    labels, header = _kek_header(lines) if kek else (None, {})
    first = next((i for i, line in enumerate(lines) if labels and line.split()[:1] == ["Offset"]), -1) + 1
    tables = parse_tables([""] * first + lines[first:], Dialect("", "."), file=source.name)
    if len(tables) != 1:
        raise ReadError(f"{source.name}: one table of numbers was expected, {len(tables)} were found.")
    spacing = d_spacing if d_spacing is not None else header.get("d_spacing")
    if spacing is None:
        raise ReadError(
            f"{source.name}: column 1 is the angle of the monochromator and the file does not say its d-spacing; "
            "give d_spacing= in Å (Si(111): 3.1356)."
        )
    if spacing <= 0:
        raise InvalidInput(f"d_spacing must be above 0 Å, got {spacing:g}.")
    return [_scan(source, tables[0], labels, header, spacing, columns)]


reader = Reader("angle", "X-ray absorption against monochromator angle: KEK 9809, SRS", (), sniff, scans)


def _kek_header(lines: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Labels of the columns and what else the header of a 9809 file says."""
    header: dict[str, Any] = {"facility": " ".join(lines[0].split()[1:])}
    found: dict[str, list[str]] = {}
    for line in lines[:40]:
        words = line.split()
        if words[:1] in (["Mode"], ["Offset"], ["Angle(c)"]):
            found[words[0]] = words
        spacing = re.search(r"\bD=\s*([\d.]+)\s*A", line)
        if spacing:
            header["d_spacing"] = float(spacing.group(1))
    if not {"Mode", "Angle(c)"} <= found.keys():
        return ["angle_set", "energy", "time"], header
    counters = [_MODES.get(mode, f"channel_{n}") for n, mode in enumerate(found["Mode"][3:], start=1)]
    header["offsets"] = found.get("Offset", [])[3:]
    return ["angle_set", "energy", "time", *counters], header


def _scan(
    source: Source,
    table: Table,
    labels: list[str] | None,
    header: dict[str, Any],
    spacing: float,
    columns: dict[str, int | str] | None,
) -> xr.Dataset:
    position, degrees = (
        (1, 1.0) if labels else (0, 1e-3)
    )  # 9809: angle as read back; SRS: column 1 in millidegrees
    values = table.values.copy()
    angle: npt.NDArray[np.float64] = np.deg2rad(values[:, position] * degrees)
    values[:, position] = photon_energy(angle, spacing)
    width = values.shape[1]
    names = (
        labels if labels and len(labels) == width else ["energy", *[""] * (width - 1)] if not labels else None
    )
    if names is None:
        raise ReadError(
            f"{source.name}: the header names {len(labels or [])} columns, the table has {width}."
        )
    if np.diff(angle).mean() < 0:  # angles descend so that energies ascend
        notes = [f"angles were turned into energies with d = {spacing:g} Å"]
    else:
        notes = [f"angles were turned into energies with d = {spacing:g} Å; the scan ran downwards"]
    if header.get("offsets"):
        notes.append(f"dark offsets in the header were not subtracted ({', '.join(header['offsets'])} per s)")
    return Columns(source.name, values, names, table.first_line, {}, {position: "eV"}).scan(
        columns=columns,
        attrs={
            "title": source.path.stem,
            "facility": header.get("facility"),
            "metadata": json.dumps(header) if header else "",
        },
        notes=[*table.notes, *notes],
    )
