"""The fit that the audit is asked about, made again without one of its components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spectra.fitting.expressions import names_in
from spectra.fitting.spec import Model, Setting

__all__ = ["Refit", "owner"]

FloatArray = npt.NDArray[np.float64]


def owner(parameter: str, prefixes: Sequence[str]) -> str | None:
    """Prefix of the component that a parameter belongs to: the longest that fits."""
    return max((p for p in prefixes if parameter.startswith(p)), key=len, default=None)


@dataclass(frozen=True)
class Refit:
    """A fit as it was made: its model, what was fitted with which weights, and where each spectrum ended."""

    model: Model
    prefixes: tuple[str, ...]  # of the components, in their order
    x: FloatArray  # (n,)
    y: FloatArray  # (s, n), NaN where nothing was fitted
    sigma: FloatArray | None  # (s, n)
    parameters: tuple[str, ...]
    values: FloatArray  # (s, p)

    def gain(self, number: int, spectra: Sequence[int]) -> FloatArray | None:
        """How much the Bayesian information criterion falls through a component, for some of the spectra.

        The fit without it starts where the whole one ended. With the component goes all that is tied to its area, and
        what only they need. None where it has no area of its own, or nothing is left without it.
        """
        reduced = self._without(number)
        if reduced is None:
            return None
        dropped = _free(self.model) - _free(reduced)
        result = np.full(len(spectra), np.nan)
        for i, s in enumerate(spectra):
            count = int(np.isfinite(self.y[s]).sum())
            whole, less = self._chi2(self.model, s), self._chi2(reduced, s)
            worse = count * np.log(less / whole) if self.sigma is None else less - whole
            result[i] = worse - dropped * np.log(count)
        return result

    def _without(self, number: int) -> Model | None:
        """The model with the area of a component, and of all that follow it, zero."""
        gone = {self.prefixes[number]}
        settings = self.model.settings
        if f"{self.prefixes[number]}area" not in settings:
            return None
        for _ in self.prefixes:  # one that follows a follower goes too
            areas = {f"{prefix}area" for prefix in gone}
            gone |= {
                p
                for p in self.prefixes
                if areas & _names(settings.get(f"{p}area", Setting())) and p not in gone
            }
        of = {name: owner(name, self.prefixes) for name in settings}
        needed = {n for name, s in settings.items() if of[name] not in (*gone, None) for n in _names(s)}
        changed = {}
        for name, setting in settings.items():
            if of[name] in gone and name == f"{of[name]}area":
                changed[name] = Setting(0.0, vary=False)
            elif of[name] in gone and not setting.expr and name not in needed:
                changed[name] = replace(setting, vary=False)
        reduced = Model(self.model.components, settings | changed)
        return reduced if _free(reduced) else None

    def _chi2(self, model: Model, s: int) -> float:
        """Chi-square of a model fitted to one spectrum, from where its fit ended."""
        from spectra.fitting import fit_arrays

        ended = dict(zip(self.parameters, self.values[s], strict=True))
        settings = {}
        for name, setting in model.settings.items():
            value = ended.get(name, np.nan)
            known = not setting.expr and np.isfinite(value) and not (setting.value == 0 and not setting.vary)
            settings[name] = replace(setting, value=float(value)) if known else setting
        sigma = None if self.sigma is None else self.sigma[s]
        started = Model(model.components, settings)
        return float(fit_arrays(started, None, self.x, self.y[s], sigma=sigma, restarts=2).chi2)


def _names(setting: Setting) -> set[str]:
    return names_in(setting.expr) if setting.expr else set()


def _free(model: Model) -> int:
    return sum(setting.vary and not setting.expr for setting in model.settings.values())
