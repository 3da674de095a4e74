"""Interferograms turned into spectra: apodised, corrected for phase after Mertz, transformed; uncertainties carried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from raman.tables import load_table
from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Transformed", "apodization_window", "spectrum_of_interferogram", "transform_interferogram"]

FloatArray = npt.NDArray[np.float64]
Apodization = Literal[
    "boxcar", "triangular", "happ_genzel", "blackman_harris_3", "norton_beer_weak", "norton_beer_medium",
    "norton_beer_strong",
]  # fmt: skip
Phase = Literal["mertz", "magnitude", "none"]

AXIS = "path_difference"
#: Points that must lie on the shorter side of the burst for a phase.
_FEWEST = 8
#: Largest difference between steps of an even path, relative.
_EVEN = 1e-5
#: Both sides count as equally long, and are used alike, from this part of the longer on.
_TWO_SIDED = 0.9
#: Windows too sharp for the few points that give the phase.
_SHARP = ("boxcar", "triangular")


@dataclass(frozen=True)
class Transformed:
    """Spectra of interferograms; NaN where there was none to be had."""

    spectrum: FloatArray  # (..., m)
    sigma: FloatArray  # (..., m), NaN without uncertainties
    phase: FloatArray  # (..., m) rad
    unmeasured: npt.NDArray[np.bool_]  # (...) not finite
    no_burst: npt.NDArray[np.bool_]  # (...) flat, or its burst too close to an end


def apodization_window(u: npt.ArrayLike, name: Apodization) -> FloatArray:
    """Weight at the part ``u`` (0 to 1) of the longest path difference; 1 at its zero.

    Parameters
    ----------
    u : array
        Path difference as a part of the longest one; below zero as above it.
    name : str
        One of the windows of the table: ``boxcar``, ``triangular``, ``happ_genzel``, ``blackman_harris_3``,
        ``norton_beer_weak``, ``norton_beer_medium``, ``norton_beer_strong``.

    Returns
    -------
    array
        Of the shape of ``u``.

    Examples
    --------
    >>> apodization_window([0.0, 0.5, 1.0], "happ_genzel").round(2)
    array([1.  , 0.54, 0.08])
    """
    entry = _entry(name)
    part = np.clip(np.abs(np.asarray(u, float)), 0.0, 1.0)
    if entry["form"] == "triangle":
        return np.asarray(1 - part)
    terms = entry["coefficients"]
    if entry["form"] == "beer":
        return np.asarray(sum(c * (1 - part**2) ** k for k, c in enumerate(terms)))
    return np.asarray(sum(c * np.cos(k * np.pi * part) for k, c in enumerate(terms)))


def _entry(name: str) -> dict[str, Any]:
    return next(dict(w) for w in load_table("apodization")["window"] if w["name"] == name)


def transform_length(points: int, zero: int, zero_filling: int) -> int:
    """Length of the transform: ``zero_filling`` times the next power of two above the longer side of the burst."""
    longer = max(zero, points - 1 - zero, 1)
    return zero_filling * (1 << (longer - 1).bit_length())


def spectrum_of_interferogram(
    values: npt.ArrayLike,
    step: float,
    length: int,
    *,
    apodization: Apodization = "happ_genzel",
    phase: Phase = "mertz",
    phase_points: int | None = None,
    sigma: npt.ArrayLike | None = None,
) -> Transformed:
    r"""Spectrum :math:`S(\tilde\nu) = \int I(\delta)\, e^{-2\pi i \tilde\nu \delta}\, d\delta` of interferograms.

    Each is taken from its burst (the point furthest from the mean), apodised up to the end of its longer side, and
    weighted by a ramp through the burst where one side is shorter, so that no path difference counts twice. With
    ``mertz`` the phase comes from the two-sided part about the burst, and the real part after its correction is the
    spectrum. Its uncertainty is exact for uncertainties of the points that are independent of each other, with the
    phase as known: an error of the phase counts in second order only.

    Parameters
    ----------
    values : (..., n) array
        Interferograms.
    step : float
        Path difference from point to point in cm.
    length : int
        Points of the transform, even and at least ``n``.
    apodization, phase : str
        See :func:`transform_interferogram`.
    phase_points : int, optional
        Points to either side of the burst that give the phase. Default: all of the shorter side.
    sigma : (..., n) array, optional
        Standard uncertainties of the points.

    Returns
    -------
    Transformed
        ``spectrum`` and ``sigma`` (..., m) with m = ``length`` // 2 + 1, at multiples of 1/(``length`` ``step``) in 1/cm;
        ``phase`` in rad. NaN where an interferogram is not finite or has no burst, which is said per spectrum.
    """
    y = np.asarray(values, float)
    lead, n = y.shape[:-1], y.shape[-1]
    flat = y.reshape(-1, n)
    errors = None if sigma is None else np.broadcast_to(np.asarray(sigma, float), y.shape).reshape(-1, n)
    m = length // 2 + 1
    out = np.full((3, len(flat), m), np.nan)
    unmeasured = ~np.isfinite(flat).all(-1)
    safe = np.where(unmeasured[:, None], 0.0, flat)
    centred = safe - safe.mean(-1, keepdims=True)
    burst = np.abs(centred).argmax(-1)
    short = np.minimum(burst, n - 1 - burst)
    no_burst = ~unmeasured & ((short < _FEWEST) | (np.ptp(safe, axis=-1) == 0))
    good = ~unmeasured & ~no_burst
    for at in np.unique(burst[good]):  # one transform for all that have their burst at the same point
        rows = np.flatnonzero(good & (burst == at))
        part = None if errors is None else errors[rows]
        out[:, rows] = _transformed(
            centred[rows], part, int(at), step, length, apodization, phase, phase_points
        )
    spectrum, error, angle = (a.reshape(*lead, m) for a in out)
    return Transformed(spectrum, error, angle, unmeasured.reshape(lead), no_burst.reshape(lead))


def _transformed(
    y: FloatArray, errors: FloatArray | None, zero: int, step: float, length: int, apodization: Apodization,
    phase: Phase, phase_points: int | None,
) -> FloatArray:  # fmt: skip
    """Spectrum, sigma and phase of interferograms with their burst at one point, stacked."""
    n = y.shape[-1]
    left, right = zero, n - 1 - zero
    short, longer = min(left, right), max(left, right)
    j = np.arange(n) - zero
    weight = apodization_window(j / (longer + 1), apodization)
    if short < _TWO_SIDED * longer:
        side = 1 if right > left else -1
        weight = weight * np.clip(1 + side * j / short, 0.0, 2.0)
    near = min(short, phase_points or short)
    middle = np.abs(j) <= near
    soft: Apodization = "happ_genzel" if apodization in _SHARP else apodization
    whole = np.fft.rfft(_placed(y * weight, j, length)) * step
    if phase == "magnitude":
        angle = np.angle(whole)
    elif phase == "none":
        angle = np.zeros(whole.shape)
    else:
        window = np.where(middle, apodization_window(j / (near + 1), soft), 0.0)
        angle = np.angle(np.fft.rfft(_placed(y * window, j, length)))
    turn = np.exp(-1j * angle)
    spectrum = (whole * turn).real
    if errors is None:
        return np.stack([spectrum, np.full(spectrum.shape, np.nan), angle])
    # variance of a sum of cosines: half of the variances, and half of their own transform at twice the wavenumber
    variance = (errors * weight) ** 2
    twice = np.fft.fft(_placed(variance, j, length))[..., 2 * np.arange(spectrum.shape[-1]) % length]
    both = variance.sum(-1, keepdims=True) + (twice * turn**2).real
    return np.stack([spectrum, step * np.sqrt(np.maximum(both, 0) / 2), angle])


def _placed(values: FloatArray, j: npt.NDArray[np.int_], length: int) -> FloatArray:
    """Values with the burst at the first place, those before it at the end, as the transform wants them."""
    placed = np.zeros((*values.shape[:-1], length))
    placed[..., j % length] = values
    return placed


@verb("raman.transform_interferogram", axis=AXIS)
def transform_interferogram(
    dataset: xr.Dataset,
    *,
    apodization: Apodization = "happ_genzel",
    zero_filling: Literal[2, 4, 8, 16] = 4,
    phase: Phase = "mertz",
    phase_resolution: float | None = None,
    window: tuple[float, float] | None = None,
) -> xr.Dataset:
    r"""Turn interferograms into single-channel spectra; add ``single_channel`` along ``wavenumber``.

    The mean is taken off, the burst found, the interferogram apodised, filled with zeros, and transformed; the phase
    of the two-sided part about the burst corrects the whole (Mertz). The scale is that of the integral over path
    difference; programs of instruments use scales of their own, which a ratio with a background does not see.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``interferogram`` along ``path_difference`` (cm, even steps, zero at the burst); any series dimensions.
    apodization : str
        ``boxcar``, ``triangular``, ``happ_genzel``, ``blackman_harris_3``, ``norton_beer_weak``,
        ``norton_beer_medium`` or ``norton_beer_strong``: less ringing beside sharp lines, and wider lines, from
        the first to the last.
    zero_filling : {2, 4, 8, 16}
        Length of the transform in powers of two above the longer side: 2 gives every independent point, 4 one more
        between each two.
    phase : {"mertz", "magnitude", "none"}
        ``magnitude`` takes the absolute value of the transform (for two-sided interferograms; noise adds up),
        ``none`` its real part.
    phase_resolution : float, optional
        Resolution in 1/cm of the phase, which sets how much of the path about the burst it is taken from. Default:
        all of the shorter side.
    window : (float, float), optional
        Wavenumbers in 1/cm to keep. Default: all, from 0 to the limit that the steps set.

    Returns
    -------
    xarray.Dataset
        With ``single_channel``, its ``_sigma`` where the interferogram has one, and ``phase`` (rad). An interferogram
        that is flat, or has its burst within 8 points of an end, is flagged ``no_burst``.

    Raises
    ------
    InvalidInput
        Another quantity, uneven steps, a path that has no zero, a window that holds nothing.

    References
    ----------
    L. Mertz, Infrared Phys. 7, 17 (1967).

    Examples
    --------
    >>> import numpy as np, raman, spectra
    >>> path = (np.arange(400) - 100) * 1e-4
    >>> wave = np.cos(2 * np.pi * 1000 * path) * np.exp(-((path / 0.005) ** 2))
    >>> data = spectra.from_arrays(path, wave, axis="path_difference", name="interferogram")
    >>> spectrum = raman.transform_interferogram(data)
    >>> round(float(spectrum.wavenumber[int(spectrum.single_channel.argmax("wavenumber"))]), -1)
    1000.0
    """
    signal = signal_name(dataset)
    if signal != "interferogram":
        raise InvalidInput(
            f"raman.transform_interferogram works on interferograms, and this dataset holds {signal}."
        )
    path = dataset[AXIS].values.astype(float)
    step, zero = _steps(path)
    length = transform_length(path.size, zero, zero_filling)
    wavenumber: FloatArray = np.fft.rfftfreq(length, step).astype(np.float64)
    kept = _kept(wavenumber, window)
    points = None
    if phase_resolution is not None:
        if not phase_resolution > 0:
            raise InvalidInput(f"phase_resolution must be above 0 1/cm, got {phase_resolution:g}.")
        points = max(round(1 / (phase_resolution * step)), _FEWEST)
    entry = _entry(apodization)
    if entry["status"] == "to-verify":
        note(f"the coefficients of {apodization} are still to be checked against {entry['source']}")
    if phase == "magnitude":
        note("magnitudes are never negative: noise is turned up where there is little light")
    sigma = dataset.get("interferogram_sigma")
    inputs = [(dataset[signal], (AXIS,))] + ([] if sigma is None else [(sigma, (AXIS,))])

    def kernel(values: FloatArray, errors: FloatArray | None = None) -> dict[str, Any]:
        made = spectrum_of_interferogram(
            values, step, length, apodization=apodization, phase=phase, phase_points=points, sigma=errors
        )
        return {
            **vars(made),
            **{name: getattr(made, name)[..., kept] for name in ("spectrum", "sigma", "phase")},
        }

    outputs: dict[str, tuple[str, ...]] = {
        "spectrum": ("wavenumber",), "phase": ("wavenumber",), "unmeasured": (), "no_burst": ()
    }  # fmt: skip
    if sigma is not None:
        outputs["sigma"] = ("wavenumber",)
    size = int(kept.sum())
    made = map_spectra(
        kernel, inputs, outputs, sizes={"wavenumber": size}, dtypes={"unmeasured": bool, "no_burst": bool}
    )
    units = f"{dataset[signal].attrs.get('units', '')} cm".strip()
    resolve(
        phase_resolution=phase_resolution, window=(float(wavenumber[kept][0]), float(wavenumber[kept][-1]))
    )
    note(f"{length} points were transformed: one spectral point every {wavenumber[1]:.5g} 1/cm")
    result = dataset.drop_dims(AXIS).assign_coords(
        wavenumber=("wavenumber", wavenumber[kept], {"units": "1/cm"})
    )
    result = result.assign(
        single_channel=made["spectrum"].assign_attrs(units=units, long_name="single channel"),
        phase=made["phase"].assign_attrs(units="rad", long_name="phase"),
    ).assign_attrs(signal="single_channel", technique="ftir")
    if sigma is not None:
        result = result.assign(single_channel_sigma=made["sigma"].assign_attrs(units=units))
    result = flag(
        result, made["unmeasured"], "not_measured", "the interferogram holds values that are not finite"
    )
    return flag(
        result, made["no_burst"], "no_burst",
        "the interferogram is flat, or its burst lies within 8 points of an end: begin to measure earlier",
    )  # fmt: skip


def _steps(path: FloatArray) -> tuple[float, int]:
    """Step of an even path and the point of its zero."""
    steps = np.diff(path)
    step = float(steps.mean())
    if np.abs(steps - step).max() > _EVEN * step:
        raise InvalidInput(
            f"the steps of path_difference run from {steps.min():g} to {steps.max():g} cm; even ones are needed."
        )
    if not path[0] <= 0 <= path[-1]:
        raise InvalidInput(
            f"path_difference runs from {path[0]:g} to {path[-1]:g} cm; its zero, the burst, must lie inside."
        )
    return step, int(np.abs(path).argmin())


def _kept(wavenumber: FloatArray, window: tuple[float, float] | None) -> npt.NDArray[np.bool_]:
    if window is None:
        return np.ones(wavenumber.size, bool)
    low, high = sorted(window)
    kept = (wavenumber >= low) & (wavenumber <= high)
    if kept.sum() < 2:
        raise InvalidInput(
            f"window ({low:g}, {high:g}) holds {kept.sum()} points; wavenumbers run from 0 to {wavenumber[-1]:.6g}."
        )
    return kept
