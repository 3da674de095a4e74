"""Where a spectrum has bands: added one after another, each where most is left over, as long as the fit gains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.bands.noise import local_mean
from raman.bands.table import TECHNIQUES
from spectra.dataset import as_dataset, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.fitting import fit_arrays
from spectra.fitting.arrays import FitResult

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Sought", "find_peaks", "seek_bands"]

Floats = npt.NDArray[np.float64]

#: Ratio of neighbouring widths that are tried.
STEP = 1.4
#: Median of the size of a standard normal number.
MEDIAN = 0.6745
#: Share of the spectrum by which lines may depart from their shape: what is left under a strong band is no band.
IMPERFECT = 0.01
#: Gain in AICc that a band must bring.
GAIN = 10.0


@dataclass(frozen=True)
class Sought:
    """Bands by ascending position: positions and widths in 1/cm, and how far each stands out, in sigma of the noise."""

    position: Floats
    fwhm: Floats
    significance: Floats


def seek_bands(
    dataset: xr.Dataset,
    *,
    window: tuple[float, float] | None = None,
    variable: str | None = None,
    significance: float = 6.0,
    widths: tuple[float, float] | None = None,
    most: int = 20,
) -> tuple[dict[str, Any], ...]:
    """Positions and widths of the bands of a spectrum, as start values that ``raman.fit_bands`` takes.

    Of a series the bands of its mean. Lorentzian bands on a polynomial are added one after another, each where the
    residual departs most from noise, and all are fitted again; it ends where the next one is not worth its parameters
    (AICc) or weaker than ``significance``. Fluorescence that is no cubic has to be subtracted before
    (``spectra.subtract_baseline``). Bands closer than about half their width come out as one.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``raman_shift`` or ``wavenumber``.
    window : (float, float), optional
        In 1/cm. Default: the whole axis.
    variable : str, optional
        Default: ``net`` where it is, else the measured quantity.
    significance : float
        Of the weakest band, in sigma of the noise.
    widths : (float, float), optional
        Smallest and largest width in 1/cm that is looked for. Default: three points to a sixth of the window.
    most : int
        Largest number of bands.

    Returns
    -------
    tuple of dict
        ``name``, ``position`` with its range, ``fwhm`` with its range; empty where there is no band.

    Raises
    ------
    InvalidInput
        Another axis, a window with fewer than 20 points, nothing measured.

    Examples
    --------
    >>> import numpy as np, spectra, raman
    >>> lines = {"a": {"shape": "lorentzian", "position": 520.3, "area": 900.0, "fwhm": 8.0}}
    >>> wafer = spectra.simulate(np.arange(400.0, 700.0), lines, noise=1.0, rng=1, axis="raman_shift")
    >>> [band["name"] for band in raman.seek_bands(wafer)]
    ['520']
    """
    data = as_dataset(dataset, verb="seek_bands")
    axis = spectral_axis(data)
    if axis not in TECHNIQUES:
        raise InvalidInput(f"seek_bands works along {' or '.join(TECHNIQUES)}, and this dataset has {axis}.")
    name = variable or ("net" if "net" in data else signal_name(data))
    if name not in data or axis not in data[name].dims:
        raise InvalidInput(f"there is no variable {name!r} along {axis} to look for bands in.")
    mean = data[name].mean(series_dims(data), skipna=True)
    low, high = sorted(window) if window else (-np.inf, np.inf)
    x, y = data[axis].values.astype(float), np.asarray(mean.values, float)
    inside = (x >= low) & (x <= high) & np.isfinite(y)
    if np.count_nonzero(inside) < 20:
        raise InvalidInput(
            f"seek_bands needs 20 points, and {np.count_nonzero(inside)} were measured in the window."
        )
    found = find_peaks(x[inside], y[inside], significance=significance, widths=widths, most=most)
    return tuple(_table(*one, found.position) for one in zip(found.position, found.fwhm, strict=True))


def _table(position: float, fwhm: float, others: Floats) -> dict[str, Any]:
    """Start values and limits: half a width to either side, and never past the middle to the next band."""
    gap = np.abs(others - position)
    room = float(min(0.5 * fwhm, 0.5 * gap[gap > 0].min(initial=np.inf)))
    return {
        "name": f"{position:.0f}",
        "position": {
            "value": round(position, 3),
            "range": (round(position - room, 3), round(position + room, 3)),
        },
        "fwhm": {"value": round(fwhm, 3), "range": (round(fwhm / 4, 3), round(2.5 * fwhm, 3))},
    }


def find_peaks(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    significance: float = 6.0,
    widths: tuple[float, float] | None = None,
    most: int = 20,
) -> Sought:
    """Peaks of one spectrum on a cubic.

    Parameters
    ----------
    x, y : (n,) arrays
        Axis, ascending, and a spectrum.
    significance : float
        Of the weakest peak, in sigma of the noise.
    widths : (float, float), optional
        Smallest and largest full width that is looked for. Default: three points to a sixth of the axis.
    most : int
        Largest number of peaks.

    Returns
    -------
    Sought
    """
    axis, values = np.array(x, float), np.asarray(y, float)
    step = float(np.median(np.diff(axis)))
    narrow, wide = widths or (3.0 * step, (axis[-1] - axis[0]) / 6.0)
    floor = np.quantile(values, 0.1)
    noise = max(noise_size(values), 1e-9 * float(np.ptp(values)))
    sigma = np.hypot(noise, IMPERFECT * np.maximum(local_mean(values, 9) - floor, 0.0))
    peaks: list[tuple[float, float]] = []
    best = _fitted(axis, values, sigma, peaks, (narrow, wide))
    while len(peaks) < most:
        place = _departure(axis, (values - best.best_fit) / sigma, narrow, wide, significance)
        if place is None:
            break
        trial = _fitted(axis, values, sigma, [*peaks, place], (narrow, wide))
        if not (best.aicc - trial.aicc > GAIN):
            break
        best = trial
        peaks = list(zip(best.quantity["position"][:-1], best.quantity["fwhm"][:-1], strict=True))
    strong = best.quantity["height"][:-1] > significance * np.nan_to_num(
        best.quantity_sigma["height"][:-1], nan=np.inf
    )
    order = np.argsort(best.quantity["position"][:-1][strong])
    columns = [best.quantity[n][:-1][strong][order] for n in ("position", "fwhm", "height")]
    return Sought(columns[0], columns[1], columns[2] / best.quantity_sigma["height"][:-1][strong][order])


def _fitted(
    x: Floats, y: Floats, sigma: Floats, peaks: Sequence[tuple[float, float]], widths: tuple[float, float]
) -> FitResult:
    """Lorentzians started at ``peaks`` (place, width), on a cubic."""
    model: list[dict[str, Any]] = []
    params: dict[str, Any] = {}
    for i, (at, width) in enumerate(peaks):
        room = max(0.5 * width, 2.0 * widths[0])
        model.append({"shape": "lorentzian", "prefix": f"p{i}_"})
        params[f"p{i}_position"] = {"value": at, "min": max(at - room, x[0]), "max": min(at + room, x[-1])}
        params[f"p{i}_area"] = {"value": 1.0, "min": 0.0}
        start = min(max(width, 1.01 * widths[0]), 0.99 * widths[1])
        params[f"p{i}_fwhm"] = {"value": start, "min": widths[0], "max": widths[1]}
    model.append({"shape": "polynomial", "prefix": "b_", "degree": 3})
    params["b_origin"] = {"value": float(x.mean()), "vary": False}
    return fit_arrays(tuple(model), params, x, y, sigma=sigma, component_curves=False, workers=1, restarts=0)


def _departure(
    x: Floats, residual: Floats, narrow: float, wide: float, significance: float
) -> tuple[float, float] | None:
    """Place and width of the bump that stands out most in a residual over its sigma; None where none does."""
    step = float(np.median(np.diff(x)))
    even = np.arange(x[0], x[-1] + step / 2, step)
    values = np.interp(even, x, residual)
    widths = narrow * STEP ** np.arange(1 + max(0, int(np.log(max(wide / narrow, 1.0)) / np.log(STEP))))
    answers = np.stack([_answer(values, width / step) for width in widths])
    k, i = np.unravel_index(int(answers.argmax()), answers.shape)
    return (float(even[i]), float(widths[k])) if answers[k, i] > significance else None


def noise_size(y: Floats) -> float:
    """Standard deviation of white noise under a smooth curve, from second differences; spikes do not matter."""
    second = y[2:] - 2 * y[1:-1] + y[:-2]
    return float(np.median(np.abs(second)) / (MEDIAN * np.sqrt(6.0)))


def _answer(y: Floats, width: float) -> Floats:
    """Curve folded with the negative second derivative of a Gaussian of full width ``width`` points, of unit norm."""
    from scipy.signal import fftconvolve

    spread = width / 2.3548
    reach = int(np.ceil(4 * spread))
    t = np.arange(-reach, reach + 1) / spread
    curve = (1 - t**2) * np.exp(-0.5 * t**2)
    curve -= curve.mean()
    curve /= np.sqrt((curve**2).sum())
    # straight on beyond the ends, by the slope there, so that an end is no band
    count = min(max(reach, 3), y.size // 4)
    first, last = np.polyfit(np.arange(count), y[:count], 1), np.polyfit(np.arange(count), y[-count:], 1)
    before = np.polyval(first, np.arange(-reach, 0))
    after = np.polyval(last, np.arange(count, count + reach))
    return np.asarray(fftconvolve(np.concatenate([before, y, after]), curve, mode="valid"))
