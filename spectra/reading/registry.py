"""Readers and how the one for a file is found: by its content, never by its name alone.

A reader is announced under the entry point group ``spectra.readers`` as an object :class:`Reader`; anybody's
package can bring one.
"""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Union

from spectra.errors import InvalidInput, ReadError, SpectraError, did_you_mean
from spectra.options import check_options, option_types
from spectra.reading.foreign import recognise
from spectra.reading.source import Source, open_source
from spectra.verbs import history, reading_verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "AUXILIARY",
    "Reader",
    "choose",
    "find_reader",
    "matching",
    "options_of_readers",
    "read",
    "read_scans",
    "readers",
    "results_of",
    "scan_name",
]

#: Key in the encoding of a scan that an instrument kept beside its result: its background, its interferogram.
AUXILIARY = "auxiliary"

#: Characters of an error at most.
_LONGEST = 1500

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reader:
    """How one kind of file is recognised and read.

    Parameters
    ----------
    name : str
        As ``reader=`` and ``spectra list readers`` call it.
    summary : str
        What it reads, in half a sentence.
    extensions : tuple of str
        Usual endings, with the dot. A hint only: they decide between readers that are equally sure of the content.
    sniff : callable
        ``sniff(source)`` is the confidence from 0 (not mine) to 1 (certain) that the content is of this kind. It
        must be quick and must not raise.
    scans : callable
        ``scans(source, **options)`` is the list of all datasets in the file, never empty: what cannot be read
        raises :class:`~spectra.errors.ReadError`. Its keyword-only options are the reader's own, annotated and
        described as those of a verb: ``spectra.read(path, option=...)`` hands them on.
    """

    name: str
    summary: str
    extensions: tuple[str, ...]
    sniff: Callable[[Source], float]
    scans: Callable[..., list[xr.Dataset]]


@functools.cache
def readers() -> dict[str, Reader]:
    """Every reader of every installed package, by name."""
    found: dict[str, Reader] = {}
    for entry in importlib.metadata.entry_points(group="spectra.readers"):
        try:
            reader = entry.load()
        except Exception as error:
            if entry.dist is not None and entry.dist.name == "redox-spectra":
                raise
            # a broken package of somebody else must not stop reading
            _log.warning("reader %s (%s) cannot be loaded: %s", entry.name, entry.value, error)
            continue
        found[reader.name] = reader
    return found


def find_reader(source: Source, name: str | None = None) -> Reader:
    """The reader called ``name``, or the one that is surest of the content of ``source``."""
    known = readers()
    if name is not None:
        if name not in known:
            raise InvalidInput(f"there is no reader {name!r}; {did_you_mean(name, known)}.")
        return known[name]
    suffix = source.path.suffix.lower()
    ranked = sorted(known.values(), key=lambda r: (-r.sniff(source), suffix not in r.extensions, r.name))
    if ranked and ranked[0].sniff(source) > 0.1:
        return ranked[0]
    kind = recognise(source)
    if kind is not None:
        raise ReadError(f"{source.name} is {kind.what}, which is not read here: {kind.remedy}.")
    if ranked and ranked[0].sniff(source) > 0:
        return ranked[0]
    raise ReadError(
        f"{source.name} is binary and of no kind known here ({', '.join(sorted(known))}); "
        "export it as text, VAMAS or NeXus."
    )


def options_of_readers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the reader that ``given["reader"]`` names, and their types; without one, those of all readers.

    What the content of a file asks for is known only once it is open; :func:`read_scans` then refuses an option that is
    another reader's.
    """
    known = readers()
    name = given.get("reader")
    asked = [known[name]] if isinstance(name, str) and name in known else known.values()
    found: dict[str, Any] = {}
    for reader in asked:
        for key, hint in _types(reader).items():
            found[key] = Union[found[key], hint] if key in found else hint  # noqa: UP007  any two types
    return found


def _types(reader: Reader) -> dict[str, Any]:
    try:
        return option_types(reader.scans)
    except NameError:  # annotations of somebody's that only type checkers can follow
        return dict.fromkeys(list(inspect.signature(reader.scans).parameters)[1:], Any)


def read_scans(
    path: str | os.PathLike[str],
    *,
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
    hints: Mapping[str, Any] | None = None,
) -> list[xr.Dataset]:
    """All datasets in one file.

    Parameters
    ----------
    path : path
    reader : str, optional
        Name of the reader; by default the content decides.
    options : mapping, optional
        Options of the reader; those that are None are not given. One that it does not have is refused.
    hints : mapping, optional
        Options that are given where the reader has them and ``options`` does not set them.
    """
    given = {k: v for k, v in (options or {}).items() if v is not None}
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput(
            f"one path is read here, got {type(path).__name__}; read several files with read_series."
        )
    source = open_source(path, encoding=given.pop("encoding", None))
    found = find_reader(source, reader)
    own = inspect.signature(found.scans).parameters
    hinted = {k: v for k, v in (hints or {}).items() if k in own and k not in given and v is not None}
    if given or any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in own.values()):
        hinted = check_options(f"the {found.name} reader", found.scans, {**hinted, **given})
    try:
        scans = found.scans(source, **hinted)
    except InvalidInput as error:
        raise ReadError(_sentence(f"{source.name}: {error}")) from error
    except ReadError as error:
        if len(str(error)) <= _LONGEST and "\n" not in str(error):
            raise
        raise ReadError(_sentence(str(error))) from error
    except SpectraError:
        raise
    except MemoryError as error:
        raise ReadError(f"{source.name} claims or holds more data than fits into memory.") from error
    except (
        Exception
    ) as error:  # the mistake of a reader, anybody's, is no reason to stop those who read many files
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ReadError(f"{source.name}: the {found.name} reader failed on it ({said}).") from error
    if not scans:
        raise ReadError(f"{source.name} holds no spectrum that the {found.name} reader could find.")
    for scan in scans:
        scan.encoding["file"] = source.name  # for errors of those who work on the scan
        if not history(scan) or history(scan)[0]["verb"] == "spectra.from_arrays":  # not a result of ours
            scan.attrs.setdefault("reader", found.name)
            scan.attrs.setdefault("title", source.path.stem)
    return scans


def _sentence(text: str) -> str:
    """What a damaged file put into an error, as one line that a person reads."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 300]} … {text[-290:]}"


def scan_name(scan: xr.Dataset) -> str:
    """What a scan is called where one has to be chosen: its title and, where it says, its sample."""
    title, sample = str(scan.attrs.get("title", "")), str(scan.attrs.get("sample", ""))
    return f"{title} {sample}" if sample and sample != title else title


def choose(scans: list[xr.Dataset], select: str | int | None, *, file: str) -> xr.Dataset:
    """The scan that ``select`` names: by title, region, sample or two of them, or by its number from 0.

    A name is compared without regard to case (nor to spaces, where none fits as written), and a prefix such as ``2:`` that programs put before a name is
    left out of account.
    """
    if isinstance(select, int):
        if not -len(scans) <= select < len(scans):
            raise InvalidInput(
                f"{file} holds {len(scans)} scans; select={select} must be at most {len(scans) - 1}."
            )
        return scans[select]
    fitting = results_of(scans) if select is None else matching(scans, select)
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{i}: {scan_name(s)!r}" for i, s in enumerate(scans))
    if not fitting:
        raise InvalidInput(f"{file} holds no {select!r}; it holds {listed}.")
    what = f"{len(fitting)} scans called {select!r}" if select is not None else f"{len(fitting)} scans"
    raise InvalidInput(
        f"{file} holds {what}: choose one with select= its name or number, "
        f"or read all with read_series ({listed})."
    )


def results_of(scans: list[xr.Dataset]) -> list[xr.Dataset]:
    """Scans that a file was written for; those kept beside them only where there is nothing else."""
    return [scan for scan in scans if not scan.encoding.get(AUXILIARY)] or scans


def matching(scans: list[xr.Dataset], name: str) -> list[xr.Dataset]:
    """Scans that ``name`` fits: by title, else by region, else by one of these with the sample, else by sample."""
    wanted = _plain_name(name)
    for keys in (("title",), ("region",), ("title", "sample"), ("region", "sample"), ("sample",)):
        for order in (keys, keys[::-1]):
            called = [_plain_name(" ".join(str(s.attrs.get(k, "")) for k in order)) for s in scans]
            close = [c.replace(" ", "") == wanted.replace(" ", "") for c in called]
            fits = [c == wanted for c in called]
            found = [s for s, fit in zip(scans, fits if any(fits) else close, strict=True) if fit]
            if found:
                return found
    return []


def _plain_name(name: str) -> str:
    return re.sub(r"^\d+:", "", re.sub(r"\s+", " ", name.strip().lower())).strip()


@reading_verb("spectra.read", passes_on=options_of_readers)
def read(
    path: str | os.PathLike[str],
    *,
    reader: str | None = None,
    select: str | int | None = None,
    columns: dict[str, int | str] | None = None,
    axis: str | None = None,
    axis_units: str | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read one dataset of spectra from a file of any kind that a reader is installed for.

    Parameters
    ----------
    path : str or Path
        The file. What it is is decided by its content.
    reader : str, optional
        Name of the reader where the content should not decide; ``spectra list readers`` shows them.
    select : str or int, optional
        Which of several scans: its name, or its number from 0. Needed where the file holds more than one.
    columns : dict, optional
        Name of the axis or variable → column, by number from 1 or by label: ``{"energy": 2, "mu": "xmu"}``. Where
        variables are named, only they are read. In HDF5 files the right side is the path of a dataset.
    axis : str, optional
        Spectral axis: ``energy``, ``binding_energy``, ``kinetic_energy``, ``energy_loss``, ``raman_shift`` or
        ``wavenumber``. Needed for text whose axis has no label.
    axis_units : str, optional
        Units of the axis in the file where they are not stated: ``eV``, ``keV``, ``meV``, ``1/cm``.
    delimiter : str, optional
        Text: what stands between columns; ``" "`` for any white space. Default: found from the content.
    decimal : {".", ","}, optional
        Text: the decimal mark. Default: found from the content.
    encoding : str, optional
        Text: the encoding, such as ``latin-1``. Default: found from the content.
    **reader_options
        Further options, of the reader: ``spectra list readers NAME`` shows those that it has.

    Returns
    -------
    xarray.Dataset
        Axis ascending, finite and without duplicates; what was done for that is noted in the history.

    Raises
    ------
    ReadError
        The file is missing, empty, damaged, of an unknown kind, or holds no numbers where they should be.
    InvalidInput
        The file holds several scans and none or an unknown one was selected.

    Examples
    --------
    >>> import pathlib, tempfile, spectra
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "mn2o3.csv"
    >>> _ = file.write_text("energy (keV);mu\n6,55;0,1\n6,56;1,2\n")
    >>> spectra.read(file).energy.values
    array([6550., 6560.])
    """
    options = {
        "columns": columns,
        "axis": axis,
        "axis_units": axis_units,
        "delimiter": delimiter,
        "decimal": decimal,
        "encoding": encoding,
        **reader_options,
    }
    return choose(read_scans(path, reader=reader, options=options), select, file=os.fspath(path))
