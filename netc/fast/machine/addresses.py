"""Arrays at addresses, for kernels that need no vector code of their own."""

from __future__ import annotations

from typing import Any

from netc.fast.machine.emit import I32, POINTER
from netc.jit import carray, cgutils, intrinsic, ir, kernel
from netc.jit import numba_types as types


def _pointer_to(item: str) -> Any:
    """What makes a pointer to items of a type of an address."""

    @intrinsic
    def pointer(_context: Any, address: Any) -> Any:
        def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
            return b.inttoptr(arguments[0], POINTER)

        return types.CPointer(getattr(types, item))(types.intp), codegen

    return pointer


_float_pointer = _pointer_to("float32")
_double_pointer = _pointer_to("float64")
_integer_pointer = _pointer_to("int64")
_byte_pointer = _pointer_to("uint8")


@kernel(inline="always")
def floats(address: Any, count: int) -> Any:
    """`count` floats at an address, as an array."""
    return carray(_float_pointer(address), (count,))


@kernel(inline="always")
def doubles(address: Any, count: int) -> Any:
    """`count` float64s at an address, as an array."""
    return carray(_double_pointer(address), (count,))


@kernel(inline="always")
def matrix(address: Any, rows: int, columns: int) -> Any:
    """rows x columns floats at an address."""
    return carray(_float_pointer(address), (rows, columns))


@kernel(inline="always")
def integers(address: Any, count: int) -> Any:
    """`count` int64s at an address, as an array."""
    return carray(_integer_pointer(address), (count,))


@kernel(inline="always")
def bytes_at(address: Any, count: int) -> Any:
    """`count` bytes at an address, as an array."""
    return carray(_byte_pointer(address), (count,))


@kernel(inline="always")
def integer_matrix(address: Any, rows: int, columns: int) -> Any:
    """rows x columns int64s at an address."""
    return carray(_integer_pointer(address), (rows, columns))


@intrinsic
def _prefetch(_context: Any, address: Any) -> Any:
    """Ask for the cache line at an address, to be read."""

    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I32, I32, I32])
        function = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0")
        read, near, data = (ir.Constant(I32, number) for number in (0, 3, 1))
        b.call(function, [b.inttoptr(arguments[0], POINTER), read, near, data])
        return _context.get_dummy_value()

    return types.void(types.intp), codegen


@kernel(inline="always")
def prefetch(address: int, size: int) -> None:
    """Ask for `size` bytes that will be read soon, where no processor can foresee it: rows of a large table."""
    for offset in range(0, size, 64):
        _prefetch(address + offset)


@kernel
def zero(address: Any, size: int) -> None:
    """Write `size` bytes (a multiple of 4) of zeros."""
    target = floats(address, size // 4)
    for i in range(target.size):
        target[i] = 0
