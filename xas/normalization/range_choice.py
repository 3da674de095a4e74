"""What the choice of normalisation ranges does to a result: a stated family of other choices, all of them linear maps."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from xas.normalization.ranges import Ranges, points_between

__all__ = ["FAMILY", "Choices", "RangeFamily", "RedoneFamily", "other_ranges"]

Array = npt.NDArray[np.float64]
#: Spectra (rows, n) to edge steps (rows,) and flattened absorption (rows, n).
Member = Callable[[Array], tuple[Array, Array]]

#: What the systematic uncertainties hold, as their attributes say it.
FAMILY = (
    "root mean square change of the result when one of these is changed: the pre-edge range begins or ends 30 % of its "
    "width later or earlier, the post-edge range 20 %, the post-edge polynomial has one degree more or less"
)
#: The same for other normalisations; their own choice is put in.
OTHER_FAMILY = (
    "change of the result, squares added, when the pre-edge range begins or ends 30 % of its width later or earlier, when "
    "the post-edge range does so by 20 %, and when {}"
)
PRE_PART, POST_PART, HIGHEST = 0.3, 0.2, 5


class Choices(Protocol):
    """A normalisation and the alternatives to its choices."""

    @property
    def text(self) -> str:
        """What is changed."""

    def step_systematic(self, mu: Array) -> Array:
        """Change of the edge step (rows,) of spectra (rows, n)."""

    def shift_systematic(self, mu: Array, sensitivity: Array, part: slice) -> Array:
        """Shift (rows,) of a result that moves with the flattened absorption."""


def other_ranges(ranges: Ranges) -> tuple[Ranges, ...]:
    """The choices that one could have made as well, each differing from ``ranges`` in one respect.

    Two for the pre-edge, two for the post-edge, then those of the polynomial's degree.
    """
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
class RedoneFamily:
    """A choice and its alternatives where normalising is no linear map with an offset: each is done in full.

    The alternatives come in kinds (the pre-edge, the post-edge, the curve); what they do adds as squares, the mean square
    of each kind, because a single one of them usually dominates and the others must not thin it out.
    """

    chosen: Member | None  # None if its ranges hold too few points
    kinds: tuple[tuple[Member | None, ...], ...]
    text: str

    def step_systematic(self, mu: Array) -> Array:
        """Standard change of the edge step (rows,)."""
        return self._spread(mu, lambda member: member(mu)[0])

    def shift_systematic(self, mu: Array, sensitivity: Array, part: slice) -> Array:
        """As :meth:`RangeFamily.shift_systematic`."""
        return self._spread(mu, lambda member: (sensitivity * member(mu)[1][:, part]).sum(1))

    def _spread(self, mu: Array, result: Callable[[Member], Array]) -> Array:
        kinds = [[member for member in kind if member is not None] for kind in self.kinds]
        if self.chosen is None or not any(kinds):
            return np.full(len(mu), np.nan)
        nominal = result(self.chosen)
        squares = [
            np.mean([(result(member) - nominal) ** 2 for member in kind], axis=0) for kind in kinds if kind
        ]
        return np.asarray(np.sqrt(np.sum(squares, axis=0)))


@dataclass(frozen=True)
class RangeFamily:
    """The fits of a choice of ranges and of its alternatives on one grid, as matrices.

    The first member is the choice itself; alternatives with too few points are left out.
    """

    energy: Array  # (n,)
    e0: float
    ranges: Ranges
    victoreen: float = 0.0
    step: float | None = None  # an edge step that is given and not fitted

    @property
    def text(self) -> str:
        """What is changed."""
        return FAMILY

    @functools.cached_property
    def _bases(self) -> tuple[Array, Array, Array]:
        """Functions of the pre-edge curve (n, 2) and of the post-edge one (n, q); what 1 at E0 and above is, else 0."""
        x = (self.energy - self.e0) / np.abs(self.energy - self.e0).max()
        pre = np.vander(x, 2, increasing=True) / (self.energy / self.e0)[:, None] ** self.victoreen
        highest = min(self.ranges.order + 1, HIGHEST)
        at_e0 = int(np.abs(self.energy - self.e0).argmin())
        return pre, np.vander(x, highest + 1, increasing=True), (np.arange(x.size) >= at_e0).astype(float)

    @functools.cached_property
    def _fits(self) -> tuple[tuple[Fit, ...], tuple[Fit, ...], tuple[tuple[int, int], ...]]:
        """Different pre-edge fits, different post-edge fits, and which two each member has."""
        pre, post, _ = self._bases
        lines: dict[tuple[int, int], Fit] = {}
        polynomials: dict[tuple[int, int, int], Fit] = {}
        members: list[tuple[int, int]] = []
        for member in (self.ranges, *other_ranges(self.ranges)):
            below = points_between(self.energy, self.e0 + member.pre[0], self.e0 + member.pre[1])
            above = points_between(self.energy, self.e0 + member.post[0], self.e0 + member.post[1])
            p, q = member.pre_order + 1, member.order + 1
            if below.stop - below.start < p or above.stop - above.start < max(q, 2):
                if not members:
                    return (), (), ()
                continue
            one, other = (below.start, below.stop), (above.start, above.stop, q)
            if one not in lines:
                weight = (self.energy[below] / self.e0) ** (2 * self.victoreen)
                lines[one] = Fit(below, _fit(pre[below, :p], weight))
            if other not in polynomials:
                polynomials[other] = Fit(above, _fit(post[above, :q]))
            members.append((list(lines).index(one), list(polynomials).index(other)))
        return tuple(lines.values()), tuple(polynomials.values()), tuple(members)

    def _coefficients(self, mu: Array) -> tuple[Array, Array]:
        """Coefficients of the two curves of each member: (rows, member, 2) and (rows, member, q)."""
        lines, polynomials, members = self._fits
        pre, post, _ = self._bases
        of_lines = [mu[:, f.part] @ f.matrix.T for f in lines]
        of_mu = [mu[:, f.part] @ f.matrix.T for f in polynomials]
        line = np.zeros((len(mu), len(members), 2))
        polynomial = np.zeros((len(mu), len(members), post.shape[1]))
        for i, (one, other) in enumerate(members):
            found, fit = of_lines[one], polynomials[other]
            line[:, i, : found.shape[1]] = found
            of_line = found @ (fit.matrix @ pre[fit.part, : found.shape[1]]).T
            polynomial[:, i, : fit.matrix.shape[0]] = of_mu[other] - of_line
        return line, polynomial

    def steps(self, mu: Array) -> Array:
        """Edge steps (rows, member) of spectra (rows, n); none if the ranges hold too few points."""
        return self._steps(self._coefficients(mu)[1])

    def _steps(self, polynomial: Array) -> Array:
        _, post, above = self._bases
        fitted = np.asarray(polynomial @ post[int(np.argmax(above))])
        return fitted if self.step is None else np.full(fitted.shape, self.step)

    def step_systematic(self, mu: Array) -> Array:
        """Root mean square change of the edge step (rows,)."""
        steps = self.steps(mu)
        return _spread(steps[:, 1:] - steps[:, :1])

    def shift_systematic(self, mu: Array, sensitivity: Array, part: slice) -> Array:
        """Root mean square shift (rows,) of a result that moves with the flattened absorption.

        Parameters
        ----------
        mu : (rows, n) array
            Spectra before normalisation; NaN for a row with points missing in the ranges.
        sensitivity : (rows, m) array
            Derivative of the result by each point of the flattened absorption inside ``part``.
        part : slice
            Of the grid.
        """
        pre, post, above = self._bases
        line, polynomial = self._coefficients(mu)
        step = self._steps(polynomial)
        # sum over the points of sensitivity × flattened, where flattened is
        # (mu - line - above · (polynomial - polynomial at E0)) / step, and that at E0 is the step unless it is given
        of_mu = (sensitivity * mu[:, part]).sum(1)
        of_line = np.matmul(line, (sensitivity @ pre[part])[:, :, None])[..., 0]
        of_post = np.matmul(polynomial, ((sensitivity * above[part]) @ post[part])[:, :, None])[..., 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            result = (of_mu[:, None] - of_line - of_post) / step
        if self.step is not None:
            at_e0 = polynomial @ post[int(np.argmax(above))]
            result = result + (sensitivity @ above[part])[:, None] * at_e0 / self.step
        return _spread(result[:, 1:] - result[:, :1])


@dataclass(frozen=True)
class Fit:
    """A least-squares fit: coefficients (q,) are ``matrix`` (q, points) times the spectrum in ``part``."""

    part: slice
    matrix: Array


def _fit(basis: Array, weight: Array | float = 1.0) -> Array:
    """Coefficients of a weighted least-squares fit as sums over the points; the basis is scaled and well conditioned."""
    weighted = (basis * np.reshape(weight, (-1, 1))).T
    return np.asarray(np.linalg.solve(weighted @ basis, weighted))


def _spread(change: Array) -> Array:
    """Root mean square over the members; NaN without any."""
    if not change.shape[-1]:
        return np.full(change.shape[:-1], np.nan)
    return np.asarray(np.sqrt((change**2).mean(-1)))
