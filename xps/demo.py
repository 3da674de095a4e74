"""Demo input of photoelectron spectroscopy: Mn 2p and C 1s of a charged-up spinel, as a VAMAS file.

Every number comes from ``tables/demo_mn2p.toml``, which says of each whether it is published or chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.demo import Demo
from spectra.published import Printed
from xps.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["demo", "regions", "write_inputs", "write_vamas"]

Array = npt.NDArray[np.float64]


def regions(rng: int | np.random.Generator = 0) -> dict[str, xr.Dataset]:
    """The regions ``Mn 2p`` and ``C 1s`` with their truth, on the scale of the instrument: the sample charges up."""
    table = load_table("demo_mn2p")
    random = np.random.default_rng(rng)
    return {"Mn 2p": _mn2p(table, random), "C 1s": _c1s(table, random)}


def _mn2p(table: dict[str, Any], rng: np.random.Generator) -> xr.Dataset:
    """Two states, each a doublet, on a background that rises with the area of the lines at lower binding energy."""
    from spectra import simulate

    region = {key: entry["value"] for key, entry in table["region"].items()}
    x = np.arange(region["low"], region["high"] + region["step"] / 2, region["step"]) + region["charging"]

    def inelastic(grid: Array, peaks: Array) -> Array:
        below = np.cumsum(peaks, axis=-1) * (grid[1] - grid[0])
        return np.asarray(region["low_energy_level"] * peaks.max() + region["shirley"] * below)

    return simulate(
        x,
        _doublets(table, region["charging"]),
        background=inelastic,
        counts=region["peak_counts"],
        rng=rng,
        axis="binding_energy",
        name="counts",
        units="counts",
        attrs={"title": table["about"]["title"]},
    )


def _doublets(table: dict[str, Any], shift: float) -> dict[str, dict[str, Any]]:
    line = {key: entry["value"] for key, entry in table["line"].items()}
    found = {}
    for state in table["state"]:
        for level, share in (("3_2", 1.0), ("1_2", line["ratio"])):
            found[f"{state['name']} 2p{level.replace('_', '/')}"] = {
                "shape": "sgl",
                "position": state[f"position_{level}"]["value"] + shift,
                "area": state["fraction"]["value"] * share,
                "fwhm": line[f"width_{level}"],
                "fraction": line["lorentzian_share"],
            }
    return found


def _c1s(table: dict[str, Any], rng: np.random.Generator) -> xr.Dataset:
    from spectra import simulate

    carbon = {key: entry["value"] for key, entry in table["carbon"].items()}
    centre = carbon["position"] + table["region"]["charging"]["value"]
    line = {
        "C-C": {"shape": "sgl", "position": centre, "area": 1.0, "fwhm": carbon["width"], "fraction": 0.3}
    }
    return simulate(
        np.arange(279.0, 292.0, table["region"]["step"]["value"]),
        line,
        background=0.08,
        counts=carbon["peak_counts"],
        rng=rng,
        axis="binding_energy",
        name="counts",
        units="counts",
        attrs={"title": table["about"]["title"]},
    )


def write_inputs(folder: Path) -> list[Path]:
    """Write both regions as one VAMAS file."""
    table = load_table("demo_mn2p")
    label = f"SIMULATED, not measured: from figures published in {', '.join(table['about']['sources'])}"
    photon = table["region"]["photon_energy"]["value"]
    return [write_vamas(folder / "lnmo_mn2p.vms", regions(), photon_energy=photon, comment=label)]


def write_vamas(path: Path, spectra: dict[str, xr.Dataset], *, photon_energy: float, comment: str) -> Path:
    """Write counts of several regions as VAMAS (ISO 14976), kinetic energies ascending on a regular grid."""
    from spectra.results.atomic import replace_file

    header = [
        "VAMAS Surface Chemical Analysis Standard Data Transfer Format 1988 May 4",
        *("Not Specified",) * 4,  # institution, instrument, operator, experiment
        *("1", comment),
        *("NORM", "REGULAR"),
        str(len(spectra)),  # regions
        *("1", "Exp Variable", "d"),
        *("0", "0", "0", "0"),  # inclusion list, manual items, future upgrades
        str(len(spectra)),  # blocks
    ]
    blocks = [
        line
        for region, data in spectra.items()
        for line in _block(region, data, photon_energy=photon_energy, comment=comment)
    ]
    return replace_file(
        path, "".join(f"{line}\r\n" for line in [*header, *blocks, "end of experiment"]).encode()
    )


def _block(region: str, data: xr.Dataset, *, photon_energy: float, comment: str) -> list[str]:
    kinetic = photon_energy - data["binding_energy"].values[::-1]
    counts = [f"{value:.0f}" for value in data["counts"].values[::-1]]
    species, transition = region.split()
    return [
        *(region, f"{data.attrs.get('title', region)} (simulated)"),
        *("2024", "5", "13", "8", "0", "0", "0"),  # date and time, offset from GMT
        *("1", comment),
        *("XPS", "0", "Al", f"{photon_energy:g}"),
        *("0", "0", "0", "54.7", "0"),  # source strength, beam width x and y, polar angle, azimuth
        *("FAT", "20", "1", "4.5", "0"),  # pass energy, magnification, work function, target bias
        *("0", "0", "0", "0"),  # analysis width x and y, take-off angles
        *(species, transition, "-1"),
        *(
            "kinetic energy",
            "eV",
            f"{kinetic[0]:.4f}",
            f"{(kinetic[-1] - kinetic[0]) / (len(counts) - 1):.6f}",
        ),
        *("1", "counts", "d"),
        *("pulse counting", "1", "1", "0"),  # collection time, number of scans, time correction
        *("0", "0", "0"),  # tilt, tilt azimuth, rotation
        "0",  # additional numbers
        str(len(counts)),
        *(min(counts, key=float), max(counts, key=float)),
        *counts,
    ]


def _demo() -> Demo:
    table = load_table("demo_mn2p")
    about = table["about"]
    return Demo(
        title=about["title"],
        sources=tuple(about["sources"]),
        write_inputs=write_inputs,
        recipe="demo_mn2p",
        shown=("best_fit",),
        case="A",
        printed=tuple(_printed(table)),
        questions=_questions,
    )


def _lines(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The four lines as they are printed: state, line and position."""
    return [
        {"level": "Mn 2p", "label": state["name"], "line": f"2p{line.replace('_', '/')}", **state[f"position_{line}"]}
        for state in table["state"]
        for line in ("3_2", "1_2")
    ]  # fmt: skip


def _printed(table: dict[str, Any]) -> list[Printed]:
    return [
        Printed(
            what=f"Mn {line['line']} of {line['label']}",
            value=line["value"],
            variable="position",
            unit=line["unit"],
            source=line["source"],
            status=line["status"],
            at={"component": f"{line['label']} {line['line']}"},
        )
        for line in _lines(table)
    ]


def _questions(_: xr.Dataset) -> list[str]:
    """What the audit asks about the assignments as they are printed."""
    from xps import audit_assignments

    rows = [
        {"position": line["value"], **{key: line[key] for key in ("level", "label", "line")}}
        for line in _lines(load_table("demo_mn2p"))
    ]
    audit = audit_assignments(rows, compound="LiNi0.5Mn1.5O4")
    return [f"{f.rule} {f.severity}: {f.subject}: {f.found}" for f in audit.findings]


#: Announced by the entry point group ``spectra.demos``.
demo = _demo()
