"""What the choice of normalisation ranges does to a result: a stated family of other choices, all of them linear maps."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from xas.ranges import Ranges, points_between

__all__ = ["FAMILY", "RangeFamily", "other_ranges"]

Array = npt.NDArray[np.float64]

#: What the systematic uncertainties hold, as their attributes say it.
FAMILY = (
    "root mean square change of the result when one of these is changed: the pre-edge range begins or ends 30 % of its "
    "width later or earlier, the post-edge range 20 %, the post-edge polynomial has one degree more or less"
)
PRE_PART, POST_PART, HIGHEST = 0.3, 0.2, 5


def other_ranges(ranges: Ranges) -> tuple[Ranges, ...]:
    """The choices that one could have made as well, each differing from ``ranges`` in one respect."""
    (a, b), (c, d) = ranges.pre, ranges.post
    pre, post = PRE_PART * (b - a), POST_PART * (d - c)
    changed = [
        replace(ranges, pre=(a + pre, b)),
        replace(ranges, pre=(a, b - pre)),
        replace(ranges, post=(c + post, d)),
        replace(ranges, post=(c, d - post)),
    ]
    changed += [replace(ranges, order=o) for o in (ranges.order - 1, ranges.order + 1) if 0 <= o <= HIGHEST]
    return tuple(changed)


@dataclass(frozen=True)
class RangeFamily:
    """The fits of a choice of ranges and of its alternatives on one grid, as matrices.

    The first member is the choice itself; alternatives with too few points are left out.
    """

    energy: Array  # (n,)
    e0: float
    ranges: Ranges
    victoreen: float = 0.0

    @functools.cached_property
    def _bases(self) -> tuple[Array, Array, Array]:
        """Functions of the pre-edge curve (n, 2) and of the post-edge one (n, q); what 1 at E0 and above is, else 0."""
        x = (self.energy - self.e0) / np.abs(self.energy - self.e0).max()
        pre = np.vander(x, 2, increasing=True) / (self.energy / self.e0)[:, None] ** self.victoreen
        highest = min(self.ranges.order + 1, HIGHEST)
        at_e0 = int(np.abs(self.energy - self.e0).argmin())
        return pre, np.vander(x, highest + 1, increasing=True), (np.arange(x.size) >= at_e0).astype(float)

    @functools.cached_property
    def _coefficients(self) -> tuple[Array, Array]:
        """Coefficients of the two curves as sums over the spectrum: (member, 2, n) and (member, q, n)."""
        pre, post, _ = self._bases
        lines: list[Array] = []
        polynomials: list[Array] = []
        for member in (self.ranges, *other_ranges(self.ranges)):
            below = points_between(self.energy, self.e0 + member.pre[0], self.e0 + member.pre[1])
            above = points_between(self.energy, self.e0 + member.post[0], self.e0 + member.post[1])
            p, q = member.pre_order + 1, member.order + 1
            if below.stop - below.start < p or above.stop - above.start < max(q, 2):
                if not lines:
                    return np.zeros((0, 2, pre.shape[0])), np.zeros((0, post.shape[1], pre.shape[0]))
                continue
            line, polynomial = np.zeros((2, len(pre))), np.zeros((post.shape[1], len(pre)))
            line[:p, below] = _fit(pre[below, :p], (self.energy[below] / self.e0) ** (2 * self.victoreen))
            fit = _fit(post[above, :q])
            polynomial[:q, above] = fit
            polynomial[:q] -= (fit @ pre[above]) @ line
            lines.append(line)
            polynomials.append(polynomial)
        return np.stack(lines), np.stack(polynomials)

    def steps(self, mu: Array) -> Array:
        """Edge steps (rows, member) of spectra (rows, n)."""
        _, polynomials = self._coefficients
        return mu @ self._step_weights.T if len(polynomials) else np.full((len(mu), 1), np.nan)

    @functools.cached_property
    def _step_weights(self) -> Array:
        _, post, above = self._bases
        at_e0 = post[int(np.argmax(above))]
        return np.asarray(np.einsum("mqn,q->mn", self._coefficients[1], at_e0))

    def step_systematic(self, mu: Array) -> Array:
        """Root mean square change of the edge step (rows,)."""
        steps = self.steps(mu)
        return _spread(steps[:, 1:] - steps[:, :1])

    def shift_systematic(self, mu: Array, sensitivity: Array, part: slice) -> Array:
        """Root mean square shift (rows,) of a result that moves with the flattened absorption.

        Parameters
        ----------
        mu : (rows, n) array
            Spectra before normalisation, all finite.
        sensitivity : (rows, m) array
            Derivative of the result by each point of the flattened absorption inside ``part``.
        part : slice
            Of the grid.
        """
        lines, polynomials = self._coefficients
        if not len(lines):
            return np.full(len(mu), np.nan)
        pre, post, above = self._bases
        n, members = self.energy.size, len(lines)
        both = mu @ np.concatenate([lines.reshape(-1, n), polynomials.reshape(-1, n)]).T
        line = both[:, : 2 * members].reshape(-1, members, 2)
        polynomial = both[:, 2 * members :].reshape(-1, members, post.shape[1])
        step = polynomial @ post[int(np.argmax(above))]
        # sum over the points of sensitivity × flattened, where flattened = (mu - line - above · polynomial) / step + const
        of_mu = np.einsum("ri,ri->r", sensitivity, mu[:, part])
        of_line = np.einsum("rmp,rp->rm", line, sensitivity @ pre[part])
        of_post = np.einsum("rmq,rq->rm", polynomial, (sensitivity * above[part]) @ post[part])
        with np.errstate(divide="ignore", invalid="ignore"):
            result = (of_mu[:, None] - of_line - of_post) / step
        return _spread(result[:, 1:] - result[:, :1])


def _fit(basis: Array, weight: Array | float = 1.0) -> Array:
    """Coefficients of a weighted least-squares fit as sums over the points; the basis is scaled and well conditioned."""
    weighted = (basis * np.reshape(weight, (-1, 1))).T
    return np.asarray(np.linalg.solve(weighted @ basis, weighted))


def _spread(change: Array) -> Array:
    """Root mean square over the members; NaN without any."""
    if not change.shape[-1]:
        return np.full(change.shape[:-1], np.nan)
    return np.asarray(np.sqrt((change**2).mean(-1)))
