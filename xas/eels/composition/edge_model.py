"""Two edges on one power law: hydrogenic profiles, convolved with the low loss, fitted away from the near-edge structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xas.eels.composition.hydrogenic import Model, density

__all__ = ["EdgeFit", "convolved", "edge_profile", "fit_edges", "near_edge_profile"]

Array = npt.NDArray[np.float64]

_STEPS, _SETTLED, _START = 60, 1e-6, 20
#: Share of the channels that must hold a number.
_KNOWN = 0.9


@dataclass(frozen=True)
class EdgeFit:
    """Intensities of the edges per spectrum; NaN where there is no fit."""

    intensity: Array  # (rows, edges) counts eV
    covariance: Array  # (rows, edges, edges) for a variance of one per count
    redchi: Array  # (rows,) chi-square per degree of freedom for that variance
    curve: Array  # (rows, n) the whole model at every channel


def edge_profile(
    energy: Array,
    element: str,
    shell: str,
    *,
    window: tuple[float, float],
    beam_energy: float,
    collection_angle: float,
    model: Model,
) -> Array:
    """Hydrogenic course (n,) of an edge that begins with ``window``, 1/eV: its integral over the window is one."""

    def course(at: Array) -> Array:
        return density(
            at,
            element,
            shell,
            beam_energy=beam_energy,
            collection_angle=collection_angle,
            onset=window[0],
            model=model,
        )

    profile = np.zeros(energy.size)
    behind = energy >= window[0]
    profile[behind] = course(energy[behind])
    step = np.gradient(energy)
    partly = np.clip((energy + step / 2 - window[0]) / step, 0.0, 1.0)  # the channel that the onset lies in
    if not behind.all():
        first = int(behind.argmax())
        profile[max(first - 1, 0)] = profile[first]
    profile *= partly
    fine = np.linspace(*window, 201)
    values = course(fine)
    return profile / float((np.diff(fine) * (values[1:] + values[:-1])).sum() / 2)


def near_edge_profile(energy: Array, onset: float, width: float) -> Array:
    """Even course (n,) of area one from the onset over ``width``, for near-edge structure whose shape does not matter.

    Only what plural scattering makes of it further up is seen.
    """
    step = np.gradient(energy)
    inside = np.clip((energy + step / 2 - onset) / step, 0, 1) - np.clip(
        (energy + step / 2 - onset - width) / step, 0, 1
    )
    return np.asarray(inside / (inside * step).sum())


def convolved(profile: Array, low_loss: Array, zero: Array) -> Array:
    """Profile (n,) convolved with low losses (rows, m) on the same step, each normalised to a sum of one.

    ``zero`` (rows,) is the channel of each low loss at which the loss is zero; parts of a channel count.
    """
    total = low_loss.sum(-1, keepdims=True)
    size = profile.size + low_loss.shape[-1]
    length = 2 ** int(np.ceil(np.log2(size + low_loss.shape[-1])))
    frequency = np.fft.rfftfreq(length)
    moved = np.exp(2j * np.pi * frequency * zero[:, None])
    padded = np.concatenate(
        [np.zeros(low_loss.shape[-1]), profile, np.full(0, 0.0)]
    )  # nothing wraps into the edge
    spectrum = np.fft.rfft(low_loss / total, length) * np.fft.rfft(padded, length) * moved
    start = low_loss.shape[-1]
    return np.asarray(np.fft.irfft(spectrum, length)[:, start : start + profile.size])


def fit_edges(
    energy: Array,
    y: Array,
    edges: Array,
    used: npt.NDArray[np.bool_],
    *,
    near: npt.NDArray[np.bool_] | None = None,
    variance: Array | None = None,
) -> EdgeFit:
    r"""Power law plus edges by Poisson maximum likelihood (Fisher scoring), or weighted least squares.

    .. math:: \mu(E) = e^{a} (E/E_0)^{-r} + \sum_k I_k h_k(E), \quad
              F = \sum_i \frac{1}{\mu_i} \frac{\partial \mu_i}{\partial \theta} \frac{\partial \mu_i}{\partial \theta}^T

    Parameters
    ----------
    energy : (n,) array
    y : (rows, n) array
        Counts; a tenth of the channels may be NaN.
    edges : (rows or 1, k, n) array
        Profiles h of the edges, then of their near-edge structure, if it is in the model.
    used : (n,) array of bool
        Channels that are fitted one by one.
    near : (m, n) array of bool, optional
        Groups of channels of which only the sum is fitted: near-edge structure whose shape is not known.
    variance : (rows, n) array, optional
        Of each value, where it is known.
    """
    shapes = np.broadcast_to(edges, (len(y), *edges.shape[1:]))
    x = np.log(energy / np.exp(np.log(energy[used]).mean()))
    groups = np.zeros((0, energy.size), bool) if near is None else near

    def told(values: Array) -> Array:
        """Channels one by one, and sums of groups."""
        sums = [values[..., group].sum(-1, keepdims=True) for group in groups]
        return np.concatenate([values[..., used], *sums], axis=-1)

    data, stated = told(y.astype(float)), None if variance is None else told(variance)
    known = np.isfinite(data) if stated is None else np.isfinite(data) & np.isfinite(stated) & (stated > 0)
    data = np.where(known, data, 0.0)  # without weight: alignment leaves ends of spectra without counts
    begin = known[:, :_START]
    sound = np.isfinite(shapes).all((1, 2)) & (data.sum(-1) > 0) & (known.mean(-1) > _KNOWN) & begin.any(-1)
    sound &= known[:, int(used.sum()) :].all(-1)
    safe = np.where(sound[:, None, None], shapes, 0.0)
    theta = np.zeros((len(y), 2 + shapes.shape[1]))
    level = (np.log(np.maximum(data[:, :_START], 0.5)) * begin).sum(-1) / np.maximum(begin.sum(-1), 1)
    theta[:, 0], theta[:, 1] = level + 3.0 * told(x)[:_START].mean(), 3.0
    fisher = np.full((len(y), theta.shape[1], theta.shape[1]), np.nan)
    open_rows = np.flatnonzero(sound)
    for _ in range(_STEPS):
        if not open_rows.size:
            break
        h = safe[open_rows]
        power, mean = _curves(theta[open_rows], x, h)
        slopes = told(np.concatenate([power[:, None], -x * power[:, None], h], 1))  # (rows, 2 + k, channels)
        left = data[open_rows] - told(mean)
        weight = _weight(told(mean), known[open_rows], None if stated is None else stated[open_rows])
        weighted = slopes * weight[:, None]
        f = np.einsum("rin,rjn->rij", weighted, slopes)
        step, promised = _step(f, np.einsum("rin,rn->ri", weighted, left))
        theta[open_rows] += step
        fisher[open_rows] = f
        open_rows = open_rows[promised > _SETTLED]
    sound[open_rows] = False
    lost = np.where(sound, 1.0, np.nan)
    _, curve = _curves(theta * lost[:, None], x, safe)
    weight = _weight(told(curve), known, stated)
    freedom = np.maximum(known.sum(-1) - theta.shape[1], 1)
    redchi = (weight * (data - told(curve)) ** 2).sum(-1) / freedom
    return EdgeFit(theta[:, 2:] * lost[:, None], _inverse(fisher, sound)[:, 2:, 2:], redchi, curve)


def _curves(theta: Array, x: Array, edges: Array) -> tuple[Array, Array]:
    power = np.exp(theta[:, :1] - theta[:, 1:2] * x)
    return power, power + np.einsum("rk,rkn->rn", theta[:, 2:], edges)


def _weight(mean: Array, known: npt.NDArray[np.bool_], stated: Array | None) -> Array:
    """Inverse variances, of counts or as stated; zero where nothing is known.

    A model that passes zero somewhere keeps a weight there.
    """
    if stated is None:
        stated = np.maximum(mean, np.maximum(1e-3 * np.abs(mean).max(-1, keepdims=True), 1e-12))
    return np.where(known, 1 / np.where(known, stated, 1.0), 0.0)


def _step(fisher: Array, score: Array) -> tuple[Array, Array]:
    """Step of Fisher scoring, parameters brought to like size, and what it promises; exponents move by two at most."""
    size = 1 / np.sqrt(np.maximum(np.einsum("rii->ri", fisher), 1e-300))
    scaled = fisher * size[:, :, None] * size[:, None]
    step = np.einsum("rij,rj->ri", np.linalg.pinv(scaled, hermitian=True), score * size) * size
    largest = np.maximum(np.abs(step[:, :2]).max(-1, keepdims=True), 1e-300)
    return step * np.minimum(1.0, 2.0 / largest), np.abs((score * step).sum(-1))


def _inverse(fisher: Array, sound: npt.NDArray[np.bool_]) -> Array:
    out = np.full(fisher.shape, np.nan)
    size = 1 / np.sqrt(np.maximum(np.einsum("rii->ri", fisher[sound]), 1e-300))
    scaled = fisher[sound] * size[:, :, None] * size[:, None]
    out[sound] = np.linalg.pinv(scaled, hermitian=True) * size[:, :, None] * size[:, None]
    return out
