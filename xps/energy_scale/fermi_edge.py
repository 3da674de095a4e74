"""Fermi edge: where the electrons of a metal end, fitted, as the zero of a binding-energy scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from spectra.errors import InvalidInput
from xps.background.ends import spectra_along

__all__ = ["FermiEdge", "fermi_edge"]

FloatArray = npt.NDArray[np.float64]

BOLTZMANN = 8.617333262e-5  # eV/K, exact in the SI
FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian over its standard deviation
# The logistic function as a sum of normal distribution functions (weight, width in kT), least squares, error 5.4e-6:
# so its convolution with the Gaussian of the instrument has a closed form, for any ratio of the two widths.
NORMALS = (
    (0.10975663, 0.98126179),
    (0.46052612, 1.43720075),
    (0.36983906, 2.11180629),
    (0.05987819, 3.12030924),
)
ROUNDS = 60


@dataclass(frozen=True)
class FermiEdge:
    """Fitted Fermi edges, NaN where there is none; ``sigma`` and the like are standard uncertainties."""

    position: FloatArray  # (...) eV
    sigma: FloatArray  # (...) eV
    resolution: FloatArray  # (...) eV, full width at half maximum of the instrument's Gaussian
    resolution_sigma: FloatArray  # (...) eV, NaN where the resolution came out as zero
    redchi: FloatArray  # (...) reduced chi-square; 1 by construction without variances
    best_fit: FloatArray  # (..., n), NaN outside the fitted points


def fermi_edge(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    variance: npt.ArrayLike | None = None,
    temperature: float = 300.0,
    reach: float | None = 1.0,
) -> FermiEdge:
    r"""Fermi edge of a metal, broadened by temperature and by the instrument.

    .. math:: I(x) = c + [a + b\,(x - x_0)]\,
              \left(\frac{1}{1 + e^{-x/kT}} * G_\Gamma\right)(x - x_0)

    with position x0, instrumental width Γ (FWHM), level c above the edge, and a density of states that is a
    straight line over the fitted points. Where bands begin within ``reach`` of the edge, lower it.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending: the occupied states lie at higher x.
    y : (..., n) array
        Counts.
    variance : (..., n) array, optional
        Variance of the counts. Default: proportional to the spectrum, as that of any rate, and as large as
        the scatter about the fit says.
    temperature : float
        Of the sample, in K.
    reach : float or None
        Points are fitted up to this many eV on both sides of the edge, which is found as the first rise from low
        binding energy; None fits all points.

    Returns
    -------
    FermiEdge
        NaN where no edge stands out by 5 sigma of its height, or where the fit did not settle.
    """
    axis, spectra, _ = spectra_along(x, y)
    x, y = np.asarray(axis, np.float64), np.asarray(spectra, np.float64)
    if not temperature > 0:
        raise InvalidInput(f"temperature must be positive, in K, got {temperature:g}.")
    if reach is not None and not reach > 0:
        raise InvalidInput(f"reach must be positive, in eV, or None, got {reach:g}.")
    flat = y.reshape(-1, x.size)
    assumed = _like_counts(flat) if variance is None else np.asarray(variance, np.float64)
    known = np.broadcast_to(assumed, y.shape if variance is not None else flat.shape).reshape(flat.shape)
    start = _first_rise(x, flat)
    near = np.abs(x - start[:, None]) <= (np.inf if reach is None else reach)
    used = near & np.isfinite(flat) & np.isfinite(start)[:, None]
    weight = np.where(used, 1 / np.where(used, known, 1), 0)
    ready = np.asarray(used.sum(-1) >= 10)
    return _labelled(x, flat, weight, ready, start, BOLTZMANN * temperature, variance is not None, y.shape)


def _like_counts(y: FloatArray) -> FloatArray:
    """Variance proportional to the smoothed spectrum; the same everywhere where that is not above zero."""
    padded = np.pad(np.nan_to_num(y), ((0, 0), (2, 2)), mode="edge")
    smooth = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=-1).mean(-1)
    rate = (smooth > 0).all(-1, keepdims=True)
    return np.asarray(np.where(rate, smooth, 1.0))


def _first_rise(x: FloatArray, y: FloatArray) -> FloatArray:
    """Energy at which each spectrum, coming from low binding energy, rises most where it first leaves its level."""
    n = x.size
    if n < 20:
        return np.full(len(y), np.nan)
    finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(y).all(-1))
    smooth = np.lib.stride_tricks.sliding_window_view(np.where(finite[:, None], y, 0), 5, axis=-1).mean(-1)
    calm = slice(0, max(n // 10, 5))
    level = np.median(smooth[:, calm], axis=-1)[:, None]
    noise = 1.4826 * np.median(np.abs(np.diff(y, axis=-1)), axis=-1)[:, None] / np.sqrt(2 * 5)
    above = smooth > level + np.maximum(6 * noise, 0.02 * (smooth.max(-1, keepdims=True) - level))
    left = above.argmax(-1)
    slope = np.gradient(smooth, x[2:-2], axis=-1)
    index = np.arange(smooth.shape[-1])
    # the rise goes on for as long as it rises by more than a third of its steepest so far: not into the next band
    near = (index >= left[:, None] - 5) & (x[2:-2] <= x[2:-2][left][:, None] + 0.5)
    steepest = np.where(near, slope, -np.inf).argmax(-1)
    return np.where(finite & above.any(-1) & (left > 0), x[2:-2][steepest], np.nan)


def _model(
    x: FloatArray, edge: FloatArray, blur: FloatArray, kt: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Broadened occupation at x, and its derivatives by the edge and by the variance of the Gaussian."""
    d = x - edge[:, None]
    step, by_edge, by_blur = (np.zeros(d.shape) for _ in range(3))
    for weight, width in NORMALS:
        s = np.sqrt(blur[:, None] + (width * kt) ** 2)
        u = d / s
        density = weight * np.exp(-0.5 * u**2) / (np.sqrt(2 * np.pi) * s)
        step += weight * ndtr(u)
        by_edge -= density
        by_blur -= density * u / (2 * s)
    return step, by_edge, by_blur


def _basis(x: FloatArray, p: FloatArray, kt: float) -> tuple[FloatArray, FloatArray]:
    """Curve and Jacobian by (edge, variance of the Gaussian, level, height, slope)."""
    step, by_edge, by_blur = _model(x, p[:, 0], p[:, 1], kt)
    d = x - p[:, :1]
    band = p[:, 3:4] + p[:, 4:5] * d
    curve = p[:, 2:3] + band * step
    return curve, np.stack(
        [band * by_edge - p[:, 4:5] * step, band * by_blur, np.ones_like(step), step, d * step], -1
    )


def _fit(
    x: FloatArray, y: FloatArray, weight: FloatArray, p: FloatArray, kt: float
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Levenberg-Marquardt for all spectra at once; the variance of the Gaussian stays at or above zero."""
    damping = np.full(len(y), 1e-3)
    settled = np.zeros(len(y), bool)
    curve, jacobian = _basis(x, p, kt)
    chi2 = (weight * (y - curve) ** 2).sum(-1)
    for _ in range(ROUNDS):
        step = _step(y - curve, jacobian, weight, p[:, 1] <= 0, damping)
        trial = p + step
        trial[:, 1] = np.maximum(trial[:, 1], 0)
        new_curve, new_jacobian = _basis(x, trial, kt)
        new = (weight * (y - new_curve) ** 2).sum(-1)
        better = (new <= chi2) & ~settled  # one that has settled stays, so that none depends on the others
        still = (np.abs(trial - p) <= 1e-9 * (np.abs(p) + 1e-3)).all(-1)
        settled |= still | (better & (chi2 - new <= 1e-10 * chi2) & (damping < 1))
        p = np.where(better[:, None], trial, p)
        curve = np.where(better[:, None], new_curve, curve)
        jacobian = np.where(better[:, None, None], new_jacobian, jacobian)
        chi2 = np.where(better, new, chi2)
        damping = np.clip(np.where(better, damping / 5, damping * 7), 1e-12, 1e8)
        if settled.all():
            break
    return p, settled


def _normal(jacobian: FloatArray, weight: FloatArray, at_zero: npt.NDArray[np.bool_]) -> FloatArray:
    """Normal matrix; a width at zero that wants to stay there counts as fixed."""
    normal = np.einsum("sni,sn,snj->sij", jacobian, weight, jacobian)
    fixed = at_zero[:, None] & (np.arange(5) == 1)
    normal = np.where(fixed[:, :, None] | fixed[:, None, :], 0, normal)
    return np.asarray(normal + fixed[:, :, None] * np.eye(5))


def _step(
    residual: FloatArray,
    jacobian: FloatArray,
    weight: FloatArray,
    at_zero: npt.NDArray[np.bool_],
    damping: FloatArray,
) -> FloatArray:
    gradient = np.einsum("sni,sn,sn->si", jacobian, weight, residual)
    held = at_zero & (gradient[:, 1] <= 0)
    normal = _normal(jacobian, weight, held)
    gradient[held, 1] = 0
    size = np.einsum("sii->si", normal)
    size = np.where(size > 0, size, 1)
    scaled = normal / np.sqrt(size[:, :, None] * size[:, None, :])
    scaled = scaled + damping[:, None, None] * np.eye(5)
    return np.asarray(np.linalg.solve(scaled, (gradient / np.sqrt(size))[..., None])[..., 0] / np.sqrt(size))


def _labelled(
    x: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    ready: npt.NDArray[np.bool_],
    start: FloatArray,
    kt: float,
    weighted: bool,
    shape: tuple[int, ...],
) -> FermiEdge:
    found = np.full((len(y), 5), np.nan)
    curve = np.full(y.shape, np.nan)
    go = np.flatnonzero(ready)
    if go.size:
        one, w = np.nan_to_num(y[go]), weight[go]
        first = np.stack([start[go], np.full(go.size, 0.01)] + [np.zeros(go.size)] * 3, -1)
        inside = w > 0
        first[:, 2] = np.where(inside, one, np.inf).min(-1)
        first[:, 3] = np.where(inside, one, -np.inf).max(-1) - first[:, 2]
        p, settled = _fit(x, one, w, first, kt)
        drawn, jacobian = _basis(x, p, kt)
        at_zero = p[:, 1] <= 0
        normal = np.where(settled[:, None, None], _normal(jacobian, w, at_zero), np.eye(5))
        covariance = np.linalg.pinv(normal, hermitian=True)
        redchi = (w * (one - drawn) ** 2).sum(-1) / np.maximum(inside.sum(-1) - 5 + at_zero, 1)
        if not weighted:
            covariance = covariance * redchi[:, None, None]
        errors = np.sqrt(np.einsum("sii->si", covariance))
        width = np.sqrt(p[:, 1])
        good = settled & (p[:, 3] > 5 * errors[:, 3])
        with np.errstate(divide="ignore", invalid="ignore"):
            width_sigma = np.where(at_zero, np.nan, FWHM * errors[:, 1] / (2 * width))
        values = np.stack(
            [p[:, 0], errors[:, 0], FWHM * width, width_sigma, redchi if weighted else 0 * redchi + 1], -1
        )
        found[go] = np.where(good[:, None], values, np.nan)
        curve[go] = np.where(good[:, None] & inside, drawn, np.nan)
    position, sigma, resolution, resolution_sigma, misfit = (c.reshape(shape[:-1]) for c in found.T)
    return FermiEdge(position, sigma, resolution, resolution_sigma, misfit, curve.reshape(shape))
