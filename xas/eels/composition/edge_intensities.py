"""Intensities of two edges of every spectrum, with their covariance: from windows above backgrounds, or from a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xas.eels.background.fit import fit_curve
from xas.eels.channels.curves import power_law
from xas.eels.channels.linear_variance import Noise
from xas.eels.composition.edge_model import convolved, fit_edges, near_edge_profile
from xas.eels.energy_axis.zero_loss import zero_loss_position

__all__ = ["LowLossAxis", "from_model", "from_windows", "window_weights"]

Array = npt.NDArray[np.float64]
Window = tuple[float, float]
Kernel = Callable[..., dict[str, Array]]


def window_weights(energy: Array, window: Window) -> Array:
    """Width (eV) of each channel that lies inside of a window; channels at its ends count in part."""
    middle = (energy[1:] + energy[:-1]) / 2
    edges = np.concatenate([[2 * energy[0] - middle[0]], middle, [2 * energy[-1] - middle[-1]]])
    inside = np.clip(edges, *window)
    return np.asarray(np.diff(inside))


def from_windows(
    energy: Array, background: tuple[Window, Window], signal: tuple[Window, Window], gain: float | None
) -> Kernel:
    """Kernel: areas above a power law fitted in front of each edge. Windows apart share no noise."""

    def kernel(y: Array, *more: Array) -> dict[str, Array]:
        rows = y.reshape(-1, energy.size).astype(float)
        stated = np.broadcast_to(more[0], y.shape).reshape(rows.shape) ** 2 if more else None
        areas, errors = np.empty((len(rows), 2)), np.empty((len(rows), 2))
        for i, (front, window) in enumerate(zip(background, signal, strict=True)):
            inside = (energy >= front[0]) & (energy <= front[1])
            curve = power_law(energy[inside])
            fitted = fit_curve(
                curve, energy[inside], rows[:, inside], gain=gain,
                variance=None if stated is None else stated[:, inside],
            )  # fmt: skip
            weights = window_weights(energy, window)
            used = weights > 0  # nothing else of the spectrum has a say
            part, u = energy[used], weights[used]
            areas[:, i] = (rows[:, used] - curve.value(part, fitted.parameters)) @ u
            channel = np.clip(rows[:, used], 0.0, None) * fitted.dispersion[:, None]
            variance = channel if stated is None else stated[:, used]
            noise = Noise(part, variance, curve, fitted.parameters, fitted.covariance)
            spread = np.broadcast_to(u, (len(rows), u.size))
            errors[:, i] = np.sqrt(noise.between(spread, spread))
        lead = y.shape[:-1]
        return {
            "area": areas.reshape(*lead, 2), "error": errors.reshape(*lead, 2),
            "shared": np.zeros(lead), "redchi": np.full(lead, np.nan),
        }  # fmt: skip

    return kernel


@dataclass(frozen=True)
class LowLossAxis:
    """The axis of low losses that come with the core losses."""

    energy: Array
    step: float  # of the core loss, eV

    def on_step(self, rows: Array) -> tuple[Array, Array]:
        """Low losses on the step of the core loss, and the channel of each at which the loss is zero."""
        step = float(self.energy[-1] - self.energy[0]) / (self.energy.size - 1)
        position, _ = zero_loss_position(self.energy, rows, (-20.0, 20.0), 3 * step)
        if abs(step / self.step - 1) * self.energy.size < 0.1:
            return rows, (position - self.energy[0]) / self.step
        grid = np.arange(self.energy[0], self.energy[-1], self.step)
        return np.stack([np.interp(grid, self.energy, row) for row in rows]), (position - grid[0]) / self.step


def from_model(
    energy: Array,
    profiles: Array,
    used: npt.NDArray[np.bool_],
    near: npt.NDArray[np.bool_],
    gain: float | None,
    *,
    low: LowLossAxis | None,
    stated: bool,
) -> Kernel:
    """Kernel: intensities of edges ``profiles`` (2, n) on one power law, convolved with the low loss where there is one.

    Of the near-edge channels ``near`` (2, n) only the sums are fitted, by structure whose plural scattering is in the
    model; without a low loss it has none, and they are left out. Arrays after the counts are their sigmas, if ``stated``,
    and the low losses.
    """
    if low is not None:
        extra = [
            near_edge_profile(energy, *_first_half(energy, group, p))
            for group, p in zip(near, profiles, strict=True)
        ]
        profiles = np.concatenate([profiles, extra])

    def kernel(y: Array, *more: Array) -> dict[str, Array]:
        lead = y.shape[:-1]
        rows = y.reshape(-1, energy.size).astype(float)
        variance = np.broadcast_to(more[0], y.shape).reshape(rows.shape) ** 2 if stated else None
        shapes = profiles[None]
        if low is not None:
            losses = np.broadcast_to(more[-1], (*lead, low.energy.size)).reshape(-1, low.energy.size)
            shapes = _convolved_all(profiles, losses.astype(float), low)
        fitted = fit_edges(energy, rows, shapes, used, near=None if low is None else near, variance=variance)
        scale = 1.0 if variance is not None else gain if gain is not None else fitted.redchi[:, None, None]
        covariance = (fitted.covariance * scale)[:, :2, :2]
        with np.errstate(invalid="ignore"):
            errors = np.sqrt(np.einsum("rkk->rk", covariance))
        return {
            "area": fitted.intensity[:, :2].reshape(*lead, 2), "error": errors.reshape(*lead, 2),
            "shared": covariance[:, 0, 1].reshape(lead), "redchi": fitted.redchi.reshape(lead),
        }  # fmt: skip

    return kernel


def _convolved_all(profiles: Array, losses: Array, low: LowLossAxis) -> Array:
    rows, zero = low.on_step(np.nan_to_num(losses))
    sound = np.isfinite(zero) & (rows.sum(-1) > 0)
    made = np.full((len(rows), *profiles.shape), np.nan)
    if sound.any():
        made[sound] = np.stack([convolved(p, rows[sound], zero[sound]) for p in profiles], axis=1)
    return made


def _first_half(energy: Array, group: npt.NDArray[np.bool_], profile: Array) -> Window:
    """Onset of an edge, and half of the width behind it that belongs to its near-edge structure."""
    onset = float(energy[int((profile > 0).argmax())])
    return onset, max(float(energy[group][-1]) - onset, 2.0) / 2


def near_edges(
    energy: Array, signal: tuple[Window, Window], before: float, behind: float
) -> npt.NDArray[np.bool_]:
    """Channels (2, n) of the near-edge structure of both edges."""
    return np.stack([(energy > w[0] - before) & (energy < w[0] + behind) for w in signal])
