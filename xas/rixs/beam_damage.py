"""Whether a sample changed while it was measured: the first frames of an exposure against the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims, spectral_axis
from spectra.dataset.flags import flag
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note, verb
from xas.points.added_parts import added_up
from xas.points.named_windows import window_masks
from xas.rixs.alignment import align_channels
from xas.rixs.homogeneity import same_shape

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Change", "compare_parts", "compare_spectra"]

FloatArray = npt.NDArray[np.float64]

#: Probability with which a change that is called detectable would have been seen.
_POWER = 0.9
#: The scale has drifted where the last parts lie elsewhere by so many sigmas.
_DRIFTED = 3.0


@dataclass(frozen=True)
class Change:
    """Two spectra of counts compared as wholes and by the shares of windows in them."""

    p_value: FloatArray  # (...) of one shape
    change: FloatArray  # (..., windows) share in the last over that in the first, less one
    sigma: FloatArray  # (..., windows)
    window_p_value: FloatArray  # (..., windows) of Fisher's exact test
    detectable: FloatArray  # (..., windows) relative increase that would have been seen nine times in ten
    changed: npt.NDArray[np.bool_]  # (...) any of the tests, corrected for their number


def compare_spectra(
    first: npt.ArrayLike, last: npt.ArrayLike, windows: npt.ArrayLike, *, level: float = 0.01
) -> Change:
    r"""Whether two spectra of photons differ in more than their totals.

    The whole by :func:`xas.rixs.same_shape`; the share of each window in its spectrum by Fisher's exact test. Of these
    :math:`m` probabilities one must fall below its limit, by Holm's sequence, before anything is called changed: of
    spectra that did not change at most ``level`` are.

    Parameters
    ----------
    first, last : (..., n) arrays
        Whole numbers of photons.
    windows : (w, n) array of bool
        Channels of each window; w may be 0.
    level : float
        Share of unchanged samples that may be called changed.

    Returns
    -------
    Change
        ``sigma`` to first order: :math:`(1 + c)^2 \sum (1/n_w - 1/N)`. NaN where a spectrum holds no photons.

    Raises
    ------
    InvalidInput
        Spectra or windows of different lengths, a level that is none.

    References
    ----------
    S. Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    from scipy.stats import norm

    one, other = np.asarray(first, float), np.asarray(last, float)
    masks = np.asarray(windows, bool)
    masks = masks.reshape(-1, one.shape[-1] if one.ndim else 1) if not masks.size else np.atleast_2d(masks)
    if one.ndim < 1 or one.shape != other.shape or masks.shape[-1] != one.shape[-1]:
        raise InvalidInput(
            f"first, last and windows must have the same channels, got the shapes {one.shape}, {other.shape} and {masks.shape}."
        )
    if not 0 < level < 1:
        raise InvalidInput(f"level must lie between 0 and 1, got {level:g}.")
    inside = np.stack([(y[..., None, :] * masks).sum(axis=-1) for y in (one, other)])
    totals = np.stack([one.sum(axis=-1), other.sum(axis=-1)])[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = inside / totals
        change = shares[1] / shares[0] - 1
        sigma = (1 + change) * np.sqrt((1 / inside - 1 / totals).sum(axis=0))
        pooled = inside.sum(axis=0) / totals.sum(axis=0)
        reach = norm.isf(level / (2 * (len(masks) + 1))) + norm.isf(1 - _POWER)
        detectable = np.expm1(reach * np.sqrt((1 - pooled) / pooled * (1 / totals).sum(axis=0)))
    p = np.asarray(same_shape(np.stack([one, other], axis=-2)).p_value)
    exact = _fisher(inside, totals)
    known = np.isfinite(one).all(axis=-1) & np.isfinite(other).all(axis=-1) & (totals[..., 0] > 0).all(axis=0)
    every = np.concatenate([p[..., None], exact], axis=-1)
    smallest = np.where(np.isfinite(every), every, 1.0).min(axis=-1)
    tests = np.maximum(
        np.isfinite(every).sum(axis=-1), 1
    )  # the first step of Holm's sequence decides on "any"
    usable = known[..., None] & np.isfinite(change)
    return Change(
        p,
        np.where(usable, change, np.nan),
        np.where(usable, sigma, np.nan),
        exact,
        np.where(known[..., None], detectable, np.nan),
        known & (smallest * tests < level),
    )


def _fisher(inside: FloatArray, totals: FloatArray) -> FloatArray:
    from scipy.stats import fisher_exact

    n1, n2 = inside
    rest1, rest2 = totals - inside
    found = np.full(n1.shape, np.nan)
    for at in np.ndindex(n1.shape):
        table = np.array([[n1[at], rest1[at]], [n2[at], rest2[at]]])
        if np.isfinite(table).all() and (table.sum(axis=0) > 0).all() and (table.sum(axis=1) > 0).all():
            found[at] = fisher_exact(np.round(table).astype(np.int64))[1]
    return found


@verb("xas.rixs.compare_parts", axis=("energy_loss", "detector_channel"))
def compare_parts(
    dataset: xr.Dataset,
    *,
    along: str = "part",
    windows: dict[str, tuple[float, float]] | None = None,
    share: float = 1 / 3,
    level: float = 0.01,
    drift: Literal["remove", "keep"] = "remove",
) -> xr.Dataset:
    """Compare the first and the last frames of each exposure, and add all of them up.

    X-rays turn peroxide and carbonate into oxide, and may make or remove molecular oxygen: a spectrum that was summed over
    a changing sample shows neither state. Parts come from ``xas.rixs.read(file, parts=...)``; reduced data have one zero and
    one set of shifts for all parts of an exposure. What then moves is the energy scale, by drifts of the beamline: that
    is measured by cross-correlation and taken off before the test.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``counts`` along ``energy_loss`` (or ``detector_channel``) and ``along``; further series dimensions as they are.
    along : str
        Dimension of the parts, in the order of time.
    windows : dict, optional
        Features to look at by name, as (low, high) on the axis: ``{"O2": (7.5, 8.5)}``.
    share : float
        Share of the parts, at each end, that is compared: the first third and the last by default.
    level : float
        Probability that a sample that did not change is called changed, of all tests of one exposure together.
    drift : {"remove", "keep"}
        Whether the last parts are moved back, by whole channels, where they lie elsewhere by more than three sigmas.

    Returns
    -------
    xarray.Dataset
        ``counts`` of all parts together, ``counts_first`` and ``counts_last``; ``scale_drift`` ± sigma (units of the axis); ``shape_p_value``; ``rate_change`` ± sigma (photons
        per second and ring current, where they are known: a drift of the flux alone makes it); for each ``window``
        ``window_change`` ± sigma (of its share of the photons), ``window_p_value`` and ``window_detectable``, the change
        (an increase) that at least nine of ten such exposures would have shown. Warnings ``changed_in_the_beam`` and ``scale_drifted``; flagged ``not_compared`` where one
        end holds no photons.

    Raises
    ------
    InvalidInput
        Fewer than two parts, a window without channels, a level or share that is none.

    References
    ----------
    Qiao et al., PLoS ONE 7, e49182 (2012), doi:10.1371/journal.pone.0049182: Li2O2 and Li2CO3 become Li2O.

    Examples
    --------
    >>> import numpy as np, spectra, xas.rixs
    >>> loss = np.arange(0, 10, 0.1)
    >>> line = 30 * np.exp(-(((loss - 5) / 1.5) ** 2)) + 2
    >>> fading = line + np.array([30, 15, 0])[:, None] * np.exp(-(((loss - 8) / 0.3) ** 2))
    >>> parts = spectra.from_arrays(
    ...     loss, np.round(fading), axis="energy_loss", name="counts", units="counts", dims=("part",)
    ... )
    >>> whole = xas.rixs.compare_parts(parts, windows={"O2": (7.5, 8.5)})
    >>> float(whole.window_change[0]) < -0.5, spectra.dataset.flag_names(whole)
    (True, ['changed_in_the_beam'])
    """
    dims = series_dims(dataset)
    if along not in dims or dataset.sizes[along] < 2:
        raise InvalidInput(
            f"along: {along!r} must be a dimension with at least two parts ({did_you_mean(along, dims)}); read the "
            "exposure with parts=3."
        )
    if not 0 < share <= 0.5:
        raise InvalidInput(f"share must be above 0 and at most 0.5, the half of the parts; got {share:g}.")
    axis = spectral_axis(dataset)
    names, masks = list(windows or {}), window_masks(dataset[axis].values, windows or {}, axis)
    others = [d for d in dims if d != along]
    if "counts" not in dataset:
        raise InvalidInput(
            "xas.rixs.compare_parts needs photons as 'counts', as xas.rixs.read and reduce give them."
        )
    counts = dataset["counts"].transpose(*others, along, axis)
    n = counts.sizes[along]
    at_each_end = max(1, round(share * n))
    early, late = slice(0, at_each_end), slice(n - at_each_end, n)
    first, last = (counts.isel({along: s}).values.sum(axis=-2) for s in (early, late))
    moved, moved_sigma = _drift(first, last)
    drifted = np.abs(moved) > _DRIFTED * moved_sigma
    back = np.where(drifted & (drift == "remove"), np.nan_to_num(moved), 0.0).round().astype(int)
    found = compare_spectra(*_moved_back(first, last, back), masks, level=level)
    note(
        f"the first {at_each_end} and the last {at_each_end} of {n} parts were compared, and all of them added up"
    )
    result = added_up(dataset, along, axis, others, "counts").assign(
        counts_first=((*others, axis), first, {"units": "counts", "long_name": "counts of the first parts"}),
        counts_last=((*others, axis), last, {"units": "counts", "long_name": "counts of the last parts"}),
        shape_p_value=(others, found.p_value, {"units": "", "long_name": "probability that chance alone makes first and last differ as much"}),
    )  # fmt: skip
    step = float(np.median(np.diff(dataset[axis].values)))
    units = {"units": str(dataset[axis].attrs.get("units", ""))}
    result = result.assign(
        scale_drift=(others, moved * step, units | {"long_name": "of the last parts against the first"}),
        scale_drift_sigma=(others, moved_sigma * step, units),
    )
    if names:
        where = [*others, "window"]
        result = result.assign_coords(window=("window", names, {"long_name": "feature"})).assign(
            window_change=(where, found.change, {"units": "", "long_name": "relative change of the share"}),
            window_change_sigma=(where, found.sigma, {"units": ""}),
            window_p_value=(where, found.window_p_value, {"units": ""}),
            window_detectable=(where, found.detectable, {"units": "", "long_name": "change that would have been seen"}),
        )  # fmt: skip
    rate = _rate(dataset, along, others, (early, late), (first, last))
    if rate is not None:
        result = result.assign(
            rate_change=(
                others,
                rate[0],
                {"units": "", "long_name": "change of photons per second and current"},
            ),
            rate_change_sigma=(others, rate[1], {"units": ""}),
        )
    empty = ~((first.sum(axis=-1) > 0) & (last.sum(axis=-1) > 0))
    result = flag(
        result, empty, "not_compared", "the first or the last part holds no photons, or counts are missing"
    )
    if drifted.any():
        told = "the energy scale of the last parts is not that of the first, by more than three sigmas: lines are broadened; see scale_drift"
        result = flag(result, drifted, "scale_drifted", told, severity="warning")
    return flag(
        result,
        found.changed,
        "changed_in_the_beam",
        "the last frames differ from the first by more than chance: take the first alone, or less dose",
        severity="warning",
    )


def _drift(first: FloatArray, last: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Channels by which the last spectrum lies above the first, and sigma; NaN where one is empty or missing."""
    moved, sigma = np.full(first.shape[:-1], np.nan), np.full(first.shape[:-1], np.nan)
    for at in np.ndindex(moved.shape):
        pair = np.stack([first[at], last[at]])
        if np.isfinite(pair).all() and pair.any(axis=-1).all():
            found = align_channels(pair)
            moved[at], sigma[at] = found.shift[1] - found.shift[0], found.sigma.max()
    return moved, sigma


def _moved_back(
    first: FloatArray, last: FloatArray, back: npt.NDArray[np.int_]
) -> tuple[FloatArray, FloatArray]:
    """Both spectra over the channels that both have once the last is moved down by ``back``; zero elsewhere."""
    if not back.any():
        return first, last
    n = first.shape[-1]
    source = np.arange(n) + back[..., None]
    both = (source >= 0) & (source < n)
    moved = np.take_along_axis(last, np.clip(source, 0, n - 1), axis=-1)
    return np.where(both, first, 0), np.where(both, moved, 0)


def _rate(
    dataset: xr.Dataset,
    along: str,
    others: list[str],
    ends: tuple[slice, slice],
    counts: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray] | None:
    """Photons per second and ring current of the last over those of the first part, less one, and its sigma."""
    if "exposure_time" not in dataset.coords or along not in dataset["exposure_time"].dims:
        return None
    flux = dataset["exposure_time"] * (dataset["ring_current"] if "ring_current" in dataset.coords else 1.0)
    if set(flux.dims) - {along, *others}:
        return None
    given = [flux.isel({along: s}).sum(along) for s in ends]
    full = [np.broadcast_to(g.transpose(*[d for d in others if d in g.dims]).values, counts[0].shape[:-1]) for g in given]  # fmt: skip
    totals = [c.sum(axis=-1) for c in counts]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (totals[1] / full[1]) / (totals[0] / full[0])
        return ratio - 1, ratio * np.sqrt(1 / totals[0] + 1 / totals[1])
