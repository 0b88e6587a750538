"""Products and maxima of blobs, value by value. Rows begin as those of `pointwise`."""

from __future__ import annotations

from typing import Any

from netc.jit import entry, intrinsic, kernel, numba
from netc.jit import numba_types as types
from netc.kernels.fast.emit import POINTER, arg
from netc.kernels.fast.layout import Blocked
from netc.kernels.fast.memory import floats
from netc.kernels.fast.pointwise import line_of, places, share
from netc.kernels.fast.rows import NOTHING, Ref, Row

_carray = numba.carray
_BYTES = types.CPointer(types.uint8)
MOST = 256  # blobs that a byte tells apart


def index_bytes(y: Blocked) -> int:
    """The size of the array that keeps which blob each maximum came from."""
    return y.n * y.blocks * y.h * y.w * 16


def product(a: Blocked, b: Blocked, y: Blocked, label: str = "") -> list[Row]:
    """y = a * b; y may be a."""
    return [Row(_product, places(a, b, y), label)]


def larger(a: Blocked, b: Blocked, y: Blocked, index: Ref | None, number: int, label: str = "") -> list[Row]:
    """y = the larger of a and b, and where that is b, `number` goes to index.

    With number 1 equal values count as b's and index starts as 0; later ones as a's, as in Caffe. y may be a.
    """
    arguments = (*places(a, b, y), NOTHING if index is None else index, number)
    return [Row(_larger, arguments, label)]


def chosen(dy: Blocked, dx: Blocked, index: Ref, number: int, label: str = "") -> list[Row]:
    """dx = dy where index is `number`, else 0; dx may be dy."""
    return [Row(_chosen, (*places(dy, dy, dx), index, number), label)]


@intrinsic
def _byte_pointer(_context: Any, address: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], POINTER)

    return _BYTES(types.intp), codegen


@kernel(inline="always")
def bytes_at(address: int, count: int) -> Any:
    return _carray(_byte_pointer(address), (count,))


@entry
def _product(row: int, tid: int, nth: int) -> None:
    count = arg(row, 15) * 16
    first, last = share(row, tid, nth)
    for item in range(first, last):
        a, b = floats(line_of(row, 0, item), count), floats(line_of(row, 1, item), count)
        y = floats(line_of(row, 2, item), count)
        for i in range(count):
            y[i] = a[i] * b[i]


@entry
def _larger(row: int, tid: int, nth: int) -> None:
    count, index, number = arg(row, 15) * 16, arg(row, 16), arg(row, 17)
    first, last = share(row, tid, nth)
    for item in range(first, last):
        a, b = floats(line_of(row, 0, item), count), floats(line_of(row, 1, item), count)
        y = floats(line_of(row, 2, item), count)
        if index != 0:
            names = bytes_at(index + item * count, count)
            for i in range(count):
                if number == 1:
                    names[i] = 0 if a[i] > b[i] else 1
                elif b[i] > a[i]:
                    names[i] = number
        for i in range(count):
            second = b[i] > a[i] if number > 1 else not a[i] > b[i]
            y[i] = b[i] if second else a[i]


@entry
def _chosen(row: int, tid: int, nth: int) -> None:
    count, index, number = arg(row, 15) * 16, arg(row, 16), arg(row, 17)
    first, last = share(row, tid, nth)
    for item in range(first, last):
        dy, dx = floats(line_of(row, 0, item), count), floats(line_of(row, 2, item), count)
        names = bytes_at(index + item * count, count)
        for i in range(count):
            dx[i] = dy[i] if names[i] == number else dy[i] * 0
