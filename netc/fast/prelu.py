"""PReLU of a blocked bottom. Slopes lie plain."""

from __future__ import annotations

from netc.fast.machine.addresses import floats
from netc.fast.machine.dots import plane_dots, workspace_bytes
from netc.fast.machine.launch import Region
from netc.fast.machine.layout import Blocked
from netc.fast.machine.lines import line_of, lines_of, share, spot
from netc.fast.machine.operands import Read, Update, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.plan.model import Step


@entry
def _prelu(
    tid: int, nth: int, sign: Read[Blocked], x: Read[Blocked], y: Write[Blocked], slopes: Read[Region], shared: bool
) -> None:
    """y = x where sign > 0, elsewhere x times the slope, the channel's or (`shared`) the one there is; y may be x."""
    every = floats(slopes, 1 if shared else y.c)
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        block = at[1]
        signs, source, target = line_of(sign, at), line_of(x, at), line_of(y, at)
        if shared:
            slope = every[0]
            for i in range(target.size):
                target[i] = source[i] if signs[i] > 0 else source[i] * slope
        elif block * 16 + 16 <= y.c:
            own = every[block * 16 : block * 16 + 16]
            for pixel in range(y.w):
                for lane in range(16):
                    i = pixel * 16 + lane
                    target[i] = source[i] if signs[i] > 0 else source[i] * own[lane]
        else:
            lanes = y.c - block * 16
            for pixel in range(y.w):
                for lane in range(16):
                    i = pixel * 16 + lane
                    if lane < lanes:
                        target[i] = source[i] if signs[i] > 0 else source[i] * every[block * 16 + lane]
                    else:
                        target[i] = 0


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
    return "blocked" if b.native.get(bottom) == "blocked" and len(b.plan.shapes[bottom]) == 4 else None


def _shared(b: Builder, layer: int) -> bool:
    return bool(b.plan.graph.nodes[layer].record.prelu_param.channel_shared)


def forward(b: Builder, layer: int) -> None:
    x, slopes = b.read(b.bottom(layer)), b.param(layer, 0)
    b.emit(_prelu(sign=x, x=x, y=b.write(b.top(layer)), slopes=slopes, shared=_shared(b, layer)), "prelu")


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    x, dy, shared = b.read(b.bottom(layer)), b.read(step.top_diffs[0]), _shared(b, layer)
    if (gradient := b.param_gradient(layer, 0)) is not None:
        launch, sums = plane_dots(x, dy, b.new("workspace", workspace_bytes(x, b.threads)), below=True)
        added = _add_images(sums=sums, slopes=gradient, images=x.n, channels=x.c, shared=shared)
        b.emit([launch, added], "slope gradient")
    if target is not None:
        dx, slopes = b.write(target), b.param(layer, 0)
        b.emit(_prelu(sign=x, x=dy, y=dx, slopes=slopes, shared=shared), "prelu gradient")


FAMILY = Family(("PReLU",), accepts, forward, backward)
