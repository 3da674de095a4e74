"""What is seen of a component: height, width at half maximum and place of the maximum, with exact derivatives.

They are found on the component's own curve, the same way for every shape. With h the height at the maximum and x± the
two points at h/2, the derivative of h by a parameter is that of the curve at the maximum (the maximum itself moves
without changing it), and x± move by (dh/2 - df)/f'(x±).
"""

from __future__ import annotations

import math

import numpy as np

from spectra.fitting.compiled import kernel
from spectra.fitting.drawing import component
from spectra.fitting.linear import fill

__all__ = ["AREA", "FWHM", "HEIGHT", "MAXIMUM", "POSITION", "QUANTITIES", "observe"]

POSITION, HEIGHT, AREA, FWHM, MAXIMUM = 0, 1, 2, 3, 4
QUANTITIES = 5


@kernel
def _at(model, c, place, sign, x, memory):
    """Curve at ``place`` and its slope there, times ``sign``; derivatives by the slots stay in the memory."""
    x[0] = place
    component(model, c, x, memory)
    return sign * memory.curve[0], -sign * memory.by_slot[0, 0]


@kernel
def _maximum(model, c, position, width, sign, x, memory):
    """Place of the maximum, looked for from the position upwards along the curve."""
    _, slope = _at(model, c, position, sign, x, memory)
    if slope == 0.0:
        return position
    step = math.copysign(0.25 * width, slope)
    left, right = position, position
    for _ in range(60):
        right = left + step
        _, further = _at(model, c, right, sign, x, memory)
        if further * slope <= 0.0:
            break
        left, step = right, 2.0 * step
    for _ in range(60):
        middle = 0.5 * (left + right)
        _, there = _at(model, c, middle, sign, x, memory)
        if there * slope > 0.0:
            left = middle
        else:
            right = middle
        if abs(right - left) <= 1e-12 * width:
            break
    return 0.5 * (left + right)


@kernel
def _maximum_slopes(model, c, top, width, x, memory, out):
    """How the maximum moves with each slot: -(d2f/dx dslot)/(d2f/dx2), by central differences of exact slopes."""
    h = 1e-4 * width
    _, above = _at(model, c, top + h, 1.0, x, memory)
    for k in range(out.size):
        out[k] = memory.by_slot[k, 0]
    _, below = _at(model, c, top - h, 1.0, x, memory)
    for k in range(out.size):
        out[k] = -(out[k] - memory.by_slot[k, 0]) / (above - below)


@kernel
def _crossing(model, c, top, level, step, sign, x, memory):
    """Where the curve falls to ``level`` on one side of ``top``; NaN if it does not."""
    near, far = top, top + step
    value, slope = _at(model, c, far, sign, x, memory)
    for _ in range(60):
        if not value > level:
            break
        near, far = far, top + 2.0 * (far - top)
        value, slope = _at(model, c, far, sign, x, memory)
    if not value <= level:
        return np.nan
    place = far
    for _ in range(80):  # Newton, and halving where Newton leaves the bracket
        proposed = place - (value - level) / slope if slope != 0.0 else np.nan
        if not min(near, far) < proposed < max(near, far):
            proposed = 0.5 * (near + far)
        moved = abs(proposed - place)
        place = proposed
        value, slope = _at(model, c, place, sign, x, memory)
        if value > level:
            near = place
        else:
            far = place
        if moved <= 1e-13 * abs(place - top):
            break
    return place


@kernel
def _half_width(model, c, top, height, by_height, step, sign, x, memory, out):
    """Distance from the maximum to half height on one side, and how the crossing moves with each slot."""
    place = _crossing(model, c, top, 0.5 * abs(height), step, sign, x, memory)
    if not math.isfinite(place):
        return np.nan
    _, slope = _at(model, c, place, 1.0, x, memory)
    for k in range(by_height.size):
        out[k] += math.copysign(1.0, step) * (0.5 * by_height[k] - memory.by_slot[k, 0]) / slope
    return abs(place - top)


@kernel
def _peak(model, c, slots, x, memory, values, slopes):
    """Height, width and maximum of a peak."""
    count, symmetric = slots.size, model.observed[c, 4] == 2
    width = 0.0
    for k in range(5, 7):
        if model.observed[c, k] >= 0:
            width += abs(slots[model.observed[c, k]])
    width = max(width, 1e-12)
    level, _ = _at(model, c, slots[0], 1.0, x, memory)
    sign = math.copysign(1.0, level)
    top = slots[0]
    if not symmetric:
        top = _maximum(model, c, slots[0], width, sign, x, memory)
        _maximum_slopes(model, c, top, width, x, memory, slopes[MAXIMUM, :count])
    values[MAXIMUM] = top
    height, _ = _at(model, c, top, 1.0, x, memory)
    values[HEIGHT] = height
    for k in range(count):
        slopes[HEIGHT, k] = memory.by_slot[k, 0]
    if model.observed[c, 3] >= 0:
        return
    if height == 0.0 or not math.isfinite(height):
        values[FWHM] = np.nan
        return
    by_height, by_width = slopes[HEIGHT, :count], slopes[FWHM, :count]
    right = _half_width(model, c, top, height, by_height, 0.5 * width, sign, x, memory, by_width)
    if symmetric:
        for k in range(count):
            by_width[k] *= 2.0
        by_width[0] = 0.0
        values[FWHM] = 2.0 * right
    else:
        left = _half_width(model, c, top, height, by_height, -0.5 * width, sign, x, memory, by_width)
        values[FWHM] = left + right


@kernel
def observe(model, c, x, memory, values, slopes):
    """Position, height, area, width and maximum of component ``c``; derivatives by its slots into ``slopes``.

    ``memory`` is for one point and holds the rows already. What a component does not have is NaN.
    """
    first, last = model.slots[c, 0], model.slots[c, 1]
    slots = memory.rows[model.sizes[0] + first : model.sizes[0] + last]
    fill(values, np.nan)
    fill(slopes, 0.0)
    for quantity, column in ((POSITION, 0), (AREA, 1), (HEIGHT, 2), (FWHM, 3)):
        slot = model.observed[c, column]
        if slot >= 0:
            values[quantity] = slots[slot]
            slopes[quantity, slot] = 1.0
    slot = model.observed[c, 0]
    if slot >= 0:
        values[MAXIMUM] = slots[slot]
        slopes[MAXIMUM, slot] = 1.0
    if model.observed[c, 4] > 0:
        _peak(model, c, slots, x, memory, values, slopes)
