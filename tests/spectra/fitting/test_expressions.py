"""Expressions: what is affine, what becomes a program, its values and exact derivatives, and what is refused."""

import math

import numpy as np
import pytest

from spectra.fitting import fit_arrays
from spectra.fitting.expressions import (
    Affine,
    CannotCompile,
    affine,
    compile_program,
    names_in,
    prefixed,
)
from spectra.fitting.spec import from_tables

NAMES = {"a": Affine(0.0, {"a": 1.0}), "b": Affine(0.0, {"b": 1.0})}


@pytest.mark.parametrize(
    ("text", "constant", "factors"),
    [
        ("a", 0.0, {"a": 1.0}),
        ("2*a - b/4 + 3", 3.0, {"a": 2.0, "b": -0.25}),
        ("-(a + b)*0.5", 0.0, {"a": -0.5, "b": -0.5}),
        ("sqrt(2)*a + 2**3", 8.0, {"a": math.sqrt(2)}),
        ("a*pi", 0.0, {"a": math.pi}),
    ],
)
def test_affine(text, constant, factors):
    form = affine(text, NAMES)
    assert form.constant == pytest.approx(constant)
    assert form.factors == pytest.approx(factors)


@pytest.mark.parametrize("text", ["a*b", "1/a", "a**2", "exp(a)", "max(a, 0)", "abs(a)"])
def test_not_affine(text):
    assert affine(text, NAMES) is None


def test_names():
    assert names_in("sqrt(a_1*pi) + max(b, c)") == {"a_1", "b", "c"}
    assert prefixed("b1*exp(-x/b2)", "p_") == "p_b1 * exp(-x / p_b2)"


@pytest.mark.parametrize(
    "text",
    [
        "lambda: 1",
        "a[0]",
        "foo(a)",
        "a if b else 1",
        "q + 1",
        "exp(a, b)",
        "a @ b",
        "wofz(a)",
        "real(wofz(a))",
    ],
)
def test_what_the_engine_does_not_know(text):
    with pytest.raises(CannotCompile):
        compile_program(text, {"a": 0, "b": 1})


def test_what_is_no_expression():
    with pytest.raises(CannotCompile, match="is not an expression"):
        names_in("a +* b")


FORMULAS = {
    "a + b*x - a/b": lambda x, a, b: a + b * x - a / b,
    "a*exp(-x/b)": lambda x, a, b: a * np.exp(-x / b),
    "a*x**b": lambda x, a, b: a * x**b,
    "x**2*a + b**x": lambda x, a, b: x**2 * a + b**x,
    "sqrt(a*a + x)*log(b + x)": lambda x, a, b: np.sqrt(a * a + x) * np.log(b + x),
    "log10(a*x) + abs(x - b)": lambda x, a, b: np.log10(a * x) + abs(x - b),
    "sin(a*x) + cos(b*x) + tan(x*a/9)": lambda x, a, b: np.sin(a * x) + np.cos(b * x) + np.tan(x * a / 9),
    "asin(x/9*a/3) + acos(x/9*b/3) + atan(a*x)": lambda x, a, b: (
        np.arcsin(x / 9 * a / 3) + np.arccos(x / 9 * b / 3) + np.arctan(a * x)
    ),
    "sinh(a*x/9) + cosh(b*x/9) + tanh(x - a)": lambda x, a, b: (
        np.sinh(a * x / 9) + np.cosh(b * x / 9) + np.tanh(x - a)
    ),
    "max(a, x) * min(b, x/2)": lambda x, a, b: np.maximum(a, x) * np.minimum(b, x / 2),
    "a*erf(x - b) - (+b)": lambda x, a, b: a * np.vectorize(math.erf)(x - b) - b,
}


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_and_its_derivatives(text):
    """The curve is the formula's; the covariance is that of a Jacobian by central differences."""
    x, a, b = np.linspace(0.3, 4.0, 41), 1.3, 0.7
    truth = FORMULAS[text]
    y = truth(x, a, b)
    result = fit_arrays(({"expression": text},), {"a": a, "b": b}, x, y, sigma=np.full(x.size, 0.1))
    np.testing.assert_allclose(result.best_fit, y, rtol=1e-13, atol=1e-13)
    h = 1e-5
    jacobian = np.stack(
        [
            (truth(x, a + h, b) - truth(x, a - h, b)) / (2 * h),
            (truth(x, a, b + h) - truth(x, a, b - h)) / (2 * h),
        ]
    )
    expected = np.linalg.inv(jacobian @ jacobian.T) * 0.01
    np.testing.assert_allclose(result.covariance, expected, rtol=1e-6)


def test_ties_that_are_not_affine():
    """A product and a power of free parameters as ties: value and uncertainty by the chain rule."""
    x = np.linspace(-5, 5, 101)
    rng = np.random.default_rng(3)
    model = ({"shape": "gaussian", "prefix": "a_"}, {"shape": "gaussian", "prefix": "b_"})
    params = {
        "a_position": -1.0,
        "a_area": 5.0,
        "a_fwhm": 1.0,
        "ratio": 0.4,
        "b_area": {"expr": "ratio*a_area"},
        "b_position": {"expr": "a_position + 2"},
        "b_fwhm": {"expr": "a_fwhm**2/(1 + abs(ratio))*1.5"},
    }
    truth = from_tables(model, params)
    y = 5 * np.exp(-((x + 1) ** 2)) + rng.normal(0, 0.05, x.size) + 2 * np.exp(-((x - 1) ** 2))
    result = fit_arrays(truth, None, x, y, sigma=0.05)
    at = {n: i for i, n in enumerate(result.parameters)}
    ratio, area = result.value[at["ratio"]], result.value[at["a_area"]]
    assert result.value[at["b_area"]] == pytest.approx(ratio * area, rel=1e-14)
    free = list(result.free)
    slope = np.zeros(len(free))
    slope[free.index("ratio")], slope[free.index("a_area")] = area, ratio
    assert result.sigma[at["b_area"]] == pytest.approx(
        math.sqrt(slope @ result.covariance @ slope), rel=1e-12
    )
