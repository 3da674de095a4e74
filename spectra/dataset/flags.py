"""Flags per spectrum: a spectrum that failed is marked and stays in the series; nothing stops and nothing vanishes.

``status`` is an integer per spectrum, one bit per flag, zero where all is well. Its attributes follow the CF
conventions (``flag_masks``, ``flag_meanings``) and say of each flag whether it means failure and what it means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims
from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["failed", "flag", "flag_names", "flag_table", "join_flags", "status_bits"]


def flag(
    dataset: xr.Dataset,
    where: xr.DataArray | npt.ArrayLike,
    name: str,
    explanation: str,
    *,
    severity: Literal["failed", "warning"] = "failed",
) -> xr.Dataset:
    """Dataset with the flag ``name`` set on the spectra where ``where`` is true.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra.
    where : bool array over the series' dimensions
        A scalar for a single spectrum.
    name : str
        One word, lower case with underscores: ``no_edge``.
    explanation : str
        What happened and what to do, one sentence.
    severity : {"failed", "warning"}
        ``failed``: the numbers of this spectrum are NaN. ``warning``: they stand, but need a look.
    """
    import xarray as xr

    dims = series_dims(dataset)
    mask = where.transpose(*dims).data if isinstance(where, xr.DataArray) else np.asarray(where, bool)
    if "status" in dataset:
        status, attrs = status_bits(dataset).transpose(*dims).data, dict(dataset["status"].attrs)
    else:
        status, attrs = (
            np.zeros(tuple(dataset.sizes[d] for d in dims), np.int32),
            {"long_name": "flags", "units": ""},
        )
    known = _meanings(attrs)
    if name not in known and len(known) == 31:
        raise InvalidInput(f"a dataset holds at most 31 different flags; {name!r} is one too many.")
    known.setdefault(name, (severity, explanation))
    bit = np.int32(1 << list(known).index(name))
    attrs |= _described(known)
    return dataset.assign(status=(dims, status | (bit * mask.astype(np.int32)), attrs))


def join_flags(parts: Sequence[xr.Dataset], dim: str) -> xr.Variable:
    """``status`` of parts of a series, one behind the other; the flags of each part keep their names."""
    import xarray as xr

    meanings: dict[str, tuple[str, str]] = {}
    for part in parts:
        if "status" in part:
            for name, said in _meanings(part["status"].attrs).items():
                meanings.setdefault(name, said)
    if len(meanings) > 31:
        raise InvalidInput(
            f"a dataset holds at most 31 different flags; the parts of the series have {len(meanings)}."
        )
    like = next(part["status"] for part in parts if "status" in part)
    numbers = {name: bit for bit, name in enumerate(meanings)}
    pieces = []
    for part in parts:
        shape = tuple(part.sizes[d] for d in like.dims)
        new = np.zeros(shape, np.int32)
        if "status" in part:
            old = part["status"].transpose(*like.dims).values
            for bit, name in enumerate(_meanings(part["status"].attrs)):
                new |= np.where(old & (1 << bit), np.int32(1 << numbers[name]), np.int32(0))
        pieces.append(new)
    attrs = dict(like.attrs) | _described(meanings)
    return xr.Variable(like.dims, np.concatenate(pieces, axis=like.dims.index(dim)), attrs)


def _meanings(attrs: Mapping[Any, Any]) -> dict[str, tuple[str, str]]:
    """Severity and explanation of each flag that attributes of ``status`` tell of, in the order of the bits."""
    names, levels, texts = _listed(dict(attrs))
    return {name: (level, text) for name, level, text in zip(names, levels, texts, strict=True)}


def _described(meanings: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Attributes that tell of each flag its bit, name, severity and explanation."""
    if not meanings:
        return {}
    return {
        "flag_masks": [1 << i for i in range(len(meanings))],
        "flag_meanings": " ".join(meanings),
        "flag_severity": " ".join(level for level, _ in meanings.values()),
        "flag_explanations": "\n".join(text for _, text in meanings.values()),
    }


def _listed(attrs: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    texts = str(attrs.get("flag_explanations", ""))
    return (
        str(attrs.get("flag_meanings", "")).split(),
        str(attrs.get("flag_severity", "")).split(),
        texts.split("\n") if texts else [],
    )


def status_bits(dataset: xr.Dataset) -> xr.DataArray:
    """``status`` as integers, also after ``Dataset.where``, which makes numbers with NaN of it: those become zero."""
    status = dataset["status"]
    if status.dtype.kind != "f":
        return status
    return status.fillna(0).astype(np.int32).assign_attrs(status.attrs)


def failed(dataset: xr.Dataset) -> xr.DataArray:
    """True for each spectrum with a flag of severity ``failed``, and for those that ``Dataset.where`` left out."""
    import xarray as xr

    dims = series_dims(dataset)
    if "status" not in dataset:
        return xr.DataArray(np.zeros(tuple(dataset.sizes[d] for d in dims), bool), dims=dims)
    _, levels, _ = _listed(dataset["status"].attrs)
    mask = sum(1 << i for i, level in enumerate(levels) if level == "failed")
    return ((status_bits(dataset) & mask) != 0) | dataset["status"].isnull()


def flag_names(dataset: xr.Dataset, **index: Any) -> list[str]:
    """Names of the flags set on one spectrum (``index`` as in ``Dataset.isel``).

    Raises
    ------
    InvalidInput
        Where ``index`` leaves more than one spectrum.
    """
    if "status" not in dataset:
        return []
    status = status_bits(dataset).isel(index)
    if status.ndim:
        raise InvalidInput(
            f"flag_names is of one spectrum, and there are several along {', '.join(map(str, status.dims))}: say which, as "
            f"in flag_names(dataset, {status.dims[0]}=0), or count them all with flag_table(dataset)."
        )
    value = int(status)
    return [n for i, n in enumerate(_listed(dataset["status"].attrs)[0]) if value & (1 << i)]


def flag_table(dataset: xr.Dataset) -> pd.DataFrame:
    """One row per flag that was raised: name, severity, number of spectra, explanation."""
    import pandas as pd

    columns = ["flag", "severity", "spectra", "explanation"]
    if "status" not in dataset:
        return pd.DataFrame(columns=columns)
    status = np.asarray(status_bits(dataset).values)
    names, levels, texts = _listed(dataset["status"].attrs)
    rows = [
        (n, level, count, text)
        for i, (n, level, text) in enumerate(zip(names, levels, texts, strict=True))
        if (count := int(np.count_nonzero(status & (1 << i))))
    ]
    return pd.DataFrame(rows, columns=columns)
