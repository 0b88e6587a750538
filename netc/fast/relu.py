"""ReLU and LeakyReLU; behind a convolution, a normalization, an inner product or a sum those do the forward."""

from __future__ import annotations

from math import prod

from netc.fast.machine.addresses import floats
from netc.fast.machine.launch import Launch, Region
from netc.fast.machine.layout import Blocked, as_lines
from netc.fast.machine.lines import clipped, line_of, lines_of, share, sloped, spot
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.plan.model import Step


def relu(x: Blocked, y: Blocked, slope: float = 0) -> Launch:
    """y = x, slope * x where that is below 0; y may be x."""
    x, y = as_lines(x, y)
    return _relu(x=x, y=y, slope=slope)


@entry
def _relu(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], slope: float) -> None:
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        source, target = line_of(x, at), line_of(y, at)
        if slope == 0:
            for i in range(target.size):
                target[i] = clipped(source[i])
        else:
            for i in range(target.size):
                target[i] = sloped(source[i], slope)


@entry
def _relu_plain(tid: int, nth: int, x: Read[Region], y: Write[Region], count: int, slope: float) -> None:
    """The same of a plain array of any size."""
    first, last = count * tid // nth, count * (tid + 1) // nth
    source, target = floats(x, count), floats(y, count)
    for i in range(first, last):
        target[i] = clipped(source[i]) if slope == 0 else sloped(source[i], slope)


def relu_gradient(sign: Blocked, dy: Blocked, dx: Blocked, slope: float) -> Launch:
    """dx = dy where sign > 0, slope * dy elsewhere; sign is ReLU's bottom or top, dx may be dy."""
    sign, dy, dx = as_lines(sign, dy, dx)
    return _relu_gradient(sign=sign, dy=dy, dx=dx, slope=slope)


@entry
def _relu_gradient(
    tid: int, nth: int, sign: Read[Blocked], dy: Read[Blocked], dx: Write[Blocked], slope: float
) -> None:
    for item in share(lines_of(dx), tid, nth):
        at = spot(dx, item)
        signs, source, target = line_of(sign, at), line_of(dy, at), line_of(dx, at)
        for i in range(target.size):
            target[i] = source[i] if signs[i] > 0 else source[i] * slope


# ---------------------------------------------------------------- the layers


def slope(b: Builder, layer: int) -> float:
    """What values below 0 are multiplied by."""
    node = b.plan.graph.nodes[layer]
    fields = node.record.relu_param if node.type.name == "ReLU" else node.record.leaky_relu_param
    return float(fields.negative_slope)


def accepts(b: Builder, layer: int) -> Layout | None:
    layout = b.any_layout(layer)
    return "plain" if layout is None and not b.planned(layer).needs_backward else layout


def forward(b: Builder, layer: int) -> None:
    bottom, top = b.bottom(layer), b.top(layer)
    if b.any_layout(layer) is None:
        x, count = b.read_plain(bottom).flat, prod(b.shape(bottom))
        b.emit(_relu_plain(x=x, y=b.write_plain(top).flat, count=count, slope=slope(b, layer)), "relu")
        return
    read, write = b.by_value(layer)
    blob = read(bottom)
    b.emit(relu(blob, write(top), slope(b, layer)), "relu")


def backward(b: Builder, step: Step) -> None:
    target = step.bottom_diffs[0]
    if target is None:
        return
    read, write = b.by_value(step.layer)
    kept = "y" in b.planned(step.layer).setup.reads
    sign = read(b.top(step.layer) if kept else b.bottom(step.layer))
    dy = read(step.top_diffs[0])
    b.emit(relu_gradient(sign, dy, write(target), slope(b, step.layer)), "relu gradient")


FAMILY = Family(("ReLU", "LeakyReLU"), accepts, forward, backward)
