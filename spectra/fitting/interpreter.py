"""A stack machine for expressions that computes every value together with its derivatives.

One instruction handles all points at once, so the price of interpreting is paid per instruction, not per point. The
same machine draws curves given by a formula (points along the axis) and evaluates ties between parameters (one
point).
"""

from __future__ import annotations

import functools
import math

from numba import carray

from spectra.fitting import opcodes as op
from spectra.fitting.boundary import addressed, call
from spectra.fitting.compiled import kernel
from spectra.fitting.faddeeva import erfcx

__all__ = ["address", "interpret"]


@kernel
def _run(code, start, end, constants, x, variables, seed, value, grad):
    points, count = x.size, grad.shape[1]
    top = -1
    for at in range(start, end):
        operation, argument = code[at, 0], code[at, 1]
        if operation <= op.AXIS:
            top += 1
            for i in range(points):
                if operation == op.CONSTANT:
                    value[top, i] = constants[argument]
                elif operation == op.VARIABLE:
                    value[top, i] = variables[argument]
                else:
                    value[top, i] = x[i]
            for k in range(count):
                slope = seed[argument, k] if operation == op.VARIABLE else 0.0
                for i in range(points):
                    grad[top, k, i] = slope
        elif operation <= op.MAX:
            top -= 1
            _binary(operation, value[top], value[top + 1], grad[top], grad[top + 1])
        else:
            _unary(operation, value[top], grad[top])


@kernel
def _binary(operation, left, right, by_left, by_right):
    """Combine two values into the left one; f' = a u' + b v'."""
    for i in range(left.size):
        u, v = left[i], right[i]
        if operation == op.ADD:
            left[i], a, b = u + v, 1.0, 1.0
        elif operation == op.SUB:
            left[i], a, b = u - v, 1.0, -1.0
        elif operation == op.MUL:
            left[i], a, b = u * v, v, u
        elif operation == op.DIV:
            left[i], a, b = u / v, 1.0 / v, -u / (v * v)
        elif operation == op.MIN:
            left[i] = min(u, v)
            a = 1.0 if u <= v else 0.0
            b = 1.0 - a
        elif operation == op.MAX:
            left[i] = max(u, v)
            a = 1.0 if u >= v else 0.0
            b = 1.0 - a
        else:
            power = u**v
            left[i] = power
            a = v * u ** (v - 1.0) if v != 0.0 else 0.0
            b = power * math.log(u) if operation == op.POW and u > 0.0 else 0.0
        for k in range(by_left.shape[0]):
            by_left[k, i] = a * by_left[k, i] + b * by_right[k, i]


@kernel
def _unary(operation, value, grad):
    """Replace a value by a function of it; f' = slope u'."""
    for i in range(value.size):
        value[i], slope = _function(operation, value[i])
        for k in range(grad.shape[0]):
            grad[k, i] *= slope


@kernel
def _function(operation, u):
    if operation == op.NEGATE:
        return -u, -1.0
    if operation == op.EXP:
        return math.exp(u), math.exp(u)
    if operation == op.LOG:
        return math.log(u), 1.0 / u
    if operation == op.LOG10:
        return math.log10(u), 1.0 / (u * math.log(10.0))
    if operation == op.SQRT:
        return math.sqrt(u), 0.5 / math.sqrt(u)
    if operation == op.ABS:
        return abs(u), math.copysign(1.0, u)
    if operation == op.SIN:
        return math.sin(u), math.cos(u)
    if operation == op.COS:
        return math.cos(u), -math.sin(u)
    if operation == op.TAN:
        return math.tan(u), 1.0 + math.tan(u) ** 2
    if operation == op.ASIN:
        return math.asin(u), 1.0 / math.sqrt(1.0 - u * u)
    if operation == op.ACOS:
        return math.acos(u), -1.0 / math.sqrt(1.0 - u * u)
    if operation == op.ATAN:
        return math.atan(u), 1.0 / (1.0 + u * u)
    if operation == op.SINH:
        return math.sinh(u), math.cosh(u)
    if operation == op.COSH:
        return math.cosh(u), math.sinh(u)
    if operation == op.TANH:
        return math.tanh(u), 1.0 - math.tanh(u) ** 2
    if operation == op.ERF:
        return math.erf(u), 2.0 / math.sqrt(math.pi) * math.exp(-u * u)
    scaled = erfcx(u)
    return scaled, 2.0 * u * scaled - 2.0 / math.sqrt(math.pi)


def _interpreter(stamp):
    def run(sizes, code, constants, x, variables, seed, value, grad):
        _ = stamp  # part of the cache's key
        start, end, points, width, count, depth = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
        _run(
            carray(code, (end, 2)), start, end, carray(constants, end), carray(x, points), carray(variables, width),
            carray(seed, (width, sizes[6])), carray(value, (depth, points)), carray(grad, (depth, count, points)),
        )  # fmt: skip

    return run


@functools.cache
def _compiled():
    return addressed(_interpreter)


def address() -> int:
    """Where the compiled interpreter is; compiled now, or read from disk."""
    return int(_compiled().address)


@kernel
def interpret(address, sizes, code, start, end, constants, x, variables, seed, count, value, grad):
    """Run ``code`` from ``start`` to ``end``: values at the points into ``value``, derivatives by ``count`` quantities.

    ``seed[v, k]`` is the derivative of variable v by the k-th quantity. ``value`` and ``grad`` are the memory of a
    stack; the result is at their beginning: (points) values, and (count, points) derivatives.
    """
    sizes[0], sizes[1], sizes[2], sizes[3], sizes[4] = start, end, x.size, variables.size, count
    sizes[5], sizes[6] = value.shape[0], seed.shape[1]
    call(address, sizes, code, constants, x, variables, seed, value, grad)
