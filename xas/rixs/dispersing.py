"""Energy per channel from elastic lines at several incident energies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spectra.errors import InvalidInput
from xas.rixs.incident import number_of_each

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Dispersion", "fit_dispersion"]


@dataclass(frozen=True)
class Dispersion:
    """Energy per channel with its uncertainty, and how well a straight line holds."""

    value: float  # eV per channel
    sigma: float  # eV per channel; of the scatter where that is larger than the fits' own uncertainties
    redchi: float  # NaN for two lines
    lines: int

    def __str__(self) -> str:
        scatter = f", reduced chi-square {self.redchi:.3g}" if np.isfinite(self.redchi) else ""
        return f"({self.value * 1e3:.3f} ± {self.sigma * 1e3:.3f}) meV per channel from {self.lines} elastic lines{scatter}"


def fit_dispersion(dataset: xr.Dataset) -> Dispersion:
    r"""Dispersion from the elastic lines of exposures at several incident energies.

    A weighted straight line of ``elastic_channel`` over ``incident_energy``; its inverse slope is the dispersion.
    Where the lines scatter by more than their sigmas (monochromator, or a line that is not elastic), the sigma is that of
    the scatter.

    Parameters
    ----------
    dataset : xarray.Dataset
        As :func:`xas.rixs.reduce` makes it, with any dispersion of the right sign: places in channels do not depend on it.

    Returns
    -------
    Dispersion

    Raises
    ------
    InvalidInput
        No elastic lines or incident energies, or fewer than two different ones.

    Examples
    --------
    >>> import xarray as xr
    >>> lines = xr.Dataset(
    ...     {"counts": (("scan", "energy_loss"), [[0, 1]] * 3), "elastic_channel": ("scan", [1900.0, 1950.0, 2000.0]),
    ...      "elastic_channel_sigma": ("scan", [0.2, 0.2, 0.2])},
    ...     {"energy_loss": [0.0, 0.1], "incident_energy": ("scan", [528.0, 528.5, 529.0])}, {"signal": "counts"},
    ... )
    >>> round(fit_dispersion(lines).value, 6)
    0.01
    """
    found = [
        number_of_each(dataset, name)
        for name in ("incident_energy", "elastic_channel", "elastic_channel_sigma")
    ]
    if any(values is None for values in found):
        raise InvalidInput(
            "fit_dispersion needs incident_energy and elastic_channel of every exposure: read them into one series and "
            "reduce it first."
        )
    energy, channel, sigma = (np.ravel(np.asarray(values)) for values in found)
    good = np.isfinite(energy) & np.isfinite(channel) & (sigma > 0)
    energy, channel, sigma = energy[good], channel[good], sigma[good]
    if energy.size < 2 or np.ptp(energy) < 1e-3:
        raise InvalidInput(
            f"fit_dispersion needs elastic lines at two incident energies at least, got {np.unique(energy.round(3)).size}."
        )
    weight = 1 / sigma**2
    middle = np.average(energy, weights=weight)
    spread = float((weight * (energy - middle) ** 2).sum())
    slope = float((weight * (energy - middle) * channel).sum() / spread)
    offset = float(np.average(channel, weights=weight))
    degrees = energy.size - 2
    rest = float((weight * (channel - offset - slope * (energy - middle)) ** 2).sum())
    redchi = rest / degrees if degrees else np.nan
    error = np.sqrt(max(redchi, 1.0) if degrees else 1.0) / np.sqrt(spread)
    return Dispersion(1 / slope, float(error / slope**2), redchi, int(energy.size))
