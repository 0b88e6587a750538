"""What kernels take and give, said without numba: kinds of values, and how they stand in a line of memory.

A line is words of 8 bytes. Machine code takes the address of one: numbers stand in it as they are, an array as the
address of its object, whose data, shape and strides the code reads itself. Kinds are part of a kernel's key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

WORD = 8


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a numpy type ("int64", "float32", "bool"), in the low bytes of a word."""

    name: str

    @property
    def code(self) -> str:
        """The format in which `struct` writes such a number into one word."""
        code = _CODES[self.name]
        return code + "x" * (WORD - np.dtype(self.name).itemsize)


@dataclass(frozen=True, slots=True)
class Fields:
    """A structure of integers and addresses that is read by name; one word each."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArrayKind:
    """A numpy array. layout: "C", "F" or "A", as numba has it."""

    dtype: str
    axes: int
    layout: str
    mutable: bool
    aligned: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A tuple; its items stand one after the other."""

    items: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """None, which takes no word."""


Kind = Number | Fields | ArrayKind | Group | Nothing
INTEGER, FLOAT = Number("int64"), Number("float32")

_CODES = {
    "bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint8": "B", "uint16": "H", "uint32": "I",
    "uint64": "Q", "float32": "f", "float64": "d",
}  # fmt: skip
NUMBERS = tuple(_CODES)

# ---------------------------------------------------------------- the kind of a value

_C, _F, _ALIGNED, _WRITEABLE = 0x1, 0x2, 0x100, 0x400  # numpy's NPY_ARRAY_* flags
_TOLD = _C | _F | _ALIGNED | _WRITEABLE
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def mark(value: Any) -> Any:
    """Something hashable that is equal for values of one kind only, and quickly found."""
    kind = type(value)
    if kind is np.ndarray:
        return value.dtype, value.ndim, value.flags.num & _TOLD
    if kind is tuple:
        return tuple([mark(item) for item in value])
    if kind is int:
        return int if _LEAST <= value <= _MOST else "large"
    return (kind, mark(value.view(np.ndarray))) if isinstance(value, np.ndarray) else kind


def kind_of(value: Any) -> Kind | None:
    """The kind of a value; None for what does not go into a line (text, lists, other arrays)."""
    if value is None:
        return Nothing()
    if type(value) is tuple:
        items = tuple(map(kind_of, value))
        return Group(tuple(i for i in items if i)) if all(items) else None
    if isinstance(value, np.ndarray):
        return _array_kind(value)
    if type(value) is bool:
        return Number("bool")
    if type(value) is int:
        return INTEGER if _LEAST <= value <= _MOST else None
    if type(value) is float:
        return Number("float64")
    if isinstance(value, np.generic) and value.dtype.name in _CODES:
        return Number(value.dtype.name)
    return None


def _array_kind(value: np.ndarray[Any, Any]) -> ArrayKind | None:
    if value.dtype.name not in _CODES or not value.dtype.isnative:
        return None
    flags = value.flags
    layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
    return ArrayKind(value.dtype.name, value.ndim, layout, flags.writeable, flags.aligned)


# ---------------------------------------------------------------- lines


def code_of(kinds: tuple[Kind, ...]) -> str:
    """The words of values of these kinds, as `struct` writes them."""
    return "".join(_words(kinds))


def _words(kinds: tuple[Kind, ...]) -> Iterator[str]:
    for kind in kinds:
        if isinstance(kind, Number):
            yield kind.code
        elif isinstance(kind, ArrayKind):
            yield INTEGER.code
        elif isinstance(kind, Fields):
            yield from [INTEGER.code] * len(kind.names)
        elif isinstance(kind, Group):
            yield from _words(kind.items)


def flat(kinds: tuple[Kind, ...]) -> Callable[[tuple[Any, ...]], list[Any]]:
    """What makes values of these kinds the numbers of a line."""
    if all(isinstance(k, Number) for k in kinds):
        return list
    arrays = [isinstance(k, ArrayKind) for k in kinds]
    if all(isinstance(k, Number | ArrayKind) for k in kinds):
        return lambda values: [id(v) if is_array else v for v, is_array in zip(values, arrays, strict=True)]
    return lambda values: list(_flat(kinds, values))


def _flat(kinds: tuple[Kind, ...], values: tuple[Any, ...]) -> Iterator[Any]:
    for kind, value in zip(kinds, values, strict=True):
        if isinstance(kind, Group):
            yield from _flat(kind.items, value)
        elif isinstance(kind, ArrayKind):
            yield id(value)
        elif not isinstance(kind, Nothing):
            yield value


def value_of(kind: Kind, words: Iterator[Any]) -> Any:
    """A value of this kind from the numbers of a line."""
    if isinstance(kind, Group):
        return tuple(value_of(item, words) for item in kind.items)
    return None if isinstance(kind, Nothing) else next(words)


ARRAY_HEADER = object.__basicsize__
"""Bytes of an array's object before numpy's own (PyArrayObject: data, number of axes, shape, strides)."""
