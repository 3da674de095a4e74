"""Plural scattering taken off low losses: the single scattering distribution, by the Fourier-log method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.eels.deconvolution.low_loss import (
    AROUND,
    CUT,
    HOLES,
    MISSING,
    even_step,
    find_zero_loss,
    known_gain,
    noise_of,
)
from xas.eels.deconvolution.transfer import (
    by_blocks,
    damped,
    inverse,
    log_ratio,
    modified,
    padded_length,
    power_of,
    transform,
    variance_after,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["VERDICTS", "SingleScattering", "check_filter", "fourier_log", "single_scattering"]

Array = npt.NDArray[Any]
AXIS = "energy_loss"

#: Flags of low losses: verdict -> name and explanation.
VERDICTS = {
    MISSING: ("no_zero_loss", "no zero-loss peak within 5 eV of zero, or no end of it: align first, give end, or leave the spectrum out"),
    CUT: ("zero_loss_cut", "the rising side of the zero-loss peak is not in the data: nothing can be deconvolved with it"),
    HOLES: ("missing_channels", "channels inside the spectrum hold no number: fill or leave it out"),
}  # fmt: skip


@dataclass(frozen=True)
class SingleScattering:
    """What one scattering makes of each low loss, and the zero-loss peak that was taken."""

    values: Array  # (..., n)
    sigma: Array  # (..., n)
    zero_loss_end: Array  # (...) eV
    fwhm: Array  # (...) eV, of the zero-loss peak
    verdict: Array  # (...) int, see low_loss


def single_scattering(
    energy: Array,
    y: Array,
    *,
    end: float | None = None,
    modifier: Literal["zero_loss", "gaussian"] = "zero_loss",
    fwhm: float | None = None,
    damping: float = 10.0,
    gain: float | None = 1.0,
    sigma: Array | None = None,
    uncertainty: bool = True,
    workers: int | None = None,
) -> SingleScattering:
    r"""Fourier-log deconvolution of low losses.

    .. math:: S(\nu) = M(\nu) \, \frac{|Z|^2}{|Z|^2 + d P} \, \ln \frac{J(\nu)}{Z(\nu)}

    with the transforms of the spectrum J, of its zero-loss peak Z and of the modifier M (Z itself, or a Gaussian of its
    area), and the power P of the noise in J. To first order,

    .. math:: \delta S = F\!\left[\frac{M}{J} \delta J\right] + F\!\left[\Big(\ln\frac{J}{Z} - 1\Big) \delta Z\right]

    (with a Gaussian the second term is :math:`-(M/Z)\,\delta Z`), and the channels of the peak are in J and in Z: sigma
    follows exactly from the variances of the channels.

    Parameters
    ----------
    energy : (n,) array
        Energy loss in eV, even.
    y : (..., n) array
        Low losses with their zero-loss peak near zero.
    end : float, optional
        Loss in eV where the zero-loss peak ends. Default: the first minimum behind it.
    modifier : {"zero_loss", "gaussian"}
    fwhm : float, optional
        Of the Gaussian in eV. Default: that of the zero-loss peak, in each row.
    damping : float
        d, in units of the power of the noise.
    gain : float, optional
        Variance per count; None: from the highest frequencies.
    sigma : (..., n) array, optional
        Of the channels, instead of ``gain``.
    uncertainty : bool
        Whether sigmas are computed; NaN otherwise.
    workers : int, optional
        Threads. Default: as many as there are processors.

    Returns
    -------
    SingleScattering
        NaN where the zero-loss peak is missing or cut.
    """
    step = even_step(energy, "the low loss")
    n, length = energy.size, padded_length(2 * energy.size)
    kind = np.result_type(y.dtype, np.float32)
    rows = y.reshape(-1, n)
    stated = None if sigma is None else np.broadcast_to(sigma, y.shape).reshape(-1, n)
    out = np.empty((len(rows), n), kind)
    spread = np.empty_like(out) if uncertainty else np.broadcast_to(np.asarray(np.nan, kind), out.shape)
    numbers = np.empty((3, len(rows)))

    def work(part: slice) -> None:
        values = rows[part].astype(kind, copy=False)
        found = find_zero_loss(energy, values, end)
        known = np.isfinite(values)
        clean = np.where(known, values, 0)
        j, z = transform(clean, length), transform(np.where(found.inside, clean, 0), length)
        variance, power = noise_of(clean, j, gain, None if stated is None else stated[part])
        width = found.fwhm if fwhm is None else np.full(len(clean), fwhm)
        m = modified(z, modifier, length, width / step, (found.position - energy[0]) / step)
        made, factor, log = _result(j, z, m, damping * power)
        bad = (found.verdict != 0)[:, None] | ~known
        out[part] = inverse(made, length)[:, :n]
        np.putmask(out[part], bad, np.nan)
        if uncertainty:
            by_rest, by_peak = _answers(j, z, m, factor, log, damping * power)
            inside, outside = (np.where(w, variance, 0) for w in (found.inside, ~found.inside))
            around = AROUND if stated is None else 1
            np.sqrt(variance_after([(by_rest, outside), (by_peak, inside)], n, around), out=spread[part])
            np.putmask(spread[part], bad, np.nan)
        numbers[:, part] = found.end, found.fwhm, found.verdict

    by_blocks(work, len(rows), workers)
    lead = y.shape[:-1]
    return SingleScattering(
        out.reshape(y.shape), spread.reshape(y.shape), numbers[0].reshape(lead), numbers[1].reshape(lead),
        numbers[2].reshape(lead).astype(int),
    )  # fmt: skip


def _result(j: Array, z: Array, m: Array, power: Array) -> tuple[Array, Array, Array]:
    """Transform of the result, the damping at each frequency, and the logarithm."""
    log, squares = log_ratio(j, z), power_of(z)
    factor = squares / np.maximum(
        squares + power[:, None].astype(squares.dtype), np.finfo(squares.dtype).tiny
    )
    made = m * log
    made *= factor
    return made, factor, log


def _answers(j: Array, z: Array, m: Array, factor: Array, log: Array, power: Array) -> tuple[Array, Array]:
    """Answers of the result to channels outside of the peak, and to those in it."""
    outside = damped(m, j, power)
    outside *= factor
    if m is z:  # the modifier moves with the peak
        return outside, (log - 1) * factor + outside
    return outside, outside - damped(m, z, power)


def check_filter(end: float | None, fwhm: float | None, damping: float, modifier: str, last: float) -> None:
    """Refuse options of the filter that mean nothing."""
    if end is not None and not 0 < end < last:
        raise InvalidInput(f"end is a loss above 0 inside the low loss, up to {last:g} eV, got {end:g}.")
    if fwhm is not None and modifier == "zero_loss":
        raise InvalidInput("fwhm is that of modifier='gaussian': name it, or leave fwhm out.")
    if fwhm is not None and not 0 < fwhm <= 20:
        raise InvalidInput(f"fwhm is the width of the modifier in eV, above 0 and up to 20, got {fwhm:g}.")
    if not 0 <= damping <= 1e6:
        raise InvalidInput(
            f"damping is in units of the power of the noise, 0 or more, 10 by default, got {damping:g}."
        )


@verb("xas.eels.fourier_log", axis=AXIS)
def fourier_log(
    dataset: xr.Dataset,
    *,
    end: float | None = None,
    modifier: Literal["zero_loss", "gaussian"] = "zero_loss",
    fwhm: float | None = None,
    damping: float = 10.0,
    gain: float | None = None,
    uncertainty: bool = True,
) -> xr.Dataset:
    r"""Take plural scattering off low losses: the single scattering distribution, by the Fourier-log method.

    .. math:: S(\nu) = M(\nu) \, \Phi(\nu) \, \ln \frac{J(\nu)}{Z(\nu)}, \quad \Phi = \frac{|Z|^2}{|Z|^2 + d P}

    with the transforms of the spectrum J, of its zero-loss peak Z and of the modifier M, and the power P of the noise.
    Spectra are padded with zeros to twice their length and the phase of the logarithm is continuous.

    Parameters
    ----------
    dataset : xarray.Dataset
        Low-loss spectra with the zero-loss peak near zero (:func:`xas.eels.align_zero_loss`), on an even axis that
        begins some eV below it.
    end : float, optional
        Loss in eV where the zero-loss peak ends. Default: in each spectrum, the first minimum behind the peak.
    modifier : {"zero_loss", "gaussian"}
        What a line without width becomes: the zero-loss peak itself, which leaves the resolution as it is, or a Gaussian of
        the same area.
    fwhm : float, optional
        Full width at half maximum of the Gaussian in eV. Default: that of the zero-loss peak, in each spectrum.
    damping : float
        d: frequencies at which the zero-loss peak is weaker than d times the noise are damped. 0: none.
    gain : float, optional
        Variance of a channel per count. Default: the stated sigmas, else 1 where the unit is counts, else what the highest
        quarter of the frequencies says (too much where the zero-loss peak is two channels wide).
    uncertainty : bool
        Whether sigmas are computed, which takes two thirds of the time; NaN otherwise.

    Returns
    -------
    xarray.Dataset
        With ``single_scattering`` and its sigma along the axis, in the signal's units; ``zero_loss_end`` and
        ``zero_loss_fwhm`` (eV). Spectra without a zero-loss peak are flagged ``no_zero_loss``, with a cut one
        ``zero_loss_cut``, with channels that hold no number ``missing_channels``, and hold NaN.

    Raises
    ------
    InvalidInput
        If the axis is uneven or cannot hold the peak, or options do not go together.

    Notes
    -----
    The area of the distribution over that of the zero-loss peak is t/λ, that of :func:`xas.eels.thickness` with the same
    end. Scattering is taken to be in the forward direction: a collection aperture as small as the angles of plural scattering
    breaks this. Losses beyond the data do not disturb those inside. Sigmas are to first order, exact in the covariance
    of the peak with the spectrum; neighbouring channels are correlated. Below the end of the peak the distribution is
    what the peak is not, and means nothing.

    References
    ----------
    R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, doi:10.1007/978-1-4419-9583-4.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> loss = np.arange(-10.0, 120.0, 0.25)
    >>> def peak(at, width):
    ...     return np.exp(-(((loss - at) / width) ** 2)) / width
    >>> plural = peak(0, 0.6) + 0.8 * peak(22, 4.04) + 0.32 * peak(44, 5.69) + 0.085 * peak(66, 6.95)
    >>> low = spectra.from_arrays(loss, 1e5 * plural, axis="energy_loss", name="counts", units="counts")
    >>> low = xas.eels.fourier_log(low)
    >>> single = low.single_scattering
    >>> round(float(single.sel(energy_loss=22) / low.counts.sel(energy_loss=22)), 2)
    1.0
    >>> bool(abs(single.sel(energy_loss=44)) < 0.01 * low.counts.sel(energy_loss=44))
    True
    """
    energy, signal = dataset[AXIS].values.astype(float), signal_name(dataset)
    step = even_step(energy, "the dataset")
    check_filter(end, fwhm, damping, modifier, energy[-1])
    if energy[0] >= -step or energy[-1] <= 5:
        raise InvalidInput(
            f"the data from {energy[0]:g} to {energy[-1]:g} eV do not hold the zero-loss peak with its rising side and losses "
            "behind it: fourier_log needs low-loss spectra from some eV below zero."
        )
    known = dataset.get(f"{signal}_sigma")
    gain = None if known is not None else known_gain(dataset, gain)
    told = "stated sigmas" if known is not None else gain or "from the highest frequencies"
    resolve(gain=told)
    if told == "from the highest frequencies":
        note("the noise was read from the highest quarter of the frequencies: the unit is not counts")

    def kernel(values: Array, *more: Array) -> dict[str, Array]:
        made = single_scattering(
            energy, values, end=end, modifier=modifier, fwhm=fwhm, damping=damping, gain=gain,
            sigma=more[0] if more else None, uncertainty=uncertainty,
        )  # fmt: skip
        return vars(made)

    inputs: list[Any] = [(dataset[signal], (AXIS,))]
    inputs += [] if known is None else [(known, (AXIS,))]
    kind = np.result_type(dataset[signal].dtype, np.float32)
    outputs: dict[str, tuple[str, ...]] = {"values": (AXIS,), "sigma": (AXIS,)}
    outputs |= dict.fromkeys(("zero_loss_end", "fwhm", "verdict"), ())
    made = map_spectra(kernel, inputs, outputs, dtypes={"values": kind, "sigma": kind, "verdict": int})
    dims = series_dims(dataset)
    order, units = dataset[signal].dims, str(dataset[signal].attrs.get("units", ""))
    text = "single scattering distribution"
    how = {"modifier": modifier, "damping": damping, "method": "Fourier-log"}
    how |= {"fwhm": fwhm} if fwhm is not None else {}
    result = dataset.assign(
        single_scattering=made["values"].transpose(*order).assign_attrs(units=units, long_name=text, **how),
        single_scattering_sigma=made["sigma"].transpose(*order).assign_attrs(
            units=units, long_name=f"standard uncertainty of the {text} from noise, correlated between channels"
        ),
        zero_loss_end=made["zero_loss_end"].transpose(*dims).assign_attrs(
            units="eV", long_name="end of the zero-loss peak"
        ),
        zero_loss_fwhm=made["fwhm"].transpose(*dims).assign_attrs(
            units="eV", long_name="full width at half maximum of the zero-loss peak"
        ),
    )  # fmt: skip
    for verdict, (name, explanation) in VERDICTS.items():
        result = flag(result, made["verdict"] == verdict, name, explanation)
    return result
