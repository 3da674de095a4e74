"""Raman and infrared spectra of two publications, simulated as files of spectrometers from what is printed: demos.

Every number comes from ``tables/cases.toml``, which says what is published and what is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raman.tables import load_table
from spectra.demo import demos_of_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["demos", "questions", "sample_of", "write_inputs"]


def sample_of(row: Mapping[str, Any], number: int, rng: np.random.Generator) -> xr.Dataset:
    """The spectrum of one sample of a demo with the truth of every band: counts of a detector, or absorbance."""
    from spectra import simulate

    bands = {
        name: {"shape": "lorentzian", "position": position, "area": area, "fwhm": width}
        for name, (position, area, width) in row["sample"][number]["bands"].items()
    }
    low, high = row["window"]
    x = np.arange(low, high + row["step"] / 2, row["step"])
    if row["kind"] == "infrared":
        return simulate(
            x, bands, background=row["background"], noise=row["noise"], rng=rng, axis="wavenumber", name="absorbance"
        )  # fmt: skip
    strongest = max(area / width for _, area, width in row["sample"][number]["bands"].values()) * 2 / np.pi
    return simulate(
        x,
        bands,
        background=row["background"] * strongest,
        counts=row["counts"],
        rng=rng,
        axis="raman_shift",
        name="intensity",
        units="counts",
    )


def write_inputs(row: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write each sample of a demo as a file of its own: text as LabSpec exports it, or JCAMP-DX."""
    label = (
        f"SIMULATED, not measured: from figures published in doi:{load_table('cases')['source'][row['case']]}"
    )
    rng = np.random.default_rng(sum(map(ord, row["name"])))
    write = _write_jcamp if row["kind"] == "infrared" else _write_labspec
    return [
        write(folder / sample["name"], sample_of(row, i, rng), f"{row['title']} ({label})")
        for i, sample in enumerate(row["sample"])
    ]


def _write_labspec(path: Path, spectrum: xr.Dataset, title: str) -> Path:
    from spectra.results.atomic import replace_file

    header = [
        "#Acq. time (s)=\t30",
        "#Accumulations=\t4",
        "#Laser=\t532nm",
        "#Grating=\t1800 (500nm)",
        f"#Title=\t{title}",
        "#AxisType[0]=\tIntens",
        "#AxisUnit[0]=\tCnt",
        "#AxisType[1]=\tSpectr",
        "#AxisUnit[1]=\t1/cm",
    ]
    x, y = spectrum["raman_shift"].values, spectrum["intensity"].values
    rows = [f"{a:.3f}\t{b:.0f}" for a, b in zip(x, y, strict=True)]
    return replace_file(path.with_name(f"{path.name}.txt"), "\n".join([*header, *rows, ""]).encode())


def _write_jcamp(path: Path, spectrum: xr.Dataset, title: str) -> Path:
    from spectra.results.atomic import replace_file

    x, y = spectrum["wavenumber"].values, spectrum["absorbance"].values
    factor, step = 1e-6, float(x[1] - x[0])
    numbers = np.round(y / factor).astype(int)
    lines = [
        f"##TITLE={title}",
        "##JCAMP-DX=4.24",
        "##DATA TYPE=INFRARED SPECTRUM",
        "##ORIGIN=simulated",
        "##OWNER=redox-spectra",
        "##XUNITS=1/CM",
        "##YUNITS=ABSORBANCE",
        "##XFACTOR=1.0",
        f"##YFACTOR={factor}",
        f"##FIRSTX={x[0]:g}",
        f"##LASTX={x[-1]:g}",
        f"##NPOINTS={x.size}",
        f"##FIRSTY={numbers[0] * factor:.6f}",
        "##XYDATA=(X++(Y..Y))",
        *(
            " ".join(map(str, [f"{x[0] + step * i:g}", *numbers[i : i + 8]]))
            for i in range(0, numbers.size, 8)
        ),
        "##END=",
        "",
    ]
    return replace_file(path.with_name(f"{path.name}.jdx"), "\n".join(lines).encode())


def questions(_: Mapping[str, Any], dataset: xr.Dataset) -> list[str]:
    """What the phases of the table ask about the phase that is printed."""
    if "phase_score" not in dataset:
        return []
    from raman import phase_evidence

    return [phase_evidence(dataset).question("v2o3")]


#: Announced by the entry point group ``spectra.demos``.
demos = demos_of_table(load_table("cases"), write_inputs, questions)
