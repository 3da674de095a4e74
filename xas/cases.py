"""X-ray absorption, RIXS and EELS of a published case, simulated as files of instruments from what is printed: demos.

Every number comes from ``tables/cases.toml``, which says what is published and what is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.demo import demos_of_table
from xas.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["demos", "questions", "write_inputs"]

Array = npt.NDArray[np.float64]
_PHOTONS = 4e7  # in front of the sample, per point
_EDGE_STEP, _ABOVE = 1.0, 1.6  # edge step and total absorption above it
_CHANNEL, _SUBPIXELS = 0.01, 4  # of the RIXS spectrometer: eV per channel, channels per row


def write_inputs(row: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the files of one demo, each labelled as simulated: HyperSpy, XDI or SLS ADRESS by its kind."""
    from xas.eels.profiles.demo import write_inputs as write_line_scan

    if row["kind"] == "eels":
        return write_line_scan(folder)
    source = load_table("cases")["source"][row["case"]]
    label = f"SIMULATED, not measured: from figures published in {source}"
    rng = np.random.default_rng(sum(map(ord, row["name"])))
    write = {"xas": _write_scan, "oxygen": _write_oxygen, "rixs": _write_exposure}[row["kind"]]
    return [write(folder, row, i, label, rng) for i in range(len(row["states"]))]


def _name(row: Mapping[str, Any], i: int) -> str:
    return f"{row['name']}_{i + 1:02d}".replace("-", "_")


def _write_scan(folder: Path, row: Mapping[str, Any], i: int, label: str, rng: np.random.Generator) -> Path:
    """One transmission scan over a K edge and its fine structure."""
    from xas.demo import _chi, _grid

    edge = row["edge"] + row["shift"][i]
    energy = _grid(row["edge"], 14.0)
    pre, shells = row["pre_edge"], [_shell(*shell) for shell in row["shells"]]
    if "migrated" in row:
        far = row["migrated"]
        shells.append(_shell(far["neighbours"][i], far["distance"], far["sigma2"]))
    near = np.arctan((energy - edge) / 1.2) / np.pi + 0.5
    near += 0.75 * _gauss(energy, edge + 6.5, 6.0) + pre["area"] * _gauss(
        energy, row["edge"] - pre["below_edge"], pre["width"]
    ) / (pre["width"] * 1.06)
    mu = _EDGE_STEP * (near + _chi(energy, edge, shells, 0))
    mu += (_ABOVE - _EDGE_STEP) * (energy / row["edge"]) ** -2.9
    columns = {"i0": rng.poisson(_PHOTONS, energy.size), "itrans": rng.poisson(_PHOTONS * np.exp(-mu))}
    return _write_xdi(folder / f"{_name(row, i)}.xdi", energy, columns, row, i, label)


def _shell(neighbours: float, distance: float, disorder: float) -> dict[str, Any]:
    return {
        "neighbours": {"value": neighbours},
        "distance": [distance],
        "disorder": [disorder],
        "peak_offset": {"value": -0.42},
        "amplitude": {"value": 0.4, "centre": 5.0 if distance > 2.5 else 3.0, "width": 7.0},
    }


def _gauss(x: Array, at: float, fwhm: float) -> Array:
    """Gaussian of height one."""
    return np.asarray(np.exp(-4 * np.log(2) * ((x - at) / fwhm) ** 2))


def _write_oxygen(folder: Path, row: Mapping[str, Any], i: int, label: str, rng: np.random.Generator) -> Path:
    """One scan of O K in electron yield."""
    energy = np.arange(510.0, 575.0, 0.1)
    step = 0.5 + np.arctan((energy - 535.0) / 1.0) / np.pi
    peaks = row["pre_edge"][i] * _gauss(energy, 530.0, 1.6) + 0.8 * _gauss(energy, 541.0, 6.0)
    signal = 0.3 + 0.0005 * (energy - 510.0) + peaks + step
    columns = {"i0": np.full(energy.size, 1e6), "ifluor": rng.poisson(1e5 * signal)}
    return _write_xdi(
        folder / f"{_name(row, i)}.xdi", energy, columns, {**row, "element": "O"}, i, label, fluorescence=True
    )


def _write_xdi(
    path: Path,
    energy: Array,
    columns: Mapping[str, Any],
    row: Mapping[str, Any],
    i: int,
    label: str,
    *,
    fluorescence: bool = False,
) -> Path:
    from spectra.results.atomic import replace_file

    header = [
        "# XDI/1.0 redox-spectra",
        "# Column.1: energy eV",
        *(f"# Column.{n}: {name}" for n, name in enumerate(columns, 2)),
        f"# Element.symbol: {row['element']}",
        "# Element.edge: K",
        *([] if fluorescence else ["# Mono.d_spacing: 3.13556"]),
        f"# Sample.name: {row['states'][i]} (simulated)",
        "# Demo.simulated: yes",
        "# ///",
        f"# {label}",
        "# ---",
        f"# energy {' '.join(columns)}",
    ]
    rows = zip(energy, *columns.values(), strict=True)
    lines = [*header, *(" ".join([f"{e:.3f}", *(f"{c:.0f}" for c in counts)]) for e, *counts in rows), ""]
    return replace_file(path, "\n".join(lines).encode())


def _write_exposure(
    folder: Path, row: Mapping[str, Any], i: int, label: str, rng: np.random.Generator
) -> Path:
    """One exposure of a RIXS spectrometer: photons by column and row of the detector."""
    import io

    import h5py

    from spectra.results.atomic import replace_file

    size, zero = 1600, 1400
    loss = (zero - np.arange(size, dtype=np.float64)) * _CHANNEL
    mean = row["photons"][i] * _CHANNEL * _emission(row, i, loss) + 0.5
    counts = rng.poisson(mean)
    places = (np.repeat(np.arange(size), counts) + rng.uniform(0.1, 0.9, counts.sum())) / _SUBPIXELS
    photons = rng.permutation(np.column_stack([rng.uniform(0, 1600, places.size), places]))
    frames = 30
    settings: dict[str, Any] = {
        "PhotonEnergy": np.full(frames, row["incident"]),
        "AcquireTime": np.full(frames, 60.0),
        "BeamCurrent": np.full(frames, 400.0),
        "RMUCurrent": rng.normal(2.0, 0.01, frames),
        "EventCount": np.linspace(0, len(photons), frames + 1).astype(int)[1:],
        "CurvatureCF1": np.zeros(frames),
    }
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs["simulated"] = f"{label}; {row['states'][i]}"
        for name, values in settings.items():
            file[f"entry/instrument/NDAttributes/{name}"] = values
        file.create_dataset("entry/analysis/events", data=photons, compression="gzip")
        file["entry/analysis/spectrum"] = counts.astype(float)
        file["entry/analysis/bad"] = np.zeros((size // _SUBPIXELS, 4), np.uint8)
    return replace_file(folder / f"{_name(row, i)}_d1.h5", image.getvalue())


def _emission(row: Mapping[str, Any], i: int, loss: Array) -> Array:
    """Emission per eV relative to the main one: elastic line, vibrations, both features."""

    def line(at: float, width: float, area: float) -> Array:
        return np.asarray(area * _gauss(loss, at, width) / (width * np.sqrt(np.pi / (4 * np.log(2)))))

    spacing, number, strength = row["vibrations"]
    at, width, areas = row["seven"]
    total = line(*row["main"]) + line(at, width, areas[i]) + line(*row["elastic"])
    for v in range(1, number + 1):
        total += line(spacing * v, row["elastic"][1], strength[i] * (1 - 0.15 * (v - 1)))
    return total


def questions(row: Mapping[str, Any], dataset: xr.Dataset) -> list[str]:
    """Where molecular oxygen is known to emit, against where the publication has a feature."""
    if row["kind"] != "rixs":
        return []
    from spectra.knowledge import number
    from xas.rixs.tables import load_table as rixs_table

    entry = rixs_table("oxygen")["fingerprint"]["emission"]
    seen, known = row["incident"] - row["seven"][0], number(entry)
    if abs(seen - known) < 0.5:
        return []
    return [
        f"RIXS: the feature at a loss of {row['seven'][0]:g} eV emits at {seen:g} eV; molecular oxygen is known by its "
        f"emission at {known:g} eV, a loss of {row['incident'] - known:g} eV: is the scale of losses right, or is it "
        "something else?"
    ]


#: Announced by the entry point group ``spectra.demos``.
demos = demos_of_table(load_table("cases"), write_inputs, questions)
