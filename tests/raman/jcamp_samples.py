"""JCAMP-DX files written here, in every form that a table may take."""

import numpy as np

_SQZ = {
    **{str(i): c for i, c in enumerate("@ABCDEFGHI")},
    **{f"-{i}": c for i, c in enumerate("abcdefghi", 1)},
}
_DIF = {
    **{str(i): c for i, c in enumerate("%JKLMNOPQR")},
    **{f"-{i}": c for i, c in enumerate("jklmnopqr", 1)},
}
_DUP = " STUVWXYZs"


def _packed(value, table):
    text = str(abs(int(value)))
    return table[("-" if value < 0 else "") + text[0]] + text[1:]


def _line(x, values, form):
    if form == "AFFN":
        return f"{x} " + " ".join(str(v) for v in values)
    if form == "PAC":
        return f"{x}" + "".join(f"{v:+d}" for v in values)
    if form == "SQZ":
        return f"{x}" + "".join(_packed(v, _SQZ) for v in values)
    steps = np.diff(values)
    words = [_packed(values[0], _SQZ), *(_packed(s, _DIF) for s in steps)]
    if form == "DIFDUP":
        counted, i = [], 0
        while i < len(words):
            n = 1
            while i + n < len(words) and words[i + n] == words[i] and i > 0 and n < 9:
                n += 1
            counted.append(words[i] + (_DUP[n] if n > 1 else ""))
            i += n
        words = counted
    return f"{x}" + "".join(words)


def table(numbers, *, first=4000, step=-2, form="AFFN", per_line=12):
    """Lines of ``(X++(Y..Y))`` for whole numbers."""
    numbers = [int(n) for n in numbers]
    lines, at = [], 0
    overlap = form.startswith("DIF")
    while at < len(numbers):
        chunk = numbers[at : at + per_line]
        if overlap and at > 0:
            chunk = [numbers[at - 1], *chunk]
            lines.append(_line(first + step * (at - 1), chunk, form))
        else:
            lines.append(_line(first + step * at, chunk, form))
        at += per_line
    return lines


def jcamp(numbers, *, form="AFFN", factor=0.001, first=4000, step=-2, yunits="ABSORBANCE", xunits="1/CM",
          kind="INFRARED SPECTRUM", title="polystyrene", extra=(), lines=None, end=True, points=None):  # fmt: skip
    """A file of one block."""
    n = len(numbers) if points is None else points
    values = np.asarray(numbers) * factor
    head = [
        f"##TITLE={title}", "##JCAMP-DX=4.24 $$ written for a test", f"##DATA TYPE={kind}", "##ORIGIN=simulated",
        "##OWNER=nobody", "##DATE=99/12/31", "##TIME=12:30:00", f"##XUNITS={xunits}", f"##YUNITS={yunits}", "##XFACTOR=1.0",
        f"##YFACTOR={factor}", f"##FIRSTX={first}", f"##LASTX={first + step * (len(numbers) - 1)}", f"##NPOINTS={n}",
        f"##FIRSTY={values[0]:.6g}", f"##MINY={values.min():.6g}", f"##MAXY={values.max():.6g}", *extra,
        "##XYDATA=(X++(Y..Y))",
    ]  # fmt: skip
    body = table(numbers, first=first, step=step, form=form) if lines is None else lines
    return "\n".join([*head, *body, *(["##END="] if end else []), ""])
