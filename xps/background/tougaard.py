"""Tougaard background: every electron of the spectrum leaves a tail of electrons that lost energy on their way out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.tails import scattering
from xps.background.ends import Background, end_means, spectra_along
from xps.tables import load_table, number

__all__ = ["Loss", "Tougaard", "cross_section", "known_losses", "named_loss", "tougaard"]

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Loss:
    r"""Cross section of inelastic scattering, in the form that covers U2, U3 and U4.

    .. math:: K(T) = \frac{B\,T}{(C + C' T^2)^2 + D\,T^2} \quad (T \ge T_0), \qquad 0 \text{ below}

    With :math:`C' = -1`, as CasaXPS stores it: ``c`` negative with ``d`` zero is the two-parameter form with
    :math:`(|C| + T^2)^2`; ``0 < d < 4 c`` is the three-parameter form. Any other ``c_prime`` is the four-parameter
    form, with :math:`C' = +1, D = 0` the two-parameter one again.
    """

    b: float
    c: float
    d: float
    t0: float = 0.0
    c_prime: float = -1.0

    def __post_init__(self) -> None:
        two, three = self.c < 0 and self.d == 0, 0 < self.d < 4 * self.c
        four = self.c_prime not in (0.0, -1.0) and (self.d > 0 or (self.d == 0 and self.c / self.c_prime > 0))
        if not (self.b > 0 and self.t0 >= 0 and (four if self.c_prime != -1 else two or three)):
            numbers = ", ".join(f"{value:g}" for value in self.numbers())
            raise InvalidInput(
                f"loss (b, c, d, t0, c') = ({numbers}) is not a cross section: "
                "b must be positive, t0 not negative, and either c < 0 with d = 0 (two parameters), 0 < d < 4 c "
                "(three parameters), or c' neither 0 nor -1 with d > 0 or c' of the sign of c (four parameters)."
            )

    def numbers(self) -> tuple[float, ...]:
        """(B, C, D, T0), and C' where it is not -1."""
        first = (self.b, self.c, self.d, self.t0)
        return first if self.c_prime == -1 else (*first, self.c_prime)

    def form(self) -> tuple[float, float, float, float]:
        """(C, D, T0, C'): all but the strength."""
        return self.c, self.d, self.t0, self.c_prime


@dataclass(frozen=True)
class Tougaard(Background):
    """Tougaard background and the ``b`` it was drawn with."""

    b: FloatArray  # (...) eV2


def known_losses() -> dict[str, str]:
    """Names of the tabulated cross sections, each with what it is for."""
    return {row["name"]: row["description"] for row in load_table("tougaard")["loss"]}


def named_loss(name: str) -> Loss:
    """Cross section of the table by name."""
    for row in load_table("tougaard")["loss"]:
        if row["name"] == name:
            return Loss(*(number(row[key]) for key in ("b", "c", "d", "t0")))
    raise InvalidInput(f"no cross section {name!r}; {did_you_mean(name, known_losses())}.")


def cross_section(loss: Loss, t: npt.ArrayLike) -> FloatArray:
    """K(T) of ``loss`` in 1/eV at the losses ``t`` in eV."""
    t = np.asarray(t, float)
    return np.where(t >= loss.t0, loss.b * t / ((loss.c + loss.c_prime * t**2) ** 2 + loss.d * t**2), 0.0)


def tougaard(
    x: npt.ArrayLike, y: npt.ArrayLike, *, loss: Loss | None = None, n_end: int = 5, meet_end: bool = True
) -> Tougaard:
    r"""Background of inelastic scattering, from the measured spectrum itself (data form).

    .. math:: B(x) = y_L + \int_{t<x} K(x - t)\,[y(t) - y_L]\,dt

    Exact for electrons that come from all depths alike. The window should reach 30 to 50 eV beyond the line.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending.
    y : (..., n) array
        Counts.
    loss : Loss, optional
        Cross section; default: the universal one.
    n_end : int
        Points averaged at each end.
    meet_end : bool
        Scale K so that the background meets the data at the high-binding-energy end; otherwise ``loss.b`` stands.

    Returns
    -------
    Tougaard
        ``converged`` is False where there is no intensity from which the tail could come; nothing is raised.

    References
    ----------
    S. Tougaard, Surf. Interface Anal. 11, 453 (1988), doi:10.1002/sia.740110902
    """
    loss = loss or named_loss("universal")
    x, y, dtype = spectra_along(x, y)
    low, high = end_means(y, n_end)
    spread = scattering(x.astype(np.float64), loss.form()).T
    tail, of_one = (y - low) @ spread, np.ones(x.size) @ spread
    at_end, one_at_end = end_means(tail, n_end)[1], end_means(of_one, n_end)[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        course = tail / at_end
        b = np.where(at_end > 0, (high - low) / at_end, np.nan) if meet_end else loss.b + 0 * at_end
    b = np.where(b >= 0, b, np.nan)  # a background that falls is no tail of losses
    good = np.isfinite(b[..., 0])
    return Tougaard(
        background=(low + b * tail).astype(dtype),
        converged=good,
        iterations=good.astype(int),
        low_share=1 - course + b * (course * one_at_end - of_one) if meet_end else 1 - b * of_one + 0 * tail,
        high_share=course if meet_end else 0 * tail,
        b=b[..., 0],
    )
