"""The search of a joint fit: Levenberg-Marquardt on the shared parameters, every spectrum fitted at each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.fitting.bordered import Rows, fit_rows, reweigh_rows, rows_of, shared_step
from spectra.fitting.leastsq import CAUTIOUS, CONVERGED, NOT_CONVERGED
from spectra.fitting.program import Arrays

__all__ = ["Together", "hold"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: The fit has ended when a step promises less than this share of the sum of squares, which is what its rounding leaves.
TOLERANCE = 1e-14


@dataclass
class Together:
    """One joint fit as it proceeds: spectra as rows, and the shared parameters that were reached."""

    model: Arrays
    shared: npt.NDArray[np.int64]
    x: Floats
    y: Floats
    weight: Floats
    taken: Flags  # (row) takes part
    share_out: Callable[[Callable[[int, int], None], int], None]
    tolerance: float
    max_nfev: int

    def rows(self, values: Floats, begin: Floats, restarts: int = -1, y: Floats | None = None) -> Rows:
        """Every spectrum fitted at the shared ``values``, its own parameters from ``begin`` on."""
        begin = begin.copy()
        begin[:, self.shared] = values
        lower, upper = self.model.lower.copy(), self.model.upper.copy()
        lower[self.shared] = upper[self.shared] = values
        model = self.model._replace(lower=lower, upper=upper)
        out = rows_of(len(self.y), begin.shape[1], self.shared.size)
        data = self.y if y is None else y
        self.share_out(
            lambda start, stop: fit_rows(
                model, self.x, data, self.weight, begin, self.shared, self.taken, restarts, self.tolerance,
                self.max_nfev, start, stop, out,
            ),
            len(data),
        )  # fmt: skip
        return out

    def reweigh(self, rows: Rows) -> None:
        """Weights of counts from the curves that were fitted."""
        self.share_out(
            lambda a, b: reweigh_rows(self.model, self.x, rows.free, self.taken, self.weight, a, b),
            len(rows.free),
        )

    def chi2(self, rows: Rows) -> float:
        """Sum of squares of all spectra; infinite where one of them cannot be drawn."""
        bad = self.taken & (rows.outcome != CONVERGED) & (rows.outcome != NOT_CONVERGED)
        return np.inf if bad.any() else float(rows.chi2[self.taken].sum())

    def border(self, rows: Rows) -> tuple[Floats, Floats]:
        """Triangle and right-hand side of the shared parameters, all own ones eliminated."""
        use = self.taken & (rows.outcome == CONVERGED)
        m = self.shared.size
        stacked = np.concatenate([rows.root[use], rows.rest[use][:, :, None]], axis=2).reshape(-1, m + 1)
        padded = np.concatenate([stacked, np.zeros((m + 1, m + 1))])
        triangle = np.asarray(np.linalg.qr(padded, mode="r"))
        return np.ascontiguousarray(triangle[:m, :m]), np.ascontiguousarray(triangle[:m, m])

    def minimise(self, values: Floats, rows: Rows) -> tuple[Floats, Rows, bool, int]:
        """Levenberg-Marquardt on the shared parameters; where it ended, and whether it converged, after how many."""
        m = self.shared.size
        lower, upper = self.model.lower[self.shared], self.model.upper[self.shared]
        chi2, scale, step = self.chi2(rows), np.zeros(m), np.zeros(m)
        radius, tried = max(CAUTIOUS * np.sqrt(chi2), 1e-300), 1
        while True:
            root, rest = self.border(rows)
            scale, held, flat = hold(root, rest, scale, values, lower, upper, chi2)
            if flat:
                return values, rows, True, tried
            while True:
                damping, promised = shared_step(root, rest, scale, radius, held, values, lower, upper, step)
                if damping == 0.0 and promised <= TOLERANCE * chi2:
                    return values, rows, True, tried
                if tried >= self.max_nfev:
                    return values, rows, False, tried
                wanted = np.clip(values + step, lower, upper)
                length = float(np.sqrt(np.sum((scale * step) ** 2)))
                trial = self.rows(wanted, rows.free + rows.follow @ (wanted - values))
                trial.nfev[:] += rows.nfev
                trial.several[:] |= rows.several
                tried += 1
                found = self.chi2(trial)
                ratio = (chi2 - found) / promised if promised > 0.0 and np.isfinite(found) else -1.0
                if ratio < 0.25:
                    radius = max(0.1 * length, min(0.25 * radius, 0.5 * length))
                elif ratio > 0.75 or damping == 0.0:
                    radius = max(radius, 2.0 * length) if damping > 0.0 else 2.0 * length
                if ratio > 1e-4:
                    chi2, values, rows = found, wanted, trial
                    break
                rows.nfev[:] = trial.nfev
                if radius <= 1e-14 * np.sqrt(chi2) or promised <= TOLERANCE * chi2:
                    return values, rows, True, tried  # the limit of the arithmetic


def hold(
    root: Floats, rest: Floats, scale: Floats, values: Floats, lower: Floats, upper: Floats, chi2: float
) -> tuple[Floats, Flags, bool]:
    """As the engine's: columns' lengths, what sits on a bound and wants out, and whether the gradient is gone."""
    length, slope = np.sqrt(np.sum(root**2, axis=0)), root.T @ rest
    scale = np.maximum(scale, length)
    held = ((values <= lower) & (slope >= 0)) | ((values >= upper) & (slope <= 0))
    flat = bool((held | (np.abs(slope) <= 1e-15 * length * np.sqrt(chi2))).all())
    return np.where(scale == 0.0, 1.0, scale), held, flat
