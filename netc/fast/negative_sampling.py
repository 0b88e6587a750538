"""NegativeSamplingLoss: the reference kernel's draws; each row's terms by one thread, their sum in order.

Gradients of the vectors are added to in the order of the positions; threads share their columns.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netc.fast.labels import classes
from netc.fast.machine.addresses import doubles, floats, integers, prefetch
from netc.fast.machine.launch import Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Update, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.fast.program.rows import placed
from netc.jit import kernel
from netc.kernels.geometry import NegativeSamplingGeometry
from netc.kernels.labels import class_labels
from netc.kernels.philox import stream, uniform
from netc.layer import Array
from netc.plan.model import Step

AHEAD = 4  # vectors that are asked for before they are needed

# ---------------------------------------------------------------- kernels


@entry
def _draw(
    tid: int, nth: int, labels: Read[Region], clock: Read[Region], found: Write[Region], rows: int, columns: int,
    classes: int, numbers: int, cumulated: int,
) -> None:  # fmt: skip
    """Of each row the label, then drawn classes. cumulated: the address of the frequencies' sums (float64), or 0."""
    time, given, answer = integers(clock, 2), integers(labels, rows), integers(found, rows * columns)
    sums = doubles(cumulated, classes)
    for row in share(rows, tid, nth):
        answer[row * columns] = given[row]
        for c in range(columns - 1):
            drawn = uniform(time[0], numbers, time[1], row * (columns - 1) + c)
            at = _above(sums, drawn * sums[classes - 1]) if cumulated else int(drawn * classes)
            answer[row * columns + 1 + c] = min(at, classes - 1)


@kernel
def _above(sums: Array, value: float) -> int:
    """The first place where the sums are above a value."""
    low, high = 0, sums.size
    while low < high:
        middle = (low + high) // 2
        if value < sums[middle]:
            high = middle
        else:
            low = middle + 1
    return low


@kernel(fastmath={"reassoc", "contract"})
def _dot(a: Array, b: Array) -> Any:
    total = np.float32(0)
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@entry
def _terms(
    tid: int, nth: int, x: Read[Region], vectors: Read[Region], found: Read[Region], sums: Write[Region],
    slopes: Write[Region], rows: int, columns: int, size: int,
) -> None:  # fmt: skip
    """Of each row the sum of its terms, and the slope of each term by the product of its vectors."""
    chosen, totals, slope = integers(found, rows * columns), doubles(sums, rows), floats(slopes, rows * columns)
    for row in share(rows, tid, nth):
        h, total = floats(x + 4 * row * size, size), 0.0
        for c in range(columns):
            at = row * columns + c
            if at + AHEAD < rows * columns:
                prefetch(vectors + 4 * chosen[at + AHEAD] * size, 4 * size)
            score = _dot(floats(vectors + 4 * chosen[at] * size, size), h)
            score = -score if c == 0 else score
            small = np.float32(math.exp(-abs(score)))
            counts = c == 0 or chosen[at] != chosen[row * columns]
            if counts:
                total += float(np.float32(max(score, np.float32(0)) + np.float32(math.log1p(small))))
            share_of = (np.float32(1) if score >= 0 else small) / (np.float32(1) + small)
            slope[at] = -share_of if c == 0 else share_of if counts else np.float32(0)
            if math.isnan(score):
                total += float(score)
        totals[row] = total


@entry
def _loss(tid: int, nth: int, sums: Read[Region], loss: Write[Region], rows: int) -> None:
    if tid == 0:
        total = 0.0
        for row in range(rows):
            total += doubles(sums, rows)[row]
        floats(loss, 1)[0] = total / rows


@entry
def _data_gradient(
    tid: int, nth: int, vectors: Read[Region], found: Read[Region], slopes: Read[Region], weight: Read[Region],
    dx: Write[Region], rows: int, columns: int, size: int,
) -> None:  # fmt: skip
    """dx = weight / rows * the sum of slope * vector."""
    chosen, slope = integers(found, rows * columns), floats(slopes, rows * columns)
    factor = np.float32(floats(weight, 1)[0] / rows)
    for row in share(rows, tid, nth):
        target = floats(dx + 4 * row * size, size)
        for j in range(size):
            target[j] = 0
        for c in range(columns):
            at = row * columns + c
            if at + AHEAD < rows * columns:
                prefetch(vectors + 4 * chosen[at + AHEAD] * size, 4 * size)
            source, g = floats(vectors + 4 * chosen[at] * size, size), slope[at] * factor
            for j in range(size):
                target[j] += g * source[j]


@entry
def _vectors_gradient(
    tid: int, nth: int, x: Read[Region], places: Read[Region], slopes: Read[Region], weight: Read[Region],
    gradient: Update[Region], rows: int, columns: int, size: int,
) -> None:  # fmt: skip
    """gradient[place] += weight / rows * slope * x of the row."""
    at, slope = integers(places, rows * columns), floats(slopes, rows * columns)
    first, last = size * tid // nth, size * (tid + 1) // nth
    factor = np.float32(floats(weight, 1)[0] / rows)
    for i in range(rows * columns):
        source = floats(x + 4 * (i // columns * size + first), last - first)
        target, g = floats(gradient + 4 * (at[i] * size + first), last - first), slope[i] * factor
        for j in range(last - first):
            target[j] += g * source[j]


# ---------------------------------------------------------------- the layer


def _geometry(b: Builder, layer: int) -> NegativeSamplingGeometry:
    return b.planned(layer).setup.known(NegativeSamplingGeometry)


def accepts(b: Builder, layer: int) -> Layout | None:
    return "plain" if _geometry(b, layer).rows else None


def forward(b: Builder, layer: int) -> None:
    g, node = _geometry(b, layer), b.plan.graph.nodes[layer]
    labels = classes(b, layer, 1, g.classes, lambda values: class_labels(node.record, values, g.classes))
    found = b.kept[layer, "classes"] = b.new("classes of terms", 8 * g.rows * g.columns)
    slopes = b.kept[layer, "slopes"] = b.new("slopes of terms", 4 * g.rows * g.columns)
    sums = b.new("sums of terms", 8 * g.rows)
    cumulated = 0 if g.cumulated is None else g.cumulated.ctypes.data
    numbers, x = stream(node.key, -1), b.read_plain(b.bottom(layer)).flat
    b.emit(
        _draw(
            labels=labels.found, clock=b.clock(), found=found, rows=g.rows, columns=g.columns, classes=g.classes,
            numbers=numbers, cumulated=cumulated,
        ),
        "draw",
    )  # fmt: skip
    b.emit(
        _terms(
            x=x, vectors=b.param(layer, 0), found=found, sums=sums, slopes=slopes, rows=g.rows, columns=g.columns,
            size=g.size,
        ),
        "terms",
    )  # fmt: skip
    b.emit(_loss(sums=sums, loss=b.write_plain(b.top(layer)).flat, rows=g.rows), "loss")


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    g, found, slopes = _geometry(b, layer), b.kept[layer, "classes"], b.kept[layer, "slopes"]
    weight = b.read_plain(step.top_diffs[0]).flat
    if target is not None:
        dx = b.write_plain(target).flat
        b.emit(
            _data_gradient(
                vectors=b.param(layer, 0), found=found, slopes=slopes, weight=weight, dx=dx, rows=g.rows,
                columns=g.columns, size=g.size,
            ),
            "data gradient",
        )  # fmt: skip
    if (gradient := b.param_gradient(layer, 0)) is not None:
        x, places = b.read_plain(b.bottom(layer)).flat, placed(b, layer, 0, found)
        b.emit(
            _vectors_gradient(
                x=x, places=places, slopes=slopes, weight=weight, gradient=gradient, rows=g.rows, columns=g.columns,
                size=g.size,
            ),
            "rows' gradient",
        )  # fmt: skip


FAMILY = Family(("NegativeSamplingLoss",), accepts, forward, backward)
