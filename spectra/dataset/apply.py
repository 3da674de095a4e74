"""Kernels on labelled datasets: the one bridge from arrays with the spectral axis last to named dimensions.

NumPy-backed datasets call the kernel once on the whole series; dask-backed ones stay lazy, block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["map_spectra"]


def map_spectra(
    kernel: Callable[..., Mapping[str, Any]],
    inputs: Sequence[tuple[xr.DataArray, Sequence[str]]],
    outputs: Mapping[str, Sequence[str]],
    *,
    sizes: Mapping[str, int] | None = None,
    dtypes: Mapping[str, Any] | None = None,
) -> dict[str, xr.DataArray]:
    """Call ``kernel`` on the arrays of ``inputs`` over every series dimension and label what comes back.

    Parameters
    ----------
    kernel : callable
        Takes one NumPy array per input, core dimensions last and any leading shape (the same for all, or
        broadcastable), and returns a mapping with the names of ``outputs``.
    inputs : sequence of (DataArray, core dimensions)
        ``(dataset["mu"], ("energy",))``; ``()`` for a number per spectrum.
    outputs : mapping of name to core dimensions
        ``{"norm": ("energy",), "edge_step": ()}``.
    sizes : mapping, optional
        Lengths of core dimensions of the outputs that no input has.
    dtypes : mapping, optional
        Types of outputs that are not float64 (needed for lazy datasets only).

    Returns
    -------
    dict of DataArray
        By output name, without attributes.
    """
    import xarray as xr

    names = list(outputs)
    known = {d: array.sizes[d] for array, dims in inputs for d in dims}
    lengths = {**known, **(sizes or {})}

    def call(*arrays: Any) -> Any:
        result = kernel(*arrays)
        made = tuple(np.asarray(result[name]) for name in names)
        return made if len(made) > 1 else made[0]

    results = xr.apply_ufunc(
        call,
        *[array for array, _ in inputs],
        input_core_dims=[list(dims) for _, dims in inputs],
        output_core_dims=[list(outputs[name]) for name in names],
        exclude_dims={d for d in known if d in (sizes or {})},
        dask="parallelized",
        output_dtypes=[np.dtype((dtypes or {}).get(name, float)) for name in names],
        dask_gufunc_kwargs={
            "output_sizes": {d: lengths[d] for name in names for d in outputs[name]},
            "allow_rechunk": True,
        },
        keep_attrs="override",  # the coordinates keep their units; those of the inputs are taken off below
    )
    arrays = results if isinstance(results, tuple) else (results,)
    for array in arrays:
        array.attrs = {}
    return dict(zip(names, arrays, strict=True))
