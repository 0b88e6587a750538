"""Packing weights from Caffe's order (out, in, kh, kw) into blocks and adding packed gradients to plain ones."""

from __future__ import annotations

from typing import Any, NamedTuple

from netc.fast.convolution.geometry import Conv
from netc.fast.machine.addresses import floats, zero
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
from netc.fast.machine.operands import Read, Update, Write, entry
from netc.jit import intrinsic, ir
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


def add_weight_gradient(packed: Region, target: Region, conv: Conv, order: int = FORWARD) -> Launch:
    """target (OIHW) += the packed gradient."""
    return _add(packed=packed, target=target, sizes=_sizes(conv), order=order)


def pack_bias(source: Region, packed: Region, conv: Conv) -> Launch:
    """A bias to whole blocks."""
    return _pack_bias(source=source, packed=packed, sizes=_sizes(conv))


def add_bias_gradient(packed: Region, target: Region, conv: Conv) -> Launch:
    """target += the packed gradient of a bias."""
    return _add_bias(packed=packed, target=target, sizes=_sizes(conv))


@entry
def _pack(
    tid: int, nth: int, source: Read[Region], packed: Write[Region], factor: Read[Region], sizes: Sizes, order: int
) -> None:
    groups, outs, ins, cells = sizes.groups, sizes.outs, sizes.ins, sizes.cells
    out_blocks = (outs + 15) // 16
    lanes = ins if order == 2 else 16
    in_blocks = 1 if order == 2 else (ins + 15) // 16
    block_bytes = lanes * cells * 64
    for unit in share(groups * out_blocks * in_blocks, tid, nth):
        ib, rest = unit % in_blocks, unit // in_blocks
        ob, group = rest % out_blocks, rest // out_blocks
        here_out, here_in = min(16, outs - ob * 16), min(lanes, ins - ib * lanes)
        place = (group * in_blocks + ib) * out_blocks + ob if order == 1 else unit
        start = packed + place * block_bytes
        if here_in < lanes:
            zero(start, block_bytes)
        first = source + ((group * outs + ob * 16) * ins + ib * lanes) * cells * 4
        scale = factor + rest * 64 if factor else 0
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
