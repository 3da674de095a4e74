"""Tables and texts in the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

__all__ = ["console", "show_frame", "show_rows"]


def console(*, stderr: bool = False) -> Console:
    """Terminal to write to; as wide as needed where the output goes to a file or another program."""
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=200)


def show_rows(headers: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table of texts."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if title:  # not the table's own, which would be broken to the width of a narrow table
        console().print(Text(title, style="bold"))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        table.add_column(Text(header), overflow="fold")  # as it is: [ordered] is no markup
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def show_frame(frame: pd.DataFrame, *, title: str | None = None, rows: int | None = None) -> None:
    """Print a DataFrame, at most its first ``rows`` rows."""
    shown = frame if rows is None else frame.head(rows)
    full = list(shown.columns)
    shown = shown[_fitting(shown, console().width)]
    cells = [[_cell(value) for value in row] for row in shown.itertuples(index=False, name=None)]
    show_rows([str(c) for c in shown.columns], cells, title=title)
    left_out = [f"{len(frame) - len(shown)} more rows"] if len(shown) < len(frame) else []
    hidden = [str(c) for c in full if c not in shown.columns]
    left_out += [f"more columns ({', '.join(hidden)})"] if hidden else []
    if left_out:
        console().print(f"not shown: {', '.join(left_out)}", markup=False)


def _fitting(frame: pd.DataFrame, width: int) -> list[Any]:
    """Columns that fit into the terminal: where we are and what was asked, what has an uncertainty, the others.

    Of those with an uncertainty the last made come first.
    """
    cells = {name: [_cell(value) for value in frame[name]] for name in frame.columns}

    def rank(name: Any) -> int:
        if name in (frame.columns[0], "component", *frame.attrs.get("answers", ())):
            return 0
        if name == "flags" and any(cells[name]):
            return 0
        return 1 if any("±" in cell for cell in cells[name]) else 3 if name == "flags" else 2

    kept: set[Any] = set()
    order = {name: -i if rank(name) == 1 else i for i, name in enumerate(frame.columns)}
    for name in sorted(frame.columns, key=lambda n: (rank(n), order[n])):
        needed = max(map(len, [str(name), *cells[name]])) + 3
        if not kept or needed <= width:
            kept.add(name)
            width -= needed
    return [name for name in frame.columns if name in kept]


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
