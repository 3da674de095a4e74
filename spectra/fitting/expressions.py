"""Expressions of parameters, as lmfit writes them, compiled for the engine.

``2.35*a_sigma + shift`` is affine and becomes a row of numbers. Anything else that is built from arithmetic and the
functions below becomes a short program for :mod:`spectra.fitting.interpreter`, which carries exact derivatives
along. What is in neither group raises :class:`CannotCompile`.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field

from spectra.fitting import opcodes as op

__all__ = [
    "Affine",
    "CannotCompile",
    "Program",
    "affine",
    "check_written",
    "compile_program",
    "names_in",
    "prefixed",
]


class CannotCompile(Exception):
    """The engine has no way to express this; lmfit has."""


CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "tau": math.tau}
#: Names of functions in lmfit's expressions (those of math and NumPy), and what the interpreter calls them.
FUNCTIONS = {
    "exp": op.EXP, "log": op.LOG, "log10": op.LOG10, "sqrt": op.SQRT, "abs": op.ABS, "fabs": op.ABS,
    "sin": op.SIN, "cos": op.COS, "tan": op.TAN, "asin": op.ASIN, "arcsin": op.ASIN, "acos": op.ACOS,
    "arccos": op.ACOS, "atan": op.ATAN, "arctan": op.ATAN, "sinh": op.SINH, "cosh": op.COSH, "tanh": op.TANH,
    "erf": op.ERF, "erfcx": op.ERFCX,
}  # fmt: skip
BINARY = {ast.Add: op.ADD, ast.Sub: op.SUB, ast.Mult: op.MUL, ast.Div: op.DIV, ast.Pow: op.POW}
EXTREMES = {"min": op.MIN, "max": op.MAX}
#: Further functions of numbers that lmfit knows and a written expression may call.
FURTHER = frozenset(
    "acosh arccosh arcsinh arctan2 arctanh asinh atan2 atanh cbrt ceil clip deg2rad erfc exp2 expm1 floor gamma heaviside hypot "
    "imag isfinite isinf isnan log1p log2 maximum minimum power rad2deg real sign square where wofz".split()
)
#: Characters of an expression at most.
LONGEST = 2000
_WRITTEN = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.operator, ast.unaryop,
    ast.boolop, ast.cmpop, ast.expr_context,
)  # fmt: skip


@dataclass(frozen=True)
class Affine:
    """``constant`` plus the sum of ``factors[name] * name``."""

    constant: float
    factors: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: Affine) -> Affine:
        names = {**self.factors, **other.factors}
        total = {n: self.factors.get(n, 0.0) + other.factors.get(n, 0.0) for n in names}
        return Affine(self.constant + other.constant, total)

    def __mul__(self, factor: float) -> Affine:
        return Affine(self.constant * factor, {n: f * factor for n, f in self.factors.items()})


@dataclass(frozen=True)
class Program:
    """Instructions (operation, argument), the constants they load, and the height of the stack they need."""

    code: tuple[tuple[int, int], ...]
    constants: tuple[float, ...]
    depth: int


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise CannotCompile(f"{text!r} is not an expression ({error.msg})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise CannotCompile(f"{text[:40]!r} is not an expression ({error})") from None


def check_written(text: str) -> None:
    """Refuse an expression from a recipe or a results file that is more than arithmetic on numbers and parameters.

    What the engine cannot compile is evaluated by lmfit, whose language also reads files.

    Raises
    ------
    CannotCompile
        It is no expression, or holds texts, attributes, loops or functions of other things than numbers.
    """
    if len(text) > LONGEST:
        raise CannotCompile(f"it has {len(text)} characters, more than {LONGEST}")
    functions = FUNCTIONS.keys() | EXTREMES.keys() | FURTHER
    for node in ast.walk(_parse(text)):
        is_text = isinstance(node, ast.Constant) and not isinstance(node.value, int | float | complex)
        if not isinstance(node, _WRITTEN) or is_text or (isinstance(node, ast.Call) and node.keywords):
            shown = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise CannotCompile(f"{shown!r} is no arithmetic with numbers, parameters and functions of them")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in functions):
            raise CannotCompile(f"{ast.unparse(node.func)!r} is no function that an expression may call")


def names_in(text: str) -> set[str]:
    """Names of parameters (everything that is not a known constant or a called function) in an expression."""
    tree = _parse(text)
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    found = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called}
    return found - set(CONSTANTS)


def prefixed(text: str, prefix: str) -> str:
    """The expression in ``x`` with ``prefix`` put before the name of every parameter."""
    if not prefix:
        return text
    tree, names = _parse(text), names_in(text) - {"x"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names:
            node.id = prefix + node.id
    return ast.unparse(tree)


def affine(text: str, known: dict[str, Affine]) -> Affine | None:
    """The expression as an affine form of the names that ``known`` is made of; None if it is not affine."""
    return _affine(_parse(text), known)


def _affine(node: ast.expr, known: dict[str, Affine]) -> Affine | None:
    try:
        return _affine_part(node, known)
    except (ArithmeticError, ValueError):  # 1e9**1e9, sqrt(-1): whoever evaluates it finds out
        return None


def _affine_part(node: ast.expr, known: dict[str, Affine]) -> Affine | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Affine(float(node.value))
    if isinstance(node, ast.Name):
        return known.get(node.id) or (Affine(CONSTANTS[node.id]) if node.id in CONSTANTS else None)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _affine(node.operand, known)
        return inner and inner * (-1.0 if isinstance(node.op, ast.USub) else 1.0)
    if isinstance(node, ast.Call):
        return _constant_call(node, known)
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _affine(node.left, known), _affine(node.right, known)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left + right * -1.0
    if isinstance(node.op, ast.Mult) and not left.factors:
        return right * left.constant
    if isinstance(node.op, ast.Mult) and not right.factors:
        return left * right.constant
    if isinstance(node.op, ast.Div) and not right.factors and right.constant != 0:
        return left * (1 / right.constant)
    if isinstance(node.op, ast.Pow) and not left.factors and not right.factors:
        power = left.constant**right.constant
        return Affine(power) if isinstance(power, float) else None
    return None


def _constant_call(node: ast.Call, known: dict[str, Affine]) -> Affine | None:
    """A function of constants only, such as ``sqrt(2)``."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    arguments = [_affine(a, known) for a in node.args]
    if name not in {"sqrt", "log", "exp", "cos", "sin", "tan"} or len(arguments) != 1 or node.keywords:
        return None
    only = arguments[0]
    return Affine(float(getattr(math, name)(only.constant))) if only and not only.factors else None


def compile_program(text: str, variables: dict[str, int], *, x: str | None = None) -> Program:
    """The expression as a program; ``variables`` says where each name lies, ``x`` is the name of the axis."""
    writer = _Writer(variables, x)
    writer.visit(_parse(text))
    return Program(tuple(writer.code), tuple(writer.constants), writer.highest)


class _Writer:
    """Walks an expression and writes instructions for a stack machine."""

    def __init__(self, variables: dict[str, int], x: str | None) -> None:
        self.variables, self.x = variables, x
        self.code: list[tuple[int, int]] = []
        self.constants: list[float] = []
        self.height = self.highest = 0

    def emit(self, operation: int, argument: int = 0, change: int = 0) -> None:
        self.code.append((operation, argument))
        self.height += change
        self.highest = max(self.highest, self.height)

    def constant(self, value: float) -> None:
        self.constants.append(value)
        self.emit(op.CONSTANT, len(self.constants) - 1, 1)

    def visit(self, node: ast.expr) -> None:
        fixed = _affine(node, {})
        if fixed is not None:
            self.constant(fixed.constant)
        elif isinstance(node, ast.Name):
            self.name(node.id)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            self.visit(node.operand)
            if isinstance(node.op, ast.USub):
                self.emit(op.NEGATE)
        elif isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            self.visit(node.left)
            self.visit(node.right)
            fixed_power = isinstance(node.op, ast.Pow) and _affine(node.right, {}) is not None
            self.emit(op.POW_FIXED if fixed_power else BINARY[type(node.op)], 0, -1)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            self.call(node.func.id, node.args)
        else:
            raise CannotCompile(f"{ast.unparse(node)!r} is not arithmetic the engine knows")

    def name(self, name: str) -> None:
        if name == self.x:
            self.emit(op.AXIS, 0, 1)
        elif name in self.variables:
            self.emit(op.VARIABLE, self.variables[name], 1)
        else:
            raise CannotCompile(f"{name!r} is not a parameter")

    def call(self, name: str, arguments: list[ast.expr]) -> None:
        if name in EXTREMES and len(arguments) == 2:
            self.visit(arguments[0])
            self.visit(arguments[1])
            self.emit(EXTREMES[name], 0, -1)
        elif name in FUNCTIONS and len(arguments) == 1:
            self.visit(arguments[0])
            self.emit(FUNCTIONS[name])
        elif name == "real" and (argument := _imaginary_axis(arguments)) is not None:
            self.visit(argument)
            self.emit(op.ERFCX)
        else:
            raise CannotCompile(f"the engine has no function {name!r}")


def _imaginary_axis(arguments: list[ast.expr]) -> ast.expr | None:
    """``y`` of ``wofz(1j*y)`` or ``wofz((1j*y)/s)``: lmfit's way to write the height of a Voigt line."""
    call = arguments[0] if len(arguments) == 1 else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "wofz"):
        return None
    inside = call.args[0]
    if isinstance(inside, ast.BinOp) and isinstance(inside.op, ast.Div):
        above = _without_1j(inside.left)
        return None if above is None else ast.BinOp(above, ast.Div(), inside.right)
    return _without_1j(inside)


def _without_1j(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Constant):
        return node.right if node.left.value == 1j else None
    return None
