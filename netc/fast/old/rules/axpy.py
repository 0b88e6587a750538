"""Axpy: a gate for each image and channel, and a sum (SENet), on blocked blobs. The gates are read plain."""

from __future__ import annotations

from netc.fast.machine.moves import scaled
from netc.fast.old.kernels import per_channel as kernels
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.model import Layout
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> Layout | None:
    _, x, z = b.plan.graph.nodes[layer].bottoms
    blocked = "blocked" in (b.native.get(x), b.native.get(z))
    return "blocked" if blocked and len(b.plan.shapes[x]) == 4 else None


def forward(b: Builder, layer: int) -> None:
    gates = b.read_plain(b.bottom(layer)).base
    x, z = b.read(b.bottom(layer, 1)), b.read(b.bottom(layer, 2))
    b.emit(kernels.gated(gates, x, z, b.write(b.top(layer)), "gate"))


def backward(b: Builder, step: Step) -> None:
    layer, (to_gates, to_x, to_z) = step.layer, step.bottom_diffs
    dy = b.read(step.top_diffs[0])
    if to_gates is not None:
        x = b.read(b.bottom(layer, 1))
        work = b.new("workspace", kernels.work_bytes(x, b.threads))
        target = b.write_plain(to_gates).base
        b.emit(kernels.dots(x, dy, target, work, b.threads, "gate gradient"))
    if to_z is not None:
        b.emit(scaled(dy, b.write(to_z)), "copy")
    if to_x is not None:
        gates = b.read_plain(b.bottom(layer)).base
        b.emit(kernels.gated(gates, dy, None, b.write(to_x), "gate gradient"))


FAMILY = Family(("Axpy",), accepts, forward, backward)
