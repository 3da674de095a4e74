"""The numbers of a fit replaced by averages over several fits of the same spectra."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spectra.fitting.arrays import FitResult
from spectra.fitting.spec import Model
from xps.deconvolution.averaging import evidence, mean_within, possible, radius, weights_of

__all__ = ["Numbers"]

FloatArray = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

UNMOVED = 1e-6  # half rooms


@dataclass
class Numbers:
    """The numbers of a result that an average changes, (row, spectrum, ...), writable."""

    value: FloatArray
    sigma: FloatArray
    covariance: FloatArray
    chi2: FloatArray
    quantity: dict[str, FloatArray]
    quantity_sigma: dict[str, FloatArray]
    shared_sigma: FloatArray | None  # (row, shared)
    free: list[int]
    parameters: tuple[str, ...]

    @classmethod
    def of(cls, result: FitResult, grid: tuple[int, int]) -> Numbers:
        """Copies."""
        size = result.chi2.ndim

        def rows(a: FloatArray) -> FloatArray:
            return a.reshape(*grid, *a.shape[size:]).copy()

        return cls(
            rows(result.value), rows(result.sigma), rows(result.covariance), rows(result.chi2),
            {n: rows(v) for n, v in result.quantity.items()},
            {n: rows(v) for n, v in result.quantity_sigma.items()},
            None if result.shared is None else result.shared.sigma.reshape(-1, len(result.shared.names)).copy(),
            [result.parameters.index(n) for n in result.free], result.parameters,
        )  # fmt: skip

    def into(self, result: FitResult) -> FitResult:
        """``result`` with these numbers."""
        shape, shared = result.chi2.shape, result.shared
        if shared is not None and self.shared_sigma is not None:
            shared = replace(shared, sigma=self.shared_sigma.reshape(shared.sigma.shape))

        def back(a: FloatArray) -> FloatArray:
            return a.reshape(*shape, *a.shape[2:])

        return replace(
            result, value=back(self.value), sigma=back(self.sigma), covariance=back(self.covariance), shared=shared,
            quantity_sigma={n: back(v) for n, v in self.quantity_sigma.items()},
        )  # fmt: skip

    def fractions(self) -> list[int]:
        """Which parameters are fractions."""
        return [i for i, name in enumerate(self.parameters) if name.startswith("fraction_")]

    def seen(self) -> Flags:
        """Spectra with a fit, and something in it; (row, spectrum)."""
        return np.asarray(np.isfinite(self.chi2) & np.isfinite(self.value[..., self.fractions()]).all(-1))

    def average(
        self,
        rows: npt.NDArray[np.intp],
        fits: Sequence[FitResult],
        model: Model,
        rooms: Mapping[str, tuple[float, float]],
    ) -> None:
        """Average over ``fits`` of ``rows``, one for each Gaussian of the prior."""
        value, sigma, covariance = (
            np.stack([getattr(f, n) for f in fits]) for n in ("value", "sigma", "covariance")
        )
        levels = _levels(model, self.parameters)
        fractions = self.fractions()
        found = _evidence_of(fits, covariance)
        for level in levels:
            found = found + np.log(possible(value[..., level], sigma[..., level])).sum(-1)
        weight = weights_of(found)
        made = np.isfinite(weight).all(0)
        rows, value, sigma, covariance, weight = (
            rows[made], value[:, made], sigma[:, made], covariance[:, made], weight[:, made, None]
        )  # fmt: skip
        if fits[0].shared is not None:
            sigma = _on_limits(
                sigma, [*fractions, *(i for i, n in enumerate(self.parameters) if n == "mean_valence")]
            )
        best, spread, value = self.value[rows], np.where(np.isfinite(sigma), sigma, 0.0), np.nan_to_num(value)
        moving = [i for i in range(len(self.parameters)) if i not in fractions and (spread[..., i] > 0).any()]
        wide = weight[..., None]
        own = radius(value[..., moving], spread[..., moving], wide, best[..., moving])
        for k, i in enumerate(moving):
            self.sigma[rows, :, i] = own[..., k]
        for level in levels:
            inside = mean_within(value[..., level], spread[..., level], 0.0, 1.0)
            mean = (wide * inside / inside.sum(-1, keepdims=True)).sum(0)
            around = radius(value[..., level], spread[..., level], wide, mean, 0.0, 1.0)
            for k, i in enumerate(level):
                self.value[rows, :, i], self.sigma[rows, :, i] = mean[..., k], around[..., k]
        self._average_valence(rows, value, spread, weight, model)
        off = value[..., self.free] - best[..., self.free]
        both = np.nan_to_num(covariance) + off[..., :, None] * off[..., None, :]
        self.covariance[rows] = (wide[..., None] * both).sum(0)
        for name, centre in self.quantity.items():
            v = np.stack([f.quantity[name] for f in fits])[:, made]
            s = np.nan_to_num(np.stack([f.quantity_sigma[name] for f in fits])[:, made])
            around = radius(np.nan_to_num(v), s, wide, np.nan_to_num(centre[rows]))
            before = self.quantity_sigma[name][rows]
            self.quantity_sigma[name][rows] = np.where(np.isfinite(v).all(0) & (around > 0), around, before)
        self._leave_room(rows, value, model, rooms)
        if self.shared_sigma is not None and fits[0].shared is not None:
            names = [self.parameters.index(n) for n in fits[0].shared.names]
            self.shared_sigma[rows] = np.nanmax(self.sigma[rows][..., names], axis=1)
        failed = np.isnan(self.chi2[rows])  # in a joint fit of others
        for numbers in (self.value, self.sigma, self.covariance):
            numbers[rows] = np.where(
                failed.reshape(*failed.shape, *([1] * (numbers.ndim - 2))), np.nan, numbers[rows]
            )

    def _leave_room(
        self,
        rows: npt.NDArray[np.intp],
        value: FloatArray,
        model: Model,
        rooms: Mapping[str, tuple[float, float]],
    ) -> None:
        """A position on its limit whatever is assumed is somewhere in its room, and so are those that follow it."""
        heads = [f"{component.prefix}position" for component in model.components]
        for name, (middle, half) in rooms.items():
            at = self.parameters.index(name)
            stuck = np.ptp(value[..., at], axis=0) <= UNMOVED * half
            # also where it moved only in fits that have no weight beside the best
            on_limit = half - np.abs(self.value[rows, :, at] - middle) <= UNMOVED * half
            stuck |= on_limit & (self.sigma[rows, :, at] <= UNMOVED * half)
            if not stuck.any():
                continue
            following = _following(model, name)
            seen = [i for i, head in enumerate(heads) if head in following]
            places = [(self.sigma, self.parameters.index(n)) for n in following]
            places += [(self.quantity_sigma[q], i) for q in ("position", "maximum") for i in seen]
            for sigma, i in places:
                sigma[rows, :, i] = np.where(stuck, half / np.sqrt(3), sigma[rows, :, i])

    def _average_valence(
        self,
        rows: npt.NDArray[np.intp],
        value: FloatArray,
        sigma: FloatArray,
        weight: FloatArray,
        model: Model,
    ) -> None:
        """The mean valence follows the fractions."""
        if "mean_valence" not in self.parameters:
            return
        at = self.parameters.index("mean_valence")
        of = re.findall(r"(-?[\d.]+) \* (fraction_\w+)", model.settings["mean_valence"].expr or "")
        valences = np.array([float(v) for v, _ in of])
        names = [self.parameters.index(n) for _, n in of]
        mean = self.value[rows][..., names] @ valences
        self.value[rows, :, at] = mean
        self.sigma[rows, :, at] = radius(
            value[..., at], sigma[..., at], weight, mean, float(valences.min()), float(valences.max())
        )


def _on_limits(sigma: FloatArray, fractions: Sequence[int]) -> FloatArray:
    """An area on its limit is about as unsure as those of the other spectra."""
    made = sigma.copy()
    own = sigma[..., fractions]
    known = np.isfinite(own)
    usual = np.where(known, own, 0.0).sum(2, keepdims=True) / np.maximum(known.sum(2, keepdims=True), 1)
    made[..., fractions] = np.where(known, own, usual)
    return made


def _evidence_of(fits: Sequence[FitResult], covariance: FloatArray) -> FloatArray:
    """Evidence of each fit of each spectrum, or of the spectra of a joint fit, whose shared parameters count once."""
    if fits[0].shared is None:
        return evidence(np.stack([f.chi2 for f in fits]), covariance)[..., 0]
    joint = [f.shared for f in fits if f.shared is not None]
    among = evidence(
        np.stack([s.chi2 for s in joint]).reshape(len(fits), -1),
        np.stack([s.covariance.reshape(-1, *s.covariance.shape[-2:]) for s in joint]),
    )
    alone = evidence(
        np.zeros((len(fits), among.shape[1])),
        np.stack([s.covariance.reshape(-1, *s.covariance.shape[-2:]) for s in joint]),
    )
    fitted = np.isfinite(np.stack([f.chi2 for f in fits]))
    own = evidence(np.zeros(fitted.shape), covariance) - alone[..., None]
    return np.asarray(among + np.where(fitted, own, 0.0).sum(-1))


def _levels(model: Model, parameters: Sequence[str]) -> list[list[int]]:
    """Fractions that add up to one: those of one level, which are shares of the same sum."""
    found: dict[str, list[int]] = {}
    for i, name in enumerate(parameters):
        if name.startswith("fraction_"):
            found.setdefault((model.settings[name].expr or "").partition(" / ")[2], []).append(i)
    return list(found.values())


def _following(model: Model, name: str) -> list[str]:
    """A position, and those that are tied to it."""
    found = [name]
    for other, setting in model.settings.items():  # what is tied stands behind what it is tied to
        if other.endswith("position") and setting.expr and set(re.findall(r"\w+", setting.expr)) & set(found):
            found.append(other)
    return found
