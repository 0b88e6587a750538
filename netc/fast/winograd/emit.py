"""The transforms of Winograd's convolutions as vector code: 16 channels at a time.

A transform multiplies a small square of values by a matrix from the left and by its transpose from the right; the
matrices are in `matrices`. Squares that reach over the edge of a blob are cut: cells outside are read as zeros and not
written. `size`, a literal, is always that of the kernel or its pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netc.fast.machine.emit import I64, VECTOR_BYTES, Below, at, constant, load, pointers, signature, store, variable
from netc.fast.winograd.matrices import BOTTOMS, KERNEL, KERNEL_GRADIENT, TOPS, TOPS_GRADIENT, Matrix
from netc.fast.winograd.points import SIDE, point_count, square
from netc.jit import intrinsic, ir

Read = Callable[[int, int], Any]
Write = Callable[[int, int, Any], None]


def _transform(b: Any, matrix: Matrix, size: int, read: Read, write: Write) -> None:
    """Write matrix X matrix^T of the `size` x `size` square X: columns first, then rows."""
    columns = [matrix(b, [read(i, j) for i in range(size)]) for j in range(size)]
    for i in range(len(columns[0])):
        for j, vector in enumerate(matrix(b, [column[i] for column in columns])):
            write(i, j, vector)


def _points(b: Any, size: int, first: Any, step: Any) -> list[list[Any]]:
    """Pointers to the values of a transformed square, `step` bytes apart."""
    found, wide = [first], square(size)
    while len(found) < point_count(size):
        found.append(at(b, found[-1], step))
    return [found[wide * i : wide * (i + 1)] for i in range(wide)]


def _cells(
    b: Any, first: Any, apart: tuple[Any, Any], size: int, inside: Sequence[Any], least: int, outside: Any
) -> list[Any]:
    """Pointers to a square of pixels; `outside` for those beyond the first (rows, columns), at least `least` each.

    apart: bytes from one to the next, down and across.
    """
    line, pixel = apart
    columns = [ir.Constant(I64, 0)]
    while len(columns) < size:
        columns.append(b.add(columns[-1], pixel))
    lines = [first]
    while len(lines) < size:
        lines.append(at(b, lines[-1], line))
    row_in, column_in = ([b.icmp_signed("<", ir.Constant(I64, i), n) for i in range(size)] for n in inside)
    found = []
    for i, start in enumerate(lines):
        cells = [at(b, start, column) for column in columns]
        for j in range(size):
            if i >= least:
                cells[j] = b.select(row_in[i], cells[j], outside)
            if j >= least:
                cells[j] = b.select(column_in[j], cells[j], outside)
        found.append(cells)
    return found


def _least(size: int) -> int:
    """Cells each way that are always there: all of a whole kernel, one of a piece."""
    return 1 if size == SIDE else size


def _of_size(given: Any, operands: int, emit: Callable[[Any, int, Sequence[Any]], None]) -> Any:
    """What an intrinsic returns: the size, a literal, and `operands` integers; emit(builder, size, those)."""
    size = given.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        emit(b, size, arguments[1:])
        return context.get_dummy_value()

    return signature(1, operands, (given,)), codegen


# ---------------------------------------------------------------- pixels to points


@intrinsic
def bottom_square(
    _context: Any, size: Any, source: Any, line: Any, pixel: Any, rows: Any, columns: Any, target: Any, step: Any
) -> Any:
    """target = B^T d B of a square of pixels, of which only rows x columns are read: of a whole kernel at least its
    size each. line, pixel: bytes from one to the next, down and across."""
    return _of_size(size, 7, lambda b, n, given: _emit_points(b, BOTTOMS, n, (square(n), _least(n)), given))


@intrinsic
def top_gradient_square(
    _context: Any, size: Any, source: Any, line: Any, pixel: Any, rows: Any, columns: Any, target: Any, step: Any
) -> Any:
    """target = A y A^T of 4 x 4 pixels, of which only rows x columns are read."""
    return _of_size(size, 7, lambda b, n, given: _emit_points(b, TOPS_GRADIENT, n, (SIDE, 1), given))


def _emit_points(
    b: Any, matrices: Mapping[int, Matrix], size: int, cells: tuple[int, int], given: Sequence[Any]
) -> None:
    """cells: how many pixels each way, and how many of them are always there."""
    source, target = pointers(b, (given[0], given[5]))
    pixels = _cells(b, source, (given[1], given[2]), cells[0], given[3:5], cells[1], variable(b, constant(0)))
    found = _points(b, size, target, given[6])
    _transform(
        b, matrices[size], cells[0], lambda i, j: load(b, pixels[i][j]), lambda i, j, v: store(b, v, found[i][j])
    )


# ---------------------------------------------------------------- points to pixels


@intrinsic
def top_square(
    _context: Any, size: Any, source: Any, step: Any, target: Any, line: Any, pixel: Any, rows: Any, columns: Any,
    bias: Any, add: Any, below: Any,
) -> Any:  # fmt: skip
    """A^T m A to the first rows x columns of 4 x 4 pixels.

    bias: the address of a vector to add (0: none); add: how many bytes from the target lies what else is to be added
    (-1: nothing); below, as `Below` takes it.
    """
    return _of_size(size, 10, _emit_tops)


def _emit_tops(b: Any, size: int, given: Sequence[Any]) -> None:
    source, target, bias = pointers(b, (given[0], given[2], given[7]))
    (step, line, pixel, rows, columns), (add, below) = [given[i] for i in (1, 3, 4, 5, 6)], given[8:10]
    zeros, nowhere = variable(b, constant(0)), variable(b, constant(0))
    found = _points(b, size, source, step)
    cells = _cells(b, target, (line, pixel), SIDE, (rows, columns), 1, nowhere)
    added = b.icmp_signed("!=", add, ir.Constant(I64, -1))
    start = b.select(added, at(b, target, add), zeros)
    here = [b.select(added, n, ir.Constant(I64, 1)) for n in (rows, columns)]  # without, all read `zeros`
    more = _cells(b, start, (b.select(added, line, ir.Constant(I64, 0)), pixel), SIDE, here, 1, zeros)
    shift = load(b, b.select(b.icmp_signed("!=", given[7], ir.Constant(I64, 0)), bias, zeros))
    change = Below(b, below)
    slope = change.slope()

    def write(i: int, j: int, vector: Any) -> None:
        total = b.fadd(b.fadd(vector, shift), load(b, more[i][j]))
        store(b, change(total, slope), cells[i][j])

    _transform(b, TOPS[size], square(size), lambda i, j: load(b, found[i][j]), write)


# ---------------------------------------------------------------- weights


@intrinsic
def kernel_square(
    _context: Any, size: Any, source: Any, line: Any, rows: Any, columns: Any, target: Any, step: Any
) -> Any:
    """target = G g G^T of a square of vectors, of which only rows x columns are read; `line` bytes between its rows."""
    return _of_size(size, 6, _emit_kernel)


def _emit_kernel(b: Any, size: int, given: Sequence[Any]) -> None:
    source, target = pointers(b, (given[0], given[4]))
    apart = given[1], ir.Constant(I64, VECTOR_BYTES)
    cells = _cells(b, source, apart, size, given[2:4], _least(size), variable(b, constant(0)))
    found = _points(b, size, target, given[5])
    _transform(b, KERNEL[size], size, lambda i, j: load(b, cells[i][j]), lambda i, j, v: store(b, v, found[i][j]))


@intrinsic
def kernel_gradient_square(_context: Any, size: Any, source: Any, step: Any, target: Any) -> Any:
    """The size x size vectors at `target` = G^T u G of a square of values."""
    return _of_size(size, 3, _emit_kernel_gradient)


def _emit_kernel_gradient(b: Any, size: int, given: Sequence[Any]) -> None:
    source, target = pointers(b, (given[0], given[2]))
    found = _points(b, size, source, given[1])
    _transform(
        b, KERNEL_GRADIENT[size], square(size), lambda i, j: load(b, found[i][j]),
        lambda i, j, v: store(b, v, target, VECTOR_BYTES * (size * i + j)),
    )  # fmt: skip
