"""The fit of bands as a kernel: spectra in, what each band is and how sure that is out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from raman.bands.model import BandModel
from raman.bands.neighbours import refit_from_neighbours
from spectra.fitting import fit_arrays
from spectra.fitting.arrays import FitResult
from spectra.fitting.engine import as_outputs
from spectra.fitting.understand import Understood
from spectra.verbs import note

__all__ = ["FLAGS", "BandFitter"]

Floats = npt.NDArray[np.float64]

FLAGS = {
    "band_not_found": "A band does not stand out of the noise: found says which; leave it out or compare a fit without it.",
    "band_cut_off": "The spectrum ends, or the window does, inside a band: its height, area and width are not to be trusted.",
}
#: A parameter this close to a limit, as a share of its range, stands on it.
ON_LIMIT = 1e-6


@dataclass(frozen=True)
class BandFitter:
    """A model of bands, ready to be fitted to any number of spectra on the axis ``x``.

    ``axis_sigma`` is the uncertainty of the axis at each point; ``neighbours`` tries doubtful fits again from where
    those beside them ended; ``curves`` keeps the curve of each component; ``moves`` says of spectra and their
    uncertainties by what one-sigma moves a baseline that was taken off could be wrong: the fit is repeated with each.
    """

    understood: Understood
    model: BandModel
    x: Floats
    limits: tuple[float, float]
    poisson: bool = False
    axis_sigma: Floats | None = None
    significance: float = 3.0
    neighbours: bool = False
    curves: bool = True
    workers: int | None = None
    restarts: int = 8
    moves: Callable[[Floats, Floats | None], Sequence[Floats]] | None = None

    @property
    def outputs(self) -> dict[str, tuple[str, ...]]:
        """Names of what a fit of bands says beyond any fit, and their own dimensions."""
        return {"found": ("component",), "at_limit": ("component",), **{f"flag_{n}": () for n in FLAGS}}

    @cached_property
    def inside(self) -> slice:
        """Points of the window."""
        first, last = (
            np.searchsorted(self.x, self.limits[0]),
            np.searchsorted(self.x, self.limits[1], "right"),
        )
        return slice(int(first), int(last))

    def __call__(self, y: Floats, sigma: Floats | None = None) -> Mapping[str, Any]:
        """Everything about spectra (..., n) with uncertainties (..., n), by name."""
        part = np.asarray(y, float)[..., self.inside]
        spread = None if sigma is None else np.broadcast_to(sigma, np.shape(y))[..., self.inside]
        result = self._fit(part, spread)
        if self.neighbours and part.ndim > 1:
            result = self._from_neighbours(result, part, spread)
        made = as_outputs(result, self.curves)
        for move in self.moves(np.asarray(y, float), sigma) if self.moves else ():
            _widen(made, result, self._fit(part - move[..., self.inside], spread))
        for name in ("best_fit", *(["component_curve"] if self.curves else [])):
            made[name] = self._on_whole_axis(made[name])
        self._calibrated(made)
        return made | self._judged(result, part)

    def _fit(self, y: Floats, sigma: Floats | None, **options: Any) -> FitResult:
        return fit_arrays(
            self.understood, None, self.x[self.inside], y, sigma=sigma, poisson=self.poisson,
            component_curves=self.curves, workers=self.workers, **{"restarts": self.restarts, **options},
        )  # fmt: skip

    def _from_neighbours(self, result: FitResult, y: Floats, sigma: Floats | None) -> FitResult:
        rows = y.reshape(-1, y.shape[-1])
        spread = None if sigma is None else sigma.reshape(rows.shape)

        def refit(pairs: npt.NDArray[np.intp]) -> FitResult:
            return self._fit(
                rows[pairs], None if spread is None else spread[pairs], start="previous", restarts=0
            )

        found, moved = refit_from_neighbours(result, refit)
        if moved:
            note(f"{moved} spectra were fitted better from the result of a neighbour")
        return found

    def _on_whole_axis(self, curve: Floats) -> Floats:
        whole = np.full((*curve.shape[:-1], self.x.size), np.nan)
        whole[..., self.inside] = curve
        return whole

    def _calibrated(self, made: dict[str, Any]) -> None:
        """Add the uncertainty of the axis to that of each position."""
        if self.axis_sigma is not None:
            for name in ("position", "maximum"):
                of_axis = np.interp(made[name], self.x, self.axis_sigma)
                made[f"{name}_sigma"] = np.hypot(made[f"{name}_sigma"], of_axis)

    def _judged(self, result: FitResult, y: Floats) -> dict[str, Any]:
        """Which bands stand out, which ended on a limit, which are cut off by the end of the spectrum."""
        bands = len(self.model.bands)
        lost = ~np.isfinite(result.chi2)[..., None]
        height, doubt = result.quantity["height"], result.quantity_sigma["height"]
        position, width = result.quantity["position"][..., :bands], result.quantity["fwhm"][..., :bands]
        with np.errstate(invalid="ignore"):
            found = np.where(lost | np.isnan(height), np.nan, height > self.significance * doubt)
            measured = np.isfinite(y)
            x = self.x[self.inside]
            first = np.where(measured, x, np.inf).min(-1, keepdims=True)
            last = np.where(measured, x, -np.inf).max(-1, keepdims=True)
            cut = (position - width / 2 < first) | (position + width / 2 > last)
        seen = found[..., :bands] == 1.0
        return {
            "found": found,
            "at_limit": np.where(lost | np.isnan(height), np.nan, self._at_limit(result.value)),
            "flag_band_not_found": (found[..., :bands] == 0.0).any(-1),
            "flag_band_cut_off": (cut & seen).any(-1),
        }

    def _at_limit(self, value: Floats) -> npt.NDArray[np.bool_]:
        """Whether position or width of each component stands on a limit."""
        of = {name: i for i, name in enumerate(self.understood.parameters)}
        stands = np.zeros((*value.shape[:-1], len(self.model.names)), bool)
        for i, prefix in enumerate(self.model.prefixes):
            for key in ("position", "fwhm", "fwhm_l"):
                setting = self.model.params.get(f"{prefix}{key}", {})
                setting = self.model.params.get(setting.get("expr", ""), setting)
                if "min" not in setting or "max" not in setting:
                    continue
                room = ON_LIMIT * (setting["max"] - setting["min"])
                at = value[..., of[f"{prefix}{key}"]]
                with np.errstate(invalid="ignore"):
                    stands[..., i] |= (at <= setting["min"] + room) | (at >= setting["max"] - room)
        return stands


def _widen(made: dict[str, Any], result: FitResult, moved: FitResult) -> None:
    """Add what the fit ``moved`` differs by as one more source of uncertainty; NaN where it failed."""
    values = {"best_value": (result.value, moved.value)}
    values |= {n: (result.quantity[n], moved.quantity[n]) for n in result.quantity}
    for name, (one, other) in values.items():
        made[f"{name}_sigma"] = np.hypot(made[f"{name}_sigma"], other - one)
    free = [result.parameters.index(name) for name in result.free]
    change = (moved.value - result.value)[..., free]
    made["covariance"] = made["covariance"] + change[..., :, None] * change[..., None, :]
