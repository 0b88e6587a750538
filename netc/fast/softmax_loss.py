"""SoftmaxWithLoss: the softmax of the scores, then the logarithms at the labels, summed part by part in float64."""

from __future__ import annotations

import math
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from netc.fast.labels import PARTS, Classes, classes, first_of
from netc.fast.machine.access import Access, of
from netc.fast.machine.addresses import doubles, floats, integers
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import Blocked, Halo
from netc.fast.machine.lines import line_at, share
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.fast.softmax import forward_of, matrix, touched_positions
from netc.jit import kernel
from netc.kernels.geometry import SoftmaxLossGeometry
from netc.kernels.labels import class_labels
from netc.kernels.softmax import TINY
from netc.plan.model import Step

Kept = tuple[Classes, Blocked]  # what forward leaves to backward: the labels' classes, and the probabilities

# ---------------------------------------------------------------- kernels


@kernel(inline="always")
def class_at(blob: Blocked, position: int, number: int) -> Any:
    """The address of a class's value at a position."""
    n, pixel = position // (blob.h * blob.w), position % (blob.h * blob.w)
    line = line_at(blob, (n, number // 16, pixel // blob.w))
    return line + pixel % blob.w * 64 + number % 16 * 4


@entry
def _losses(
    tid: int, nth: int, prob: Read[Blocked], index: Read[Region], weights: Read[Region], sums: Write[Region],
    count: int, smoothing: float,
) -> None:  # fmt: skip
    """The sum over each part's positions of -weight * sum over classes of target * log(prob)."""
    found, given, totals = integers(index, count), floats(weights, count), doubles(sums, PARTS)
    for part in share(PARTS, tid, nth):
        total = 0.0
        for i in range(first_of(count, part), first_of(count, part + 1)):
            if found[i] >= 0:
                term = _logarithm(class_at(prob, i, found[i]))
                if smoothing > 0:
                    everywhere = 0.0
                    for number in range(prob.c):
                        everywhere += _logarithm(class_at(prob, i, number))
                    term = (1 - smoothing) * term + smoothing * everywhere / prob.c
                total -= term * given[i] if weights else term
        totals[part] = total


@_losses.touches
def _(o: Any) -> list[Access]:
    reads = [of("read", region) for region in (o.index, o.weights)]
    return [touched_positions("read", o.prob), *reads, of("write", o.sums)]


@kernel(inline="always")
def _logarithm(address: int) -> float:
    value = floats(address, 1)[0]
    return math.log(TINY if value < TINY else value)


@kernel
def _divisor(valid: int, fixed: float) -> float:
    """fixed: what a loss is divided by; 0: how many positions count."""
    if fixed > 0:
        return fixed
    total = integers(valid, PARTS).sum()
    return max(1.0, float(total))


@entry
def _loss(tid: int, nth: int, sums: Read[Region], valid: Read[Region], loss: Write[Region], fixed: float) -> None:
    if tid == 0:
        total = 0.0
        for part in range(PARTS):
            total += doubles(sums, PARTS)[part]
        floats(loss, 1)[0] = total / _divisor(valid, fixed)


@entry
def _gradient(
    tid: int, nth: int, prob: Read[Blocked], index: Read[Region], weights: Read[Region], valid: Read[Region],
    slope: Read[Region], dx: Write[Blocked], count: int, fixed: float, smoothing: float,
) -> None:  # fmt: skip
    """dx = weight * (prob - target); of channels beyond the last 0."""
    found, given, factor = integers(index, count), floats(weights, count), floats(slope, 1)[0] / _divisor(valid, fixed)
    target, spread = np.float32(1 - smoothing), np.float32(smoothing / prob.c)
    for item in share(dx.n * dx.h, tid, nth):
        for block in range(dx.blocks):
            at = item // dx.h, block, item % dx.h
            here = min(16, dx.c - block * 16)
            values, slopes = floats(line_at(prob, at), prob.w * 16), floats(line_at(dx, at), dx.w * 16)
            for pixel in range(dx.w):
                i = item * dx.w + pixel
                number = found[i] - block * 16
                weight = np.float32((given[i] if weights else 1.0) * factor) if found[i] >= 0 else np.float32(0)
                for lane in range(16):
                    slope_there = weight * (values[pixel * 16 + lane] - spread)
                    slopes[pixel * 16 + lane] = slope_there if lane < here and found[i] >= 0 else 0
                if 0 <= number < 16:
                    slopes[pixel * 16 + number] -= weight * target


@entry
def _gradient_flat(
    tid: int, nth: int, prob: Read[Region], index: Read[Region], weights: Read[Region], valid: Read[Region],
    slope: Read[Region], dx: Write[Region], count: int, size: int, fixed: float, smoothing: float,
) -> None:  # fmt: skip
    """The same of the lines of a matrix."""
    found, given, factor = integers(index, count), floats(weights, count), floats(slope, 1)[0] / _divisor(valid, fixed)
    target, spread = np.float32(1 - smoothing), np.float32(smoothing / size)
    for i in share(count, tid, nth):
        values, slopes = floats(prob + i * size * 4, size), floats(dx + i * size * 4, size)
        weight = np.float32((given[i] if weights else 1.0) * factor) if found[i] >= 0 else np.float32(0)
        for number in range(size):
            slopes[number] = weight * (values[number] - spread) if found[i] >= 0 else 0
        if found[i] >= 0:
            slopes[found[i]] -= weight * target


# ---------------------------------------------------------------- the layer


def is_flat(b: Builder, value: int, axis: int) -> bool | None:
    """Whether scores are the lines of a matrix, else blocks of channels; None: they are neither."""
    shape = b.plan.shapes[value]
    if 0 in shape:
        return None
    if axis == 1 and len(shape) == 4 and (b.native.get(value) == "blocked" or prod(shape[2:]) > 1):
        return False
    return True if prod(shape[axis + 1 :]) == 1 else None


def scores(b: Builder, slot: int, axis: int, flat: bool) -> Blocked:
    """The scores of a slot: a position's classes lie in vectors."""
    if not flat:
        return b.read(slot)
    shape = b.shape(slot)
    return matrix(b.read_plain(slot).base, prod(shape[:axis]), shape[axis])


def _geometry(b: Builder, layer: int) -> SoftmaxLossGeometry:
    return b.planned(layer).setup.known(SoftmaxLossGeometry)


def _flat(b: Builder, layer: int) -> bool | None:
    return is_flat(b, b.plan.graph.nodes[layer].bottoms[0], _geometry(b, layer).axis)


def accepts(b: Builder, layer: int) -> Layout | None:
    return "plain" if _flat(b, layer) is not None and not _geometry(b, layer).weights else None


def _fixed(b: Builder, layer: int, count: int) -> float:
    """What the loss is divided by, 0 where that is how many positions count."""
    g, shape = _geometry(b, layer), b.shape(b.bottom(layer))
    fixed = {"FULL": count, "BATCH_SIZE": prod(shape[: g.axis]), "NONE": 1}
    return fixed.get(g.mode, 0)


def _weights(b: Builder, layer: int) -> Region:
    bottoms = b.plan.graph.nodes[layer].bottoms
    return b.read_plain(b.data(bottoms[2])).flat if len(bottoms) > 2 else NOTHING


def _smoothing(b: Builder, layer: int) -> float:
    return float(b.plan.graph.nodes[layer].record.loss_param.label_smoothing)


def forward(b: Builder, layer: int) -> None:
    g, tops, flat = _geometry(b, layer), b.plan.graph.nodes[layer].tops, bool(_flat(b, layer))
    limit, record = b.shape(b.bottom(layer))[g.axis], b.plan.graph.nodes[layer].record
    found = classes(b, layer, 1, limit, lambda values: class_labels(record, values, limit, g.ignore), g.ignore)
    x = scores(b, b.bottom(layer), g.axis, flat)
    prob = _prob(b, layer, x, flat) if len(tops) > 1 else _own_prob(b, x, flat)
    sums = b.new("losses", 8 * PARTS)
    b.notes[layer] = found, prob
    b.emit(forward_of(flat)(x=x, y=prob), "softmax")
    b.emit(
        _losses(
            prob=prob, index=found.found, weights=_weights(b, layer), sums=sums, count=found.count,
            smoothing=_smoothing(b, layer),
        ),
        "losses",
    )  # fmt: skip
    loss, fixed = b.write_plain(b.top(layer)).flat, _fixed(b, layer, found.count)
    b.emit(_loss(sums=sums, valid=found.valid, loss=loss, fixed=fixed), "loss")


def _prob(b: Builder, layer: int, x: Blocked, flat: bool) -> Blocked:
    """The second top, to be written."""
    slot = b.top(layer, 1)
    return matrix(b.write_plain(slot).base, x.n, x.c) if flat else b.write(slot)


def _own_prob(b: Builder, x: Blocked, flat: bool) -> Blocked:
    """Room for the probabilities, as the scores lie but for the halo."""
    if flat:
        return matrix(b.new("prob", 4 * x.n * x.c), x.n, x.c)
    bare = replace(x, halo=Halo())
    image = bare.blocks * bare.plane
    return replace(bare, base=b.new("prob", bare.n * image), image=image)


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    if target is None:
        return
    kept: Kept = b.notes[layer]
    found, prob = kept
    tops = b.plan.graph.nodes[layer].tops
    given: dict[str, Any] = {
        "index": found.found, "weights": _weights(b, layer), "valid": found.valid,
        "slope": b.read_plain(step.top_diffs[0]).flat, "count": found.count, "fixed": _fixed(b, layer, found.count),
        "smoothing": _smoothing(b, layer),
    }  # fmt: skip
    if _flat(b, layer):
        whole = b.read_plain(b.top(layer, 1)).flat if len(tops) > 1 else Region(prob.base.array, 0, prob.n * prob.image)
        b.emit(_gradient_flat(prob=whole, dx=b.write_plain(target).flat, size=prob.c, **given), "loss gradient")
    else:
        prob = b.read(b.top(layer, 1)) if len(tops) > 1 else prob
        b.emit(_gradient(prob=prob, dx=b.write(target), **given), "loss gradient")


FAMILY = Family(("SoftmaxWithLoss", "WeightedSoftmaxWithLoss"), accepts, forward, backward)
