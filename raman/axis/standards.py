"""The Raman axis calibrated by spectra of standards: their lines found, told apart and fitted with one polynomial."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.axis.calibration import AxisCalibration, CalibrationLine, Disagreement
from raman.axis.fit import (
    HIGHEST_CHOSEN,
    HIGHEST_DEGREE,
    LEAST_LINES,
    AxisFit,
    best_degree,
    design,
    fit_axis,
    reject_outliers,
)
from raman.axis.line_matching import match_lines
from raman.axis.line_positions import find_lines
from raman.reading.wavelengths import raman_shift, vacuum_wavelength
from raman.tables import load_table, number
from spectra.dataset import as_dataset, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["calibrate_axis"]

Array = npt.NDArray[np.float64]

AXIS = "raman_shift"
#: Of the lines of a standard that lie on the axis at least this part is found (some of a lamp are faint: a little less),
#: or what was found may be chance.
FEWEST = 0.6


@dataclass(frozen=True)
class _Matched:
    """Lines of one standard that were found in its spectrum."""

    standard: str
    lamp: bool
    names: tuple[str, ...]
    position: Array
    sigma: Array
    expected: Array  # with the nominal laser
    common: float  # uncertainty in common, 1/cm
    to_verify: tuple[str, ...]


def calibrate_axis(
    references: Mapping[str, Any],
    *,
    laser: float | None = None,
    degree: int | None = None,
    search: float = 10.0,
) -> AxisCalibration:
    r"""Calibrate a Raman axis by spectra of standards measured on the same spectrometer.

    A lamp fixes the wavelengths of the pixels, a Raman standard the place of the laser; a Raman standard with several
    lines does both. With :math:`\nu_l` the wavenumber of a lamp line, :math:`\nu_0` that of the laser as it is called
    and c what it lacks, one polynomial P is fitted to all lines,

    .. math:: x_l + P(x_l) = \nu_0 + c - \nu_l, \qquad x_r + P(x_r) = s_r .

    Parameters
    ----------
    references : mapping of str to xarray.Dataset or path
        Spectra by the name of the standard: ``neon``, ``silicon``, ``polystyrene``, ``cyclohexane``, ``paracetamol``.
    laser : float, optional
        As the laser is called, in nm: only where lamp lines are looked for depends on it, unless no Raman standard is
        among the references. Default: ``attrs["laser_wavelength"]`` of a reference.
    degree : int, optional
        Of P. Default: by AICc, up to 3.
    search : float
        Lines are looked for within this many 1/cm of their place.

    Returns
    -------
    AxisCalibration
        With every line, its residual, and by what each standard disagrees with the others.

    Raises
    ------
    InvalidInput
        An unknown standard, one whose lines are not found, a lamp without the wavelength of the laser, or too few
        lines for the degree.

    Notes
    -----
    Lines are fitted between the pixels and matched by their pattern, so strengths of lamps do not matter. The
    uncertainty of a Raman standard is taken as common to all its lines. Where two standards disagree by more than two
    sigma, half of that is added to the uncertainty of the axis.

    Examples
    --------
    >>> import numpy as np, spectra
    >>> shift = np.arange(400.0, 1700.0, 2.0)
    >>> lines = np.array([620.9, 795.8, 1001.4, 1031.8, 1155.3, 1450.5, 1602.3]) + 2.5
    >>> y = 100 + sum(900 / (1 + ((shift - at) / 5) ** 2) for at in lines)
    >>> y = np.random.default_rng(1).poisson(y)
    >>> film = spectra.from_arrays(shift, y, axis="raman_shift", attrs={"technique": "raman"})
    >>> made = calibrate_axis({"polystyrene": film}, degree=0)
    >>> round(float(made.shift(1003.9)), 1), len(made.lines)
    (1001.4, 7)
    """
    if not isinstance(references, Mapping) or not references:
        raise InvalidInput(
            "references is a mapping of the name of a standard to its spectrum, such as {'neon': lamp, 'silicon': wafer}."
        )
    if not (search > 0 and np.isfinite(search)):
        raise InvalidInput(f"search is a distance in 1/cm above zero, got {search:g}.")
    known = {s["name"]: s for s in load_table("calibration_lines")["standard"]}
    for name in references:
        if name not in known:
            raise InvalidInput(f"{name!r} is no standard of the table; {did_you_mean(name, known)}.")
    spectra_of = {name: _reference(name, given) for name, given in references.items()}
    nominal = laser or _stated_laser(spectra_of)
    matched = [_found(known[name], *_curve(name, data), nominal, search) for name, data in spectra_of.items()]
    return _fitted(matched, nominal, degree)


def _reference(name: str, given: Any) -> xr.Dataset:
    if isinstance(given, str | os.PathLike):
        from raman.reading import read

        given = read(os.fspath(given))
        for file in json.loads(given.attrs.get("inputs", "[]")):
            note(f"{name} read from {file['file']}, SHA-256 {file['sha256']}")
    data = as_dataset(given, verb="calibrate_axis")
    if spectral_axis(data) != AXIS:
        raise InvalidInput(
            f"the spectrum of {name} lies along {spectral_axis(data)}; a Raman axis is calibrated by spectra along {AXIS}, "
            "read with the wavelength of the laser."
        )
    return data


def _curve(name: str, data: xr.Dataset) -> tuple[Array, Array]:
    """Axis and spectrum of a standard; of repeats their median."""
    signal = data[signal_name(data)]
    dims = series_dims(data)
    curve = signal.median(dims, skipna=True) if dims else signal
    y = np.asarray(curve.values, float)
    if not np.isfinite(y).any():
        raise InvalidInput(f"the spectrum of {name} holds no finite point.")
    return data[AXIS].values.astype(float), y


def _stated_laser(references: Mapping[str, xr.Dataset]) -> float | None:
    stated = [
        float(d.attrs["laser_wavelength"]) for d in references.values() if d.attrs.get("laser_wavelength")
    ]
    return stated[0] if stated else None


def _found(standard: dict[str, Any], x: Array, y: Array, laser: float | None, search: float) -> _Matched:
    """Lines of a standard in its spectrum."""
    name, lamp, entries = standard["name"], standard["kind"] == "lamp", standard["lines"]
    values = np.array([e["value"] for e in entries])
    if lamp:
        if laser is None:
            raise InvalidInput(
                f"{name} has wavelengths, and without that of the laser they are no Raman shifts: give laser "
                "in nm (as the laser is called: 785), or set attrs['laser_wavelength']."
            )
        expected = raman_shift(vacuum_wavelength(values), laser)
    else:
        expected = values
    inside = np.flatnonzero((expected > x[0]) & (expected < x[-1]))
    lines = find_lines(x, y)
    first, second = match_lines(lines.position, expected[inside], search, lines.height)
    second = inside[second]
    if first.size < max((FEWEST - 0.1 * lamp) * inside.size, 1):
        found = "no line" if not first.size else f"only {first.size} of {inside.size} lines"
        raise InvalidInput(
            f"{found} of {name} was found within {search:g} 1/cm of its place: of {len(entries)} lines {inside.size} lie on "
            f"the axis ({x[0]:.0f} to {x[-1]:.0f} 1/cm), and the spectrum has {lines.position.size}. Look at the spectrum, at "
            "the wavelength of the laser, or raise search."
        )
    stated = standard["uncertainty"]
    own, common = np.zeros(second.size), number(stated)
    if lamp:
        own, common = 1e7 / values[second] ** 2 * common, 0.0
        partner = np.array([entries[i].get("partner", np.nan) for i in second])
        apart = np.abs(
            raman_shift(vacuum_wavelength(partner), 500.0)
            - raman_shift(vacuum_wavelength(values[second]), 500.0)
        )
        unresolved = apart < lines.fwhm[first]
        own = np.where(unresolved, np.hypot(own, apart / np.sqrt(12)), own)
    unit = standard["unit"]
    doubtful = [f"{entries[i]['value']:g} {unit}" for i in second if entries[i].get("status") == "to-verify"]
    if standard["status"] == "to-verify":
        doubtful = ["all lines"]
    if stated["status"] == "to-verify":
        doubtful.append("their uncertainty")
    return _Matched(
        name, lamp, tuple(f"{values[i]:g} {unit}" for i in second), lines.position[first],
        np.hypot(lines.sigma[first], own), expected[second], common, tuple(f"{name} {d}" for d in doubtful),
    )  # fmt: skip


@dataclass(frozen=True)
class _Lines:
    """All lines of all standards, one after another."""

    position: Array
    sigma: Array
    correction: Array
    lamp: npt.NDArray[np.bool_]
    group: npt.NDArray[np.intp]
    common: Array


def _joined(matched: list[_Matched]) -> _Lines:
    return _Lines(
        np.concatenate([m.position for m in matched]),
        np.concatenate([m.sigma for m in matched]),
        np.concatenate([m.expected - m.position for m in matched]),
        np.concatenate([np.full(m.position.size, m.lamp) for m in matched]),
        np.concatenate([np.full(m.position.size, i) for i, m in enumerate(matched)]),
        np.array([m.common for m in matched]),
    )


def _fitted(matched: list[_Matched], laser: float | None, degree: int | None) -> AxisCalibration:
    lines = _joined(matched)
    free_laser = any(m.lamp for m in matched) and not all(m.lamp for m in matched)
    low, high = float(lines.position.min()), float(lines.position.max())
    center, half = (low + high) / 2, max((high - low) / 2, 1.0)
    t = (lines.position - center) / half
    good = np.ones(t.size, bool)
    chosen = _degree(t, lines, good, free_laser, degree)
    for _ in range(3):
        columns = design(t, lines.lamp, chosen, free_laser)
        kept = _without_outliers(columns, lines, free_laser)
        if (kept == good).all():
            break
        good = kept
        chosen = _degree(t, lines, good, free_laser, degree)
    while True:
        fit = _solve(t, lines, good, chosen, free_laser)
        made = _described(matched, lines, good, fit, chosen, center, half, free_laser, laser)
        if (np.diff(made.shift(np.linspace(low - half, high + half, 2001))) > 0).all() or chosen == 0:
            break
        if degree is not None:
            raise InvalidInput(
                f"with degree {degree} the calibrated axis would run backwards: choose a lower degree, or look at the lines."
            )
        chosen -= 1
    return made


def _degree(t: Array, lines: _Lines, good: npt.NDArray[np.bool_], laser: bool, degree: int | None) -> int:
    if degree is None:
        highest = min(HIGHEST_CHOSEN, np.unique(np.round(t[good], 6)).size - 1)
        chosen = (t, lines.correction, lines.sigma, lines.lamp, lines.group)
        return best_degree((*(a[good] for a in chosen), lines.common), laser, highest)  # type: ignore[arg-type]
    needed = degree + 1 + laser
    if not 0 <= degree <= HIGHEST_DEGREE or good.sum() < needed:
        raise InvalidInput(
            f"degree is between 0 and {HIGHEST_DEGREE} and needs {needed} lines; got degree {degree} and {int(good.sum())} lines."
        )
    return degree


def _without_outliers(columns: Array, lines: _Lines, laser: bool) -> npt.NDArray[np.bool_]:
    """Outliers are looked for with an offset of its own for each standard: a disagreement is no outlier."""
    groups = np.unique(lines.group)
    own = [(lines.group == g).astype(float) for g in groups[1:]]
    alone = np.column_stack([columns[:, : columns.shape[1] - laser], *own]) if own else columns
    return reject_outliers(alone, lines.correction, lines.sigma, lines.group)


def _solve(t: Array, lines: _Lines, good: npt.NDArray[np.bool_], degree: int, laser: bool) -> AxisFit:
    columns = design(t, lines.lamp, degree, laser)[good]
    return fit_axis(columns, lines.correction[good], lines.sigma[good], lines.group[good], lines.common)


def _described(
    matched: list[_Matched], lines: _Lines, good: npt.NDArray[np.bool_], fit: AxisFit, degree: int,
    center: float, half: float, free_laser: bool, laser: float | None,
) -> AxisCalibration:  # fmt: skip
    t = (lines.position - center) / half
    residual = design(t, lines.lamp, degree, free_laser) @ fit.coefficients - lines.correction
    moved = float(fit.coefficients[-1]) if free_laser else 0.0
    found = []
    for i, name in enumerate(n for m in matched for n in m.names):
        m = matched[lines.group[i]]
        expected = lines.position[i] + lines.correction[i] + moved * m.lamp
        found.append(
            CalibrationLine(m.standard, name, float(lines.position[i]), float(lines.sigma[i]), float(expected), float(residual[i]), bool(good[i]))
        )  # fmt: skip
    wavelength = sigma = None
    if laser is not None and any(m.lamp for m in matched):
        wavelength = 1e7 / (1e7 / laser + moved)
        sigma = wavelength**2 / 1e7 * float(np.sqrt(fit.covariance[-1, -1])) if free_laser else None
    disagreements = _disagreements(matched, lines, good, center, half)
    polynomial = slice(0, degree + 1)
    return AxisCalibration(
        standards=tuple(m.standard for m in matched),
        center=center,
        half=half,
        coefficients=tuple(float(c) for c in fit.coefficients[polynomial]),
        covariance=tuple(tuple(float(v) for v in row) for row in fit.covariance[polynomial, polynomial]),
        range=(float(lines.position[good].min()), float(lines.position[good].max())),
        scatter=_axis_scatter(fit.scatter, lines.group[good]),
        disagreement=max((abs(d.offset) for d in disagreements if d.significant), default=0.0),
        lines=tuple(found),
        disagreements=disagreements,
        laser_wavelength=wavelength,
        laser_wavelength_sigma=sigma,
        to_verify=tuple(v for m in matched for v in m.to_verify),
    )


def _axis_scatter(scatter: Array, group: npt.NDArray[np.intp]) -> float:
    """What single places of the axis are off by: no more than the lines of the steadiest standard are."""
    many = [float(scatter[g]) for g in range(scatter.size) if (group == g).sum() >= LEAST_LINES]
    return min(many, default=0.0)


def _scatter_about_mean(left: Array, sigma: Array) -> float:
    """What lines of one standard scatter beyond their sigmas."""
    if left.size < 2:
        return 0.0
    return float(np.sqrt(max(left.var(ddof=1) - (sigma**2).mean(), 0.0)))


def _disagreements(
    matched: list[_Matched], lines: _Lines, good: npt.NDArray[np.bool_], center: float, half: float
) -> tuple[Disagreement, ...]:
    """What each Raman standard is off by where the others alone calibrate the axis, as far as they do."""
    t = (lines.position - center) / half
    out = []
    for g, m in enumerate(matched):
        others, own = good & (lines.group != g), good & (lines.group == g)
        lamps, shifts = bool(lines.lamp[others].any()), not bool(lines.lamp[others].all())
        if m.lamp or not shifts or not own.any():
            continue
        laser = lamps and shifts
        degree = _degree(t, lines, others, laser, None)
        if degree:  # a polynomial says nothing beyond its lines
            reach = 0.02 * np.ptp(lines.position[others])
            own &= lines.position > lines.position[others].min() - reach
            own &= lines.position < lines.position[others].max() + reach
            if not own.any():
                continue
        fit = _solve(t, lines, others, degree, laser)
        columns = t[own, None] ** np.arange(degree + 1)
        covariance = fit.covariance[: degree + 1, : degree + 1]
        left = columns @ fit.coefficients[: degree + 1] - lines.correction[own]
        scatter = _scatter_about_mean(left, lines.sigma[own])
        weight = 1 / (lines.sigma[own] ** 2 + scatter**2 + 1e-12)
        weight /= weight.sum()
        mean = weight @ columns
        # the lines' own noise and scatter, the standard's uncertainty, and that of the calibration there
        variance = (
            (weight**2 * (lines.sigma[own] ** 2 + scatter**2)).sum() + m.common**2 + mean @ covariance @ mean
        )
        out.append(Disagreement(m.standard, float(weight @ left), float(np.sqrt(variance)), int(own.sum())))
    return tuple(out)
