"""Expressions of Python, and their layout: lines of at most 88 columns, broken as `ruff format` breaks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

WIDTH = 88
INDENT = " " * 4


@dataclass(frozen=True, slots=True)
class Bottom:
    """A bottom of the layer, by its index: the variable that holds it stands here in the end."""

    index: int


@dataclass(frozen=True, slots=True)
class Own:
    """The module of the layer: `self.NAME` stands here in the end."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Text with expressions in it, which is never broken."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function's name (or an expression that is called), its arguments, then those by name."""

    function: Expression
    arguments: tuple[Expression, ...] = ()
    options: tuple[tuple[str, Expression], ...] = ()


@dataclass(frozen=True, slots=True)
class Items:
    """A list, or a tuple with `brackets` of "()"."""

    items: tuple[Expression, ...]
    brackets: str = "[]"


@dataclass(frozen=True, slots=True)
class Chain:
    """Operands joined by operators, one less: a + b - c."""

    operands: tuple[Expression, ...]
    operators: tuple[str, ...]


Expression = str | Bottom | Own | Raw | Call | Items | Chain


def call(function: Expression, *arguments: Expression, **options: Any) -> Call:
    """A call; values of options that are no expressions are written as literals."""
    named = tuple((name, value if _is_expression(value) else literal(value)) for name, value in options.items())
    return Call(function, arguments, named)


def raw(*parts: Expression) -> Raw:
    return Raw(parts)


def chain(operator: str, operands: Iterable[Expression]) -> Chain:
    found = tuple(operands)
    return Chain(found, (operator,) * (len(found) - 1))


def _is_expression(value: object) -> bool:
    return isinstance(value, Bottom | Own | Raw | Call | Items | Chain)


def literal(value: Any) -> str:
    """A number, a text, None, or a tuple or list of these as Python writes them; floats as short as float32 allows."""
    if isinstance(value, tuple | list):
        inner = ", ".join(map(literal, value))
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, float | np.floating):
        return repr(float(str(np.float32(value)))) if np.isfinite(value) else f'float("{value}")'
    if isinstance(value, str):
        return quoted(value)
    return repr(value)


def quoted(text: str) -> str:
    """A string as ruff writes it: in double quotes, unless that needs more escapes."""
    shown = repr(text)
    return '"' + shown[1:-1] + '"' if shown[0] == "'" and '"' not in text else shown


def filled(expression: Expression, bottoms: Sequence[str], own: str) -> Expression:
    """The expression with variables in the place of bottoms, and the module's name in its own place."""

    def put(inner: Expression) -> Expression:
        return filled(inner, bottoms, own)

    match expression:
        case Bottom(index):
            return bottoms[index]
        case Own():
            return own
        case Raw(parts):
            return Raw(tuple(map(put, parts)))
        case Call(function, arguments, options):
            return Call(put(function), tuple(map(put, arguments)), tuple((name, put(value)) for name, value in options))
        case Items(items):
            return replace(expression, items=tuple(map(put, items)))
        case Chain(operands):
            return replace(expression, operands=tuple(map(put, operands)))
    return expression


def words(expression: Expression) -> str:
    """All text of an expression, however it is laid out: to look for names in it."""
    return flat(filled(expression, _Anything(), "self"))


class _Anything(Sequence[str]):
    """A variable for any bottom."""

    def __getitem__(self, index: Any) -> Any:
        return "x"

    def __len__(self) -> int:
        return 1


# ---------------------------------------------------------------- layout


def flat(expression: Expression) -> str:
    """On one line. The expression is filled."""
    match expression:
        case str():
            return expression
        case Raw(parts):
            return "".join(map(flat, parts))
        case Call(function, arguments, options):
            return f"{flat(function)}({', '.join((*map(flat, arguments), *(f'{n}={flat(v)}' for n, v in options)))})"
        case Items(items, brackets):
            inner = ", ".join(map(flat, items)) + "," * (len(items) == 1 and brackets == "()")
            return brackets[0] + inner + brackets[1]
        case Chain(operands, operators):
            rest = (f" {o} {flat(value)}" for o, value in zip(operators, operands[1:], strict=True))
            return flat(operands[0]) + "".join(rest)
    raise TypeError(f"not filled: {expression!r}")


def layout(before: str, expression: Expression, depth: int, after: str = "") -> list[str]:
    """The lines of `before`, the expression and `after`, `depth` levels deep."""
    margin = INDENT * depth
    line = f"{margin}{before}{flat(expression)}{after}"
    if len(line) <= WIDTH:
        return [line]
    match expression:
        case Call(function, arguments, options):
            items = [("", value) for value in arguments] + [(f"{name}=", value) for name, value in options]
            return _bracketed(f"{before}{flat(function)}(", items, f"){after}", depth, one_line=True)
        case Items(items, brackets):
            return _bracketed(
                before + brackets[0], [("", v) for v in items], brackets[1] + after, depth, one_line=False
            )
        case Chain(operands, operators):
            inner = f"{margin}{INDENT}{flat(expression)}"
            if len(inner) <= WIDTH:
                return [f"{margin}{before}(", inner, f"{margin}){after}"]
            lines = layout("", operands[0], depth + 1)
            for operator, value in zip(operators, operands[1:], strict=True):
                lines += layout(f"{operator} ", value, depth + 1)
            return [f"{margin}{before}(", *lines, f"{margin}){after}"]
    inner = f"{margin}{INDENT}{flat(expression)}"
    assigned = before.endswith("= ") or before == "return "
    return [f"{margin}{before}(", inner, f"{margin}){after}"] if assigned and len(inner) <= WIDTH else [line]


def _bracketed(
    before: str, items: Sequence[tuple[str, Expression]], after: str, depth: int, *, one_line: bool
) -> list[str]:
    """Items between brackets that do not fit into a line: all on one line of their own, if that may be, or one each."""
    margin = INDENT * depth
    inner = margin + INDENT + ", ".join(name + flat(value) for name, value in items)
    if not items:
        return [f"{margin}{before}{after}"]
    if one_line and len(inner) <= WIDTH:
        return [margin + before, inner, margin + after]
    lines = [line for name, value in items for line in layout(name, value, depth + 1, ",")]
    return [margin + before, *lines, margin + after]


def function(name: str, parameters: Sequence[str], gives: str, depth: int) -> list[str]:
    """The line (or lines) that begins a function."""
    return layout(f"def {name}", Call("", tuple(parameters)), depth, f" -> {gives}:")


Wrap = Callable[[Expression], Expression]
