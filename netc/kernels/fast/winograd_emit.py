"""The transforms of Winograd's F(4x4, 3x3) and F(2x2, 5x5) as vector code: 16 channels at a time.

Both interpolate at 0, 1, -1, 2, -2 and infinity, so they read squares of 6 x 6 bottoms and share their transform. A
transform multiplies a small square of values by a matrix from the left and by its transpose from the right. The
matrices (`_bottoms` is B^T, `_tops_N` A^T, `_kernel_N` G, and their transposes for the gradients) are written out as
sums that share their parts, which halves the operations. Squares that reach over the edge of a blob are cut: cells
outside are read as zeros and not written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netc.jit import intrinsic, ir
from netc.jit import numba_types as types
from netc.kernels.fast.emit import (
    I64,
    VECTOR_BYTES,
    at,
    clip_below,
    constant,
    load,
    multiply_add,
    pointers,
    signature,
    store,
    variable,
)

SQUARE = 6  # bottoms that a tile reads each way, and the side of a transformed square
POINTS = SQUARE * SQUARE

Line = Callable[[Any, Sequence[Any]], list[Any]]


# ---------------------------------------------------------------- the matrices


def _bottoms(b: Any, d: Sequence[Any]) -> list[Any]:
    """B^T d: 6 to 6."""
    even, odd = _fma(b, -4, d[2], d[4]), _fma(b, -4, d[1], d[3])
    near, far = b.fsub(d[4], d[2]), b.fsub(d[3], d[1])
    return [
        _fma(b, 4, d[0], _fma(b, -5, d[2], d[4])),
        b.fadd(even, odd),
        b.fsub(even, odd),
        _fma(b, 2, far, near),
        _fma(b, -2, far, near),
        _fma(b, 4, d[1], _fma(b, -5, d[3], d[5])),
    ]


def _tops_4(b: Any, m: Sequence[Any]) -> list[Any]:
    """A^T m: 6 to 4."""
    sum_1, difference_1 = b.fadd(m[1], m[2]), b.fsub(m[1], m[2])
    sum_2, difference_2 = b.fadd(m[3], m[4]), b.fsub(m[3], m[4])
    return [
        b.fadd(b.fadd(m[0], sum_1), sum_2),
        _fma(b, 2, difference_2, difference_1),
        _fma(b, 4, sum_2, sum_1),
        b.fadd(_fma(b, 8, difference_2, difference_1), m[5]),
    ]


def _tops_gradient_4(b: Any, y: Sequence[Any]) -> list[Any]:
    """A y: 4 to 6."""
    even, odd = b.fadd(y[0], y[2]), b.fadd(y[1], y[3])
    even_2, odd_2 = _fma(b, 4, y[2], y[0]), _fma(b, 4, y[3], y[1])
    return [
        y[0],
        b.fadd(even, odd),
        b.fsub(even, odd),
        _fma(b, 2, odd_2, even_2),
        _fma(b, -2, odd_2, even_2),
        y[3],
    ]


def _tops_2(b: Any, m: Sequence[Any]) -> list[Any]:
    """A^T m: 6 to 2."""
    sums, differences = b.fadd(b.fadd(m[1], m[2]), b.fadd(m[3], m[4])), (b.fsub(m[1], m[2]), b.fsub(m[3], m[4]))
    return [b.fadd(m[0], sums), b.fadd(_fma(b, 2, differences[1], differences[0]), m[5])]


def _tops_gradient_2(b: Any, y: Sequence[Any]) -> list[Any]:
    """A y: 2 to 6."""
    return [y[0], b.fadd(*y), b.fsub(*y), _fma(b, 2, y[1], y[0]), _fma(b, -2, y[1], y[0]), y[1]]


def _kernel_3(b: Any, g: Sequence[Any]) -> list[Any]:
    """G g: 3 to 6."""
    even = b.fmul(constant(-1 / 6), b.fadd(g[0], g[2]))
    even_2 = _fma(b, 1 / 24, g[0], b.fmul(constant(1 / 6), g[2]))
    return [
        b.fmul(constant(1 / 4), g[0]),
        _fma(b, -1 / 6, g[1], even),
        _fma(b, 1 / 6, g[1], even),
        _fma(b, 1 / 12, g[1], even_2),
        _fma(b, -1 / 12, g[1], even_2),
        g[2],
    ]


def _kernel_gradient_3(b: Any, u: Sequence[Any]) -> list[Any]:
    """G^T u: 6 to 3."""
    sum_1, difference_1 = b.fadd(u[1], u[2]), b.fsub(u[2], u[1])
    sum_2, difference_2 = b.fadd(u[3], u[4]), b.fsub(u[3], u[4])
    return [
        _fma(b, 1 / 4, u[0], _fma(b, -1 / 6, sum_1, b.fmul(constant(1 / 24), sum_2))),
        _fma(b, 1 / 6, difference_1, b.fmul(constant(1 / 12), difference_2)),
        _fma(b, 1 / 6, b.fsub(sum_2, sum_1), u[5]),
    ]


def _kernel_5(b: Any, g: Sequence[Any]) -> list[Any]:
    """G g: 5 to 6."""
    even = b.fmul(constant(-1 / 6), b.fadd(b.fadd(g[0], g[2]), g[4]))
    even_2 = _fma(b, 1 / 24, g[0], _fma(b, 1 / 6, g[2], b.fmul(constant(2 / 3), g[4])))
    odd, odd_2 = b.fadd(g[1], g[3]), _fma(b, 1 / 12, g[1], b.fmul(constant(1 / 3), g[3]))
    return [
        b.fmul(constant(1 / 4), g[0]),
        _fma(b, -1 / 6, odd, even),
        _fma(b, 1 / 6, odd, even),
        b.fadd(even_2, odd_2),
        b.fsub(even_2, odd_2),
        g[4],
    ]


def _kernel_gradient_5(b: Any, u: Sequence[Any]) -> list[Any]:
    """G^T u: 6 to 5."""
    sum_1 = b.fmul(constant(-1 / 6), b.fadd(u[1], u[2]))
    difference_1 = b.fmul(constant(1 / 6), b.fsub(u[2], u[1]))
    sum_2, difference_2 = b.fadd(u[3], u[4]), b.fsub(u[3], u[4])
    return [
        _fma(b, 1 / 4, u[0], _fma(b, 1 / 24, sum_2, sum_1)),
        _fma(b, 1 / 12, difference_2, difference_1),
        _fma(b, 1 / 6, sum_2, sum_1),
        _fma(b, 1 / 3, difference_2, difference_1),
        b.fadd(_fma(b, 2 / 3, sum_2, sum_1), u[5]),
    ]


TOPS: dict[int, Line] = {4: _tops_4, 2: _tops_2}  # by the tops that a tile has each way
TOPS_GRADIENT: dict[int, Line] = {4: _tops_gradient_4, 2: _tops_gradient_2}
KERNEL: dict[int, Line] = {3: _kernel_3, 5: _kernel_5}  # by the kernel's size
KERNEL_GRADIENT: dict[int, Line] = {3: _kernel_gradient_3, 5: _kernel_gradient_5}


def _fma(b: Any, factor: float, x: Any, y: Any) -> Any:
    return multiply_add(b, constant(factor), x, y)


# ---------------------------------------------------------------- squares


def _transform(
    b: Any, line: Line, size: int, read: Callable[[int, int], Any], write: Callable[[int, int, Any], None]
) -> None:
    """Write line X line^T of the `size` x `size` square X: columns first, then rows."""
    columns = [line(b, [read(i, j) for i in range(size)]) for j in range(size)]
    for i in range(len(columns[0])):
        for j, vector in enumerate(line(b, [column[i] for column in columns])):
            write(i, j, vector)


def _points(b: Any, first: Any, step: Any) -> list[list[Any]]:
    """Pointers to the 36 values of a transformed square, `step` bytes apart."""
    found = [first]
    while len(found) < POINTS:
        found.append(at(b, found[-1], step))
    return [found[SQUARE * i : SQUARE * (i + 1)] for i in range(SQUARE)]


def _cells(b: Any, first: Any, row: Any, size: int, inside: Sequence[Any], least: int, outside: Any) -> list[Any]:
    """Pointers to a square of pixels; `outside` for those beyond the first (rows, columns), at least `least` each."""
    lines = [first]
    while len(lines) < size:
        lines.append(at(b, lines[-1], row))
    row_in, column_in = ([b.icmp_signed("<", ir.Constant(I64, i), n) for i in range(size)] for n in inside)
    found = []
    for i, start in enumerate(lines):
        line = [at(b, start, VECTOR_BYTES * j) for j in range(size)]
        for j in range(size):
            if i >= least:
                line[j] = b.select(row_in[i], line[j], outside)
            if j >= least:
                line[j] = b.select(column_in[j], line[j], outside)
        found.append(line)
    return found


@intrinsic
def bottom_square(
    _context: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_step: Any
) -> Any:
    """target[36] = B^T d B of 6 x 6 pixels, of which only rows x columns (at least 3 x 3) are read; others are 0."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit_points(b, _bottoms, SQUARE, 3, arguments)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


@intrinsic
def top_gradient_square(
    _context: Any, side: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_step: Any
) -> Any:
    """target[36] = A y A^T of side x side pixels (a literal), of which only rows x columns are read."""
    tops = side.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit_points(b, TOPS_GRADIENT[tops], tops, 1, arguments[1:])
        return context.get_dummy_value()

    return signature(1, 6, [side]), codegen


def _emit_points(b: Any, line: Line, size: int, least: int, arguments: Sequence[Any]) -> None:
    source, target = pointers(b, (arguments[0], arguments[4]))
    cells = _cells(b, source, arguments[1], size, arguments[2:4], least, variable(b, constant(0)))
    points = _points(b, target, arguments[5])
    _transform(b, line, size, lambda i, j: load(b, cells[i][j]), lambda i, j, v: store(b, v, points[i][j]))


@intrinsic
def top_square(
    _context: Any, side: Any, source: Any, source_step: Any, target: Any, target_row: Any, rows: Any, columns: Any,
    bias: Any, add: Any, relu: Any,
) -> Any:  # fmt: skip
    """A^T m A of 36 values to the first rows x columns of side x side pixels (a literal).

    bias: the address of a vector to add (0: none); add: how many bytes from the target lies what else is to be added
    (-1: nothing); relu: whether to clip at 0.
    """
    tops = side.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit_tops(b, tops, arguments[1:])
        return context.get_dummy_value()

    return signature(1, 9, [side]), codegen


def _emit_tops(b: Any, side: int, arguments: Sequence[Any]) -> None:
    source, target, bias = pointers(b, (arguments[0], arguments[2], arguments[6]))
    (step, row, rows, columns), (add, relu) = [arguments[i] for i in (1, 3, 4, 5)], arguments[7:9]
    zeros, nowhere = variable(b, constant(0)), variable(b, constant(0))
    points = _points(b, source, step)
    cells = _cells(b, target, row, side, (rows, columns), 1, nowhere)
    added = b.icmp_signed("!=", add, ir.Constant(I64, -1))
    start = b.select(added, at(b, target, add), zeros)
    here = [b.select(added, n, ir.Constant(I64, 1)) for n in (rows, columns)]  # without, all read `zeros`
    more = _cells(b, start, b.select(added, row, ir.Constant(I64, 0)), side, here, 1, zeros)
    shift = load(b, b.select(b.icmp_signed("!=", arguments[6], ir.Constant(I64, 0)), bias, zeros))
    wanted = b.icmp_signed("!=", relu, ir.Constant(I64, 0))
    floor = b.select(wanted, constant(0), constant(float("-inf")))

    def write(i: int, j: int, vector: Any) -> None:
        total = b.fadd(b.fadd(vector, shift), load(b, more[i][j]))
        store(b, clip_below(b, total, floor), cells[i][j])

    _transform(b, TOPS[side], SQUARE, lambda i, j: load(b, points[i][j]), write)


@intrinsic
def kernel_square(_context: Any, size: Any, source: Any, target: Any, target_step: Any) -> Any:
    """target[36] = G g G^T of the size x size vectors (a literal) at `source`."""
    cells = size.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, arguments[1:3])
        points = _points(b, target, arguments[3])
        _transform(
            b, KERNEL[cells], cells, lambda i, j: load(b, source, VECTOR_BYTES * (cells * i + j)),
            lambda i, j, v: store(b, v, points[i][j]),
        )  # fmt: skip
        return context.get_dummy_value()

    return signature(1, 3, [size]), codegen


@intrinsic
def kernel_gradient_square(_context: Any, size: Any, source: Any, source_step: Any, target: Any) -> Any:
    """The size x size vectors (a literal) at `target` = G^T u G of 36 values."""
    cells = size.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, (arguments[1], arguments[3]))
        points = _points(b, source, arguments[2])
        _transform(
            b, KERNEL_GRADIENT[cells], SQUARE, lambda i, j: load(b, points[i][j]),
            lambda i, j, v: store(b, v, target, VECTOR_BYTES * (cells * i + j)),
        )  # fmt: skip
        return context.get_dummy_value()

    return signature(1, 3, [size]), codegen
