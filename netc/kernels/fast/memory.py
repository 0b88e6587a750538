"""Arrays at addresses, for kernels that need no vector code of their own."""

from __future__ import annotations

from typing import Any

from netc.jit import entry, intrinsic, ir, kernel, numba
from netc.jit import numba_types as types
from netc.kernels.fast.emit import F32, I64, POINTER, arg
from netc.kernels.fast.rows import Ref, Row

carray = numba.carray
_FLOATS = types.CPointer(types.float32)
_BYTES = types.CPointer(types.uint8)


@intrinsic
def _float_pointer(_context: Any, address: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], POINTER)

    return _FLOATS(types.intp), codegen


@kernel(inline="always")
def floats(address: int, count: int) -> Any:
    """`count` floats at an address, as an array."""
    return carray(_float_pointer(address), (count,))


@intrinsic
def float_of(_context: Any, row: Any, index: Any) -> Any:
    """Entry `index` of a row, which holds the bits of a float32."""

    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        address = b.add(arguments[0], b.shl(arguments[1], ir.Constant(I64, 3)))
        return b.load(b.inttoptr(address, POINTER), typ=F32)

    return types.float32(types.intp, types.intp), codegen


@kernel
def zero(address: int, size: int) -> None:
    """Write `size` bytes (a multiple of 4) of zeros."""
    target = floats(address, size // 4)
    for i in range(target.size):
        target[i] = 0


def clear(target: Ref, nbytes: int, label: str = "") -> list[Row]:
    """Write zeros; nbytes: a multiple of 4."""
    return [Row(_clear, (target, nbytes), label)]


@entry
def _clear(row: int, tid: int, nth: int) -> None:
    lines = (arg(row, 1) + 63) // 64
    first, end = lines * tid // nth * 64, min(arg(row, 1), lines * (tid + 1) // nth * 64)
    if end > first:
        zero(arg(row, 0) + first, end - first)
