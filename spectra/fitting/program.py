"""A written model compiled into the arrays that drive the engine.

**Rows.** Every parameter is a row, and every parameter of every component's shape (a *slot*) is a row after them. A
row is affine in the free parameters (a constant and a factor for each) or the result of an expression's program.
Rows are evaluated in an order in which each finds what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from spectra.fitting import curves, interpreter, kinds
from spectra.fitting import opcodes as op
from spectra.fitting.expressions import (
    Affine,
    CannotCompile,
    Program,
    affine,
    compile_program,
    names_in,
)
from spectra.fitting.from_lmfit import LMFIT_EXPRESSIONS, LMFIT_SHAPES
from spectra.fitting.kinds import DEGREES
from spectra.fitting.shapes import Shape, shape
from spectra.fitting.spec import Component, Model, Setting
from spectra.fitting.tails import KINDS, loss_of, scattering

__all__ = ["Arrays", "Compiled", "Tabulated", "compile_model"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Arrays(NamedTuple):
    """What the compiled engine is given of a model."""

    kind: Ints  # (component)
    address: Ints  # (component) of the function that draws it, 0 for shapes until `addressed`
    interpreter: int  # address of the one that runs expressions
    slots: Ints  # (component, 2) first and last+1 of its slots
    formula: Ints  # (component, 2) code of an expression's curve
    observed: Ints  # (component, 8) slots of position, area, height, fwhm or -1; 1 for a peak, 2 for a symmetric one;
    # up to two slots whose sum is about as wide as the line; the slot of a peak's strength
    order: Ints  # rows in the order of evaluation
    constant: Floats  # (row)
    factor: Floats  # (row, free)
    program: Ints  # (row, 2) code of a row; equal where affine
    for_curve: npt.NDArray[np.bool_]  # (row) needed to draw; the others are only reported
    touches: Ints  # free parameters that move a slot, slot after slot
    touch_range: Ints  # (slot + 1) where each slot's begin
    code: Ints  # (instruction, 2)
    constants: Floats
    linear: Ints  # (free) 1 where the curve is linear in it, 2 where it is the strength of a peak
    lower: Floats  # (free)
    upper: Floats  # (free)
    tail: Ints  # (component) kind of the background whose strength is its last slot, 0 for none
    one_tail: int  # kind of the background that all components with one share, strength included; 0 where there is none
    tailed: npt.NDArray[np.bool_]  # (free) whether it moves the curve of a component with a background
    sizes: Ints  # parameters, slots, slots of the largest component, depth of the stack
    tables: Ints  # (component, 2) where the table of a tabulated curve lies
    table: Floats
    projection: Floats  # (fitted point, point), or (0, 0) where the curve itself is fitted
    scattering: Floats  # (point, point) that Tougaard backgrounds are drawn with; (0, 0) until `along`
    known: Ints  # free parameters with a value known beforehand, which is fitted as one more point after the others

    def addressed(self) -> Arrays:
        """With the addresses of what the model needs, which hold in this process only; compiled if need be."""
        own = (kinds.EXPRESSION, kinds.TABULATED)
        drawn = np.array(
            [a if k in own else curves.address(k) for k, a in zip(self.kind, self.address, strict=True)]
        )
        used = (self.program[:, 1] > self.program[:, 0]).any() or kinds.EXPRESSION in self.kind
        return self._replace(address=drawn.astype(np.int64), interpreter=interpreter.address() if used else 0)

    def along(self, x: Floats, loss: tuple[float, ...] | None) -> Arrays:
        """With what is laid out on the axis: the matrix of energy losses."""
        return self if loss is None else self._replace(scattering=scattering(x, loss))


@dataclass(frozen=True)
class Tabulated:
    """A curve that a technique draws itself, from a table of numbers and a few parameters.

    ``address`` is that of a function compiled by :func:`spectra.fitting.boundary.addressed`, called as the shapes are
    (:func:`spectra.fitting.curves.draw`); ``slots`` are its parameters in the order in which it takes them.
    """

    address: int
    slots: tuple[str, ...]
    table: Floats


@dataclass(frozen=True)
class Compiled:
    """Arrays for the engine, and the names that belong to them."""

    arrays: Arrays
    model: Model
    parameters: tuple[str, ...]
    free: tuple[str, ...]
    components: tuple[str, ...]
    start: Floats  # (free)

    @property
    def loss(self) -> tuple[float, ...] | None:
        """Cross section of the Tougaard backgrounds of the model, if it has any."""
        sections = {loss_of(c.options) for c in self.model.components} - {None}
        if len(sections) > 1:
            raise InvalidInput(
                f"the components of a model have {len(sections)} cross sections of energy loss: take one for all."
            )
        return next(iter(sections), None)


@dataclass
class _Slots:
    """A component as the engine sees it: its shape's parameters, each an expression of the model's parameters."""

    kind: int
    slots: list[str | float]
    names: dict[str, str]  # component's own name of a parameter -> the model's
    formula: str = ""
    found: Shape | None = None
    centre: int = -1  # slot of the position of a formula
    tabulated: Tabulated | None = None
    tail: str = ""  # background whose strength the last slot is


def compile_model(
    model: Model, tabulated: Mapping[str, Tabulated] | None = None, projection: Floats | None = None
) -> Compiled:
    """Arrays that make the engine draw and fit ``model``.

    Parameters
    ----------
    model : Model
        Its components of the source "tabulated" are looked up in ``tabulated`` by their names.
    tabulated : mapping, optional
        Curves that a technique draws itself.
    projection : (m, n) array, optional
        Matrix P: the data that are fitted are P times the curve on n points.

    Raises
    ------
    CannotCompile
        An expression or a component is not among what the engine knows.
    InvalidInput
        A start value is missing, or expressions depend on each other in a circle.
    """
    settings = model.settings
    free = tuple(n for n, s in settings.items() if s.vary and not s.expr)
    if not free:
        raise InvalidInput("every parameter of the model is fixed; let at least one vary.")
    parts = [_slots(c, settings, tabulated or {}) for c in model.components]
    rows = _Rows(settings, free)
    order = [rows.index[n] for n in _dependency_order(settings)]
    for name in _dependency_order(settings):
        rows.add_parameter(name, settings[name])
    needed: set[str] = set()
    for part in parts:
        for value in part.slots:
            order.append(rows.add_slot(value, part.names))
            needed |= set() if isinstance(value, float) else {part.names[n] for n in names_in(value)}
    compiled = _pack(model, parts, rows, order, _closure(needed, settings))
    if projection is None:
        return compiled
    return replace(compiled, arrays=compiled.arrays._replace(projection=np.ascontiguousarray(projection)))


def _slots(component: Component, settings: dict[str, Setting], tabulated: Mapping[str, Tabulated]) -> _Slots:
    own = {n.removeprefix(component.prefix): n for n in settings if n.startswith(component.prefix)}
    formula, name, mapping = "", component.name, None
    if component.source == "tabulated":
        curve = tabulated[name]
        return _Slots(kinds.TABULATED, list(curve.slots), own, tabulated=curve)
    if component.source == "expression":
        formula = component.name
    elif component.source == "lmfit":
        if name in LMFIT_SHAPES:
            name, mapping = LMFIT_SHAPES[name]
        elif name == "PolynomialModel":
            name = "polynomial"
            mapping = {f"c{k}": f"c{k}" for k in range(int(component.options.get("degree", 7)) + 1)}
        elif name in LMFIT_EXPRESSIONS:
            known = LMFIT_EXPRESSIONS[name]
            formula = (
                known if isinstance(known, str) else known.get(component.options.get("form", "linear"), "")
            )
        if not formula and mapping is None:
            raise CannotCompile(f"lmfit's {component.name} is not known to the engine")
    if formula:
        names = sorted(names_in(formula) - {"x"})
        centre = names.index("center") if "center" in names else -1
        return _Slots(kinds.EXPRESSION, list(names), own, formula, centre=centre)
    found = shape(name)
    mapping = mapping or {n: n for n in found.names if n in own}
    slots = [mapping.get(p.name, p.value) for p in found.parameters]
    tail = component.options.get("background") or ""
    return _Slots(found.kind, [*slots, *([tail] if tail else [])], own, found=found, tail=tail)


def _dependency_order(settings: dict[str, Setting]) -> list[str]:
    """Names of parameters, each after those that its expression needs."""
    ordered: list[str] = []
    visiting: set[str] = set()

    def visit(name: str) -> None:
        if name in ordered:
            return
        if name in visiting:
            raise InvalidInput(f"the expression of {name!r} depends on itself; break the circle.")
        visiting.add(name)
        expression = settings[name].expr
        for needed in sorted(names_in(expression)) if expression else ():
            if needed not in settings:
                raise CannotCompile(f"{needed!r} in the expression of {name!r} is not a parameter")
            visit(needed)
        ordered.append(name)

    for name in settings:
        visit(name)
    return ordered


def _closure(names: set[str], settings: dict[str, Setting]) -> set[str]:
    """``names`` and everything that their expressions need."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            expression = settings[name].expr
            waiting += sorted(names_in(expression)) if expression else []
    return found


class _Rows:
    """Rows as they are written: an affine form, or a program and the free parameters it can depend on."""

    def __init__(self, settings: dict[str, Setting], free: tuple[str, ...]) -> None:
        self.settings, self.free = settings, free
        self.index = {n: i for i, n in enumerate(settings)}
        self.forms: dict[str, Affine] = {}
        self.programs: dict[int, Program] = {}
        self.touches: dict[str, set[str]] = {}
        self.slot_forms: list[Affine | None] = []
        self.slot_touches: list[set[str]] = []

    def add_parameter(self, name: str, setting: Setting) -> None:
        if setting.expr is None:
            if math.isnan(setting.value):
                raise InvalidInput(f"parameter {name!r} has no start value.")
            fixed = Affine(min(max(setting.value, setting.min), setting.max))
            self.forms[name] = Affine(0.0, {name: 1.0}) if name in self.free else fixed
            self.touches[name] = {name} if name in self.free else set()
            return
        text = setting.expr
        form = affine(text, self.forms)
        low, high = self.reach(form) if form is not None else (-math.inf, math.inf)
        if high > setting.max:  # lmfit clips what an expression gives
            text, form = f"min({text}, {setting.max!r})", None
        if low < setting.min:
            text, form = f"max({text}, {setting.min!r})", None
        if form is not None:
            self.forms[name] = form
        else:
            self.programs[self.index[name]] = compile_program(text, self.index)
        self.touches[name] = set().union(*(self.touches[n] for n in names_in(text)))

    def reach(self, form: Affine) -> tuple[float, float]:
        """Least and largest value of an affine form within the bounds of the free parameters."""
        ends = [(f * self.settings[n].min, f * self.settings[n].max) for n, f in form.factors.items() if f]
        return form.constant + sum(map(min, ends)), form.constant + sum(map(max, ends))

    def add_slot(self, value: str | float, names: dict[str, str]) -> int:
        row = len(self.settings) + len(self.slot_forms)
        form: Affine | None
        if isinstance(value, float):
            form, touches = Affine(value), set[str]()
        else:
            known = {n: self.forms[full] for n, full in names.items() if full in self.forms}
            form = affine(value, known)
            touches = set().union(*(self.touches[names[n]] for n in names_in(value)))
            if form is None:
                self.programs[row] = compile_program(value, {n: self.index[f] for n, f in names.items()})
        self.slot_forms.append(form)
        self.slot_touches.append(touches)
        return row


def _pack(model: Model, parts: list[_Slots], rows: _Rows, order: list[int], needed: set[str]) -> Compiled:
    names, count = list(model.settings), len(model.settings)
    forms = [rows.forms.get(n) for n in names] + rows.slot_forms
    constant, factor = np.zeros(len(forms)), np.zeros((len(forms), len(rows.free)))
    for row, form in enumerate(forms):
        if form is not None:
            constant[row] = form.constant
            for name, value in form.factors.items():
                factor[row, rows.free.index(name)] = value
    code = _Code()
    program = np.array([code.append(rows.programs.get(r)) for r in range(len(forms))], np.int64)
    formula = np.array([code.append(_formula(p)) for p in parts], np.int64)
    ends = np.cumsum([len(p.slots) for p in parts])
    touches = [sorted(rows.free.index(n) for n in t) for t in rows.slot_touches]
    for_curve = np.array([n in needed for n in names] + [True] * len(rows.slot_forms))
    tables = [p.tabulated.table if p.tabulated else np.empty(0) for p in parts]
    table_ends = np.cumsum([t.size for t in tables])
    limits = [model.settings[n] for n in rows.free]
    lower, upper = np.array([s.min for s in limits]), np.array([s.max for s in limits])
    arrays = Arrays(
        kind=np.array([p.kind for p in parts], np.int64),
        address=np.array([p.tabulated.address if p.tabulated else 0 for p in parts], np.int64),
        interpreter=0,
        slots=np.stack([ends - [len(p.slots) for p in parts], ends], axis=1).astype(np.int64),
        formula=formula,
        observed=np.array([_observed(p) for p in parts], np.int64),
        order=np.array(order, np.int64),
        constant=constant,
        factor=factor,
        program=program,
        for_curve=for_curve,
        touches=np.array([j for t in touches for j in t], np.int64),
        touch_range=np.cumsum([0, *map(len, touches)]).astype(np.int64),
        code=np.array(code.code or [(0, 0)], np.int64),
        constants=np.array(code.constants or [0.0]),
        linear=_linear(parts, rows, touches),
        lower=lower,
        upper=upper,
        tail=np.array([KINDS[p.tail] if p.tail else 0 for p in parts], np.int64),
        one_tail=_one_tail(parts, rows),
        tailed=_tailed(parts, touches, len(rows.free)),
        sizes=np.array([count, len(rows.slot_forms), max(len(p.slots) for p in parts), code.depth], np.int64),
        tables=np.stack([table_ends - [t.size for t in tables], table_ends], axis=1).astype(np.int64),
        table=np.concatenate(tables),
        projection=np.empty((0, 0)),
        scattering=np.empty((0, 0)),
        known=np.empty(0, np.int64),
    )
    start = np.clip([s.value for s in limits], lower, upper)
    return Compiled(arrays, model, tuple(names), rows.free, _labels(model), start)


def _one_tail(parts: list[_Slots], rows: _Rows) -> int:
    """Kind of the background where all that there are have one strength: it is then drawn once, of the sum of the peaks."""
    ends = np.cumsum([len(p.slots) for p in parts])
    forms = [rows.slot_forms[end - 1] for end, p in zip(ends, parts, strict=True) if p.tail]
    known = {p.tail for p in parts} - {""}
    alike = len(known) == 1 and forms[0] is not None and all(form == forms[0] for form in forms)
    return KINDS[known.pop()] if alike else 0


def _tailed(parts: list[_Slots], touches: list[list[int]], free: int) -> npt.NDArray[np.bool_]:
    found, slot = np.zeros(free, np.bool_), 0
    for part in parts:
        for k in range(len(part.slots)):
            if part.tail and k + 1 < len(part.slots):
                found[touches[slot + k]] = True
        slot += len(part.slots)
    return found


def _linear(parts: list[_Slots], rows: _Rows, touches: list[list[int]]) -> Ints:
    """Free parameters that move nothing but strengths and coefficients, by affine ties."""
    linear = np.ones(len(rows.free), np.int64)
    coefficients = {f"c{k}" for k in range(DEGREES + 1)}
    slot = 0
    for part in parts:
        names = (*part.found.names, *((part.tail,) if part.tail else ())) if part.found else part.slots
        for name in names:
            strength = part.found is not None and name in {"area", "amplitude", "height"}
            if rows.slot_forms[slot] is None or not (
                strength or (part.found is not None and name in coefficients)
            ):
                linear[touches[slot]] = 0
            elif strength and part.found and part.found.peak:
                linear[touches[slot]] *= 2
            slot += 1
    return np.minimum(linear, 2)


def _formula(part: _Slots) -> Program | None:
    if not part.formula:
        return None
    return compile_program(part.formula, {str(n): i for i, n in enumerate(part.slots)}, x="x")


def _observed(part: _Slots) -> tuple[int, ...]:
    if part.found is None:
        return part.centre, -1, -1, -1, 0, -1, -1, -1
    at = {n: i for i, n in enumerate(part.found.names)}
    peak = (2 if part.found.symmetric else 1) if part.found.peak else 0
    width = at.get("fwhm", -1) if peak != 1 else -1
    widths = [i for n, i in at.items() if n.startswith(("fwhm", "width"))]
    first, second = (*widths, -1, -1)[:2]
    strength = at.get("area", at.get("amplitude", -1)) if peak else -1
    return (
        at.get("position", -1), at.get("area", -1), at.get("height", -1), width, peak, first, second, strength
    )  # fmt: skip


def _labels(model: Model) -> tuple[str, ...]:
    """Names of the components: the prefix, or the shape where there is none; numbered where they repeat."""
    plain = [
        c.prefix.rstrip("_") or (c.source if c.source == "expression" else c.name) for c in model.components
    ]
    return tuple(f"{n}_{plain[: i + 1].count(n)}" if plain.count(n) > 1 else n for i, n in enumerate(plain))


class _Code:
    """All programs one after another."""

    def __init__(self) -> None:
        self.code: list[tuple[int, int]] = []
        self.constants: list[float] = []
        self.depth = 1

    def append(self, program: Program | None) -> tuple[int, int]:
        start = len(self.code)
        if program is not None:
            shift = len(self.constants)
            self.code += [(o, a + shift if o == op.CONSTANT else a) for o, a in program.code]
            self.constants += program.constants
            self.depth = max(self.depth, program.depth)
        return start, len(self.code)
