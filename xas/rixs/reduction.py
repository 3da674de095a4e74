"""From photons by channel to a spectrum of energy loss: detectors aligned and added, the elastic line at zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims
from spectra.dataset.flags import flag
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.rixs.alignment import align_channels

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reduce"]

FloatArray = npt.NDArray[np.float64]

#: A line stands out that is so many times the counting noise above what lies beside it.
_STANDS_OUT = 5.0
#: Fewest photons from which a line can be placed.
_FEWEST = 10
#: The elastic line is fitted over so many of its widths to each side.
_CLOSE = 1.2


@verb("xas.rixs.reduce", axis="detector_channel")
def reduce(
    dataset: xr.Dataset,
    *,
    dispersion: float,
    elastic: float | None = None,
    search: float = 40.0,
    detectors: str = "detector",
    align: bool = True,
    width: float = 6.0,
    normalize: tuple[float, float] | None = None,
) -> xr.Dataset:
    r"""Add the detectors of each exposure and give it an energy scale: ``counts`` along ``energy_loss`` (eV).

    Spectra are shifted by whole channels (a fraction of a pixel), so that photons stay counted once and sums follow the
    Poisson law: a fit takes them as counts. The loss of channel :math:`p` is :math:`(p_0 - p)\,D`, with :math:`p_0` the
    channel next to the elastic line; where between channels that line lies is ``elastic_loss``. Only channels that
    every detector saw, and losses that every exposure has, are kept.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``counts`` along ``detector_channel``, as :func:`xas.rixs.read` and :func:`xas.rixs.read_series` read them; any
        series dimensions.
    dispersion : float
        eV per channel, positive where the energy of the photons rises with the channel.
    elastic : float, optional
        Channel near which the elastic line lies (of the detector with most photons, to which the others are shifted).
        Default: the line of the highest photon energy that stands out of the noise; look whether it is elastic.
    search : float
        Channels to each side of ``elastic`` in which the line is sought: a Gaussian on a constant is fitted by maximum
        likelihood, and once more over 1.2 of its widths to each side.
    detectors : str
        Dimension of the detectors that saw the same exposure, which are added; a dataset need not have it.
    align : bool
        Whether detectors are aligned by their cross-correlation; False adds them as they are.
    width : float
        Smoothing before the cross-correlation, in channels.
    normalize : (float, float), optional
        Losses in eV of a feature, such as the main emission of the valence band, to whose area ``normalized`` is
        scaled: counts over counts of the window, its sigma from both and what they share.

    Returns
    -------
    xarray.Dataset
        ``counts`` along ``energy_loss``; ``channel_shift`` ± sigma of each detector; ``elastic_channel`` ± sigma,
        ``elastic_loss`` and ``elastic_fwhm`` (eV) ± sigma; ``normalized`` ± sigma where it is asked for. An exposure
        without a line, or whose detectors do not correspond, is NaN and flagged ``not_reduced``.

    Raises
    ------
    InvalidInput
        ``dispersion`` is zero; no exposure could be reduced.

    Examples
    --------
    >>> import numpy as np, spectra, xas.rixs
    >>> channel = np.arange(400.0)
    >>> line = 200 * np.exp(-0.5 * ((channel - 300) / 5) ** 2) + 60 * np.exp(-0.5 * ((channel - 180) / 9) ** 2)
    >>> exposure = spectra.from_arrays(channel, np.round(line + 1), axis="detector_channel", name="counts", units="counts")
    >>> spectrum = xas.rixs.reduce(exposure, dispersion=0.01)
    >>> round(float(spectrum.elastic_channel), 1), round(float(spectrum.energy_loss[-1]), 1)
    (300.0, 3.0)
    """
    import xarray as xr

    if not dispersion or not np.isfinite(dispersion):
        raise InvalidInput(f"dispersion must be eV per channel, not zero; got {dispersion}.")
    if search < 4:
        raise InvalidInput(f"search must be at least 4 channels, got {search:g}.")
    several = detectors in dataset["counts"].dims
    dims = [d for d in series_dims(dataset) if d != detectors]
    counts = dataset["counts"].transpose(*dims, *([detectors] if several else []), "detector_channel").values
    lead = counts.shape[: len(dims)]
    rows = counts.reshape(-1, counts.shape[-2] if several else 1, counts.shape[-1])
    channel = dataset["detector_channel"].values
    exposures: list[_Exposure | None] = []
    faults: list[str] = []
    for row in rows:
        try:
            exposures.append(_exposure(channel, row, elastic, search, dispersion, align and several, width))
        except InvalidInput as fault:
            exposures.append(None)
            faults.append(str(fault))
    good = [e for e in exposures if e is not None]
    if not good:
        raise InvalidInput(f"no exposure could be reduced: {faults[0]}")
    first = max(-e.zero for e in good)
    last = min(e.counts.size - e.zero for e in good)
    if last - first < 2:
        raise InvalidInput("the exposures share no losses: their elastic lines lie at opposite ends.")
    missing = _Exposure.missing(rows.shape[1], last - first)
    cut = [missing if e is None else e.between(first, last) for e in exposures]
    loss = -np.arange(first, last) * dispersion
    order = np.argsort(loss)

    def shaped(values: list[Any], *more: int) -> npt.NDArray[Any]:
        return np.asarray(values).reshape((*lead, *more))

    _say(good, faults, elastic, channel.size, several)
    coords = {n: c for n, c in dataset.coords.items() if "detector_channel" not in c.dims}
    result = xr.Dataset(
        {
            "counts": (
                (*dims, "energy_loss"),
                shaped([e.counts[order] for e in cut], loss.size),
                {"units": "counts"},
            )
        },
        {"energy_loss": ("energy_loss", loss[order] + 0.0, {"units": "eV"}), **coords},
        {**dataset.attrs, "signal": "counts", "technique": "rixs", "dispersion": dispersion},
    )
    step = abs(dispersion)
    scalars = {
        "elastic_channel": ([e.line.channel for e in cut], [e.line.channel_sigma for e in cut], ""),
        "elastic_loss": (
            [e.offset * dispersion for e in cut],
            [e.line.channel_sigma * step for e in cut],
            "eV",
        ),
        "elastic_fwhm": ([e.line.fwhm * step for e in cut], [e.line.fwhm_sigma * step for e in cut], "eV"),
    }
    for name, (values, errors, units) in scalars.items():
        result[name] = (dims, shaped(values), {"units": units})
        result[f"{name}_sigma"] = (dims, shaped(errors), {"units": units})
    if several:
        number, where = rows.shape[1], (*dims, detectors)
        said = {"units": "", "long_name": "channels above the reference detector"}
        result["channel_shift"] = (where, shaped([e.shift for e in cut], number), said)
        result["channel_shift_sigma"] = (where, shaped([e.shift_sigma for e in cut], number), {"units": ""})
    bad = shaped([e is None for e in exposures])
    result = flag(
        result,
        bad,
        "not_reduced",
        f"no elastic line or detectors that do not correspond: {(faults or [''])[0]}",
    )
    return _normalized(result, normalize) if normalize is not None else result


@dataclass(frozen=True)
class _Exposure:
    """Sum of the detectors of one exposure, by channels of the reference from the first one kept."""

    counts: npt.NDArray[Any]
    zero: int  # index of the channel next to the elastic line
    line: _Line  # in channels of the reference
    offset: float  # of that channel above the line, in channels
    shift: FloatArray
    shift_sigma: FloatArray
    left_out: int

    def between(self, first: int, last: int) -> _Exposure:
        return replace(self, counts=self.counts[self.zero + first : self.zero + last])

    @classmethod
    def missing(cls, detectors: int, size: int) -> _Exposure:
        nothing, none = np.full(size, np.nan), np.full(detectors, np.nan)
        return cls(nothing, 0, _Line(np.nan, np.nan, np.nan, np.nan), np.nan, none, none, 0)


def _exposure(
    channel: FloatArray,
    rows: npt.NDArray[Any],
    elastic: float | None,
    search: float,
    dispersion: float,
    align: bool,
    width: float,
) -> _Exposure:
    if not np.isfinite(rows).all():
        raise InvalidInput("counts are missing (NaN) in one of its detectors.")
    joined, shift, sigma, first = _joined(rows, align, width)
    kept = channel[first : first + joined.size]
    line = _elastic(kept, joined, elastic, search, dispersion)
    zero = int(np.argmin(np.abs(kept - line.channel)))
    return _Exposure(
        joined, zero, line, float(kept[zero] - line.channel), shift, sigma, channel.size - joined.size
    )


def _joined(
    rows: npt.NDArray[Any], align: bool, width: float
) -> tuple[npt.NDArray[Any], FloatArray, FloatArray, int]:
    """Sum of the detectors over the channels that all saw, as channels of the reference, and the first of these."""
    number, n = rows.shape
    if not align:
        return rows.sum(axis=0), np.zeros(number), np.full(number, np.nan), 0
    found = align_channels(rows, width=width)
    if not np.isfinite(found.shift).all():
        raise InvalidInput(f"{int(np.isnan(found.shift).sum())} of {number} detectors hold no photons.")
    whole = np.round(found.shift).astype(int)
    first, last = max(0, int(-whole.min())), n - max(0, int(whole.max()))
    if last - first < 2:
        raise InvalidInput("the detectors share no channels after alignment: their lines do not correspond.")
    joined = np.sum([row[first + s : last + s] for row, s in zip(rows, whole, strict=True)], axis=0)
    return joined, found.shift, found.sigma, first


def _say(good: list[_Exposure], faults: list[str], elastic: float | None, size: int, several: bool) -> None:
    one = good[0]
    resolve(elastic=one.line.channel)
    if several:
        shifts = ", ".join(f"{round(s):+d}" for s in one.shift)
        whose = "" if len(good) == 1 else f" (of the first exposure of {len(good)})"
        note(f"detectors were shifted by {shifts} channels{whose} and added; {one.left_out} of {size} channels that not all of them saw were left out")  # fmt: skip
    if elastic is None:
        note(f"the line of the highest photon energy, at channel {one.line.channel:.1f}, was taken as the elastic one: say elastic= if it is not")  # fmt: skip
    if faults:
        note(f"{len(faults)} exposures could not be reduced: {faults[0]}")


@dataclass(frozen=True)
class _Line:
    channel: float
    channel_sigma: float
    fwhm: float
    fwhm_sigma: float


def _elastic(
    channel: FloatArray, counts: npt.NDArray[Any], near: float | None, search: float, dispersion: float
) -> _Line:
    """The elastic line, fitted by a Gaussian on a constant."""
    y = np.asarray(counts, float)
    guess = near if near is not None else _highest_line(channel, y, dispersion)
    inside = np.abs(channel - guess) <= search
    if inside.sum() < 8 or y[inside].sum() < _FEWEST:
        raise InvalidInput(
            f"elastic: {int(y[inside].sum())} photons within {search:g} channels of {guess:g}; at least {_FEWEST} are needed. "
            "Say another channel or widen search."
        )
    found = _fitted_line(channel[inside], np.round(y[inside]))
    # what lies beside the line, and its tails, would widen the Gaussian: once more over little more than its width
    near_line = np.abs(channel - found.channel) <= max(_CLOSE * found.fwhm, 6.0)
    if near_line.sum() < inside.sum():
        closer = _fitted_line(channel[near_line], np.round(y[near_line]))
        found = closer if np.isfinite(closer.channel) and np.isfinite(closer.channel_sigma) else found
    if not np.isfinite(found.channel):
        raise InvalidInput(
            f"elastic: no line could be fitted within {search:g} channels of {guess:g}; say another channel or search."
        )
    return found


def _fitted_line(x: FloatArray, counts: FloatArray) -> _Line:
    """Gaussian on a constant by Poisson maximum likelihood."""
    import spectra
    from spectra.dataset import from_arrays

    top = float(x[np.argmax(np.convolve(counts, np.ones(5), "same"))])
    base = max(float(np.percentile(counts, 20)), 0.1)
    half = float(x[-1] - x[0]) / 2
    fitted = spectra.fit(
        from_arrays(x, counts, axis="detector_channel", name="counts", units="counts"),
        model=(
            {"shape": "gaussian", "prefix": "elastic_"},
            {"shape": "polynomial", "degree": 0, "prefix": "floor_"},
        ),
        params={
            "elastic_position": {"value": top, "min": float(x[0]), "max": float(x[-1])},
            "elastic_fwhm": {"value": half / 3, "min": 1.0, "max": 2 * half},
            "elastic_area": {"value": max(counts.sum() - base * counts.size, 1.0), "min": 0.0},
            "floor_c0": {"value": base, "min": 0.0},
        },
        weights="poisson",
        component_curves=False,
        workers=1,
    )
    one = fitted.isel(component=0)
    return _Line(*(float(one[n]) for n in ("position", "position_sigma", "fwhm", "fwhm_sigma")))


def _highest_line(channel: FloatArray, y: FloatArray, dispersion: float) -> float:
    """Channel of the line of the highest photon energy that stands out of the counting noise."""
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import find_peaks

    box = 9
    summed = uniform_filter1d(y, box, mode="constant") * box
    floor = float(np.median(summed))
    peaks, _ = find_peaks(summed, height=floor + _STANDS_OUT * np.sqrt(max(floor, 1.0)), distance=3 * box)
    strong = [p for p in peaks if summed[p] > floor + 0.1 * (summed.max() - floor)]
    if not strong:
        raise InvalidInput(
            f"no line stands {_STANDS_OUT:g} times above the counting noise, so the elastic line is not known: say elastic=."
        )
    return float(channel[strong[-1] if dispersion > 0 else strong[0]])


def _normalized(result: xr.Dataset, window: tuple[float, float]) -> xr.Dataset:
    """Counts over those of a feature, with the uncertainty of both and what they share."""
    low, high = sorted(window)
    dims = result["counts"].dims
    x, y = result["energy_loss"].values, np.asarray(result["counts"].values, float)
    inside = (x >= low) & (x <= high)
    area = y[..., inside].sum(axis=-1, keepdims=True)
    empty = ~(area[..., 0] > 0)
    if empty.all():
        raise InvalidInput(
            f"normalize: no photons between {low:g} and {high:g} eV; the losses run from {x[0]:g} to {x[-1]:g} eV."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = y / area**2 + y**2 / area**3 - 2 * np.where(inside, y, 0.0) * y / area**3
        values = np.where(empty[..., None], np.nan, y / area)
    note(f"normalized to the photons between {low:g} and {high:g} eV ({np.nanmin(area):.0f} or more)")
    result = result.assign(
        normalized=(dims, values, {"units": ""}),
        normalized_sigma=(dims, np.sqrt(np.maximum(variance, 0.0)), {"units": ""}),
    )
    return flag(
        result,
        empty & np.isfinite(area[..., 0]),
        "no_feature",
        f"no photons between {low:g} and {high:g} eV to normalize to",
    )
