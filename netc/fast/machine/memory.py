"""Arrays at addresses, for kernels that need no vector code of their own."""

from __future__ import annotations

from typing import Any

from netc.fast.machine.emit import POINTER
from netc.jit import intrinsic, kernel, numba
from netc.jit import numba_types as types

carray = numba.carray
_FLOATS = types.CPointer(types.float32)
_INTEGERS = types.CPointer(types.int64)
_BYTES = types.CPointer(types.uint8)


@intrinsic
def _float_pointer(_context: Any, address: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], POINTER)

    return _FLOATS(types.intp), codegen


@kernel(inline="always")
def floats(address: Any, count: int) -> Any:
    """`count` floats at an address, as an array."""
    return carray(_float_pointer(address), (count,))


@intrinsic
def _integer_pointer(_context: Any, address: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], POINTER)

    return _INTEGERS(types.intp), codegen


@kernel(inline="always")
def integers(address: Any, count: int) -> Any:
    """`count` int64s at an address, as an array."""
    return carray(_integer_pointer(address), (count,))


@kernel
def zero(address: Any, size: int) -> None:
    """Write `size` bytes (a multiple of 4) of zeros."""
    target = floats(address, size // 4)
    for i in range(target.size):
        target[i] = 0


@intrinsic
def _byte_pointer(_context: Any, address: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], POINTER)

    return _BYTES(types.intp), codegen


@kernel(inline="always")
def bytes_at(address: Any, count: int) -> Any:
    """`count` bytes at an address, as an array."""
    return carray(_byte_pointer(address), (count,))
