"""How much of a line lies outside a window: of curves, and of the line shapes that other programs name."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from xps.rules.evidence import Component
from xps.tables import load_table, number

__all__ = ["asymmetry_of", "exponents", "lorentzian", "outside"]

FloatArray = npt.NDArray[np.float64]
Height = Callable[[FloatArray], FloatArray]  # of the distance from the position, both in widths

#: Tangents of these angles are the distances at which a line is summed: far out in steps that grow.
ANGLES = (np.arange(20_000) + 0.5) / 20_000 * np.pi - np.pi / 2


def outside(c: Component, x: FloatArray | None, window: tuple[float, float]) -> FloatArray | None:
    """Part of the area of a component outside a window; None where neither its curve nor its shape is known."""
    if c.curve is not None and x is not None and c.area is not None:
        inside = (x >= window[0]) & (x <= window[1])
        return np.asarray(1 - np.trapezoid(c.curve[:, inside], x[inside], axis=-1) / c.area)
    known = _height(c)
    if known is None or c.position is None or c.fwhm is None:
        return None
    height, width = known
    distance = np.tan(ANGLES) / 2
    values = height(distance) / np.cos(ANGLES) ** 2
    ends = [(end - c.position) / (c.fwhm * width) for end in window]
    inside = (distance >= ends[0][:, None]) & (distance <= ends[1][:, None])
    return np.asarray(1 - (values * inside).sum(-1) / values.sum())


def lorentzian(c: Component) -> FloatArray | None:
    """Share of the Lorentzian in the height of a sum or product of both; None for other shapes."""
    if "fraction" in c.numbers and c.shape in ("sgl", "gl", "pseudo_voigt"):
        return c.numbers["fraction"]
    share = _share(c)
    return None if share is None or c.position is None else np.full(c.position.shape, share)


def exponents(c: Component) -> tuple[float, float] | None:
    """Exponents of the Lorentzian of an LA or LF line at high and low binding energy; None for other shapes."""
    if c.shape in ("la", "lf") and {"a", "b"} <= set(c.numbers):
        return float(np.nanmedian(c.numbers["a"])), float(np.nanmedian(c.numbers["b"]))
    if c.shape.startswith("LA (Area") and {"sigma", "gamma"} <= set(c.numbers):  # KherveFitting
        return float(c.numbers["sigma"][0]), float(c.numbers["gamma"][0])
    numbers = _numbers(c.shape)
    if c.shape.startswith(("LA(", "LF(")) and len(numbers) >= 3:
        return numbers[0], numbers[1]
    if c.shape.startswith("LA(") and numbers:  # LA(a, n) is symmetric, LA(m) a Voigt line
        return (numbers[0], numbers[0]) if len(numbers) == 2 else (1.0, 1.0)
    return None


def asymmetry_of(c: Component) -> float | None:
    """How asymmetric a shape is: 0 symmetric, above 0 with its tail at high binding energy; None where unknown."""
    two = exponents(c)
    if two is not None:
        a, b = two
        return 1 - a / b if a <= b else b / a - 1
    shape = c.shape.replace(" ", "")
    if shape.startswith(("DS", "A(", "doniach")):
        return 1.0
    plain = re.match(r"(S?GL|LA\([\d.]+\)|sgl|gl|voigt|pseudo_voigt|gaussian|lorentzian|Voigt)", shape)
    return 0.0 if plain else None


def _height(c: Component) -> tuple[Height, float] | None:
    """Height of a line by its distance in widths, and that width over the listed one."""
    share = _share(c)
    if share is not None:
        m, four = share, 4 * np.log(2)
        if c.shape.startswith("SGL"):
            return lambda d: (1 - m) * np.exp(-four * d**2) + m / (1 + 4 * d**2), 1.0
        return lambda d: np.exp(-four * (1 - m) * d**2) / (1 + 4 * m * d**2), 1.0
    two = exponents(c)
    if two is None or min(two) <= 0.5:  # no finite area: nothing is a part of it
        return None
    a, b = two
    if c.shape.startswith("LF"):
        numbers, table = _numbers(c.shape), load_table("casaxps")["lf"]
        reach, ceiling = numbers[2], number(table["ceiling"])

        def growing(d: FloatArray) -> FloatArray:
            near = 1 / (1 + 4 * (d / reach) ** 2)
            side = np.where(d > 0, a, b)
            return np.asarray((1 + 4 * d**2) ** -(ceiling - (ceiling - side) * near))

        return growing, number(table["lorentz_width"])
    width = 1.0
    if c.shape.startswith("LA (Area"):  # its width is that of the whole line
        width = 2 / sum(np.sqrt(2 ** (1 / e) - 1) for e in two)
    return lambda d: np.where(d > 0, (1 + 4 * d**2) ** -a, (1 + 4 * d**2) ** -b), width


def _share(c: Component) -> float | None:
    """Lorentzian share of a sum or product as CasaXPS and KherveFitting write it."""
    casa = re.fullmatch(r"S?GL\(([\d.]+)\)", c.shape)
    if casa:
        return float(casa.group(1)) / 100
    if re.match(r"S?GL \(", c.shape) and "share" in c.numbers:
        return float(c.numbers["share"][0])
    return None


def _numbers(shape: str) -> list[float]:
    return [float(n) for n in re.findall(r"[\d.]+", shape.partition("(")[2])]
