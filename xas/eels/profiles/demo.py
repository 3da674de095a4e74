"""A line scan with a shell, simulated: low and core losses with known truth, as datasets and as files.

Every number comes from ``tables/demo_line_scan.toml``, which says of each whether it is published or chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xas.eels.composition.edge_model import convolved, edge_profile
from xas.eels.composition.hydrogenic import cross_section
from xas.eels.profiles.evidence import rise
from xas.eels.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["simulate_line_scan", "write_inputs"]

Array = npt.NDArray[np.float64]
WINDOW = 50.0


def simulate_line_scan(rng: int | np.random.Generator | None = 0) -> xr.Dataset:
    """Line scan from the surface into the bulk: a shell with larger L3/L2 and less oxygen, drift, a dead spectrum.

    Parameters
    ----------
    rng : int, Generator or None
        Of the Poisson noise and the jitter of the energy scale; None gives spectra without noise, drift and dead ones.

    Returns
    -------
    xarray.Dataset
        ``counts`` (``distance``, ``energy_loss``) and ``low_loss`` (``distance``, ``low_energy_loss``) as dual EELS
        measures them, and what is true: ``true_atomic_ratio``, ``true_lines_ratio`` and ``true_shift`` (eV, of the
        energy scale) along the line; the attributes ``true_shell`` and ``true_width`` (nm). Labelled as simulated.

    Examples
    --------
    >>> line = simulate_line_scan()
    >>> dict(line.sizes), line.attrs["true_shell"]
    ({'distance': 31, 'energy_loss': 1200, 'low_energy_loss': 560}, 5.0)
    """
    import spectra

    table = load_table("demo_line_scan")
    number = {
        room: {n: v["value"] for n, v in table[room].items()} for room in ("line", "level", "microscope")
    }
    line, level, scope = number["line"], number["level"], number["microscope"]
    distance = np.arange(0.0, line["length"] + line["spacing"] / 2, line["spacing"])
    inside = rise(distance, np.array([line["shell"]]), np.array([line["width"]]), "error_function")[0, 0]
    true = {name: first + (last - first) * inside for name, (first, last) in level.items()}
    random = None if rng is None else np.random.default_rng(rng)
    shift = np.zeros(distance.size)
    if random is not None:
        shift = np.linspace(line["drift"][0], line["drift"][1], distance.size) + line[
            "jitter"
        ] * random.normal(size=distance.size)
    low, core = (np.arange(scope[which][0], scope[which][1], scope["step"]) for which in ("low", "core"))
    losses = np.stack([_low_loss(low - s, table["specimen"], scope["resolution"]) for s in shift])
    edges = _Edges.of(core, table)
    counts = np.stack([
        edges.mean(core, low, losses[i], s, {n: v[i] for n, v in true.items()}) for i, s in enumerate(shift)
    ])  # fmt: skip
    if random is not None:
        losses, counts = random.poisson(losses).astype(float), random.poisson(counts).astype(float)
        losses[line["dead"]], counts[line["dead"]] = 0.0, 0.0
    attrs: dict[str, Any] = {
        "technique": "eels", "element": "Mn", "title": table["about"]["title"], "simulated": "yes",
        "simulated_from": table["about"]["source"], "true_shell": line["shell"], "true_width": line["width"],
    }  # fmt: skip
    attrs |= {name: scope[name] for name in ("beam_energy", "convergence_angle", "collection_angle")}
    made = spectra.from_arrays(
        core, counts, axis="energy_loss", name="counts", units="counts", dims=("distance",),
        coords={"distance": (distance, "nm")}, attrs=attrs,
    )  # fmt: skip
    made = made.assign_coords(low_energy_loss=("low_energy_loss", low, {"units": "eV"}))
    return made.assign(
        low_loss=(("distance", "low_energy_loss"), losses, {"units": "counts", "long_name": "low loss"}),
        true_atomic_ratio=("distance", true["oxygen_over_manganese"], {"units": ""}),
        true_lines_ratio=("distance", true["lines_ratio"], {"units": ""}),
        true_shift=("distance", shift, {"units": "eV"}),
    )


def _gauss(energy: Array, at: float, fwhm: float) -> Array:
    """Gaussian of area one."""
    width = fwhm / np.sqrt(8 * np.log(2))
    return np.asarray(np.exp(-0.5 * ((energy - at) / width) ** 2) / (width * np.sqrt(2 * np.pi)))


def _low_loss(energy: Array, specimen: Mapping[str, Any], resolution: float) -> Array:
    """Zero-loss peak and the first plasmons, by Poisson's law of plural scattering."""
    number = {name: entry["value"] for name, entry in specimen.items()}
    share = np.exp(-number["thickness"])
    total = share * _gauss(energy, 0.0, resolution)
    for order in range(1, 5):
        share *= number["thickness"] / order
        half = 0.5 * number["plasmon_width"] * order
        lorentzian = half / np.pi / ((energy - order * number["plasmon"]) ** 2 + half**2)
        total += share * lorentzian * np.clip(energy / 3.0, 0.0, 1.0)  # nothing is lost below zero
    return np.asarray(number["zero_loss"] * total / total.max() + number["dark"])


@dataclass(frozen=True)
class _Edges:
    """Single scattering of both elements, what does not change along the line, on the axis of the core loss and beyond."""

    energy: Array
    manganese: Array  # 1/eV
    oxygen: Array
    factor: float  # turns intensities O over Mn into atoms
    number: dict[str, float]
    amount: dict[str, float]

    @classmethod
    def of(cls, core: Array, table: Mapping[str, Any]) -> _Edges:
        number, amount = ({n: v["value"] for n, v in table[room].items()} for room in ("edge", "specimen"))
        scope = {n: table["microscope"][n]["value"] for n in ("beam_energy", "collection_angle")}
        energy = np.arange(core[0] - 20.0, core[-1] + 20.0, core[1] - core[0])
        curves, sections = [], []
        for element, shell, onset in (("Mn", "L", number["manganese"]), ("O", "K", number["oxygen"])):
            window = (onset, onset + WINDOW)
            curves.append(edge_profile(energy, element, shell, window=window, model="sigmak_sigmal", **scope))
            sections.append(cross_section(element, shell, width=WINDOW, onset=onset, **scope).value)
        return cls(energy, curves[0], curves[1], sections[0] / sections[1], number, amount)

    def single(self, true: Mapping[str, float]) -> Array:
        """Counts per channel of single scattering, white lines and peaks of O K with it."""
        at, manganese, r = self.number, self.amount["manganese"], true["lines_ratio"]
        oxygen = manganese * true["oxygen_over_manganese"] / self.factor
        made = manganese * self.manganese + oxygen * self.oxygen
        for place, share in ((at["l3"], r / (1 + r)), (at["l2"], 1 / (1 + r))):
            made += (
                self.amount["lines"]
                * share
                * _gauss(self.energy, place + true["line_shift"], at["line_width"])
            )
        made += 0.04 * oxygen * true["pre_edge"] * _gauss(self.energy, at["pre_edge"], 1.8)
        return np.asarray(made + 0.1 * oxygen * _gauss(self.energy, at["main"], 7.0))

    def mean(self, core: Array, low: Array, loss: Array, shift: float, true: Mapping[str, float]) -> Array:
        """Counts on a power law; the low loss brings plural scattering, resolution and the shift of the scale with it."""
        zero = np.array([-low[0] / (low[1] - low[0])])
        spread = np.interp(core, self.energy, convolved(self.single(true), loss[None], zero)[0])
        power = ((core - shift) / core[0]) ** -self.amount["exponent"]
        return np.asarray(self.amount["counts"] * power + spread)


def write_inputs(folder: Path, rng: int | np.random.Generator = 0) -> list[Path]:
    """Write the line scan as a core loss and a low loss in HyperSpy's layout, each labelled as simulated."""
    scan = simulate_line_scan(rng)
    axes = {
        "line_core_loss.hspy": ("counts", "energy_loss"),
        "line_low_loss.hspy": ("low_loss", "low_energy_loss"),
    }
    return [_write_signal(folder / name, scan, *which) for name, which in axes.items()]


def _write_signal(path: Path, scan: xr.Dataset, variable: str, axis: str) -> Path:
    """One variable as a HyperSpy file."""
    import io

    import h5py

    from spectra.results.atomic import replace_file

    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs.update(file_format="HyperSpy", file_format_version="3.3")
        group = file.create_group(f"Experiments/{path.stem}")
        group.create_dataset("data", data=scan[variable].values, compression="gzip")
        for i, (dim, units, navigate) in enumerate((("distance", "nm", True), (axis, "eV", False))):
            x = scan[dim].values
            group.create_group(f"axis-{i}").attrs.update(
                name=dim if navigate else "Energy loss", units=units, navigate=navigate, size=x.size,
                offset=float(x[0]), scale=float(x[1] - x[0]),
            )  # fmt: skip
        general = group.create_group("metadata/General")
        general.attrs.update(title=f"{scan.attrs['title']} (SIMULATED, not measured)")
        group.create_group("metadata/Signal").attrs.update(signal_type="EELS", quantity="counts")
        tem = group.create_group("metadata/Acquisition_instrument/TEM")
        tem.attrs.update(
            beam_energy=scan.attrs["beam_energy"], convergence_angle=scan.attrs["convergence_angle"]
        )
        tem.create_group("Detector/EELS").attrs.update(collection_angle=scan.attrs["collection_angle"])
        group.create_group("learning_results")
        group.create_group("original_metadata").attrs.update(
            simulated="yes", source=scan.attrs["simulated_from"]
        )
    return replace_file(path, image.getvalue())
