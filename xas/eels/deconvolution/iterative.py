"""Spectra sharpened by what the instrument makes of a line: Richardson-Lucy, the likelihood of counts raised step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, verb
from xas.eels.channels.linear_variance import Noise
from xas.eels.deconvolution.core_loss import CoreLoss, core_loss
from xas.eels.deconvolution.low_loss import LowLoss, find_zero_loss, on_step, paired, same_step
from xas.eels.deconvolution.plural_scattering import HOLES, deconvolved, low_rows, said
from xas.eels.deconvolution.transfer import by_blocks, inverse, padded_length, transform

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Spread", "likeliest", "richardson_lucy", "spread_function"]

Array = npt.NDArray[Any]
AXIS = "energy_loss"
#: What a model is at least, as a share of its largest value; and a start as a share of the mean of what is positive.
LEAST_MODEL, LEAST_START = 1e-6, 1e-2


@dataclass(frozen=True)
class Spread:
    """Point spread functions: transforms (rows, f) of unit area with the zero-loss peak's middle at lag zero."""

    transform: Array
    length: int
    fwhm: Array  # (rows,) eV
    end: Array
    verdict: Array


def spread_function(
    energy: Array,
    low: Array,
    channels: int,
    *,
    part: Literal["all", "zero_loss"] = "all",
    end: float | None = None,
) -> Spread:
    """Point spread functions out of low losses (rows, m) of any length, on the step of spectra of ``channels`` channels.

    Parameters
    ----------
    energy : (m,) array
        Energy loss in eV, even, with the zero-loss peak near zero.
    low : (rows, m) array
        Negative counts count as none.
    channels : int
    part : {"all", "zero_loss"}
        The whole low loss, or its zero-loss peak.
    end : float, optional
        Loss in eV where the peak ends. Default: the first minimum behind it.
    """
    step = float(energy[-1] - energy[0]) / (energy.size - 1)
    found = find_zero_loss(energy, low, end, alone=True)
    last = int(np.searchsorted(energy, (channels - 2) * step)) + 1  # losses beyond reach no channel
    used = np.where(found.inside if part == "zero_loss" else np.isfinite(low), np.maximum(low, 0), 0)
    if part == "zero_loss":
        last = int(np.flatnonzero(found.inside.any(0)).max(initial=1)) + 1
    used, energy = used[:, :last], energy[:last]
    before = int(np.searchsorted(energy, 0.0))
    length = padded_length(channels + max(before, energy.size - before) + 1)  # neither end meets the other
    made = transform(used, length)
    lag = np.nan_to_num((found.position - energy[0]) / step)[:, None]
    turn = np.exp(2j * np.pi * np.arange(length // 2 + 1) / length * lag).astype(made.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        made = np.nan_to_num(made * turn / made[:, :1].real)
    return Spread(made, length, found.fwhm, found.end, found.verdict)


def likeliest(
    y: Array,
    spread: Spread,
    iterations: int,
    *,
    background: Array | float = 0.0,
    counted: Array | None = None,
) -> tuple[Array, Array]:
    r"""Richardson-Lucy iterations for counts above a known background.

    .. math:: x \leftarrow x \; \frac{K^T \big[ y / (K x + B) \big]}{K^T 1}

    with the convolution K by the point spread function. Each raises the Poisson likelihood of y, and x stays positive.

    Parameters
    ----------
    y : (rows, n) array
        Counts with their background; negative ones count as none.
    spread : Spread
        Of the rows, or a single one.
    iterations : int
    background : (rows, n) array, optional
    counted : (rows, n) bool array, optional
        Channels that were measured; the others have no say.

    Returns
    -------
    x : (rows, n) array
        What was spread.
    model : (rows, n) array
        K x + B.
    """
    n, length = y.shape[-1], spread.length
    counts = np.maximum(y, 0)
    weights = np.ones_like(counts) if counted is None else counted.astype(counts.dtype)
    k, back = spread.transform, spread.transform.conj()
    seen = np.maximum(inverse(transform(weights, length) * back, length)[..., :n], 1e-3)
    net = counts - background
    positive = np.maximum(net, 0)
    x = np.maximum(net, LEAST_START * positive.mean(-1, keepdims=True)) * weights

    def model_of(x: Array) -> Array:
        made = inverse(transform(x, length) * k, length)[..., :n]
        made += background
        least = LEAST_MODEL * made.max(-1, keepdims=True) + np.finfo(made.dtype).tiny
        return np.asarray(np.maximum(made, least))

    with np.errstate(under="ignore"):
        for _ in range(iterations):
            ratio = counts / model_of(x)
            ratio *= weights
            x *= inverse(transform(ratio, length) * back, length)[..., :n] / seen
            np.maximum(x, 0, out=x)
        return x, model_of(x)


def scattered(
    model: Array,
    noise: Noise,
    gain: Array | None,
    spread: Spread,
    iterations: int,
    background: Array,
    counted: Array,
    draws: int,
    seed: int,
) -> Array:
    """Standard deviation (rows, n) of the result over spectra drawn around ``model``, the background's doubt included.

    Counts of variance ``gain`` (rows,) each, or without it normal noise of the stated sigmas. Every row draws from a
    generator of its own with the same seed, so that no row depends on the others.
    """
    rngs = [np.random.default_rng(seed) for _ in model]
    kind = model.dtype
    shapes = lower = None
    if noise.curve is not None and noise.covariance is not None:
        values, basis = noise.curve_values, noise.curve.basis(noise.energy)
        shapes = basis[None] if values is None else basis * values[..., None]
        scale, vectors = np.linalg.eigh(np.nan_to_num(noise.covariance))
        lower = vectors * np.sqrt(np.maximum(scale, 0))[:, None]
    total, square = np.zeros(model.shape), np.zeros(model.shape)
    for _ in range(draws):
        y, moved = np.empty_like(model), background
        for row, rng in enumerate(rngs):
            if gain is None:
                y[row] = model[row] + np.sqrt(noise.variance[row]) * rng.standard_normal(model.shape[-1])
            elif gain[row] > 0:
                y[row] = gain[row] * rng.poisson(model[row] / gain[row])
            else:
                y[row] = np.nan
        if shapes is not None and lower is not None:
            z = np.stack([rng.standard_normal(lower.shape[-1]) for rng in rngs])
            moved = np.maximum(background + np.nan_to_num(np.einsum("rnt,rts,rs->rn", shapes, lower, z)), 0)
        x, _ = likeliest(y, spread, iterations, background=moved.astype(kind), counted=counted)
        total += x
        square += x.astype(float) ** 2
    return np.asarray(np.sqrt(np.maximum(square - total**2 / draws, 0) / (draws - 1)))


@verb("xas.eels.richardson_lucy", axis=AXIS)
def richardson_lucy(
    dataset: xr.Dataset,
    psf: Any = None,
    *,
    iterations: int = 15,
    part: Literal["all", "zero_loss"] = "all",
    end: float | None = None,
    start: float | None = None,
    draws: int = 0,
    seed: int = 1,
) -> xr.Dataset:
    r"""Sharpen spectra by the shape that the instrument and the specimen give to a line, by Richardson and Lucy's iterations.

    .. math:: x \leftarrow x \; \frac{K^T \big[ y / (K x + B) \big]}{K^T 1}

    with the convolution K by ``psf`` and the background B that was fitted: it is part of the model, so that no count
    has to be negative. Each iteration raises the Poisson likelihood of the spectrum; what is sharp comes last and noise
    after it.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``net`` from :func:`xas.eels.subtract_background`; or spectra that came without background, low losses
        among them. An even axis.
    psf : xarray.Dataset
        Low losses with the zero-loss peak near zero and from some eV below it, of any length and step: of the same
        series, or one for all; or zero-loss peaks alone. Another step is brought to that of the spectra.
    iterations : int
        How many: the result depends on it, and so does its resolution.
    part : {"all", "zero_loss"}
        The whole low loss, which takes plural scattering off as well, or its zero-loss peak, which only sharpens.
    end : float, optional
        Loss in eV where the zero-loss peak ends. Default: the first minimum behind it.
    start : float, optional
        Energy in eV below which there is nothing of the edge. Default: where the background's window begins.
    draws : int
        So many spectra are drawn around the model and treated alike, for ``net_sigma``: 50 give it to 10 %. 0: no
        sigma, it is NaN.
    seed : int
        Of the draws.

    Returns
    -------
    xarray.Dataset
        With ``net`` deconvolved (zero below ``start``), in counts that its convolution has; ``net_sigma``;
        ``deconvolution_redchi``, chi-square per channel of the model, where the noise is known: far below 1, noise is
        being sharpened. ``zero_loss_end`` and ``zero_loss_fwhm`` (eV). Flags as of :func:`xas.eels.fourier_ratio`.

    Raises
    ------
    InvalidInput
        If there is no psf, it cannot hold the peak or belongs to another series, an axis is uneven, or ``net`` was
        deconvolved before.

    Notes
    -----
    The result is no linear function of the counts and is biased: lines are as high as so many iterations make them. Areas of
    white lines and their ratio depend on ``iterations``, and :func:`xas.eels.white_line_ratio` states no sigma for them.

    References
    ----------
    W. H. Richardson, J. Opt. Soc. Am. 62, 55 (1972); L. B. Lucy, Astron. J. 79, 745 (1974), doi:10.1086/111605.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> step = 0.2
    >>> loss, core = np.arange(-5.0, 5.0, step), np.arange(630.0, 660.0, step)
    >>> peak = 1e5 * np.exp(-((loss / 0.8) ** 2))
    >>> two = 1e3 * np.exp(-(((core - 644) / 1.0) ** 2)) + 1e3 * np.exp(-(((core - 646) / 1.0) ** 2))
    >>> low = spectra.from_arrays(loss, peak, axis="energy_loss", name="counts", units="counts")
    >>> core = spectra.from_arrays(core, two, axis="energy_loss", name="counts", units="counts")
    >>> sharp = xas.eels.richardson_lucy(core, low, iterations=30)
    >>> def dip(y):
    ...     return round(float(y.sel(energy_loss=645, method="nearest") / y.max()), 1)
    >>> dip(core.counts), dip(sharp.net)
    (0.7, 0.2)
    """
    if not 1 <= iterations <= 10_000:
        raise InvalidInput(f"iterations is 1 or more, 15 by default, got {iterations}.")
    if draws != 0 and not 2 <= draws <= 10_000:
        raise InvalidInput(f"draws is 0 for no sigma, or 2 and more, 50 say, got {draws}.")
    core = core_loss(dataset, start, "xas.eels.richardson_lucy")
    low = paired(dataset, psf, "psf", "xas.eels.richardson_lucy")
    if end is not None and not 0 < end < low.energy[-1]:
        raise InvalidInput(f"end is a loss above 0 inside psf, up to {low.energy[-1]:g} eV, got {end:g}.")
    if draws and core.gain is None and not core.stated and core.curve is None:
        raise InvalidInput(
            "draws needs the noise: counts, stated sigmas, or a background that was fitted here."
        )
    note("sigmas by draws" if draws else "no sigma: draws were not asked for")
    if part == "all":
        said(core, low)
    made = _sharpened(dataset, core, low, {"part": part, "end": end}, iterations, draws, seed)
    how = f"Richardson-Lucy, {iterations} iterations, " + ("low loss" if part == "all" else "zero-loss peak")
    result = deconvolved(dataset, made, how, core)
    result["net"].attrs["long_name"] = "sharpened spectrum"
    return result.assign(
        deconvolution_redchi=made["redchi"].transpose(*result["status"].dims).assign_attrs(
            units="", long_name="chi-square of the convolved result per channel"
        )
    )  # fmt: skip


def _sharpened(
    dataset: xr.Dataset,
    core: CoreLoss,
    low: LowLoss,
    options: dict[str, Any],
    iterations: int,
    draws: int,
    seed: int,
) -> dict[str, xr.DataArray]:
    n, kind = core.energy.size, np.result_type(dataset[signal_name(dataset)].dtype, np.float32)
    same = same_step(low.step, core.step, n)
    lows = [(low.values.rename({AXIS: "low_loss"}).drop_vars("low_loss"), ("low_loss",))]

    def spread_of(values: Array) -> Spread:
        energy, counts = low.energy, values.astype(kind, copy=False)
        if not same:
            energy, counts = on_step(low.energy, counts, core.step)
        return spread_function(energy, counts, n, **options)

    def kernel(*arrays: Array) -> dict[str, Array]:
        lead, block = core.rows(arrays[: len(core.inputs)])
        (below,) = low_rows(lead, list(arrays[len(core.inputs) :]))
        one = spread_of(below) if len(below) == 1 else None
        count = len(block[0])
        out = {name: np.empty((count, n), kind) for name in ("net", "sigma")}
        out |= {name: np.empty(count) for name in ("end", "fwhm", "verdict", "redchi")}

        def work(rows: slice) -> None:
            parts = [a[rows] for a in block]
            spread = one if one is not None else spread_of(below[rows])
            net, known, holes = core.net(parts)
            background = (
                np.where(known, parts[1] - parts[0], 0) if core.curve is not None else np.zeros_like(net)
            )
            y, background = (net + background).astype(kind), background.astype(kind)
            x, model = likeliest(y, spread, iterations, background=background, counted=known)
            noise, gain = core.noise(parts, known), core.gains(parts)
            variance = noise.variance if gain is None else gain[:, None] * model
            with np.errstate(divide="ignore", invalid="ignore"):
                pull = np.where(known, (y - model) ** 2 / variance, 0)
            verdict = np.where(spread.verdict != 0, spread.verdict, np.where(holes, HOLES, 0))
            there = (verdict == 0)[:, None]
            sigma = np.full(x.shape, np.nan)
            if draws:
                sigma = scattered(model, noise, gain, spread, iterations, background, known, draws, seed)
            x = np.where(there & known, x, np.nan)
            x[:, : core.first] = np.where(there, 0, np.nan)
            out["net"][rows], out["sigma"][rows] = x, np.where(there & known, sigma, np.nan)
            out["redchi"][rows] = np.where(verdict == 0, pull.sum(-1) / np.maximum(known.sum(-1), 1), np.nan)
            out["end"][rows], out["fwhm"][rows], out["verdict"][rows] = spread.end, spread.fwhm, verdict

        by_blocks(work, count)
        return {name: a.reshape((*lead, *a.shape[1:])) for name, a in out.items()}

    outputs: dict[str, tuple[str, ...]] = {"net": (AXIS,), "sigma": (AXIS,)}
    outputs |= dict.fromkeys(("end", "fwhm", "verdict", "redchi"), ())
    return map_spectra(kernel, [*core.inputs, *lows], outputs, dtypes={"net": kind, "sigma": kind})
