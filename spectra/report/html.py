"""The report: one HTML file that needs nothing beside it, drawn from the datasets alone."""

from __future__ import annotations

import base64
import datetime
import hashlib
import importlib.metadata
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectra.errors import InvalidInput
from spectra.report import methods
from spectra.report.embedded import embedded, first_spectra
from spectra.report.gallery import Picture, standing_pictures, write_pictures
from spectra.report.summary import summary_table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from spectra.findings import Audit

__all__ = ["named_datasets", "report_page", "write_report"]

#: In the order in which they build on each other.
_SCRIPTS = ("plot", "fits", "table", "series", "paper", "main", "selftest")


@dataclass(frozen=True)
class _Table:
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0

    @classmethod
    def of(cls, frame: pd.DataFrame, *, total: int | None = None) -> _Table:
        rows = tuple(tuple(map(str, row)) for row in frame.itertuples(index=False, name=None))
        return cls(tuple(map(str, frame.columns)), rows, 0 if total is None else total - len(rows))


@dataclass(frozen=True)
class _Section:
    """What the page shows of one dataset."""

    name: str
    title: str
    facts: tuple[tuple[str, str], ...]
    simulated: str
    results: _Table
    flags: _Table
    audit: Audit | None
    left_out: dict[str, str]
    pictures: tuple[Picture, ...]
    steps: tuple[methods.MethodStep, ...]
    paragraph: methods.Paragraph
    inputs: tuple[methods.InputFile, ...]
    data: str
    views: frozenset[str]
    several: bool

    @property
    def redrawn(self) -> list[Picture]:
        """Pictures of what the page draws from the numbers."""
        return [picture for picture in self.pictures if picture.redrawn]

    @property
    def others(self) -> list[Picture]:
        """Pictures that only a technique can draw."""
        return [picture for picture in self.pictures if not picture.redrawn]


def write_report(
    path: str | Path,
    datasets: xr.Dataset | Mapping[str, xr.Dataset] | Sequence[xr.Dataset],
    *,
    title: str | None = None,
    fits: int = 6,
    rows: int = 60,
    figures: str | Path | None = None,
) -> Path:
    """Write an HTML report: results with units and uncertainties, figures, methods, provenance.

    Parameters
    ----------
    path : path
        The ``.html`` file; the figures are inside it.
    datasets : xarray.Dataset, or a mapping or sequence of them
        As :func:`spectra.run` returns and :func:`spectra.load` reads them.
    title : str, optional
        Heading. Default: that of the first dataset.
    fits : int
        Fits of each series that are drawn on paper: the failed ones first, the others evenly spread.
    rows : int
        Rows of each table of results; the results file holds all.
    figures : path, optional
        Folder that gets the pictures of the page as PNG files; :func:`write_figures` draws all there are.

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
    >>> write_report(pathlib.Path(folder.name, "report.html"), data).name
    'report.html'
    >>> folder.cleanup()
    """
    from spectra.results.atomic import replace_file
    from spectra.results.fields import safe_name

    sections = _sections(datasets, fits=fits, rows=rows)
    page = _rendered(sections, title)
    if figures is not None:
        for section in sections:
            prefix = f"{safe_name(section.name)}_" if len(sections) > 1 else ""
            write_pictures(figures, section.pictures, prefix=prefix)
    return replace_file(path, page.encode())


def report_page(
    datasets: xr.Dataset | Mapping[str, xr.Dataset] | Sequence[xr.Dataset],
    *,
    title: str | None = None,
    fits: int = 6,
    rows: int = 60,
) -> str:
    """The page that :func:`write_report` writes, as text."""
    return _rendered(_sections(datasets, fits=fits, rows=rows), title)


def _sections(datasets: Any, *, fits: int, rows: int) -> list[_Section]:
    named = named_datasets(datasets)
    return [_section(name, dataset, fits=fits, rows=rows, share=1 / len(named)) for name, dataset in named]


def _rendered(sections: Sequence[_Section], title: str | None) -> str:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["data_uri"] = _data_uri
    script = "\n".join(_packaged(f"page/{name}.js") for name in _SCRIPTS)
    style = _packaged("page/page.css")
    return environment.from_string(_packaged("report.html.j2")).render(
        title=title or sections[0].title,
        sections=sections,
        version=importlib.metadata.version("redox-spectra"),
        made=datetime.datetime.now().astimezone().isoformat(timespec="minutes", sep=" "),
        script=script,
        style=style,
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
    )


def _packaged(name: str) -> str:
    return importlib.resources.files("spectra.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """By which a browser knows the one script and the one style that this page may use."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _as_json(data: dict[str, Any]) -> str:
    """Data as they may stand inside a page: strict JSON in which nothing begins or ends a tag or a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def named_datasets(datasets: Any) -> list[tuple[str, xr.Dataset]]:
    """Datasets with what to call those that have no title."""
    import xarray as xr

    if isinstance(datasets, xr.Dataset):
        datasets = [datasets]
    if isinstance(datasets, Mapping):
        named = list(datasets.items())
    else:
        named = [(f"Dataset {i}", dataset) for i, dataset in enumerate(datasets, 1)]
    if not named:
        raise InvalidInput("a report needs at least one dataset, got none.")
    return named


def _title(dataset: xr.Dataset, fallback: str) -> str:
    return str(dataset.attrs.get("title") or fallback)


def _section(name: str, dataset: xr.Dataset, *, fits: int, rows: int, share: float) -> _Section:
    from spectra.dataset import flag_table
    from spectra.findings import audit_of
    from spectra.pipeline.series import files_left_out

    data = embedded(dataset, share=share, printed=fits)
    series = data["curves"] or data["planes"] or data["total"] > 1
    views = {"table": True, "fits": data["fits"] is not None, "series": bool(series)}
    return _Section(
        name=name,
        title=_title(dataset, name),
        facts=methods.facts(dataset),
        simulated=methods.simulated(dataset),
        results=_Table.of(
            summary_table(first_spectra(dataset, rows), rows=rows),
            total=data["total"] * dataset.sizes.get("component", 1),
        ),
        flags=_Table.of(flag_table(dataset)),
        audit=audit_of(dataset),
        left_out=files_left_out(dataset),
        pictures=tuple(standing_pictures(dataset)),
        steps=methods.steps(dataset),
        paragraph=methods.paragraph(dataset),
        inputs=methods.inputs(dataset),
        data=_as_json(data),
        views=frozenset(name for name, there in views.items() if there),
        several=data["total"] > 1,
    )
