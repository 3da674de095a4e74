r"""One band, two bands, or both: how strongly a spectrum speaks for each, whatever the nuisances.

Near 590 1/cm LiNi0.5Mn1.5O4 shows the band F2g(3) beside A1g: one where Ni and Mn lie without order, a doublet where
they are ordered, all three where both kinds of domain are there. The evidence of each is the likelihood averaged over
everything that is not known (positions, widths, shape, shares, the splitting), not that of the best fit alone: a
doublet that could hide inside one broad band is not held against one that does not exist.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from raman.tables import load_table
from spectra.fitting import fit_arrays
from spectra.fitting.arrays import FitResult
from spectra.fitting.spec import from_tables
from spectra.fitting.understand import Understood, understand

__all__ = ["Doublet", "doublet_evidence"]

Array = npt.NDArray[np.float64]
Kind = Literal["one", "two", "both"]

#: Expectations enter as one more measured point per parameter, far off the spectrum, where only its own probe reaches.
FAR, APART = 1e9, 1e3
PROBE_AREA = math.sqrt(math.pi / math.log(2)) / 2  # of a Gaussian of height 1 and width 1
SLOPE = 3000.0  # lines this far off and this wide are the straight baseline, and vanish at the probes
LINES = {"one": "m", "two": "lr", "both": "mlr"}
STEP = 4.0  # between splittings that are tried
#: Where fits of two bands start: beside the expected middle, and as a share of the expected width.
STARTS = ((-4.0, 0.6), (4.0, 0.85))
SETTLED = 1e-7  # a step that promises less than this share of chi-square ends a fit
FINE = 57  # splittings that the evidence is averaged over
SHARP = 1.5  # a splitting known better than this is integrated around its best value
LOST = 2.0  # a fit that falls this far below both its neighbours ended in a wrong minimum
BLOCK = 2048  # spectra at a time


@dataclass(frozen=True)
class Doublet:
    """What spectra say of one or two bands, every array (...); NaN where a fit failed."""

    two: Array  # natural logarithm of the evidence for two bands over one
    both: Array  # the same for a single band and a doublet together
    aicc: Array  # AICc of one band less that of two: positive speaks for two
    splitting: Array  # of the best two bands, 1/cm
    splitting_sigma: Array
    splitting_limit: Array  # wider splittings are excluded at 20 to 1
    fwhm: Array  # of each of the two bands
    a1g: Array  # position of A1g in the better of the two fits
    a1g_sigma: Array
    a1g_fwhm: Array
    a1g_fwhm_sigma: Array
    a1g_height: Array  # in units of the spectrum
    a1g_height_sigma: Array
    misfit: Array  # reduced chi-square of the best fit; above 1 the uncertainties were widened by its root


def doublet_evidence(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    sigma: npt.ArrayLike,
    *,
    splitting: tuple[float, float] | None = None,
    shift_sigma: float = 0.0,
) -> Doublet:
    """Evidence for two bands, and for one and two together, over one band near 590 1/cm.

    Parameters
    ----------
    x : (n,) array
        Raman shift in 1/cm, ascending; points outside the window of the table are not used.
    y, sigma : (..., n) array
        Intensity and its standard uncertainty.
    splitting : (float, float), optional
        Splittings in 1/cm that an ordered phase may have, all equally likely. Default: those of the table.
    shift_sigma : float
        Standard uncertainty of the axis in 1/cm, common to all its points.

    Returns
    -------
    Doublet

    Examples
    --------
    >>> import numpy as np
    >>> from raman.order.doublet import doublet_evidence
    >>> x = np.arange(530.0, 700.0)
    >>> line = lambda p, h: h / (1 + ((x - p) / 8) ** 2)
    >>> y = line(634, 1.0) + line(585, 0.2) + line(606, 0.2)
    >>> doublet_evidence(x, y, np.full(x.size, 0.02)).two > 20
    np.True_
    """
    table = load_table("ordering")["raman"]
    low, high = table["window"]["value"]
    inside = (np.asarray(x, float) >= low) & (np.asarray(x, float) <= high)
    axis = np.asarray(x, float)[inside]
    values = np.asarray(y, float)
    shape = values.shape[:-1]
    rows = values[..., inside].reshape(-1, axis.size)
    spread = np.broadcast_to(np.asarray(sigma, float), values.shape)[..., inside].reshape(rows.shape)
    least, most = splitting or tuple(table["splitting"]["value"])
    parts = [
        _block(axis, rows[i : i + BLOCK], spread[i : i + BLOCK], least, most, shift_sigma)
        for i in range(0, len(rows), BLOCK)
    ]
    return Doublet(
        **{name: np.concatenate([p[name] for p in parts]).reshape(shape) for name in Doublet.__annotations__}
    )


def _block(x: Array, y: Array, sigma: Array, least: float, most: float, shift: float) -> dict[str, Array]:
    known = np.isfinite(y).any(1, keepdims=True)
    bottom, top = np.nanpercentile(np.where(known, y, 0.0), [5, 98], axis=1)
    scale = np.where(top > bottom, top - bottom, 1.0)[:, None]
    y, sigma = (y - bottom[:, None]) / scale, sigma / scale
    knots = np.linspace(least, most, max(4, math.ceil((most - least) / STEP) + 1))
    one = _fit("one", x, y, sigma, shift)
    # noise that the stated uncertainty does not hold, and lines of another shape, must not become a splitting
    best_guess = _fit("both", x, y, sigma, shift, float(knots[len(knots) // 2]))
    misfit = np.fmin(_chi2(one, y, sigma), _chi2(best_guess, y, sigma)) / max(x.size - len(one.free), 1)
    chance = 2 * math.sqrt(2 / max(x.size - len(one.free), 1))
    wider = np.where(misfit > 1 + chance, np.sqrt(misfit), 1.0)
    sigma = sigma * wider[:, None]
    one = _fit("one", x, y, sigma, shift)
    none = _log_evidence("one", one, shift)
    evidence, profile, two = _over_splittings("two", x, y, sigma, shift, knots)
    both, _, _ = _over_splittings("both", x, y, sigma, shift, knots)
    better = np.nan_to_num(evidence - none, nan=-1.0) > 0
    understated = load_table("ordering")["raman"]["understated"]["value"]
    out = {
        "two": evidence - none + understated,
        "both": both - none + understated,
        "aicc": _aicc(one, y, sigma) - _aicc(two, y, sigma),
        "splitting": _value(two, "splitting"),
        "splitting_sigma": _sigma(two, "splitting"),
        "splitting_limit": _limit(profile - none[:, None], knots),
        "fwhm": _value(two, "f_fwhm"),
        "misfit": misfit,
    }
    for name, parameter in (("a1g", "a_position"), ("a1g_fwhm", "a_fwhm")):
        out[name] = np.where(better, _value(two, parameter), _value(one, parameter))
        out[f"{name}_sigma"] = np.where(better, _sigma(two, parameter), _sigma(one, parameter))
    for suffix, of in (("", "quantity"), ("_sigma", "quantity_sigma")):
        heights = [getattr(r, of)["height"][:, 0] for r in (two, one)]
        out[f"a1g_height{suffix}"] = np.where(better, *heights) * scale[:, 0]
    return out


def _over_splittings(
    kind: Kind, x: Array, y: Array, sigma: Array, shift: float, knots: Array
) -> tuple[Array, Array, FitResult]:
    """Evidence averaged over the splitting, its values at ``knots`` (spectrum, knot), and the best fit of all."""
    fits = [_fit(kind, x, y, sigma, shift, float(s)) for s in knots]
    profile = np.stack([_log_evidence(kind, r, shift) for r in fits], axis=1)
    profile = _without_lost(profile)
    best = np.argmax(np.where(np.isfinite(profile), profile, -np.inf), axis=1)
    free = _free_fits(kind, x, y, sigma, shift, knots, best)
    at, sure = _value(free, "splitting"), _sigma(free, "splitting")
    around = _log_evidence(kind, free, shift)
    averaged = np.array([_log_mean(knots, row) for row in profile])
    settled = np.isfinite(around) & (sure < SHARP) & (at > knots[0]) & (at < knots[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        height = around - np.log(math.sqrt(2 * math.pi) * sure)  # of the profile at its maximum
        settled &= height > np.fmax.reduce(profile, axis=1) - 1
    evidence = np.where(settled, around - math.log(knots[-1] - knots[0]), averaged)
    return evidence, profile, free


def _free_fits(
    kind: Kind, x: Array, y: Array, sigma: Array, shift: float, knots: Array, best: npt.NDArray[np.intp]
) -> FitResult:
    """Fits with the splitting free, each from the best of ``knots``; the same order as the spectra."""
    groups = [(k, np.flatnonzero(best == k)) for k in range(len(knots))]
    parts = [
        (rows, _fit(kind, x, y[rows], sigma[rows], shift, float(knots[k]), True))
        for k, rows in groups
        if rows.size
    ]
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))

    def joined(name: str) -> Any:
        values = [getattr(r, name) for _, r in parts]
        if isinstance(values[0], dict):
            return {key: np.concatenate([v[key] for v in values])[order] for key in values[0]}
        return np.concatenate(values)[order] if isinstance(values[0], np.ndarray) else values[0]

    return replace(parts[0][1], **{f.name: joined(f.name) for f in fields(FitResult)})


def _log_mean(knots: Array, row: Array) -> float:
    """Logarithm of the mean over all splittings of what ``row`` gives the logarithm of at ``knots``."""
    from scipy.interpolate import PchipInterpolator
    from scipy.special import logsumexp

    known = np.isfinite(row)
    if known.sum() < 2:
        return math.nan
    fine = np.clip(np.linspace(knots[0], knots[-1], FINE), knots[known][0], knots[known][-1])
    return float(logsumexp(PchipInterpolator(knots[known], row[known])(fine)) - math.log(FINE))


def _without_lost(profile: Array) -> Array:
    """The profile without fits that ended in a wrong minimum: far below the fits on both sides."""
    for _ in range(3):
        left = np.concatenate([profile[:, 1:2], profile[:, :-1]], axis=1)
        right = np.concatenate([profile[:, 1:], profile[:, -2:-1]], axis=1)
        profile = np.where(profile < np.fmin(left, right) - LOST, np.nan, profile)
    return profile


def _limit(over_one: Array, knots: Array) -> Array:
    """The least of ``knots`` from which on every splitting is 20 times less likely than one band."""
    allowed = ~(over_one < -math.log(20.0))  # what is not known is allowed
    last = knots.size - 1 - np.argmax(allowed[:, ::-1], axis=1)
    beyond = np.append(knots[1:], np.nan)
    return np.asarray(np.where(allowed.any(1), beyond[last], knots[0]))


def _expected(kind: Kind, shift: float) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each parameter before looking."""
    rows = load_table("ordering")["raman"]["expected"]
    return {
        name: (row["value"], math.hypot(row["sigma"], shift if name.endswith("position") else 0.0))
        for name, row in rows.items()
        if kind == "both" or not (name.startswith("m_") or (name == "share" and kind == "one"))
    }


@functools.lru_cache(maxsize=128)
def _model(kind: Kind, shift: float, splitting: float | None, free: bool, start: int) -> Understood:
    expected = _expected(kind, shift)
    origin = load_table("ordering")["raman"]["origin"]["value"]
    lines = LINES[kind]
    components: list[dict[str, Any]] = [{"shape": "pseudo_voigt", "prefix": f"{n}_"} for n in ("a", *lines)]
    components += [{"shape": "lorentzian", "prefix": p} for p in ("u_", "v_")]
    aside, narrower = STARTS[start] if kind == "two" else (0.0, 1.0 if kind == "one" else 0.75)
    width = {"value": expected["f_fwhm"][0] * narrower, "min": 1.0, "max": 60.0}
    mixing = {"value": expected["f_fraction"][0], "min": -0.3, "max": 1.3}
    params: dict[str, Any] = {
        "a_position": expected["a_position"][0],
        "a_fwhm": {"value": expected["a_fwhm"][0], "min": 1.0, "max": 60.0},
        "a_area": {"value": 25.0, "min": -math.inf},
        "a_fraction": mixing,
        "f_position": expected["a_position"][0] + expected["f_distance"][0] + aside,
        "f_distance": {"expr": "f_position - a_position"},
        "f_fwhm": width,
        "f_fraction": mixing,
    }
    if kind != "one":
        params["splitting"] = {"value": splitting, "min": 0.0, "max": 45.0, "vary": free}
    for prefix, side in (("u_", -1), ("v_", 1)):
        params |= {
            f"{prefix}position": {"value": origin + side * SLOPE, "vary": False},
            f"{prefix}fwhm": {"value": SLOPE, "vary": False},
            f"{prefix}area": {"value": 100.0, "min": -math.inf},
        }
    place = {"m": "f_position", "l": "f_position - splitting / 2", "r": "f_position + splitting / 2"}
    for n in lines:
        params |= {
            f"{n}_position": {"expr": place[n]},
            f"{n}_fwhm": {"expr": "f_fwhm"},
            f"{n}_fraction": {"expr": "f_fraction", "min": -math.inf, "max": math.inf},
            f"{n}_area": {"value": 6.0, "min": -math.inf},
        }
    if kind == "both":  # two phases: the single band has its own place and width
        params["r_area"] = {"expr": "l_area", "min": -math.inf}
        params["m_offset"] = 0.0
        params["m_position"] = {"expr": "f_position + m_offset"}
        params["m_fwhm"] = {"value": expected["m_fwhm"][0], "min": 1.0, "max": 60.0}
    params["f_area"] = {
        "expr": {"one": "m_area", "two": "l_area + r_area", "both": "m_area + 2 * l_area"}[kind]
    }
    if kind != "one":
        params["share"] = {"expr": "l_area / f_area" if kind == "two" else "2 * l_area / f_area"}
    for i, name in enumerate(expected):
        components.append({"shape": "gaussian", "prefix": f"p{i}_"})
        params |= {
            f"p{i}_position": {"value": FAR + i * APART, "vary": False},
            f"p{i}_fwhm": {"value": 1.0, "vary": False},
            f"p{i}_area": {"expr": f"{name} * {PROBE_AREA!r}", "min": -math.inf},
        }
    return understand(from_tables(components, params))


def _fit(
    kind: Kind,
    x: Array,
    y: Array,
    sigma: Array,
    shift: float,
    splitting: float | None = None,
    free: bool = False,
) -> FitResult:
    """The best fit; two bands are tried from two starts, as each may end in a wrong minimum."""
    means, spreads = np.array(list(_expected(kind, shift).values())).T
    probes = (len(y), means.size)
    fits = [
        fit_arrays(
            _model(kind, shift, splitting, free, start),
            None,
            np.concatenate([x, FAR + APART * np.arange(means.size)]),
            np.concatenate([y, np.broadcast_to(means, probes)], axis=1),
            sigma=np.concatenate([sigma, np.broadcast_to(spreads, probes)], axis=1),
            restarts=0,
            tolerance=SETTLED,
            max_nfev=200,
            component_curves=False,
        )
        for start in range(len(STARTS) if kind == "two" else 1)
    ]
    return functools.reduce(_better, fits)


def _better(one: FitResult, other: FitResult) -> FitResult:
    """For each spectrum the fit of lower chi-square that did not fail."""
    take = np.nan_to_num(other.chi2, nan=np.inf) < np.nan_to_num(one.chi2, nan=np.inf)

    def chosen(a: Any, b: Any) -> Any:
        if isinstance(a, dict):
            return {key: chosen(value, b[key]) for key, value in a.items()}
        if isinstance(a, np.ndarray) and a.shape[:1] == take.shape:
            return np.where(take.reshape(-1, *[1] * (a.ndim - 1)), b, a)
        return a

    return replace(
        one, **{f.name: chosen(getattr(one, f.name), getattr(other, f.name)) for f in fields(FitResult)}
    )


def _log_evidence(kind: Kind, fit: FitResult, shift: float) -> Array:
    """Laplace's approximation; the areas of the lines stand for the area of the band and its shares."""
    spreads = np.array([s for _, s in _expected(kind, shift).values()])
    known = np.isfinite(np.diagonal(fit.covariance, axis1=1, axis2=2))
    both = known[:, :, None] & known[:, None, :]
    covariance = np.where(both, fit.covariance, np.eye(fit.covariance.shape[-1]) / (2 * math.pi))
    good = np.isfinite(fit.chi2) & np.isfinite(covariance).all((1, 2))
    sign, logarithm = np.linalg.slogdet(
        2 * math.pi * np.where(good[:, None, None], covariance, np.eye(covariance.shape[-1]))
    )
    expected = np.log(math.sqrt(2 * math.pi) * spreads).sum()
    area = np.abs(_value(fit, "f_area"))
    with np.errstate(divide="ignore", invalid="ignore"):
        per_share = {"one": 0.0, "two": -np.log(area), "both": -np.log(area / 2)}[kind]
        found = -fit.chi2 / 2 + logarithm / 2 - expected + per_share
    return np.asarray(np.where(good & (sign > 0) & np.isfinite(found), found, np.nan))


def _value(fit: FitResult, name: str) -> Array:
    return fit.value[:, fit.parameters.index(name)]


def _sigma(fit: FitResult, name: str) -> Array:
    return fit.sigma[:, fit.parameters.index(name)]


def _chi2(fit: FitResult, y: Array, sigma: Array) -> Array:
    """Chi-square of the spectrum alone, without the points that hold expectations."""
    residual = (y - fit.best_fit[:, : y.shape[1]]) / sigma
    return np.asarray(np.where(np.isfinite(fit.chi2), np.nansum(residual**2, axis=1), np.nan))


def _aicc(fit: FitResult, y: Array, sigma: Array) -> Array:
    k, n = len(fit.free), y.shape[1]
    return np.asarray(_chi2(fit, y, sigma) + 2 * k + 2 * k * (k + 1) / max(n - k - 1, 1))
