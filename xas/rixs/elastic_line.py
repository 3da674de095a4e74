"""The elastic line among the photons by channel: found, fitted, and refused where it cannot be placed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xas.rixs.faults import NotReduced

__all__ = ["ElasticLine", "fit_elastic_line", "highest_line"]

FloatArray = npt.NDArray[np.float64]

#: A line stands out that is so many times the counting noise above what lies beside it.
_STANDS_OUT = 5.0
#: Fewest photons from which a line can be placed.
_FEWEST = 10
#: A line that was found has an area of so many of its sigmas.
_SURE = 3.0
#: The elastic line is fitted over so many of its widths to each side.
_CLOSE = 1.2
#: A line is no Gaussian whose reduced chi-square lies so many of its standard deviations above one.
_MISFIT = 5.0


@dataclass(frozen=True)
class ElasticLine:
    """Place, full width and photons of the elastic line, in channels."""

    channel: float
    channel_sigma: float
    fwhm: float
    fwhm_sigma: float
    area: float
    area_sigma: float
    redchi: float = np.nan
    points: int = 0
    moved: float = np.nan  # between the fit over all that was searched and that close to the line

    @property
    def gaussian(self) -> bool:
        """Whether the misfit is one that chance makes."""
        free = max(self.points - 4, 1)
        return not self.redchi > 1 + _MISFIT * np.sqrt(2 / free)

    @classmethod
    def missing(cls) -> ElasticLine:
        """That of an exposure in which none was found."""
        return cls(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)


def fit_elastic_line(
    channel: FloatArray,
    counts: npt.NDArray[Any],
    *,
    near: float | None,
    search: float,
    rising: bool = True,
) -> ElasticLine:
    """The elastic line, fitted by a Gaussian on a constant.

    Parameters
    ----------
    channel, counts : (n,) arrays
        Whole numbers of photons per channel.
    near : float, optional
        Channel near which it lies; None takes the line of the highest photon energy.
    search : float
        Channels to each side of ``near``.
    rising : bool
        Whether the photon energy rises with the channel.

    Raises
    ------
    NotReduced
        With the flag ``elastic_outside``, ``few_counts`` or ``no_elastic_line``.
    """
    y = np.asarray(counts, float)
    if near is not None and not channel[0] - search < near < channel[-1] + search:
        raise NotReduced(
            "elastic_outside",
            f"elastic: 0 photons within {search:g} channels of {near:g}; the channels run from {channel[0]:g} to {channel[-1]:g}. "
            "Say another channel.",
        )
    guess = near if near is not None else highest_line(channel, y, rising=rising)
    inside = np.abs(channel - guess) <= search
    if inside.sum() < 8 or y[inside].sum() < _FEWEST:
        raise NotReduced(
            "few_counts",
            f"elastic: {int(y[inside].sum())} photons within {search:g} channels of {guess:g}; at least {_FEWEST} are needed. "
            "Say another channel or widen search.",
        )
    found = _fitted_line(channel[inside], np.round(y[inside]))
    # what lies beside the line, and its tails, would widen the Gaussian: once more over little more than its width
    close = np.abs(channel - found.channel) <= max(_CLOSE * found.fwhm, 6.0)
    if np.isfinite(found.channel) and close.sum() < inside.sum():
        closer = _fitted_line(channel[close], np.round(y[close]))
        if np.isfinite(closer.channel) and np.isfinite(closer.channel_sigma):
            found = replace(closer, moved=abs(closer.channel - found.channel))
    if not np.isfinite(found.channel) or not found.area > _SURE * found.area_sigma:
        raise NotReduced(
            "no_elastic_line",
            f"elastic: no line could be fitted within {search:g} channels of {guess:g}; say another channel or search.",
        )
    edge = min(found.channel - channel[0], channel[-1] - found.channel)
    if edge < found.fwhm / 2:
        raise NotReduced(
            "elastic_outside",
            f"elastic: the line at channel {found.channel:.1f} is cut by the end of the detector; its place is not known.",
        )
    return found


def _fitted_line(x: FloatArray, counts: FloatArray) -> ElasticLine:
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
    values = {name: float(one[name]) for name in ("position", "fwhm", "area")}
    sigmas = {name: float(one[f"{name}_sigma"]) for name in values}
    return ElasticLine(
        values["position"], sigmas["position"], values["fwhm"], sigmas["fwhm"], values["area"], sigmas["area"],
        redchi=float(fitted["redchi"]), points=x.size,
    )  # fmt: skip


def highest_line(channel: FloatArray, counts: FloatArray, *, rising: bool = True) -> float:
    """Channel of the line of the highest photon energy that stands out of the counting noise.

    Raises
    ------
    NotReduced
        No line does.
    """
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import find_peaks

    box = 9
    summed = uniform_filter1d(counts, box, mode="constant") * box
    floor = float(np.median(summed))
    peaks, _ = find_peaks(summed, height=floor + _STANDS_OUT * np.sqrt(max(floor, 1.0)), distance=3 * box)
    strong = [p for p in peaks if summed[p] > floor + 0.1 * (summed.max() - floor)]
    if not strong:
        raise NotReduced(
            "no_elastic_line",
            f"no line stands {_STANDS_OUT:g} times above the counting noise, so the elastic line is not known: say elastic=.",
        )
    return float(channel[strong[-1] if rising else strong[0]])
