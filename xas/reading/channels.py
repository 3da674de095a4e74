"""μ(E) out of what detectors wrote: transmission, fluorescence, the reference behind the sample, or μ as given."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.flags import flag
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import choose, read_scans
from spectra.reading.scan import add_note
from spectra.reading.series import Grid, Paths, read_each, stack
from spectra.verbs import reading_verb
from xas.reading.elements import edge_name, element_symbol

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Channel", "edge_jump", "read", "read_series", "with_mu"]

Channel = Literal["auto", "mu", "transmission", "fluorescence", "reference"]

#: Names that columns of each role go by, the surest first; XDI's own names lead.
_ROLES = {
    "i0": r"i0|io|i_0|.*_i0|i0_.*",
    "itrans": r"itrans|it|i1|i|trans|i1_.*|.*_it",
    "irefer": r"irefer|iref|ir|i2|ir_.*",
    "ifluor": r"ifluor|if|iff|ifl|fluor.*|flatot",
    "mu": r"mu|xmu|mutrans|mufluor|mu_?01|xmu_.*|norm|normalized|munorm|normtrans|normfluor|nor",
    "mu_ref": r"mu_?ref|murefer|reference",
}
_NORMALISED = re.compile(r"norm|nor$")
_ROI = re.compile(r"(?:sum_)?([a-z]{1,2})_[kl][ab]?\d?(?:_mca(\d+)|_sum)?$|.*_([a-z]{1,2})[kl]a_sum$")
_HINT = re.compile(r"(?:ln\((\w+)/(\w+)\)|\(([^)]+)\)\s*/\s*(\w+))")


@dataclass(frozen=True)
class _Roles:
    """Names of the columns by what they hold; ``fluorescence`` are the elements of a detector, to be summed."""

    columns: dict[str, str]
    fluorescence: tuple[str, ...]
    absorber: str | None  # element whose line the fluorescence channels hold

    def needs(self, channel: str, *roles: str) -> None:
        missing = [role for role in roles if role not in self.columns]
        if missing:
            raise InvalidInput(
                f"channel {channel!r} needs {' and '.join(roles)}; no column is known as {missing[0]}. "
                f"Name it with columns={{'{missing[0]}': ...}}."
            )


def with_mu(scan: xr.Dataset, *, channel: Channel = "auto") -> xr.Dataset:
    """``scan`` with ``mu`` made from its channels, beside the channels it has.

    Parameters
    ----------
    scan : xarray.Dataset
        Columns of a scan along ``energy``.
    channel : {"auto", "mu", "transmission", "fluorescence", "reference"}
        See :func:`read`.
    """
    if "energy" not in scan.dims:
        raise ReadError(
            f"{scan.attrs.get('title', 'the scan')} lies along {', '.join(map(str, scan.dims))}, not energy."
        )
    roles = _roles(scan)
    chosen, notes = _chosen(scan, roles, channel)
    values, sigma, made = _absorption(scan, roles, chosen)
    notes += made
    if not np.isfinite(values).any():
        raise ReadError(
            f"{scan.attrs.get('title', 'the scan')}: μ from channel {chosen!r} is nowhere finite; choose another channel."
        )
    result = scan[[n for r, n in roles.columns.items() if r != "mu"]].rename(
        {n: r for r, n in roles.columns.items() if r != "mu" and n != r}
    )
    result = result.assign_coords(energy=scan.energy).assign(
        mu=("energy", values, {"units": "", "long_name": "absorption coefficient"})
    )
    if sigma is not None:
        result["mu_sigma"] = (
            "energy",
            sigma,
            {"units": "", "long_name": "standard uncertainty of mu, counting"},
        )
    if "irefer" in result and "itrans" in result and "mu_ref" not in result and chosen != "reference":
        result["mu_ref"] = (
            "energy",
            _log_ratio(result.itrans.values, result.irefer.values)[0],
            {"units": ""},
        )
    result = result[["mu", *[n for n in result.data_vars if n != "mu"]]]
    result.attrs = {**scan.attrs, **_sample(scan), "technique": "xas", "signal": "mu", "channel": chosen}
    result.attrs["mu_from"] = _recipe(scan, roles, chosen)
    if chosen == "fluorescence" and roles.absorber and "element" not in result.attrs:
        result.attrs["element"] = roles.absorber
        notes.append(
            f"the element is {roles.absorber}, the only one of the detector's lines with an edge in the scan"
        )
    if chosen == "mu" and (_NORMALISED.search(roles.columns["mu"]) or _says_normalised(scan)):
        result.attrs["normalized"] = "yes"
        notes.append(f"the column {roles.columns['mu']} is already normalised and was read as mu")
    for text in notes:
        result = add_note(result, text)
    return _flag_flat(result)


def _says_normalised(scan: xr.Dataset) -> bool:
    """Whether the header calls the columns normalised without one label saying so."""
    said = f"{scan.attrs.get('metadata', '')} {scan.attrs.get('header', '')}"
    return re.search(r"normali[sz]ed mu\(E\)", said) is not None


def _roles(scan: xr.Dataset) -> _Roles:
    """Which column holds what, by name."""
    names = [str(n) for n in scan.data_vars]
    columns: dict[str, str] = {}
    for role, pattern in _ROLES.items():
        for alternative in pattern.split("|"):
            found = [n for n in names if re.fullmatch(alternative, n) and n not in columns.values()]
            if found:
                columns[role] = found[0]
                break
    if len(names) == 1 and "mu" not in columns:
        columns["mu"] = names[0]
    return _Roles(columns, *_regions_of_interest(names, scan))


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
    chosen = by_line.get(absorber, [])
    sums = [n for n in chosen if "sum" in n]
    return tuple(sums[:1] or chosen), absorber or None


def _edge_inside(symbol: str, scan: xr.Dataset) -> bool:
    import xraydb

    energies = [edge.energy for edge in xraydb.xray_edges(symbol).values()]
    return any(float(scan.energy[0]) < energy < float(scan.energy[-1]) for energy in energies)


def _chosen(scan: xr.Dataset, roles: _Roles, channel: Channel) -> tuple[str, list[str]]:
    """The channel to make μ from, and what to say about the choice."""
    if channel != "auto":
        _check_channel(roles, channel)
        return channel, []
    notes: list[str] = []
    hinted = _hinted(scan, roles, notes)
    if "mu" in roles.columns:
        _compare_with_transmission(scan, roles, hinted, notes)
        return "mu", notes
    has = roles.columns.keys()
    possible = [
        name
        for name, there in (
            ("transmission", {"i0", "itrans"} <= has),
            ("fluorescence", "i0" in has and ("ifluor" in has or roles.fluorescence)),
        )
        if there
    ]
    if hinted in possible or (hinted == "reference" and {"itrans", "irefer"} <= has):
        return str(hinted), notes
    if not possible:
        raise ReadError(
            f"{scan.attrs.get('title', 'the scan')}: which columns make μ is not said by their names "
            f"({', '.join(map(str, scan.data_vars))}); name them, such as columns={{'i0': 2, 'itrans': 3}} or {{'mu': 2}}."
        )
    best = "fluorescence" if roles.fluorescence and "fluorescence" in possible else possible[0]
    if len(possible) == 2:
        other = next(name for name in possible if name != best)
        notes.append(
            f"the file holds transmission and fluorescence; mu is the {best} (channel={other!r} for the other)"
        )
    return best, notes


def _check_channel(roles: _Roles, channel: str) -> None:
    if channel == "mu":
        roles.needs(channel, "mu")
    elif channel == "transmission":
        roles.needs(channel, "i0", "itrans")
    elif channel == "reference":
        if "mu_ref" not in roles.columns:
            roles.needs(channel, "itrans", "irefer")
    elif not roles.fluorescence:
        roles.needs(channel, "i0", "ifluor")
    else:
        roles.needs(channel, "i0")


def _hinted(scan: xr.Dataset, roles: _Roles, notes: list[str]) -> str | None:
    """Channel that ``Scan.plot_hint`` names, if its columns are in the file."""
    hint = {k.lower(): v for k, v in json.loads(scan.attrs.get("metadata", "{}")).items()}.get(
        "scan.plot_hint"
    )
    match = _HINT.match(hint or "")
    if match is None:
        return None
    by_name = {name: role for role, name in roles.columns.items()}
    top, bottom, summed, _ = match.groups()
    if top:
        pair = (by_name.get(top.lower()), by_name.get(bottom.lower()))
        return {("i0", "itrans"): "transmission", ("itrans", "irefer"): "reference"}.get(pair)  # type: ignore[arg-type]
    parts = [part.strip().lower() for part in summed.split("+")]
    if not all(part in scan.data_vars for part in parts):
        notes.append(f"Scan.plot_hint names columns that the file does not have: {hint}")
        return None
    return "fluorescence"


def _compare_with_transmission(scan: xr.Dataset, roles: _Roles, hinted: str | None, notes: list[str]) -> None:
    """A column μ of a transmission scan that is not ln(i0/itrans) is worth a word."""
    if not {"i0", "itrans"} <= roles.columns.keys() or _NORMALISED.search(roles.columns["mu"]):
        return
    mu = scan[roles.columns["mu"]].values
    ways = {"transmission": ("i0", "itrans"), "reference": ("itrans", "irefer")}
    for way, (top, bottom) in ways.items():
        if bottom in roles.columns:
            computed = _log_ratio(scan[roles.columns[top]].values, scan[roles.columns[bottom]].values)[0]
            if np.nanmax(np.abs(mu - computed)) < 1e-2 * (1 + np.nanmax(np.abs(computed))):
                if way == "reference":
                    notes.append(
                        f"the column {roles.columns['mu']} is ln(itrans/irefer): the sample sat in the reference position"
                    )
                return
    notes.append(
        f"the column {roles.columns['mu']} was taken as mu and is not ln(i0/itrans); channel='transmission' computes that"
    )


def _absorption(
    scan: xr.Dataset, roles: _Roles, channel: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None, list[str]]:
    """μ, its uncertainty where photons were counted, and what was done."""
    column = {role: scan[name].values for role, name in roles.columns.items()}
    if channel == "mu":
        return column["mu"], None, []
    if channel == "reference" and "irefer" not in column:
        return column["mu_ref"], None, []
    if channel in ("transmission", "reference"):
        top, bottom = ("i0", "itrans") if channel == "transmission" else ("itrans", "irefer")
        values, masked = _log_ratio(column[top], column[bottom])
        return (
            values,
            None,
            [f"{masked} points where {top}/{bottom} is not positive were set to NaN"] if masked else [],
        )
    i0 = np.where(column["i0"] != 0, column["i0"], np.nan)
    counts = (
        sum((scan[n].values for n in roles.fluorescence), np.zeros(len(i0)))
        if roles.fluorescence
        else column["ifluor"]
    )
    notes = []
    if len(roles.fluorescence) > 1:
        notes.append(
            f"{len(roles.fluorescence)} detector elements were summed, without dead-time correction: {', '.join(roles.fluorescence)}"
        )
    counted = bool((np.mod(counts, 1) == 0).all()) and counts.max() > 1 and bool(roles.fluorescence)
    return counts / i0, np.sqrt(np.maximum(counts, 1)) / np.abs(i0) if counted else None, notes


def _recipe(scan: xr.Dataset, roles: _Roles, channel: str) -> str:
    """How μ was made, with the columns as the file calls them: ``ln(Io / It)``."""

    def label(name: str) -> str:
        return str(scan[name].attrs.get("long_name", name))

    column = {role: label(name) for role, name in roles.columns.items()}
    if channel == "mu":
        return column["mu"]
    if channel == "transmission":
        return f"ln({column['i0']} / {column['itrans']})"
    if channel == "reference":
        return f"ln({column['itrans']} / {column['irefer']})" if "irefer" in column else column["mu_ref"]
    above = " + ".join(map(label, roles.fluorescence)) if roles.fluorescence else column["ifluor"]
    return f"({above}) / {column['i0']}" if len(roles.fluorescence) > 1 else f"{above} / {column['i0']}"


def _log_ratio(
    top: npt.NDArray[np.float64], bottom: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], int]:
    """ln(top/bottom), NaN where that has no meaning, and at how many points."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.asarray(top / bottom, float)
        bad = ~(np.isfinite(ratio) & (ratio > 0))
        return np.log(np.where(bad, np.nan, ratio)), int(bad.sum())


def _sample(scan: xr.Dataset) -> dict[str, str]:
    """Element, edge and sample out of a free header, where the reader did not know them."""
    metadata: Mapping[str, str] = {
        k.lower(): v for k, v in json.loads(scan.attrs.get("metadata", "{}")).items()
    }
    header = str(scan.attrs.get("header", ""))
    symbol = re.search(r"\b(?:Element|atom)\s*[=:]\s*([A-Z][a-z]?)\b", header, re.IGNORECASE)
    edge = re.search(r"\bEdge\s*[=:]\s*([KLM][1-5]?)\b", header, re.IGNORECASE)
    said = {
        "element": element_symbol(symbol.group(1)) if symbol else None,
        "edge": edge_name(edge.group(1)) if edge else None,
        "sample": metadata.get("sample") or metadata.get("name"),
    }
    return {key: value for key, value in said.items() if value and key not in scan.attrs}


def edge_jump(energy: npt.NDArray[np.float64], mu: npt.NDArray[np.float64]) -> float:
    """Largest rise of the mean over some 50 eV, as a rough edge step that needs no E0; NaN points are left out."""
    finite = np.isfinite(mu)
    if finite.sum() < 10:
        return 0.0
    grid = np.arange(energy[finite][0], energy[finite][-1], 1.0)
    if grid.size < 40:
        return float(np.ptp(mu[finite]))
    total = np.concatenate([[0.0], np.cumsum(np.interp(grid, energy[finite], mu[finite]))])
    far = min(60, grid.size // 5)
    near = far // 6
    at = np.arange(far, grid.size - far)
    rise = (total[at + far] - total[at + near]) - (total[at - near] - total[at - far])
    return float(rise.max() / (far - near))


def _flag_flat(scan: xr.Dataset) -> xr.Dataset:
    """A warning where μ shows no edge and the reference channel does: the sample was somewhere else."""
    if "mu_ref" not in scan or scan.attrs.get("normalized"):
        return scan
    energy = scan.energy.values
    here, reference = edge_jump(energy, scan.mu.values), edge_jump(energy, scan.mu_ref.values)
    if not (reference > 0.05 and here < 0.05 * reference):
        return scan
    text = (
        "mu shows no edge and the reference channel does: the sample sat in the reference position "
        "(channel='reference') or was meant to be measured in fluorescence (channel='fluorescence')"
    )
    return add_note(flag(scan, True, "flat_mu", text, severity="warning"), text)


@reading_verb("xas.read")
def read(
    path: str | os.PathLike[str],
    *,
    channel: Channel = "auto",
    select: str | int | None = None,
    reader: str | None = None,
    columns: dict[str, int | str] | None = None,
    axis_units: Literal["eV", "keV"] | None = None,
    d_spacing: float | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
) -> xr.Dataset:
    r"""Read one X-ray absorption scan: ``mu`` along ``energy`` (eV, ascending).

    The detector channels that were recognised stay beside it as ``i0``, ``itrans``, ``ifluor``, ``irefer``; where
    there is a reference behind the sample, its absorption is ``mu_ref``. Points whose logarithm does not exist are
    NaN and the length is kept. A ``mu`` without an edge beside a reference with one is flagged ``flat_mu``.

    Parameters
    ----------
    path : str or Path
        XDI, Athena project, column text, HDF5/NeXus, or any other file a reader is installed for.
    channel : {"auto", "mu", "transmission", "fluorescence", "reference"}
        ``mu`` takes the column the file gives, ``transmission`` is ln(i0/itrans), ``fluorescence`` ifluor/i0 (elements
        of the detector summed), ``reference`` ln(itrans/irefer). ``auto`` takes the file's own μ, else what its
        metadata name, else fluorescence where the file has the elements of such a detector, else transmission; the choice is kept in ``attrs["channel"]``.
    select : str or int, optional
        Which of several scans: its name, or its number from 0.
    reader : str, optional
        Name of the reader where the content should not decide.
    columns : dict, optional
        Role → column, by number from 1 or label: ``{"energy": 1, "i0": 2, "itrans": 3}`` or ``{"mu": 2}``.
    axis_units : {"eV", "keV"}, optional
        Units of the energy where the file does not say them.
    d_spacing : float, optional
        Spacing of the monochromator's planes in Å, for files that hold its angle and not the spacing.
    delimiter : str, optional
        Text: what stands between columns. Default: found from the content.
    decimal : {".", ","}, optional
        Text: the decimal mark. Default: found from the content.
    encoding : str, optional
        Text: the encoding. Default: found from the content.

    Returns
    -------
    xarray.Dataset
        Attributes ``element``, ``edge``, ``sample``, ``start_time`` and others where the file says them;
        ``normalized`` is ``"yes"`` for a column that the file calls normalised. ``mu_sigma`` is there only where
        single photons were counted (regions of interest of a fluorescence detector).

    Raises
    ------
    ReadError
        The file cannot be read, or its columns do not say how to make μ.
    InvalidInput
        The file lacks the channel asked for, or holds several scans and none was selected.

    Examples
    --------
    >>> import pathlib, tempfile, xas
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "scan.dat"
    >>> _ = file.write_text("# energy i0 it\n6530 100 50\n6540 100 25\n")
    >>> xas.read(file).mu.values.round(3)
    array([0.693, 1.386])
    """
    options = _options(columns, axis_units, d_spacing, delimiter, decimal, encoding)
    scans = read_scans(path, reader=reader, options=options, hints={"default_axis": "energy"})
    return with_mu(choose(scans, select, file=os.fspath(path)), channel=channel)


@reading_verb("xas.read_series")
def read_series(
    paths: Paths,
    *,
    dim: str = "scan",
    coordinate: tuple[float, ...] | str | None = None,
    channel: Channel = "auto",
    select: str | int | tuple[str | int, ...] | None = None,
    grid: Grid | None = None,
    reader: str | None = None,
    columns: dict[str, int | str] | None = None,
    axis_units: Literal["eV", "keV"] | None = None,
    d_spacing: float | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
) -> xr.Dataset:
    r"""Read a series of X-ray absorption scans into one dataset: ``mu`` along ``dim`` and ``energy``.

    Parameters
    ----------
    paths : path, pattern or list of such
        ``"operando/*.xdi"``; a pattern is sorted with numbers by value, a list keeps its order. One file with several
        scans is a series too.
    dim : str
        Name of the series dimension; ``time`` makes the wall clock its coordinate.
    coordinate : tuple of float or str, optional
        Coordinate of ``dim``: one number per spectrum, or the name of a number in the metadata.
    channel : {"auto", "mu", "transmission", "fluorescence", "reference"}
        As in :func:`read`.
    select : str, int or tuple, optional
        Which scans of each file, by name or number from 0. Default: all.
    grid : {"first", "union", "intersection"}, optional
        Energies to interpolate to where the scans differ; without it differing scans are refused.
    reader : str, optional
        Name of the reader where the content should not decide.
    columns : dict, optional
        As in :func:`read`.
    axis_units : {"eV", "keV"}, optional
        As in :func:`read`.
    d_spacing : float, optional
        As in :func:`read`.
    delimiter : str, optional
        Text: what stands between columns.
    decimal : {".", ","}, optional
        Text: the decimal mark.
    encoding : str, optional
        Text: the encoding.

    Returns
    -------
    xarray.Dataset
        Coordinates ``label`` (file and scan) and, where the files say it, ``time`` (s since the first; its attribute
        ``start`` is the wall clock) and ``start_time`` lie along ``dim``.

    Raises
    ------
    ReadError
        A file cannot be read, or the scans do not fit together.

    Examples
    --------
    >>> import pathlib, tempfile, xas
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for n in (1, 2):
    ...     _ = (folder / f"scan{n}.dat").write_text(f"energy mu\n6530 {n}\n6540 2\n")
    >>> xas.read_series(folder / "*.dat").mu.dims
    ('scan', 'energy')
    """
    options = _options(columns, axis_units, d_spacing, delimiter, decimal, encoding)
    each = read_each(paths, select=select, reader=reader, options=options, hints={"default_axis": "energy"})
    return stack(
        [(label, with_mu(scan, channel=channel)) for label, scan in each],
        dim=dim,
        coordinate=coordinate,
        grid=grid,
    )


def _options(
    columns: dict[str, int | str] | None,
    axis_units: str | None,
    d_spacing: float | None,
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
) -> dict[str, Any]:
    return {
        "columns": columns,
        "axis_units": axis_units,
        "d_spacing": d_spacing,
        "delimiter": delimiter,
        "decimal": decimal,
        "encoding": encoding,
    }
