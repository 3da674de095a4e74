"""What a notebook shows of a dataset, an audit, a calibration: short HTML that needs nothing beside it."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spectra.verbs import history

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from spectra.findings import Audit, Finding

__all__ = [
    "audit_html",
    "dataset_html",
    "dataset_text",
    "frame_html",
    "page_html",
    "sentence_html",
    "step_line",
    "table_html",
]

#: Rows of results that are shown.
_ROWS = 10
#: Columns of results that are shown; the others are named.
_COLUMNS = 10
#: Numbers in a dataset up to which a figure is drawn unasked.
_DRAWN = 50_000_000
#: How a fit went comes after what was found.
_LAST = ("redchi", "aicc", "bic", "runs_p_value", "nfev", "noise", "background_iterations")
#: Colours hold on light and dark paper.
_MARKS = {"error": "#D55E00", "failed": "#D55E00", "warning": "#B8860B", "": "inherit"}
_CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"


def _text(value: object) -> str:
    return html.escape(str(value))


def sentence_html(text: str, severity: str = "") -> str:
    """One sentence, coloured by its severity."""
    return f'<p style="margin:.3em 0;color:{_MARKS[severity]}">{_text(text)}</p>'


def table_html(headers: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table of texts; nothing in them is taken for HTML."""
    head = "".join(f'<th style="{_CELL}">{_text(h)}</th>' for h in headers)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div style="overflow-x:auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    return f'<td style="{_CELL}">{_text(value)}</td>'


def frame_html(frame: pd.DataFrame) -> str:
    """A DataFrame of texts."""
    return table_html(list(frame.columns), frame.itertuples(index=False, name=None))


def page_html(title: str, *parts: str, facts: Mapping[str, object] | None = None) -> str:
    """A heading, what it is in pairs, and the parts that are not empty."""
    pairs = " · ".join(f"{_text(name)}: <b>{_text(value)}</b>" for name, value in (facts or {}).items())
    inside = [
        f"<h4 style='margin:.2em 0'>{_text(title)}</h4>",
        f"<div>{pairs}</div>" if pairs else "",
        *parts,
    ]
    return f'<div class="redox-spectra">{"".join(part for part in inside if part)}</div>'


def step_line(step: Mapping[str, Any]) -> str:
    """One verb of a history on one line, with the options that are not at their defaults.

    Examples
    --------
    >>> step_line({"verb": "spectra.crop", "options": {"window": [505, 509]}})
    'spectra.crop(window=[505, 509])'
    """
    from spectra.errors import SpectraError
    from spectra.options import plain
    from spectra.pipeline.describe import describe_options
    from spectra.verbs import find_verb

    try:
        defaults = {o.name: plain(o.default) for o in describe_options(find_verb(step["verb"]).function)}
    except SpectraError:  # a verb of a package that is not installed here
        defaults = {}
    shown = []
    for name, value in step.get("options", {}).items():
        if value not in (None, []) and value != defaults.get(name):
            said = value.get("text", "…") if isinstance(value, Mapping) and "not_storable" in value else value
            text = repr(said)
            shown.append(f"{name}={text if len(text) <= 80 else text[:77] + '…'}")
    return f"{step['verb']}({', '.join(shown)})"


def dataset_text(dataset: xr.Dataset) -> str:
    """What a dataset is and what was done to it, for a terminal."""
    facts = " · ".join(f"{name}: {value}" for name, value in _facts(dataset).items())
    return "\n".join([facts, *(f"  {step_line(step)}" for step in history(dataset))])


def dataset_html(dataset: xr.Dataset) -> str:
    """What a dataset is, its results, flags with what to do, its history, and one figure."""
    from spectra.dataset import signal_name
    from spectra.report.methods import simulated

    said = simulated(dataset)
    lazy = any(v.chunks is not None for v in dataset.variables.values())
    parts = [sentence_html(f"Not measured: {said}.", "warning") if said else ""]
    if lazy:
        parts.append(sentence_html("Not computed yet: dataset.compute() brings results and figure."))
    else:
        parts += [_results(dataset), _flags(dataset), _figure(dataset)]
    steps = "".join(f"<li><code>{_text(step_line(step))}</code></li>" for step in history(dataset))
    parts.append(f"<details open><summary>history</summary><ol>{steps}</ol></details>" if steps else "")
    title = str(dataset.attrs.get("sample") or dataset.attrs.get("title") or signal_name(dataset))
    return page_html(title, *parts, facts=_facts(dataset))


def _facts(dataset: xr.Dataset) -> dict[str, object]:
    from spectra.dataset import series_dims, spectral_axis

    known = {k: dataset.attrs[k] for k in ("technique", "element", "edge", "region") if dataset.attrs.get(k)}
    axis = spectral_axis(dataset)
    x, dims = dataset[axis].values, series_dims(dataset)
    reach = f"{x[0]:.6g} to {x[-1]:.6g} {dataset[axis].attrs.get('units', '')}, {x.size} points"
    count = " × ".join(f"{dataset.sizes[d]} ({d})" for d in dims) or "1"
    return {**known, axis.replace("_", " "): reach, "spectra": count}


def _results(dataset: xr.Dataset) -> str:
    """The first rows of the results, without what every one of these rows has alike."""
    import numpy as np

    from spectra.dataset import series_dims
    from spectra.report.summary import summary_table

    if not any(np.issubdtype(v.dtype, np.number) for v in _numbers(dataset)):
        return ""
    # a map has more spectra than anybody reads: only those that are shown become a table
    first = dataset.isel({d: slice(0, _ROWS) for d in series_dims(dataset)})
    table = summary_table(first, rows=_ROWS)
    answers = table.attrs.get("answers", ())
    names = [c for c in table.columns if not _empty(table[c])]
    names.sort(key=lambda c: (not _is_place(c, dataset), c not in answers, c in _LAST))
    shown, more = names[:_COLUMNS], names[_COLUMNS:]
    total = int(np.prod([dataset.sizes[d] for d in series_dims(dataset)], dtype=int))
    notes = [f"the first of {total} spectra"] if total > 1 and len(table) >= _ROWS else []
    notes += [f"further columns: {', '.join(map(str, more))}"] if more else []
    note = f"{'; '.join(notes)} (dataset.spectra.table())." if notes else ""
    return frame_html(table[shown]) + (sentence_html(note[0].upper() + note[1:]) if note else "")


def _numbers(dataset: xr.Dataset) -> list[Any]:
    """Variables that are a number per spectrum or component."""
    from spectra.report.conventions import axes_of

    return [v for n, v in dataset.data_vars.items() if n != "status" and not axes_of(dataset, str(n))]


def _is_place(column: str, dataset: xr.Dataset) -> bool:
    return column.partition(" (")[0] in dataset.coords


def _empty(column: Any) -> bool:
    return bool(column.isin(["–", "", "nan"]).all())


def _flags(dataset: xr.Dataset) -> str:
    return "".join(
        sentence_html(f"{row.flag.replace('_', ' ')} ({row.spectra}): {row.explanation}", row.severity)
        for row in dataset.spectra.flags.itertuples(index=False)
    )


def _figure(dataset: xr.Dataset) -> str:
    """The figure that the field expects, small; none where there is none to draw in one panel."""
    from spectra.errors import SpectraError
    from spectra.report import style
    from spectra.report.figures import plot

    if sum(v.size for v in dataset.variables.values()) > _DRAWN:
        return sentence_html("Too large to draw unasked: dataset.spectra.plot() does.")
    try:
        picture = style.png(plot(dataset), dpi=110)
    except SpectraError:
        return ""
    data = base64.b64encode(picture).decode("ascii")
    return (
        f'<img alt="{_text(_described(dataset))}" style="max-width:100%" src="data:image/png;base64,{data}">'
    )


def _described(dataset: xr.Dataset) -> str:
    from spectra.report import conventions

    name = conventions.choose_variable(dataset)
    return conventions.plain_text(conventions.short_label(dataset, name))


def audit_html(audit: Audit) -> str:
    """Findings with number, threshold, source and what to do; and the rules that could not be asked."""
    rows = "".join(map(_finding, (*audit.errors, *audit.warnings)))
    lacking = "".join(f"<li>{_text(rule)} needs {_text(what)}</li>" for rule, what in audit.not_judged)
    return page_html(
        f"{len(audit.errors)} errors, {len(audit.warnings)} warnings",
        f"<table><tbody>{rows}</tbody></table>" if rows else sentence_html("No rule found anything."),
        f"<details><summary>{len(audit.judged)} rules asked, {len(audit.not_judged)} could not be</summary>"
        f"<ul>{lacking}</ul></details>",
    )


def _finding(finding: Finding) -> str:
    share = f" [{finding.spectra} of {finding.of} spectra]" if finding.of > 1 else ""
    asked = f"asked: {finding.title}; threshold: {finding.threshold}; source: {finding.source}"
    advice = f"<br>to do: {_text(finding.advice)}" if finding.advice else ""
    return (
        f'<tr><td style="{_CELL};color:{_MARKS[finding.severity]}"><b>{_text(finding.rule)} '
        f'{_text(finding.severity)}</b></td><td style="{_CELL}">{_text(finding.subject)}: {_text(finding.found)}'
        f"{share}<br><small>{_text(asked)}</small>{advice}</td></tr>"
    )
