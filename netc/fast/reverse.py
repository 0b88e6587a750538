"""Reverse on plain arrays: rows of an axis, or of the sequences along it, the other way around."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from netc.fast.machine.addresses import floats
from netc.fast.machine.launch import Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import kernel
from netc.kernels.geometry import Along
from netc.plan.model import Step


class Axis(NamedTuple):
    """Steps of the axis, streams of steps, and values of a row; rows from a step, and from a stream, to the next."""

    steps: int
    streams: int
    size: int
    step: int
    stream: int


@kernel(inline="always")
def _copy(x: int, y: int, source: int, target: int, size: int) -> None:
    given, made = floats(x + source * size * 4, size), floats(y + target * size * 4, size)
    for i in range(size):
        made[i] = given[i]


@entry
def turned_axis(tid: int, nth: int, x: Read[Region], y: Write[Region], axis: Axis) -> None:
    """y = x, the last step first."""
    for item in share(axis.steps * axis.streams, tid, nth):
        stream, t = item // axis.steps * axis.stream, item % axis.steps
        _copy(x, y, stream + (axis.steps - 1 - t) * axis.step, stream + t * axis.step, axis.size)


@entry
def turned_sequences(tid: int, nth: int, x: Read[Region], cont: Read[Region], y: Write[Region], axis: Axis) -> None:
    """The same of each sequence where it stands; one begins where cont, which has a number a row, is 0."""
    flags = floats(cont, axis.steps * axis.streams)
    for item in share(axis.streams, tid, nth):
        stream, first = item * axis.stream, 0
        while first < axis.steps:
            end = first + 1
            while end < axis.steps and flags[stream + end * axis.step] != 0:
                end += 1
            for t in range(first, end):
                _copy(x, y, stream + (first + end - 1 - t) * axis.step, stream + t * axis.step, axis.size)
            first = end


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    return None if 0 in b.shape(b.bottom(layer)) else "plain"


def _axis(b: Builder, layer: int) -> Axis:
    shape, axis = b.shape(b.bottom(layer)), b.planned(layer).setup.known(Along).axis
    steps = shape[axis]
    if axis == 0 and len(b.plan.graph.nodes[layer].bottoms) > 1:
        return Axis(steps, shape[1], prod(shape[2:]), shape[1], 1)
    return Axis(steps, prod(shape[:axis]), prod(shape[axis + 1 :]), 1, steps)


def _emit(b: Builder, layer: int, given: int, made: int, label: str) -> None:
    x, axis = b.read_plain(given).flat, _axis(b, layer)
    if len(b.plan.graph.nodes[layer].bottoms) > 1:
        cont = b.read_plain(b.bottom(layer, 1)).flat
        b.emit(turned_sequences(x=x, cont=cont, y=b.write_plain(made).flat, axis=axis), label)
    else:
        b.emit(turned_axis(x=x, y=b.write_plain(made).flat, axis=axis), label)


def forward(b: Builder, layer: int) -> None:
    _emit(b, layer, b.bottom(layer), b.top(layer), "reverse")


def backward(b: Builder, step: Step) -> None:
    """What turns around turns back."""
    if (target := step.bottom_diffs[0]) is not None:
        _emit(b, step.layer, step.top_diffs[0], target, "reverse gradient")


FAMILY = Family(("Reverse",), accepts, forward, backward)
