"""Series of spectra of which some lack points: each pattern of missing points is handled on the grid that is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["in_blocks", "on_finite_points"]

Arrays = Mapping[str, npt.NDArray[Any]]

#: Numbers per block of spectra: such a block and what is computed from it stay in the processor's cache.
BLOCK = 70_000


def on_finite_points(
    prepare: Callable[[npt.NDArray[np.float64]], Callable[..., Arrays]],
    energy: npt.NDArray[np.float64],
    mu: npt.NDArray[np.float64],
    *others: npt.NDArray[Any],
    shapes: Mapping[str, tuple[int, ...] | None],
    least: int = 8,
) -> dict[str, npt.NDArray[np.float64]]:
    """``prepare(energy)(mu, *others)``, with missing points left out instead of spreading to their neighbours.

    Parameters
    ----------
    prepare : callable
        Takes the energies (m,) that are there and returns the kernel for them: from spectra (rows, m) and ``others``,
        (rows,) or (rows, m), to arrays by name. Called once for each pattern of missing points.
    energy : (n,) array
    mu : (..., n) array
        NaN or infinite where a point is missing.
    others : arrays
        Of shape (...) or (..., n), not to be broadcast; those along the energy lose the same points.
    shapes : mapping
        Of each output: its shape behind the leading dimensions, or None if it runs along the energy.
    least : int
        Spectra with fewer finite points are not handed to the kernel.

    Returns
    -------
    dict of arrays
        Leading shape as ``mu``; NaN at missing points and in spectra that were not handed on.
    """
    lead, n = mu.shape[:-1], energy.size
    rows = mu.reshape(-1, n)
    more = [o.reshape((len(rows), *o.shape[len(lead) :])) for o in others]
    out = {name: np.empty((len(rows), *((n,) if tail is None else tail))) for name, tail in shapes.items()}
    finite = np.isfinite(rows)
    if finite.all() and n >= least:
        in_blocks(prepare(energy), rows, more, out)
    else:
        for array in out.values():
            array.fill(np.nan)
        patterns, which = np.unique(np.packbits(finite, axis=1), axis=0, return_inverse=True)
        for index in range(len(patterns)):
            members = np.flatnonzero(np.ravel(which) == index)
            kept = np.flatnonzero(finite[members[0]])
            if kept.size < least:
                continue
            cut = [o[members][:, kept] if o.ndim == 2 else o[members] for o in more]
            part = {
                name: np.empty((len(members), *((kept.size,) if tail is None else tail)))
                for name, tail in shapes.items()
            }
            in_blocks(prepare(energy[kept]), rows[members][:, kept], cut, part)
            for name, tail in shapes.items():
                where = np.ix_(members, kept) if tail is None else members
                out[name][where] = part[name]
    return {name: array.reshape((*lead, *array.shape[1:])) for name, array in out.items()}


def in_blocks(
    kernel: Callable[..., Arrays],
    rows: npt.NDArray[np.float64],
    others: list[npt.NDArray[Any]],
    out: dict[str, npt.NDArray[np.float64]],
) -> None:
    """Fill ``out`` with ``kernel(rows, *others)``, block by block."""
    size = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        for name, values in kernel(rows[part], *(o[part] for o in others)).items():
            out[name][part] = values
