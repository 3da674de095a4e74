"""XDI 1.1 written: any program of the field reads it, and it comes back number by number."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import signal_name
from spectra.errors import InvalidInput, did_you_mean
from spectra.results.atomic import replace_file
from spectra.verbs import history
from xas.writing.single import one_spectrum

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["write_xdi"]

#: Detector columns by XDI's names, which are ours.
_CHANNELS = ("i0", "itrans", "ifluor", "irefer", "mu_ref")
#: Fields of XDI and the attributes that fill them.
_FIELDS = {
    "Sample.name": "sample",
    "Scan.start_time": "start_time",
    "Facility.name": "facility",
    "Beamline.name": "beamline",
}
#: Fields that speak of columns or names as they were.
_OUTDATED = {"scan.plot_hint", "scan.element", "scan.edge"}


def write_xdi(
    path: str | os.PathLike[str], dataset: Any, *, columns: Sequence[str] | None = None, **index: int
) -> Path:
    """Write one spectrum as XDI 1.1.

    Parameters
    ----------
    path : path
        The file; one that is there is replaced in one step.
    dataset : xarray.Dataset
        X-ray absorption along ``energy``.
    columns : sequence of str, optional
        Variables to write beside the energy, the first being the spectrum. Default: the measured quantity and the
        detector channels.
    **index : int
        Which spectrum of a series, as in ``Dataset.isel``: ``write_xdi("a.xdi", scans, time=3)``.

    Returns
    -------
    Path

    Raises
    ------
    InvalidInput
        A series without an index, an unknown variable, or no element and edge, which XDI requires.

    Notes
    -----
    Numbers are written with 17 digits, so that reading gives the same ones. Fields of a header that was read are
    written again; the verbs of the history stand in ``Spectra.history``.

    References
    ----------
    B. Ravel & M. Newville, J. Phys.: Conf. Ser. 712, 012148 (2016), doi:10.1088/1742-6596/712/1/012148

    Examples
    --------
    >>> import pathlib, tempfile, spectra, xas
    >>> attrs = {"element": "Mn", "edge": "K"}
    >>> scan = spectra.from_arrays([6530.0, 6540.0, 6550.0], [0.1, 0.5, 1.2], name="mu", attrs=attrs)
    >>> file = xas.write_xdi(pathlib.Path(tempfile.mkdtemp()) / "scan.xdi", scan)
    >>> xas.read(file).mu.values
    array([0.1, 0.5, 1.2])
    """
    one = one_spectrum(dataset, index, "write_xdi")
    names = _columns(one, columns)
    missing = [key for key in ("element", "edge") if not one.attrs.get(key)]
    if missing:
        raise InvalidInput(
            f"XDI requires the {missing[0]}, and the dataset does not say it: set dataset.attrs[{missing[0]!r}]."
        )
    fields = {"Column.1": "energy eV"}
    for number, name in enumerate(names, start=2):
        units = str(one[name].attrs.get("units", ""))
        fields[f"Column.{number}"] = f"{_written_name(one, name)} {units}".strip()
    fields |= {"Element.symbol": str(one.attrs["element"]), "Element.edge": str(one.attrs["edge"])}
    fields |= {field: _line(_said(one, key)) for field, key in _FIELDS.items() if _said(one, key)}
    fields = {**fields, **_read_before(one, set(fields))}
    steps = history(one)
    if steps:
        fields["Spectra.history"] = ", ".join(step["verb"] for step in steps)
    text = io.StringIO()
    text.write(f"# XDI/1.1 redox-spectra/{steps[-1].get('version', '0') if steps else '0'}\n")
    text.writelines(f"# {name}: {value}\n" for name, value in fields.items())
    text.write("# ///\n")
    text.writelines(f"# {line}\n" for line in str(one.attrs.get("comments", "")).splitlines())
    text.write("# ---\n")
    text.write(f"# energy {' '.join(_written_name(one, n) for n in names)}\n")
    numbers = [one["energy"].values, *(one[name].values for name in names)]
    np.savetxt(text, np.column_stack([np.asarray(v, float) for v in numbers]), fmt="%.17g")
    return replace_file(path, text.getvalue().encode())


def _columns(one: xr.Dataset, wanted: Sequence[str] | None) -> list[str]:
    along = [str(n) for n, v in one.data_vars.items() if v.dims == ("energy",)]
    if wanted is None:
        signal = signal_name(one)
        return [signal, *(n for n in _CHANNELS if n in along and n != signal)]
    unknown = [name for name in wanted if name not in along]
    if unknown:
        raise InvalidInput(
            f"columns: no variable {unknown[0]!r} lies along energy; {did_you_mean(unknown[0], along)}."
        )
    if not wanted:
        raise InvalidInput("columns is empty: name at least one variable.")
    return list(wanted)


def _written_name(one: xr.Dataset, name: str) -> str:
    """A measured quantity that came normalised is called so, as the reader tells it by its name."""
    return "norm" if name == signal_name(one) and one.attrs.get("normalized") == "yes" else name


def _said(one: xr.Dataset, key: str) -> str:
    """Attribute, or the coordinate that it became in a series."""
    value = one.attrs.get(
        key, one.coords[key].values if key in one.coords and one.coords[key].ndim == 0 else ""
    )
    return "" if value is None else str(value)


def _line(text: str) -> str:
    return " ".join(text.split())


def _read_before(one: xr.Dataset, known: set[str]) -> dict[str, str]:
    """Fields of the header that the spectrum was read with, as far as they are still true."""
    lower = {name.lower() for name in known}
    try:
        before = json.loads(str(one.attrs.get("metadata", "{}")))
    except json.JSONDecodeError:
        return {}
    kept = {}
    for name, value in before.items():
        low, text = name.lower(), _line(str(value))
        outdated = low in lower | _OUTDATED or low.startswith(("column.", "spectra."))
        if text and not outdated and re.fullmatch(r"[A-Za-z][\w-]*\.[\w-]+", name):
            kept[name] = text
    return kept
