"""Photoelectron spectra of four publications, simulated as VAMAS files from what is printed: demos, by case.

Every number comes from ``tables/cases.toml``, which says what is published and what is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.demo import demos_of_table
from xps.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["demos", "questions", "region_of", "write_inputs"]

Array = npt.NDArray[np.float64]


def region_of(row: Mapping[str, Any], state: int, rng: np.random.Generator) -> xr.Dataset:
    """The region of one demo in one of its states, with the truth of every line, and counts as they are counted."""
    from spectra import simulate

    common = {name: entry["value"] for name, entry in load_table("cases")["common"].items()}
    low, high = row["window"]
    shape: dict[str, Any] = {"shape": row.get("shape", "sgl")}
    if shape["shape"] == "sgl":
        shape["fraction"] = common["lorentzian_share"]
    numbers = {name: [_of(v, state) for v in line] for name, line in row["lines"].items()}
    lines = {
        name: {**shape, "position": p, "area": a, "fwhm": w} for name, (p, a, w) in numbers.items() if a > 0
    }

    def inelastic(grid: Array, peaks: Array) -> Array:
        below = np.cumsum(peaks, axis=-1) * (grid[1] - grid[0])
        return np.asarray(row["level"] * max(float(peaks.max()), 1e-3) + common["shirley"] * below)

    energy = np.arange(low, high + common["step"] / 2, common["step"])
    about = {"title": row["title"], "region": row["region"]}
    labels: dict[str, Any] = {"axis": "binding_energy", "name": "counts", "units": "counts", "attrs": about}
    if lines:
        return simulate(energy, lines, background=inelastic, counts=row["counts"], rng=rng, **labels)
    from spectra import from_arrays

    return from_arrays(energy, rng.poisson(row["counts"], energy.size), **labels)


def _of(value: float | Sequence[float], state: int) -> float:
    return float(value[state]) if isinstance(value, Sequence) else float(value)


def write_inputs(row: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the region of each state of a demo as a VAMAS file of its own, in the order of the series."""
    from xps.demo import write_vamas

    table = load_table("cases")
    source = table["source"][row["case"]]
    cited = f"doi:{source}" if source.startswith("10.") else source
    label = f"SIMULATED, not measured: from figures published in {cited}"
    rng = np.random.default_rng(sum(map(ord, row["name"])))
    photon = table["common"]["photon_energy"]["value"]
    states = row.get("states", [""])
    return [
        write_vamas(
            folder / f"{row['name']}_{i + 1}.vms".replace("-", "_"),
            {row["region"]: region_of(row, i, rng)},
            photon_energy=photon,
            comment=f"{label}; {state}".rstrip("; "),
        )
        for i, state in enumerate(states)
    ]


def questions(row: Mapping[str, Any], _: xr.Dataset) -> list[str]:
    """What the audit asks about the assignments as they are printed."""
    from xps import audit_assignments

    if "assignment" not in row:
        return []
    audit = audit_assignments(row["assignment"], compound=row.get("compound"))
    return [f"{f.rule} {f.severity}: {f.subject}: {f.found}" for f in audit.findings]


#: Announced by the entry point group ``spectra.demos``.
demos = demos_of_table(load_table("cases"), write_inputs, questions)
