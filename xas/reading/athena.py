"""Athena projects in all their flavours: Perl dump, plain or gzip-compressed, and JSON.

Each group is one scan: ``mu`` on the energy scale of the project (its shift applied), the detector columns it was
made from where the project keeps them, and the processing parameters in ``attrs["athena"]`` (JSON).

References
----------
B. Ravel, M. Newville, J. Synchrotron Rad. 12, 537 (2005), doi:10.1107/S0909049505012719
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.scan import add_note, make_scan
from spectra.reading.source import Source
from xas.reading.elements import edge_name, element_symbol
from xas.reading.perl import PerlError, statements

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["parameters", "reader", "scans", "sniff"]

#: Our names of processing parameters and the names that versions of Athena have for them.
_PARAMETERS = {
    "e0": ("bkg_e0",),
    "step": ("bkg_step",),
    "fixstep": ("bkg_fixstep",),
    "pre1": ("bkg_pre1",),
    "pre2": ("bkg_pre2",),
    "norm1": ("bkg_nor1",),
    "norm2": ("bkg_nor2",),
    "nnorm": ("bkg_nnorm",),
    "nvict": ("bkg_nvict",),
    "flatten": ("bkg_flatten",),
    "rbkg": ("bkg_rbkg",),
    "kweight": ("bkg_kw",),
    "spline_kmin": ("bkg_spl1",),
    "spline_kmax": ("bkg_spl2",),
    "clamp_low": ("bkg_clamp1",),
    "clamp_high": ("bkg_clamp2",),
    "nclamp": ("bkg_nclamp",),
    "eshift": ("bkg_eshift",),
    "fft_kmin": ("fft_kmin",),
    "fft_kmax": ("fft_kmax",),
    "fft_dk": ("fft_dk",),
    "fft_kweight": ("fft_kw", "fft_arbkw"),
    "fft_window": ("fft_kwindow", "fft_win"),
    "bft_rmin": ("bft_rmin",),
    "bft_rmax": ("bft_rmax",),
    "bft_dr": ("bft_dr",),
    "bft_window": ("bft_rwindow", "bft_win"),
    "importance": ("importance",),
}

#: Strengths that Athena's menu calls by name.
_CLAMPS = {"none": 0.0, "slight": 3.0, "weak": 6.0, "medium": 12.0, "strong": 24.0, "rigid": 96.0}
_ARRAYS = ("x", "y", "i0", "signal", "stddev")


def sniff(source: Source) -> float:
    """Certain where the first lines call themselves an Athena project."""
    head = source.head[:600]
    return 1.0 if b"Athena project file" in head and source.is_text else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every group of μ(E) in a project; groups of χ(k) and uncalibrated pixels are left out with a note."""
    groups = _json_groups(source) if source.text.lstrip().startswith("{") else _perl_groups(source)
    found: list[xr.Dataset] = []
    left: list[str] = []
    for arguments, arrays in groups:
        reason = _left_out(arguments)
        if reason:
            left.append(f"{arguments.get('label', '?')} ({reason})")
        else:
            found.append(_scan(source.name, arguments, arrays))
    if not found:
        raise ReadError(f"{source.name} holds no group of mu(E){': ' if left else ''}{', '.join(left)}.")
    if left:
        found = [
            add_note(scan, f"groups that are no mu(E) were left out: {', '.join(left)}") for scan in found
        ]
    return found


reader = Reader("athena", "Athena projects (Perl and JSON), with their parameters", (".prj",), sniff, scans)


def parameters(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Processing parameters of a group under one name each, as numbers where they are numbers."""
    found: dict[str, Any] = {}
    for name, keys in _PARAMETERS.items():
        value = next((arguments[k] for k in keys if arguments.get(k) not in (None, "")), None)
        if value is None:
            continue
        if name.startswith("clamp") and isinstance(value, str) and value.lower() in _CLAMPS:
            found[name] = _CLAMPS[value.lower()]
        elif name.endswith("window"):
            found[name] = str(value).lower()
        elif name in ("fixstep", "flatten"):
            found[name] = bool(_number(value))
        else:
            found[name] = _number(value)
    return found


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _perl_groups(source: Source) -> list[tuple[dict[str, Any], dict[str, Sequence[Any]]]]:
    groups: list[tuple[dict[str, Any], dict[str, Sequence[Any]]]] = []
    arguments: dict[str, Any] = {}
    arrays: dict[str, Sequence[Any]] = {}
    try:
        for name, value in statements(source.text, ("args", *_ARRAYS)):
            if name == "args":
                arguments = dict(zip(map(str, value[::2]), value[1::2], strict=False))
            elif name in _ARRAYS:
                arrays[name] = value
            elif name == "[record]":
                groups.append((arguments, arrays))
                arguments, arrays = {}, {}
    except PerlError as error:
        raise ReadError(
            f"{source.name}: the project is damaged or truncated after {len(groups)} groups: {error}."
        ) from None
    if arrays:
        raise ReadError(f"{source.name}: the project is truncated: its group {len(groups) + 1} does not end.")
    return groups


def _json_groups(source: Source) -> list[tuple[dict[str, Any], dict[str, Sequence[Any]]]]:
    try:
        project = json.loads(source.text)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ReadError(
            f"{source.name}: the project is damaged or truncated{where}: {getattr(error, 'msg', error)}."
        ) from None
    names = project.get("_____order") or [k for k, v in project.items() if isinstance(v, dict) and "x" in v]
    records = [project[name] for name in names if name in project]
    return [(r.get("args", {}), {k: r[k] for k in _ARRAYS if k in r}) for r in records]


def _left_out(arguments: Mapping[str, Any]) -> str | None:
    kind = str(arguments.get("recordtype", ""))
    if _number(arguments.get("is_chi")) or "chi" in kind:
        return "chi(k)"
    return "pixels" if _number(arguments.get("is_pixel")) else None


def _scan(file: str, arguments: Mapping[str, Any], arrays: Mapping[str, Sequence[Any]]) -> xr.Dataset:
    label = str(arguments.get("label") or arguments.get("source") or "?").strip()
    where = f"{file}: group {label!r}"
    columns = {name: _column(values, name, where) for name, values in arrays.items()}
    missing = [name for name in ("x", "y") if name not in columns]
    if missing:
        raise ReadError(f"{where} has no array {missing[0]!r}.")
    x, y = columns.pop("x"), columns.pop("y")
    values = {"mu": y, **{n: v for n, v in columns.items() if v.size == x.size}}
    if y.size != x.size:
        raise ReadError(f"{where} has {x.size} energies and {y.size} values of mu.")
    shift = _number(arguments.get("bkg_eshift")) or 0.0
    notes = [f"energies were shifted by {shift:+.4g} eV as the project does (bkg_eshift)"] if shift else []
    normalised = _number(arguments.get("is_nor"))
    return make_scan(
        where,
        x + shift,
        values,
        axis="energy",
        signal="mu",
        attrs={
            "technique": "xas",
            "title": label,
            "element": element_symbol(str(arguments.get("bkg_z", ""))),
            "edge": edge_name(str(arguments.get("fft_edge", ""))),
            "athena": json.dumps(parameters(arguments)),
            "comments": "\n".join(map(str, arguments.get("titles") or [])),
            "normalized": "yes" if normalised else None,
        },
        notes=notes,
    )


def _column(values: Sequence[Any], name: str, where: str) -> npt.NDArray[np.float64]:
    try:
        return np.array(values, float)
    except (TypeError, ValueError):
        raise ReadError(f"{where}: its array {name!r} holds something else than numbers.") from None
