"""The zero-loss peak: where it lies, spectra moved to have it at zero, and the thickness that it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.eels.energy_axis.zero_loss_rows import highest_channels, move_into
from xas.eels.white_lines.positions import vertex

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["align_zero_loss", "move_rows", "thickness", "zero_loss_position"]

Array = npt.NDArray[Any]
AXIS = "energy_loss"

BLOCK = 512
#: The peak stands out of what lies at the ends of the search by this factor at least.
LEAST_HEIGHT = 2.0
#: The end of the zero-loss peak is looked for up to this loss (eV); its doubt is told by ends this much nearer and farther.
LAST_END, NEARER, FARTHER = 15.0, 0.7, 1.5


def zero_loss_position(
    energy: Array, y: Array, search: tuple[float, float], half_width: float, gain: float = 1.0
) -> tuple[Array, Array]:
    """Vertex of the parabola through the top of the zero-loss peak, and its sigma for counts.

    Parameters
    ----------
    energy : (n,) array
        Energy loss in eV, ascending.
    y : (rows, n) array
        Counts.
    search : (float, float)
        Where the peak is looked for.
    half_width : float
        Reach of the parabola in eV.
    gain : float
        Variance per count.

    Returns
    -------
    position, sigma : (rows,) array
        NaN where the highest channel is at an end of the search or of the data, or does not stand out.
    """
    first, last = np.searchsorted(energy, search[0]), np.searchsorted(energy, search[1], "right")
    grid, rows = energy[first:last], len(y)
    top, height, ends, finite = np.empty(rows, int), np.empty(rows), np.empty(rows), np.empty(rows, bool)
    y = np.require(y, np.result_type(y.dtype, np.float32), ["C", "W"])
    highest_channels(y, first, last, top, height, ends, finite)
    place = energy[top]
    sound = finite & (place >= grid[0] + half_width) & (place <= grid[-1] - half_width)
    sound &= height > LEAST_HEIGHT * ends
    position, by, at = vertex(energy, y, place, half_width)
    with np.errstate(invalid="ignore"):
        sigma = np.sqrt((by**2 * np.maximum(np.take_along_axis(y, at, -1), 0)).sum(-1) * gain)
    return np.where(sound, position, np.nan), np.where(sound, sigma, np.nan)


def move_rows(y: Array, channels: Array) -> Array:
    """Rows of ``y`` (rows, n) moved down by ``channels`` (rows,), parts of one by linear interpolation.

    What comes from outside of the data is NaN; so is a row whose shift is.
    """
    out = np.empty(y.shape, np.result_type(y.dtype, np.float32))
    whole = np.floor(np.nan_to_num(channels, posinf=0, neginf=0))
    part = channels - whole
    move_into(
        np.require(y, out.dtype, ["C", "W"]),
        whole.astype(int),
        part.astype(out.dtype),
        (1 - part).astype(out.dtype),
        out,
    )
    return out


@verb("xas.eels.align_zero_loss", axis=AXIS)
def align_zero_loss(
    dataset: xr.Dataset,
    *,
    zero_loss: Any = None,
    search: tuple[float, float] | None = None,
    half_width: float | None = None,
    parts: bool = True,
) -> xr.Dataset:
    """Move every spectrum so that its zero-loss peak lies at zero.

    Parameters
    ----------
    dataset : xarray.Dataset
        Low-loss spectra; or core losses, moved by the peak in ``zero_loss``. An even axis.
    zero_loss : xarray.Dataset, optional
        Low-loss spectra measured together with ``dataset`` (dual EELS), of the same series dimensions. Default: its
        variable ``low_loss``, if it has one (:func:`xas.eels.read_line_scan`), else the peak is in ``dataset`` itself.
    search : (float, float), optional
        Losses in eV between which the peak lies. Default: 20 eV on both sides of zero.
    half_width : float, optional
        Reach in eV of the parabola through the top. Default: three channels.
    parts : bool
        Move by parts of a channel, by linear interpolation, which correlates neighbouring channels and lowers their
        variance; otherwise by whole channels, which leaves counts what they are.

    Returns
    -------
    xarray.Dataset
        The signal moved (and its sigma, if there); channels at the ends for which nothing was measured hold NaN, the
        axis keeps its length. ``zero_loss_position`` with sigma (eV) is where the peak was;
        ``attrs["energy_scale"]`` says so. Spectra without a peak are
        flagged ``no_zero_loss`` and hold NaN.

    Raises
    ------
    InvalidInput
        If the axis is uneven, the search holds no data, or the two datasets do not belong together.

    Notes
    -----
    The sigma is that of noise; beside it the grid moves the vertex of a peak four channels wide by up to 0.03 channels.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> loss = np.arange(-10.0, 50.0, 0.25)
    >>> peak = 1e5 * np.exp(-(((loss - np.array([[0.6], [-1.1]])) / 0.5) ** 2))
    >>> low = spectra.from_arrays(loss, peak, axis="energy_loss", name="counts", units="counts", dims=("x",))
    >>> aligned = xas.eels.align_zero_loss(low)
    >>> [round(float(p), 2) for p in aligned.zero_loss_position]
    [0.6, -1.1]
    """
    from spectra.dataset import as_dataset
    from xas.eels.reading.line_scans import low_losses

    beside = low_losses(dataset)
    low = beside if zero_loss is None else as_dataset(zero_loss, verb="xas.eels.align_zero_loss")
    dims, signal = series_dims(dataset), signal_name(dataset)
    if AXIS not in low.dims or {d: low.sizes[d] for d in series_dims(low)} != {
        d: dataset.sizes[d] for d in dims
    }:
        raise InvalidInput(
            f"zero_loss has the dimensions {dict(low.sizes)}, and the dataset {dict(dataset.sizes)}: both need the same "
            "series along energy_loss, as dual EELS measures them."
        )
    energy, grid = dataset[AXIS].values.astype(float), low[AXIS].values.astype(float)
    step = (energy[-1] - energy[0]) / (energy.size - 1)
    if not np.allclose(np.diff(energy), step, rtol=0.02):
        raise InvalidInput("energy_loss is not even: resample it first (spectra.resample).")
    own = float(np.median(np.diff(grid)))
    around, reach = search or (-20.0, 20.0), half_width or 3 * own
    channels = int(((grid >= around[0]) & (grid <= around[1])).sum())
    if not around[0] < around[1] or channels < 2 * reach / own + 3:
        raise InvalidInput(
            f"search ({around[0]:g}, {around[1]:g}) holds {channels} channels of data from {grid[0]:g} to {grid[-1]:g} eV: too "
            "few to find a zero-loss peak with half_width "
            f"{reach:g} eV. Give low-loss spectra as zero_loss, or move the search."
        )
    resolve(search=around, half_width=reach)
    if parts:
        note("moved by parts of a channel with linear interpolation: neighbouring channels are correlated")

    def kernel(values: Array, *arrays: Array) -> dict[str, Array]:
        lead = arrays[0].shape[:-1]
        found = _in_blocks(lambda b: zero_loss_position(grid, b, around, reach), values)
        shift = found[0] / step if parts else np.round(found[0] / step)
        out = {"position": found[0].reshape(lead), "sigma": found[1].reshape(lead)}
        for name, array in zip(names, arrays, strict=True):
            rows = array.reshape(-1, energy.size)
            moved = move_rows(rows, shift) if name == signal else np.sqrt(_moved_variance(rows, shift))
            out[name] = moved.reshape(array.shape)
        return out

    names = [n for n in (signal, f"{signal}_sigma") if n in dataset]
    inputs: list[Any] = [
        (low[signal_name(low)].rename({AXIS: "low_loss"}).drop_vars("low_loss"), ("low_loss",))
    ]
    inputs += [(dataset[n].broadcast_like(dataset[signal]), (AXIS,)) for n in names]
    kinds = {n: np.result_type(dataset[n].dtype, np.float32) for n in names}
    made = map_spectra(
        kernel, inputs, {"position": (), "sigma": (), **dict.fromkeys(names, (AXIS,))}, dtypes=kinds
    )
    order = dataset[signal].dims
    moved = {n: made[n].transpose(*order).assign_attrs(dataset[n].attrs) for n in names}
    result = dataset.assign(moved).assign(
        zero_loss_position=made["position"].transpose(*dims).assign_attrs(
            units="eV", long_name="where the zero-loss peak was"
        ),
        zero_loss_position_sigma=made["sigma"].transpose(*dims).assign_attrs(
            units="eV", long_name="standard uncertainty of the position of the zero-loss peak"
        ),
    )  # fmt: skip
    result.attrs["energy_scale"] = "zero-loss peak at 0 eV"
    return flag(
        result, made["position"].isnull(), "no_zero_loss",
        "no peak stands out inside the search, or it is cut off by its end: move the search, or leave the spectrum out",
    )  # fmt: skip


def _in_blocks(call: Any, values: Array) -> tuple[Array, ...]:
    rows = values.reshape(-1, values.shape[-1])
    parts = [call(rows[i : i + BLOCK]) for i in range(0, max(len(rows), 1), BLOCK)]
    return tuple(np.concatenate([p[k] for p in parts]) for k in range(len(parts[0])))


def _moved_variance(sigma: Array, shift: Array) -> Array:
    """Variances after linear interpolation of independent channels."""
    part = shift - np.floor(np.nan_to_num(shift))
    below = move_rows(sigma.astype(float) ** 2, np.floor(shift))
    above = move_rows(sigma.astype(float) ** 2, np.where(part > 0, np.floor(shift) + 1, np.floor(shift)))
    return np.asarray((1 - part[:, None]) ** 2 * below + part[:, None] ** 2 * above)


@verb("xas.eels.thickness", axis=AXIS)
def thickness(dataset: xr.Dataset, *, end: float | None = None, gain: float = 1.0) -> xr.Dataset:
    r"""Thickness in units of the inelastic mean free path, by the log-ratio.

    .. math:: t/\lambda = \ln(I_t / I_0), \quad
              \sigma^2 = g \, \frac{I_t - I_0}{I_t \, I_0}

    with all counts :math:`I_t` and those of the zero-loss peak :math:`I_0`, up to ``end``.

    Parameters
    ----------
    dataset : xarray.Dataset
        Low-loss spectra with the zero-loss peak at zero (:func:`xas.eels.align_zero_loss`).
    end : float, optional
        Loss in eV where the zero-loss peak ends. Default: in each spectrum, the first minimum behind the peak.
    gain : float
        Variance per count.

    Returns
    -------
    xarray.Dataset
        With ``thickness`` (t/λ), ``thickness_sigma`` from counts, ``thickness_systematic`` (half of what an end at 0.7
        and 1.5 times the loss changes) and ``zero_loss_end`` (eV). Spectra without a zero-loss peak are flagged
        ``no_zero_loss`` and hold NaN.

    Raises
    ------
    InvalidInput
        If the data do not hold the zero-loss peak and losses behind it.

    Notes
    -----
    Losses beyond the data are not extrapolated: a spectrum that ends at 50 eV gives too thin a specimen.

    References
    ----------
    R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, doi:10.1007/978-1-4419-9583-4.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> loss = np.arange(-10.0, 80.0, 0.25)
    >>> counts = 1e5 * np.exp(-((loss / 0.5) ** 2)) + 1e3 * np.exp(-(((loss - 23) / 5) ** 2))
    >>> low = spectra.from_arrays(loss, counts, axis="energy_loss", name="counts", units="counts")
    >>> round(float(xas.eels.thickness(low).thickness), 3)
    0.095
    """
    energy, signal = dataset[AXIS].values.astype(float), signal_name(dataset)
    if energy[0] >= -0.5 or energy[-1] <= 5:
        raise InvalidInput(
            f"the data from {energy[0]:g} to {energy[-1]:g} eV do not hold the zero-loss peak and losses behind it: thickness "
            "needs low-loss spectra from some eV below zero."
        )
    if end is not None and not 0 < end < energy[-1]:
        raise InvalidInput(f"end is a loss above 0 inside the data, up to {energy[-1]:g} eV, got {end:g}.")
    if not gain > 0:
        raise InvalidInput(f"gain is the variance per count, above 0, got {gain:g}.")

    def kernel(values: Array) -> dict[str, Array]:
        found = _in_blocks(lambda b: _log_ratio(energy, b, end, gain), values)
        names = ("thickness", "sigma", "systematic", "end")
        return {n: a.reshape(values.shape[:-1]) for n, a in zip(names, found, strict=True)}

    made = map_spectra(
        kernel, [(dataset[signal], (AXIS,))], dict.fromkeys(("thickness", "sigma", "systematic", "end"), ())
    )
    text = "thickness over the inelastic mean free path"
    result = dataset.assign(
        thickness=made["thickness"].assign_attrs(units="", long_name=text),
        thickness_sigma=made["sigma"].assign_attrs(
            units="", long_name=f"standard uncertainty of the {text} from noise"
        ),
        thickness_systematic=made["systematic"].assign_attrs(
            units="", long_name=f"what the end of the zero-loss peak does to the {text}"
        ),
        zero_loss_end=made["end"].assign_attrs(units="eV", long_name="end of the zero-loss peak"),
    )
    return flag(
        result, made["thickness"].isnull(), "no_zero_loss",
        "no zero-loss peak at zero, or no minimum behind it: align first, or give end",
    )  # fmt: skip


def _log_ratio(energy: Array, y: Array, end: float | None, gain: float) -> tuple[Array, Array, Array, Array]:
    known = np.isfinite(y)
    values = np.where(known, y, 0.0).astype(float)  # channels that alignment left empty
    sound = known[:, np.abs(energy) < 1].all(-1) & (known.mean(-1) > 0.5)
    near = np.abs(energy) < 5
    top = energy[near][np.where(near, values, -np.inf)[:, near].argmax(-1)]
    width = float(np.median(np.diff(energy)))
    sound &= np.abs(top) < max(1.5, 2 * width)
    if end is None:
        ends = _first_minimum(energy, values, top)
    else:
        ends = np.full(len(values), end)
    running = np.cumsum(values, -1)
    total = running[:, -1]
    edges = energy + width / 2

    def ratio(at: Array) -> tuple[Array, Array]:
        last = np.searchsorted(edges, at)
        place = np.clip(last, 1, energy.size - 1)
        rows = np.arange(len(values))
        part = (at - edges[place - 1]) / width
        inside = running[rows, place - 1] + part * values[rows, place]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(total / inside), gain * (total - inside) / (total * inside)

    t, variance = ratio(np.nan_to_num(ends))
    nearer, farther = (ratio(np.nan_to_num(ends) * f)[0] for f in (NEARER, FARTHER))
    sound &= np.isfinite(ends) & np.isfinite(t) & (total > 0)
    with np.errstate(invalid="ignore"):
        made = (t, np.sqrt(np.maximum(variance, 0)), np.abs(nearer - farther) / 2, ends)
    return tuple(np.where(sound, a, np.nan) for a in made)  # type: ignore[return-value]


def _first_minimum(energy: Array, values: Array, top: Array) -> Array:
    """Loss of the lowest point of the lightly smoothed spectrum before it rises again; NaN where it never does."""
    padded = np.pad(values, ((0, 0), (1, 1)), mode="edge")
    smooth = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    height = smooth.max(-1, keepdims=True)
    behind = (energy > top[:, None] + 0.5) & (energy < LAST_END)
    rising = np.zeros(values.shape, bool)
    rising[:, :-1] = smooth[:, 1:] >= smooth[:, :-1]
    rising &= behind & (smooth < 0.2 * height)
    return np.where(rising.any(-1), energy[rising.argmax(-1)], np.nan)
