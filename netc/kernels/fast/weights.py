"""Packing weights from Caffe's order (out, in, kh, kw) into blocks and adding packed gradients to plain ones."""

from __future__ import annotations

from netc.jit import entry, kernel
from netc.kernels.fast.conv import Conv
from netc.kernels.fast.emit import arg
from netc.kernels.fast.memory import floats
from netc.kernels.fast.rows import NOTHING, Ref, Row

FORWARD, BACKWARD, FIRST = 0, 1, 2


def pack_weights(
    source: Ref, target: Ref, conv: Conv, order: int = FORWARD, factor: Ref | int = NOTHING, label: str = ""
) -> list[Row]:
    """OIHW to blocks. BACKWARD swaps input and output channels (for the data gradient), FIRST is for first layers.

    factor: what each output channel's weights are multiplied by, in blocks as a packed bias.
    """
    return [Row(_pack, (source, target, *_sizes(conv), order, factor), label)]


def pack_bias(source: Ref, target: Ref, conv: Conv, label: str = "") -> list[Row]:
    """A bias to whole blocks, each group's from a block of its own."""
    return [Row(_pack_bias, (source, target, conv.groups, conv.outputs // conv.groups), label)]


def add_weight_gradient(packed: Ref, target: Ref, conv: Conv, order: int = FORWARD, label: str = "") -> list[Row]:
    """target (OIHW) += the packed gradient."""
    return [Row(_add, (packed, target, *_sizes(conv), order), label)]


def add_bias_gradient(packed: Ref, target: Ref, conv: Conv, label: str = "") -> list[Row]:
    return [Row(_add_bias, (packed, target, conv.groups, conv.outputs // conv.groups), label)]


def _sizes(conv: Conv) -> tuple[int, int, int, int]:
    return conv.groups, conv.outputs // conv.groups, conv.inputs // conv.groups, conv.cells


@entry
def _pack(row: int, tid: int, nth: int) -> None:
    source, target, groups, outs, ins, cells, order = (
        arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3), arg(row, 4), arg(row, 5), arg(row, 6),
    )  # fmt: skip
    out_blocks = (outs + 15) // 16
    in_blocks = (ins + 15) // 16
    in_lanes = ins if order == 2 else in_blocks * 16
    flat = floats(source, groups * outs * ins * cells)
    packed = floats(target, groups * out_blocks * 16 * in_lanes * cells)
    units = groups * out_blocks
    factors = floats(arg(row, 7), units * 16)
    scaled = arg(row, 7) != 0
    for unit in range(units * tid // nth, units * (tid + 1) // nth):
        group, ob = unit // out_blocks, unit % out_blocks
        for i in range(in_lanes):
            for o in range(16):
                out = ob * 16 + o
                start, step = _place(order, group, ob, o, i, out_blocks, in_blocks, ins, cells)
                if i < ins and out < outs:
                    origin = ((group * outs + out) * ins + i) * cells
                    factor = factors[unit * 16 + o] if scaled else 1
                    for cell in range(cells):
                        packed[start + cell * step] = flat[origin + cell] * factor
                else:
                    for cell in range(cells):
                        packed[start + cell * step] = 0


@entry
def _add(row: int, tid: int, nth: int) -> None:
    source, target, groups, outs, ins, cells, order = (
        arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3), arg(row, 4), arg(row, 5), arg(row, 6),
    )  # fmt: skip
    out_blocks = (outs + 15) // 16
    in_blocks = (ins + 15) // 16
    in_lanes = ins if order == 2 else in_blocks * 16
    flat = floats(target, groups * outs * ins * cells)
    packed = floats(source, groups * out_blocks * 16 * in_lanes * cells)
    units = groups * outs
    for unit in range(units * tid // nth, units * (tid + 1) // nth):
        group, out = unit // outs, unit % outs
        for i in range(ins):
            start, step = _place(order, group, out // 16, out % 16, i, out_blocks, in_blocks, ins, cells)
            origin = (unit * ins + i) * cells
            for cell in range(cells):
                flat[origin + cell] += packed[start + cell * step]


@kernel(inline="always")
def _place(
    order: int, group: int, ob: int, o: int, i: int, out_blocks: int, in_blocks: int, ins: int, cells: int
) -> tuple[int, int]:
    """Where cell 0 of weight (out ob * 16 + o, in i) is in packed weights, and how far apart the cells are (floats)."""
    if order == 2:
        return (ob * ins + i) * cells * 16 + o, 16
    ib, lane = i // 16, i % 16
    if order == 1:
        return ((group * in_blocks + ib) * out_blocks + ob) * cells * 256 + o * 16 + lane, 256
    return ((group * out_blocks + ob) * in_blocks + ib) * cells * 256 + lane * 16 + o, 256


@entry
def _pack_bias(row: int, tid: int, nth: int) -> None:
    if tid > 0:
        return
    groups, outs = arg(row, 2), arg(row, 3)
    lanes = (outs + 15) // 16 * 16
    flat, packed = floats(arg(row, 0), groups * outs), floats(arg(row, 1), groups * lanes)
    for group in range(groups):
        for o in range(lanes):
            packed[group * lanes + o] = flat[group * outs + o] if o < outs else 0


@entry
def _add_bias(row: int, tid: int, nth: int) -> None:
    if tid > 0:
        return
    groups, outs = arg(row, 2), arg(row, 3)
    lanes = (outs + 15) // 16 * 16
    packed, flat = floats(arg(row, 0), groups * lanes), floats(arg(row, 1), groups * outs)
    for group in range(groups):
        for o in range(outs):
            flat[group * outs + o] += packed[group * lanes + o]
