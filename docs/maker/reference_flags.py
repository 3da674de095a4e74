"""Every flag that a spectrum can carry, found where the code sets it: name, whether the numbers are lost, what it says.

Nothing is run: the calls of ``spectra.dataset.flag`` are looked up in the source, and names and texts that come from a
table, a loop or a helper's arguments are followed to where they are written.
"""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("spectra", "xas", "xps", "raman")


@dataclass(frozen=True)
class Flag:
    """A flag as the code writes it."""

    name: str
    severity: str
    text: str
    module: str


@cache
def flags():
    """All flags of all packages, by name; and where a call could not be followed."""
    found, lost = {}, []
    for path in sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        for flag in _of_module(path, lost):
            found.setdefault((flag.name, flag.module), flag)
    return sorted(found.values(), key=lambda f: (f.name, f.module)), lost


@dataclass(frozen=True)
class _Module:
    """A file's syntax, with what is called and what names are set to, each with its function (None: none)."""

    tree: ast.Module
    calls: list
    assigned: dict


@cache
def _module(path):
    tree = ast.parse(path.read_text("utf-8"))
    module = _Module(tree, [], {})
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.parent = node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            module.calls.append(node)
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                module.assigned.setdefault(target.id, []).append(node)
    return module


def _function(node):
    """The function that a node stands in; None at the top of a module."""
    while not isinstance(node, ast.FunctionDef | ast.Module):
        node = node.parent
    return node if isinstance(node, ast.FunctionDef) else None


def _of_module(path, lost):
    setters = {"flag": (2, 3, "failed")}  # function: places of name and text, severity
    if not re.search(r"\bflag\(", path.read_text("utf-8")):
        return
    module = str(path.relative_to(ROOT))
    seen = set()
    while True:  # a helper that hands a name on is a setter too
        calls = [n for n in _module(path).calls if n.func.id in setters and id(n) not in seen]
        if not calls:
            return
        for call in calls:
            seen.add(id(call))
            at_name, at_text, severity = setters[call.func.id]
            if len(call.args) <= max(at_name, at_text):
                continue
            name, text = call.args[at_name], call.args[at_text]
            severity = _severity(call, severity)
            if isinstance(name, ast.Constant):
                yield Flag(name.value, severity or "failed", _sentence(text, path), module)
                continue
            function = _function(call)
            arguments = [a.arg for a in function.args.args]
            if (
                isinstance(name, ast.Name)
                and isinstance(text, ast.Name)
                and {name.id, text.id} <= set(arguments)
            ):
                setters[function.name] = (arguments.index(name.id), arguments.index(text.id), severity)
                continue
            rows = list(_rows(call, path))
            if not rows:
                lost.append(f"{module}:{call.lineno}")
            for key, said, level in rows:
                yield Flag(key, level or severity or "failed", said, module)


def _severity(call, default):
    given = next((k.value for k in call.keywords if k.arg == "severity"), None)
    return default if given is None else given.value if isinstance(given, ast.Constant) else None


def _rows(call, path):
    """Names, texts and severities of the table that the loop around a call goes through."""
    loop = call.parent
    while not isinstance(loop, ast.For | ast.FunctionDef):
        loop = loop.parent
    at_name, at_text = call.args[2:4]
    found = []
    if isinstance(loop, ast.For):
        place = _place(loop.target, at_name)
        for table, where in _tables(loop.iter, path, loop):
            found += [
                (name, said or _sentence(at_text, path), level)
                for name, said, level in _written(table, where, place)
            ]
    if found:
        yield from found
        return
    for where in (path, *_imported(path)):  # made elsewhere in the module, or in those it takes names from
        for node in ast.walk(_module(where).tree):
            if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
                yield from _row(node.elts, where, None)
            elif _is_told_by_key(node):
                yield from _row((node.targets[0].slice, *node.value.elts), where, 0)


def _is_told_by_key(node):
    """Whether a statement is ``told["name"] = (severity, text)``."""
    return (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript) and isinstance(node.value, ast.Tuple)
    )  # fmt: skip


def _place(target, name):
    """Which part of a row the loop calls by the name that the flag gets; None where it is not told."""
    parts = [node for node in ast.walk(target) if isinstance(node, ast.Name)]
    names = [part.id for part in sorted(parts, key=lambda part: (part.lineno, part.col_offset))]
    return names.index(name.id) if isinstance(name, ast.Name) and name.id in names else None


def _tables(node, path, near):
    """Displays that an expression stands for, with the module they stand in."""
    if isinstance(node, ast.Dict | ast.Tuple | ast.List):
        yield node, path
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield from _tables(node.func.value, path, near)
    elif isinstance(node, ast.BinOp):
        yield from _tables(node.left, path, near)
        yield from _tables(node.right, path, near)
    elif isinstance(node, ast.IfExp):
        yield from _tables(node.body, path, near)
        yield from _tables(node.orelse, path, near)
    elif isinstance(node, ast.Name):
        value, where = _value(node.id, path, near)
        if value is not None:
            yield from _tables(value, where, value)


def _value(name, path, near):
    """What ``name`` was last set to before ``near`` in its function, or anywhere in the module it comes from."""
    given = _module(path).assigned.get(name, [])
    here = None if near is None else _function(near)
    own = [n for n in given if here is not None and _function(n) is here and n.lineno <= near.lineno]
    found = own[-1:] or [n for n in given if _function(n) is None] or given[:1]
    if found:
        return found[0].value, path
    for node in _module(path).tree.body:
        if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names):
            other = ROOT / (node.module.replace(".", "/") + ".py")
            if other.is_file():
                original = next(a.name for a in node.names if (a.asname or a.name) == name)
                return _value(original, other, None)
    return None, path


def _imported(path):
    for node in _module(path).tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            other = ROOT / (node.module.replace(".", "/") + ".py")
            if other.is_file() and other.parent == path.parent:
                yield other


def _written(table, path, place):
    """Name, text and severity of each row of a table: {name: text}, {key: (name, text)}, ((mask, name, text), ...)."""
    if isinstance(table, ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            yield from _row((key, *(value.elts if isinstance(value, ast.Tuple) else (value,))), path, place)
    else:
        for row in table.elts:
            yield from _row(row.elts if isinstance(row, ast.Tuple) else (row,), path, place)


def _row(parts, path, place):
    """Name, text and severity in ``parts``; the name is that at ``place``, or any that has a sentence behind it."""
    level = next((p.value for p in parts if _is_name(p) and p.value in ("failed", "warning")), None)
    names = [p.value for p in parts if _is_name(p) and "_" in p.value]
    if place is not None:
        names = [p.value for p in parts[place : place + 1] if _is_name(p)]
    said = [text for text in (_sentence(p, path) for p in parts if not _is_name(p)) if len(text.split()) > 3]
    if names and (place is not None or (said and re.search(r"[.:;]", said[-1]))):
        yield names[0], said[-1] if said else "", level


def _is_name(node):
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z][a-z0-9_]*", node.value)
    )


def _sentence(node, path):
    """A text as the code writes it; what is filled in at run time is an ellipsis."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
    if isinstance(node, ast.BinOp):
        return _sentence(node.left, path) + _sentence(node.right, path)
    if isinstance(node, ast.IfExp):
        return _sentence(node.body, path)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return re.sub(r"\{[^}]*\}", "…", _sentence(node.func.value, path))
    if isinstance(node, ast.Name):
        value, where = _value(node.id, path, node)
        return _sentence(value, where) if value is not None else ""
    return ""
