"""From photons by channel to a spectrum of energy loss: detectors aligned and added, the elastic line at zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims
from spectra.dataset.flags import flag
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.rixs.alignment import align_channels
from xas.rixs.elastic_line import ElasticLine, fit_elastic_line
from xas.rixs.faults import NotReduced, find_saturation, find_spikes
from xas.rixs.homogeneity import same_shape
from xas.rixs.shares import over_feature

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reduce"]

FloatArray = npt.NDArray[np.float64]

#: Detectors of one exposure differ in shape where chance does it less often than this.
_DIFFER = 1e-3
#: Spectra of fewer photons get a warning: nothing but the strongest line can be told from the noise.
_POOR = 100
#: Flags of exposures that could not be reduced.
_REASONS = {
    "no_elastic_line": "no elastic line was found: say elastic= or widen search",
    "elastic_outside": "the elastic line lies at the end of the detector or beyond it: the scale has no zero",
    "few_counts": "too few photons to place the elastic line",
    "detectors_do_not_match": "a detector holds no photons, or none of the others' lines: look at each alone",
    "missing_counts": "counts are missing (NaN) in a detector of this exposure",
}


@verb("xas.rixs.reduce", axis="detector_channel")
def reduce(
    dataset: xr.Dataset,
    *,
    dispersion: float,
    elastic: float | None = None,
    search: float = 40.0,
    detectors: str = "detector",
    together: str = "part",
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
    together : str
        Dimension of the parts of one exposure (``parts`` of :func:`xas.rixs.read`): shifts and zero come from their sum, so
        that parts can be compared channel by channel. A dataset need not have it.
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
        ``counts`` along ``energy_loss``; ``channel_shift`` ± sigma of each detector, and ``detector_p_value``, the
        probability that chance makes their spectra differ as much; ``elastic_channel`` ± sigma, ``elastic_loss``,
        ``elastic_fwhm`` (eV) and ``elastic_area`` (photons) ± sigma; ``elastic_loss_systematic``, by how much zero
        moves between the two fits of the line; ``normalized`` ± sigma where it is asked for.
        An exposure that cannot be reduced is NaN and flagged ``no_elastic_line``, ``elastic_outside``,
        ``few_counts``, ``detectors_do_not_match`` or ``missing_counts``. Warnings: ``elastic_not_gaussian``, ``spikes`` (single channels that their
        neighbours do not explain), ``saturated`` (the highest value in three channels in a row), ``detectors_differ`` and
        ``poor_statistics``.

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
    _must_be_photons(dataset)
    there = dataset["counts"].dims
    several, parted = detectors in there, together in there and together != detectors
    free = [d for d in series_dims(dataset) if d not in (detectors, together)]
    dims = [*free, *([together] if parted else [])]
    counts = dataset["counts"].transpose(*dims, *([detectors] if several else []), "detector_channel").values
    n, number = counts.shape[-1], counts.shape[-2] if several else 1
    lead, parts = counts.shape[: len(dims)], counts.shape[len(free)] if parted else 1
    exposures = counts.reshape(-1, parts, number, n)
    channel = dataset["detector_channel"].values
    how = _How(dispersion, elastic, search, align and several, width)
    done: list[_Exposure | NotReduced] = []
    for exposure in exposures:
        try:
            done.append(_reduced(channel, exposure, how))
        except NotReduced as fault:
            done.append(fault)
    good = [e for e in done if isinstance(e, _Exposure)]
    faults = [e for e in done if isinstance(e, NotReduced)]
    if not good:
        raise InvalidInput(f"no exposure could be reduced: {faults[0]}")
    first, last = max(-e.zero for e in good), min(e.counts.shape[-1] - e.zero for e in good)
    if last - first < 2:
        raise InvalidInput("the exposures share no losses: their elastic lines lie at opposite ends.")
    loss = -np.arange(first, last) * dispersion
    order = np.argsort(loss)
    kept = [e if isinstance(e, _Exposure) else _Exposure.missing(parts, number, first, last) for e in done]

    def for_each_part(values: list[Any], *more: int) -> npt.NDArray[Any]:
        repeated = np.repeat(np.asarray(values), parts, axis=0)
        return repeated.reshape((*lead, *more))

    _say(good, faults, elastic, n, several)
    values = np.concatenate([e.counts[:, e.zero + first : e.zero + last][:, order] for e in kept])
    coords = {name: c for name, c in dataset.coords.items() if "detector_channel" not in c.dims}
    result = xr.Dataset(
        {"counts": ((*dims, "energy_loss"), values.reshape((*lead, loss.size)), {"units": "counts"})},
        {"energy_loss": ("energy_loss", loss[order] + 0.0, {"units": "eV"}), **coords},
        {**dataset.attrs, "signal": "counts", "technique": "rixs", "dispersion": dispersion},
    )
    lines, step = [e.line for e in kept], abs(dispersion)
    scalars: dict[str, tuple[list[float], list[float], str]] = {
        "elastic_channel": ([k.channel for k in lines], [k.channel_sigma for k in lines], ""),
        "elastic_loss": (
            [e.offset * dispersion for e in kept],
            [k.channel_sigma * step for k in lines],
            "eV",
        ),
        "elastic_fwhm": ([k.fwhm * step for k in lines], [k.fwhm_sigma * step for k in lines], "eV"),
        "elastic_area": ([k.area for k in lines], [k.area_sigma for k in lines], "counts"),
    }
    for name, (numbers, errors, units) in scalars.items():
        result[name] = (dims, for_each_part(numbers), {"units": units})
        result[f"{name}_sigma"] = (dims, for_each_part(errors), {"units": units})
    told = {"units": "eV", "long_name": "zero fitted closely against zero fitted widely"}
    result["elastic_loss_systematic"] = (dims, for_each_part([k.moved * step for k in lines]), told)
    if several:
        where = (*dims, detectors)
        said = {"units": "", "long_name": "channels above the reference detector"}
        result["channel_shift"] = (where, for_each_part([e.shift for e in kept], number), said)
        result["channel_shift_sigma"] = (
            where, for_each_part([e.shift_sigma for e in kept], number), {"units": ""},
        )  # fmt: skip
        chance = {"units": "", "long_name": "probability that detectors of one shape differ as much"}
        result["detector_p_value"] = (dims, for_each_part([e.agreement for e in kept]), chance)
    result = _flagged(result, done, for_each_part, exposures.reshape(*lead, number, n))
    if normalize is None:
        return result
    share = over_feature(result["counts"].values, result["energy_loss"].values, normalize)
    note(f"normalized to the photons between {min(normalize):g} and {max(normalize):g} eV ({np.nanmin(share.area):.0f} or more)")  # fmt: skip
    result = result.assign(
        normalized=(result["counts"].dims, share.values, {"units": ""}),
        normalized_sigma=(result["counts"].dims, share.sigma, {"units": ""}),
    )
    return flag(
        result,
        np.isfinite(share.area) & ~(share.area > 0),
        "no_feature",
        f"no photons between {min(normalize):g} and {max(normalize):g} eV to normalize to",
    )


@dataclass(frozen=True)
class _How:
    """How every exposure is reduced."""

    dispersion: float
    elastic: float | None
    search: float
    align: bool
    width: float


@dataclass(frozen=True)
class _Exposure:
    """Detectors of one exposure added, by channels of the reference from the first one kept."""

    counts: npt.NDArray[Any]  # (parts, channels)
    zero: int  # index of the channel next to the elastic line
    line: ElasticLine  # in channels of the reference
    offset: float  # of that channel above the line, in channels
    shift: FloatArray
    shift_sigma: FloatArray
    agreement: float
    left_out: int

    @classmethod
    def missing(cls, parts: int, detectors: int, first: int, last: int) -> _Exposure:
        nothing, none = np.full((parts, last - first), np.nan), np.full(detectors, np.nan)
        return cls(nothing, -first, ElasticLine.missing(), np.nan, none, none, np.nan, 0)


def _must_be_photons(dataset: xr.Dataset) -> None:
    counts = dataset["counts"].values if "counts" in dataset else None
    if counts is None:
        raise InvalidInput("xas.rixs.reduce needs photons by channel as 'counts': read the exposure first.")
    if (counts < 0).any():
        raise InvalidInput(
            f"counts holds {int((counts < 0).sum())} negative values: photons were not counted, or something was subtracted."
        )


def _reduced(channel: FloatArray, exposure: npt.NDArray[Any], how: _How) -> _Exposure:
    """One exposure (parts, detectors, channels); shifts and elastic line from the sum of its parts."""
    if not np.isfinite(exposure).all():
        raise NotReduced("missing_counts", "counts are missing (NaN) in one of its detectors.")
    rows = exposure.sum(axis=0)
    shift, sigma = _shifts(rows, how)
    joined, first = _joined(exposure, np.round(shift).astype(int))
    together = joined.sum(axis=(0, 1))
    kept = channel[first : first + joined.shape[-1]]
    line = fit_elastic_line(kept, together, near=how.elastic, search=how.search, rising=how.dispersion > 0)
    zero = int(np.argmin(np.abs(kept - line.channel)))
    agreement = float(same_shape(joined.sum(axis=0)).p_value) if len(rows) > 1 else np.nan
    offset, left_out = float(kept[zero] - line.channel), channel.size - kept.size
    return _Exposure(joined.sum(axis=1), zero, line, offset, shift, sigma, agreement, left_out)


def _shifts(rows: npt.NDArray[Any], how: _How) -> tuple[FloatArray, FloatArray]:
    number = len(rows)
    if not how.align:
        return np.zeros(number), np.full(number, np.nan)
    found = align_channels(rows, width=how.width)
    if not np.isfinite(found.shift).all():
        empty = int(np.isnan(found.shift).sum())
        raise NotReduced("detectors_do_not_match", f"{empty} of {number} detectors hold no photons.")
    return found.shift, found.sigma


def _joined(exposure: npt.NDArray[Any], shift: npt.NDArray[np.int_]) -> tuple[npt.NDArray[Any], int]:
    """Detectors over the channels that all saw, as channels of the reference, and the first of these."""
    n = exposure.shape[-1]
    first, last = max(0, int(-shift.min())), n - max(0, int(shift.max()))
    if last - first < 2:
        raise NotReduced(
            "detectors_do_not_match",
            "the detectors share no channels after alignment: their lines do not correspond.",
        )
    return np.stack([exposure[:, k, first + s : last + s] for k, s in enumerate(shift)], axis=1), first


def _flagged(
    result: xr.Dataset,
    done: list[_Exposure | NotReduced],
    for_each_part: Any,
    counts: npt.NDArray[Any],
) -> xr.Dataset:
    """Reasons of the exposures that were not reduced, and warnings on the others."""
    reasons = [e.flag if isinstance(e, NotReduced) else "" for e in done]
    for name, told in _REASONS.items():
        if name in reasons or name == "no_elastic_line":  # ``status`` is there even where all is well
            result = flag(result, for_each_part([r == name for r in reasons]), name, told)
    good = for_each_part([r == "" for r in reasons])
    spikes = find_spikes(counts).any(axis=(-1, -2))
    agreement = np.asarray(for_each_part([getattr(e, "agreement", np.nan) for e in done]))
    skewed = for_each_part([isinstance(e, _Exposure) and not e.line.gaussian for e in done])
    warnings = {
        "elastic_not_gaussian": (np.asarray(skewed), "the elastic line has a shoulder or tails: zero depends on the window, see elastic_loss_systematic; fit it with features={'shoulder': (0.05, 0.2)}"),
        "spikes": (spikes, "single channels hold more photons than their neighbours explain: cosmic rays or hot pixels; look before fitting"),
        "saturated": (find_saturation(counts).any(axis=-1), "the highest number of photons stands in three channels in a row: a limit of the detector or the file"),
        "detectors_differ": (agreement < _DIFFER, "after alignment the detectors do not show one spectrum: other dispersions or curvatures, or a fault of one"),
        "poor_statistics": (result["counts"].sum("energy_loss").values < _POOR, f"fewer than {_POOR} photons in all"),
    }  # fmt: skip
    for name, (mask, told) in warnings.items():
        if (mask & good).any():
            result = flag(result, mask & good, name, told, severity="warning")
    return result


def _say(
    good: list[_Exposure], faults: list[NotReduced], elastic: float | None, size: int, several: bool
) -> None:
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
