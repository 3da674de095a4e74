"""Energy scale by features whose energies are known: offset, and dispersion where there are two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.knowledge import number
from spectra.verbs import note, resolve, verb
from xas.eels.background.subtraction import AXES
from xas.eels.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["calibrate_energy", "highest"]

Array = npt.NDArray[Any]


@verb("xas.eels.calibrate_energy", axis=AXES, together=True)
def calibrate_energy(
    dataset: xr.Dataset, *, features: dict[str, tuple[float, float, float]], half_width: float | None = None
) -> xr.Dataset:
    r"""Move the energy scale so that features of the sum of all spectra lie where they are known to.

    .. math:: E' = a + b\,E, \quad b = 1 \text{ for one feature}

    Distances between spectra of the series stay: shifts that change from spectrum to spectrum are taken out by
    :func:`xas.eels.align_zero_loss`, before.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``energy_loss`` or ``energy``, before their background is subtracted.
    features : dict
        Name of each feature, where to look for its maximum on the scale as it is, and its true energy, in eV:
        ``{"zero loss": (-3, 3, 0.0)}``, ``{"O K": (525, 545, 532.0), "Mn L3": (640, 655, 641.5)}``. Of two and more a line
        is fitted, that also corrects the dispersion.
    half_width : float, optional
        Of the parabola through each maximum, in eV. Default: three channels.

    Returns
    -------
    xarray.Dataset
        With a moved axis, ``energy_shift`` (eV; of the middle of the features), ``dispersion_factor`` b, and
        ``attrs["energy_scale"]``, which calibrations of valence compare.

    Raises
    ------
    InvalidInput
        No feature, no maximum inside of its range, a background that was subtracted before, a scale that would turn.

    Notes
    -----
    Of files of one film the absolute energies differ by up to 7 eV, and of different programs by up to 11: what is
    known of the sample counts, not the file. Whether the lines of a 3d metal lie as far apart as its 2p levels
    (``splitting`` of :func:`xas.eels.white_line_ratio`, flag ``splitting_off``) tells of the dispersion, good to 2 eV.

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> loss = np.arange(500.0, 700.0, 0.5)
    >>> counts = 100 * np.exp(-(((loss - 538.3) / 2) ** 2)) + 100 * np.exp(-(((loss - 648.7) / 2) ** 2))
    >>> edge = spectra.from_arrays(loss, counts, axis="energy_loss", name="counts")
    >>> edge = xas.eels.calibrate_energy(edge, features={"Mn L3": (644, 654, 642.0)})
    >>> round(float(edge.energy_shift), 1)
    -6.7
    """
    if "background" in dataset or "net" in dataset:
        raise InvalidInput("the background was subtracted on the old scale: calibrate the energy before.")
    if not features:
        raise InvalidInput('features names at least one, as in {"zero loss": (-3, 3, 0.0)}.')
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    energy = dataset[axis].values.astype(float)
    others = [d for d in dataset[signal].dims if d != axis]
    total = dataset[signal].sum(others, skipna=True).values.astype(float)
    half = 3 * float(np.median(np.diff(energy))) if half_width is None else half_width
    found = {name: highest(energy, total, low, high, half, name) for name, (low, high, _) in features.items()}
    true = np.array([to for *_, to in features.values()])
    there = np.array(list(found.values()))
    factor = float(np.polyfit(there - there.mean(), true - true.mean(), 1)[0]) if there.size > 1 else 1.0
    if not 0.5 < factor < 2:
        raise InvalidInput(
            f"these features would stretch the scale by {factor:.3g}: {_listed(found, features)}. Look at which maxima are meant."
        )
    scale = true.mean() + factor * (energy - there.mean())
    shift = float(true.mean() - there.mean())
    left = true - (true.mean() + factor * (there - there.mean()))
    resolve(shift=shift, factor=factor)
    note(f"energy scale moved by {shift:+.2f} eV at {there.mean():.1f} eV ({_listed(found, features)})")
    if there.size > 2:
        note(f"the features lie {np.abs(left).max():.2f} eV off the line at most")
    if there.size > 1 and abs(factor - 1) > number(load_table("l_edges")["dispersion"]["tolerance"]):
        note(
            f"the dispersion differs by {100 * (factor - 1):+.1f} %: is every feature what it was taken for?"
        )
    named = ", ".join(f"{name} at {to:g} eV" for name, (*_, to) in features.items())
    result = dataset.assign_coords({axis: (axis, scale, dataset[axis].attrs)})
    return result.assign(
        energy_shift=((), shift, {"units": "eV", "long_name": "shift of the energy scale"}),
        dispersion_factor=((), factor, {"units": "", "long_name": "factor of the dispersion"}),
    ).assign_attrs(energy_scale=named)


def highest(energy: Array, y: Array, low: float, high: float, half: float, name: str) -> float:
    """Place of the maximum of ``y`` (n,) between ``low`` and ``high``, by a parabola through what is ``half`` around it.

    Raises
    ------
    InvalidInput
        The range holds no maximum: too few channels, or the highest of them is at its end.
    """
    inside = np.flatnonzero((energy >= low) & (energy <= high))
    if inside.size < 3:
        raise InvalidInput(
            f"{name}: ({low:g}, {high:g}) eV holds {inside.size} channels of data from {energy[0]:g} to {energy[-1]:g} eV; give "
            "the range on the scale as it is."
        )
    top = int(inside[np.nanargmax(y[inside])]) if np.isfinite(y[inside]).any() else int(inside[0])
    near = np.abs(energy - energy[top]) <= half * (1 + 1e-9)
    if top in (inside[0], inside[-1]) or near.sum() < 3:
        raise InvalidInput(
            f"{name}: no maximum inside ({low:g}, {high:g}) eV, the signal rises to its end: move the range."
        )
    bend, slope, _ = np.polyfit(energy[near] - energy[top], y[near], 2)
    if not bend < 0 or abs(slope / (2 * bend)) > 2 * half:
        raise InvalidInput(
            f"{name}: what is highest inside ({low:g}, {high:g}) eV is no maximum: widen half_width."
        )
    return float(energy[top] - slope / (2 * bend))


def _listed(found: dict[str, float], features: dict[str, tuple[float, float, float]]) -> str:
    return ", ".join(f"{name} at {at:.2f} instead of {features[name][2]:g} eV" for name, at in found.items())
