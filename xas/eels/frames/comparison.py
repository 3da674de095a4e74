"""Whether a sample changed under the electron beam: the first frames of a stack against the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note, resolve, verb
from xas.eels.background.subtraction import AXES
from xas.eels.frames.change import CLEAR, compare_ends
from xas.points.added_parts import added_up
from xas.points.named_windows import window_masks

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["compare_frames"]

Array = npt.NDArray[np.float64]

#: Frames from which on their own scatter tells the variance per count.
_FOUR = 4
#: Probability with which a change that is called detectable would have been seen.
_POWER = 0.9


@verb("xas.eels.compare_frames", axis=AXES, together=True)
def compare_frames(
    dataset: xr.Dataset,
    *,
    along: str = "frame",
    windows: dict[str, tuple[float, float]] | None = None,
    share: float = 1 / 3,
    gain: float | None = None,
    level: float = 0.01,
    drift: Literal["remove", "keep"] = "remove",
) -> xr.Dataset:
    r"""Compare the first and the last frames of a stack of one place, and add all of them up.

    Electrons reduce oxides: white lines move down and change their ratio, and a sum over a changing sample shows neither
    state. Spectra of one place, one after the other, are compared apart from their strength (thickness, current of the
    beam) and from a shift of the energy scale, which drifts in every microscope.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra as measured along ``energy_loss`` (or ``energy``) and ``along``; further dimensions, each place by itself.
    along : str
        Dimension of the frames, in the order of time: ``xas.eels.read_series(files, dim="frame")``.
    windows : dict, optional
        Features to look at by name, as (low, high) in eV: ``{"L3": (638, 648)}``.
    share : float
        Share of the frames, at each end, that is compared: the first third and the last by default.
    gain : float, optional
        Variance per count. Default: from frames next to each other, which takes four. 1 for single electrons.
    level : float
        Probability that a sample that did not change is called changed, of all tests of one place together.
    drift : {"remove", "keep"}
        Whether a shift of the energy scale is allowed for. "keep" takes an edge that moved for a change.

    Returns
    -------
    xarray.Dataset
        The signal of all frames together, and (for ``counts``) ``counts_first`` and ``counts_last``; ``shape_p_value``, that
        chance alone makes them differ as much; ``frame_gain``; ``scale_drift`` ± sigma (eV); ``rate_change`` ± sigma (of all
        counts, not part of the verdict); for each ``window`` ``window_change`` ± sigma (of its share of the counts, the drift
        taken off), ``window_p_value`` and ``window_detectable``, the change that nine of ten such stacks would have shown.
        Warnings ``changed_in_the_beam`` and ``scale_drifted``; flagged ``not_compared`` where an end holds too little.

    Raises
    ------
    InvalidInput
        Fewer than two frames, or than four without a gain; a window without channels; a level or share that is none.

    Notes
    -----
    :func:`xas.eels.frames.change.compare_ends` says what is computed. Channels are joined to groups of four at least, of 25
    counts at least. In simulated stacks of Mn L2,3 edges (2 to 30 frames, 30 to 10,000 counts per channel, drifts of up
    to 6 channels, detectors with 4 counts of variance per count) 0 to 3 % were called different at a level of 1 %; a
    scintillator that spreads a count over three channels makes sigmas of windows a tenth to a fifth too small. Where a line
    changed, some of it is taken for drift: 0.1 eV where Mn L3 lost 40 %, and 3 % of the change of its window. Nothing in the
    frames tells a changed sample from a detector that remembers, or from a resolution that changes.

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> loss = np.arange(620.0, 670.0, 0.25)
    >>> l3 = 1000 * np.exp(-(((loss - 642) / 2) ** 2))
    >>> fading = 2000 + l3 * np.linspace(1, 0.5, 9)[:, None]
    >>> counts = np.random.default_rng(1).poisson(fading).astype(float)
    >>> stack = spectra.from_arrays(loss, counts, axis="energy_loss", name="counts", dims=("frame",))
    >>> whole = xas.eels.compare_frames(stack, windows={"L3": (639, 645)})
    >>> float(whole.window_change[0]) < -0.05, whole.spectra.flags.flag.tolist()
    (True, ['changed_in_the_beam'])
    """
    dims, axis, signal = series_dims(dataset), spectral_axis(dataset), signal_name(dataset)
    count = dataset.sizes.get(along, 0)
    if along in dims and count < 2:
        raise InvalidInput(
            f"along: {along!r} holds one frame, and two at least can be compared: read the stack."
        )
    if along not in dims:
        raise InvalidInput(
            f"along: {along!r} must be a dimension with at least two frames; {did_you_mean(along, dims)}."
        )
    if not 0 < share <= 0.5:
        raise InvalidInput(f"share must be above 0 and at most 0.5, the half of the frames; got {share:g}.")
    if not 0 < level < 1:
        raise InvalidInput(f"level must lie between 0 and 1, got {level:g}.")
    if gain is not None and not gain > 0:
        raise InvalidInput(f"gain is the variance per count and above zero, got {gain:g}.")
    if gain is None and count < _FOUR:
        raise InvalidInput(
            f"{count} frames do not show their own noise, at least {_FOUR} do: give gain=, the variance per count (1.0 for "
            "single electrons)."
        )
    x = dataset[axis].values.astype(float)
    masks = window_masks(x, windows or {}, axis)
    others = [d for d in dims if d != along]
    at_each_end = max(1, round(share * count))
    note(
        f"the first {at_each_end} and the last {at_each_end} of {count} frames were compared, and all added up"
    )
    resolve(at_each_end=at_each_end)
    frames = dataset[signal].transpose(*others, along, axis).values
    found = compare_ends(frames, masks, at_each_end=at_each_end, gain=gain, drift=drift == "remove")
    step = float(np.median(np.diff(x)))
    units = str(dataset[axis].attrs.get("units", "eV"))
    totals = found.first.sum(-1), found.last.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = totals[1] / totals[0]
        spread = np.abs(ratio) * np.sqrt(found.gain * (1 / totals[0] + 1 / totals[1]))
    own = {"units": str(dataset[signal].attrs.get("units", ""))}
    result = added_up(dataset, along, axis, others, signal).assign({
        f"{signal}_first": ((*others, axis), found.first, own | {"long_name": f"{signal} of the first frames"}),
        f"{signal}_last": ((*others, axis), found.last, own | {"long_name": f"{signal} of the last frames"}),
        "shape_p_value": (others, found.p_value, {"units": "", "long_name": "probability that chance alone makes first and last differ as much"}),
        "frame_gain": (others, found.gain, {"units": "", "long_name": "variance per count"}),
        "rate_change": (others, ratio - 1, {"units": "", "long_name": "change of all counts from the first to the last frames"}),
        "rate_change_sigma": (others, spread, {"units": ""}),
    })  # fmt: skip
    tests, chances = 1 + len(masks), [found.p_value[..., None], found.window_p_value]
    if drift == "remove":
        result = result.assign(
            scale_drift=(others, found.shift * step, {"units": units, "long_name": "of the last frames against the first"}),
            scale_drift_sigma=(others, found.shift_sigma * step, {"units": units}),
        )  # fmt: skip
    if windows:
        result = _with_windows(
            result, list(windows), others, found.change, found.change_sigma, found.window_p_value, level
        )
    if "frames" in dataset.attrs:
        result = result.assign_attrs(frames=int(dataset.attrs["frames"]) * count)
    with np.errstate(invalid="ignore"):
        changed = (np.concatenate(chances, axis=-1) < level / tests).any(-1)
        moved = np.abs(found.shift) > CLEAR * found.shift_sigma
    result = flag(
        result, ~np.isfinite(found.p_value), "not_compared",
        "the first or the last frames hold too few counts, or some are missing: nothing was compared",
    )  # fmt: skip
    if drift == "remove":
        result = flag(
            result, moved, "scale_drifted",
            "the energy scale of the last frames is not that of the first, by more than three sigmas: the sum is broadened; see "
            "scale_drift, or align the frames before",
            severity="warning",
        )  # fmt: skip
    return flag(
        result, changed, "changed_in_the_beam",
        "the last frames differ from the first by more than chance: take the first alone, or less dose",
        severity="warning",
    )  # fmt: skip


def _with_windows(
    result: xr.Dataset,
    names: list[str],
    others: list[str],
    change: Array,
    sigma: Array,
    p: Array,
    level: float,
) -> xr.Dataset:
    from scipy.stats import norm

    reach = norm.isf(level / (2 * (1 + len(names)))) + norm.isf(1 - _POWER)
    where = [*others, "window"]
    return result.assign_coords(window=("window", names, {"long_name": "feature"})).assign(
        window_change=(where, change, {"units": "", "long_name": "relative change of the share"}),
        window_change_sigma=(where, sigma, {"units": ""}),
        window_p_value=(where, p, {"units": "", "long_name": "probability that chance alone changes the share as much"}),
        window_detectable=(where, np.expm1(reach * sigma / (1 + change)), {"units": "", "long_name": "change that would have been seen"}),
    )  # fmt: skip
