"""Numbers of JCAMP-DX tables: plain (AFFN, PAC) and packed into letters (SQZ, DIF, DUP).

A letter stands for the sign and the first digit of a number: ``@`` 0, ``A`` to ``I`` 1 to 9, ``a`` to ``i`` -1 to -9
(SQZ); ``%`` and ``J`` to ``R``, ``j`` to ``r`` the same for the difference from the number before (DIF); ``S`` to
``Z`` and ``s`` say that the number before counts 1 to 9 times (DUP). A line begins with its abscissa; where the line
before ended in differences, its first ordinate repeats the last one as a check.

McDonald & Wilks, Appl. Spectrosc. 42, 151 (1988).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from spectra.errors import ReadError

__all__ = ["Row", "decode_pairs", "decode_rows"]

_SQZ = {
    "@": "0",
    **{c: str(i) for i, c in enumerate("ABCDEFGHI", 1)},
    **{c: f"-{i}" for i, c in enumerate("abcdefghi", 1)},
}
_DIF = {
    "%": "0",
    **{c: str(i) for i, c in enumerate("JKLMNOPQR", 1)},
    **{c: f"-{i}" for i, c in enumerate("jklmnopqr", 1)},
}
_DUP = {c: str(i) for i, c in enumerate("STUVWXYZs", 1)}

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?|\?")
_PACKED = re.compile(
    r"(?P<letter>[@A-Za-z%])(?P<digits>\d*\.?\d*)|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))|(?P<missing>\?)"
)
#: Letters that no plain number holds.
_LETTERS = re.compile(r"[@A-DF-Za-df-z%]")
#: Ordinates that one line may stand for; more is no spectrum.
_MOST = 10**8


@dataclass(frozen=True)
class Row:
    """One line of a table: its abscissa, the ordinates in it, where it stands."""

    x: float
    values: list[float]
    line: int
    checked: bool = False  # the abscissa is that of the last ordinate before, which the line repeated


def decode_rows(lines: Sequence[tuple[int, str]], file: str) -> list[Row]:
    """Lines of a table ``(X++(Y..Y))`` with their numbers in the file.

    Raises
    ------
    ReadError
        A character that is no number, or a check that fails.

    Examples
    --------
    >>> [row.values for row in decode_rows([(1, "599A00J1%jT"), (2, "603A09%")], "a.dx")]
    [[100.0, 111.0, 111.0, 110.0, 109.0], [109.0]]
    """
    packed = any(_LETTERS.search(text) for _, text in lines)
    rows: list[Row] = []
    ends_in_difference = False
    for number, text in lines:
        if not text.strip():
            continue
        where = f"{file}: line {number}"
        if packed:
            x, values, differs = _packed(text, where)
        else:
            x, values, differs = _plain(text, where)
        checked = ends_in_difference and bool(rows) and bool(values)
        if checked:
            before = rows[-1].values[-1]
            if not math.isclose(values[0], before, rel_tol=1e-9, abs_tol=1e-6):
                raise ReadError(
                    f"{where} begins with {values[0]:g}, and the line before ended with {before:g}: the table is damaged."
                )
            values = values[1:]
        ends_in_difference = differs
        if values:
            rows.append(Row(x, values, number, checked))
    return rows


def decode_pairs(lines: Sequence[tuple[int, str]], file: str) -> list[tuple[float, float]]:
    """Pairs of a table ``(XY..XY)``."""
    pairs: list[tuple[float, float]] = []
    for number, text in lines:
        numbers = [_float(word) for word in _PLAIN.findall(text)]
        if len(numbers) % 2 or _LETTERS.search(text):
            raise ReadError(f"{file}: line {number} holds no pairs of numbers.")
        pairs += zip(numbers[::2], numbers[1::2], strict=True)
    return pairs


def _float(word: str) -> float:
    return math.nan if word == "?" else float(word)


def _plain(text: str, where: str) -> tuple[float, list[float], bool]:
    if _PLAIN.sub(" ", text).strip(" ,;\t"):
        raise ReadError(f"{where} holds {_PLAIN.sub(' ', text).strip()[:20]!r}, which is no number.")
    numbers = [_float(word) for word in _PLAIN.findall(text)]
    return numbers[0], numbers[1:], False


def _packed(text: str, where: str) -> tuple[float, list[float], bool]:
    """Abscissa and ordinates of one line, and whether its last ordinate was written as a difference."""
    x: float | None = None
    values: list[float] = []
    difference: float | None = None  # the last step, where the last ordinate was one
    at = 0
    text = text.replace(",", " ").replace(";", " ")
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _PACKED.match(text, at)
        if found is None:
            raise ReadError(f"{where} holds {text[at]!r}, which is no number.")
        at = found.end()
        letter, digits = found.group("letter"), found.group("digits") or ""
        if found.group("missing"):
            values.append(math.nan)
            difference = None
        elif letter is None or letter in _SQZ:
            value = float(found.group("number") if letter is None else _SQZ[letter] + digits)
            if x is None:
                x = value
            else:
                values.append(value)
                difference = None
        elif x is None or not values:
            raise ReadError(
                f"{where}: {letter!r} stands for a difference or a repetition, and nothing stands before it."
            )
        elif letter in _DIF:
            difference = float(_DIF[letter] + digits)
            values.append(values[-1] + difference)
        elif letter in _DUP:
            times = int(_DUP[letter] + digits.replace(".", "")) - 1
            if times + len(values) > _MOST:
                raise ReadError(f"{where}: a number is repeated {times} times; the table is damaged.")
            for _ in range(times):
                values.append(values[-1] + (difference or 0.0))
        else:
            raise ReadError(f"{where} holds {letter!r}, which stands for no number.")
    return (math.nan if x is None else x), values, difference is not None
