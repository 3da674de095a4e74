"""Size of carbon's crystallites from the ratio of D and G: each formula inside what it was made for, and not beyond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from raman.tables import load_table, number
from spectra.errors import InvalidInput, did_you_mean

__all__ = ["Measure", "Size", "SizeFormula", "crystallite_size", "size_formula"]

Measure = Literal["height", "area"]
Size = Literal["tuinstra-koenig", "cancado", "ferrari-robertson"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SizeFormula:
    """A formula, what it measures and where it holds; wavelengths and sizes in nm."""

    name: str
    title: str
    measure: Measure
    rising: bool
    constant: float
    constant_status: str
    laser: tuple[float, float]
    size: tuple[float, float]
    source: str

    def check(self, measure: str, laser_wavelength: float | None) -> None:
        """Refuse what the formula was not made for.

        Raises
        ------
        InvalidInput
            No laser wavelength or one outside its range, areas instead of heights or the other way round.
        """
        if measure != self.measure:
            raise InvalidInput(
                f"{self.name} takes the ratio of {self.measure}s, and measure is {measure!r}: ratios of heights and of "
                "areas differ by factors of two and more."
            )
        if laser_wavelength is None:
            raise InvalidInput(
                f"{self.name} needs the wavelength of the laser, which the dataset does not say: the ratio goes with its "
                "fourth power. Give laser_wavelength in nm, or no size."
            )
        low, high = self.laser
        if not low <= laser_wavelength <= high:
            raise InvalidInput(
                f"{self.name} holds for lasers from {low:g} to {high:g} nm, and this one has {laser_wavelength:g} nm: no "
                "size can be stated by it."
            )

    def __call__(self, ratio: Floats, laser_wavelength: float) -> Floats:
        """La in nm, without regard to where it holds."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.rising:
                return np.asarray(np.sqrt(ratio / self.constant))
            scale = laser_wavelength**4 if self.name == "cancado" else 1.0
            return np.asarray(self.constant * scale / ratio)


def size_formula(name: str) -> SizeFormula:
    """The formula called ``name``."""
    rows = {row["name"]: row for row in load_table("carbon")["formula"]}
    if name not in rows:
        raise InvalidInput(f"no formula {name!r} for the size of crystallites; {did_you_mean(name, rows)}.")
    row = rows[name]
    return SizeFormula(
        row["name"],
        row["title"],
        row["measure"],
        row["rising"],
        number(row["constant"]),
        row["constant"]["status"],
        tuple(row["laser"]["range"]),
        tuple(row["size"]["range"]),
        row["source"],
    )


def crystallite_size(
    ratio: npt.ArrayLike,
    *,
    formula: Size,
    measure: Measure,
    laser_wavelength: float | None,
    ratio_sigma: npt.ArrayLike = 0.0,
) -> tuple[Floats, Floats]:
    r"""La in nm of carbon, and its uncertainty, from ID/IG; NaN outside the sizes that the formula holds for.

    Parameters
    ----------
    ratio : (...) array
        ID/IG.
    formula : {"tuinstra-koenig", "cancado", "ferrari-robertson"}
        :math:`4.4/r`, :math:`2.4\cdot10^{-10}\lambda^4/r`, or :math:`\sqrt{r/0.55}` below 2 nm, where the ratio rises
        with the size: which side of the maximum a sample is on must be known.
    measure : {"height", "area"}
        What the ratio is of.
    laser_wavelength : float
        In nm.
    ratio_sigma : (...) array
        Standard uncertainty of the ratio; that of the constant is not known and not in the result.

    Returns
    -------
    tuple of (...) arrays

    Raises
    ------
    InvalidInput
        A laser or a measure that the formula does not hold for.

    References
    ----------
    F. Tuinstra, J. L. Koenig, J. Chem. Phys. 53, 1126 (1970), doi:10.1063/1.1674108;
    L. G. Cançado et al., Appl. Phys. Lett. 88, 163106 (2006), doi:10.1063/1.2196057;
    A. C. Ferrari, J. Robertson, Phys. Rev. B 61, 14095 (2000), doi:10.1103/PhysRevB.61.14095

    Examples
    --------
    >>> size, sigma = crystallite_size(1.0, formula="cancado", measure="area", laser_wavelength=532.0, ratio_sigma=0.1)
    >>> round(float(size), 1), round(float(sigma), 1)
    (19.2, 1.9)
    """
    rule = size_formula(formula)
    rule.check(measure, laser_wavelength)
    r = np.asarray(ratio, float)
    size = rule(r, float(laser_wavelength or 0.0))
    low, high = rule.size
    with np.errstate(invalid="ignore", divide="ignore"):
        holds = (r > 0) & (size >= low * (1 - 1e-9)) & (size <= high * (1 + 1e-9))
        sigma = size * np.asarray(ratio_sigma, float) / r * (0.5 if rule.rising else 1.0)
    return np.where(holds, size, np.nan), np.where(holds, sigma, np.nan)
