"""Which column of a scan holds what: incident, transmitted, reference and fluorescence intensity, or μ itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spectra.errors import InvalidInput
from xas.reading.elements import element_symbol

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Roles", "find_roles"]

#: Names that columns of each role go by, the surest first; XDI's own names lead.
_ROLES = {
    "i0": r"i0|io|i_0|.*_i0|i0_.*",
    "itrans": r"itrans|it|i1|i|trans|i1_.*|.*_it",
    "irefer": r"irefer|iref|ir|i2|ir_.*",
    "ifluor": r"ifluor|if|iff|ifl|fluor.*|flatot",
    "mu": r"mu|xmu|mutrans|mufluor|mu_?01|xmu_.*|norm|normalized|munorm|normtrans|normfluor|nor",
    "mu_ref": r"mu_?ref|murefer|reference",
}
_ROI = re.compile(r"(?:sum_)?([a-z]{1,2})_[kl][ab]?\d?(?:_mca(\d+)|_sum)?$|.*_([a-z]{1,2})[kl]a_sum$")


@dataclass(frozen=True)
class Roles:
    """Names of the columns by what they hold; ``fluorescence`` are the elements of a detector, to be summed."""

    columns: dict[str, str]
    fluorescence: tuple[str, ...]
    absorber: str | None  # element whose line the fluorescence channels hold

    def needs(self, channel: str, *roles: str) -> None:
        """Refuse ``channel`` if a column that it needs is not known."""
        missing = [role for role in roles if role not in self.columns]
        if missing:
            raise InvalidInput(
                f"channel {channel!r} needs {' and '.join(roles)}; no column is known as {missing[0]}. "
                f"Name it with columns={{'{missing[0]}': ...}}."
            )


def find_roles(scan: xr.Dataset) -> Roles:
    """Which column holds what, by name."""
    names = [str(n) for n in scan.data_vars]
    columns: dict[str, str] = {}
    for role, pattern in _ROLES.items():
        for alternative in pattern.split("|"):
            found = [n for n in names if re.fullmatch(alternative, n) and n not in columns.values()]
            if found:
                columns[role] = found[0]
                break
    if len(names) == 1 and not columns:
        columns["mu"] = names[0]
    return Roles(columns, *_regions_of_interest(names, scan))


def _regions_of_interest(names: list[str], scan: xr.Dataset) -> tuple[tuple[str, ...], str | None]:
    """Channels of one fluorescence line and its element; a sum that the file has counts alone."""
    by_line: dict[str, list[str]] = {}
    for name in names:
        match = _ROI.match(name)
        symbol = element_symbol(match.group(1) or match.group(3)) if match else None
        if symbol:
            by_line.setdefault(symbol, []).append(name)
    absorber = str(scan.attrs.get("element", ""))
    if absorber not in by_line:
        inside = list(by_line) if len(by_line) <= 1 else [s for s in by_line if _edge_inside(s, scan)]
        absorber = inside[0] if len(inside) == 1 else ""
    # columns that are named after their dead-time correction alone: of the line that was looked at
    chosen = by_line.get(absorber, []) or [n for n in names if re.fullmatch(r"dtc_?\d+", n)]
    sums = [n for n in chosen if "sum" in n]
    return tuple(sums[:1] or chosen), absorber or None


def _edge_inside(symbol: str, scan: xr.Dataset) -> bool:
    import xraydb

    energies = [edge.energy for edge in xraydb.xray_edges(symbol).values()]
    return any(float(scan.energy[0]) < energy < float(scan.energy[-1]) for energy in energies)
