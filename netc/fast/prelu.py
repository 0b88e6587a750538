"""PReLU; behind a convolution or an inner product those do the forward. Slopes lie plain."""

from __future__ import annotations

from math import prod
from typing import Any

from netc.fast.machine.addresses import floats
from netc.fast.machine.dots import plane_dots, workspace_bytes
from netc.fast.machine.emit import (
    I64,
    POINTER,
    VECTOR_BYTES,
    Loop,
    broadcast,
    constant,
    lanes_below,
    load,
    load_masked,
    pointers,
    store,
    variable,
)
from netc.fast.machine.launch import Region
from netc.fast.machine.layout import Blocked
from netc.fast.machine.lines import line_at, lines_of, share, sloped, spot
from netc.fast.machine.operands import Read, Update, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types
from netc.kernels.geometry import Folded
from netc.plan.model import Step


@intrinsic
def _slope_pixels(
    _context: Any, sign: Any, x: Any, y: Any, pixels: Any, slopes: Any, lanes: Any, shared: Any, zeros: Any
) -> Any:  # fmt: skip
    """y = x, where sign is below 0 times its lane's slope: of `lanes` lanes, or one for all if `shared`. zeros: also
    where it is 0 or NaN."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        slots = [variable(b, pointer) for pointer in pointers(b, arguments[:3])]
        pixels, slopes, lanes, shared, zeros = arguments[3:]
        given, none = b.inttoptr(slopes, POINTER), ir.Constant(I64, 0)
        slope = b.select(
            b.icmp_signed("!=", shared, none), broadcast(b, given), load_masked(b, given, lanes_below(b, lanes))
        )  # fmt: skip
        with Loop(b, pixels, slots, [VECTOR_BYTES] * 3):
            signs, values = (load(b, b.load(slot, typ=POINTER)) for slot in slots[:2])
            below, not_above = b.fcmp_ordered("<", signs, constant(0)), b.fcmp_unordered("<=", signs, constant(0))
            change = b.select(b.icmp_signed("!=", zeros, none), not_above, below)
            store(b, b.select(change, b.fmul(values, slope), values), b.load(slots[2], typ=POINTER))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 8), codegen


@entry
def _prelu(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], slopes: Read[Region], shared: bool) -> None:
    """y = x, below 0 times the slope: the channel's or (`shared`) the one there is; y may be x."""
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        lanes, first = min(16, y.c - at[1] * 16), slopes if shared else slopes + at[1] * 64
        _slope_pixels(line_at(x, at), line_at(x, at), line_at(y, at), y.w, first, 0 if shared else lanes, shared, 0)


@entry
def _prelu_gradient(
    tid: int, nth: int, x: Read[Blocked], dy: Read[Blocked], dx: Write[Blocked], slopes: Read[Region], shared: bool
) -> None:
    """dx = dy where x > 0, dy times the slope elsewhere; dx may be dy."""
    for item in share(lines_of(dx), tid, nth):
        at = spot(dx, item)
        lanes, first = min(16, dx.c - at[1] * 16), slopes if shared else slopes + at[1] * 64
        _slope_pixels(line_at(x, at), line_at(dy, at), line_at(dx, at), dx.w, first, 0 if shared else lanes, shared, 1)


@entry
def _prelu_plain(
    tid: int, nth: int, x: Read[Region], y: Write[Region], slopes: Read[Region], view: Folded, shared: bool
) -> None:
    """Forward of a plain array, whose middle axis is the channels; y may be x."""
    every = floats(slopes, 1 if shared else view.middle)
    for item in share(view.outer * view.middle, tid, nth):
        slope = every[0 if shared else item % view.middle]
        source, target = floats(x + item * view.inner * 4, view.inner), floats(y + item * view.inner * 4, view.inner)
        for i in range(view.inner):
            target[i] = sloped(source[i], slope)


@entry
def _add_images(
    tid: int, nth: int, sums: Read[Region], slopes: Update[Region], images: int, channels: int, shared: bool
) -> None:
    """slopes += what `plane_dots` summed, over images and, where there is one slope, over channels."""
    if tid > 0:
        return
    planes = (channels + 15) // 16
    target = floats(slopes, 1 if shared else channels)
    for c in range(channels):
        total = 0.0
        for n in range(images):
            total += floats(sums + (n * planes * 16 + c) * 4, 1)[0]
        target[0 if shared else c] += total


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    bottom = b.plan.graph.nodes[layer].bottoms[0]
    if b.native.get(bottom) == "blocked" and len(b.plan.shapes[bottom]) == 4:
        return "blocked"
    return None if b.planned(layer).needs_backward else "plain"


def is_shared(b: Builder, layer: int) -> bool:
    """Whether one slope serves all channels."""
    return bool(b.plan.graph.nodes[layer].record.prelu_param.channel_shared)


def forward(b: Builder, layer: int) -> None:
    bottom, top, slopes, shared = b.bottom(layer), b.top(layer), b.param(layer, 0), is_shared(b, layer)
    if b.native[b.plan.graph.nodes[layer].tops[0]] == "blocked":
        x = b.read(bottom)
        b.emit(_prelu(x=x, y=b.write(top), slopes=slopes, shared=shared), "prelu")
        return
    first, channels, *rest = b.shape(bottom)
    flat, view = b.read_plain(bottom).flat, Folded(first, channels, prod(rest))
    b.emit(_prelu_plain(x=flat, y=b.write_plain(top).flat, slopes=slopes, view=view, shared=shared), "prelu")


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    x, dy, shared = b.read(b.bottom(layer)), b.read(step.top_diffs[0]), is_shared(b, layer)
    if (gradient := b.param_gradient(layer, 0)) is not None:
        launch, sums = plane_dots(x, dy, b.new("workspace", workspace_bytes(x, b.threads)), below=True)
        added = _add_images(sums=sums, slopes=gradient, images=x.n, channels=x.c, shared=shared)
        b.emit([launch, added], "slope gradient")
    if target is not None:
        dx, slopes = b.write(target), b.param(layer, 0)
        b.emit(_prelu_gradient(x=x, dy=dy, dx=dx, slopes=slopes, shared=shared), "prelu gradient")


FAMILY = Family(("PReLU",), accepts, forward, backward)
