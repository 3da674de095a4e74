"""Glitches found, listed, and masked or interpolated; never without saying so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.normalization.e0 import series_e0
from xas.normalization.further_edges import further_edges
from xas.preparation.glitches import fill_glitches, find_glitches

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["deglitch"]

Array = npt.NDArray[np.float64]

#: Around an edge, in eV, lines may be as narrow as the core hole lets them.
STRUCTURED = (-30.0, 60.0)
#: Core-hole width in eV where the element is not named: below those of the 3d metals' K edges.
NARROWEST = 0.9
#: So many spectra are listed by name in the history.
LISTED = 20


@verb("xas.deglitch", axis="energy")
def deglitch(
    dataset: xr.Dataset,
    *,
    method: Literal["interpolate", "mask", "list"] = "interpolate",
    threshold: float = 6.0,
    width: Literal[0, 1, 2, 3, 4] = 3,
    at: tuple[float, ...] = (),
) -> xr.Dataset:
    r"""Find glitches, list them, and interpolate or mask them.

    A glitch is a run of one to ``width`` points off the smooth curve on which the points to both sides lie, by more
    than ``threshold`` times what these points or the noise scatter. Edges, white lines and pre-edge peaks are safe: the
    points around them lie on no such curve, and within 30 eV below and 60 eV above an edge only runs narrower than the
    core hole's width are looked at, which no absorption line can be.

    Parameters
    ----------
    dataset : xarray.Dataset
        Absorption along ``energy``.
    method : {"interpolate", "mask", "list"}
        "interpolate" puts the points on the cubic through the eight points around, "mask" sets them to NaN, "list"
        leaves them.
    threshold : float
        Smaller finds more. At 6, a spectrum of noise has a glitch once in a million points.
    width : {0, 1, 2, 3, 4}
        Longest run of points; 0 looks for none, and leaves those given by ``at``.
    at : tuple of float
        Energies in eV of glitches that are known: the nearest point of each, in every spectrum.

    Returns
    -------
    xarray.Dataset
        With ``glitch``, true along ``energy`` where there is one, and ``n_glitches`` per spectrum. Spectra with glitches
        are flagged ``glitches`` (a warning); the history lists their energies.

    Raises
    ------
    InvalidInput
        If ``threshold`` is not above zero or an energy of ``at`` lies outside of the data.

    Notes
    -----
    The values as measured stay in the results file beside the history. ``mu_sigma`` of interpolated points is that of
    the points beside. A step, a drift or a broad bump is no glitch and is not found; neither are two glitches closer
    than four points, unless they are a run of at most ``width``.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> mu[600] += 0.05
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.deglitch(scan)
    >>> scan.energy.values[scan.glitch], int(scan.n_glitches)
    (array([6700.]), 1)
    """
    if not threshold > 0:
        raise InvalidInput(f"threshold counts standard deviations and is above zero, got {threshold:g}.")
    energy = dataset["energy"].values.astype(float)
    known = _known(energy, at)
    structured, line_width = _structure(dataset, energy)
    signal = dataset[signal_name(dataset)]
    sigma = dataset.get(f"{signal.name}_sigma")

    def kernel(mu: Array, *given: Array) -> dict[str, npt.NDArray[Any]]:
        rows = np.asarray(mu, float)
        noise = np.broadcast_to(given[0], rows.shape).astype(float) if given else None
        marks = find_glitches(
            energy,
            rows,
            threshold=threshold,
            width=width,
            structured=structured,
            line_width=line_width,
            sigma=noise,
        )
        marks |= known & np.isfinite(rows)
        values = rows if method == "list" else fill_glitches(energy, rows, marks)
        if method == "mask":
            values = np.where(marks, np.nan, values)
        return {"mu": values, "glitch": marks, "n_glitches": marks.sum(-1)}

    inputs: list[Any] = [(signal, ("energy",))] + ([] if sigma is None else [(sigma, ("energy",))])
    outputs: dict[str, tuple[str, ...]] = {"mu": ("energy",), "glitch": ("energy",), "n_glitches": ()}
    made = map_spectra(kernel, inputs, outputs, dtypes={"glitch": bool, "n_glitches": np.int64})
    result = (
        dataset
        if method == "list"
        else dataset.assign({str(signal.name): made["mu"].assign_attrs(signal.attrs)})
    )
    result = result.assign(
        glitch=made["glitch"].assign_attrs(long_name="point of a glitch"),
        n_glitches=made["n_glitches"].assign_attrs(units="", long_name="number of points of glitches"),
    )
    _list(result, method)
    result = flag(
        result, made["n_glitches"] > 0, "glitches",
        "the spectrum had points that its neighbours do not explain: they are true in the variable glitch",
        severity="warning",
    )  # fmt: skip
    return flag(
        result, signal.isnull().all("energy"), "empty",
        "the spectrum holds no finite point: drop it, or read another channel",
    )  # fmt: skip


def _known(energy: Array, at: tuple[float, ...]) -> npt.NDArray[np.bool_]:
    marks = np.zeros(energy.size, bool)
    for value in at:
        if not energy[0] <= value <= energy[-1]:
            raise InvalidInput(
                f"at holds {value:g} eV, outside of the data ({energy[0]:g} to {energy[-1]:g} eV): give energies in eV."
            )
        marks[np.abs(energy - value).argmin()] = True
    return marks


def _structure(dataset: xr.Dataset, energy: Array) -> tuple[list[tuple[float, float]], float]:
    """Where narrow lines may stand, and how narrow they may be."""
    found, _, why = series_e0(dataset)
    if found is None:
        note(f"no edge was found ({why}): only what is narrower than an absorption line was looked at")
        edges = []
        structured = [(float(energy[0]), float(energy[-1]))]
    else:
        edges = [found, *(edge.energy for edge in further_edges(dataset, found))]
        structured = [(edge + STRUCTURED[0], edge + STRUCTURED[1]) for edge in edges]
    line_width = _core_width(dataset.attrs.get("element"), dataset.attrs.get("edge"))
    resolve(edges=tuple(edges), line_width=line_width)
    return structured, line_width


def _core_width(element: object, edge: object) -> float:
    """Width in eV of the core hole (xraydb)."""
    import xraydb

    try:
        width = float(xraydb.core_width(str(element), str(edge)))
    except (KeyError, TypeError, ValueError):
        return NARROWEST
    return width if width > 0 else NARROWEST


def _list(result: xr.Dataset, method: str) -> None:
    """Energies of the glitches into the history; of a lazy dataset only where they are to be found."""
    done = {"interpolate": "interpolated", "mask": "set to NaN", "list": "left as they are"}[method]
    marks = result["glitch"]
    if hasattr(marks.data, "dask"):
        note(f"glitches were {done}; the variable glitch says where")
        return
    dims = series_dims(result)
    energy = result["energy"].values
    rows = marks.transpose(*dims, "energy").values.reshape(-1, energy.size)
    bad = np.flatnonzero(rows.any(1))
    if not bad.size:
        note("no glitches were found")
        return
    shape = tuple(result.sizes[d] for d in dims)
    parts = []
    for number in bad[:LISTED]:
        place = ", ".join(f"{d} {i}" for d, i in zip(dims, np.unravel_index(number, shape), strict=True))
        at = ", ".join(f"{e:.2f}" for e in energy[rows[number]][:LISTED])
        parts.append(f"{place}: {at} eV" if place else f"{at} eV")
    more = f"; and {bad.size - LISTED} more spectra" if bad.size > LISTED else ""
    note(f"{int(rows.sum())} points of glitches were {done} ({'; '.join(parts)}{more})")
