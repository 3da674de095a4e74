"""Curves under an edge: what a background is made of, and how it answers to its parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["Curve", "exponential", "polynomial", "power_law", "power_laws"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    r"""A background as a function of energy and parameters.

    Either the logarithm is linear, :math:`B = \exp(a - r f(E))` with ``f`` the logarithm of the energy (power law) or
    the energy itself (exponential); or the curve is, :math:`B = \sum_k c_k g_k(E)`.
    """

    kind: str  # power_law, exponential, power_laws, polynomial
    reference: float  # eV: where the power law's amplitude is told, the middle of a polynomial
    scale: float = 1.0  # eV: unit of a polynomial's argument
    exponents: tuple[float, ...] = ()
    degree: int = 0

    @property
    def logarithmic(self) -> bool:
        """True where the logarithm of the curve is linear in its parameters."""
        return self.kind in ("power_law", "exponential")

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        if self.kind == "power_law":
            return ("log_amplitude", "exponent")
        if self.kind == "exponential":
            return ("log_amplitude", "decay")
        if self.kind == "power_laws":
            return tuple(f"amplitude_{k + 1}" for k in range(len(self.exponents)))
        return tuple(f"coefficient_{k}" for k in range(self.degree + 1))

    def argument(self, energy: Array) -> Array:
        """``f`` (n,) of a logarithmic curve."""
        return np.log(energy / self.reference) if self.kind == "power_law" else energy - self.reference

    def basis(self, energy: Array) -> Array:
        """``g`` (n, terms) of a linear curve; of a logarithmic one, of its logarithm."""
        if self.logarithmic:
            f = self.argument(energy)
            return np.stack([np.ones_like(f), -f], axis=-1)
        if self.kind == "power_laws":
            ratio = energy[:, None] / self.reference
            return np.asarray(ratio ** -np.array(self.exponents))
        return ((energy[:, None] - self.reference) / self.scale) ** np.arange(self.degree + 1)

    def value(self, energy: Array, parameters: Array) -> Array:
        """The curve (..., n) for ``parameters`` (..., terms)."""
        linear = parameters @ self.basis(energy).T
        if not self.logarithmic:
            return linear
        with np.errstate(over="ignore"):
            return np.exp(linear, out=linear)

    def response(self, energy: Array, parameters: Array, weights: Array) -> Array:
        """Derivatives (..., terms) of ``sum(weights * curve)`` by each parameter, for ``weights`` (..., n)."""
        if self.logarithmic:
            return (weights * self.value(energy, parameters)) @ self.basis(energy)
        return weights @ self.basis(energy)

    def to_text(self) -> str:
        """As an attribute holds it."""
        return json.dumps(
            {
                "kind": self.kind,
                "reference": self.reference,
                "scale": self.scale,
                "exponents": list(self.exponents),
                "degree": self.degree,
            }
        )

    @classmethod
    def from_attrs(cls, attrs: Mapping[str, Any]) -> Curve | None:
        """The curve that a variable ``background`` is; None where it was made elsewhere."""
        text = attrs.get("curve")
        if text is None:
            return None
        table = json.loads(text)
        return cls(**{**table, "exponents": tuple(table["exponents"])})


def power_law(energy: Array) -> Curve:
    """Power law of energy losses; the amplitude is told at the geometric middle of the window ``energy``."""
    return Curve("power_law", float(np.exp(np.log(_positive(energy)).mean())))


def exponential(energy: Array) -> Curve:
    """Exponential; the amplitude is told at the middle of the window ``energy``."""
    return Curve("exponential", float(energy.mean()))


def power_laws(energy: Array, exponents: tuple[float, ...]) -> Curve:
    """Linear combination of power laws with given exponents (Cueva 2012)."""
    return Curve("power_laws", float(np.exp(np.log(_positive(energy)).mean())), exponents=exponents)


def polynomial(energy: Array, degree: int) -> Curve:
    """Polynomial in the energy, its argument -1 to 1 along the window ``energy``."""
    return Curve("polynomial", float(energy.mean()), scale=float(np.ptp(energy)) / 2, degree=degree)


def _positive(energy: Array) -> Array:
    if energy[0] <= 0:
        raise InvalidInput(
            f"a power law needs energies above 0 eV, the window begins at {energy[0]:g} eV: move it, or choose "
            "method='exponential' or 'polynomial'."
        )
    return energy
