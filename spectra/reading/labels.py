"""What the header of a text table says: names of the columns, which of them is the axis, in which units, metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from spectra.reading.table import split_cells

__all__ = [
    "AXIS_ORDER",
    "axis_of_header",
    "axis_of_label",
    "column_labels",
    "is_requested",
    "metadata_of",
    "units_of_label",
]

#: Words by which a label names a spectral axis, tried in this order.
_AXES = (
    ("binding_energy", r"binding|\bb\.?e\.?(\b|/|\[|\(|$)"),
    ("kinetic_energy", r"kinetic|\bk\.?e\.?(\b|/|\[|\(|$)"),
    ("energy_loss", r"energy.?loss|loss.?energy"),
    ("raman_shift", r"raman"),
    ("wavenumber", r"wave.?numbers?|^\W*(1/cm|cm\W{0,2}-1|cm⁻¹)\W*$"),
    ("energy", r"energ(y|ie|ia)|^\W*(e|ee|ev|kev|enkev|nrg)\b|\be\s*[\[(/]\s*k?ev"),
)
#: Where a table has several axes, the one that tells most of the sample comes first.
AXIS_ORDER = tuple(axis for axis, _ in _AXES)

_NO_AXIS = re.compile(
    r"(pass|ring|sum|total|base|center|centre)[ _]?energ|deriv|offset|reference energy", re.IGNORECASE
)
_REQUESTED = re.compile(r"request|set.?point|:sp\b|nominal|setting|\braw\b", re.IGNORECASE)

_SEPARATOR = re.compile(r"[\s#%;!*'\"]*[-=_*#/\\.+~\s]*$")
_PROSE = re.compile(r"[\s#%;!*]*(?!ColumnLabels)[A-Za-z][^:\t]{0,40}:\s*\S|.*[.]\s*$|.*\w[.;] +[A-Za-z]")
_SECTION = re.compile(r"\s*\[.*\]\s*$")
_PREFIX = re.compile(r"^\s*(#[LC]\s+|#\(\d\)\s*|[#%;!*]+\s*|//\s*)?(ColumnLabels:\s*)?")
_INDEXED = re.compile(r"\bcolumn[ ._]*(\d{1,6})\s*[:=]\s*(.+?)\s*$", re.IGNORECASE)
_LIST = re.compile(r"(?<!\d)(\d{1,6})\)\s*(.+?)(?=\s+\d+\)\s|\s*$)")
_KEY = re.compile(r"^([A-Za-z][\w .()/°-]{0,48}?)\s*[:=]\s*(\S.*)$")


def axis_of_label(label: str) -> str | None:
    """The spectral axis that a column's label names, if any: ``"BE/eV"`` is a ``binding_energy``."""
    if _NO_AXIS.search(label):
        return None
    return next((axis for axis, words in _AXES if re.search(words, label, re.IGNORECASE)), None)


def axis_of_header(metadata: Mapping[str, str]) -> str | None:
    """The spectral axis that a header names apart from the labels: ``Energy Axis: Binding Energy``."""
    for key, value in metadata.items():
        if re.fullmatch(r"energy (axis|scale)|dimension 1 name|x.?(axis|label)", key, re.IGNORECASE):
            axis = axis_of_label(value if "energy" in value.lower() else f"{value} energy")
            if axis is not None:
                return axis
    return None


def is_requested(label: str) -> bool:
    """Whether a label names the value asked for, where another column may hold the one achieved."""
    return _REQUESTED.search(label) is not None


def units_of_label(label: str) -> str | None:
    """Units written in a label: ``keV``, ``meV``, ``eV`` or ``1/cm``."""
    found = re.search(r"(?<![A-Za-z])(?:en)?(k|m)?ev\b", label, re.IGNORECASE)
    if found:
        return {"k": "keV", "m": "meV"}.get((found.group(1) or "").lower(), "eV")
    return "1/cm" if re.search(r"1/cm|cm\W{0,2}-1|cm⁻¹", label) else None


def column_labels(header: Sequence[str], width: int, delimiter: str) -> list[str] | None:
    """Labels of the ``width`` columns of a table out of the lines above it; "" for columns without one.

    The nearest line of labels with an axis among them counts, else a numbered list (``column 2: i0``, ``2) i0``),
    labels one below the other, the line just above the table.
    """
    lines = [
        line for line in header if line.strip() and not _SEPARATOR.match(line) and not _SECTION.match(line)
    ]
    written = [
        None if _PROSE.match(line) else _words(line, width, delimiter) for line in reversed(lines[-6:])
    ]
    with_axis = next((labels for labels in written if labels and any(map(axis_of_label, labels))), None)
    nearest = written[0] if written else None
    return (
        with_axis
        or _numbered(lines, width)
        or _one_per_line(lines, width)
        or nearest
        or (_too_few(lines[-1], width) if lines and not _PROSE.match(lines[-1]) else None)
    )


def _numbered(lines: Sequence[str], width: int) -> list[str] | None:
    for pattern in (_INDEXED, _LIST):
        found = {int(n): text for line in lines for n, text in pattern.findall(line)}
        if all(n in found for n in range(1, width + 1)):
            return [found[n] for n in range(1, width + 1)]
    return None


def _one_per_line(lines: Sequence[str], width: int) -> list[str] | None:
    """Labels one below the other after a line ``Data:``."""
    if len(lines) > width and re.match(r"\W*data:?\W*$", lines[-width - 1], re.IGNORECASE):
        return [line.strip() for line in lines[-width:]]
    return None


def _words(line: str, width: int, delimiter: str) -> list[str] | None:
    """The line cut into ``width`` labels, in whichever way gives as many."""
    text = _PREFIX.sub("", line, count=1).strip("\n\r")
    ways = []
    if delimiter and delimiter in text:
        ways.append(split_cells(text, delimiter))
    ways.append(split_cells(text, "\t"))
    ways.append([w for w in re.split(r"\s{2,}", text.strip()) if w])
    ways.append([a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', text)])
    ways.append(re.findall(r"\S+(?:\s+[\[(][^\])]*[\])])?", text))
    for labels in ways:
        labels = [label.strip().strip('"').strip() for label in labels]
        if len(labels) == width and sum(not re.fullmatch(r"[\d.+-]*", w) for w in labels) * 2 >= width:
            return [re.sub(r"^\d+_(?=[A-Za-z])", "", label) for label in labels]
    return None


def _too_few(line: str, width: int) -> list[str] | None:
    """Labels of the first columns only; taken where the first of them is an axis."""
    words = _PREFIX.sub("", line, count=1).split()
    if 2 <= len(words) < width and axis_of_label(words[0]):
        return words + [""] * (width - len(words))
    return None


def metadata_of(header: Sequence[str]) -> dict[str, str]:
    """``key: value`` and ``key = value`` lines of a header."""
    found: dict[str, str] = {}
    for line in header:
        match = _KEY.match(re.sub(r"^[\s#%;!*.]+", "", line).strip())
        if match and not _INDEXED.search(line):
            found.setdefault(match.group(1).strip(), match.group(2).strip())
    return found
