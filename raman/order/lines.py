r"""Lines that only one phase has: how high each stands, whether it is there, and how much its presence says.

Each line is sought at its place and a little beside it, in a few widths, on a parabola for all that is smooth. A line
counts as present where the largest signal to noise of all that was tried exceeds what noise alone exceeds at the
stated false-alarm rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["WEAKER", "Lines", "find_lines", "log_presence"]

Array = npt.NDArray[np.float64]

DRAWS = 20_000  # of noise, for the threshold; its own uncertainty at 1 % is 3 % of its excess over the median
BLOCK = 4096  # spectra at a time
WEAKER = 0.7  # height of such a line where only a part of the sample has it


@dataclass(frozen=True)
class Lines:
    """What is at the places of lines; NaN where a place lies outside the axis."""

    height: Array  # (..., line) of the most significant line tried, in units of the spectrum
    height_sigma: Array
    signal_to_noise: Array  # (..., line)
    threshold: Array  # (line,) that noise exceeds at the false-alarm rate
    evidence: Array  # (..., line) natural logarithm: line there over not there
    weak: Array  # (..., line) the same for lines as high as where only a part of the sample has them


def find_lines(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    sigma: npt.ArrayLike,
    positions: npt.ArrayLike,
    *,
    reach: float,
    widths: npt.ArrayLike,
    height: npt.ArrayLike,
    span: float = 60.0,
    false_alarms: float = 0.01,
) -> Lines:
    """Look for lines at known places.

    Parameters
    ----------
    x : (n,) array
        Spectral axis, ascending.
    y, sigma : (..., n) array
        Spectra and the standard uncertainty of each point.
    positions : (m,) array
        Where lines are expected, in units of ``x``.
    reach : float
        How far beside they may lie.
    widths : (w,) array
        Full widths at half maximum that are tried (Lorentzians).
    height : (...) array
        Typical height of such a line where it is there, in units of ``y``.
    span : float
        How much of the axis around a place is used.
    false_alarms : float
        Rate at which noise alone counts as a line at one place.

    Returns
    -------
    Lines

    Examples
    --------
    >>> import numpy as np
    >>> from raman.order.lines import find_lines
    >>> x = np.arange(100.0, 300.0)
    >>> y = 2 + 0.01 * x + 0.5 / (1 + ((x - 161) / 5) ** 2)
    >>> found = find_lines(x, y, np.full(x.size, 0.05), [160.0, 220.0], reach=5.0, widths=[10.0], height=0.3)
    >>> (found.signal_to_noise > found.threshold).tolist()
    [True, False]
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    sigma = np.broadcast_to(np.asarray(sigma, float), y.shape)
    shape, places = y.shape[:-1], np.asarray(positions, float)
    rows, spread = y.reshape(-1, x.size), sigma.reshape(-1, x.size)
    typical = np.broadcast_to(np.asarray(height, float), shape).reshape(-1)
    out = {n: np.full((len(rows), places.size), np.nan) for n in Lines.__annotations__ if n != "threshold"}
    threshold = np.full(places.size, np.nan)
    for m, place in enumerate(places):
        inside = np.abs(x - place) <= span / 2
        room = reach + np.min(widths)
        if not inside.any() or x[inside][0] > place - room or x[inside][-1] < place + room:
            continue
        templates, baseline = _templates(x[inside], float(place), reach, np.asarray(widths, float))
        if inside.sum() < baseline.shape[0] + 3:
            continue
        threshold[m] = _threshold(templates, baseline, false_alarms)
        for first in range(0, len(rows), BLOCK):
            part = slice(first, first + BLOCK)
            found = _line(rows[part][:, inside], spread[part][:, inside], templates, baseline, typical[part])
            for name, values in found.items():
                out[name][part, m] = values
    return Lines(threshold=threshold, **{n: v.reshape(*shape, places.size) for n, v in out.items()})


def log_presence(height: npt.ArrayLike, sigma: npt.ArrayLike, typical: npt.ArrayLike) -> Array:
    r"""Natural logarithm of how much likelier a measured height is if there is a line than if there is none.

    The line's height is half-normally distributed, :math:`h \sim |N(0, \tau)|` with :math:`\tau` = ``typical``:

    .. math:: \frac{p(a\,|\,\mathrm{line})}{p(a\,|\,\mathrm{none})} = 2\,\Phi\!\left(\frac{a}{\sigma}
              \sqrt{\frac{\tau^2}{\sigma^2 + \tau^2}}\right) \sqrt{\frac{\sigma^2}{\sigma^2 + \tau^2}}\,
              \exp\frac{a^2 \tau^2}{2 \sigma^2 (\sigma^2 + \tau^2)}
    """
    from scipy.special import log_ndtr

    a, s, t = (np.asarray(v, float) for v in (height, sigma, typical))
    share = t**2 / (s**2 + t**2)
    return np.asarray(
        math.log(2) + log_ndtr(a / s * np.sqrt(share)) + 0.5 * np.log1p(-share) + 0.5 * (a / s) ** 2 * share
    )


def _templates(x: Array, place: float, reach: float, widths: Array) -> tuple[Array, Array]:
    """Lines of height 1 that are tried (template, n), and the parabola (3, n)."""
    offsets = np.linspace(-reach, reach, 2 * max(1, math.ceil(reach / widths.min() * 2)) + 1)
    centre, width = (g.ravel() for g in np.meshgrid(place + offsets, widths, indexing="ij"))
    u = (x - place) / np.ptp(x) * 2
    return 1 / (1 + 4 * ((x - centre[:, None]) / width[:, None]) ** 2), np.stack([np.ones_like(u), u, u**2])


def _line(y: Array, sigma: Array, templates: Array, baseline: Array, typical: Array) -> dict[str, Array]:
    """Weighted least squares for each template beside the parabola, all spectra at once."""
    from scipy.special import logsumexp

    usable = np.isfinite(y) & (sigma > 0)
    w = np.where(usable, 1 / np.where(usable, sigma, 1.0) ** 2, 0.0)
    y = np.where(usable, y, 0.0)
    bb = np.einsum("sn,an,bn->sab", w, baseline, baseline)
    by = (w * y) @ baseline.T
    bt = np.stack([w @ (templates * b).T for b in baseline], axis=1)  # (spectrum, 3, template)
    enough = usable.sum(1) > len(baseline) + 1
    bb = np.where(enough[:, None, None], bb, np.eye(len(baseline)))
    solved = np.linalg.solve(bb, bt)
    information = w @ (templates**2).T - (bt * solved).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        height = ((w * y) @ templates.T - (by[:, :, None] * solved).sum(1)) / information
        sd = 1 / np.sqrt(information)
        best = np.nan_to_num(height / sd, nan=-np.inf).argmax(1)[:, None]
        evidence = [log_presence(height, sd, f * typical[:, None]) for f in (1.0, WEAKER)]
        averaged = [logsumexp(e, axis=1) - math.log(len(templates)) for e in evidence]
    at = {"height": height, "height_sigma": sd, "signal_to_noise": height / sd}
    found = {n: np.take_along_axis(v, best, axis=1)[:, 0] for n, v in at.items()}
    found |= {"evidence": averaged[0], "weak": averaged[1]}
    return {n: np.where(enough, v, np.nan) for n, v in found.items()}


def _threshold(templates: Array, baseline: Array, false_alarms: float) -> float:
    """Signal to noise that the best of ``templates`` exceeds at this rate in equal noise on a parabola."""
    q, _ = np.linalg.qr(baseline.T)
    free = templates - (templates @ q) @ q.T
    free /= np.linalg.norm(free, axis=1)[:, None]
    rng = np.random.default_rng(0)  # the same threshold at every call
    largest = (rng.normal(size=(DRAWS, free.shape[1])) @ free.T).max(1)
    return float(np.quantile(largest, 1 - false_alarms))
