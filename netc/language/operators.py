"""What operators and functions make of values."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

from netc.errors import Code, suggest
from netc.language import codes
from netc.language.values import MAX_INTEGER, BlockValue, Result, kind_of

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
_WHOLE = re.compile(r"[-+]?[0-9]{1,30}")
RANGES = ("between", "log")
FUNCTIONS = ("min", "max", "abs", "len", *_ROUND, "number", "read", *RANGES)


class RefusedError(Exception):
    """What an operator does not take or make: a diagnostic's code, message and help."""

    def __init__(self, code: Code, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


def compute(name: str, values: list[Result]) -> Result:
    """What an operator or function makes of its operands. Raises `RefusedError`."""
    try:
        return _computed(name, values)
    except ZeroDivisionError:
        raise RefusedError(codes.OUT_OF_RANGE, "a division by zero") from None
    except OverflowError:
        raise RefusedError(codes.OUT_OF_RANGE, "this number is too large") from None


def equal(left: Result, right: Result) -> bool:
    """Whether two values are the same; unlike ones differ. Raises `RefusedError` for lists and blocks."""
    for value in (left, right):
        if isinstance(value, tuple | BlockValue):
            raise RefusedError(codes.OPERANDS, f"{kind_of(value)} cannot be compared")
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def checked(value: Result) -> Result:
    """A computed value, if it is a number that can be. Raises `RefusedError`."""
    if isinstance(value, float) and not math.isfinite(value):
        raise RefusedError(codes.OUT_OF_RANGE, "this is not a finite number")
    if isinstance(value, int) and abs(value) > MAX_INTEGER + (value < 0):
        raise RefusedError(codes.OUT_OF_RANGE, "this integer does not fit in 64 bits")
    return value


def no_function(name: str) -> RefusedError:
    """What to say of a function that there is not."""
    near = suggest(name, FUNCTIONS)
    hint = f"did you mean `{near}`?" if near else f"the functions are {', '.join(FUNCTIONS)}"
    if name == "range":
        hint = "a range is written `1..3`"
    elif name[:1].isupper():
        hint = f"a layer is made with `=`: `y = {name}(...)`"
    return RefusedError(codes.UNKNOWN_NAME, f"there is no function `{name}`", hint)


def ends(name: str, values: list[Result]) -> tuple[int | float, int | float]:
    """The two numbers of a range. Raises `RefusedError`."""
    if len(values) == 2 and _numeric(*values):
        return values[0], values[1]  # type: ignore[return-value]
    shown = ", ".join(kind_of(value) for value in values)
    raise RefusedError(codes.OPERANDS, f"`{name}` is a range of two numbers, and does not take {shown}")


def _numeric(*values: Result) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _computed(name: str, values: list[Any]) -> Result:
    if name == "-" and len(values) == 1 and _numeric(*values):
        return -values[0]  # type: ignore[no-any-return]
    if name == "[]":
        return _item(*values)
    if name in FUNCTIONS:
        return _function(name, values)
    if len(values) == 2 and _numeric(*values):
        return _binary(name, *values)
    if len(values) == 2 and all(isinstance(value, str) for value in values):
        if name == "+":
            return values[0] + values[1]  # type: ignore[no-any-return]
        if name in _ORDER:
            return _ORDER[name](*values)
    shown = " and ".join(kind_of(value) for value in values)
    raise RefusedError(codes.OPERANDS, f"`{name}` does not take {shown}")


def _binary(name: str, left: Any, right: Any) -> Result:
    if name in _ORDER:
        return _ORDER[name](left, right)
    if name == "/":
        whole = isinstance(left, int) and isinstance(right, int) and right != 0 and left % right == 0
        return left // right if whole else left / right  # type: ignore[no-any-return]
    if name == "**":
        return _power(left, right)
    return _ARITHMETIC[name](left, right)  # type: ignore[no-any-return]


def _power(base: Any, exponent: Any) -> int | float:
    """Integers stay exact; what cannot fit in 64 bits is not computed first."""
    if isinstance(base, int) and isinstance(exponent, int):
        if exponent < 0 or abs(base) <= 1 or exponent <= 64:
            return base**exponent  # type: ignore[no-any-return]
        raise OverflowError
    made = float(base) ** exponent
    return math.nan if isinstance(made, complex) else made


def _item(items: Result, index: Result) -> Result:
    if not isinstance(items, tuple | str) or not isinstance(index, int) or isinstance(index, bool):
        raise RefusedError(codes.OPERANDS, f"{kind_of(items)} cannot be indexed with {kind_of(index)}")
    if not 0 <= index < len(items):
        counted = f": they are counted from 0 to {len(items) - 1}" if items else ""
        raise RefusedError(codes.OUT_OF_RANGE, f"there is no item {index}{counted}")
    return items[index]


def _number(value: Result) -> Result:
    """The number that a string says, or those of a list of strings."""
    if isinstance(value, tuple):
        return tuple(_number(item) for item in value)
    if not isinstance(value, str):
        raise RefusedError(codes.OPERANDS, f"`number` takes strings, not {kind_of(value)}")
    try:
        return checked(int(value) if _WHOLE.fullmatch(value.strip()) else float(value.replace("_", "?")))
    except ValueError:
        shown = value if len(value) <= 20 else value[:20] + "..."
        raise RefusedError(codes.OPERANDS, f'"{shown}" is not a number') from None


def _function(name: str, values: list[Any]) -> Result:
    if name == "len" and len(values) == 1 and isinstance(values[0], str | tuple):
        return len(values[0])
    if name == "number" and len(values) == 1 and isinstance(values[0], str | tuple):
        return _number(values[0])
    if len(values) == 1 and isinstance(values[0], tuple) and name in ("min", "max") and values[0]:
        values = list(values[0])
    if name in ("min", "max") and _numeric(*values):
        return (min if name == "min" else max)(values)  # type: ignore[no-any-return]
    if name in (*_ROUND, "abs") and len(values) == 1 and _numeric(*values):
        return _ROUND.get(name, abs)(values[0])
    shown = ", ".join(kind_of(value) for value in values)
    raise RefusedError(codes.OPERANDS, f"`{name}` does not take {shown}")
