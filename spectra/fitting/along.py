"""Which dimensions of a series a fit must see as a whole: those it shares parameters over, or hands start values along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.labels import joint_outputs_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["as_series", "dims_along", "with_dims"]


def dims_along(
    values: xr.DataArray, axis: str, along: str | Sequence[str] | None, shared: Sequence[str], start: str
) -> tuple[str, ...]:
    """Dimensions beside ``axis`` that one call of the kernel needs; none where each spectrum stands for itself.

    Raises
    ------
    InvalidInput
        No such dimension, ``along`` without a need, or a choice between several that was left open.
    """
    series = [str(d) for d in values.dims if d != axis]
    chosen = (along,) if isinstance(along, str) else along
    for name in chosen or ():
        if name not in series:
            raise InvalidInput(
                f"along names {name!r}, which is no dimension of the series; {did_you_mean(name, series)}."
            )
    if not shared and start == "fresh":
        if chosen:
            raise InvalidInput(
                "along says over which dimension parameters are shared or start values handed on: name shared "
                "parameters, or say start='previous'."
            )
        return ()
    if shared and not series:
        raise InvalidInput("shared has no meaning for a single spectrum: give a series, or leave it out.")
    if shared and not chosen and len(series) > 1:
        raise InvalidInput(
            f"the series has the dimensions {', '.join(series)}: say along which of them the parameters are shared, "
            f"along={series[-1]!r}, or along={tuple(series)!r} for all."
        )
    if chosen:
        return tuple(chosen)
    return tuple(series if start == "neighbour" else series[-1:])


def with_dims(array: xr.DataArray, values: xr.DataArray, dims: Sequence[str]) -> xr.DataArray:
    """``array`` spread over those of ``dims`` that it does not have and ``values`` has."""
    missing = {d: values.sizes[d] for d in dims if d not in array.dims}
    return array.expand_dims(missing) if missing else array


def as_series(kernel: Callable[..., Mapping[str, Any]], dims: int) -> Callable[..., Mapping[str, Any]]:
    """``kernel`` for spectra along one dimension, called on arrays in which ``dims`` stand before the spectral axis."""
    if dims < 2:
        return kernel
    joint = joint_outputs_of()

    def call(*arrays: npt.NDArray[Any]) -> Mapping[str, Any]:
        shape = arrays[0].shape[-1 - dims : -1]
        made = kernel(*(np.reshape(a, (*a.shape[: -1 - dims], -1, a.shape[-1])) for a in arrays))
        leading = arrays[0].ndim - 1 - dims

        def spread(values: Any) -> Any:
            return np.reshape(values, (*np.shape(values)[:leading], *shape, *np.shape(values)[leading + 1 :]))

        return {n: v if n in joint else spread(v) for n, v in made.items()}

    return call
