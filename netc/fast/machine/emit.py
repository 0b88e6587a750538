"""Emitting vector code: loads, stores, multiply-adds, loops, and the one tile that all matrix work is made of.

A vector is 16 floats on every machine. AVX-512 holds it in one register; LLVM splits it into two AVX2 or four SSE/NEON
registers, so tiles are smaller there (`tile_budget`). LLVM's own vectoriser reaches 3-20 % of the peak, these 90 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from netc.jit import cgutils, features, intrinsic, ir
from netc.jit import numba_types as types

LANES = 16
VECTOR_BYTES = 4 * LANES

F32, I1, I8, I32, I64 = ir.FloatType(), *(ir.IntType(bits) for bits in (1, 8, 32, 64))
POINTER = ir.PointerType()
VECTOR = ir.VectorType(F32, LANES)
INTEGERS = ir.VectorType(I32, LANES)


def tile_budget() -> int:
    """How many accumulator vectors of 16 floats a tile may have without spilling."""
    return {"avx512": 28, "avx2": 6, "plain": 3}[features()]


# ---------------------------------------------------------------- single instructions


def at(b: Any, pointer: Any, offset: Any) -> Any:
    """`pointer` + `offset` bytes; offset is a Python int or an i64."""
    if isinstance(offset, int):
        if offset == 0:
            return pointer
        offset = ir.Constant(I64, offset)
    return b.gep(pointer, [offset], source_etype=I8)


def load(b: Any, pointer: Any, offset: Any = 0) -> Any:
    vector = b.load(at(b, pointer, offset), typ=VECTOR)
    vector.align = 4
    return vector


def store(b: Any, vector: Any, pointer: Any, offset: Any = 0) -> None:
    b.store(vector, at(b, pointer, offset)).align = 4


def constant(value: float) -> Any:
    return ir.Constant(VECTOR, [float(value)] * LANES)


def shuffle(b: Any, x: Any, y: Any, lanes: list[int]) -> Any:
    """Lanes 0-15 pick from x, 16-31 from y."""
    return b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(lanes)), lanes))


def splat(b: Any, scalar: Any) -> Any:
    one = b.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, ir.Constant(I32, 0))
    return shuffle(b, one, ir.Constant(VECTOR, ir.Undefined), [0] * LANES)


def broadcast(b: Any, pointer: Any, offset: Any = 0) -> Any:
    scalar = b.load(at(b, pointer, offset), typ=F32)
    scalar.align = 4
    return splat(b, scalar)


def _call(b: Any, name: str, *operands: Any) -> Any:
    kind = ir.FunctionType(operands[0].type, [x.type for x in operands])
    return b.call(cgutils.get_or_insert_function(b.module, kind, f"{name}.v{LANES}f32"), operands)


def multiply_add(b: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, fused where the machine has the instruction (llvm.fma would be a slow function call elsewhere)."""
    return _call(b, "llvm.fmuladd", x, y, z)


def square_root(b: Any, x: Any) -> Any:
    return _call(b, "llvm.sqrt", x)


def clip_below(b: Any, x: Any, floor: Any) -> Any:
    """max(x, floor); a NaN in x stays, as it does in the reference kernels."""
    return b.select(b.fcmp_ordered(">", floor, x), floor, x)


class Below:
    """What becomes of values below 0. code: 0 nothing, 1 they become 0 (ReLU), else the address of slopes, 16 for each
    vector, which they are multiplied by (PReLU). NaN and -0 stay."""

    def __init__(self, b: Any, code: Any) -> None:
        self.b, self.code = b, code
        self.sloped = b.icmp_unsigned(">", code, ir.Constant(I64, 1))
        self.floor = b.select(b.icmp_signed("!=", code, ir.Constant(I64, 0)), constant(0), constant(float("-inf")))
        self.bits = b.select(self.sloped, ir.Constant(INTEGERS, [-1] * LANES), ir.Constant(INTEGERS, [0] * LANES))
        self.zeros = variable(b, constant(0))

    def slope(self, vector: int = 0) -> Any:
        """The slopes of vector number `vector`."""
        given = at(self.b, self.b.inttoptr(self.code, POINTER), VECTOR_BYTES * vector)
        return load(self.b, self.b.select(self.sloped, given, self.zeros))

    def __call__(self, x: Any, slope: Any) -> Any:
        b = self.b
        multiple = b.bitcast(b.and_(b.bitcast(b.fmul(x, slope), INTEGERS), self.bits), VECTOR)
        return b.select(b.fcmp_ordered(">", self.floor, x), multiple, x)


def in_order(b: Any, vector: Any) -> Any:
    """The same vector, but nothing that reads memory after it in the program is moved before it.

    LLVM's scheduler else moves the loads of many unrolled steps ahead of their multiply-adds, and spills: tiles of two
    vectors took up to twice as long. Only where a vector is one register; smaller tiles are not affected.
    """
    if features() != "avx512":
        return vector
    return b.asm(ir.FunctionType(VECTOR, [VECTOR]), "", "=v,0,~{memory}", [vector], True)


class Loop:
    """`for _ in range(trips)`: moves `pointers` (stack slots) by `steps` bytes each turn, restores them at the end."""

    def __init__(self, b: Any, trips: Any, pointers: Sequence[Any], steps: Sequence[Any]) -> None:
        self.b, self.trips, self.pointers, self.steps = b, trips, pointers, steps

    def __enter__(self) -> None:
        b = self.b
        self.saved = [b.load(p, typ=POINTER) for p in self.pointers]
        self.left = cgutils.alloca_once(b, I64)
        b.store(self.trips, self.left)
        self.head, self.end = b.append_basic_block("loop"), b.append_basic_block("end")
        b.cbranch(b.icmp_signed(">", self.trips, ir.Constant(I64, 0)), self.head, self.end)
        b.position_at_end(self.head)

    def __exit__(self, *_: object) -> None:
        b = self.b
        for pointer, step in zip(self.pointers, self.steps, strict=True):
            b.store(at(b, b.load(pointer, typ=POINTER), step), pointer)
        left = b.sub(b.load(self.left, typ=I64), ir.Constant(I64, 1))
        b.store(left, self.left)
        b.cbranch(b.icmp_signed(">", left, ir.Constant(I64, 0)), self.head, self.end)
        b.position_at_end(self.end)
        for pointer, value in zip(self.pointers, self.saved, strict=True):
            b.store(value, pointer)


def variable(b: Any, value: Any) -> Any:
    """A stack slot that starts with `value` (LLVM turns it into a register)."""
    slot = cgutils.alloca_once(b, value.type)
    b.store(value, slot)
    return slot


def pointers(b: Any, addresses: Sequence[Any]) -> list[Any]:
    return [b.inttoptr(x, POINTER) for x in addresses]


# ---------------------------------------------------------------- the tile


def signature(literals: int, integers: int, arguments: Sequence[Any]) -> Any:
    """void(literal ints..., intp...): the literals keep their literal types."""
    given = [types.IntegerLiteral(x.literal_value) for x in arguments[:literals]]
    return types.void(*given, *[types.intp] * integers)


@intrinsic
def tile(
    _context: Any, rows: Any, vectors: Any, unroll: Any, a_row: Any, a: Any, b: Any, c: Any,
    bias: Any, add: Any, below: Any, c_row: Any, b_vector: Any, c_vector: Any,
    n0: Any, a0: Any, b0: Any, n1: Any, a1: Any, b1: Any, n2: Any, a2: Any, b2: Any,
) -> Any:  # fmt: skip
    """C[m][v] = bias[v] + sum over three loops and `unroll` steps of A[m] (one float) * B[v] (16 floats).

    Literals: `rows` m by `vectors` v accumulators, `unroll` steps of 4 bytes in A and 64 in B in the innermost loop,
    `a_row` bytes between rows m of A. Run-time: addresses a, b, c; bias (0: none); `add`, the distance in bytes from C
    to what is added to the sum (-1: nothing, 0: C itself); below, as `Below` takes it; `c_row`, bytes between rows of
    C; `b_vector` and `c_vector`, bytes between vectors v; then trips and the steps of A and B of each loop, the
    outermost first. A trip count may be 0.
    """
    sig = signature(4, 18, (rows, vectors, unroll, a_row))
    sizes = tuple(x.literal_value for x in (rows, vectors, unroll, a_row))

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        emit_tile(b, sizes, arguments[4:], multiply_add)
        return context.get_dummy_value()

    return sig, codegen


def emit_tile(b: Any, sizes: tuple[Any, ...], arguments: Sequence[Any], multiply: Callable[..., Any]) -> None:
    """The code of `tile`; multiply: makes x * y + z of three vectors. The distance between rows of A may be an i64."""
    rows, vectors = sizes[:2]
    a, w, c = pointers(b, arguments[:3])
    bias, add, below, c_row, b_vector, c_vector = arguments[3:9]
    a_slot, w_slot = variable(b, a), variable(b, w)
    start = _bias_vectors(b, bias, vectors)
    sums = [[variable(b, start[v]) for v in range(vectors)] for _ in range(rows)]
    loops = [Loop(b, arguments[i], [a_slot, w_slot], arguments[i + 1 : i + 3]) for i in (9, 12, 15)]
    for loop in loops:
        loop.__enter__()
    starts = _spaced(b, b.load(w_slot, typ=POINTER), b_vector, vectors)
    _emit_steps(b, b.load(a_slot, typ=POINTER), starts, sums, sizes, multiply)
    for loop in reversed(loops):
        loop.__exit__()
    _emit_epilogue(b, sums, _spaced(b, c, c_vector, vectors), c_row, add, below)


def _spaced(b: Any, pointer: Any, step: Any, count: int) -> list[Any]:
    found = [pointer]
    while len(found) < count:
        found.append(at(b, found[-1], step))
    return found


def _bias_vectors(b: Any, bias: Any, vectors: int) -> list[Any]:
    """The bias vectors, or zeros where the address is 0."""
    given = b.icmp_signed("!=", bias, ir.Constant(I64, 0))
    slots = [variable(b, constant(0)) for _ in range(vectors)]
    with b.if_then(given):
        pointer = b.inttoptr(bias, POINTER)
        for v, slot in enumerate(slots):
            b.store(load(b, pointer, VECTOR_BYTES * v), slot)
    return [b.load(slot, typ=VECTOR) for slot in slots]


def _emit_steps(
    b: Any, a: Any, w: list[Any], sums: list[list[Any]], sizes: tuple[Any, ...], multiply: Callable[..., Any]
) -> None:
    rows, vectors, unroll, a_row = sizes
    places = _spaced(b, a, a_row, rows) if not isinstance(a_row, int) else [at(b, a, m * a_row) for m in range(rows)]
    for k in range(unroll):
        weights = [load(b, w[v], VECTOR_BYTES * k) for v in range(vectors)]
        for m in range(rows):
            x = broadcast(b, places[m], 4 * k)
            for v in range(vectors):
                b.store(in_order(b, multiply(b, x, weights[v], b.load(sums[m][v], typ=VECTOR))), sums[m][v])


def _emit_epilogue(b: Any, sums: list[list[Any]], c: list[Any], c_row: Any, add: Any, below: Any) -> None:
    """Add what is to be added, change what is below 0, store."""
    rows = [_spaced(b, column, c_row, len(sums)) for column in c]
    with b.if_then(b.icmp_signed("!=", add, ir.Constant(I64, -1))):
        for v, column in enumerate(rows):
            for row, pointer in zip(sums, column, strict=True):
                b.store(b.fadd(b.load(row[v], typ=VECTOR), load(b, pointer, add)), row[v])
    change = Below(b, below)
    for v, column in enumerate(rows):
        slope = change.slope(v)
        for row, pointer in zip(sums, column, strict=True):
            store(b, change(b.load(row[v], typ=VECTOR), slope), pointer)


# ---------------------------------------------------------------- moving between layouts


@intrinsic
def copy_vectors(_context: Any, source: Any, target: Any, count: Any) -> Any:
    """Copy `count` (a literal) vectors from one address to another."""
    vectors = count.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        start, end = pointers(b, arguments[:2])
        found = [load(b, start, VECTOR_BYTES * i) for i in range(vectors)]
        for i, vector in enumerate(found):
            store(b, vector, end, VECTOR_BYTES * i)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.IntegerLiteral(vectors)), codegen


def transpose(b: Any, rows: Sequence[Any]) -> list[Any]:
    """The transpose of 16 vectors, in four rounds of exchanging halves."""
    found = list(rows)
    for bit in (1, 2, 4, 8):
        low = [k if not k & bit else (k ^ bit) + LANES for k in range(LANES)]
        high = [k | bit if not k & bit else k + LANES for k in range(LANES)]
        following = list(found)
        for i in range(LANES):
            if not i & bit:
                following[i] = shuffle(b, found[i], found[i | bit], low)
                following[i | bit] = shuffle(b, found[i], found[i | bit], high)
        found = following
    return found


def lanes_below(b: Any, count: Any) -> Any:
    """The mask of the lanes below `count` (i64)."""
    kind = ir.VectorType(I64, LANES)
    one = b.insert_element(ir.Constant(kind, ir.Undefined), count, ir.Constant(I32, 0))
    counts = b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, LANES), [0] * LANES))
    return b.icmp_signed("<", ir.Constant(kind, list(range(LANES))), counts)


def load_masked(b: Any, pointer: Any, mask: Any) -> Any:
    """The lanes of the mask from memory, 0 in the others (whose memory is not touched)."""
    kind = ir.FunctionType(VECTOR, [POINTER, I32, mask.type, VECTOR])
    function = cgutils.get_or_insert_function(b.module, kind, f"llvm.masked.load.v{LANES}f32.p0")
    return b.call(function, [pointer, ir.Constant(I32, 4), mask, constant(0)])


def store_masked(b: Any, vector: Any, pointer: Any, mask: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), [VECTOR, POINTER, I32, mask.type])
    function = cgutils.get_or_insert_function(b.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
    b.call(function, [vector, pointer, ir.Constant(I32, 4), mask])


def somewhere(b: Any, pointer: Any, present: Any, spare: Any) -> Any:
    """The pointer, or that to a spare vector where nothing of what it points to is present.

    What is not present may lie on no page. Masks that are all false do not make that harmless: processors take long
    over it, and AMD's manual of VMASKMOVPS leaves open whether they fault.
    """
    return b.select(present, pointer, spare)


def spaced_rows(b: Any, start: Any, step: Any) -> list[Any]:
    """Where 16 rows are that lie `step` bytes apart."""
    return [at(b, start, b.mul(step, ir.Constant(I64, i))) for i in range(LANES)]


def present_rows(b: Any, places: Sequence[Any], count: Any, width: Any) -> Iterator[tuple[Any, Any]]:
    """For each row its place, and the mask of its first `width` lanes: of the first `count`; the others are not there
    (`somewhere`)."""
    spare, none = variable(b, constant(0)), ir.Constant(I64, 0)
    for i, pointer in enumerate(places):
        present = b.icmp_signed("<", ir.Constant(I64, i), count)
        yield somewhere(b, pointer, present, spare), lanes_below(b, b.select(present, width, none))


def load_rows(b: Any, places: Sequence[Any], count: Any, width: Any) -> list[Any]:
    """Vectors: of the first `count` rows the first `width` floats, zeros behind them and in the other rows."""
    slots = [variable(b, constant(0)) for _ in places]
    with b.if_else(_whole(b, len(places), count, width)) as (whole, cut):
        with whole:
            for slot, place in zip(slots, places, strict=True):
                b.store(load(b, place), slot)
        with cut:
            for slot, (pointer, mask) in zip(slots, present_rows(b, places, count, width), strict=True):
                b.store(load_masked(b, pointer, mask), slot)
    return [b.load(slot, typ=VECTOR) for slot in slots]


def store_rows(b: Any, vectors: Sequence[Any], places: Sequence[Any], count: Any, width: Any) -> None:
    """The first `width` lanes of the first `count` vectors, as rows."""
    with b.if_else(_whole(b, len(places), count, width)) as (whole, cut):
        with whole:
            for vector, place in zip(vectors, places, strict=True):
                store(b, vector, place)
        with cut:
            for vector, (pointer, mask) in zip(vectors, present_rows(b, places, count, width), strict=True):
                store_masked(b, vector, pointer, mask)


def _whole(b: Any, rows: int, count: Any, width: Any) -> Any:
    """Whether all rows and lanes are there. Then no mask is needed, which AVX2's stores take ten times as long with."""
    all_rows = b.icmp_signed(">=", count, ir.Constant(I64, rows))
    return b.and_(all_rows, b.icmp_signed(">=", width, ir.Constant(I64, LANES)))


def _ends(b: Any, addresses: Sequence[Any], counts: Sequence[Any]) -> list[Any]:
    """Pointers to addresses, from each of which on so many floats are present."""
    spare, none = variable(b, constant(0)), ir.Constant(I64, 0)
    found = zip(pointers(b, addresses), counts, strict=True)
    return [somewhere(b, pointer, b.icmp_signed(">", count, none), spare) for pointer, count in found]


@intrinsic
def copy_lanes(_context: Any, source: Any, target: Any, given: Any, lanes: Any) -> Any:
    """The first `lanes` floats of the target (at most 16) = the first `given` of the source, then zeros."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        given, lanes = arguments[2:]
        start, end = _ends(b, arguments[:2], arguments[2:])
        store_masked(b, load_masked(b, start, lanes_below(b, given)), end, lanes_below(b, lanes))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), codegen


@intrinsic
def copy_ahead(_context: Any, source: Any, target: Any, given: Any) -> Any:
    """16 floats of the target = the first `given` of the source (at most 16), then zeros."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        start, end = _ends(b, arguments[:2], [arguments[2], ir.Constant(I64, LANES)])
        store(b, load_masked(b, start, lanes_below(b, arguments[2])), end)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), codegen


@intrinsic
def add_lanes(_context: Any, source: Any, target: Any, lanes: Any) -> Any:
    """The first `lanes` floats of the target (at most 16) += those of the source."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        start, end = _ends(b, arguments[:2], [arguments[2]] * 2)
        mask = lanes_below(b, arguments[2])
        store_masked(b, b.fadd(load_masked(b, end, mask), load_masked(b, start, mask)), end, mask)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), codegen


@intrinsic
def transpose_block(
    _context: Any, source: Any, source_step: Any, target: Any, target_step: Any, rows: Any, columns: Any, lanes: Any
) -> Any:
    """Transpose `rows` x `columns` (at most 16 x 16) floats; steps are bytes between rows.

    Each of the `columns` target rows gets `lanes` floats: what lies beyond `rows` is 0.
    """

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, source_step, target, target_step, rows, columns, lanes = arguments
        lines = spaced_rows(b, b.inttoptr(source, POINTER), source_step)
        made = spaced_rows(b, b.inttoptr(target, POINTER), target_step)
        store_rows(b, transpose(b, load_rows(b, lines, rows, columns)), made, columns, lanes)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), codegen


@intrinsic
def transpose_ahead(
    _context: Any, tile_rows: Any, source: Any, source_step: Any, target: Any, rows: Any, columns: Any
) -> Any:
    """Transpose `rows` x `columns` floats (at most `tile_rows`, a literal, x 16) to lines of `tile_rows`, side by side.

    Writes 16 lines of 16 floats, each over what it does not need of the one before: 64 bytes more than 16 lines take.
    What is not there is 0.
    """
    count = tile_rows.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, step, target, rows, columns = arguments[1:]
        lines = spaced_rows(b, b.inttoptr(source, POINTER), step)[:count]
        found = load_rows(b, lines, rows, columns)
        place = b.inttoptr(target, POINTER)
        for i, vector in enumerate(transpose(b, found + [constant(0)] * (LANES - count))):
            store(b, vector, place, 4 * count * i)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(count), *[types.intp] * 5), codegen
