"""Where on the sample each spectrum was taken: maps, lines, and points that are neither."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Layout", "lay_out"]

FloatArray = npt.NDArray[np.float64]
Coords = dict[str, tuple[tuple[str, ...], Any, str]]

#: Positions of one row or column differ by less than this share of the step between two of them.
_JITTER = 0.25
#: A map of which less than this share of the places was visited is a set of points.
_FILLED = 0.3
#: Positions (µm) closer than this are one: a stage does not tell them apart.
_SAME = 1e-4


@dataclass(frozen=True)
class Layout:
    """How the spectra of a file lie on the sample.

    ``place`` puts values (m, ...) in the order of the file into an array with the dimensions ``dims``, NaN where
    nothing was measured; ``missing`` (of the shape of the dimensions) says where that is.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    index: tuple[npt.NDArray[np.intp], ...]
    coords: Coords = field(default_factory=dict)

    def place(self, values: npt.NDArray[Any], missing: Any = np.nan) -> npt.NDArray[Any]:
        """Values (m, ...) in their places."""
        placed = np.full(
            (*self.shape, *values.shape[1:]), missing, dtype=np.result_type(values, type(missing))
        )
        placed[self.index] = values
        return placed

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """True where nothing was measured."""
        empty = np.ones(self.shape, bool)
        empty[self.index] = False
        return empty


def lay_out(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    z: npt.ArrayLike | None = None,
    planned: tuple[FloatArray, FloatArray] | None = None,
) -> Layout:
    """Map (``y``, ``x``), line (``position``), depth scan (``z``) or points (``scan``) out of positions in µm.

    Parameters
    ----------
    x, y : (m,) array
        Positions of the spectra.
    z : (m,) array, optional
        Their heights.
    planned : (x, y), optional
        Columns and rows of the map as they were planned; an interrupted map has fewer spectra than places.
    """
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    zs = None if z is None else np.asarray(z, float)
    columns, rows = planned if planned is not None else (_levels(xs), _levels(ys))
    if columns.size > 1 and rows.size > 1:
        found = _on_grid(xs, ys, columns, rows)
        if found is None and planned is not None:  # where the stage went, not where it was sent
            columns, rows = _levels(xs), _levels(ys)
            found = _on_grid(xs, ys, columns, rows)
        if found is not None:
            coords: Coords = {"y": (("y",), rows, "um"), "x": (("x",), columns, "um")}
            layout = Layout(("y", "x"), (rows.size, columns.size), found, coords)
            if zs is not None and np.ptp(zs) > _SAME:
                layout.coords["z"] = (("y", "x"), layout.place(zs), "um")
            return layout
    return _in_order(xs, ys, zs)


def _in_order(x: FloatArray, y: FloatArray, z: FloatArray | None) -> Layout:
    """A line or a depth scan where the positions go on and on in one direction; else points in the file's order."""
    order = np.arange(x.size)
    away = np.hypot(x - x[0], y - y[0])
    z_moves = z is not None and np.ptp(z) > _SAME
    if away.max() > _SAME and _straight(x, y) and (np.diff(away) > _SAME).all():
        coords: Coords = {
            "position": (("position",), away, "um"),
            "x": (("position",), x, "um"),
            "y": (("position",), y, "um"),
        }
        if z is not None and z_moves:
            coords["z"] = (("position",), z, "um")
        return Layout(("position",), (x.size,), (order,), coords)
    if z is not None and z_moves and away.max() <= _SAME and _monotonic(z):
        return Layout(("z",), (x.size,), (order,), {"z": (("z",), z, "um")})
    coords = {"scan": (("scan",), order, "")}
    if x.size > 1:
        coords |= {"x": (("scan",), x, "um"), "y": (("scan",), y, "um")}
        if z is not None:
            coords["z"] = (("scan",), z, "um")
    return Layout(("scan",), (x.size,), (order,), coords)


def _levels(positions: FloatArray) -> FloatArray:
    """Distinct positions, those that differ by the jitter of a stage taken together."""
    found = np.sort(positions)
    steps = np.diff(found)
    if steps.size == 0 or steps.max() <= _SAME:
        return found[:1]
    groups = np.split(found, np.flatnonzero(steps > max(_SAME, _JITTER * steps.max())) + 1)
    return np.array([float(group.mean()) for group in groups])


def _on_grid(
    x: FloatArray, y: FloatArray, columns: FloatArray, rows: FloatArray
) -> tuple[npt.NDArray[np.intp], ...] | None:
    """Row and column of each spectrum; None where it stands beside the grid or two stand in one place."""
    if not _FILLED * rows.size * columns.size <= x.size <= rows.size * columns.size:
        return None
    index = []
    for at, levels in ((y, rows), (x, columns)):
        nearest = np.abs(at[:, None] - levels[None, :]).argmin(axis=1)
        step = float(np.abs(np.diff(levels)).min())
        if (np.abs(at - levels[nearest]) > max(_JITTER * step, _SAME)).any():
            return None
        index.append(nearest)
    if len(set(zip(*(i.tolist() for i in index), strict=True))) < x.size:
        return None
    return tuple(index)


def _straight(x: FloatArray, y: FloatArray) -> bool:
    """Whether the positions lie on one line, within 5 % of its length."""
    points = np.stack([x - x.mean(), y - y.mean()])
    lengths = np.linalg.svd(points, compute_uv=False)
    return bool(lengths[1] <= 0.05 * lengths[0])


def _monotonic(values: FloatArray) -> bool:
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())
