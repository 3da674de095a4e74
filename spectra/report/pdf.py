"""The report as a PDF that prints on A4: table, figures as vectors, audit, methods. No browser is needed."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import series_dims
from spectra.report import methods, style
from spectra.report.conventions import literal
from spectra.report.gallery import Drawing, drawings

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["write_pdf"]

_PAGE = (8.27, 11.69)  # inches
_MARGIN = 0.75
_LINE = 0.155  # inches from line to line
_LETTERS = 108  # of a line of text
_PANELS = 3  # of a page
_TABLE = 30  # rows


def write_pdf(
    path: str | Path,
    datasets: xr.Dataset | Mapping[str, xr.Dataset] | Sequence[xr.Dataset],
    *,
    title: str | None = None,
    fits: int = 6,
) -> Path:
    """Write a report as a PDF: results, flags, audit findings, figures and methods of each dataset.

    Parameters
    ----------
    path : path
        The ``.pdf`` file.
    datasets : xarray.Dataset, or a mapping or sequence of them
        As :func:`spectra.report.write_report` takes them.
    title : str, optional
        Heading. Default: that of the first dataset.
    fits : int
        Fits drawn of each series: the failed ones first, the others evenly spread.

    Returns
    -------
    Path

    Raises
    ------
    InvalidInput
        If there is no dataset.
    WriteError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, numpy as np, spectra
    >>> data = spectra.from_arrays(np.arange(9.0), np.arange(9.0), axis="raman_shift")
    >>> folder = tempfile.TemporaryDirectory()
    >>> write_pdf(pathlib.Path(folder.name, "report.pdf"), data).read_bytes()[:5]
    b'%PDF-'
    >>> folder.cleanup()
    """
    from matplotlib.backends.backend_pdf import PdfPages

    from spectra.report.html import named_datasets
    from spectra.results.atomic import replace_file

    named = named_datasets(datasets)
    heading = title or str(named[0][1].attrs.get("title") or named[0][0])
    buffer = io.BytesIO()
    with PdfPages(buffer, metadata={"Title": heading, "CreationDate": None}) as pages:
        for name, dataset in named:
            told = str(dataset.attrs.get("title") or name)
            for page in _pages(dataset, heading if heading == told else f"{heading}: {told}", fits):
                _keep(pages, page)
    return replace_file(path, buffer.getvalue())


@style.styled
def _keep(pages: Any, page: Figure) -> None:
    pages.savefig(page)


def _pages(dataset: xr.Dataset, heading: str, fits: int) -> Iterator[Figure]:
    yield from _written([(heading, "title"), *_told(dataset)])
    yield from _tables(dataset)
    waiting: list[Drawing] = []
    for one in drawings(dataset, fits=fits):
        if one.fills_a_panel:
            waiting.append(one)
            if len(waiting) == _PANELS:
                yield _panels(waiting)
                waiting = []
        else:
            yield _alone(one)
    if waiting:
        yield _panels(waiting)
    yield from _written(_methods(dataset))


def _told(dataset: xr.Dataset) -> list[tuple[str, str]]:
    """Facts, flags and findings, each line with how it is set."""
    from spectra.dataset import flag_table
    from spectra.findings import audit_of

    lines = [(f"{name}: {value}", "text") for name, value in methods.facts(dataset)]
    simulated = methods.simulated(dataset)
    if simulated:
        lines.insert(0, (f"Not measured: {simulated}.", "strong"))
    flags = flag_table(dataset)
    if len(flags):
        lines.append(("Flags", "head"))
        lines += [
            (f"{f.flag} ({f.severity}), {f.spectra} spectra: {f.explanation}", "text")
            for f in flags.itertuples()
        ]
    audit = audit_of(dataset)
    if audit is not None:
        lines.append(("Audit", "head"))
        lines.append(
            (
                f"{len(audit.errors)} errors and {len(audit.warnings)} warnings from {len(audit.judged)} rules.",
                "text",
            )
        )
        lines += [
            (f"{f.rule} {f.severity}, {f.subject}: {f.found}. {f.advice}", "text") for f in audit.findings
        ]
    return lines


def _methods(dataset: xr.Dataset) -> list[tuple[str, str]]:
    told = methods.paragraph(dataset)
    files = methods.inputs(dataset)
    lines = [("Methods", "head"), (told.text, "text")] if told.text else []
    lines += [(f"[{i}] {reference}", "text") for i, reference in enumerate(told.references, 1)]
    if files:
        lines.append(("Input files", "head"))
        lines += [(f"{f.name}, {f.size}, SHA-256 {f.sha256}", "text") for f in files[:200]]
        if len(files) > 200:
            lines.append((f"and {len(files) - 200} more, which the results file names.", "text"))
    return lines


@style.styled
def _sheet() -> Figure:
    figure = style.new_figure(*_PAGE)
    figure.set_layout_engine("none")
    return figure


def _written(lines: Sequence[tuple[str, str]]) -> Iterator[Figure]:
    """Lines of text, broken, on as many pages as they take."""
    looks: dict[str, dict[str, Any]] = {
        "title": {"fontsize": 14, "fontweight": "bold"},
        "head": {"fontsize": 10.5, "fontweight": "bold"},
        "strong": {"fontsize": 8, "fontweight": "bold"},
        "text": {"fontsize": 8},
    }
    page, y = None, 0.0
    for text, look in lines:
        letters = {"title": 60, "head": 80}.get(look, _LETTERS)
        for i, piece in enumerate(
            textwrap.wrap(text, letters, subsequent_indent="" if look == "title" else "    ")
        ):
            if page is None or y < _MARGIN:
                if page is not None:
                    yield page
                page, y = _sheet(), _PAGE[1] - _MARGIN
            if i == 0 and look in ("title", "head"):
                y -= 0.12
            _write(page, _MARGIN, y, piece, "top", **looks[look])
            y -= _LINE * (1.7 if look == "title" else 1.35 if look == "head" else 1.0)
    if page is not None:
        yield page


def _tables(dataset: xr.Dataset) -> Iterator[Figure]:
    """The first rows of the results: as many columns beside each other as fit the width, the others below."""
    from spectra.report.embedded import first_spectra
    from spectra.report.summary import summary_table

    frame = summary_table(first_spectra(dataset, _TABLE), rows=_TABLE)
    page, y = None, 0.0
    for part in _fitting(frame, {*series_dims(dataset), "spectrum", "component"}):
        tall = 0.6 + _LINE * len(part)
        if page is None or y - tall < _MARGIN:
            if page is not None:
                yield page
            page, y = _sheet(), _PAGE[1] - _MARGIN
            _write(
                page,
                _MARGIN,
                y,
                "Results (value ± one standard uncertainty)",
                "top",
                fontsize=10.5,
                fontweight="bold",
            )
            y -= 0.3
        _set_table(page, part, y)
        y -= tall
    if page is not None:
        yield page


def _fitting(frame: pd.DataFrame, places: set[str]) -> Iterator[pd.DataFrame]:
    """The table in parts that are as wide as a page; the columns that say which row it is stand in each."""
    first = [c for c in frame.columns if str(c).partition(" ")[0] in places][:3]
    room = _LETTERS - sum(_width(frame[c]) for c in first)
    columns: list[Any] = []
    for name in frame.columns if len(frame) else []:
        if name in first:
            continue
        if columns and sum(_width(frame[c]) for c in (*columns, name)) > room:
            yield frame[[*first, *columns]]
            columns = []
        columns.append(name)
    if columns:
        yield frame[[*first, *columns]]


def _width(column: pd.Series[Any]) -> int:
    """Letters that a column takes, with the room beside it; its header is broken where it has spaces."""
    return min(max(max(map(len, map(str, column))), max(map(len, str(column.name).split()))), 40) + 2


def _set_table(page: Figure, frame: pd.DataFrame, top: float) -> None:
    widths = [_width(frame[c]) for c in frame.columns]
    places = _MARGIN + np.cumsum([0, *widths[:-1]]) * (_PAGE[0] - 2 * _MARGIN) / max(sum(widths), _LETTERS)
    y = top - 0.4
    for name, x, width in zip(frame.columns, places, widths, strict=True):
        _write(
            page, x, y, "\n".join(textwrap.wrap(str(name), width)), "bottom", fontsize=7, fontweight="bold"
        )
        for i, value in enumerate(frame[name]):
            text = textwrap.shorten(str(value), 40, placeholder=" …")
            _write(page, x, y - 0.05 - _LINE * (i + 1), text, "baseline", fontsize=7)


def _write(page: Figure, x: float, y: float, text: str, va: str, **look: Any) -> None:
    """Text at a place that is told in inches from the lower left."""
    page.text(x / _PAGE[0], y / _PAGE[1], literal(text), va=va, **look)


@style.styled
def _panels(some: Sequence[Drawing]) -> Figure:
    """Figures of one panel each, one below the other."""
    page = style.new_figure(*_PAGE)
    parts = np.atleast_1d(np.asarray(page.subfigures(_PANELS, 1), dtype=object))
    for part, one in zip(parts, some, strict=False):
        ax = part.add_subplot()
        one.draw(ax)
        part.supxlabel(_caption(one), fontsize=7.5, x=0.02, ha="left")
    page.get_layout_engine().set(rect=_INSIDE)  # type: ignore[union-attr, call-arg]
    return page


#: Where the figures of a page may be: left, bottom, width, height, as parts of the page.
_INSIDE = (0.08, 0.06, 0.84, 0.88)


@style.styled
def _alone(one: Drawing) -> Figure:
    """A figure of a technique on a page of its own, at its own proportions."""
    figure = style.figure_of(one.draw(None))
    width, height = figure.get_size_inches()
    scale = min((_PAGE[0] - 2 * _MARGIN) / width, (_PAGE[1] - 2.5 * _MARGIN) / height, 1.3)
    figure.set_size_inches(*_PAGE)
    w, h = width * scale / _PAGE[0], height * scale / _PAGE[1]
    top = 1 - _MARGIN / _PAGE[1]
    figure.get_layout_engine().set(rect=((1 - w) / 2, top - h, w, h))  # type: ignore[union-attr, call-arg]
    figure.text(_MARGIN / _PAGE[0], top - h - 0.015, _caption(one), fontsize=7.5, va="top")
    return figure


def _caption(one: Drawing) -> str:
    return literal("\n".join(textwrap.wrap(one.caption, 120)))
