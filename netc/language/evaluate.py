"""Expressions to values."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from netc.errors import Code, Span, suggest
from netc.language import codes
from netc.language.limits import MAX_STRING, Failed, Limits
from netc.language.program import Body, Expression, Operation, Sequence, Text
from netc.language.scope import Blob, Composite, Constant, Context
from netc.language.tree import Block, ListValue, Scalar
from netc.language.values import (
    MAX_INTEGER,
    MAX_UNSIGNED,
    Group,
    Identifier,
    Value,
    from_scalar,
    group,
    kind_of,
    to_text,
)

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
}
_ROUND: dict[str, Callable[[Any], int]] = {"floor": math.floor, "ceil": math.ceil, "round": round}
FUNCTIONS = ("min", "max", "abs", "len", *_ROUND)


def _numeric(*values: Value) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


class Evaluator:
    """Computes values; a body among them is turned into fields by whoever inherits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def body_value(self, body: Body, at: Context) -> Group:
        raise NotImplementedError

    def fail(self, code: Code, message: str, span: Span, at: Context, help: str | None = None) -> Failed:
        """Report a mistake; the caller raises what this returns."""
        return self.limits.fail(code, message, at.run.place(span), help)

    def value(self, expression: Expression | Body, at: Context) -> Value:
        """The value of an expression. Raises `Failed` after reporting what is wrong."""
        match expression:
            case Scalar():
                return self._scalar(expression, at)
            case Text():
                return self._text(expression, at)
            case Sequence():
                self.limits.step(len(expression.items), at.run.place(expression.span))
                return tuple(self.value(item, at) for item in expression.items)
            case Body():
                return self.body_value(expression, at)
            case Operation():
                self.limits.step(len(expression.operands), at.run.place(expression.span))
                return self._checked(self._operation(expression, at), expression, at)

    def _scalar(self, scalar: Scalar, at: Context) -> Value:
        if scalar.kind != "identifier":
            return self.literal(scalar, at.run.place(scalar.span))
        found = at.scope.find(scalar.text)
        if found is None:
            return from_scalar(scalar)
        if isinstance(found, Composite):
            raise self.fail(codes.NO_VALUE, f"`{scalar.text}` is a composite, not a value", scalar.span, at)
        if isinstance(found, Blob):
            return self.blob_name(scalar.text, found, scalar.span, at)
        if found.value is None:
            raise Failed
        if isinstance(found.value, tuple):
            self.limits.step(len(found.value), at.run.place(scalar.span))
        return found.value

    def literal(self, scalar: Scalar, place: Span) -> Value:
        """The value of a scalar as it stands: a number that is computed with must be one that can be."""
        self.limits.text(len(scalar.text), place)
        value = from_scalar(scalar)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.limits.fail(codes.OUT_OF_RANGE, "this is not a finite number", place)
        if isinstance(value, int) and abs(value) > MAX_UNSIGNED:
            raise self.limits.fail(codes.OUT_OF_RANGE, "this integer does not fit in 64 bits", place)
        return value

    def from_field(self, value: Scalar | ListValue | Block) -> Value:
        """The value that a field of plain text holds."""
        if isinstance(value, Scalar):
            return self.literal(value, value.span)
        if isinstance(value, Block):
            return group(value)
        return tuple(self.from_field(item) for item in value.items)

    def blob_name(self, name: str, blob: Blob, span: Span, at: Context) -> str:
        """A blob's one name in the phases of this place."""
        names = {blob.names[phase] for phase in at.phases if phase in blob.names} or set(blob.names.values())
        if len(names) > 1:
            shown = " and ".join(f"`{full}` in {phase}" for phase, full in sorted(blob.names.items()))
            raise self.fail(codes.PHASE, f"`{name}` is not one blob in every phase: {shown}", span, at)
        return names.pop()

    def _text(self, text: Text, at: Context) -> str:
        pieces = []
        for piece in text.pieces:
            if isinstance(piece, str):
                pieces.append(piece)
                continue
            value = self.value(piece, at)
            if isinstance(value, Identifier):
                hint = "write `$${` for a plain `${`"
                raise self._unknown(value, piece.span, at, hint)
            if isinstance(value, tuple | Group):
                raise self.fail(codes.OPERANDS, f"{kind_of(value)} cannot stand in a string", piece.span, at)
            pieces.append(to_text(value))
        return self._joined("".join(pieces), text.span, at)

    def _joined(self, text: str, span: Span, at: Context) -> str:
        if len(text) > MAX_STRING:
            message = f"this string would be longer than {MAX_STRING:,} characters"
            raise self.fail(codes.TOO_LARGE_EXPANSION, message, span, at)
        self.limits.text(len(text), at.run.place(span))
        return text

    def _unknown(self, name: Identifier, span: Span, at: Context, otherwise: str | None = None) -> Failed:
        literal = name.text.lower() if name.text.lower() in ("true", "false") else None
        near = literal or suggest(name.text, at.scope.known(Constant))
        hint = f"did you mean `{near}`?" if near else otherwise
        return self.fail(codes.UNKNOWN_NAME, f"nothing here is called `{name.text}`", span, at, hint)

    def _checked(self, value: Value, expression: Operation, at: Context) -> Value:
        if isinstance(value, float) and not math.isfinite(value):
            raise self.fail(codes.OUT_OF_RANGE, "this is not a finite number", expression.span, at)
        if isinstance(value, int) and abs(value) > MAX_INTEGER + (value < 0):
            raise self.fail(codes.OUT_OF_RANGE, "this integer does not fit in 64 bits", expression.span, at)
        return value

    def truth(self, expression: Expression, at: Context) -> bool:
        """The value of a condition."""
        value = self.value(expression, at)
        if isinstance(value, Identifier):
            raise self._unknown(value, expression.span, at)
        if not isinstance(value, bool):
            message = f"a condition is true or false, not {kind_of(value)}"
            raise self.fail(codes.OPERANDS, message, expression.span, at)
        return value

    def _operation(self, made: Operation, at: Context) -> Value:
        name, operands = made.operator, made.operands
        if name == "?":
            return self.value(operands[1] if self.truth(operands[0], at) else operands[2], at)
        if name == "and":
            return self.truth(operands[0], at) and self.truth(operands[1], at)
        if name == "or":
            return self.truth(operands[0], at) or self.truth(operands[1], at)
        if name == "not":
            return not self.truth(operands[0], at)
        values = [self.value(operand, at) for operand in operands]
        if name == "()":
            return values[0]
        if name in ("==", "!="):
            return self._equal(made, values[0], values[1], at) == (name == "==")
        for value, operand in zip(values, operands, strict=True):
            if isinstance(value, Identifier):
                raise self._unknown(value, operand.span, at)
        try:
            return self._compute(made, values, at)
        except ZeroDivisionError:
            raise self.fail(codes.OUT_OF_RANGE, "a division by zero", made.span, at) from None
        except OverflowError:
            raise self.fail(codes.OUT_OF_RANGE, "this number is too large", made.span, at) from None

    def _equal(self, made: Operation, left: Value, right: Value, at: Context) -> bool:
        for value in (left, right):
            if isinstance(value, tuple | Group):
                raise self.fail(codes.OPERANDS, f"{kind_of(value)} cannot be compared", made.span, at)
        if isinstance(left, bool) != isinstance(right, bool):
            return False
        return left == right

    def _compute(self, made: Operation, values: list[Value], at: Context) -> Value:
        name = made.operator
        if name == "-" and len(values) == 1 and _numeric(*values):
            return -values[0]  # type: ignore[operator]
        if name == "[]":
            return self._index(made, values, at)
        if name in FUNCTIONS:
            return self._function(made, values, at)
        if name.isidentifier():
            raise self._no_function(made, at)
        if len(values) == 2 and _numeric(*values):
            return self._binary(name, *values)
        if len(values) == 2 and all(isinstance(value, str) for value in values):
            left, right = map(str, values)
            if name == "+":
                return self._joined(left + right, made.span, at)
            if name in _ORDER:
                return _ORDER[name](left, right)
        shown = " and ".join(kind_of(value) for value in values)
        raise self.fail(codes.OPERANDS, f"`{name}` does not take {shown}", made.span, at)

    def _binary(self, name: str, left: Any, right: Any) -> Value:
        if name in _ORDER:
            return _ORDER[name](left, right)
        if name == "/":
            whole = isinstance(left, int) and isinstance(right, int) and right != 0 and left % right == 0
            return left // right if whole else left / right  # type: ignore[no-any-return]
        if name == "**":
            return _power(left, right)
        return _ARITHMETIC[name](left, right)  # type: ignore[no-any-return]

    def _no_function(self, made: Operation, at: Context) -> Failed:
        span = Span(made.span.source, made.span.start, made.span.start + len(made.operator))
        near = suggest(made.operator, FUNCTIONS)
        hint = f"did you mean `{near}`?" if near else f"the functions are {', '.join(FUNCTIONS)}"
        if made.operator == "range":
            hint = "a range is written `1..3`"
        elif made.operator[:1].isupper():
            hint = f"a layer is made with `=`: `y = {made.operator}(...)`"
        return self.fail(codes.UNKNOWN_NAME, f"there is no function `{made.operator}`", span, at, hint)

    def _index(self, made: Operation, values: list[Value], at: Context) -> Value:
        items, index = values
        if not isinstance(items, tuple | str) or not isinstance(index, int) or isinstance(index, bool):
            shown = f"{kind_of(items)} cannot be indexed with {kind_of(index)}"
            raise self.fail(codes.OPERANDS, shown, made.span, at)
        if not 0 <= index < len(items):
            message = f"there is no item {index}: they are counted from 0 to {len(items) - 1}"
            raise self.fail(codes.OUT_OF_RANGE, message if items else f"there is no item {index}", made.span, at)
        return items[index]

    def _function(self, made: Operation, values: list[Value], at: Context) -> Value:
        name = made.operator
        if name == "len" and len(values) == 1 and isinstance(values[0], str | tuple):
            return len(values[0])
        if len(values) == 1 and isinstance(values[0], tuple) and name in ("min", "max") and values[0]:
            values = list(values[0])
        if name in ("min", "max") and _numeric(*values):
            return (min if name == "min" else max)(values)  # type: ignore[type-var]
        if name in (*_ROUND, "abs") and len(values) == 1 and _numeric(*values):
            return _ROUND.get(name, abs)(values[0])
        shown = ", ".join(kind_of(value) for value in values)
        raise self.fail(codes.OPERANDS, f"`{name}` does not take {shown}", made.span, at)


def _power(base: Any, exponent: Any) -> int | float:
    """Integers stay exact; what cannot fit in 64 bits is not computed first."""
    if isinstance(base, int) and isinstance(exponent, int):
        if exponent < 0 or abs(base) <= 1 or exponent <= 64:
            return base**exponent  # type: ignore[no-any-return]
        raise OverflowError
    made = float(base) ** exponent
    return math.nan if isinstance(made, complex) else made
