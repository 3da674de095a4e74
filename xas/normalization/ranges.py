"""Ranges of energy relative to E0 in which the pre-edge line and the post-edge polynomial are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["Ranges", "choose_ranges", "points_between"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ranges:
    """Ranges in eV from E0 and degrees of the two curves, with what had to be done to get them."""

    pre: tuple[float, float]
    post: tuple[float, float]
    pre_order: int
    order: int
    notes: tuple[str, ...] = ()


def points_between(energy: Array, low: float, high: float) -> slice:
    """Grid points of a range, as larch counts them: from the last one at or below ``low`` up to, but not including,
    the one nearest to ``high``.
    """
    first = max(0, int(np.searchsorted(energy, low, side="right")) - 1)
    return slice(first, int(np.abs(energy - high).argmin()))


def choose_ranges(
    energy: Array,
    e0: float,
    *,
    pre: tuple[float, float] | None = None,
    post: tuple[float, float] | None = None,
    pre_order: int = 1,
    order: int | None = None,
    next_edge: float | None = None,
) -> Ranges:
    """Ranges and degrees as given, or the defaults of larch, made to lie inside the data.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    e0 : float
        Origin in eV.
    pre, post : (float, float), optional
        In eV from ``e0``. A negative end of ``post`` counts from the end of the data. Defaults: ``pre`` from the
        second point (rounded to 5 eV) to half of that; ``post`` from a fifteenth of its end, at most 25 eV, to the
        last point (rounded to 5 eV) or 10 eV before ``next_edge``.
    pre_order, order : int
        Degrees. Default ``order``: 2 if ``post`` spans 300 eV or more, 1 from 30 eV, 0 below.
    next_edge : float, optional
        Energy in eV of the next edge of the element.

    Raises
    ------
    InvalidInput
        A range with too few points, or on the wrong side of ``e0``.
    """
    notes: list[str] = []
    below, above = float(energy[0] - e0), float(energy[-1] - e0)
    if not below < 0 < above:
        raise InvalidInput(
            f"e0 = {e0:g} eV lies outside of the data, {energy[0]:g} to {energy[-1]:g} eV: give the energy of an edge in it."
        )
    pre = _pre_range(energy, e0, pre, notes)
    post = _post_range(energy, e0, post, next_edge, notes)
    points = points_between(energy, e0 + pre[0], e0 + pre[1])
    if pre_order and points.stop - points.start < 3:
        notes.append(
            f"the pre-edge range ({pre[0]:g}, {pre[1]:g}) eV holds fewer than 3 points: constant, not a line"
        )
        pre_order = 0
    if points.stop - points.start < 1:
        raise InvalidInput(
            f"pre = ({pre[0]:g}, {pre[1]:g}) holds no data: they begin {-below:.1f} eV below e0 = {e0:g} eV. "
            "Move or widen the range."
        )
    points = points_between(energy, e0 + post[0], e0 + post[1])
    held = points.stop - points.start
    if held < 2:
        raise InvalidInput(
            f"post = ({post[0]:g}, {post[1]:g}) holds {max(held, 0)} points of the data, which end {above:.1f} eV above "
            f"e0 = {e0:g} eV; at least 2 are needed. Move or widen the range, or measure further."
        )
    width = post[1] - post[0]
    if order is None:
        order = 2 if width >= 300 else 1 if width >= 30 else 0
        order = min(order, 1) if held < 5 else order
    if held <= order:
        raise InvalidInput(
            f"order = {order} needs more than {order} points, and post = ({post[0]:g}, {post[1]:g}) holds {held}: "
            "lower the order or widen the range."
        )
    if width < 20:
        notes.append(f"the post-edge range spans {width:g} eV only: the edge step depends on the white line")
    return Ranges(pre, post, pre_order, order, tuple(notes))


def _pre_range(
    energy: Array, e0: float, given: tuple[float, float] | None, notes: list[str]
) -> tuple[float, float]:
    below = float(energy[0] - e0)
    if given is None:
        rounding = 5.0 if np.abs(energy - e0).argmin() > 20 else 2.0
        low = max(rounding * round(float(energy[1] - e0) / rounding), below)
        return (low, 0.5 * low)
    low, high = sorted(given)
    if high > 0:
        raise InvalidInput(
            f"pre = ({low:g}, {high:g}) reaches above e0; it is in eV from e0 and ends below zero, as in (-150, -30)."
        )
    if high < below:
        raise InvalidInput(
            f"pre = ({low:g}, {high:g}) holds no data: they begin {-below:.1f} eV below e0 = {e0:g} eV. "
            "Move or widen the range."
        )
    if low < below:
        notes.append(
            f"the pre-edge range was asked from {low:g} eV and begins with the data at {below:.1f} eV"
        )
    return (max(low, below), high)


def _post_range(
    energy: Array, e0: float, given: tuple[float, float] | None, next_edge: float | None, notes: list[str]
) -> tuple[float, float]:
    above = float(energy[-1] - e0)
    if given is None:
        high = min(5.0 * round(above / 5.0), above)
        if next_edge is not None and next_edge - 10 < e0 + high:
            high = next_edge - 10 - e0
            notes.append(f"the post-edge range ends 10 eV before the next edge at {next_edge:g} eV")
        return (min(25.0, 5.0 * round(high / 15.0), high - 2), high)
    low, high = given
    if high < 0:
        high += above
    if low > high:
        low, high = high, low
    if low < 0:
        raise InvalidInput(
            f"post = ({given[0]:g}, {given[1]:g}) begins below e0; it is in eV from e0 and begins above zero, as in "
            "(50, 700); a negative end counts from the end of the data."
        )
    if low > above:
        raise InvalidInput(
            f"post = ({low:g}, {high:g}) holds no data: they end {above:.1f} eV above e0 = {e0:g} eV. "
            "Move or widen the range."
        )
    if high > above + 1e-9:
        notes.append(f"the post-edge range was asked to {high:g} eV and ends with the data at {above:.1f} eV")
    if next_edge is not None and next_edge < e0 + min(high, above):
        notes.append(f"the next edge at {next_edge:g} eV lies inside the post-edge range")
    return (low, min(high, above))
