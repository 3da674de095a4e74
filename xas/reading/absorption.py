"""μ(E) made from the channels of a scan: transmission, fluorescence, the reference behind the sample, or as given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.flags import flag
from spectra.errors import ReadError
from spectra.reading.scan import add_note
from xas.reading.dead_time import dead_time
from xas.reading.elements import edge_name, element_symbol
from xas.reading.roles import Roles, find_roles

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Channel", "edge_jump", "with_mu"]

Channel = Literal["auto", "mu", "transmission", "fluorescence", "reference"]

#: eV: no absorption spectrum is as wide.
_WIDEST = 1e5
_NORMALISED = re.compile(r"norm|nor$")
_HINT = re.compile(r"(?:ln\((\w+)/(\w+)\)|\(([^)]+)\)\s*/\s*(\w+))")


def with_mu(scan: xr.Dataset, *, channel: Channel = "auto") -> xr.Dataset:
    """``scan`` with ``mu`` made from its channels, beside the channels it has.

    Parameters
    ----------
    scan : xarray.Dataset
        Columns of a scan along ``energy``.
    channel : {"auto", "mu", "transmission", "fluorescence", "reference"}
        See :func:`xas.read`.
    """
    import xarray as xr

    if "energy" not in scan.dims:
        raise ReadError(
            f"{_where(scan)} lies along {', '.join(map(str, scan.dims))}, not energy: it is no X-ray absorption scan. "
            "spectra.read reads it as what it is, or name the column with columns={'energy': N}."
        )
    roles = find_roles(scan)
    chosen, notes = _chosen(scan, roles, channel)
    values, sigma, made = _absorption(scan, roles, chosen)
    notes += made
    if not np.isfinite(values).any():
        raise ReadError(
            f"{_where(scan)}: μ from channel {chosen!r} is nowhere finite; choose another channel."
        )
    channels = {role: scan[name].variable for role, name in roles.columns.items() if role != "mu"}
    # the channels of an image have its dimensions, one incident intensity for all pixels only the energy
    dims = max((v.dims for v in scan.data_vars.values() if v.ndim == values.ndim), key=len)
    if {"itrans", "irefer"} <= channels.keys() and "mu_ref" not in channels and chosen != "reference":
        reference = _log_ratio(channels["itrans"].values, channels["irefer"].values)[0]
        channels["mu_ref"] = xr.Variable(dims, reference, {"units": ""})
    mu = {"mu": xr.Variable(dims, values, {"units": "", "long_name": "absorption coefficient"})}
    if sigma is not None:
        said = {"units": "", "long_name": "standard uncertainty of mu, counting"}
        mu["mu_sigma"] = xr.Variable(dims, sigma, said)
    attrs = {**scan.attrs, **_sample(scan), "technique": "xas", "signal": "mu", "channel": chosen}
    places = {str(name): scan[name].variable for name in scan.coords if name != "energy"}
    result = xr.Dataset({**mu, **channels}, {"energy": scan.energy.variable, **places}, attrs)
    result.attrs["mu_from"] = _recipe(scan, roles, chosen)
    if chosen == "fluorescence" and roles.absorber and "element" not in result.attrs:
        result.attrs["element"] = roles.absorber
        notes.append(
            f"the element is {roles.absorber}, the only one of the detector's lines with an edge in the scan"
        )
    if chosen == "mu" and (_NORMALISED.search(roles.columns["mu"]) or _says_normalised(scan)):
        result.attrs["normalized"] = "yes"
        notes.append(f"the column {roles.columns['mu']} is already normalised and was read as mu")
    return _flag_flat(add_note(result, *notes))


def _where(scan: xr.Dataset) -> str:
    return str(scan.encoding.get("file") or scan.attrs.get("title") or "the scan")


def _chosen(scan: xr.Dataset, roles: Roles, channel: Channel) -> tuple[str, list[str]]:
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
    if set(has) == {"itrans"}:
        raise ReadError(
            f"{_where(scan)} holds the transmitted intensity without the incident one, so no μ; read it with "
            "spectra.read and take the logarithm against a region without sample."
        )
    if not possible:
        raise ReadError(
            f"{_where(scan)}: which columns make μ is not said by their names "
            f"({', '.join(map(str, scan.data_vars))}); name them, such as columns={{'i0': 2, 'itrans': 3}} or {{'mu': 2}}."
        )
    best = "fluorescence" if roles.fluorescence and "fluorescence" in possible else possible[0]
    if len(possible) == 2:
        other = next(name for name in possible if name != best)
        notes.append(
            f"the file holds transmission and fluorescence; mu is the {best} (channel={other!r} for the other)"
        )
    return best, notes


def _check_channel(roles: Roles, channel: str) -> None:
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


def _hinted(scan: xr.Dataset, roles: Roles, notes: list[str]) -> str | None:
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


def _compare_with_transmission(scan: xr.Dataset, roles: Roles, hinted: str | None, notes: list[str]) -> None:
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


@np.errstate(over="ignore", invalid="ignore")
def _absorption(
    scan: xr.Dataset, roles: Roles, channel: str
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
    if not roles.fluorescence:
        return column["ifluor"] / i0, None, []
    counts = [scan[n].values for n in roles.fluorescence]
    corrected = dead_time(scan, roles.fluorescence, roles.columns["i0"])
    factors = [corrected.factors.get(n, 1.0) for n in roles.fluorescence]
    total = sum((c * f for c, f in zip(counts, factors, strict=True)), np.zeros(len(i0)))
    # of N counts that stand for fN, the uncertainty is f√N
    variance = sum((np.maximum(c, 0) * f**2 for c, f in zip(counts, factors, strict=True)), np.zeros(len(i0)))
    whole = sum(counts, np.zeros(len(i0)))
    counted = bool((np.mod(whole, 1) == 0).all()) and whole.max() > 1
    sigma = np.sqrt(np.where(whole > 0, variance, 1.0)) / np.abs(i0) if counted else None
    return total / i0, sigma, [_summed(roles.fluorescence, corrected.source)]


def _summed(columns: tuple[str, ...], source: str) -> str:
    listed = ", ".join(columns)
    what = f"{len(columns)} detector elements were summed" if len(columns) > 1 else "fluorescence is"
    if len(columns) == 1:
        return (
            f"{what} {listed}, {source or 'without dead-time correction, for which the file holds nothing'}"
        )
    return f"{what}, {source or 'without dead-time correction, for which the file holds nothing'}: {listed}"


def _recipe(scan: xr.Dataset, roles: Roles, channel: str) -> str:
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
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
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
    first, last = energy[finite][0], energy[finite][-1]
    if not 40 <= last - first < _WIDEST:
        return float(np.ptp(mu[finite]))
    grid = np.arange(first, last, 1.0)
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


def _says_normalised(scan: xr.Dataset) -> bool:
    """Whether the header calls the columns normalised without one label saying so."""
    said = f"{scan.attrs.get('metadata', '')} {scan.attrs.get('header', '')}"
    return re.search(r"normali[sz]ed mu\(E\)", said) is not None
