"""Packing weights from Caffe's order (out, in, kh, kw) into blocks and adding packed gradients to plain ones."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from netc.fast.convolution.geometry import BLOCK, Conv
from netc.fast.machine.addresses import floats, zero
from netc.fast.machine.bf16 import pair_rows
from netc.fast.machine.emit import (
    I64,
    LANES,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    at,
    constant,
    load,
    load_masked,
    load_rows,
    pointers,
    present_rows,
    spaced_rows,
    store,
    store_masked,
    transpose,
    transpose_block,
    variable,
)
from netc.fast.machine.launch import NOTHING, Launch, Region
from netc.fast.machine.layout import blocks
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Scratch, Update, Write, entry
from netc.jit import intrinsic, ir, kernel
from netc.jit import numba_types as types

FORWARD, BACKWARD, FIRST = 0, 1, 2


class Sizes(NamedTuple):
    """Of weights: groups, output and input channels of one, cells of the kernel."""

    groups: int
    outs: int
    ins: int
    cells: int


def _sizes(conv: Conv) -> Sizes:
    return Sizes(conv.groups, conv.outputs // conv.groups, conv.inputs // conv.groups, conv.cells)


def packed_bytes(conv: Conv, order: int) -> int:
    """The size of weights that are packed in this order."""
    return conv.packed_bytes if order != FIRST else conv.out_blocks * conv.inputs * conv.cells * VECTOR_BYTES


def bias_bytes(conv: Conv) -> int:
    """The size of a packed bias: a float for each output channel, each group's from a block of its own."""
    return conv.groups * blocks(conv.outputs // conv.groups) * VECTOR_BYTES


def pack_weights(source: Region, packed: Region, conv: Conv, order: int = FORWARD, factor: Region = NOTHING) -> Launch:
    """OIHW to blocks. BACKWARD swaps input and output channels (for the data gradient), FIRST is for first layers.

    factor: what each output channel's weights are multiplied by, in blocks as a packed bias.
    """
    return _pack(source=source, packed=packed, factor=factor, sizes=_sizes(conv), order=order)


def pair_bytes(conv: Conv, order: int = FORWARD) -> int:
    """The size of weights that are packed in words of two channels."""
    summed, others = (conv.in_blocks, conv.out_blocks)[:: -1 if order == BACKWARD else 1]
    return conv.groups * others * -(-summed // 2) * conv.cells * BLOCK


def pack_pairs(
    way: int, source: Region, packed: Region, scratch: Region, conv: Conv, order: int = FORWARD,
    factor: Region = NOTHING,
) -> Launch:  # fmt: skip
    """The same in bfloat16, in words of two of the channels that are summed over (`machine.bf16`).

    scratch: a block of weights for each thread.
    """
    sizes = _sizes(conv)
    pack = _pack_pairs(way)
    return pack(source=source, packed=packed, factor=factor, scratch=scratch, sizes=sizes, order=order)


def add_weight_gradient(packed: Region, target: Region, conv: Conv, order: int = FORWARD) -> Launch:
    """target (OIHW) += the packed gradient."""
    return _add(packed=packed, target=target, sizes=_sizes(conv), order=order)


def pack_bias(source: Region, packed: Region, conv: Conv) -> Launch:
    """A bias to whole blocks."""
    return _pack_bias(source=source, packed=packed, sizes=_sizes(conv))


def add_bias_gradient(packed: Region, target: Region, conv: Conv) -> Launch:
    """target += the packed gradient of a bias."""
    return _add_bias(packed=packed, target=target, sizes=_sizes(conv))


@kernel
def pack_unit(source: int, factor: int, start: int, group: int, ob: int, ib: int, sizes: Sizes, order: int) -> None:
    """The weights of one block of a group's outputs and one of its inputs, as they are packed in this order."""
    outs, ins, cells = sizes.outs, sizes.ins, sizes.cells
    lanes = ins if order == 2 else 16
    here_out, here_in = min(16, outs - ob * 16), min(lanes, ins - ib * lanes)
    if here_in < lanes:
        zero(start, lanes * cells * 64)
    first = source + ((group * outs + ob * 16) * ins + ib * lanes) * cells * 4
    scale = factor + (group * ((outs + 15) // 16) + ob) * 64 if factor else 0
    columns = here_in * cells
    cell_step, lane_step = (64, cells * 64) if order == 2 else (1024, 64)
    for column in range(0, columns, 16):
        spread_block(
            first + column * 4, ins * cells * 4, start, column, cells, cell_step, lane_step, here_out,
            min(16, columns - column), scale,
        )  # fmt: skip
    if order == 1:
        for cell in range(cells):
            transpose_block(start + cell * 1024, 64, start + cell * 1024, 64, 16, 16, 16)


@entry
def _pack(
    tid: int, nth: int, source: Read[Region], packed: Write[Region], factor: Read[Region], sizes: Sizes, order: int
) -> None:
    out_blocks = (sizes.outs + 15) // 16
    lanes = sizes.ins if order == 2 else 16
    in_blocks = 1 if order == 2 else (sizes.ins + 15) // 16
    for unit in share(sizes.groups * out_blocks * in_blocks, tid, nth):
        ib, rest = unit % in_blocks, unit // in_blocks
        ob, group = rest % out_blocks, rest // out_blocks
        place = (group * in_blocks + ib) * out_blocks + ob if order == 1 else unit
        pack_unit(source, factor, packed + place * lanes * sizes.cells * 64, group, ob, ib, sizes, order)


@functools.cache
def _pack_pairs(way: int) -> Entry[...]:
    @entry
    def body(
        tid: int, nth: int, source: Read[Region], packed: Write[Region], factor: Read[Region],
        scratch: Scratch[Region], sizes: Sizes, order: int,
    ) -> None:  # fmt: skip
        out_blocks, in_blocks, size = (sizes.outs + 15) // 16, (sizes.ins + 15) // 16, sizes.cells * 1024
        summed, others = (out_blocks, in_blocks) if order == 1 else (in_blocks, out_blocks)
        pairs, room = (summed + 1) // 2, scratch + tid * size
        for unit in share(sizes.groups * others * pairs, tid, nth):
            other, group = unit // pairs % others, unit // pairs // others
            for half in range(2):
                block = unit % pairs * 2 + half
                ob, ib = (block, other) if order == 1 else (other, block)
                if block < summed:
                    pack_unit(source, factor, room, group, ob, ib, sizes, order)
                else:
                    zero(room, size)
                for cell in range(sizes.cells):
                    pair_rows(way, room + cell * 1024, packed + unit * size + cell * 1024 + half * 512)

    return body


@entry
def _add(tid: int, nth: int, packed: Read[Region], target: Update[Region], sizes: Sizes, order: int) -> None:
    groups, outs, ins, cells = sizes.groups, sizes.outs, sizes.ins, sizes.cells
    out_blocks = (outs + 15) // 16
    lanes = ins if order == 2 else 16
    in_blocks = 1 if order == 2 else (ins + 15) // 16
    for unit in share(groups * out_blocks * in_blocks, tid, nth):
        ib, rest = unit % in_blocks, unit // in_blocks
        ob, group = rest % out_blocks, rest // out_blocks
        here_out, here_in = min(16, outs - ob * 16), min(lanes, ins - ib * lanes)
        first = target + ((group * outs + ob * 16) * ins + ib * lanes) * cells * 4
        columns = here_in * cells
        cell_step, lane_step = (64, cells * 64) if order == 2 else (1024, 64)
        for column in range(0, columns, 16):
            collect_block(
                packed + unit * lanes * cells * 64, column, cells, cell_step, lane_step, first + column * 4,
                ins * cells * 4, here_out, min(16, columns - column),
            )  # fmt: skip


@entry
def _pack_bias(tid: int, nth: int, source: Read[Region], packed: Write[Region], sizes: Sizes) -> None:
    lanes = (sizes.outs + 15) // 16 * 16
    for group in share(sizes.groups, tid, nth):
        flat, block = floats(source + group * sizes.outs * 4, sizes.outs), floats(packed + group * lanes * 4, lanes)
        for o in range(lanes):
            block[o] = flat[o] if o < sizes.outs else 0


@entry
def _add_bias(tid: int, nth: int, packed: Read[Region], target: Update[Region], sizes: Sizes) -> None:
    lanes = (sizes.outs + 15) // 16 * 16
    for group in share(sizes.groups, tid, nth):
        block, flat = floats(packed + group * lanes * 4, lanes), floats(target + group * sizes.outs * 4, sizes.outs)
        for o in range(sizes.outs):
            flat[o] += block[o]


def _place(b: Any, start: Any, first: Any, i: int, cells: Any, cell_step: Any, lane_step: Any) -> Any:
    """The address of column first + i, which is cell (column mod cells) of input lane (column div cells)."""
    column = b.add(first, ir.Constant(I64, i))
    lane, cell = b.udiv(column, cells), b.urem(column, cells)
    return at(b, start, b.add(b.mul(lane, lane_step), b.mul(cell, cell_step)))


@intrinsic
def spread_block(
    _context: Any, source: Any, source_step: Any, target: Any, first: Any, cells: Any, cell_step: Any, lane_step: Any,
    rows: Any, columns: Any, factor: Any,
) -> Any:  # fmt: skip
    """Write columns of a matrix (rows: outputs, at most 16; columns: input and cell) as vectors, each at its place.

    factor: the address of 16 floats that the outputs are multiplied by, or 0.
    """

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        matrix, start = pointers(b, (arguments[0], arguments[2]))
        step, first, cells, cell_step, lane_step, rows, columns, factor = (arguments[i] for i in (1, *range(3, 10)))
        none = ir.Constant(I64, 0)
        scale = variable(b, constant(1))
        with b.if_then(b.icmp_signed("!=", factor, none)):
            b.store(load(b, b.inttoptr(factor, POINTER)), scale)
        found = load_rows(b, spaced_rows(b, matrix, step), rows, columns)
        for i, vector in enumerate(transpose(b, found)):
            with b.if_then(b.icmp_signed("<", ir.Constant(I64, i), columns)):
                scaled = b.fmul(vector, b.load(scale, typ=VECTOR))
                store(b, scaled, _place(b, start, first, i, cells, cell_step, lane_step))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 10), codegen


@intrinsic
def collect_block(
    _context: Any, source: Any, first: Any, cells: Any, cell_step: Any, lane_step: Any, target: Any, target_step: Any,
    rows: Any, columns: Any,
) -> Any:  # fmt: skip
    """Add vectors at their places to columns of a matrix: the reverse of `spread_block`."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        start, matrix = pointers(b, (arguments[0], arguments[5]))
        first, cells, cell_step, lane_step = arguments[1:5]
        step, rows, columns = arguments[6:]
        places = [_place(b, start, first, i, cells, cell_step, lane_step) for i in range(LANES)]
        sums = transpose(b, load_rows(b, places, columns, ir.Constant(I64, LANES)))
        for vector, (place, mask) in zip(
            sums, present_rows(b, spaced_rows(b, matrix, step), rows, columns), strict=True
        ):
            store_masked(b, b.fadd(load_masked(b, place, mask), vector), place, mask)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), codegen
