"""Further absorption edges in the range of a scan: tabulated ones of the same element, and steps seen in the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.dataset import series_dims, signal_name
from spectra.verbs import note
from xas.normalization.e0 import first_spectra, series_e0
from xas.points.noise import estimate_noise
from xas.points.wavenumber import wavenumber
from xas.tables import edge_energy, load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FurtherEdge", "following_edge", "following_energy", "further_edges", "seen_steps"]

Array = npt.NDArray[np.float64]

#: In eV from E0: nearer than that, a step is the edge's own structure.
NEAR = (-50.0, 75.0)
#: An edge rises within a few eV; so far from its middle the means are taken whose difference is the rise.
INNER, OUTER = 2, 9
#: Fine structure dies out with energy: a rise this many times above all before it is none of it.
ABOVE_FINE_STRUCTURE = 2.5
#: In eV per 1/Å: one oscillation of a shell at 2 Å, the longest that there is.
PERIOD = 12.0
#: Of the main step: less is not looked for, and near the edge, where fine structure has not died out, this much more.
LEAST_STEP, LEAST_STEP_NEAR = 0.02, 0.4
NEAR_FINE_STRUCTURE = 120.0
#: Of the rise, what must be left of it 20 to 50 eV behind: less is a peak.
LASTING = 0.2
#: Two edges nearer than that are one, with its white line.
APART = 60.0
#: Measured edges lie within that many eV of the tabulated ones.
TABLE_REACH = (-12.0, 18.0)


@dataclass(frozen=True)
class FurtherEdge:
    """An edge beside the one that was measured for."""

    energy: float  # eV
    name: str  # "Ba L3", several with "or", empty if nothing tabulated is near
    seen: bool  # in the data, not only in the table

    def __str__(self) -> str:
        where = f"{self.name or 'an edge that is not tabulated'} at {self.energy:g} eV"
        return f"{where} (seen in the data)" if self.seen else f"{where} (tabulated)"


def further_edges(dataset: xr.Dataset, e0: float | None = None) -> tuple[FurtherEdge, ...]:
    """Edges in the range of ``dataset`` beside the one at ``e0``, ascending in energy.

    Parameters
    ----------
    dataset : xarray.Dataset
        Absorption along ``energy``. Of a series the first spectrum with an edge is looked at.
    e0 : float, optional
        Energy of the main edge in eV. Default: found.

    Returns
    -------
    tuple of FurtherEdge
        Those of the element in ``attrs["element"]`` by the table, others where the absorption steps up.
    """
    origin = series_e0(dataset)[0] if e0 is None else float(e0)
    if origin is None:
        return ()
    energy = dataset["energy"].values.astype(float)
    own = _own(dataset.attrs.get("element"), dataset.attrs.get("edge"), energy, origin)
    steps: list[float] = []
    for spectrum in first_spectra(dataset[signal_name(dataset)], series_dims(dataset)):
        if np.isfinite(spectrum).sum() > 30:
            steps = seen_steps(energy, spectrum, origin)
            break
    low, high = TABLE_REACH
    confirmed = [any(low < s - edge.energy < high for s in steps) for edge in own]
    listed = [FurtherEdge(edge.energy, edge.name, yes) for edge, yes in zip(own, confirmed, strict=True)]
    new = [s for s in steps if not any(low < s - edge.energy < high for edge in own)]
    listed += [FurtherEdge(round(s, 1), _named(s), True) for s in new]
    return tuple(sorted(listed, key=lambda edge: edge.energy))


def following_edge(dataset: xr.Dataset, e0: float) -> FurtherEdge | None:
    """The next edge above ``e0`` in the range of ``dataset``: where post-edge range and fine structure end."""
    above = [edge for edge in further_edges(dataset, e0) if edge.energy > e0 + NEAR[1]]
    return above[0] if above else None


def following_energy(dataset: xr.Dataset, e0: float) -> float | None:
    """Energy in eV of :func:`following_edge`, for the verb that ends a range before it; the history names the edge."""
    edge = following_edge(dataset, e0)
    if edge is None:
        return None
    note(f"a further edge lies in the range of the scan: {edge}")
    return edge.energy


def _own(element: object, edge: object, energy: Array, e0: float) -> list[FurtherEdge]:
    levels = load_table("edges")["edge"].get(str(element).strip().capitalize(), {})
    here = edge_energy(str(element), str(edge)) if edge else None
    return [
        FurtherEdge(float(value), f"{str(element).strip().capitalize()} {level}", False)
        for level, value in levels.items()
        if energy[0] < value < energy[-1] and not NEAR[0] < value - (e0 if here is None else here) < NEAR[1]
    ]


def _named(energy: float) -> str:
    """Tabulated edges near the energy, the nearest first."""
    low, high = TABLE_REACH
    near = [
        (abs(energy - value), f"{element} {level}")
        for element, levels in load_table("edges")["edge"].items()
        for level, value in levels.items()
        if low < energy - value < high
    ]
    return " or ".join(name for _, name in sorted(near)[:3])


def seen_steps(energy: Array, mu: Array, e0: float) -> list[float]:
    """Energies in eV at which the absorption of one spectrum rises for good, beside the edge at ``e0``.

    The rise at E is the difference of the means over 2 to 9 eV above and below, less what the slope to both sides
    makes of it. Below the edge it is compared with the noise and with 2 % of the edge step, above it with the
    rises over one oscillation before it, since fine structure only dies out.

    Parameters
    ----------
    energy, mu : (n,) array
        In eV, ascending; points that are not finite are left out.
    e0 : float
        Energy of the main edge in eV.
    """
    from scipy.ndimage import median_filter

    finite = np.isfinite(mu)
    x, y = energy[finite], mu[finite]
    grid = np.arange(np.ceil(x[0]), x[-1], 1.0) if x.size > 1 else x
    if grid.size < 80:
        return []
    steady = median_filter(y, size=7, mode="nearest")  # without glitches of up to three points
    total = np.concatenate([[0.0], np.cumsum(np.interp(grid, x, steady))])

    def mean(start: npt.NDArray[np.intp], stop: npt.NDArray[np.intp]) -> Array:
        a, b = np.clip(start, 0, grid.size), np.clip(stop, 0, grid.size)
        return np.asarray((total[b] - total[a]) / np.maximum(b - a, 1))

    i = np.arange(grid.size)
    jump = mean(i + INNER, i + OUTER) - mean(i - OUTER + 1, i - INNER + 1)
    beside = 2 * OUTER
    slope = 0.5 * (jump[np.clip(i - beside, 0, i[-1])] + jump[np.clip(i + beside, 0, i[-1])])
    rise = jump - slope
    whole = (i >= OUTER + beside) & (i <= i[-1] - OUTER - beside)
    from_edge = grid - e0
    main = float(mean(*_range(from_edge, 30, 80))[0] - mean(*_range(from_edge, -60, -15))[0])
    if not main > 0:
        return []
    noise = float(estimate_noise(x, y)) * np.sqrt(2 / (OUTER - INNER))
    least = max(LEAST_STEP * main, 6 * noise)
    lasting = mean(i + 20, i + 50) - mean(i - 30, i - 4) - 3 * slope
    possible = whole & ((from_edge < NEAR[0]) | (from_edge > NEAR[1])) & (lasting > LASTING * rise)
    fine = np.where(from_edge > NEAR[1] / 2, np.abs(rise), 0.0)
    k = wavenumber(np.maximum(grid, e0), e0)
    period = np.clip(i - 2 * beside - np.maximum(PERIOD * k, 60.0).astype(int), 0, None)
    found: list[float] = []
    own_structure = np.where((from_edge > 0) & (from_edge < NEAR_FINE_STRUCTURE), LEAST_STEP_NEAR * main, 0.0)
    while True:
        # up to just below the step itself, so that the step is not compared with itself
        before = np.array(
            [
                fine[a:b].max(initial=0.0)
                for a, b in zip(period, np.clip(i - 2 * beside, 0, None), strict=True)
            ]
        )
        wanted = np.maximum(np.maximum(least, ABOVE_FINE_STRUCTURE * before), own_structure)
        wanted = np.where(from_edge < 0, least, wanted)
        over = np.where(possible & (rise > wanted), rise, 0.0)
        if not over.any():
            return sorted(found)
        here = float(grid[np.argmax(over)])
        found.append(here)
        around = np.abs(grid - here) < APART
        behind = (grid > here) & (grid < here + NEAR_FINE_STRUCTURE)
        own_structure = np.where(
            behind, np.maximum(own_structure, LEAST_STEP_NEAR * over.max()), own_structure
        )
        possible, fine = possible & ~around, np.where(around, 0.0, fine)


def _range(x: Array, low: float, high: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    start, stop = np.searchsorted(x, [low, high])
    return np.array([start]), np.array([max(stop, start + 1)])
