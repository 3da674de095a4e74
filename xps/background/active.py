"""Backgrounds inside the fit: what the lines leave behind them and what they stand on, fitted together with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from spectra.errors import InvalidInput
from spectra.verbs import resolve
from xps.background.tougaard import Loss, named_loss
from xps.links import Line, LinkedModel

__all__ = ["ACTIVE", "STRENGTH_OF", "Active", "Background", "Section", "active_background"]

Background = Literal[
    "shirley",
    "tougaard",
    "linear",
    "slope",
    "polynomial",
    "active_shirley",
    "active_shirley_each",
    "active_slope",
    "active_tougaard",
    "active_linear",
    "active_polynomial",
]

#: A cross section of losses: its name, or its numbers.
Section = str | tuple[float, float, float, float] | tuple[float, float, float, float, float]

#: Backgrounds inside the fit: what each line leaves behind it ("" for nothing), and the degree of what lies below.
ACTIVE: Mapping[str, tuple[str, int]] = {
    "active_shirley": ("shirley", 0),
    "active_shirley_each": ("shirley", 0),
    "active_slope": ("slope", 0),
    "active_tougaard": ("tougaard", 0),
    "active_linear": ("", 1),
    "active_polynomial": ("", 2),
}
#: Name, unit and meaning of the strength of each.
STRENGTH_OF: Mapping[str, tuple[str, str, str]] = {
    "shirley": ("shirley_k", "1/eV", "background that a line leaves behind it, per area and eV"),
    "slope": ("slope_k", "1/eV2", "slope of the background behind a line, per area and eV"),
    "tougaard": ("tougaard_b", "eV2", "B of the cross section"),
}
FORMULAS: Mapping[str, str] = {
    "shirley": "sum_j k_j * integral(S_j(t), t = x_L .. x)",
    "slope": "sum_j k * integral(integral(S_j(u), u = x_L .. t), t = x_L .. x)",
    "tougaard": "sum_j integral(K(x - t) * S_j(t), t = x_L .. x), K(T) = B*T/((C + C'*T^2)^2 + D*T^2), T >= T0",
}
HIGHEST = 7  # degree


@dataclass(frozen=True)
class Active:
    """A background inside the fit: a polynomial, and what the lines leave behind them."""

    name: str
    degree: int
    loss: Loss | None = None  # of a Tougaard background

    @property
    def tail(self) -> str:
        """What each line leaves behind it: a background of the fit engine, or nothing."""
        return ACTIVE[self.name][0]

    @property
    def each(self) -> bool:
        """Whether every peak has a strength of its own."""
        return self.name.endswith("_each")

    def added_to(self, linked: LinkedModel, origin: float) -> LinkedModel:
        """The model of the lines with this background; the polynomial is its last component, counted from ``origin``."""
        tables, params = [dict(table) for table in linked.model], dict(linked.params)
        heads: dict[Any, str] = {}
        for line, table in zip(linked.lines, tables, strict=True):
            if not self.tail:
                break
            table["background"] = self.tail
            if self.loss is not None:
                table["loss"] = self.loss.form()
            head = heads.setdefault(_peak(line) if self.each else None, line.prefix)
            if head != line.prefix:
                params[line.prefix + self.tail] = {"expr": head + self.tail}
            elif self.loss is not None:
                params[line.prefix + self.tail] = {"value": self.loss.b, "min": 0.0}
        tables.append({"shape": "polynomial", "degree": self.degree})
        params["origin"] = {"value": origin, "vary": False}
        return LinkedModel(linked.lines, tuple(tables), params)

    def to_attrs(self) -> dict[str, Any]:
        """Method and options as attributes of the variable ``background``."""
        powers = [f"c{k}*(x - x_L)^{k}" for k in range(self.degree + 1)]
        formula = " + ".join([*powers, *([FORMULAS[self.tail]] if self.tail else [])])
        said = {"method": self.name, "treatment": "active", "degree": self.degree, "formula": formula}
        if self.loss is not None:
            said["loss"] = list(self.loss.form())
        return said


def _peak(line: Line) -> Any:
    """What shares one strength where each peak has its own: the lines of one state and one j, a packet among them."""
    return line.name if line.state is None else (line.state, line.partner is None)


def active_background(
    name: str | None, degree: int | None, vary: bool, loss: Section | None = None
) -> Active | None:
    """The background inside the fit that ``name`` says; None where it is not inside.

    The strength B of ``loss`` is where its fit starts.

    Raises
    ------
    InvalidInput
        A degree without a polynomial, a cross section without losses, or nothing that is fitted.
    """
    if loss is not None and name not in ("tougaard", "active_tougaard"):
        raise InvalidInput(
            f"loss belongs to the backgrounds 'tougaard' and 'active_tougaard', got background {name!r}: leave it out."
        )
    if name is None or name not in ACTIVE:
        if degree is not None and name != "polynomial":
            raise InvalidInput(
                f"degree belongs to the background 'polynomial' and to those inside the fit ({', '.join(ACTIVE)}), got "
                f"background {name!r}: leave it out."
            )
        return None
    if not vary:
        raise InvalidInput(
            f"background {name!r} is fitted together with the lines, and vary = False fits nothing: subtract a static "
            "background."
        )
    chosen = ACTIVE[name][1] if degree is None else degree
    lowest, highest = (1, 1) if name == "active_linear" else (0, HIGHEST)
    if not lowest <= chosen <= highest:
        raise InvalidInput(f"degree of {name!r} must be from {lowest} to {highest}, got {chosen}.")
    resolve(degree=chosen)
    if ACTIVE[name][0] != "tougaard":
        return Active(name, chosen)
    section = named_loss(loss or "universal") if isinstance(loss, str | None) else Loss(*loss)
    resolve(loss=section.numbers())
    return Active(name, chosen, section)
