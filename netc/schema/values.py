"""What was written in a file as the value of a field: the rules of protobuf's text format, type by type."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from math import copysign, inf, isfinite
from typing import Any, NamedTuple

from netc.errors import Code, suggest
from netc.language.tree import Scalar
from netc.schema import codes
from netc.schema.bvlc.legacy import V1_TYPES
from netc.schema.confusions import VALUES
from netc.schema.forks import FORK_VALUES, VALUE_REPLACEMENTS
from netc.schema.record import INTEGER_RANGES, FieldType

_INTEGER = re.compile(r"-?\s*(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"-?\s*(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?\Z")
_SPECIAL = {"inf": inf, "infinity": inf, "nan": float("nan"), "inff": inf, "infinityf": inf}
_TRUE = frozenset({"true", "True", "t"})
_FALSE = frozenset({"false", "False", "f"})
_FLOAT_DIGITS = 7
"""A decimal number of so few characters, without exponent, survives rounding to single precision and back."""


class BadValueError(Exception):
    """A value that its field does not take: the diagnostic's code, what the field takes instead, and a hint."""

    def __init__(self, code: Code, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


class _Wanted(NamedTuple):
    noun: str
    example: str


_WANTED = {
    "int": _Wanted("a whole number", "3"),
    "float": _Wanted("a number", "0.5"),
    "bool": _Wanted("true or false", "true"),
    "string": _Wanted("a string in quotes", '"text"'),
    "bytes": _Wanted("a string in quotes", '"text"'),
}


def wanted(field: FieldType) -> str:
    """What kind of value a field takes, in words."""
    if field.enum is not None:
        return "one of " + ", ".join(field.enum.values)
    if field.message is not None:
        return "a block in braces"
    return _WANTED[field.kind].noun


def shown(scalar: Scalar) -> str:
    """A value as a message shows it, long ones cut."""
    text = f'"{scalar.text}"' if scalar.kind == "string" else scalar.text
    return text if len(text) <= 40 else text[:37] + "..."


def _mismatch(scalar: Scalar, field: FieldType) -> BadValueError:
    help = None
    if field.kind in ("string", "bytes") and scalar.kind != "string":
        text = V1_TYPES[scalar.text][1] if field.name == "type" and scalar.text in V1_TYPES else scalar.text
        help = f'put it in quotes: "{text}"'
    elif scalar.kind == "string" and _fits(scalar.text, field):
        help = f"take the quotes away: {scalar.text}"
    elif field.kind in _WANTED:
        help = f"for example `{field.name}: {_WANTED[field.kind].example}`"
    return BadValueError(codes.WRONG_TYPE, f"`{field.name}` takes {wanted(field)}, not {shown(scalar)}", help)


def _fits(text: str, field: FieldType) -> bool:
    if field.kind == "int":
        return bool(_INTEGER.match(text))
    if field.kind == "float":
        return bool(_FLOAT.match(text))
    return field.kind == "bool" and text in _TRUE | _FALSE


def integer(text: str) -> int | None:
    """A decimal, hexadecimal (`0x1F`) or octal (`017`) integer as protobuf reads it; None if it is none."""
    if not _INTEGER.match(text):
        return None
    negative, digits = text.startswith("-"), text.lstrip("- \t\r\n")
    base = 16 if digits[1:2] in ("x", "X") else 8 if digits.startswith("0") else 10
    if len(digits) > 40:
        return -(1 << 64) if negative else 1 << 64
    value = int(digits, base)
    return -value if negative else value


def single(value: float) -> float:
    """The value after rounding to single precision, as the shortest decimal that names it: 0.1 stays 0.1.

    Beyond the range of single precision the value becomes infinite, as in protobuf.
    """
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        return copysign(inf, value)
    rounded: float = struct.unpack("<f", packed)[0]
    if not isfinite(rounded):
        return rounded
    for digits in range(6, 10):
        short = float(f"{rounded:.{digits}g}")
        if abs(short) < 3.5e38 and struct.pack("<f", short) == packed:
            return short
    return rounded


def _int(scalar: Scalar, field: FieldType) -> int:
    text = scalar.text
    if scalar.kind == "number":
        if text.isdecimal() and (text[0] != "0" or len(text) == 1) and len(text) < 20:
            value: int | None = int(text)
        else:
            value = integer(text)
        if value is not None:
            low, high = INTEGER_RANGES[field.type]
            if low <= value <= high:
                return value
            message = f"`{field.name}` takes whole numbers from {low} to {high}, not {shown(scalar)}"
            raise BadValueError(codes.OUT_OF_RANGE, message)
    raise _mismatch(scalar, field)


def _float(scalar: Scalar, field: FieldType) -> float:
    text = scalar.text
    if scalar.kind == "number":
        if not _FLOAT.match(text):
            raise _mismatch(scalar, field)
        digits = text.rstrip("fF")
        if len(digits) > 1 and digits.lstrip("-")[:1] == "0" and digits.lstrip("-0").isdecimal():
            help = f"write {digits.lstrip('-0')}: a whole number that starts with 0 would be octal"
            raise BadValueError(codes.WRONG_TYPE, f"`{field.name}` takes a decimal number, not {shown(scalar)}", help)
        value = float(digits if " " not in digits else "".join(digits.split()))
        exact = len(digits) <= _FLOAT_DIGITS and "e" not in digits and "E" not in digits
        return value if exact or field.type == "double" else single(value)
    if scalar.kind == "identifier":
        negative = text.startswith("-")
        special = _SPECIAL.get(text.lstrip("- \t\r\n").lower())
        if special is not None:
            return -special if negative else special
    raise _mismatch(scalar, field)


def _bool(scalar: Scalar, field: FieldType) -> bool:
    if scalar.kind == "identifier":
        if scalar.text in _TRUE:
            return True
        if scalar.text in _FALSE:
            return False
    elif scalar.kind == "number":
        value = integer(scalar.text)
        if value in (0, 1) and not scalar.text.startswith("-"):
            return bool(value)
    error = _mismatch(scalar, field)
    if scalar.text.lower() in ("true", "false", "yes", "no", "on", "off", "t", "f"):
        error.help = f"write {'true' if scalar.text.lower() in ('true', 'yes', 'on', 't') else 'false'}"
    raise error


def _string(scalar: Scalar, field: FieldType) -> str:
    if scalar.kind == "string":
        return scalar.text
    raise _mismatch(scalar, field)


def _bytes(scalar: Scalar, field: FieldType) -> bytes:
    if scalar.kind == "string":
        return scalar.text.encode("utf-8", "surrogateescape")
    raise _mismatch(scalar, field)


def _enum(scalar: Scalar, field: FieldType) -> str:
    enum = field.enum
    assert enum is not None
    text = scalar.text
    if scalar.kind == "number":
        if field.name == "padding":  # netc's own: by number it means something else in every other framework
            message = f"`padding` takes {wanted(field)}, not {text}"
            raise BadValueError(codes.UNKNOWN_ENUM, message, f"did you mean `pad: {text}`?")
        number = integer(text)
        name = None if number is None else enum.names.get(number)
        if name is not None:
            return name
    elif text in enum.values:
        return text
    fork = FORK_VALUES.get((enum.name, text))
    if fork is not None:
        message = f"`{field.name}` has no value {shown(scalar)} in BVLC Caffe; it comes from {fork}"
        instead = VALUE_REPLACEMENTS.get((enum.name, text), "netc does not know this value")
        raise BadValueError(codes.FORK_FIELD, message, instead)
    known = ", ".join(enum.values) if len(enum.values) <= 12 else f"{len(enum.values)} names"
    meant = VALUES.get((field.name, text.lower()), "")
    guess: str | None = meant if meant in enum.values else None
    if guess is None and scalar.kind != "number":
        guess = suggest(text, enum.values)
    help = f"did you mean {guess}?" if guess else None
    raise BadValueError(codes.UNKNOWN_ENUM, f"`{field.name}` has no value {shown(scalar)}; it takes {known}", help)


CONVERTERS: dict[str, Callable[[Scalar, FieldType], Any]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "string": _string,
    "bytes": _bytes,
    "enum": _enum,
}
