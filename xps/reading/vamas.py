"""VAMAS (ISO 14976) in the dialects of SPECS, Kratos, Thermo and CasaXPS.

Energies become binding energies with the photon energy that the file itself states, and stay kinetic where it
states none. Counts stay counts. What the file gives as 1E+37 was not given.

References
----------
W. A. Dench, L. B. Hazell, M. P. Seah, Surf. Interface Anal. 13, 63 (1988), doi:10.1002/sia.740130202
"""

from __future__ import annotations

import datetime
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.scan import add_note, unique_names
from spectra.reading.source import Source
from xps.reading.casaxps import casaxps_comments
from xps.reading.levels import core_level
from xps.reading.spectrum import CUT_LINE, Quantity, Spectrum, ends_inside_a_line, positive
from xps.reading.vamas_blocks import MAGIC, Block, parse

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

#: How closely the text holds counts per second.
_PRECISION = 1e-6
_TIMES = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "min": 60.0, "minute": 60.0, "minutes": 60.0}


def sniff(source: Source) -> float:
    """Certain where one of the first lines is the format identifier."""
    return 1.0 if MAGIC.encode() in source.head[:400] else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every block of a VAMAS file as a dataset; blocks that hold no photoelectron spectrum are left out and named."""
    found: list[xr.Dataset] = []
    faults: list[ReadError] = []
    left: list[str] = []
    notes = _end_notes(source.text)
    for block in parse(source):
        try:
            found.append(_dataset(block, source.name, notes))
        except ReadError as fault:
            faults.append(fault)
            left.append(block.name)
    if not found:
        raise faults[0]
    said = f"blocks that hold no photoelectron spectrum were left out: {', '.join(left)}"
    return [add_note(scan, said) if left else scan for scan in found]


def _end_notes(text: str) -> list[str]:
    """What a file without its last line may lack."""
    if text.rstrip().lower().endswith("end of experiment"):
        return []
    return [CUT_LINE] if ends_inside_a_line(text) else ["the file lacks its last line, 'end of experiment'"]


reader = Reader(
    "vamas", "VAMAS (ISO 14976) of SPECS, Kratos, Thermo and CasaXPS", (".vms", ".vamas"), sniff, scans
)


def _dataset(block: Block, file: str, notes: list[str]) -> xr.Dataset:
    where = f"{file}: block {block.name!r}"
    label, units, energies, variables, columns = _abscissa(block, where)
    if units.lower() != "ev":
        raise ReadError(
            f"{where}: its abscissa {label!r} is in {units!r}, not eV: no photoelectron spectrum."
        )
    technique = _technique(block)
    named, quantity = _ordinates(block, variables, columns)
    values, _, measured = named.pop(quantity)
    casa = casaxps_comments(block.comments, positive(block.numbers["photon_energy"]))
    return Spectrum(
        where,
        energies,
        values,
        quantity,
        kinetic="binding" not in label.lower(),
        # the energy of an electron beam says nothing of binding energies
        photon_energy=positive(block.numbers["photon_energy"]) if technique == "xps" else None,
        dwell_time=positive(block.numbers["dwell_time"]),
        sweeps=positive(block.numbers["sweeps"]),
        precision=_PRECISION,
        label=measured,
        variables={name: column for name, (column, _, _) in named.items()},
        labels={name: text for name, (_, _, text) in named.items()},
        units={name: unit for name, (_, unit, _) in named.items()},
        attrs=_attributes(block, technique) | ({"casaxps": json.dumps(casa)} if casa else {}),
        notes=[*_casaxps_notes(casa), *notes],
    ).dataset()


def _casaxps_notes(casa: dict[str, Any]) -> list[str]:
    notes = []
    if "calibrations" in casa:
        shift = sum(c["shift"] for c in casa["calibrations"])
        notes.append(
            f"CasaXPS had shifted this block by {shift:+.4g} eV in all; energies are as measured and its components "
            "(attrs casaxps) are on the shifted scale"
        )
    if "unread" in casa:
        notes.append(f"lines of CasaXPS that could not be understood: {'; '.join(casa['unread'])}")
    return notes


def _abscissa(
    block: Block, where: str
) -> tuple[str, str, npt.NDArray[np.float64], list[tuple[str, str]], npt.NDArray[np.float64]]:
    """Label, units and values of the abscissa, and what is left as ordinates."""
    if "abscissa" in block.words:
        start, step = block.numbers["start"], block.numbers["increment"]
        if start is None or not step:
            raise ReadError(f"{where}: start and increment of its abscissa are not given.")
        x = start + step * np.arange(len(block.ordinates), dtype=np.float64)
        return block.words["abscissa"], block.words["abscissa_units"], x, block.variables, block.ordinates
    label, units = block.variables[0]
    if len(block.variables) < 2:
        raise ReadError(f"{where}: its one variable {label!r} is the abscissa; nothing was measured.")
    return label, units, block.ordinates[:, 0], block.variables[1:], block.ordinates[:, 1:]


def _ordinates(
    block: Block, variables: list[tuple[str, str]], columns: npt.NDArray[np.float64]
) -> tuple[dict[str, tuple[npt.NDArray[np.float64], str, str]], Quantity]:
    """Variables by name with their values, units and labels, and which was measured."""
    label, units = variables[0]
    rate = re.search(r"cps|counts?/s|/s$", f"{label} {units}", re.IGNORECASE) is not None
    counting = "count" in f"{block.words['signal_mode']} {label}".lower()
    signal: Quantity = "count_rate" if rate else "counts" if counting else "intensity"
    named: dict[str, tuple[npt.NDArray[np.float64], str, str]] = {signal: (columns[:, 0], "", label)}
    names = unique_names([label for label, _ in variables[1:]], taken=(signal, "transmission"))
    for n, (name, (label, _)) in enumerate(zip(names, variables[1:], strict=True), start=1):
        values = columns[:, n]
        # CasaXPS writes the transmission second, under whatever label, and ones where there is none
        named_so = label.lower().startswith("transmission")
        casa = n == 1 and (label == variables[0][0] or bool((values == 1).all()))
        second = "transmission" not in named and (named_so or casa)
        named["transmission" if second else name] = (values, "", label)
    return named, signal


def _attributes(block: Block, technique: str) -> dict[str, Any]:
    region, element = core_level(f"{block.words['species']} {block.words['transition']}", block.name)
    year, month, day, hour, minute, second, offset = block.date
    zone = datetime.timezone(datetime.timedelta(hours=offset)) if -24 < offset < 24 and offset else None
    try:
        start = datetime.datetime(year, month, day, hour, minute, second, tzinfo=zone).isoformat()
    except ValueError:  # 0/0/0: no date
        start = None
    given = {k: v for k, v in block.experiment.items() if v is not None}
    return {
        "technique": technique,
        "title": block.name,
        "region": region or re.sub(r"^\d+:", "", block.name).strip(),
        "element": element,
        "sample": block.sample,
        "start_time": start,
        "source": block.words["source"],
        "pass_energy": positive(block.numbers["pass_energy"]),
        "work_function": block.numbers.get("work_function"),
        "analyser_mode": block.words["analyser_mode"],
        "signal_mode": block.words["signal_mode"],
        "sputter_time": _sputter_time(block),
        "experiment": json.dumps(given) if given else "",
        "comments": "\n".join(block.comments).strip(),
    }


def _technique(block: Block) -> str:
    return "xps" if block.technique.upper() in ("XPS", "UPS") else block.technique.lower()


def _sputter_time(block: Block) -> float | None:
    """Etching time in s, where an experimental variable is one."""
    for label, value in block.experiment.items():
        scale = _TIMES.get(block.experiment_units.get(label, "").lower())
        if value is not None and scale and re.search(r"(etch|sputter)\w*\W*time", label, re.IGNORECASE):
            return value * scale
    return None
