"""A second spectrum that a verb is handed: the background, the atmosphere, the reference it corrects with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import as_dataset, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, ReadError
from spectra.verbs import note

__all__ = ["SecondSpectrum", "second_spectra", "second_spectrum"]

FloatArray = npt.NDArray[np.float64]

#: Points of the grid further from any of the spectrum's than this many of its steps are not covered by it.
_REACH = 1.5


@dataclass(frozen=True)
class SecondSpectrum:
    """One spectrum on its own grid, all finite."""

    name: str
    x: FloatArray
    y: FloatArray
    sigma: FloatArray | None = None

    def to_spec(self) -> dict[str, Any]:
        """The numbers, as a results file keeps them to compute the analysis again."""
        spec: dict[str, Any] = {"x": self.x.tolist(), "y": self.y.tolist()}
        return spec if self.sigma is None else {**spec, "sigma": self.sigma.tolist()}

    def on(self, grid: FloatArray, *, verb: str, extend: bool = False) -> FloatArray:
        """Values on ``grid``, linear between points; with ``extend`` its ends go on level, else they must reach.

        Raises
        ------
        InvalidInput
            The grid reaches beyond the spectrum.
        """
        return self._interpolated(grid, self.y, verb, extend)

    def sigma_on(self, grid: FloatArray, *, verb: str) -> FloatArray | None:
        """Standard uncertainties on ``grid``; None where there are none."""
        return None if self.sigma is None else self._interpolated(grid, self.sigma, verb, False)

    def _interpolated(self, grid: FloatArray, values: FloatArray, verb: str, extend: bool) -> FloatArray:
        step = float(np.diff(self.x).max())
        short = max(self.x[0] - grid[0], grid[-1] - self.x[-1])
        if short > _REACH * step and not extend:
            raise InvalidInput(
                f"{verb}: {self.name} runs from {self.x[0]:g} to {self.x[-1]:g} 1/cm and the spectra from {grid[0]:g} to "
                f"{grid[-1]:g}; crop them to what both have (spectra.crop), or measure it further."
            )
        if grid.shape == self.x.shape and np.allclose(grid, self.x, rtol=1e-9, atol=0):
            return values
        if not _contains(self.x, grid):
            note(f"{self.name} was interpolated linearly onto the {grid.size} points of the spectra")
        return np.asarray(np.interp(grid, self.x, values), np.float64)


def _contains(x: FloatArray, grid: FloatArray) -> bool:
    """Whether every point of ``grid`` is one of ``x``, to the precision of a printed number."""
    near = x[np.clip(np.searchsorted(x, grid - 1e-4), 0, x.size - 1)]
    return bool((np.abs(near - grid) < 1e-4).all())


def second_spectrum(
    given: Any, name: str, *, verb: str, quantity: tuple[str, ...] = (), axis: str = "wavenumber"
) -> SecondSpectrum:
    """``given`` as one finite spectrum along ``axis``.

    Parameters
    ----------
    given : Dataset, path, pair of arrays or mapping
        A dataset, the name of a file, ``(wavenumber, values)``, or what ``to_spec`` made.
    name : str
        What the option is called, for errors.
    verb : str
        For errors.
    quantity : tuple of str
        What it may have measured; anything where it is empty.
    axis : str
        ``wavenumber`` or ``raman_shift``.

    Raises
    ------
    InvalidInput
        It is no such spectrum.
    """
    if isinstance(given, Mapping) and set(given) == {"content"}:
        given = given["content"]
    if isinstance(given, Mapping) and {"x", "y"} <= set(given) <= {"x", "y", "sigma"}:
        return _finite(name, given["x"], given["y"], given.get("sigma"), verb)
    if isinstance(given, str | os.PathLike):
        given = _read(given, name, verb, axis)
    if isinstance(given, tuple | list) and len(given) == 2:
        return _finite(name, given[0], given[1], None, verb)
    data = as_dataset(given, verb=f"{name} of {verb}")
    found, signal = spectral_axis(data), signal_name(data)
    if found != axis:
        raise InvalidInput(f"{verb}: {name} lies along {found}; a spectrum along {axis} is needed.")
    if series_dims(data):
        raise InvalidInput(
            f"{verb}: {name} is a series ({', '.join(series_dims(data))}); choose one spectrum with isel, or its mean."
        )
    if quantity and signal not in quantity:
        raise InvalidInput(f"{verb}: {name} is {signal}, and {' or '.join(quantity)} is needed.")
    sigma = data[f"{signal}_sigma"].values if f"{signal}_sigma" in data else None
    return _finite(name, data[axis].values, data[signal].values, sigma, verb)


def second_spectra(
    given: Any, name: str, *, verb: str, quantity: tuple[str, ...] = (), axis: str = "wavenumber"
) -> list[SecondSpectrum]:
    """One spectrum, or a mapping of names to several."""
    if isinstance(given, Mapping) and set(given) == {"content"}:
        given = given["content"]
    plain = isinstance(given, Mapping) and not hasattr(given, "dims") and not {"x", "y"} <= set(given)
    named = dict(given) if plain else {name: given}
    if not named:
        raise InvalidInput(f"{verb}: {name} is empty; give a spectrum, or a mapping of names to spectra.")
    return [
        second_spectrum(one, str(key), verb=verb, quantity=quantity, axis=axis) for key, one in named.items()
    ]


def _read(path: str | os.PathLike[str], name: str, verb: str, axis: str) -> Any:
    from spectra.reading.registry import choose, read_scans

    try:
        return choose(read_scans(path, hints={"default_axis": axis}), None, file=os.fspath(path))
    except ReadError as error:
        raise InvalidInput(f"{verb}: {name} cannot be read: {error}") from error


def _finite(name: str, x: Any, y: Any, sigma: Any, verb: str) -> SecondSpectrum:
    grid, values = np.asarray(x, float), np.asarray(y, float)
    errors = None if sigma is None else np.asarray(sigma, float)
    if grid.ndim != 1 or grid.shape != values.shape:
        raise InvalidInput(
            f"{verb}: {name} has {grid.shape} wavenumbers and {values.shape} values; both must be one row."
        )
    good = np.isfinite(grid) & np.isfinite(values)
    if good.sum() < 2:
        raise InvalidInput(f"{verb}: {name} has {good.sum()} finite points; at least 2 are needed.")
    order = np.argsort(grid[good])
    grid, values = grid[good][order], values[good][order]
    if not (np.diff(grid) > 0).all():
        raise InvalidInput(f"{verb}: {name} repeats wavenumbers; average them first.")
    return SecondSpectrum(name, grid, values, None if errors is None else errors[good][order])
