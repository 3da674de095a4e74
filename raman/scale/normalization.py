"""Raman spectra brought to one scale, so that they can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Method", "normalize", "scales"]

Array = npt.NDArray[np.float64]
Method = Literal["area", "max", "vector", "band", "snv"]


def scales(x: Array, y: Array, method: Method, sigma: Array | None = None) -> tuple[Array, Array, Array]:
    r"""What is subtracted from each spectrum, what it is then divided by, and the uncertainty of that.

    Area :math:`\int y\,dx` (trapezoids), maximum, Euclidean norm :math:`\sqrt{\sum y^2}`, area above the line between the
    ends (``band``), or mean and standard deviation (``snv``).

    Parameters
    ----------
    x : (n,) array
    y : (..., n) array
        Missing points (NaN) are left out; the integrals join their neighbours.
    method : {"area", "max", "vector", "band", "snv"}
    sigma : (..., n) array, optional

    Returns
    -------
    offset, scale, sigma : (...) arrays
        The scale is NaN where it is not above zero; its sigma NaN where it is not known.
    """
    good = np.isfinite(y)
    filled = np.where(good, y, 0.0)
    count = good.sum(-1)
    spread = np.full(y.shape, np.nan) if sigma is None else np.where(good, sigma, 0.0)
    zero = np.zeros(y.shape[:-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        if method == "snv":
            offset = filled.sum(-1) / count
            scale = np.sqrt((np.where(good, y - offset[..., None], 0.0) ** 2).sum(-1) / (count - 1))
            known = np.full(scale.shape, np.nan)
        elif method == "vector":
            offset, scale = zero, np.sqrt((filled**2).sum(-1))
            known = np.sqrt((filled**2 * spread**2).sum(-1)) / scale
        elif method == "max":
            at = np.where(good, y, -np.inf).argmax(-1)[..., None]
            offset, scale = zero, np.take_along_axis(filled, at, -1)[..., 0]
            known = np.take_along_axis(spread, at, -1)[..., 0]
        else:
            weight = _weights(x, good)
            if method == "band":
                weight = weight - _under_line(x, good, weight)
            offset, scale = zero, (weight * filled).sum(-1)
            known = np.sqrt((weight**2 * spread**2).sum(-1))
        usable = np.isfinite(scale) & (scale > 0) & (count > 1)
    return offset, np.where(usable, scale, np.nan), np.where(usable, known, np.nan)


def _weights(x: Array, good: npt.NDArray[np.bool_]) -> Array:
    """Weights of the trapezoidal rule through the points that are there."""
    if good.all():
        step = np.diff(x)
        one = np.zeros(x.size)
        one[:-1] += step / 2
        one[1:] += step / 2
        return np.broadcast_to(one, good.shape)
    rows = good.reshape(-1, x.size)
    out = np.zeros(rows.shape)
    for i, row in enumerate(rows):
        at = np.flatnonzero(row)
        step = np.diff(x[at])
        out[i, at[:-1]] += step / 2
        out[i, at[1:]] += step / 2
    return out.reshape(good.shape)


def _under_line(x: Array, good: npt.NDArray[np.bool_], weight: Array) -> Array:
    """Weights of the area under the line between the first and the last point that are there."""
    n = x.size
    first = good.argmax(-1)[..., None]
    last = n - 1 - good[..., ::-1].argmax(-1)[..., None]
    length = x[last] - x[first]
    total, moment = weight.sum(-1, keepdims=True), (weight * x).sum(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        high = np.where(length > 0, (moment - total * x[first]) / length, 0.0)
    at = np.arange(n)
    return np.asarray(np.where(at == first, total - high, 0.0) + np.where(at == last, high, 0.0))


@verb("raman.normalize", axis=("raman_shift", "wavenumber"))
def normalize(
    dataset: xr.Dataset,
    *,
    method: Method = "area",
    window: tuple[float, float] | None = None,
    variable: str | None = None,
) -> xr.Dataset:
    r"""Divide every spectrum by its area, maximum or norm; add ``norm``.

    .. math:: \mathrm{norm} = (y - o)/s, \qquad \sigma_\mathrm{norm} = \sigma_y/s

    Parameters
    ----------
    dataset : xarray.Dataset
        Raman or infrared spectra, their baselines subtracted.
    method : {"area", "max", "vector", "band", "snv"}
        The scale s: the area, the highest point, the Euclidean norm; the area of one band above the line between the
        ends of ``window``; or the standard deviation about the mean o ("snv", standard normal variate).
    window : (float, float), optional
        In 1/cm, where the scale is taken. Default: the whole axis; "band" needs it.
    variable : str, optional
        What is normalised. Default: ``net`` of ``spectra.subtract_baseline`` where it is, else the measured quantity.

    Returns
    -------
    xarray.Dataset
        With ``norm`` and ``norm_scale``; ``norm_sigma`` and ``norm_scale_sigma`` where the variable has a sigma.
        ``norm_scale_sigma`` is common to all points of a spectrum and not part of ``norm_sigma``. Spectra without a scale
        above zero are NaN and flagged ``not_normalized``.

    Raises
    ------
    InvalidInput
        If the window holds fewer than two points, or "band" has none.

    Notes
    -----
    A highest point rides on noise: "max" of a noisy spectrum is too large. On a series in which a band grows, only a
    band that is known to stay ("band") leaves the others' changes as they are.

    Examples
    --------
    >>> import numpy as np, spectra, raman
    >>> shift = np.arange(400.0, 800.0)
    >>> y = [[3], [9]] * np.exp(-(((shift - 600) / 20) ** 2))
    >>> two = spectra.from_arrays(shift, y, axis="raman_shift", dims=("scan",))
    >>> raman.normalize(two, method="max").norm.max("raman_shift").values
    array([1., 1.])
    """
    axis = spectral_axis(dataset)
    name = variable or ("net" if "net" in dataset else signal_name(dataset))
    if name not in dataset or axis not in dataset[name].dims:
        raise InvalidInput(f"there is no variable {name!r} along {axis} to normalise.")
    if method == "band" and window is None:
        raise InvalidInput("method 'band' needs the window in 1/cm that the band lies in.")
    x = dataset[axis].values.astype(float)
    low, high = sorted(window) if window else (float(x[0]), float(x[-1]))
    inside = (x >= low) & (x <= high)
    if inside.sum() < 2:
        raise InvalidInput(
            f"window ({low:g}, {high:g}) holds {int(inside.sum())} points of {axis}, which runs from {x[0]:g} to {x[-1]:g}; "
            "at least 2 are needed."
        )
    resolve(variable=name, window=(low, high))
    if name != "net" and "net" not in dataset and method != "snv":
        note(f"{name} was normalised with its baseline: subtract it first to compare bands")
    source, sigma = dataset[name], dataset.get(f"{name}_sigma")

    def kernel(y: Array, *given: Array) -> dict[str, Array]:
        values = np.asarray(y, float)
        errors = np.broadcast_to(given[0], values.shape) if given else None
        part = None if errors is None else errors[..., inside]
        offset, scale, known = scales(x[inside], values[..., inside], method, part)
        made = {"norm": (values - offset[..., None]) / scale[..., None], "norm_scale": scale}
        if errors is not None:
            made |= {"norm_sigma": errors / scale[..., None], "norm_scale_sigma": known}
        return made

    inputs: list[Any] = [(source, (axis,))] + ([] if sigma is None else [(sigma, (axis,))])
    names = ["norm", "norm_scale"] + ([] if sigma is None else ["norm_sigma", "norm_scale_sigma"])
    outputs: dict[str, tuple[str, ...]] = {n: () if "scale" in n else (axis,) for n in names}
    made = map_spectra(kernel, inputs, outputs)
    units = str(source.attrs.get("units", ""))
    of_scale = " ".join(filter(None, (units, "1/cm"))) if method in {"area", "band"} else units
    words = {"norm": f"normalised {name} ({method})", "norm_scale": f"{method} that was divided by"}
    result = dataset
    for key in names:
        base = key.removesuffix("_sigma")
        text = words[base] if key == base else f"standard uncertainty of {base}"
        array = made[key].transpose(*(d for d in source.dims if d in made[key].dims))
        result = result.assign(
            {key: array.assign_attrs(units=of_scale if "scale" in key else "", long_name=text)}
        )
    return flag(
        result, made["norm_scale"].isnull(), "not_normalized",
        f"the {method} of the spectrum is not above zero: it holds nothing, or its baseline lies above it",
    )  # fmt: skip
