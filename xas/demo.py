"""Demo input of X-ray absorption: the Mn K edge of a spinel while it charges, as XDI files.

Every number comes from ``tables/demo_mn_charge.toml``, which says of each whether it is published or chosen.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.demo import Demo
from spectra.published import Printed
from xas.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["charge_series", "demo", "write_inputs", "write_xdi"]

Array = npt.NDArray[np.float64]
_PER_K2 = 3.80998211  # eV angstrom2: energy of a free electron over its wavenumber squared
_MEAN_FREE_PATH = 8.0  # angstrom


def charge_series(rng: int | np.random.Generator = 0) -> xr.Dataset:
    """The series as a dataset: ``mu`` without noise, counts ``i0`` and ``itrans``, and what is true of each spectrum.

    Returns
    -------
    xarray.Dataset
        ``true_valence``, ``true_half_step`` (eV) and ``true_distance`` (angstrom, per ``shell``) beside the curves.
    """
    from spectra import simulate

    table = load_table("demo_mn_charge")
    n = table["series"]["spectra"]["value"]
    valence = _course(table["series"]["valence"], n)
    edge, scan = table["edge"], table["scan"]
    half_step = edge["half_step_of_mn4"]["value"] + edge["slope"]["value"] * (valence - 4.0)
    energy = _grid(float(half_step.mean()), scan["k_max"]["value"])
    step = scan["edge_step"]["value"]
    shells, distance = _shells(table["shell"], n)

    def beside(x: Array, _: Array) -> Array:
        smooth = (scan["total_above_edge"]["value"] - step) * (x / x[0]) ** -2.9
        return np.asarray(smooth + step * np.stack([_chi(x, e, shells, i) for i, e in enumerate(half_step)]))

    made = simulate(
        energy,
        _near_edge(edge, half_step - _offset(edge), step),
        background=beside,
        name="mu",
        dim="time",
        attrs={"title": table["about"]["title"], "simulated_from": ", ".join(table["about"]["sources"])},
    )
    random = np.random.default_rng(rng)
    photons = scan["photons"]["value"]
    return made.assign(
        i0=(("time", "energy"), random.poisson(photons, made["mu"].shape).astype(float)),
        itrans=(("time", "energy"), random.poisson(photons * np.exp(-made["mu"].values)).astype(float)),
        true_valence=("time", valence),
        true_half_step=("time", half_step),
        true_distance=(("time", "shell"), distance),
    ).assign_coords(shell=[shell["name"] for shell in table["shell"]], time=_clock(table["series"], n))


def _grid(edge: float, k_max: float) -> Array:
    """Points as beamlines take them: coarse before the edge, fine on it, even in k beyond."""
    k = np.arange(np.sqrt(40 / _PER_K2), k_max, 0.05)
    parts = (np.arange(-160, -20, 5.0), np.arange(-20, 40, 0.3), _PER_K2 * k**2)
    return np.round(edge + np.concatenate(parts), 3)


def _near_edge(edge: dict[str, Any], position: Array, step: float) -> dict[str, dict[str, Any]]:
    """Pre-edge peak, rising edge and white line of each spectrum."""
    return {
        "edge": {
            "shape": "arctan_step",
            "position": position,
            "height": step,
            "fwhm": edge["rise_width"]["value"],
        },
        "white line": {
            "shape": "voigt",
            "position": position + _offset(edge) + edge["white_line_above_half_step"]["value"],
            "area": step * edge["white_line_area"]["value"],
            "fwhm_g": edge["white_line_width"]["value"],
            "fwhm_l": edge["core_width"]["value"],
        },
        "pre-edge": {
            "shape": "voigt",
            "position": edge["pre_edge_position"]["value"],
            "area": step * edge["pre_edge_area"]["value"],
            "fwhm_g": edge["pre_edge_width"]["value"],
            "fwhm_l": edge["core_width"]["value"],
        },
    }


def _offset(edge: dict[str, Any]) -> float:
    """How far the half step lies above the middle of the arctangent: the white line's foot pulls it down."""
    from spectra import simulate

    x = np.arange(-10.0, 10.0, 0.001)
    offset = 0.0
    for _ in range(20):  # the white line stands relative to the half step, so both settle together
        line = {
            "edge": {"shape": "arctan_step", "fwhm": edge["rise_width"]["value"]},
            "white line": {
                "shape": "voigt",
                "position": offset + edge["white_line_above_half_step"]["value"],
                "area": edge["white_line_area"]["value"],
                "fwhm_g": edge["white_line_width"]["value"],
                "fwhm_l": edge["core_width"]["value"],
            },
        }
        curve = simulate(x, line)["true_curve"].values
        offset = float(x[np.argmax(curve >= 0.5)])
    return offset


def _course(entry: dict[str, Any], n: int) -> Array:
    """A number from its value at the first spectrum to that at the last."""
    first, last = entry["value"]
    return np.asarray(np.linspace(first, last, n))


def _shells(shells: Sequence[dict[str, Any]], n: int) -> tuple[list[dict[str, Any]], Array]:
    """Shells with their distance and disorder at each spectrum, and the distances as one table (n, shells)."""
    course = [
        {**shell, **{key: _course(shell[key], n) for key in ("distance", "disorder")}} for shell in shells
    ]
    return course, np.stack([shell["distance"] for shell in course], axis=-1)


def _chi(energy: Array, e0: float, shells: Sequence[dict[str, Any]], i: int) -> Array:
    r"""EXAFS, :math:`\sum_j \frac{N_j f_j(k)}{k R_j^2} e^{-2k^2\sigma_j^2 - 2R_j/\lambda} \sin(2kR_j + \varphi_j)`.

    The phase is linear, with the slope that gives the measured offset of uncorrected peaks. It fades out below
    3 per angstrom, where the single-scattering formula means nothing.
    """
    k = np.sqrt(np.clip(energy - e0, 1e-9, None) / _PER_K2)
    total = np.zeros_like(k)
    for shell in shells:
        r, shape = shell["distance"][i], shell["amplitude"]
        strength = shape["value"] * np.exp(-(((k - shape["centre"]) / shape["width"]) ** 2))
        damping = np.exp(-2 * k**2 * shell["disorder"][i] - 2 * r / _MEAN_FREE_PATH)
        phase = 2 * k * (r + shell["peak_offset"]["value"])
        total += (
            shell["neighbours"]["value"] * strength * damping / (np.maximum(k, 0.5) * r**2) * np.sin(phase)
        )
    return total * -np.expm1(-((k / 3.0) ** 4))


def _clock(series: dict[str, Any], n: int) -> npt.NDArray[np.datetime64]:
    start = np.datetime64(series["start"].removesuffix("Z"), "s")
    return (start + np.arange(n) * np.timedelta64(series["interval"]["value"], "m")).astype("datetime64[ns]")


def write_inputs(folder: Path) -> list[Path]:
    """Write the series as XDI files, one per spectrum, in the order of time."""
    series = charge_series()
    label = f"SIMULATED, not measured: from figures published in {series.attrs['simulated_from']}"
    return [
        write_xdi(folder / f"mn_k_charge_{i + 1:02d}.xdi", series.isel(time=i), comment=label)
        for i in range(series.sizes["time"])
    ]


def write_xdi(path: Path, scan: xr.Dataset, *, comment: str) -> Path:
    """Write energy, ``i0`` and ``itrans`` of one scan of the demo as XDI 1.0."""
    from spectra.results.atomic import replace_file

    time = datetime.datetime.fromisoformat(str(scan["time"].values)[:19])
    header = [
        "# XDI/1.0 redox-spectra",
        "# Column.1: energy eV",
        "# Column.2: i0",
        "# Column.3: itrans",
        "# Element.symbol: Mn",
        "# Element.edge: K",
        "# Mono.d_spacing: 3.13556",
        f"# Sample.name: {scan.attrs['title']} (simulated)",
        f"# Scan.start_time: {time.isoformat()}Z",
        "# Demo.simulated: yes",
        f"# Demo.valence: {float(scan['true_valence']):.4f}",
        f"# Demo.half_step: {float(scan['true_half_step']):.4f} eV",
        "# ///",
        f"# {comment}",
        "# ---",
        "# energy i0 itrans",
    ]
    rows = zip(*(scan[name].values for name in ("energy", "i0", "itrans")), strict=True)
    lines = [*header, *(f"{e:.3f} {i0:.0f} {it:.0f}" for e, i0, it in rows)]
    return replace_file(path, ("\n".join(lines) + "\n").encode())


def _demo() -> Demo:
    about = load_table("demo_mn_charge")["about"]
    return Demo(
        title=about["title"],
        sources=tuple(about["sources"]),
        write_inputs=write_inputs,
        recipe="demo_mn_charge",
        shown=("flat", "edge_position"),
        case="A",
        printed=(_course_of_edge(about),),
    )


def _course_of_edge(about: dict[str, Any]) -> Printed:
    return Printed(
        what="Mn K edge, Mn from +3.5 to +4",
        value="rises",
        variable="edge_position",
        unit="eV",
        source=about["sources"][0],
        at={"time": -1},
        minus={"time": 0},
    )


#: Announced by the entry point group ``spectra.demos``.
demo = _demo()
