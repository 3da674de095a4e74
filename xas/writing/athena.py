"""Athena projects written, with the parameters that a spectrum was processed by; and their parameters as options."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import as_dataset, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.results.atomic import replace_file
from spectra.verbs import history
from xas.points.wavenumber import INVERSE_KINETIC
from xas.writing.single import each_spectrum

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["athena_options", "write_athena"]

_HEAD = "# Athena project file -- Demeter version 0.9.26\n"
_TAIL = "\n@journal = ();\n\n1;\n\n\n# Local Variables:\n# truncate-lines: t\n# End:\n"
#: Athena's windows that go by another name here.
_WINDOWS = {
    "kaiser-bessel": "kaiser",
    "kaiser": "kaiser",
    "hanning": "hanning",
    "parzen": "parzen",
    "welch": "welch",
    "sine": "sine",
}

#: What Athena expects to find of every group of mu(E).
_ALWAYS = {
    "is_xmu": 1, "is_chi": 0, "is_nor": 0, "is_col": 1, "is_rec": 1, "is_proj": 1, "from_athena": 1, "recordtype": "mu(E)",
    "bkg_algorithm": "autobk", "bkg_clamp1": 0, "bkg_clamp2": 24, "bkg_nclamp": 5, "bkg_dk": 1, "bkg_kwindow": "hanning",
    "bkg_kw": 2, "bkg_rbkg": 1.0, "bkg_flatten": 1, "bkg_stan": "None", "bkg_spl1": 0, "fft_dk": 1, "fft_kw": 2,
    "fft_kwindow": "hanning", "fft_pc": "no", "fft_kmin": 3, "bft_rmin": 1, "bft_rmax": 3, "bft_dr": 0, "bft_rwindow": "hanning",
    "plot_scale": 1, "plot_yoffset": 0, "update_data": 0, "update_norm": 1, "update_bkg": 1, "update_fft": 1, "update_bft": 1,
    "marked": 1, "frozen": 0, "bkg_eshift": 0, "bkg_fixstep": 0, "importance": 1,
}  # fmt: skip
#: Parameters as ``attrs["athena"]`` has them, and Athena's names.
_STORED = {
    "e0": "bkg_e0", "step": "bkg_step", "pre1": "bkg_pre1", "pre2": "bkg_pre2", "norm1": "bkg_nor1", "norm2": "bkg_nor2",
    "nnorm": "bkg_nnorm", "rbkg": "bkg_rbkg", "kweight": "bkg_kw", "spline_kmin": "bkg_spl1", "spline_kmax": "bkg_spl2",
    "clamp_low": "bkg_clamp1", "clamp_high": "bkg_clamp2", "nclamp": "bkg_nclamp", "eshift": "bkg_eshift",
    "fft_kmin": "fft_kmin", "fft_kmax": "fft_kmax", "fft_dk": "fft_dk", "fft_kweight": "fft_kw", "fft_window": "fft_kwindow",
    "bft_rmin": "bft_rmin", "bft_rmax": "bft_rmax", "bft_dr": "bft_dr", "bft_window": "bft_rwindow",
    "importance": "importance", "fixstep": "bkg_fixstep", "flatten": "bkg_flatten",
}  # fmt: skip


def athena_options(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Options of verbs that repeat what an Athena project says was done to a spectrum.

    Parameters
    ----------
    dataset : xarray.Dataset
        One spectrum that was read from a project (its parameters are in ``attrs["athena"]``).

    Returns
    -------
    dict of str to dict
        ``normalize``, ``autobk`` and ``fourier``: ``xas.normalize(scan, **athena_options(scan)["normalize"])``. The
        energy shift was applied on reading. Athena counts the terms of the post-edge polynomial, ``order`` is its
        degree. An edge step that the project fixes is ``edge_step``; a Victoreen exponent, which larch's projects have,
        is ``victoreen``. Clamps have no counterpart.

    Raises
    ------
    InvalidInput
        The spectrum was not read from a project.

    Examples
    --------
    >>> import spectra
    >>> said = '{"e0": 6548.0, "pre1": -150, "pre2": -30, "norm1": 50, "norm2": 700, "nnorm": 3}'
    >>> scan = spectra.from_arrays([6540.0, 6550.0], [0.1, 1.0], name="mu", attrs={"athena": said})
    >>> athena_options(scan)["normalize"]
    {'e0': 6548.0, 'pre': (-150.0, -30.0), 'post': (50.0, 700.0), 'order': 2}
    """
    if not dataset.attrs.get("athena"):
        raise InvalidInput(
            "the dataset has no attrs['athena']: it was not read from an Athena project, or is a series."
        )
    said = json.loads(str(dataset.attrs["athena"]))
    has = {name: value for name, value in said.items() if value is not None}

    def numbers(*names: str) -> tuple[float, ...] | None:
        return tuple(float(has[n]) for n in names) if all(n in has for n in names) else None

    normalize: dict[str, Any] = {
        "e0": numbers("e0"),
        "pre": numbers("pre1", "pre2"),
        "post": numbers("norm1", "norm2"),
    }
    normalize["e0"] = normalize["e0"][0] if normalize["e0"] else None
    if "nnorm" in has:
        normalize["order"] = min(max(int(has["nnorm"]) - 1, 0), 5)
    if has.get("nvict"):
        normalize["victoreen"] = float(has["nvict"])
    if has.get("fixstep") and has.get("step", 0) > 0:
        normalize["edge_step"] = float(has["step"])
    autobk = {ours: float(has[theirs]) for ours, theirs in
              (("rbkg", "rbkg"), ("kweight", "kweight"), ("kmin", "spline_kmin"), ("kmax", "spline_kmax")) if theirs in has}  # fmt: skip
    fourier: dict[str, Any] = {"k": numbers("fft_kmin", "fft_kmax")}
    fourier |= {
        ours: float(has[theirs])
        for ours, theirs in (("kweight", "fft_kweight"), ("dk", "fft_dk"))
        if theirs in has
    }
    fourier["window"] = _WINDOWS.get(str(has.get("fft_window", "")))
    made = {"normalize": normalize, "autobk": autobk, "fourier": fourier}
    return {verb: {k: v for k, v in options.items() if v is not None} for verb, options in made.items()}


def write_athena(path: str | os.PathLike[str], data: Any, *, compress: bool = True) -> Path:
    """Write spectra as an Athena project, each with the parameters that it was processed by.

    Parameters
    ----------
    path : path
        The project; one that is there is replaced in one step.
    data : xarray.Dataset, mapping of str to xarray.Dataset, or sequence of such
        A spectrum or series; or several, by the names of their groups.
    compress : bool
        gzip, as Athena does.

    Returns
    -------
    Path

    Raises
    ------
    InvalidInput
        Nothing to write, or data that are no absorption along energy.

    Notes
    -----
    E0, edge step and ranges come from the last :func:`xas.normalize`, the others from :func:`xas.autobk` and
    :func:`xas.fourier`; what was not done here has the values of the project the spectrum was read from, or Athena's.
    An edge step that was given to :func:`xas.normalize` is written as fixed. A Victoreen exponent is not written: Athena's
    own projects have no place for one. A spectrum with an energy shift (``eshift``) is written unshifted beside its shift, as Athena keeps it.

    References
    ----------
    B. Ravel, M. Newville, J. Synchrotron Rad. 12, 537 (2005), doi:10.1107/S0909049505012719

    Examples
    --------
    >>> import pathlib, tempfile, numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.normalize(scan, e0=6548.0, pre=(-120, -30), post=(50, 340))
    >>> file = write_athena(pathlib.Path(tempfile.mkdtemp()) / "mn.prj", {"Mn": scan})
    >>> athena_options(xas.read(file))["normalize"]
    {'e0': 6548.0, 'pre': (-120.0, -30.0), 'post': (50.0, 340.0), 'order': 1}
    """
    groups = list(_groups(data))
    if not groups:
        raise InvalidInput("there is nothing to write: give a dataset, or a mapping of names to datasets.")
    records = []
    for number, (label, one) in enumerate(groups):
        key = _key(number)
        energy = one["energy"].values.astype(float)
        mu = np.asarray(one[signal_name(one)].values, float)
        there = np.isfinite(mu)
        if there.sum() < 2:
            raise InvalidInput(f"group {label!r} holds no finite spectrum: leave it out.")
        arguments = _arguments(one, label, key, energy[there])
        lines = [f"$old_group = '{key}';", f"@args = ({_perl(arguments)});"]
        lines.append(f"@x = ({_numbers(energy[there] - float(arguments['bkg_eshift']))});")
        lines.append(f"@y = ({_numbers(mu[there])});")
        for name, variable in (("i0", "i0"), ("stddev", f"{signal_name(one)}_sigma")):
            if variable in one.data_vars and one[variable].dims == ("energy",):
                lines.append(f"@{name} = ({_numbers(np.asarray(one[variable].values, float)[there])});")
        records.append("\n".join([*lines, "[record]   # create object and set arrays"]))
    text = _HEAD + "# Using redox-spectra\n\n" + "\n\n".join(records) + "\n" + _TAIL
    content = text.encode("utf-8")
    return replace_file(path, gzip.compress(content, mtime=0) if compress else content)


def _groups(data: Any) -> Iterable[tuple[str, xr.Dataset]]:
    import xarray as xr

    if isinstance(data, Mapping) and not isinstance(data, xr.Dataset):
        given = list(data.items())
    else:
        given = [("", one) for one in (data if isinstance(data, list | tuple) else [data])]
    for name, item in given:
        dataset = as_dataset(item, verb="write_athena")
        if spectral_axis(dataset) != "energy":
            raise InvalidInput(
                f"an Athena project holds absorption along energy; this lies along {spectral_axis(dataset)}."
            )
        found = list(each_spectrum(dataset))
        for label, one in found:
            yield (name if name and len(found) == 1 else f"{name} {label}".strip()), one


def _key(number: int) -> str:
    """Five letters that tell a group from the others."""
    return "".join(chr(97 + number // 26**i % 26) for i in range(5))[::-1]


def _arguments(one: xr.Dataset, label: str, key: str, energy: Any) -> dict[str, Any]:
    stored = json.loads(str(one.attrs.get("athena") or "{}"))
    said: dict[str, Any] = {
        **_ALWAYS,
        **{_STORED[n]: v for n, v in stored.items() if n in _STORED and v is not None},
    }
    said |= _processed(one)
    if one.attrs.get("normalized") == "yes" and "norm" not in one:
        said |= {"is_nor": 1}
    e0 = float(said.get("bkg_e0", energy[0]))
    last = float(np.sqrt(INVERSE_KINETIC * max(energy[-1] - e0, 1.0)))
    said.setdefault("bkg_spl2", round(last, 4))
    said.setdefault("fft_kmax", round(max(last - 1, 4), 3))
    said |= {
        "bkg_z": one.attrs.get("element", ""),
        "fft_edge": str(one.attrs.get("edge", "K")).lower(),
        "npts": energy.size,
    }
    text = " ".join(label.replace("undef", "undefined").split())
    titles = [line for line in str(one.attrs.get("comments", "")).splitlines() if line.strip()]
    said |= {"label": text, "tag": key, "datagroup": key, "titles": titles, "source": text, "file": text}
    return {k: int(v) if isinstance(v, bool) else v for k, v in said.items()}


def _processed(one: xr.Dataset) -> dict[str, Any]:
    """Parameters out of the history and the variables."""
    said: dict[str, Any] = {}
    steps = {step["verb"]: {**step.get("options", {}), **step.get("resolved", {})} for step in history(one)}
    done = steps.get("xas.normalize")
    if done is not None:
        for key, name in (("pre", ("bkg_pre1", "bkg_pre2")), ("post", ("bkg_nor1", "bkg_nor2"))):
            if isinstance(done.get(key), list | tuple):
                said |= dict(zip(name, map(float, done[key]), strict=True))
        if done.get("order") is not None:
            said["bkg_nnorm"] = int(done["order"]) + 1
        said["bkg_fixstep"] = int(done.get("edge_step") is not None)
    for variable, parameter in (("e0", "bkg_e0"), ("edge_step", "bkg_step")):
        if variable in one and one[variable].ndim == 0 and np.isfinite(one[variable]):
            said[parameter] = float(one[variable])
    done = steps.get("xas.autobk")
    if done is not None:
        names = {"rbkg": "bkg_rbkg", "kweight": "bkg_kw", "kmin": "bkg_spl1", "kmax": "bkg_spl2"}
        said |= {names[k]: float(done[k]) for k in names if isinstance(done.get(k), int | float)}
    done = steps.get("xas.fourier")
    if done is not None:
        if isinstance(done.get("k"), list | tuple):
            said |= {"fft_kmin": float(done["k"][0]), "fft_kmax": float(done["k"][1])}
        said |= {n: done[k] for k, n in (("kweight", "fft_kw"), ("dk", "fft_dk")) if k in done}
        window = str(done.get("window", ""))
        said["fft_kwindow"] = "kaiser-bessel" if window == "kaiser" else window
    return said


def _perl(arguments: Mapping[str, Any]) -> str:
    return ",".join(f"'{key}',{_literal(value)}" for key, value in arguments.items())


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(_literal(v) for v in value)}]"
    text = repr(float(value)) if isinstance(value, float) else str(value)
    # a quote inside would end the text for programs that do not know Perl's backslash
    return "'" + text.replace("\\", "/").replace("'", "’").replace(";", ",").replace("\n", " ") + "'"


def _numbers(values: Any) -> str:
    return ",".join(f"'{v!r}'" for v in np.asarray(values, float).tolist())
