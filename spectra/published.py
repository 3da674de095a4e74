"""Numbers that a publication prints, and whether an analysis finds them: within its own uncertainty or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LIMIT", "Printed", "Recovered", "recover"]

#: A number is recovered that lies within so many of its standard uncertainties; a change is one beyond as many.
LIMIT = 3.0
_COURSES = ("rises", "falls", "stays")
Place = Mapping[str, str | int]


@dataclass(frozen=True)
class Printed:
    """One thing that a publication prints, and where in a dataset the analysis has it.

    ``value`` is a number; or a text, as a verdict is; or ``rises``, ``falls``, ``stays`` of what lies at ``at`` against
    what lies at ``minus``. ``at`` takes names of coordinates, or numbers of places along a dimension.
    """

    what: str
    value: float | str
    variable: str
    unit: str = ""
    source: str = ""
    status: str = "read"
    at: Place = field(default_factory=dict)
    minus: Place | None = None
    rounding: float = 0.0


@dataclass(frozen=True)
class Recovered:
    """What an analysis found where a publication prints something."""

    printed: Printed
    found: float | str
    sigma: float  # NaN where there is none
    agrees: bool

    @property
    def apart(self) -> float:
        """Distance in standard uncertainties; NaN for texts and numbers without one."""
        if isinstance(self.printed.value, str) or not self.sigma > 0:
            return float("nan")
        return abs(float(self.found) - self.printed.value) / self.sigma


def recover(dataset: xr.Dataset, printed: Printed) -> Recovered:
    """Compare what was found with what is printed.

    A number agrees within ``LIMIT`` standard uncertainties, of which a systematic one is a part unless two places of
    one dataset are compared; a number without uncertainty (a count, a yes or no) only if it is the same.

    Raises
    ------
    InvalidInput
        If the dataset does not hold the variable or the place.

    Examples
    --------
    >>> import xarray as xr
    >>> found = xr.Dataset({"position": ("component", [633.2]), "position_sigma": ("component", [0.1])})
    >>> recover(found, Printed("A1g", 633.0, "position", at={"component": 0})).agrees
    True
    """
    here = _picked(dataset, printed, printed.at)
    if isinstance(printed.value, str) and printed.minus is None:
        return Recovered(printed, str(here.item()), float("nan"), str(here.item()) == printed.value)
    found, sigma = float(here), _sigma(dataset, printed, printed.at, alone=printed.minus is None)
    if printed.minus is not None:
        found -= float(_picked(dataset, printed, printed.minus))
        sigma = float(math.hypot(sigma, _sigma(dataset, printed, printed.minus, alone=False)))
    if isinstance(printed.value, str):
        return Recovered(printed, found, sigma, _course(found, sigma) == printed.value)
    distance = max(abs(found - printed.value) - printed.rounding, 0.0)
    return Recovered(printed, found, sigma, bool(distance <= LIMIT * sigma if sigma > 0 else distance == 0))


def _course(change: float, sigma: float) -> str:
    if not math.isfinite(change) or not sigma > 0:
        return "unknown"
    return "stays" if abs(change) <= LIMIT * sigma else "rises" if change > 0 else "falls"


def _sigma(dataset: xr.Dataset, printed: Printed, at: Place, *, alone: bool) -> float:
    total = 0.0
    for kind in ("sigma", "systematic") if alone else ("sigma",):
        if f"{printed.variable}_{kind}" in dataset:
            total = float(math.hypot(total, float(_picked(dataset, printed, at, f"_{kind}"))))
    return total if total > 0 else float("nan")


def _picked(dataset: xr.Dataset, printed: Printed, at: Place, suffix: str = "") -> xr.DataArray:
    name = printed.variable + suffix
    if name not in dataset:
        raise InvalidInput(f"{printed.what}: the analysis gave no {name}.")
    here = dataset[name]
    for dim, place in at.items():
        if dim not in here.dims:
            continue  # an uncertainty that all places share
        try:
            here = here.isel({dim: place}) if isinstance(place, int) else here.sel({dim: place})
        except (KeyError, IndexError) as error:
            raise InvalidInput(f"{printed.what}: {name} has no {place!r} along {dim}.") from error
    if here.size != 1:
        raise InvalidInput(f"{printed.what}: {name} has dimensions {here.dims}; say where along each in at.")
    return here.squeeze()
