"""Area of a line above its background, with all that its points and the ends of the background hand on to it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from spectra.fitting.spec import Model
from xps.background.ends import spectra_along
from xps.background.subtraction import Method

__all__ = ["Area", "fitted_areas", "integrated_area"]

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Area:
    """Areas and their standard uncertainties, in the units of the spectrum times eV; NaN where there is none."""

    area: FloatArray  # (...)
    sigma: FloatArray  # (...)


def integrated_area(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    background: Method,
    variance: npt.ArrayLike | None = None,
    limits: tuple[float, float] | None = None,
) -> Area:
    r"""Area between a spectrum and its background, by trapezoids.

    The area is linear in the counts but for the course of the background between its ends:

    .. math:: A = \sum_i w_i\,(y_i - B_i), \qquad
              \sigma_A^2 = \sum_i \left(w_i - \frac{e^L_i}{n} \sum_k w_k \frac{\partial B_k}{\partial y_L}
              - \frac{e^H_i}{n} \sum_k w_k \frac{\partial B_k}{\partial y_H}\right)^2 \sigma_i^2

    with :math:`e^L_i` and :math:`e^H_i` 1 for the n points of the low and high end: the few points there count many
    times over, and are most of the uncertainty of a weak line.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending: the window of the background.
    y : (..., n) array
        Counts.
    background : Method
        Background with its options.
    variance : (..., n) array, optional
        Variance of each point. Default: not known, and sigma is NaN.
    limits : (float, float), optional
        Integrate between these only. Default: the whole window.

    Returns
    -------
    Area
    """
    axis, values, _ = spectra_along(x, y)
    result = background(axis, values)
    weight = np.gradient(axis) if axis.size > 1 else np.ones(1)
    weight[[0, -1]] = 0.5 * np.abs(np.diff(axis)[[0, -1]])
    if limits is not None:
        low, high = sorted(limits)
        weight = np.where((axis >= low) & (axis <= high), weight, 0.0)
    curve = np.where(result.converged[..., None], result.background, np.nan)
    area = (values - curve) @ weight
    if variance is None:
        return Area(area, np.full(area.shape, np.nan))
    n = background.n_end
    effect = np.broadcast_to(weight, values.shape).copy()
    effect[..., :n] -= (result.low_share @ weight)[..., None] / n
    effect[..., -n:] -= (result.high_share @ weight)[..., None] / n
    sigma = np.sqrt((effect**2 * np.asarray(variance, float)).sum(-1))
    return Area(area, np.where(np.isfinite(area), sigma, np.nan))


def fitted_areas(
    model: Model,
    groups: Sequence[Sequence[str]],
    values: Mapping[str, FloatArray],
    free: tuple[str, ...],
    covariance: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Summed areas of groups of components of a fit, and the covariance of these sums.

    Parameters
    ----------
    model : Model
        What was fitted.
    groups : sequence of sequences of str
        Prefixes of the components that are summed.
    values : mapping of str to (...) array
        Every parameter at the minimum.
    free : tuple of str
        Names along the last two dimensions of the covariance.
    covariance : (..., free, free) array

    Returns
    -------
    array, array
        (..., group) and (..., group, group). Parameters that the areas do not depend on may have no variance.

    Raises
    ------
    InvalidInput
        An area hangs on the others by an expression that is more than arithmetic.
    """

    def totals(known: Mapping[str, Any]) -> list[Any]:
        seen = dict(known)
        return [sum(_parameter(model, f"{prefix}area", seen) for prefix in group) for group in groups]

    given = {n: v for n, v in values.items() if model.settings[n].expr is None}
    area = np.stack([np.asarray(total, float) for total in totals(given)], -1)
    slopes: dict[int, FloatArray] = {}
    for index, name in enumerate(free):
        # areas are polynomials of low degree in each parameter: a complex step is exact
        moved = totals(given | {name: given[name] + 1e-30j})
        slope = np.stack([np.broadcast_to(np.imag(total) / 1e-30, area.shape[:-1]) for total in moved], -1)
        if np.any(slope != 0):
            slopes[index] = slope
    spread = np.zeros((*area.shape, len(groups)))
    for i, by_i in slopes.items():
        for k, by_k in slopes.items():
            spread = spread + by_i[..., :, None] * by_k[..., None, :] * covariance[..., i, k, None, None]
    return area, spread


def _parameter(model: Model, name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        expression = model.settings[name].expr
        if expression is None:
            known[name] = model.settings[name].value
        else:
            known[name] = _value(ast.parse(expression, mode="eval").body, model, known)
    return known[name]


_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}


def _value(node: ast.expr, model: Model, known: dict[str, Any]) -> Any:
    """Value of an expression for all spectra at once."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.Name) and node.id in model.settings:
        return _parameter(model, node.id, known)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, model, known)
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = (_value(side, model, known) for side in (node.left, node.right))
        return _ARITHMETIC[type(node.op)](left, right)
    raise InvalidInput(
        f"the area of a component hangs on {ast.unparse(node)!r}, which is more than arithmetic: quantify its net counts "
        "instead (areas = 'net')."
    )
