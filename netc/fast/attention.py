"""Attention on plain arrays: for each head of each image the products, the softmax and the sums, while they are in the
caches. Sums of a product run over its values in ascending blocks; threads share heads.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from netc.fast.machine.addresses import floats
from netc.fast.machine.emit import (
    I8,
    I64,
    VECTOR,
    constant,
    lanes_below,
    multiply_add,
    pointers,
    splat,
    variable,
)
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.lines import share
from netc.fast.machine.maths import exponential_of_any
from netc.fast.machine.operands import Entry, Read, Scratch, Write, entry_with
from netc.fast.machine.products import (
    Sizes,
    multiplier,
    multiply,
    pack_columns,
    pack_rows,
    packed_bytes,
    rows_of,
    thread_bytes,
    vectors,
)
from netc.fast.machine.vectors import across, load_some, over, store_some
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import intrinsic, ir, kernel
from netc.jit import numba_types as types
from netc.kernels.geometry import AttentionGeometry
from netc.plan.model import Step

LOWEST = -3.4028234663852886e38


class Attended(NamedTuple):
    """Images and heads of each; queries and keys of an image; what a head has of a query's values, and of a value's."""

    images: int
    heads: int
    queries: int
    keys: int
    size: int
    values: int


class Room(NamedTuple):
    """Bytes of a thread's workspace: all, what is packed, and the gradient of a head's scores."""

    all: int
    panels: int
    scores: int


# ---------------------------------------------------------------- the scores of one query


@intrinsic
def _weights(_context: Any, scores: Any, marks: Any, seen: Any, keys: Any, scale: Any) -> Any:
    """Scores become weights: e^(scale x) of the first `seen` whose marks are not 0, by their sum; the others 0."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        scores, marks = pointers(b, arguments[:2])
        seen, keys, factor = arguments[2], arguments[3], splat(b, arguments[4])
        most, total = variable(b, constant(LOWEST)), variable(b, constant(0))

        def larger(x: Any, y: Any) -> Any:
            return b.select(b.fcmp_ordered(">", y, x), y, x)

        def scaled(places: list[Any], left: Any) -> None:
            mark = load_some(b, places[1], left)
            shown = b.and_(b.fcmp_unordered("!=", mark, constant(0)), lanes_below(b, left))
            value = b.select(shown, b.fmul(load_some(b, places[0], left), factor), constant(float("-inf")))
            b.store(larger(b.load(most, typ=VECTOR), value), most)
            store_some(b, value, places[0], left)

        over(b, seen, [scores, marks], scaled)
        top = across(b, b.load(most, typ=VECTOR), larger)

        def power(places: list[Any], left: Any) -> None:
            value = exponential_of_any(b, b.fsub(load_some(b, places[0], left, float("-inf")), top))
            b.store(b.fadd(b.load(total, typ=VECTOR), value), total)
            store_some(b, value, places[0], left)

        over(b, seen, [scores], power)
        whole = across(b, b.load(total, typ=VECTOR), b.fadd)
        whole = b.select(b.fcmp_ordered("==", whole, constant(0)), constant(1), whole)

        def part(places: list[Any], left: Any) -> None:
            store_some(b, b.fdiv(load_some(b, places[0], left), whole), places[0], left)

        over(b, seen, [scores], part)
        rest = b.gep(scores, [b.mul(seen, ir.Constant(I64, 4))], source_etype=I8)
        over(b, b.sub(keys, seen), [rest], lambda places, left: store_some(b, constant(0), places[0], left))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4, types.float32), codegen


@intrinsic
def _slopes(_context: Any, weights: Any, slopes: Any, keys: Any, scale: Any) -> Any:
    """The gradient of weights becomes that of the products: scale p (d - the sum of d p)."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        starts, keys, factor = pointers(b, arguments[:2]), arguments[2], splat(b, arguments[3])
        total = variable(b, constant(0))

        def add(places: list[Any], left: Any) -> None:
            p, d = (load_some(b, place, left) for place in places)
            b.store(multiply_add(b, p, d, b.load(total, typ=VECTOR)), total)

        over(b, keys, starts, add)
        mean = across(b, b.load(total, typ=VECTOR), b.fadd)

        def slope(places: list[Any], left: Any) -> None:
            p, d = (load_some(b, place, left) for place in places)
            store_some(b, b.fmul(b.fmul(p, factor), b.fsub(d, mean)), places[1], left)

        over(b, keys, starts, slope)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3, types.float32), codegen


# ---------------------------------------------------------------- all heads


@kernel(inline="always")
def _head(at: Attended, item: int) -> tuple[int, int, int, int]:
    """Of a head: where its queries, keys and values start, and its weights; in bytes."""
    image, head = item // at.heads, item % at.heads
    query = (image * at.queries * at.heads + head) * at.size * 4
    key = (image * at.keys * at.heads + head) * at.size * 4
    value = (image * at.keys * at.heads + head) * at.values * 4
    return query, key, value, item * at.queries * at.keys * 4


@kernel(inline="always")
def _made(at: Attended, item: int) -> int:
    """Where its part of the top starts."""
    return (item // at.heads * at.queries * at.heads + item % at.heads) * at.values * 4


@functools.cache
def forward_of(rows: int, vectors: int) -> Entry[...]:
    product = thread_bytes(rows)

    @entry_with(multiply=multiplier(rows, vectors))
    def attended(
        tid: int, nth: int, q: Read[Region], k: Read[Region], v: Read[Region], mask: Read[Region],
        prob: Write[Region], y: Write[Region], room: Scratch[Region], at: Attended, rooms: Room, causal: bool,
        scale: float,
    ) -> None:  # fmt: skip
        """prob: the weights, image by image, head by head."""
        mine = room + tid * rooms.all
        panels = mine + product
        marks = panels + rooms.panels + rooms.scores
        floats(marks, at.keys)[:] = 1
        keys_row, values_row = at.heads * at.size * 4, at.heads * at.values * 4
        tiles = (at.queries + rows - 1) // rows
        for item in share(at.images * at.heads, tid, nth):
            query, key, value, weight = _head(at, item)
            shown = mask + item // at.heads * at.keys * 4 if mask else marks
            pack_columns(k + key, keys_row, panels, at.keys, at.size)
            multiply(
                q + query, keys_row, 0, panels, prob + weight, at.keys * 4, 0, 0, 0, mine,
                Sizes(at.queries, at.keys, at.size), 0, tiles,
            )  # fmt: skip
            for t in range(at.queries):
                seen = min(at.keys, t + 1) if causal else at.keys
                _weights(prob + weight + t * at.keys * 4, shown, seen, at.keys, scale)
            pack_rows(v + value, values_row, panels, at.values, at.keys)
            multiply(
                prob + weight, at.keys * 4, 0, panels, y + _made(at, item), values_row, 0, 0, 0, mine,
                Sizes(at.queries, at.values, at.keys), 0, tiles,
            )  # fmt: skip

    return attended


@functools.cache
def gradient_of(rows: int, vectors: int) -> Entry[...]:
    product = thread_bytes(rows)

    @entry_with(multiply=multiplier(rows, vectors))
    def attended_gradient(
        tid: int, nth: int, q: Read[Region], k: Read[Region], v: Read[Region], prob: Read[Region], dy: Read[Region],
        dq: Write[Region], dk: Write[Region], dv: Write[Region], room: Scratch[Region], at: Attended, rooms: Room,
        scale: float,
    ) -> None:  # fmt: skip
        mine = room + tid * rooms.all
        panels = mine + product
        scores = panels + rooms.panels
        keys_row, values_row, line = at.heads * at.size * 4, at.heads * at.values * 4, at.keys * 4
        tiles, across = (at.queries + rows - 1) // rows, (at.keys + rows - 1) // rows
        for item in share(at.images * at.heads, tid, nth):
            query, key, value, weight = _head(at, item)
            made = dy + _made(at, item)
            if dv:
                pack_rows(made, values_row, panels, at.values, at.queries)
                multiply(
                    prob + weight, line, 1, panels, dv + value, values_row, 0, 0, 0, mine,
                    Sizes(at.keys, at.values, at.queries), 0, across,
                )  # fmt: skip
            if dq or dk:
                pack_columns(v + value, values_row, panels, at.keys, at.values)
                multiply(
                    made, values_row, 0, panels, scores, line, 0, 0, 0, mine,
                    Sizes(at.queries, at.keys, at.values), 0, tiles,
                )  # fmt: skip
                for t in range(at.queries):
                    _slopes(prob + weight + t * line, scores + t * line, at.keys, scale)
            if dq:
                pack_rows(k + key, keys_row, panels, at.size, at.keys)
                multiply(
                    scores, line, 0, panels, dq + query, keys_row, 0, 0, 0, mine,
                    Sizes(at.queries, at.size, at.keys), 0, tiles,
                )  # fmt: skip
            if dk:
                pack_rows(q + query, keys_row, panels, at.size, at.queries)
                multiply(
                    scores, line, 1, panels, dk + key, keys_row, 0, 0, 0, mine,
                    Sizes(at.keys, at.size, at.queries), 0, across,
                )  # fmt: skip

    return attended_gradient


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    return None if any(0 in b.plan.shapes[value] for value in b.plan.graph.nodes[layer].bottoms) else "plain"


def _attended(b: Builder, layer: int) -> Attended:
    heads = b.planned(layer).setup.known(AttentionGeometry).heads
    q, k, v = (b.shape(b.bottom(layer, i)) for i in range(3))
    return Attended(q[0], heads, q[1], k[1], q[2] // heads, v[2] // heads)


def _room(b: Builder, at: Attended, rows: int) -> tuple[Region, Room]:
    most = max(at.queries, at.keys)
    packed = max(packed_bytes(most, max(at.size, at.values)), packed_bytes(max(at.size, at.values), most))
    scores, ones = 4 * at.queries * at.keys, 4 * at.keys
    each = -(-(thread_bytes(rows) + packed + scores + ones) // 64) * 64
    return b.new("heads", b.threads * each), Room(each, packed, scores)


def forward(b: Builder, layer: int) -> None:
    at, rows = _attended(b, layer), rows_of(_attended(b, layer).queries)
    node, g = b.plan.graph.nodes[layer], b.planned(layer).setup.known(AttentionGeometry)
    q, k, v, *masks = (b.read_plain(b.bottom(layer, i)).flat for i in range(len(node.bottoms)))
    y, (room, rooms) = b.write_plain(b.top(layer)).flat, _room(b, at, rows)
    prob = b.kept[layer, "prob"] = b.new("weights", 4 * at.images * at.heads * at.queries * at.keys)
    launch = forward_of(rows, vectors())(
        q=q, k=k, v=v, mask=masks[0] if masks else NOTHING, prob=prob, y=y, room=room, at=at, rooms=rooms,
        causal=node.record.attention_param.causal, scale=g.scale,
    )  # fmt: skip
    b.emit(launch, "attention")


def backward(b: Builder, step: Step) -> None:
    layer = step.layer
    at, g = _attended(b, layer), b.planned(layer).setup.known(AttentionGeometry)
    rows = rows_of(at.queries)
    q, k, v = (b.read_plain(b.bottom(layer, i)).flat for i in range(3))
    dy, (room, rooms) = b.read_plain(step.top_diffs[0]).flat, _room(b, at, rows)
    dq, dk, dv = (NOTHING if slot is None else b.write_plain(slot).flat for slot in step.bottom_diffs[:3])
    launch = gradient_of(rows, vectors())(
        q=q, k=k, v=v, prob=b.kept[layer, "prob"], dy=dy, dq=dq, dk=dk, dv=dv, room=room, at=at, rooms=rooms,
        scale=g.scale,
    )  # fmt: skip
    b.emit(launch, "attention gradient")


FAMILY = Family(("Attention",), accepts, forward, backward)
