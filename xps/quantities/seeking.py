"""A line that may not be there: its area, and the areas from which on it is, and would be, found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from spectra.fitting.lineshapes import sgl
from spectra.verbs import note
from xps.quantities.sensitivity import parse_level
from xps.tables import load_table, number

__all__ = ["Limits", "Sought", "chance_at_one", "line_limits"]

ROUNDS = 3  # of weights from the fitted curve
SHARE = 0.3  # of the Lorentzian in the line sought
FEW = 20.0  # counts of background under the line, below which it is not normally distributed
STRUCTURE = 5.0  # deviations of chi-square from what noise makes of it
FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Limits:
    """Area of a line that was looked for, and areas that decide; in counts times eV, NaN where nothing was measured."""

    area: FloatArray  # (...) best estimate, negative as often as not where there is nothing
    sigma: FloatArray  # (...) its standard uncertainty
    decision: FloatArray  # (...) a larger area is not chance
    detection: FloatArray  # (...) a line of this area would be found
    upper: FloatArray  # (...) what the line is below, at the same confidence
    found_at: FloatArray  # (...) energy of the best estimate
    structured: npt.NDArray[np.bool_]  # (...) the spectrum is no smooth background with this line
    few: npt.NDArray[np.bool_]  # (...)


@dataclass(frozen=True)
class Sought:
    """The line that is looked for."""

    position: float
    fwhm: float
    splitting: float
    ratio: float
    factor: float

    @classmethod
    def of(cls, name: str, position: float, fwhm: float | None, splitting: float | None) -> Sought:
        """The line called ``name``, with what the table of levels knows of it.

        Raises
        ------
        InvalidInput
            No width is given or known.
        """
        level = parse_level(name)
        row = next(
            (r for r in load_table("levels")["level"] if r["name"] == f"{level.element} {level.shell}"), None
        )
        if fwhm is None and row is None:
            raise InvalidInput(f"no width of {name} is in the table: give fwhm in eV.")
        width = fwhm if fwhm is not None else number(row["fwhm"]) if row else 0.0
        if not width > 0:
            raise InvalidInput(f"fwhm must be above 0, got {width:g} eV.")
        single = level.shell[1] == "s" or level.j is not None
        if single and splitting is not None:
            raise InvalidInput(f"{name} is one line and has no splitting: leave it out.")
        if single or (row is None and splitting is None):
            if not single:
                note(f"no splitting of {name} is in the table: it was looked for as one line")
            return cls(position, width, 0.0, 0.0, 1.0)
        ratio = {"p": 0.5, "d": 2 / 3, "f": 0.75}[level.shell[1]]
        apart = splitting if splitting is not None else number(row["splitting"]) if row else 0.0
        return cls(position, width, apart, ratio, number(row["width_factor"]) if row else 1.0)

    def places(self, reach: float) -> FloatArray:
        """Energies that it is looked for at."""
        steps = int(np.ceil(reach / (self.fwhm / 4)))
        return np.linspace(self.position - reach, self.position + reach, 2 * steps + 1)

    def curve(self, x: FloatArray, place: float) -> FloatArray:
        """The line with unit area, both lines of a doublet together."""
        share = 1 / (1 + self.ratio)
        made = sgl(x, place, share, self.fwhm, SHARE)
        if self.ratio:
            made = made + sgl(x, place + self.splitting, share * self.ratio, self.fwhm * self.factor, SHARE)
        return np.asarray(made)


def line_limits(
    x: FloatArray,
    y: FloatArray,
    variance: FloatArray,
    lines: list[FloatArray],
    places: FloatArray,
    *,
    width: float,
    degree: int = 1,
    seconds: float | None = 1.0,
    false_alarm: float = 0.05,
    missed: float = 0.05,
) -> Limits:
    """Areas of a line of known shape on a polynomial background, and the areas that decide whether it is there.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV.
    y : (..., n) array
        Counts; points that are not finite are left out.
    variance : (..., n) array
        Of each point, where counting statistics do not hold.
    lines : list of (n,) arrays
        The line with unit area at each of ``places``; the best of them counts, and the worst for the limit.
    places : (m,) array
        In eV.
    width : float
        Full width at half maximum in eV.
    degree : int
        Of the polynomial.
    seconds : float, optional
        Value times this is a Poisson number (1 for counts); None: the variance counts.
    false_alarm, missed : float
        Probabilities.

    Returns
    -------
    Limits
    """
    from scipy.special import ndtri

    z_alpha, z_beta = -ndtri(false_alarm), -ndtri(missed)
    fits = [_fit_line(x, y, variance, line, degree, seconds) for line in lines]
    area, null, growth = (np.stack([getattr(f, name) for f in fits]) for name in ("area", "null", "growth"))
    # sigma(A)^2 = null^2 + growth A in A = A0 + z sigma(A): a quadratic equation
    decision = z_alpha * null
    limit = _reached(decision, z_beta, null, growth)
    above = _reached(np.maximum(area, 0), z_alpha, null, growth)
    strength = np.where(np.isfinite(area), area / null, -np.inf)
    best = strength.argmax(0)[None]

    def at_best(values: FloatArray) -> FloatArray:
        return np.asarray(np.take_along_axis(values, best, 0)[0])

    fit = [np.stack([getattr(f, name) for f in fits]) for name in ("surplus", "under")]
    under = at_best(fit[1]) * 2 * width
    counted = under * (seconds or 1.0) / np.gradient(x).mean()
    value = at_best(area)
    spread = np.sqrt(at_best(null) ** 2 + at_best(growth) * np.maximum(value, 0))
    return Limits(
        value,
        spread,
        at_best(decision),
        limit.max(0),
        above.max(0),
        np.where(np.isfinite(value), places[best[0]], np.nan),
        at_best(fit[0]) > STRUCTURE,
        (counted < FEW) & np.isfinite(value) & (seconds is not None),
    )


@dataclass(frozen=True)
class _Fit:
    area: FloatArray
    null: FloatArray  # standard uncertainty of the area where there is no line
    growth: FloatArray  # of the variance with the area
    surplus: FloatArray  # of chi-square over its expectation, in its standard deviations
    under: FloatArray  # background under the line


def _fit_line(
    x: FloatArray, y: FloatArray, variance: FloatArray, line: FloatArray, degree: int, seconds: float | None
) -> _Fit:
    """Weighted linear least squares of line and polynomial, every spectrum with weights of its own."""
    t = 2 * (x - x[0]) / (x[-1] - x[0]) - 1
    columns = np.stack([line, *(t**k for k in range(degree + 1))])
    there = np.isfinite(y)
    values = np.where(there, y, 0.0)
    enough = there.sum(-1) >= len(columns) + 3
    smooth = np.where(there, 1.0, 0.0)
    var = np.ones_like(values) if seconds is not None else np.where(there, variance, 1.0)
    for _ in range(ROUNDS if seconds is not None else 1):
        weight = smooth / var
        normal = np.einsum("pi,...i,qi->...pq", columns, weight, columns)
        normal = np.where(enough[..., None, None], normal, np.eye(len(columns)))
        right = np.einsum("pi,...i->...p", columns, weight * values)
        inverse = np.linalg.inv(normal)
        found = np.einsum("...pq,...q->...p", inverse, right)
        floor = np.maximum(0.05 * values.mean(-1), 1 / (x.size * (seconds or 1.0)))[..., None]
        level = np.maximum(found[..., 1:] @ columns[1:], floor)
        curve = np.maximum(found @ columns, floor)
        if seconds is not None:
            var = level / seconds  # the estimator is that of no line: its variance is known for any area
    estimator = np.einsum("...p,pi,...i->...i", inverse[..., 0, :], columns, weight)
    null = np.sqrt((estimator**2 * (var if seconds is not None else np.where(there, variance, 0.0))).sum(-1))
    growth = (estimator**2 * line).sum(-1) / seconds if seconds is not None else np.zeros(null.shape)
    misfit = smooth * (values - found @ columns) ** 2 / (curve / seconds if seconds is not None else var)
    free = np.maximum(there.sum(-1) - len(columns), 1)
    nothing = np.where(enough, 0.0, np.nan)
    centre = int(np.argmax(line))
    return _Fit(
        found[..., 0] + nothing,
        null + nothing,
        growth + nothing,
        (misfit.sum(-1) - free) / np.sqrt(2 * free) + nothing,
        level[..., centre] + nothing,
    )


def _reached(start: FloatArray, z: float, null: FloatArray, growth: FloatArray) -> FloatArray:
    """The area A that equals ``start`` plus z standard uncertainties at A."""
    half = z**2 * growth / 2
    return np.asarray(start + half + np.sqrt(half**2 + z**2 * (null**2 + growth * start)))


def chance_at_one(false_alarm: float, reach: float, fwhm: float) -> float:
    """Probability at one place so that all places together have ``false_alarm``.

    The strength of a line of width w, as a function of its place, is noise that crosses the level z upwards
    exp(-z²/2) / (2 pi √2 s) times per eV, with s = w / 2.355 (Rice): a crossing, or a start above, is a false alarm.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    crossings = 2 * reach * 2.3548 / (2 * np.pi * np.sqrt(2) * fwhm)

    def surplus(z: float) -> float:
        return float(ndtr(-z) + crossings * np.exp(-(z**2) / 2) - false_alarm)

    return float(ndtr(-brentq(surplus, 0.0, 12.0)))
