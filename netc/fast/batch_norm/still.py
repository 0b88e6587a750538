"""Scale and Bias in training: a factor and a shift for each channel that depend on parameters alone.

y = x * factor + shift; dx = dy * factor, and the sums of dy x and of dy are the gradients of the two. BatchNorm with
stored statistics goes backward like that, too (`training`).
"""

from __future__ import annotations

import functools

from netc.fast.batch_norm.affine import Affine, apply
from netc.fast.batch_norm.lines import slope_line
from netc.fast.batch_norm.sums import Batch, add_gradients_of, gradient_sums, over_images, sums_of
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import NO_BLOB, Blocked
from netc.fast.machine.lines import line_at, share
from netc.fast.machine.operands import Entry, Read, Update, Write, entry
from netc.fast.program.builder import Builder
from netc.plan.model import Step

Wanted = tuple[Region, Region]
"""Where the gradients of a factor and of a shift are added; NOTHING: not asked for."""


@entry
def _add_sums(
    tid: int, nth: int, sums: Update[Region], batch: Batch, scale_gradient: Update[Region],
    bias_gradient: Update[Region],
) -> None:  # fmt: skip
    for block in share(batch.blocks, tid, nth):
        place = over_images(sums, batch.images, batch.blocks, block)
        add_gradients_of(block, place, batch.channels, scale_gradient, bias_gradient)


@functools.cache
def _times(relu: bool) -> Entry[...]:
    """dx = slope * g; g: dy, with relu 0 unless x * factor + shift > 0 (else x is not read)."""
    number = int(relu)

    @entry
    def body(
        tid: int, nth: int, x: Read[Blocked], dy: Read[Blocked], dx: Write[Blocked], slopes: Read[Region],
        factor: Read[Region], shift: Read[Region],
    ) -> None:  # fmt: skip
        for item in share(dx.n * dx.blocks, tid, nth):
            n, block = item // dx.blocks, item % dx.blocks
            move = block * 64
            for line in range(dx.h):
                at = n, block, line
                slope_line(
                    number, line_at(x, at), line_at(dy, at), line_at(dx, at), dx.w, slopes + move, factor + move,
                    shift + move,
                )  # fmt: skip

    return body


def gradients(
    b: Builder, x: Blocked | None, given: int, target: int | None, affine: Affine, slopes: Region, wanted: Wanted,
    relu: bool,
) -> None:  # fmt: skip
    """Backward of y = x * factor + shift, or of the ReLU of that.

    x: None where neither the gradient of the factor nor the ReLU needs it. given, target: the slots of dy and dx.
    slopes: dx / g for each channel.
    """
    dy, factor, shift = b.read(given), affine.factor, affine.shift
    launches = []
    if any(wanted):
        seen = dy if x is None else x  # of the products with it nobody asks
        sums, batch = sums_of(b, seen)
        launches += [
            gradient_sums(relu)(x_hat=seen, dy=dy, sums=sums, factor=factor, shift=shift),
            _add_sums(sums=sums, batch=batch, scale_gradient=wanted[0], bias_gradient=wanted[1]),
        ]
    if target is not None:
        masked = x if relu and x is not None else NO_BLOB
        launches.append(_times(relu)(x=masked, dy=dy, dx=b.write(target), slopes=slopes, factor=factor, shift=shift))
    b.emit(launches, "scale gradient")


# ---------------------------------------------------------------- the layers


def forward(b: Builder, layer: int) -> None:
    x = b.read(b.bottom(layer))
    if layer not in b.notes:  # also where it runs again alone, and a BatchNorm did it in forward
        affine = Affine.new(b, x.c)
        b.emit([affine.start(), affine.scale(*_params(b, layer))], "factors")
        b.notes[layer] = affine
    affine = b.notes[layer]
    y = b.write(b.top(layer))
    b.emit(apply(x=x, y=y, factor=affine.factor, shift=affine.shift, relu=False), "affine")


def backward(b: Builder, step: Step) -> None:
    layer, affine = step.layer, b.notes[step.layer]
    found = [b.param_gradient(layer, i) or NOTHING for i in range(len(b.planned(layer).params))]
    scales = b.plan.graph.nodes[layer].type.name == "Scale"
    wanted = (found[0], found[1] if len(found) > 1 else NOTHING) if scales else (NOTHING, found[0])
    x = b.read(b.bottom(layer)) if wanted[0] else None
    gradients(b, x, step.top_diffs[0], step.bottom_diffs[0], affine, affine.factor, wanted, relu=False)


def _params(b: Builder, layer: int) -> tuple[Region, Region]:
    """The factor and the shift; NOTHING: there is none."""
    params = [b.param(layer, i) for i in range(len(b.planned(layer).params))]
    if b.plan.graph.nodes[layer].type.name == "Bias":
        return NOTHING, params[0]
    return params[0], params[1] if len(params) > 1 else NOTHING
