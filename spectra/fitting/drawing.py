"""The whole model at one set of free parameters: rows, curves, weighted residual and Jacobian.

With a projection P in the model, what is fitted is not the curve f itself but P f: a part of its Fourier transform.
What is known of parameters beforehand follows as one more point each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spectra.fitting import kinds
from spectra.fitting.compiled import kernel
from spectra.fitting.curves import draw
from spectra.fitting.faddeeva import WORK_ROWS
from spectra.fitting.interpreter import interpret
from spectra.fitting.linear import copy, dot, fill

__all__ = ["Scratch", "add_tail", "below_peaks", "component", "evaluate", "scratch"]


class Scratch(NamedTuple):
    """Memory that one thread works in; nothing is allocated while a spectrum is fitted."""

    rows: npt.NDArray[np.float64]  # (row) values
    slopes: npt.NDArray[np.float64]  # (row, free)
    curve: npt.NDArray[np.float64]  # (point)
    by_slot: npt.NDArray[np.float64]  # (slot of a component, point)
    work: npt.NDArray[np.float64]  # (row, point) for kernels
    stack: npt.NDArray[np.float64]  # (depth, point)
    stack_slopes: npt.NDArray[np.float64]  # (depth, slot or free, point)
    one: npt.NDArray[np.float64]  # (1)
    unit: npt.NDArray[np.float64]  # (slot, slot) identity
    sizes: npt.NDArray[np.int64]  # what is told to a function behind an address
    drawn: npt.NDArray[np.float64]  # (point) sum of the curves, where more or other than it is fitted
    drawn_slopes: npt.NDArray[np.float64]  # (free, point)


@kernel
def scratch(model, points):
    """Memory for fits of ``model`` to spectra of ``points`` points."""
    rows, free = model.factor.shape
    slots, depth = max(model.sizes[2], 1), model.sizes[3]
    unit = np.zeros((slots, slots))
    for k in range(slots):
        unit[k, k] = 1.0
    apart = points if model.projection.size > 0 or model.known.size > 0 else 0
    return Scratch(
        np.empty(rows),
        model.factor.copy(),
        np.empty(points),
        np.empty((slots, points)),
        np.empty((WORK_ROWS + 1, points)),
        np.empty((depth, points)),
        np.empty((depth, max(slots, free), points)),
        np.zeros(1),
        unit,
        np.zeros(8, np.int64),
        np.empty(apart),
        np.empty((free, apart)),
    )


@kernel
def set_rows(model, free, memory, everything):
    """Values of parameters and slots, and their derivatives by the free parameters."""
    rows, slopes = memory.rows, memory.slopes
    for at in range(model.order.size):
        row = model.order[at]
        if not (everything or model.for_curve[row]):
            continue
        start, end = model.program[row, 0], model.program[row, 1]
        if start == end:
            total = model.constant[row]
            for j in range(free.size):
                total += model.factor[row, j] * free[j]
            rows[row] = total
            continue
        interpret(
            model.interpreter, memory.sizes, model.code, start, end, model.constants, memory.one, rows, slopes,
            free.size, memory.stack, memory.stack_slopes,
        )  # fmt: skip
        rows[row] = memory.stack[0, 0]
        for j in range(free.size):
            slopes[row, j] = memory.stack_slopes.reshape(-1)[j]


@kernel
def component(model, c, x, memory):
    """Curve of component ``c`` and its derivatives by the component's slots, into the memory."""
    first, last = model.slots[c, 0], model.slots[c, 1]
    parameters = memory.rows[model.sizes[0] + first : model.sizes[0] + last]
    if model.kind[c] != kinds.EXPRESSION:
        memory.sizes[0] = model.kind[c]
        table = model.table[model.tables[c, 0] : model.tables[c, 1]]
        draw(model.address[c], memory.sizes, x, parameters, memory.curve, memory.by_slot, memory.work, table)
        if model.tail[c]:
            fill(memory.by_slot[last - first - 1], 0.0)
        return
    count = last - first
    interpret(
        model.interpreter, memory.sizes, model.code, model.formula[c, 0], model.formula[c, 1], model.constants, x,
        parameters, memory.unit, count, memory.stack, memory.stack_slopes,
    )  # fmt: skip
    copy(memory.curve, memory.stack[0])
    for k in range(count):
        copy(memory.by_slot[k], memory.stack_slopes[0, k])


@kernel
def _add_area_below(strength, x, curve, area):
    """Add to each point ``strength`` times the area below it, by the trapezoid; that area itself into ``area``."""
    total, before = 0.0, curve[0]
    area[0] = 0.0
    for i in range(1, x.size):
        here = curve[i]
        total += 0.5 * (x[i] - x[i - 1]) * (before + here)
        area[i] = total
        curve[i] = here + strength * total
        before = here


@kernel
def _add_bend(strength, x, curve, bend):
    """The same with the integral of that area, by the trapezoid once more."""
    total, area, before = 0.0, 0.0, curve[0]
    bend[0] = 0.0
    for i in range(1, x.size):
        here, half = curve[i], 0.5 * (x[i] - x[i - 1])
        gained = half * (before + here)
        total += half * (2.0 * area + gained)
        area += gained
        bend[i] = total
        curve[i] = here + strength * total
        before = here


@kernel
def _add_losses(strength, scattering, curve, losses):
    """The same with what electrons that lost energy make of the curve."""
    for i in range(curve.size):
        losses[i] = dot(scattering[i, : i + 1], curve[: i + 1])
    for i in range(curve.size):
        curve[i] += strength * losses[i]


@kernel
def _add(kind, strength, model, x, curve, tail):
    if kind == 1:
        _add_area_below(strength, x, curve, tail)
    elif kind == 2:
        _add_bend(strength, x, curve, tail)
    else:
        _add_losses(strength, model.scattering, curve, tail)


@kernel
def add_tail(model, c, x, memory):
    """The component drawn last gets its background, made of what it has at lower x: electrons that lost energy.

    The background is linear in the curve, so each derivative gets its own; that by the strength is the tail itself.
    """
    count, kind = model.slots[c, 1] - model.slots[c, 0], model.tail[c]
    strength = memory.rows[model.sizes[0] + model.slots[c, 1] - 1]
    tail = memory.by_slot[count - 1]
    for k in range(count - 1):
        if model.touch_range[model.slots[c, 0] + k] < model.touch_range[model.slots[c, 0] + k + 1]:
            _add(kind, strength, model, x, memory.by_slot[k], tail)
    _add(kind, strength, model, x, memory.curve, tail)


@kernel
def _sum_up(total, factor, curve):
    for i in range(total.size):
        total[i] += factor * curve[i]


@kernel
def _project(projection, curve, out):
    for i in range(out.size):
        out[i] = dot(projection[i], curve)


@kernel
def evaluate(model, free, x, y, weight, memory, residual, jacobian):
    """Weighted residual (model minus data) and its derivatives; returns the sum of squares."""
    set_rows(model, free, memory, False)
    projected, known = model.projection.size > 0, model.known.size > 0
    curve = memory.drawn if projected or known else residual
    slopes = memory.drawn_slopes if projected or known else jacobian
    _sum(model, x, memory, curve, slopes)
    fitted = residual.size - model.known.size
    if projected:
        _project(model.projection, curve, residual[:fitted])
        for j in range(free.size):
            _project(model.projection, slopes[j], jacobian[j, :fitted])
    elif known:
        copy(residual[:fitted], curve)
        for j in range(free.size):
            copy(jacobian[j, :fitted], slopes[j])
    for k in range(model.known.size):
        residual[fitted + k] = free[model.known[k]]
        for j in range(free.size):
            jacobian[j, fitted + k] = 1.0 if j == model.known[k] else 0.0
    total = 0.0
    for i in range(residual.size):
        residual[i] = (residual[i] - y[i]) * weight[i]
        total += residual[i] * residual[i]
    for j in range(free.size):
        row = jacobian[j]
        for i in range(row.size):
            row[i] *= weight[i]
    return total


@kernel
def _sum(model, x, memory, curve, slopes):
    """All components added up, and the derivatives by the free parameters."""
    fill(curve, 0.0)
    fill(slopes, 0.0)
    if model.one_tail:
        last = np.int64(0)
        for c in range(model.kind.size):
            if model.tail[c]:
                component(model, c, x, memory)
                _sum_component(model, c, memory, curve, slopes)
                last = model.slots[c, 1] - 1
        _add_one_tail(model, last, x, memory, curve, slopes)
    for c in range(model.kind.size):
        if model.one_tail and model.tail[c]:
            continue
        component(model, c, x, memory)
        if model.tail[c]:
            add_tail(model, c, x, memory)
        _sum_component(model, c, memory, curve, slopes)


@kernel
def _add_one_tail(model, slot, x, memory, curve, slopes):
    """The background of all peaks in ``curve`` at once, with the strength in ``slot``."""
    strength, tail = memory.rows[model.sizes[0] + slot], memory.by_slot[0]
    for j in range(model.tailed.size):
        if model.tailed[j]:
            _add(model.one_tail, strength, model, x, slopes[j], tail)
    _add(model.one_tail, strength, model, x, curve, tail)
    for at in range(model.touch_range[slot], model.touch_range[slot + 1]):
        j = model.touches[at]
        _sum_up(slopes[j], memory.slopes[model.sizes[0] + slot, j], tail)


@kernel
def _sum_component(model, c, memory, curve, slopes):
    """Add the component drawn last, and what it hands to the derivatives by the free parameters."""
    _sum_up(curve, 1.0, memory.curve)
    for k in range(model.slots[c, 1] - model.slots[c, 0]):
        slot = model.slots[c, 0] + k
        for at in range(model.touch_range[slot], model.touch_range[slot + 1]):
            j = model.touches[at]
            slope = memory.slopes[model.sizes[0] + slot, j]
            if slope != 0.0:
                _sum_up(slopes[j], slope, memory.by_slot[k])


@kernel
def below_peaks(model, x, memory, slopes, curve, keep):
    """Derivatives by the free parameters of what lies below the peaks: all that is no peak, and what peaks leave behind.

    The rows of the model are those of the last `set_rows`; ``curve`` and ``keep`` are memory of one curve each.
    """
    fill(slopes, 0.0)
    fill(curve, 0.0)
    if model.one_tail:
        last = np.int64(0)
        for c in range(model.kind.size):
            if model.tail[c]:
                component(model, c, x, memory)
                _sum_component(model, c, memory, curve, slopes)
                last = model.slots[c, 1] - 1
        strength, tail = memory.rows[model.sizes[0] + last], memory.by_slot[0]
        for j in range(model.tailed.size):
            copy(keep, slopes[j])
            if model.tailed[j]:
                _add(model.one_tail, strength, model, x, slopes[j], tail)
            _sum_up(slopes[j], -1.0, keep)
        _add(model.one_tail, strength, model, x, curve, tail)
        for at in range(model.touch_range[last], model.touch_range[last + 1]):
            j = model.touches[at]
            _sum_up(slopes[j], memory.slopes[model.sizes[0] + last, j], tail)
    for c in range(model.kind.size):
        peak = model.observed[c, 4] > 0
        if (peak and not model.tail[c]) or (model.one_tail and model.tail[c]):
            continue
        component(model, c, x, memory)
        if model.tail[c]:
            _tail_alone(model, c, x, memory, keep)
        _sum_component(model, c, memory, curve, slopes)


@kernel
def _tail_alone(model, c, x, memory, keep):
    """The slopes of the component drawn last become those of its background alone."""
    count, kind = model.slots[c, 1] - model.slots[c, 0], model.tail[c]
    strength = memory.rows[model.sizes[0] + model.slots[c, 1] - 1]
    tail = memory.by_slot[count - 1]
    for k in range(count - 1):
        copy(keep, memory.by_slot[k])
        _add(kind, strength, model, x, memory.by_slot[k], tail)
        _sum_up(memory.by_slot[k], -1.0, keep)
    _add(kind, strength, model, x, memory.curve, tail)
