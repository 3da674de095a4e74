"""Optical density of image stacks of soft X-ray microscopes, with the counts' uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims
from spectra.errors import InvalidInput
from spectra.knowledge import number
from spectra.verbs import note, resolve, verb
from xas.eels.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Empty", "empty_pixels", "optical_density"]

Array = npt.NDArray[Any]

#: Fewest empty spectra that a reference and its scatter are taken from.
FEWEST = 8
#: Points farther off than so many times the scatter are no noise.
FAR = 5.0


@dataclass(frozen=True)
class Empty:
    """What the pixels without sample say: the light, and the noise of one channel."""

    light: Array  # (n,) mean transmitted intensity
    gain: Array  # (n,) variance of a channel per unit of its value
    number: int


@verb(
    "xas.eels.optical_density",
    axis="energy",
    together=lambda options: options["incident"] == "empty" or options["gain"] is None,
)
def optical_density(
    dataset: xr.Dataset,
    *,
    incident: Literal["empty", "measured"] = "empty",
    empty: float = 0.1,
    gain: float | None = None,
    thickest: float | None = None,
) -> xr.Dataset:
    r"""Optical density of transmitted intensities, with sigma from counting.

    .. math:: D = \ln(I_0/I), \qquad \sigma_D^2 = g\,(1/I + 1/(n I_0))

    with the variance g of a channel per unit of its value (one over the counts that a unit stands for), and n empty
    pixels.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``itrans`` along ``energy`` (:func:`spectra.read` or :func:`xas.read` of a stack); any series dimensions.
    incident : {"empty", "measured"}
        What the transmitted intensity is compared with: that of the pixels without sample, which passed the same optics
        in the same frame, or ``i0`` of the file, whose scale may be another.
    empty : float
        Share of the pixels that are without sample: the brightest in the mean over all energies.
    gain : float, optional
        Variance of a channel per unit of its value, 1 for counts. Default: by energy, from the scatter of the empty
        pixels about their mean, as stored intensities are seldom counts and frames that were shifted by parts of a pixel
        have lost a part of their noise.
    thickest : float, optional
        Optical density above which a pixel is flagged. Default: 1.5.

    Returns
    -------
    xarray.Dataset
        With ``optical_density`` and ``optical_density_sigma``, which the next verbs work on (``attrs["signal"]``), and
        ``count_gain`` and, with ``empty``, ``empty_intensity`` along the energy. Flags: ``no_transmission`` (an intensity that is not
        positive; failed) and ``too_thick`` (warning).

    Raises
    ------
    InvalidInput
        No ``itrans``, too few pixels for ``empty``, ``measured`` without ``i0``.

    Notes
    -----
    The noise of the light, the same in all pixels, is part of each sigma and does not average out over pixels. Neighbour
    pixels of frames that were shifted by parts of a pixel share noise: a mean over pixels is less sure than its sigma
    divided by the root of their number.

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> energy = np.arange(700.0, 732.0, 0.5)
    >>> density = np.linspace(0, 1, 40)[:, None] * (energy > 708)
    >>> counts = np.random.default_rng(1).poisson(1e4 * np.exp(-density))
    >>> stack = spectra.from_arrays(energy, counts, name="itrans", dims=("x",), attrs={"technique": "xas"})
    >>> density = xas.eels.optical_density(stack, empty=0.25, gain=1.0)
    >>> sigma = float(density.optical_density_sigma.sel(energy=725).isel(x=-1))
    >>> round(float(density.optical_density.sel(energy=725).isel(x=-1)), 1), round(sigma, 2)
    (0.9, 0.02)
    """
    if "itrans" not in dataset or "energy" not in dataset["itrans"].dims:
        raise InvalidInput(
            "optical_density needs the transmitted intensity 'itrans' along energy; spectra.read and xas.read of a stack "
            "give it."
        )
    limit = number(load_table("iron")["optical_density"]["thickest"]) if thickest is None else thickest
    if gain is not None and not gain > 0:
        raise InvalidInput(f"gain is the variance of a channel per unit of its value, above 0, got {gain:g}.")
    if not limit > 0:
        raise InvalidInput(f"thickest is an optical density above 0, got {limit:g}.")
    found = _empty(dataset, empty, needed=incident == "empty" or gain is None)
    light, light_variance = _light(dataset, incident, found)
    n_energy = dataset.sizes["energy"]
    per_unit = (
        np.full(n_energy, gain) if gain is not None else found.gain if found else np.full(n_energy, np.nan)
    )
    resolve(gain=float(np.median(per_unit)), thickest=limit)

    def kernel(transmitted: Array, before: Array) -> dict[str, Array]:
        through = np.where(transmitted > 0, transmitted, np.nan).astype(float)
        given = np.where(before > 0, before, np.nan).astype(float)
        density = np.log(given / through)
        variance = per_unit * (1 / through + light_variance / given)
        lost = np.asarray(~np.isfinite(density).all(-1))
        thick = ~lost & (np.nan_to_num(density, nan=-np.inf).max(-1) > limit)
        return {
            "density": np.where(lost[..., None], np.nan, density),
            "sigma": np.where(lost[..., None], np.nan, np.sqrt(variance)),
            "lost": lost.astype(float),
            "thick": thick.astype(float),
        }

    made = map_spectra(
        kernel, [(dataset["itrans"], ("energy",)), (light, ("energy",))],
        {"density": ("energy",), "sigma": ("energy",), "lost": (), "thick": ()},
    )  # fmt: skip
    dims, units = dataset["itrans"].dims, str(dataset["itrans"].attrs.get("units", ""))
    result = dataset.assign(
        optical_density=made["density"].transpose(*dims).assign_attrs(units="", long_name="optical density"),
        optical_density_sigma=made["sigma"].transpose(*dims).assign_attrs(
            units="", long_name="standard uncertainty of the optical density from counting"
        ),
        count_gain=("energy", per_unit, {"units": "", "long_name": "variance of a channel per unit of its value"}),
    ).assign_attrs(signal="optical_density")  # fmt: skip
    if incident == "empty":
        result["empty_intensity"] = light.assign_attrs(units=units, long_name="intensity without sample")
    result = flag(
        result, made["lost"] == 1, "no_transmission",
        "an intensity is missing or not positive: a dead pixel or no light; there is no optical density",
    )  # fmt: skip
    return flag(
        result, made["thick"] == 1, "too_thick",
        f"the optical density exceeds {limit:g}: stray light and the light of higher orders flatten strong lines, so that "
        "their ratios are wrong; measure a thinner place",
        severity="warning",
    )  # fmt: skip


def empty_pixels(transmitted: Array, share: float) -> Empty:
    r"""Light and noise from the brightest ``share`` of rows (rows, n) of transmitted intensities.

    The gain is the variance of pixels about the light times their own brightness, over the light; points beyond five
    times the median scatter (a drifting feature, a spike) are left out.

    Raises
    ------
    InvalidInput
        Fewer than eight rows are left.
    """
    if not 0 < share <= 0.9:
        raise InvalidInput(
            f"empty is the share of pixels without sample, above 0 and up to 0.9, got {share:g}."
        )
    mean = transmitted.mean(-1)
    good = np.flatnonzero(np.isfinite(mean) & (transmitted > 0).all(-1))
    take = round(share * good.size)
    if take < FEWEST:
        raise InvalidInput(
            f"empty = {share:g} of {good.size} whole spectra are {take}, and at least {FEWEST} are needed: raise empty, or "
            "compare with incident='measured' and give gain."
        )
    rows = np.asarray(transmitted[good[np.argsort(mean[good])[-take:]]], float)
    light = rows.mean(0)
    own = rows.mean(-1, keepdims=True) / light.mean()
    left, n = rows - own * light, rows.shape[-1]
    near = np.abs(left) < FAR * 1.4826 * np.median(np.abs(left), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (left**2 * near).sum(0) / near.sum(0) * take / (take - 1) * n / (n - 1)
    return Empty(light, variance / light, take)


def _empty(dataset: xr.Dataset, share: float, *, needed: bool) -> Empty | None:
    if not needed:
        return None
    dims = series_dims(dataset.assign_attrs(signal="itrans"))
    if not dims:
        raise InvalidInput(
            "a single spectrum has no empty pixels beside it: give incident='measured' and gain, the variance of a channel "
            "per unit of its value."
        )
    rows = dataset["itrans"].transpose(*dims, "energy").values.reshape(-1, dataset.sizes["energy"])
    found = empty_pixels(rows, share)
    note(
        f"the light is that of the {found.number} brightest of {len(rows)} pixels, taken to be without sample"
    )
    return found


def _light(dataset: xr.Dataset, incident: str, found: Empty | None) -> tuple[xr.DataArray, float]:
    """Intensity without sample, and one over the number of pixels that it comes from."""
    import xarray as xr

    if incident == "empty" and found is not None:
        return xr.DataArray(found.light, dims="energy"), 1 / found.number
    if "i0" not in dataset or "energy" not in dataset["i0"].dims:
        raise InvalidInput(
            "incident='measured' needs i0 along energy, which this dataset does not have: take the empty pixels."
        )
    note("the noise of i0 is no part of the sigmas")
    return dataset["i0"], 0.0
