"""The verb that takes cosmic rays out of spectra, counts them and says where they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean
from spectra.preprocessing.cosmic_rays import SAFE, despike_arrays, spike_threshold
from spectra.preprocessing.faults import flag_detector_faults
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["despike"]

Array = npt.NDArray[np.float64]

#: From this share of its points on, what was found in a spectrum is hardly due to cosmic rays.
MANY = 0.02
#: Longest run of points that is looked for.
WIDEST = max(SAFE)


@verb("spectra.despike", together=lambda options: options["against"] == "neighbours")
def despike(
    dataset: xr.Dataset,
    *,
    against: Literal["spectrum", "neighbours"] = "spectrum",
    dims: tuple[str, ...] | None = None,
    method: Literal["interpolate", "mask", "list"] = "interpolate",
    width: Literal[1, 2, 3, 4, 5, 6, 7, 8] = 2,
    false_alarms: float = 0.01,
    variable: str | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    r"""Find cosmic rays, count them, and interpolate or mask them.

    A cosmic ray is a run of one to ``width`` points above the cubic through the eight points around,

    .. math:: y_i - p_i > t\,\sqrt{1 + \textstyle\sum_j h_{ij}^2}\;\max(\sigma_i, c_w s),

    with the noise :math:`\sigma_i` there, the scatter s of the eight points about the cubic, a factor :math:`c_w` of
    1.25 to 6 by the length of the run and a threshold t of at least 4.5 that follows from ``false_alarms``. Beside a
    real band, however sharp, the eight points lie on no cubic: it stays.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra on the pixels of a detector.
    against : {"spectrum", "neighbours"}
        "spectrum" looks at each spectrum by itself; "neighbours" at what it has more than the median of the spectra next
        to it in time or on the map, in which bands that they share cancel: it sees rays on sharp bands, too.
    dims : tuple of str, optional
        Dimensions along which spectra are neighbours: one (two spectra to each side) or more (the box around).
        Default: all series dimensions. Only for "neighbours".
    method : {"interpolate", "mask", "list"}
        "interpolate" puts the points on the cubic, "mask" sets them to NaN, "list" leaves them.
    width : {1, 2, 3, 4, 5, 6, 7, 8}
        Longest run of points. Lines with a full width at half maximum of 2 points or more are safe with runs of one,
        of 2.5 with two, of 3.5 with three, of 4 with longer ones. Where longer runs stand out as rays do, the spectrum is
        flagged ``wider_spikes``: one spectrum does not tell a ray of three points from a line of three.
    false_alarms : float
        Expected number of points taken out of a spectrum of noise alone.
    variable : str, optional
        What is looked at. Default: the measured quantity.
    workers : int, optional
        Threads. Default: all cores.

    Returns
    -------
    xarray.Dataset
        With ``spike``, true along the axis where there was one, and ``n_spikes`` per spectrum; the history says how many.
        Flags: ``empty`` (no finite point); warnings ``many_spikes`` (more than 2 % of the points), ``wider_spikes`` (longer
        runs that were left: see ``width``), ``saturated`` and ``negative_intensity``.

    Raises
    ------
    InvalidInput
        If ``dims`` are not there, or there are no neighbours.

    Notes
    -----
    Rays of 20 times the noise are found in more than 95 of 100 cases, on single points and pairs. The first and last
    four points are not looked at. The noise comes from the spectrum, locally, where there is no sigma, and grows with
    the signal at least as that of counts; after a large constant offset it is overrated on bands, and small rays there
    are missed. ``_sigma`` of interpolated points stays what it was.
    Counts in whole numbers stay whole.

    References
    ----------
    D. A. Whitaker & K. Hayes, Chemom. Intell. Lab. Syst. 179, 82 (2018)

    Examples
    --------
    >>> import numpy as np, spectra
    >>> shift = np.linspace(200, 1800, 800)
    >>> y = 500 + 300 / (1 + ((shift - 1001) / 4) ** 2) + np.random.default_rng(1).normal(0, 5, 800)
    >>> y[300] += 400
    >>> one = spectra.despike(spectra.from_arrays(shift, y, axis="raman_shift"))
    >>> int(one.n_spikes), one.raman_shift.values[one.spike].round(1).tolist()
    (1, [800.8])
    """
    axis, name = spectral_axis(dataset), variable or signal_name(dataset)
    if name not in dataset or axis not in dataset[name].dims:
        raise InvalidInput(f"there is no variable {name!r} along {axis} to take spikes from.")
    together = _together(dataset, against, dims)
    signal, sigma = dataset[name], dataset.get(f"{name}_sigma")
    n = dataset.sizes[axis]
    resolve(variable=name, dims=together, threshold=round(spike_threshold(n, width, false_alarms), 3))

    def kernel(y: Array, *given: Array) -> dict[str, npt.NDArray[Any]]:
        found = despike_arrays(
            y, sigma=given[0] if given else None, width=width, false_alarms=false_alarms,
            neighbours=len(together), workers=workers,
        )  # fmt: skip
        values = np.where(found.marks, np.nan, found.values) if method == "mask" else found.values
        return {"values": values, "spike": found.marks, "wider": found.wider}

    core = (*together, axis)
    inputs: list[Any] = [(signal, core)] + ([] if sigma is None else [(sigma, core)])
    kinds = {"spike": bool, "wider": bool}
    made = map_spectra(kernel, inputs, {"values": core, "spike": core, "wider": together}, dtypes=kinds)
    spike = made["spike"].transpose(*signal.dims).assign_attrs(long_name="point of a cosmic ray")
    number = spike.sum(axis).assign_attrs(units="", long_name="number of points of cosmic rays")
    result = dataset.assign(spike=spike, n_spikes=number)
    if method != "list":
        values = made["values"].transpose(*signal.dims)
        result = result.assign({name: values.assign_attrs(signal.attrs)})
    _say(result, method, width)
    result = flag_detector_faults(result.assign({name: signal}), name).assign({name: result[name]})
    result = flag(
        result, number > MANY * n, "many_spikes",
        "more than 2 % of the points were taken for cosmic rays: bands narrower than the detector resolves, or noise that "
        "is no noise; look at the variable spike, lower width or false_alarms",
        severity="warning",
    )  # fmt: skip
    if width < WIDEST:
        result = flag(
            result, made["wider"], "wider_spikes",
            "longer runs of points than width stand out as cosmic rays do and were left: they are rays, or sharp real lines; see "
            "where with width=8 and method='list', take them out with that width if they are no lines, or use "
            "against='neighbours'",
            severity="warning",
        )  # fmt: skip
    return flag(
        result, signal.isnull().all(axis), "empty",
        "the spectrum holds no finite point: it was not measured",
    )  # fmt: skip


def _together(dataset: xr.Dataset, against: str, dims: tuple[str, ...] | None) -> tuple[str, ...]:
    """Dimensions along which spectra are neighbours; none where each is looked at by itself."""
    series = series_dims(dataset)
    if against == "spectrum":
        if dims:
            raise InvalidInput("dims are for against='neighbours'; a spectrum by itself has no neighbours.")
        return ()
    chosen = tuple(d for d in series if dims is None or d in dims)
    for dim in dims or ():
        if dim not in series:
            raise InvalidInput(f"there is no series dimension {dim!r}; {did_you_mean(dim, series)}.")
    around = 4 if len(chosen) == 1 else 8
    if not chosen or int(np.prod([dataset.sizes[d] for d in chosen])) < 3:
        raise InvalidInput(
            f"against='neighbours' compares with up to {around} spectra nearby, and there are none: use against='spectrum'."
        )
    return chosen


def _say(result: xr.Dataset, method: str, width: int) -> None:
    done = {"interpolate": "interpolated", "mask": "set to NaN", "list": "left as they are"}[method]
    safe = f"lines of {SAFE[width]:g} points full width or more are safe"
    if hasattr(result["spike"].data, "dask"):
        note(f"points of cosmic rays were {done}; the variable spike says where; {safe}")
        return
    number = result["n_spikes"]
    note(
        f"{int(number.sum())} points of cosmic rays in {int((number > 0).sum())} of {number.size} spectra were {done}; "
        f"{safe}"
    )
