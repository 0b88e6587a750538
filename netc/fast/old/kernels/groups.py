"""Convolutions whose groups fill no blocks of 16 channels: several groups as one, with zeros between them.

m groups of a x b channels become one group of m a x m b. The work is m times as much, at the tile's speed.
"""

from __future__ import annotations

from dataclasses import replace

from netc.fast.machine.emit import LANES, arg
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.memory import floats, zero
from netc.fast.old.kernels.conv import Conv
from netc.jit import entry

MOST = 32  # groups that are taken together


def together(conv: Conv) -> int:
    """How many groups must become one so that groups are whole blocks (or there is one group); 0: too many."""
    outs, ins = conv.outputs // conv.groups, conv.inputs // conv.groups
    for count in range(1, min(conv.groups, MOST) + 1):
        whole = count == conv.groups or (count * outs % LANES == 0 == count * ins % LANES)
        if conv.groups % count == 0 and whole:
            return count
    return 0


def merged(conv: Conv, count: int) -> Conv:
    return replace(conv, groups=conv.groups // count)


def weight_bytes(conv: Conv, count: int) -> int:
    """The size of the weights with zeros, in Caffe's order."""
    return conv.outputs * (conv.inputs // conv.groups) * count * conv.cells * 4


def spread(source: Ref, target: Ref, conv: Conv, count: int, label: str = "") -> list[Launch]:
    """target = the weights with zeros."""
    return [Launch(_spread, (source, target, *_sizes(conv, count)), label)]


def clear(target: Ref, conv: Conv, count: int, label: str = "") -> list[Launch]:
    return [Launch(_clear, (target, weight_bytes(conv, count)), label)]


def collect(source: Ref, target: Ref, conv: Conv, count: int, label: str = "") -> list[Launch]:
    """target += what lies in the place of the weights."""
    return [Launch(_collect, (source, target, *_sizes(conv, count)), label)]


def _sizes(conv: Conv, count: int) -> tuple[int, int, int, int]:
    """Outputs, outputs of a group, floats of an output's weights, and groups that become one."""
    return conv.outputs, conv.outputs // conv.groups, conv.inputs // conv.groups * conv.cells, count


@entry
def _spread(row: int, tid: int, nth: int) -> None:
    source, target, outputs, group, length, count = (
        arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3), arg(row, 4), arg(row, 5)
    )  # fmt: skip
    for o in range(outputs * tid // nth, outputs * (tid + 1) // nth):
        given, line = floats(source + o * length * 4, length), target + o * length * count * 4
        zero(line, length * count * 4)
        here = floats(line + o // group % count * length * 4, length)
        for i in range(length):
            here[i] = given[i]


@entry
def _clear(row: int, tid: int, nth: int) -> None:
    words = arg(row, 1) // 4
    first, last = words * tid // nth, words * (tid + 1) // nth
    zero(arg(row, 0) + first * 4, (last - first) * 4)


@entry
def _collect(row: int, tid: int, nth: int) -> None:
    source, target, outputs, group, length, count = (
        arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3), arg(row, 4), arg(row, 5)
    )  # fmt: skip
    for o in range(outputs * tid // nth, outputs * (tid + 1) // nth):
        there = floats(source + (o * count + o // group % count) * length * 4, length)
        sums = floats(target + o * length * 4, length)
        for i in range(length):
            sums[i] += there[i]
