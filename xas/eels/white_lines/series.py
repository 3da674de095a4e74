"""White lines of a dataset: its blocks of rows through the kernels, with the lines of their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import note
from xas.eels.channels.curves import Curve
from xas.eels.channels.linear_variance import Noise
from xas.eels.white_lines.areas import Places, Reference, find_reference, measure_lines
from xas.eels.white_lines.weights import Windows

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["measure_series"]

Array = npt.NDArray[Any]

#: Rows that are worked on at a time, and what is cut off in front of the search and behind the last window (eV).
BLOCK, MARGIN = 128, 27.0
SUMMED = 1024  # rows that are added up at a time
LEAST = 20  # channels that two lines and what lies behind them need


def measure_series(
    dataset: xr.Dataset,
    energy: Array,
    numbers: list[str],
    methods: tuple[str, ...],
    windows: Windows,
    places: Places,
    together: bool,
) -> dict[str, xr.DataArray]:
    """Measure the lines of every spectrum, block by block.

    Parameters
    ----------
    dataset : xarray.Dataset
        As :func:`xas.eels.white_line_ratio` takes it.
    energy : (n,) array
        Its axis in eV.
    numbers : list of str
        What is wanted of :func:`xas.eels.white_lines.areas.measure_lines`.
    methods, windows, places
        How, and where.
    together : bool
        What a spectrum is too noisy to show is taken from the sum of the series.

    Raises
    ------
    InvalidInput
        If the data hold too few channels there.
    """
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    first, last = (places.given[0], places.given[1]) if places.given else places.search
    end = last + (0 if places.given else places.splitting + 3) + max(windows.post[1], 12.0) + 3
    if "normalized_sum" in methods:
        end = max(end, last + places.behind[1] + 3)
    near = slice(*np.searchsorted(energy, (first - MARGIN, end)))
    grid = energy[near]
    if grid.size < LEAST:
        raise InvalidInput(
            f"L3 and L2 are looked for from {first - MARGIN:g} to {end:g} eV, and the data from {energy[0]:g} to "
            f"{energy[-1]:g} eV hold {grid.size} channels there; at least {LEAST} are needed: is this the right element?"
        )
    names = numbers + (["normalized_sum", "normalized_sum_sigma"] if "normalized_sum" in methods else [])
    net = dataset["net" if "net" in dataset else signal].isel({axis: near})
    if "deconvolution" in net.attrs:
        from xas.eels.white_lines.deconvolved_noise import measure_deconvolved

        return measure_deconvolved(dataset, near, names, methods, windows, places)
    curve = Curve.from_attrs(dataset["background"].attrs) if "background" in dataset else None
    known = dataset.get(f"{signal}_sigma")
    inputs: list[Any] = [(net, (axis,)), (dataset[signal].isel({axis: near}), (axis,))]
    if known is not None:
        inputs.append((known.isel({axis: near}), (axis,)))
    if curve is not None:
        inputs.append((dataset["background_parameter"], ("background_term",)))
        inputs.append((dataset["background_covariance"], ("background_term", "background_term_2")))
        inputs.append((dataset["background_dispersion"], ()))
    of_count = curve is not None and dataset["background_dispersion"].attrs.get("of") == "count"
    several = int(np.prod([dataset.sizes[d] for d in series_dims(dataset)])) > 1
    borrowing = together and several and (known is not None or curve is not None)
    if borrowing:
        inputs.append(
            (
                _reference(inputs, grid, curve, known is not None, of_count, methods, windows, places),
                ("reference",),
            )
        )
    if known is None and curve is None:
        note(
            "no background was subtracted here, the spectra are taken as free of it (xas.eels.subtract_background, if "
            "they are not); without it or stated sigmas no uncertainty can be given"
        )

    def kernel(values: Array, y: Array, *more: Array) -> dict[str, Array]:
        lead = values.shape[:-1]
        reference = Reference.from_row(more[-1].reshape(-1, more[-1].shape[-1])[0]) if borrowing else None
        arrays = (values, y, *(more[:-1] if borrowing else more))
        rows = [
            np.broadcast_to(a, (*lead, *a.shape[len(lead) :])).reshape((-1, *a.shape[len(lead) :]))
            for a in arrays
        ]
        parts = []
        for start in range(0, max(len(rows[0]), 1), BLOCK):
            block = [np.array(a[start : start + BLOCK], float) for a in rows]
            noise = _noise(grid, block, curve, known is not None, of_count)
            parts.append(measure_lines(grid, block[0], noise, methods, windows, places, reference))
        return {
            name: np.concatenate([p[name] for p in parts])
            .reshape((*lead, *parts[0][name].shape[1:]))
            .astype(float)
            for name in [*names, "ratios", "ratios_sigma"]
        }

    outputs: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    outputs |= {"ratios": ("line_method",), "ratios_sigma": ("line_method",)}
    return map_spectra(kernel, inputs, outputs, sizes={"line_method": len(methods)})


def _reference(
    inputs: list[Any],
    grid: Array,
    curve: Curve | None,
    stated: bool,
    of_count: bool,
    methods: tuple[str, ...],
    windows: Windows,
    places: Places,
) -> xr.DataArray:
    """Lines of the sum of all spectra that are finite, as one row of numbers; ``inputs`` are those of the kernel."""
    net, signal = inputs[:2]
    rest = inputs[2:]
    if stated:  # weights of the sum: those of the mean variance
        sigma, dims = rest[0]
        rest[0] = (np.sqrt((sigma**2).mean([d for d in sigma.dims if d not in dims])), dims)
    means = [(array.mean([d for d in array.dims if d not in dims]), dims) for array, dims in rest]
    count = int(np.prod([n for d, n in net[0].sizes.items() if d not in net[1]]))

    def kernel(values: Array, counts: Array, *more: Array) -> dict[str, Array]:
        block = [np.asarray(a, float)[None] for a in (values, counts, *more)]
        if curve is not None:
            block[-2] = block[-2] / count  # the answer of the sum is that of a spectrum so many times
        noise = _noise(grid, block, curve, stated, of_count)
        return {"row": find_reference(grid, block[0], noise, methods, windows, places).to_row()}

    sums = [(_sum(array, net[0], *dims), dims) for array, dims in (net, signal)]
    return map_spectra(
        kernel, [*sums, *means], {"row": ("reference",)}, sizes={"reference": 10 + 4 * len(methods)}
    )["row"]


def _sum(array: xr.DataArray, net: xr.DataArray, axis: str) -> xr.DataArray:
    """Sum along the series of the spectra whose ``net`` is finite."""
    import xarray as xr

    if net.chunks is not None:
        return array.where(net.notnull().all(axis), 0).sum([d for d in net.dims if d != axis], dtype=float)
    length = net.sizes[axis]
    rows, sound = (
        a.transpose(*net.dims).transpose(..., axis).values.reshape(-1, length) for a in (array, net)
    )
    total = np.zeros(length)
    for start in range(0, len(rows), SUMMED):
        part, checked = rows[start : start + SUMMED], sound[start : start + SUMMED]
        weight = np.ones(len(part), checked.dtype)
        if not np.isfinite(weight @ checked).all():
            part = part[np.isfinite(checked).all(-1)]
        total += np.ones(len(part), part.dtype) @ part if part.dtype.kind == "f" else part.sum(0, dtype=float)
    return xr.DataArray(total, dims=axis)


def _noise(grid: Array, block: list[Array], curve: Curve | None, stated: bool, of_count: bool) -> Noise:
    """Noise of a block of rows: stated sigmas, counts, or one variance for all channels."""
    if stated:
        variance = block[2] ** 2
    elif curve is None:
        variance = np.full_like(block[1], np.nan)
    elif of_count:
        variance = block[-1][:, None] * np.maximum(block[1], 0.0)
    else:
        variance = np.broadcast_to(block[-1][:, None], block[1].shape)
    if curve is None:
        return Noise(grid, variance)
    per_count = block[-1] if of_count and not stated else None
    return Noise(grid, variance, curve, block[-3], block[-2], block[1] - block[0], per_count)
