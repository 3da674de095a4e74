"""Flags per spectrum: a spectrum that failed is marked and stays in the series; nothing stops and nothing vanishes.

``status`` is an integer per spectrum, one bit per flag, zero where all is well. Its attributes follow the CF
conventions (``flag_masks``, ``flag_meanings``) and say of each flag whether it means failure and what it means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims
from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["failed", "flag", "flag_names", "flag_table"]


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
        status, attrs = dataset["status"].transpose(*dims).data, dict(dataset["status"].attrs)
    else:
        status, attrs = (
            np.zeros(tuple(dataset.sizes[d] for d in dims), np.int32),
            {"long_name": "flags", "units": ""},
        )
    names, levels, texts = _listed(attrs)
    if name not in names:
        if len(names) == 31:
            raise InvalidInput(f"a dataset holds at most 31 different flags; {name!r} is one too many.")
        names, levels, texts = [*names, name], [*levels, severity], [*texts, explanation]
    bit = np.int32(1 << names.index(name))
    attrs |= {
        "flag_masks": [1 << i for i in range(len(names))],
        "flag_meanings": " ".join(names),
        "flag_severity": " ".join(levels),
        "flag_explanations": "\n".join(texts),
    }
    return dataset.assign(status=(dims, status | (bit * mask.astype(np.int32)), attrs))


def _listed(attrs: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    texts = str(attrs.get("flag_explanations", ""))
    return (
        str(attrs.get("flag_meanings", "")).split(),
        str(attrs.get("flag_severity", "")).split(),
        texts.split("\n") if texts else [],
    )


def failed(dataset: xr.Dataset) -> xr.DataArray:
    """True for each spectrum with a flag of severity ``failed``."""
    import xarray as xr

    dims = series_dims(dataset)
    if "status" not in dataset:
        return xr.DataArray(np.zeros(tuple(dataset.sizes[d] for d in dims), bool), dims=dims)
    _, levels, _ = _listed(dataset["status"].attrs)
    mask = sum(1 << i for i, level in enumerate(levels) if level == "failed")
    return (dataset["status"] & mask) != 0


def flag_names(dataset: xr.Dataset, **index: Any) -> list[str]:
    """Names of the flags set on one spectrum (``index`` as in ``Dataset.isel``)."""
    if "status" not in dataset:
        return []
    value = int(dataset["status"].isel(index))
    return [n for i, n in enumerate(_listed(dataset["status"].attrs)[0]) if value & (1 << i)]


def flag_table(dataset: xr.Dataset) -> pd.DataFrame:
    """One row per flag: name, severity, number of spectra, explanation."""
    import pandas as pd

    columns = ["flag", "severity", "spectra", "explanation"]
    if "status" not in dataset:
        return pd.DataFrame(columns=columns)
    status = np.asarray(dataset["status"].values)
    names, levels, texts = _listed(dataset["status"].attrs)
    rows = [
        (n, level, int(np.count_nonzero(status & (1 << i))), text)
        for i, (n, level, text) in enumerate(zip(names, levels, texts, strict=True))
    ]
    return pd.DataFrame(rows, columns=columns)
