"""Inner product by products of bfloat16 numbers: y = x W^T is a convolution of 1 x 1 whose pixels are the rows of x."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from netc.fast.convolution import bf16, bf16_gradients
from netc.fast.convolution.geometry import Conv
from netc.fast.convolution.lines import Lying
from netc.fast.convolution.weights import BACKWARD, FORWARD, add_weight_gradient, pack_pairs, pair_bytes
from netc.fast.inner_product.ends import Ends
from netc.fast.inner_product.tiles import Sizes, finished, up
from netc.fast.machine.activation import IDENTITY
from netc.fast.machine.bf16 import BLOCK, CHANNELS, copy_bytes, copy_of, halves
from netc.fast.machine.emit import I64, LANES, VECTOR_BYTES, at, constant, pointers, somewhere, store, variable
from netc.fast.machine.launch import NOTHING, Ref, Region
from netc.fast.machine.layout import NO_BLOB, Blocked, Halo, blocked
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Write, entry
from netc.fast.machine.vectors import load_some
from netc.fast.program import copies
from netc.fast.program.builder import Builder
from netc.fast.program.copies import known_way
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types

LEAST_ROWS = 128  # where weights change in each pass; with fewer, rounding them takes longer than multiplying saves


def chosen(b: Builder, sizes: Sizes) -> bool:
    """Whether forward goes this way. Where the weights stay, any batch does: half their bytes are read."""
    enough = sizes.m >= LEAST_ROWS or not b.plan.backward_planned
    return copies.way(b) is not None and enough and sizes.k >= CHANNELS


def chosen_back(b: Builder, sizes: Sizes) -> bool:
    """Whether the gradient of the bottom does."""
    return copies.way(b) is not None and sizes.m >= LEAST_ROWS and sizes.n >= CHANNELS


def chosen_for_weights(b: Builder, sizes: Sizes) -> bool:
    """Whether the gradient of the weights does: of whole blocks."""
    return copies.way(b) is not None and sizes.m >= LEAST_ROWS and sizes.n % LANES == 0 == sizes.k % LANES


def forward(b: Builder, layer: int, x: Region, ends: Ends, y: Region, sizes: Sizes) -> None:
    """y = x W^T, then what `ends` says."""
    _product(b, layer, x, sizes, FORWARD, ends, y)


def data_gradient(b: Builder, layer: int, dy: Region, dx: Region, sizes: Sizes) -> None:
    """dx = dy W."""
    _product(b, layer, dy, sizes, BACKWARD, Ends(), dx)


def weight_gradient(b: Builder, x: Region, dy: Region, dw: Region, sizes: Sizes) -> None:
    """dW += dy^T x."""
    conv, packed = _convolution(sizes), b.new("weight gradient", 4 * sizes.n * sizes.k)
    turned = b.new("turned bottom", bf16_gradients.turned_bytes(1, conv))
    pairs = b.new("top's diff in pairs", bf16_gradients.pairs_bytes(1, conv))
    bottom, top = ((rows, *_pixels(sizes.m, width)) for rows, width in ((x, sizes.k), (dy, sizes.n)))
    launches = bf16_gradients.sums(known_way(b), bottom, top, turned, pairs, packed, conv)
    b.emit(launches, "bf16 weight gradient")
    b.emit(add_weight_gradient(packed, dw, conv), "weight gradient")


def _convolution(sizes: Sizes) -> Conv:
    return Conv(sizes.k, sizes.n, (1, sizes.m), (1, sizes.m), (1, 1))


def _pixels(m: int, width: int) -> tuple[bf16_gradients.Size, Lying]:
    """Rows of whole blocks as the pixels of a line."""
    return bf16_gradients.Size(1, width // LANES, 1, m), Lying(0, VECTOR_BYTES, 0, 4 * width)


def _product(b: Builder, layer: int, rows: Region, sizes: Sizes, order: int, ends: Ends, target: Region) -> None:
    """Emit the products of rows with the weights, or (BACKWARD) with their transpose, then what `ends` says."""
    conv = _convolution(sizes)
    seen = conv if order == FORWARD else conv.adjoint
    copy = copy_of(blocked(0, (1, seen.inputs, 1, sizes.m), Halo()), 0, Halo())
    copy = replace(copy, base=Ref(b.new("rows in bf16", copy_bytes(copy)).array))
    b.emit(_rows(known_way(b))(x=rows, copy=copy, k=seen.inputs), "bf16 copy")
    weights, scratch = b.new("packed weights", pair_bytes(conv, order)), b.new("scratch", b.threads * BLOCK)
    b.emit_setup(pack_pairs(known_way(b), b.param(layer, 0), weights, scratch, conv, order), "weights")
    result, width = b.new("sums", 4 * sizes.m * up(seen.outputs)), 4 * up(seen.outputs)
    lies, taps = Lying(0, VECTOR_BYTES, 0, width), (conv.taps(0), conv.taps(1))
    launches = bf16.sums(
        known_way(b), copy, weights, NOTHING, result, lies, NO_BLOB, seen, taps, IDENTITY, NOTHING
    )  # fmt: skip
    b.emit(launches, "bf16 inner product" if order == FORWARD else "bf16 product data gradient")
    b.emit(finished(result=result, ends=ends, y=target, m=sizes.m, n=seen.outputs), "inner product")


@intrinsic
def _halve_row(_context: Any, way: Any, source: Any, target: Any, left: Any) -> Any:
    """32 numbers from a row of floats, of which `left` are there; zeros behind them."""
    number = way.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        (start, end), left = pointers(b, arguments[1:3]), arguments[3]
        more, spare = b.sub(left, ir.Constant(I64, LANES)), variable(b, constant(0))
        there = b.icmp_signed(">", more, ir.Constant(I64, 0))
        behind = somewhere(b, at(b, start, VECTOR_BYTES), there, spare)
        store(b, halves(b, number, load_some(b, start, left), load_some(b, behind, more)), end)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(number), *[types.intp] * 3), codegen


@functools.cache
def _rows(way: int) -> Entry[...]:
    """The copy of rows of `k` floats: each is a pixel."""

    @entry
    def body(tid: int, nth: int, x: Read[Region], copy: Write[Blocked], k: int) -> None:
        for row in share(copy.w, tid, nth):
            for block in range(copy.blocks):
                target = copy.inner + block * copy.plane + row * 64
                _halve_row(way, x + (row * k + block * 32) * 4, target, k - block * 32)

    return body
