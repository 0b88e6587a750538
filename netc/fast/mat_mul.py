"""MatMul on plain arrays: one large product, or many, which threads share. Sums run over K in ascending blocks."""

from __future__ import annotations

import functools
from math import prod
from typing import NamedTuple

from netc.fast.machine.launch import Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Scratch, Write, entry_with
from netc.fast.machine.products import (
    Lines,
    Sizes,
    multiplier,
    multiply,
    pack_columns,
    pack_rows,
    packed,
    packed_bytes,
    product,
    room_bytes,
    rows_of,
    thread_bytes,
    vectors,
)
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.plan.model import Step


class Side(NamedTuple):
    """Matrices one after the other; turned: the lines of memory are their columns."""

    memory: Region
    turned: bool


class Apart(NamedTuple):
    """How many products; bytes from a matrix to the next, of each side and of what is made, and between the lines of
    memory of each side."""

    items: int
    a: int
    b: int
    c: int
    a_line: int
    b_line: int


@functools.cache
def many_of(rows: int, vectors: int) -> Entry[...]:
    """C = A B, each by one thread. each: bytes of a thread's workspace."""
    whole = thread_bytes(rows)

    @entry_with(multiply=multiplier(rows, vectors))
    def many(
        tid: int, nth: int, a: Read[Region], b: Read[Region], c: Write[Region], room: Scratch[Region], each: int,
        apart: Apart, a_turned: bool, b_turned: bool, sizes: Sizes,
    ) -> None:  # fmt: skip
        mine = room + tid * each
        panels, tiles = mine + whole, (sizes.m + rows - 1) // rows
        for item in share(apart.items, tid, nth):
            if b_turned:
                pack_columns(b + item * apart.b, apart.b_line, panels, sizes.n, sizes.k)
            else:
                pack_rows(b + item * apart.b, apart.b_line, panels, sizes.n, sizes.k)
            multiply(
                a + item * apart.a, apart.a_line, a_turned, panels, c + item * apart.c, sizes.n * 4, 0, 0, 0, mine,
                sizes, 0, tiles,
            )  # fmt: skip

    return many


def _emit(b: Builder, left: Side, right: Side, made: Region, count: int, sizes: Sizes, label: str) -> None:
    """`count` products, each M x K by K x N."""
    m, n, k = sizes
    a_line, b_line = 4 * (m if left.turned else k), 4 * (k if right.turned else n)
    if count == 1:
        panels, room = b.new("packed matrix", packed_bytes(n, k)), b.new("product", room_bytes(b.threads))
        b.emit(packed(right.memory, Lines(b_line, right.turned), panels, n, k), "pack")
        b.emit(product(left.memory, Lines(a_line, left.turned), panels, made, 4 * n, sizes, room), label)
        return
    rows = rows_of(m)
    each = -(-(thread_bytes(rows) + packed_bytes(n, k)) // 64) * 64
    launch = many_of(rows, vectors())(
        a=left.memory, b=right.memory, c=made, room=b.new("products", b.threads * each), each=each,
        apart=Apart(count, 4 * m * k, 4 * n * k, 4 * m * n, a_line, b_line), a_turned=left.turned,
        b_turned=right.turned, sizes=sizes,
    )  # fmt: skip
    b.emit(launch, label)


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    first, second = (b.shape(b.bottom(layer, i)) for i in range(2))
    shared = len(second) == 2 and len(first) > 2 and _turns(b, layer)[0]  # then a sum goes over several matrices
    return None if shared or 0 in (*first, *second) else "plain"


def _turns(b: Builder, layer: int) -> tuple[bool, bool]:
    p = b.plan.graph.nodes[layer].record.mat_mul_param
    return p.transpose_a, p.transpose_b


def _sizes(b: Builder, layer: int) -> tuple[int, Sizes]:
    """How many products there are, and of what; where all have one second matrix they are one."""
    first, second = (b.shape(b.bottom(layer, i)) for i in range(2))
    m, k = reversed(first[-2:]) if _turns(b, layer)[0] else first[-2:]
    n = b.shape(b.top(layer))[-1]
    count = prod(first[:-2])
    return (1, Sizes(count * m, n, k)) if len(second) == 2 else (count, Sizes(m, n, k))


def forward(b: Builder, layer: int) -> None:
    count, sizes = _sizes(b, layer)
    left, right = (Side(b.read_plain(b.bottom(layer, i)).flat, turned) for i, turned in enumerate(_turns(b, layer)))
    _emit(b, left, right, b.write_plain(b.top(layer)).flat, count, sizes, "matrix product")


def backward(b: Builder, step: Step) -> None:
    layer, (count, (m, n, k)) = step.layer, _sizes(b, step.layer)
    turn_a, turn_b = _turns(b, layer)
    dy = b.read_plain(step.top_diffs[0]).flat
    first, second = (b.read_plain(b.bottom(layer, i)).flat for i in range(2))
    label = "matrix product gradient"
    if (target := step.bottom_diffs[0]) is not None:  # dy b^T, or its transpose: b dy^T
        left, right, sizes = Side(dy, False), Side(second, not turn_b), Sizes(m, k, n)
        if turn_a:
            left, right, sizes = Side(second, turn_b), Side(dy, True), Sizes(k, m, n)
        _emit(b, left, right, b.write_plain(target).flat, count, sizes, label)
    if (target := step.bottom_diffs[1]) is not None:  # a^T dy, or its transpose: dy^T a
        left, right, sizes = Side(first, not turn_a), Side(dy, False), Sizes(k, n, m)
        if turn_b:
            left, right, sizes = Side(dy, True), Side(first, turn_a), Sizes(n, k, m)
        _emit(b, left, right, b.write_plain(target).flat, count, sizes, label)


FAMILY = Family(("MatMul",), accepts, forward, backward)
