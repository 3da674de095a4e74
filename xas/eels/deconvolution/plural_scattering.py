"""Plural scattering taken off core losses: the core loss divided by the low loss, in Fourier space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name
from spectra.verbs import note, resolve, verb
from xas.eels.channels.linear_variance import Noise
from xas.eels.deconvolution.core_loss import CoreLoss, core_loss
from xas.eels.deconvolution.low_loss import LowLoss, find_zero_loss, noise_of, on_step, paired, same_step
from xas.eels.deconvolution.single_scattering import VERDICTS, check_filter
from xas.eels.deconvolution.transfer import (
    by_blocks,
    damped,
    inverse,
    modified,
    padded_length,
    transform,
    variance_after,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Divisor", "divide", "divisor", "fourier_ratio"]

Array = npt.NDArray[Any]
AXIS = "energy_loss"
Modifier = Literal["zero_loss", "gaussian"]
#: Responses are kept for lags from this many eV below zero: no zero-loss peak is wider.
BELOW = 20.0
HOLES = 3


@dataclass(frozen=True)
class Divisor:
    r"""What core losses are multiplied with in Fourier space, :math:`W = M \bar L / (|L|^2 + dP)`, of rows of low losses."""

    weights: Array  # (rows, f)
    over_low: Array  # (rows, f): the damped 1/L
    variance: Array  # (rows, m) of the low loss
    inside: Array  # (rows, m) its zero-loss peak
    moves: bool  # whether the modifier is that peak
    length: int
    fwhm: Array  # (rows,) eV, of the zero-loss peak
    end: Array
    verdict: Array


def divisor(
    energy: Array,
    low: Array,
    channels: int,
    *,
    end: float | None = None,
    modifier: Modifier = "zero_loss",
    fwhm: float | None = None,
    damping: float = 10.0,
    gain: float | None = 1.0,
    sigma: Array | None = None,
) -> Divisor:
    """Divisor of core losses of ``channels`` channels, from low losses (rows, m) on the same step.

    Parameters
    ----------
    energy : (m,) array
        Energy loss in eV, even, with the zero-loss peak near zero.
    low : (rows, m) array
    channels : int
    end, modifier, fwhm, damping, gain, sigma
        See :func:`xas.eels.deconvolution.single_scattering.single_scattering`.
    """
    step = float(energy[-1] - energy[0]) / (energy.size - 1)
    last = int(np.searchsorted(energy, channels * step)) + 1  # losses that reach no channel
    energy, low = energy[:last], low[:, :last]
    found = find_zero_loss(energy, low, end)
    clean = np.where(np.isfinite(low), low, 0)
    length = padded_length(max(2 * channels, energy.size))
    whole, zero = transform(clean, length), transform(np.where(found.inside, clean, 0), length)
    variance, power = noise_of(clean, whole, gain, None if sigma is None else sigma[:, :last])
    width = found.fwhm if fwhm is None else np.full(len(low), fwhm)
    m = modified(zero, modifier, length, width / step, (found.position - energy[0]) / step)
    over_low = damped(np.ones_like(whole), whole, damping * power)
    return Divisor(
        m * over_low, over_low, variance, found.inside, modifier == "zero_loss", length, found.fwhm, found.end, found.verdict
    )  # fmt: skip


def divide(net: Array, noise: Noise, by: Divisor) -> tuple[Array, Array]:
    r"""Core losses divided by low losses, and sigma of each channel.

    With the response w of the divisor and independent channels,

    .. math:: \sigma_i^2 = \sum_j w_{i-j}^2 v_j + (w * J)_i^T C \, (w * J)_i + \sum_j h_{i-j}^2 v_{L,j}

    for the counts, for the parameters of the background, and for the low loss, with the transform
    :math:`-D/L` of h, and :math:`(C - D)/L` in its zero-loss peak, where that is the modifier.

    Parameters
    ----------
    net : (rows, n) array
        Core losses; zero where nothing is known.
    noise : Noise
        Of the rows; variance zero where nothing is known.
    by : Divisor
        Of the rows, or a single one.
    """
    n, length = net.shape[-1], by.length
    core = transform(net, length)
    made = core * by.weights
    variance = noise.variance
    by_low = made * by.over_low
    inside, outside = (np.where(w, by.variance, 0) for w in (by.inside, ~by.inside))
    by_peak = core * by.over_low - by_low if by.moves else -by_low
    rows = np.broadcast_to(by.weights, made.shape)
    spread = variance_after([(rows, np.nan_to_num(variance)), (by_low, outside), (by_peak, inside)], n)
    if noise.curve is not None and noise.covariance is not None:
        values, basis = noise.curve_values, noise.curve.basis(noise.energy)
        there = np.asarray(variance > 0)
        moved = []
        for k in range(basis.shape[-1]):
            shape = np.where(there, basis[:, k] if values is None else basis[:, k] * values, 0)
            moved.append(inverse(transform(shape, length) * by.weights, length)[:, :n])
        answer = np.stack(moved, -1)
        spread = spread + np.einsum("rni,rij,rnj->rn", answer, noise.covariance, answer)
    unknown = np.isnan(variance).any(-1, keepdims=True)
    return inverse(made, length)[:, :n], np.where(unknown, np.nan, np.sqrt(np.maximum(spread, 0)))


@verb("xas.eels.fourier_ratio", axis=AXIS)
def fourier_ratio(
    dataset: xr.Dataset,
    low_loss: Any = None,
    *,
    modifier: Modifier = "zero_loss",
    fwhm: float | None = None,
    damping: float = 10.0,
    end: float | None = None,
    start: float | None = None,
    gain: float | None = None,
) -> xr.Dataset:
    r"""Take plural scattering off core losses: ``net`` divided by the low loss, by the Fourier-ratio method.

    .. math:: D(\nu) = C(\nu) \, \frac{M(\nu) \, \bar L(\nu)}{|L|^2 + d P}

    with the transforms of the core loss C, of the low loss L and of the modifier M, and the power P of the noise in L.
    The area of M is that of the zero-loss peak, so that D is the core loss of electrons that lost nothing else.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``net`` from :func:`xas.eels.subtract_background`; or core losses that came without background. An even axis.
    low_loss : xarray.Dataset
        Low losses with the zero-loss peak near zero and from some eV below it, of any length and step: of the same
        series (dual EELS), or one for all. Another step is brought to that of the core loss, its counts shared out.
    modifier : {"zero_loss", "gaussian"}
        What a line without width becomes: the zero-loss peak itself, which leaves the resolution as it is, or a Gaussian of
        the same area.
    fwhm : float, optional
        Full width at half maximum of the Gaussian in eV. Default: that of the zero-loss peak.
    damping : float
        d: frequencies at which the low loss is weaker than d times its noise are damped. 0: none.
    end : float, optional
        Loss in eV where the zero-loss peak ends. Default: the first minimum behind it.
    start : float, optional
        Energy in eV below which there is nothing of the edge. Default: where the background's window begins.
    gain : float, optional
        Variance of a channel of the low loss per count. Default: its stated sigmas, else 1 where the unit is counts, else
        what the highest quarter of the frequencies says.

    Returns
    -------
    xarray.Dataset
        With ``net`` deconvolved (zero below ``start``), ``net_sigma``, and ``net_response`` along ``response_lag`` (eV): what
        a count in one channel became in others. With it :func:`xas.eels.white_line_ratio` knows how channels are
        correlated. ``zero_loss_end`` and ``zero_loss_fwhm`` (eV). Low losses without a zero-loss peak are flagged
        ``no_zero_loss``, with a cut one ``zero_loss_cut``, spectra with channels that hold no number ``missing_channels``.

    Raises
    ------
    InvalidInput
        If there is no low loss, it cannot hold the peak or belongs to another series, an axis is uneven, or ``net``
        was deconvolved before.

    Notes
    -----
    The low loss must reach as far as the core loss does behind its edge: what it does not hold is not taken off. The
    noise of the low loss is in ``net_sigma``, to first order; that of its damping is not.

    References
    ----------
    R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, doi:10.1007/978-1-4419-9583-4.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> loss, energy = np.arange(-10.0, 100.0, 0.5), np.arange(600.0, 700.0, 0.5)
    >>> def peak(x, at, width):
    ...     return np.exp(-(((x - at) / width) ** 2))
    >>> low = 1e6 * peak(loss, 0, 1) + 1e5 * peak(loss, 20, 3)
    >>> seen = np.convolve(1e3 * peak(energy, 640, 1.5), low / low.sum())[20:220]
    >>> low = spectra.from_arrays(loss, low, axis="energy_loss", name="counts", units="counts")
    >>> core = spectra.from_arrays(energy, seen, axis="energy_loss", name="counts", units="counts")
    >>> done = xas.eels.fourier_ratio(core, low)
    >>> bool(core.counts.sel(energy_loss=660) > 50), bool(abs(done.net.sel(energy_loss=660)) < 0.1)
    (True, True)
    """
    core = core_loss(dataset, start, "xas.eels.fourier_ratio")
    low = paired(dataset, low_loss, "low_loss", "xas.eels.fourier_ratio", gain)
    check_filter(end, fwhm, damping, modifier, low.energy[-1])
    resolve(gain="stated sigmas" if low.sigma is not None else low.gain or "from the highest frequencies")
    said(core, low)
    options = {"end": end, "modifier": modifier, "fwhm": fwhm, "damping": damping, "gain": low.gain}
    made = _divided(dataset, core, low, options)
    how = (
        f"Fourier-ratio, modifier {modifier}"
        + (f" of {fwhm:g} eV" if fwhm else "")
        + f", damping {damping:g}"
    )
    return deconvolved(dataset, made, how, core)


def said(core: CoreLoss, low: LowLoss) -> None:
    """Say in the history what was done to the low loss, and what it does not hold."""
    if not same_step(low.step, core.step, core.energy.size):
        note(
            f"low loss brought from its step of {low.step:.4g} eV to that of the core loss, {core.step:.4g} eV, its counts "
            "shared out"
        )
    reach = core.energy[-1] - core.energy[core.first]
    if low.energy[-1] < reach:
        note(
            f"the low loss ends at {low.energy[-1]:.4g} eV, the core loss {reach:.4g} eV behind its start: losses beyond were "
            "not taken off"
        )


def low_rows(lead: tuple[int, ...], arrays: list[Array]) -> list[Array]:
    """Low losses, and their sigmas, as rows over ``lead``: a single one where there is one for all."""
    made = []
    for a in arrays:
        own = a.shape[:-1]
        a = a if all(s == 1 for s in own) else np.broadcast_to(a, (*lead, a.shape[-1]))
        made.append(a.reshape(-1, a.shape[-1]))
    return made


def _divided(
    dataset: xr.Dataset, core: CoreLoss, low: LowLoss, options: dict[str, Any]
) -> dict[str, xr.DataArray]:
    n, kind = core.energy.size, np.result_type(dataset[signal_name(dataset)].dtype, np.float32)
    same = same_step(low.step, core.step, n)
    lows: list[Any] = [(low.values.rename({AXIS: "low_loss"}).drop_vars("low_loss"), ("low_loss",))]
    if low.sigma is not None:
        lows.append((low.sigma.rename({AXIS: "low_loss"}).drop_vars("low_loss"), ("low_loss",)))

    def made_of(block: list[Array]) -> Divisor:
        values = [b.astype(kind, copy=False) for b in block]
        sigma = values[1] if len(values) > 1 else None
        energy, counts = low.energy, values[0]
        if not same:
            energy, counts = on_step(low.energy, counts, core.step)
            sigma = None if sigma is None else np.sqrt(on_step(low.energy, sigma**2, core.step)[1])
        return divisor(energy, counts, n, sigma=sigma, **options)

    def kernel(*arrays: Array) -> dict[str, Array]:
        lead, block = core.rows(arrays[: len(core.inputs)])
        below = low_rows(lead, list(arrays[len(core.inputs) :]))
        one = made_of(below) if len(below[0]) == 1 else None
        count = len(block[0])
        out = {name: np.empty((count, n), kind) for name in ("net", "sigma")}
        out |= {name: np.empty(count) for name in ("end", "fwhm", "verdict")}

        def work(part: slice) -> None:
            rows = [a[part] for a in block]
            by = one if one is not None else made_of([a[part] for a in below])
            net, known, holes = core.net(rows)
            values, sigma = divide(net.astype(kind, copy=False), core.noise(rows, known), by)
            verdict = np.where(by.verdict != 0, by.verdict, np.where(holes, HOLES, 0))
            there = (verdict == 0)[:, None]
            values = np.where(there & known, values, np.nan)
            values[:, : core.first] = np.where(there, 0, np.nan)
            out["net"][part], out["sigma"][part] = values, np.where(there & known, sigma, np.nan)
            out["end"][part], out["fwhm"][part], out["verdict"][part] = by.end, by.fwhm, verdict

        by_blocks(work, count)
        return {name: a.reshape((*lead, *a.shape[1:])) for name, a in out.items()}

    outputs: dict[str, tuple[str, ...]] = {
        "net": (AXIS,),
        "sigma": (AXIS,),
        "end": (),
        "fwhm": (),
        "verdict": (),
    }
    made = map_spectra(kernel, [*core.inputs, *lows], outputs, dtypes={"net": kind, "sigma": kind})

    before = min(n // 2, max(1, round(BELOW / core.step)))
    lags = min(n, before + n - core.first)  # no count comes from farther below

    def responses(*arrays: Array) -> dict[str, Array]:
        rows = [a.reshape(-1, a.shape[-1]) for a in arrays]
        out = np.empty((len(rows[0]), lags), np.float32)

        def work(part: slice) -> None:
            by = made_of([a[part] for a in rows])
            whole = inverse(by.weights, by.length)
            out[part, :before], out[part, before:] = whole[:, -before:], whole[:, : lags - before]
            out[part][by.verdict != 0] = np.nan

        by_blocks(work, len(rows[0]))
        return {"response": out.reshape((*arrays[0].shape[:-1], lags))}

    response = map_spectra(
        responses, lows, {"response": ("response_lag",)}, sizes={"response_lag": lags}, dtypes={"response": np.float32}
    )["response"]  # fmt: skip
    lag = core.step * np.arange(-before, lags - before)
    return made | {"response": response.assign_coords(response_lag=("response_lag", lag, {"units": "eV", "long_name": "from where a count was"}))}  # fmt: skip


def deconvolved(dataset: xr.Dataset, made: dict[str, xr.DataArray], how: str, core: CoreLoss) -> xr.Dataset:
    """``dataset`` with what deconvolution made, labelled and flagged."""
    signal, dims = signal_name(dataset), series_dims(dataset)
    order, units = dataset[signal].dims, str(dataset[signal].attrs.get("units", ""))
    own = dict(dataset["net"].attrs) if "net" in dataset else {}
    text = "core loss without plural scattering"
    result = dataset.assign(
        net=made["net"].transpose(*order).assign_attrs(own | {"units": units, "long_name": text, "deconvolution": how, "deconvolved_from": float(core.energy[core.first])}),
        net_sigma=made["sigma"].transpose(*order).assign_attrs(
            units=units, long_name=f"standard uncertainty of the {text} from noise", correlated_channels="yes"
        ),
        zero_loss_end=made["end"].transpose(*dims).assign_attrs(units="eV", long_name="end of the zero-loss peak"),
        zero_loss_fwhm=made["fwhm"].transpose(*dims).assign_attrs(
            units="eV", long_name="full width at half maximum of the zero-loss peak"
        ),
    )  # fmt: skip
    if "response" in made:
        result = result.assign(
            net_response=made["response"].assign_attrs(
                units="", long_name="what a count became by deconvolution"
            )
        )
    for verdict, (name, explanation) in VERDICTS.items():
        result = flag(result, made["verdict"] == verdict, name, explanation)
    return result
