"""Wavelet transform of the fine structure: which distances, at which k, and so which neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.exafs.chi_noise import noise_of_chi
from xas.exafs.transform import checked_k_range, k_axis
from xas.exafs.wavelet_filter import (
    Wavelet,
    cone_of_influence,
    wavelet_filter,
    wavelet_magnitude,
    wavelet_transform,
)
from xas.exafs.wavelet_regions import RegionIntegral, region_integral, region_integrals
from xas.points.wavenumber import R_STEP, Window
from xas.points.wavenumber import window as taper_window

if TYPE_CHECKING:
    import xarray as xr

    from xas.exafs.chi_noise import ChiNoise

__all__ = ["wavelet"]

Array = npt.NDArray[np.float64]
Regions = dict[str, tuple[tuple[float, float], tuple[float, float]]]

#: Bytes of maps that one call makes at most in memory, and of one block of a lazy dataset.
MOST, BLOCK = 4 * 2**30, 128 * 2**20


@verb("xas.wavelet", axis="energy", needs={"chi": "xas.autobk"})
def wavelet(
    dataset: xr.Dataset,
    *,
    kind: Wavelet = "cauchy",
    resolution: float = 1.0,
    resolution_at: float = 2.5,
    order: float | None = None,
    eta_sigma: float | None = None,
    k: tuple[float, float] | None = None,
    kweight: float = 2.0,
    dk: float = 1.0,
    window: Window = "hanning",
    rmax: float | None = None,
    regions: Regions | None = None,
    maps: bool = True,
    parts: Literal["magnitude", "complex"] = "magnitude",
    precision: Literal["double", "single"] = "double",
) -> xr.Dataset:
    r"""Wavelet transform of chi(k): a map over R and k that tells heavy neighbours from light ones at the same distance.

    Each row R filters :math:`k^w\,\Omega(k)\,\chi(k)` with a wavelet of that distance. A wave
    :math:`A \cos(2kR + \phi)` stands in the map with its amplitude A, at any R, for either wavelet and any resolution:
    heights compare. What one gains in k is lost in R: :math:`\sigma_k \sigma_R = 1/2`.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``chi`` along ``k`` from :func:`xas.autobk`.
    kind : {"cauchy", "morlet"}
        Cauchy of order n (Muñoz 2003) or Morlet with the product ησ (Funke 2005); with :math:`n = (\eta\sigma)^2` the
        maps are alike.
    resolution : float
        :math:`\sigma_k` in 1/Å at the distance ``resolution_at``. It goes with 1/R: half at twice the distance.
    resolution_at : float
        In Å, on the scale of chi(R). Default: about where the metal neighbours of an oxide are.
    order : float, optional
        n of the Cauchy wavelet, instead of ``resolution``: :math:`\sigma_k = \sqrt n/2R`.
    eta_sigma : float, optional
        ησ of the Morlet wavelet, instead of ``resolution``: :math:`\sigma_k = \eta\sigma/2R`.
    k : (float, float), optional
        Middles of the window's tapers in 1/Å. Default: (3, 12), or to the end of the data where they end earlier.
    kweight : float
        Power w of k, a real number.
    dk : float
        Width of the tapers in 1/Å, as in :func:`xas.fourier`.
    window : {"hanning", "parzen", "welch", "kaiser", "sine", "gaussian", "flat"}
        Shape of the window; "flat" from 0 to the end of the data transforms all there is.
    rmax : float, optional
        Last R in Å. Default: the dataset's own ``r`` from :func:`xas.fourier`, else 6.
    regions : dict, optional
        Boxes to integrate over: ``{"Ni-O": ((3, 9), (1.1, 1.9)), "Ni-Ni": ((6, 12), (2.0, 3.0))}``, the range of k
        and that of R.
    maps : bool
        False: keep nothing of the maps but the integrals over ``regions``; for long series.
    parts : {"magnitude", "complex"}
        "complex" adds real and imaginary part.
    precision : {"double", "single"}
        Of the numbers kept; "single" halves the memory.

    Returns
    -------
    xarray.Dataset
        With ``wavelet`` (the magnitude) along ``r`` and ``k``, ``cone_of_influence`` (1 where the map is within
        :math:`2\sigma_k` of an end of the k range, or outside of it), and with ``regions`` ``wavelet_area`` along
        ``region`` with its ``_sigma``: the integral of the magnitude over the box in units of Å to the power -w.
        Spectra of which chi is not known throughout the window are flagged ``no_chi`` and hold NaN.

    Raises
    ------
    InvalidInput
        If the window reaches beyond the data, a box beyond the window, a number makes no wavelet, or the maps of a
        series would not fit into memory.

    Notes
    -----
    R is not corrected for phase shifts. Larch's map is this one of order n = number of its rows times the constant
    :math:`(\pi/n!)\,n^n e^{-n}`. A lazy series stays lazy, in blocks of at most 128 MiB. The uncertainty of an area is
    to first order in the noise: it holds where the magnitude in the box stands clear of the noise, which otherwise adds
    to it.

    References
    ----------
    M. Muñoz, P. Argoul & F. Farges, American Mineralogist 88, 694 (2003), doi:10.2138/am-2003-0423
    H. Funke, A. C. Scheinost & M. Chukalina, Phys. Rev. B 71, 094110 (2005), doi:10.1103/PhysRevB.71.094110

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 7300.0, 1.0)
    >>> k = np.sqrt(0.2625 * np.clip(energy - 6548, 0, None))
    >>> mu = (1 + 0.1 * np.sin(2 * 2.5 * k) * np.exp(-0.02 * k**2)) / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.wavelet(xas.autobk(xas.normalize(scan)), resolution=1.0, regions={"shell": ((5, 9), (2, 3))})
    >>> scan.wavelet.dims, round(float(scan.wavelet.sel(k=7, method="nearest").idxmax("r")), 1)
    (('r', 'k'), 2.5)
    """
    grid = k_axis(dataset)
    width = _width(kind, resolution, resolution_at, order, eta_sigma)
    low, high = checked_k_range(grid, k, dk, window)
    resolve(k=(low, high))
    _check_regions(regions, low, high, maps)
    step = float(grid[1] - grid[0])
    extended = step * np.arange(int(1.01 + max(grid[-1], high + dk) / step), dtype=float)
    scale: Array = grid**kweight * taper_window(extended, low, high, taper=dk, shape=window)[: grid.size]
    units = f"1/angstrom^{kweight:g}" if kweight else ""
    result = dataset
    if maps:
        result, r = _with_rows(dataset, rmax)
        cone = cone_of_influence(r, grid, low, high, width).astype(np.int8)
        result["cone_of_influence"] = (
            ("r", "k"), cone, {"units": "", "long_name": "1 where the ends of the k range reach"},
        )  # fmt: skip
        filters = wavelet_filter(r, grid.size, step, kind=kind, width=width)
        names = ["wavelet"] + (["wavelet_re", "wavelet_im"] if parts == "complex" else [])
        dtype = np.float32 if precision == "single" else np.float64
        chi = _in_blocks(dataset, r.size * grid.size * np.dtype(dtype).itemsize * len(names))
        made = map_spectra(
            _maps(_weighted(scale), filters, names, dtype), [(chi, ("k",))], dict.fromkeys(names, ("r", "k")),
            sizes={"r": r.size}, dtypes=dict.fromkeys(names, dtype),
        )  # fmt: skip
        result = result.assign(made)
        texts = {"wavelet": "magnitude", "wavelet_re": "real part", "wavelet_im": "imaginary part"}
        for name in names:
            result[name].attrs.update(units=units, long_name=f"{texts[name]} of the wavelet transform")
    if regions:
        result = _with_regions(
            result, dataset, regions, _Settings(grid, scale, kind, width, (low, high)), units
        )
    known = dataset["chi"].isel(k=np.flatnonzero(scale)).notnull().all("k")
    return flag(
        result, ~known, "no_chi",
        "chi(k) is not known throughout the window: shorten k, or look at the flags of xas.autobk",
    )  # fmt: skip


@dataclass(frozen=True)
class _Settings:
    grid: Array
    scale: Array
    kind: Wavelet
    width: float
    ends: tuple[float, float]


def _width(
    kind: Wavelet, resolution: float, at: float, order: float | None, eta_sigma: float | None
) -> float:
    """The number s that makes a wavelet: ησ, or the root of the order."""
    if (order is not None and kind != "cauchy") or (eta_sigma is not None and kind != "morlet"):
        wrong, right = ("order", "eta_sigma") if kind == "morlet" else ("eta_sigma", "order")
        raise InvalidInput(
            f"{wrong} does not belong to the {kind} wavelet: give {right} or resolution, or take the other kind."
        )
    if order is not None:
        width = float(np.sqrt(order)) if order > 0 else 0.0
    else:
        width = 2 * at * resolution if eta_sigma is None else eta_sigma
    if not (1 <= width <= 100 and at > 0):
        raise InvalidInput(
            f"these numbers make a wavelet of order {width**2:.3g} (ησ = {width:.3g}), and 1 to 10000 (1 to 100) make sense: "
            "resolution is σ in 1/Å at the distance resolution_at in Å, so that ησ = 2 · resolution · resolution_at."
        )
    if kind == "cauchy":
        resolve(order=width**2)
    else:
        resolve(eta_sigma=width)
    return width


def _check_regions(regions: Regions | None, low: float, high: float, maps: bool) -> None:
    if not maps and not regions:
        raise InvalidInput("maps = False leaves nothing to do without regions: give boxes to integrate over.")
    for name, ((k1, k2), (r1, r2)) in (regions or {}).items():
        if not (low <= k1 < k2 <= high and 0 <= r1 < r2):
            raise InvalidInput(
                f"region {name!r} is k = ({k1:g}, {k2:g}), R = ({r1:g}, {r2:g}): both ascend, R is not below zero, and k "
                f"stays within the window, {low:g} to {high:g} 1/Å."
            )


def _with_rows(dataset: xr.Dataset, rmax: float | None) -> tuple[xr.Dataset, Array]:
    """``dataset`` with the rows of the map as its ``r``, which stay those of chi(R) where nothing else is asked for."""
    if rmax is not None and not R_STEP < rmax <= 30:
        raise InvalidInput(f"rmax is a distance up to 30 Å, got {rmax:g} Å.")
    kept = dataset.drop_vars(
        [n for n in dataset.data_vars if "k" in dataset[n].dims and "r" in dataset[n].dims]
    )
    if "r" in dataset.coords and rmax is None:
        resolve(rmax=float(dataset["r"][-1]))
        return kept, dataset["r"].values.astype(float)
    r = R_STEP * np.arange(int(1.01 + (6.0 if rmax is None else rmax) / R_STEP), dtype=float)
    resolve(rmax=float(r[-1]))
    if "r" in dataset.dims and (dataset.sizes["r"] != r.size or not np.allclose(dataset["r"], r)):
        note("results along r of an earlier call were replaced: transform to the same rmax to keep both")
        kept = kept.drop_dims("r")
    axis = {"units": "angstrom", "long_name": "distance R, not corrected for phase shifts"}
    return kept.assign_coords(r=("r", r, axis)), r


def _in_blocks(dataset: xr.Dataset, bytes_each: int) -> xr.DataArray:
    """chi(k), in blocks of which the maps are of bounded size if it is lazy; refused if they all are too large."""
    chi, dims = dataset["chi"], [d for d in series_dims(dataset) if d in dataset["chi"].dims]
    count = int(np.prod([chi.sizes[d] for d in dims]))
    if chi.chunks is None:
        if count * bytes_each > MOST:
            raise InvalidInput(
                f"the maps of {count} spectra would take {count * bytes_each / 2**30:.1f} GiB of memory: integrate over "
                "regions with maps = False, make the dataset lazy (dataset.chunk({'"
                + str(dims[0])
                + "': 100})), take "
                "fewer spectra, or lower rmax."
            )
        return chi
    left = max(1, BLOCK // bytes_each)
    blocks: dict[Any, int] = {}
    for dim in reversed(dims):
        blocks[dim] = min(left, chi.sizes[dim], max(chi.chunksizes[dim]))
        left = max(1, left // blocks[dim])
    return chi.chunk({**blocks, "k": -1})


def _weighted(scale: Array) -> Callable[[Array], Array]:
    """From chi (rows, n_k) to what is transformed; what the window does not let through does not matter."""
    return lambda chi: np.where(scale != 0, chi, 0.0) * scale


def _maps(
    weighted: Callable[[Array], Array], filters: Any, names: list[str], dtype: npt.DTypeLike
) -> Callable[..., Mapping[str, npt.NDArray[np.floating]]]:
    def kernel(chi: Array) -> Mapping[str, npt.NDArray[np.floating]]:
        x = weighted(chi)
        if len(names) == 1:
            return {"wavelet": wavelet_magnitude(x, filters, dtype)}
        made = wavelet_transform(x, filters)
        every = {"wavelet": np.abs(made), "wavelet_re": made.real, "wavelet_im": made.imag}
        return {name: every[name].astype(dtype) for name in names}

    return kernel


def _with_regions(
    result: xr.Dataset, dataset: xr.Dataset, regions: Regions, settings: _Settings, units: str
) -> xr.Dataset:
    boxes = [
        region_integral(settings.grid, *box, kind=settings.kind, width=settings.width)
        for box in regions.values()
    ]
    names, noise = list(regions), noise_of_chi(dataset)
    for name, box in zip(names, boxes, strict=True):
        cone = cone_of_influence(box.filters.r, settings.grid, *settings.ends, settings.width)
        if (box.weights * cone).sum() > 0.5 * box.weights.sum():
            note(
                f"more than half of the region {name!r} lies in the cone of influence, where the ends of the k range reach: "
                "its area compares with others of the same k range and resolution only"
            )
    inputs: list[Any] = [(dataset["chi"], ("k",))] + ([] if noise is None else [(noise.sizes, (noise.axis,))])
    outputs = ["wavelet_area"] + ([] if noise is None else ["wavelet_area_sigma"])
    made = map_spectra(
        _areas(settings.scale, boxes, noise), inputs, dict.fromkeys(outputs, ("region",)),
        sizes={"region": len(names)},
    )  # fmt: skip
    result = result.drop_dims("region", errors="ignore").assign(made)
    result = result.assign_coords(region=("region", np.array(names), {"long_name": "box of the wavelet map"}))
    result["wavelet_area"].attrs.update(units=units, long_name="integral of the wavelet's magnitude")
    if noise is not None:
        text = "standard uncertainty of the integral of the wavelet's magnitude from noise"
        result["wavelet_area_sigma"].attrs.update(units=units, long_name=text)
    return result


def _areas(
    scale: Array, boxes: list[RegionIntegral], noise: ChiNoise | None
) -> Callable[..., Mapping[str, Array]]:
    weighted = _weighted(scale)

    def kernel(chi: Array, sizes: Array | None = None) -> Mapping[str, Array]:
        lead = np.broadcast_shapes(chi.shape[:-1], () if sizes is None else sizes.shape[:-1])
        x = weighted(np.broadcast_to(chi, (*lead, chi.shape[-1]))).reshape(-1, chi.shape[-1])
        spread = None
        if sizes is not None:
            spread = np.broadcast_to(sizes, (*lead, sizes.shape[-1])).reshape(-1, sizes.shape[-1])
        found = [region_integrals(x, box, scale, noise, spread) for box in boxes]
        area = np.stack([a for a, _ in found], axis=-1).reshape((*lead, len(boxes)))
        if noise is None:
            return {"wavelet_area": area}
        sigma = np.stack([s for _, s in found if s is not None], axis=-1).reshape((*lead, len(boxes)))
        return {"wavelet_area": area, "wavelet_area_sigma": sigma}

    return kernel
