"""Axpy: a gate for each image and channel, and a sum (SENet), on blocked blobs. The gates lie plain (N x C)."""

from __future__ import annotations

from netc.fast.machine.addresses import floats
from netc.fast.machine.dots import plane_dots, workspace_bytes
from netc.fast.machine.launch import Region
from netc.fast.machine.layout import NO_BLOB, Blocked
from netc.fast.machine.lines import line_at, line_of, lines_of, share, spot
from netc.fast.machine.moves import scaled
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.plan.model import Step


@entry
def _gated(tid: int, nth: int, gates: Read[Region], x: Read[Blocked], z: Read[Blocked], y: Write[Blocked]) -> None:
    """y = gate x (+ z, if there is one); y may be x or z."""
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        n, block, _ = at
        source, target = line_of(x, at), line_of(y, at)
        added = floats(line_at(z, at) if z.inner else line_at(x, at), y.w * 16)
        lanes = min(16, y.c - block * 16)
        own = floats(gates + (n * y.c + block * 16) * 4, lanes)
        for pixel in range(y.w):
            for lane in range(lanes):
                i = pixel * 16 + lane
                product = own[lane] * source[i]
                target[i] = product + added[i] if z.inner else product
            for lane in range(lanes, 16):
                target[pixel * 16 + lane] = 0


@entry
def _to_plain(tid: int, nth: int, sums: Read[Region], target: Write[Region], images: int, channels: int) -> None:
    """target (N x C) = what `plane_dots` summed."""
    if tid > 0:
        return
    planes = (channels + 15) // 16
    for n in range(images):
        source, row = floats(sums + n * planes * 64, channels), floats(target + n * channels * 4, channels)
        for c in range(channels):
            row[c] = source[c]


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    _, x, z = b.plan.graph.nodes[layer].bottoms
    blocked = "blocked" in (b.native.get(x), b.native.get(z))
    return "blocked" if blocked and len(b.plan.shapes[x]) == 4 else None


def forward(b: Builder, layer: int) -> None:
    gates = b.read_plain(b.bottom(layer)).flat
    x, z = b.read(b.bottom(layer, 1)), b.read(b.bottom(layer, 2))
    b.emit(_gated(gates=gates, x=x, z=z, y=b.write(b.top(layer))), "gate")


def backward(b: Builder, step: Step) -> None:
    layer, (to_gates, to_x, to_z) = step.layer, step.bottom_diffs
    dy = b.read(step.top_diffs[0])
    if to_gates is not None:
        x = b.read(b.bottom(layer, 1))
        launch, sums = plane_dots(x, dy, b.new("workspace", workspace_bytes(x, b.threads)))
        target = b.write_plain(to_gates).flat
        b.emit([launch, _to_plain(sums=sums, target=target, images=x.n, channels=x.c)], "gate gradient")
    if to_z is not None:
        b.emit(scaled(dy, b.write(to_z)), "copy")
    if to_x is not None:
        gates = b.read_plain(b.bottom(layer)).flat
        b.emit(_gated(gates=gates, x=dy, z=NO_BLOB, y=b.write(to_x)), "gate gradient")


FAMILY = Family(("Axpy",), accepts, forward, backward)
