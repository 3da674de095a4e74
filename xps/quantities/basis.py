"""What turns areas into numbers of atoms: sensitivity factors, transmission and path, each applied once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note, resolve
from xps.quantities.attenuation import Material, find_material
from xps.quantities.lines import Line
from xps.quantities.sensitivity import binding_energy, cross_section, parse_level
from xps.tables import load_table, number

__all__ = ["Basis", "sensitivities"]


@dataclass(frozen=True)
class Basis:
    """A scale of sensitivity factors, and what is applied beside it."""

    scale: str
    factors: dict[str, float] | None
    included: tuple[str, ...]
    transmission: Literal["file", "none"] | float | None
    exponent: float | None
    material: Material | None

    @classmethod
    def of(
        cls,
        scale: str,
        factors: dict[str, float] | None,
        included: Sequence[str],
        transmission: Literal["file", "none"] | float | None,
        attenuation: Literal["power", "tpp2m", "none"] | None,
        exponent: float | None,
        material: str | dict[str, Any] | None,
    ) -> Basis:
        """The basis that the options describe.

        Raises
        ------
        InvalidInput
        """
        if factors is None and scale != "scofield":
            raise InvalidInput(
                f"no factors of the scale {scale!r} ship (scofield does): give them as factors = {{'Mn 2p': ...}}."
            )
        if factors is not None and scale == "scofield":
            raise InvalidInput(
                "factors of your own need the name of their scale, scale = 'Kratos F 1s' or what it is: two scales are never "
                "mixed."
            )
        if included and factors is None:
            raise InvalidInput("factors_include speaks of factors of your own; cross sections hold neither.")
        twice = [
            name
            for name, asked in (
                ("transmission", transmission not in (None, "none")),
                ("attenuation", attenuation not in (None, "none")),
            )
            if asked and name in included
        ]
        if twice:
            raise InvalidInput(
                f"the factors include {twice[0]} already and it would be applied twice: leave one out."
            )
        if attenuation is None:
            attenuation = "tpp2m" if material is not None else "power"
        if "attenuation" in included:
            attenuation = "none"
        if (attenuation == "tpp2m") != (material is not None):
            raise InvalidInput(
                f"attenuation = {attenuation!r} and material = {material!r} do not go together: TPP-2M needs a material, "
                "and nothing else does."
            )
        if exponent is not None and attenuation != "power":
            raise InvalidInput(f"exponent belongs to attenuation = 'power', got {attenuation!r}.")
        power = number(load_table("materials")["power"]["exponent"]) if exponent is None else exponent
        found = None if material is None else find_material(material)
        own = None if factors is None else {parse_level(name).name: float(v) for name, v in factors.items()}
        for sentence in found.said if found else ():
            note(sentence)
        resolve(attenuation=attenuation, **({"exponent": power} if attenuation == "power" else {}))
        return cls(
            scale,
            own,
            tuple(included),
            "none" if "transmission" in included else transmission,
            power if attenuation == "power" else None,
            found,
        )

    def factor(self, line: Line) -> float:
        """Sensitivity factor of a line."""
        if self.factors is not None:
            if line.name not in self.factors:
                raise InvalidInput(
                    f"factors holds none for {line.name}; {did_you_mean(line.name, self.factors)}."
                )
            if not self.factors[line.name] > 0:
                raise InvalidInput(
                    f"the factor of {line.name} must be above 0, got {self.factors[line.name]:g}."
                )
            return self.factors[line.name]
        return cross_section(line.level, _photon_energy(line))

    def path(self, kinetic: float) -> float:
        """Path of the electrons in nm, or up to a common factor."""
        if self.material is None:
            return 1.0 if self.exponent is None else float((kinetic / 1000.0) ** self.exponent)
        path = float(self.material.path(kinetic))
        if not np.isfinite(path):
            raise InvalidInput(
                f"TPP-2M holds between 50 and 2000 eV, and a line has a kinetic energy of {kinetic:.0f} eV: take "
                "attenuation = 'power'."
            )
        return path

    def from_file(self, lines: Sequence[Line]) -> bool:
        """Whether the transmission of the files is taken.

        Raises
        ------
        InvalidInput
            Only some regions have one.
        """
        having = [line.name for line in lines if line.transmission is not None]
        lacking = [line.name for line in lines if line.transmission is None]
        if self.transmission not in (None, "file") or not (having or self.transmission == "file"):
            return False
        if lacking and (having or self.transmission == "file"):
            raise InvalidInput(
                f"the region of {lacking[0]} carries no transmission"
                f"{f', that of {having[0]} does' if having else ''}: areas cannot be compared by it. Leave the region out, "
                "or say transmission = 'none' or a power of the kinetic energy for all."
            )
        return True

    def transmitted(self, line: Line, kinetic: float, by_file: bool) -> Any:
        """Transmission at a line."""
        if by_file:
            return line.transmission
        if isinstance(self.transmission, float | int):
            return float((kinetic / 1000.0) ** self.transmission)
        return 1.0

    def warnings(self, lines: Sequence[Line]) -> list[tuple[str, str]]:
        """Flags that the choice of corrections draws."""
        unknown = self.transmission is None and not self.from_file(lines) and len(lines) > 1
        if not unknown:
            return []
        text = (
            "The transmission of the analyser is not known and was taken as the same for all lines: measure it, or give a power "
            "of the kinetic energy."
        )
        return [("transmission_unknown", text)]

    def factor_sigma(self, given: float | None) -> float:
        """Relative uncertainty of what a line counts per atom: as given, else of the tables.

        Raises
        ------
        InvalidInput
        """
        if given is not None:
            if not 0 <= given < 1:
                raise InvalidInput(
                    f"factor_sigma is a share of the factor, from 0 to below 1 (0.1 for 10 %), got {given:g}."
                )
            return float(given)
        entry = load_table("scofield")["about"]["accuracy"]
        note(
            f"atomic_fraction_systematic takes {number(entry):g} of every sensitivity factor, a value yet to be verified"
        )
        path = number(load_table("materials")["about"]["accuracy"]) if self.material is not None else 0.0
        return float(np.hypot(number(entry), path))

    def attrs(self, by_file: bool) -> dict[str, str]:
        """The basis in words."""
        sent = "none"
        if by_file:
            sent = "of the file"
        elif isinstance(self.transmission, float | int):
            sent = f"kinetic energy to the power {self.transmission:g}"
        elif "transmission" in self.included:
            sent = "in the factors"
        path = "in the factors" if "attenuation" in self.included else "none"
        if self.material is not None:
            path = f"TPP-2M, {self.material.name}"
        elif self.exponent is not None:
            path = f"kinetic energy to the power {self.exponent:g}"
        return {"sensitivity_scale": self.scale, "transmission": sent, "attenuation": path}


def _photon_energy(line: Line) -> float:
    if line.photon_energy is None:
        raise InvalidInput(
            f"the region of {line.name} states no photon energy: give photon_energy, 1486.6 for Al K alpha."
        )
    return line.photon_energy


def sensitivities(lines: Sequence[Line], basis: Basis) -> list[tuple[Any, float]]:
    """What each line counts per atom, in two factors: sensitivity with transmission, and path.

    Transmission and path are relative to the first line.
    """
    by_file = basis.from_file(lines)
    # where nothing depends on the kinetic energy, factors of one's own need no photon energy
    needed = (basis.exponent, basis.material) != (None, None) or isinstance(basis.transmission, float | int)
    found = []
    for line in lines:
        kinetic = _photon_energy(line) - binding_energy(line.level) if needed else 1000.0
        if kinetic <= 0:
            raise InvalidInput(
                f"{line.name} lies at {binding_energy(line.level):.0f} eV, beyond the photon energy {line.photon_energy:g} eV."
            )
        found.append((basis.factor(line), basis.transmitted(line, kinetic, by_file), basis.path(kinetic)))
    _, first_transmission, first_path = found[0]
    return [(s * (t / first_transmission), p / first_path) for s, t, p in found]
