"""What a fit says, as arrays over the spectra: values, uncertainties, curves, quality and flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.fitting.batch import AT_BOUND, NO_DATA, SEVERAL_MINIMA, UNDETERMINED, WEAK, Results
from spectra.fitting.joint import NO_SIGNAL, Shared
from spectra.fitting.leastsq import CONVERGED, NOT_CONVERGED
from spectra.fitting.observing import AREA, FWHM, HEIGHT, MAXIMUM, POSITION
from spectra.fitting.program import Compiled
from spectra.fitting.spec import Model

__all__ = ["FitResult", "criteria", "joint_result", "single_result"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FitResult:
    """What a fit says, every array with the leading shape of the spectra; NaN where a spectrum failed.

    ``quantity`` and ``quantity_sigma`` hold ``position``, ``height``, ``area``, ``fwhm`` and ``maximum`` of each
    component (..., component).
    """

    model: Model | None  # None where it cannot be written
    parameters: tuple[str, ...]
    free: tuple[str, ...]
    components: tuple[str, ...]
    value: Floats  # (..., parameter)
    sigma: Floats  # (..., parameter)
    covariance: Floats  # (..., free, free)
    slopes: Floats  # (..., parameter, free) derivatives of the parameters, only where a projection is fitted
    jacobian: Floats  # (..., free, fitted point) weighted derivatives of what is fitted, likewise
    quantity: dict[str, Floats]
    quantity_sigma: dict[str, Floats]
    best_fit: Floats  # (..., n)
    component_curve: Floats  # (..., component, n)
    below_sigma: Floats  # (..., n) of what lies below the peaks, where wanted
    chi2: Floats
    redchi: Floats
    aicc: Floats
    bic: Floats
    runs_p_value: Floats
    nfev: npt.NDArray[np.int64]
    flags: dict[str, Flags]  # by name of the flag
    shared: Shared | None = (
        None  # of a joint fit: what all spectra along the last series dimension have in common
    )


def criteria(chi2: Floats, count: Floats, k: Floats | float, known: bool) -> tuple[Floats, Floats, Floats]:
    """Reduced chi-square, AICc and BIC of fits of ``k`` parameters to ``count`` points.

    With known uncertainties -2 log L is chi-square; without them it is N log(chi-square / N), as in lmfit.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        redchi = np.where(count > k, chi2 / (count - k), np.nan)
        misfit = chi2 if known else count * np.log(chi2 / count)
        aicc = np.where(count > k + 1, misfit + 2 * k + 2 * k * (k + 1) / (count - k - 1), np.nan)
        return redchi, aicc, misfit + k * np.log(count)


def single_result(
    compiled: Compiled,
    out: Results,
    shape: tuple[int, ...],
    *,
    known: bool,
    k: Floats | None = None,
    scale: Floats | None = None,
) -> FitResult:
    """Labelled arrays of ``out``; ``k`` parameters per spectrum and the ``scale`` of variances, where not its own."""

    def grid(values: Any) -> Any:
        return values.reshape((*shape, *values.shape[1:]))

    good = out.outcome == CONVERGED
    count = out.points.astype(float)
    chi2 = np.where(good, out.chi2, np.nan)
    redchi, aicc, bic = criteria(chi2, count, len(compiled.free) if k is None else k, known)
    scale = (np.ones_like(redchi) if known else redchi) if scale is None else scale
    root = np.sqrt(scale)
    names = {"position": POSITION, "height": HEIGHT, "area": AREA, "fwhm": FWHM, "maximum": MAXIMUM}
    return FitResult(
        model=compiled.model,
        parameters=compiled.parameters,
        free=compiled.free,
        components=compiled.components,
        value=grid(out.value),
        sigma=grid(out.sigma * root[:, None]),
        covariance=grid(out.covariance * scale[:, None, None]),
        slopes=grid(out.slopes),
        jacobian=grid(out.jacobian),
        quantity={n: grid(out.seen[..., i].copy()) for n, i in names.items()},
        quantity_sigma={n: grid(out.seen_sigma[..., i] * root[:, None]) for n, i in names.items()},
        best_fit=grid(out.curve),
        component_curve=grid(out.parts),
        below_sigma=grid(out.below * root[:, None]),
        chi2=grid(chi2),
        redchi=grid(redchi),
        aicc=grid(aicc),
        bic=grid(bic),
        runs_p_value=grid(out.runs_p),
        nfev=grid(out.nfev),
        flags={
            "fit_not_converged": grid(out.outcome == NOT_CONVERGED),
            "fit_not_finite": grid(
                (out.outcome != CONVERGED) & (out.outcome != NOT_CONVERGED) & (out.outcome != NO_DATA)
            ),
            "fit_too_few_points": grid(out.outcome == NO_DATA),
            "at_bound": grid(good & (out.warnings & AT_BOUND > 0)),
            "undetermined": grid(good & (out.warnings & UNDETERMINED > 0)),
            "weak_component": grid(good & (out.warnings & WEAK > 0)),
            "several_minima": grid(good & (out.warnings & SEVERAL_MINIMA > 0)),
        },
    )


def joint_result(
    compiled: Compiled,
    out: Results,
    said: Sequence[Mapping[str, Any]],
    shape: tuple[int, ...],
    names: tuple[str, ...],
    *,
    known: bool,
) -> FitResult:
    """Labelled arrays of joint fits along the last of the dimensions ``shape``, each of which ``said`` something.

    Degrees of freedom are those of the joint fit: a spectrum pays for its own parameters and for its part of the shared
    ones. Where uncertainties are not known, all are scaled by the reduced chi-square of the joint fit.
    """
    table = {k: np.array([s[k] for s in said]) for k in said[0]}
    count, own = len(out.chi2) // len(said), len(compiled.free) - len(names)
    size = np.maximum(table["spectra"], 1)
    points = table["points"].astype(float)
    redchi, aicc, bic = criteria(table["chi2"], points, own * size + len(names), known)
    scale = np.ones_like(redchi) if known else redchi
    table |= {"redchi": redchi, "aicc": aicc, "bic": bic}
    table["sigma"] = table["sigma"] * np.sqrt(scale)[:, None]
    table["covariance"] = table["covariance"] * scale[:, None, None]
    share = np.repeat(own + len(names) / size, count)
    result = single_result(compiled, out, shape, known=known, k=share, scale=np.repeat(scale, count))
    silent = (out.outcome == NO_SIGNAL).reshape(shape)
    failed = np.repeat(table["status"] > 0, count).reshape(shape) & result.flags["fit_not_converged"]
    flags = result.flags | {
        "fit_not_finite": result.flags["fit_not_finite"] & ~silent,
        "fit_not_converged": result.flags["fit_not_converged"] & ~failed,
        "no_signal": silent,
        "joint_fit_failed": failed,
    }
    del table["points"]
    values = {k: v.reshape(shape[:-1] + v.shape[1:]) for k, v in table.items()}
    return replace(result, flags=flags, shared=Shared(names, **values))
