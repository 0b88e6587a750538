"""Accuracy: how many scores are at least as large as that of the label, position by position."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.fast.labels import PARTS, classes, first_of
from netc.fast.machine.access import Access, of
from netc.fast.machine.addresses import bytes_at, floats, integers
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import Blocked
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Scratch, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.fast.softmax import touched_positions
from netc.fast.softmax_loss import class_at, is_flat, scores
from netc.kernels.geometry import AccuracyGeometry
from netc.kernels.labels import class_labels
from netc.plan.model import Step


@entry
def _right(
    tid: int, nth: int, x: Read[Blocked], index: Read[Region], right: Write[Region], count: int, top_k: int
) -> None:  # fmt: skip
    """For each position 1 where its label's score is among the `top_k` largest, else 0."""
    found, marks = integers(index, count), bytes_at(right, count)
    for part in share(PARTS, tid, nth):
        for i in range(first_of(count, part), first_of(count, part + 1)):
            rank = 0
            if found[i] >= 0:
                own = floats(class_at(x, i, found[i]), 1)[0]
                for block in range(x.blocks):
                    here = min(16, x.c - block * 16)
                    values = floats(class_at(x, i, block * 16), here)
                    for lane in range(here):
                        rank += 1 if values[lane] >= own else 0
            marks[i] = 1 if 0 < rank <= top_k else 0  # of NaN it is 0


@_right.touches
def _(o: Any) -> list[Access]:
    return [touched_positions("read", o.x), of("read", o.index), of("write", o.right)]


@entry
def _shares(
    tid: int, nth: int, index: Read[Region], right: Read[Region], valid: Read[Region], whole: Write[Region],
    each: Write[Region], occurs: Scratch[Region], count: int, size: int,
) -> None:  # fmt: skip
    """The share of right positions, and for each of `size` classes that of its own, if there is a place for them."""
    if tid > 0:
        return
    found, marks, hits = integers(index, count), bytes_at(right, count), 0
    for i in range(count):
        hits += marks[i]
    floats(whole, 1)[0] = np.float64(hits) / max(1, integers(valid, PARTS).sum())
    if each:
        shares, numbers = floats(each, size), integers(occurs, size)
        for number in range(size):
            shares[number], numbers[number] = 0, 0
        for i in range(count):
            if found[i] >= 0:
                shares[found[i]] += marks[i]
                numbers[found[i]] += 1
        for number in range(size):
            shares[number] = np.float64(shares[number]) / max(1, numbers[number])


# ---------------------------------------------------------------- the layer


def _flat(b: Builder, layer: int) -> bool | None:
    axis = b.planned(layer).setup.known(AccuracyGeometry).axis
    return is_flat(b, b.plan.graph.nodes[layer].bottoms[0], axis)


def accepts(b: Builder, layer: int) -> Layout | None:
    return "plain" if _flat(b, layer) is not None else None


def forward(b: Builder, layer: int) -> None:
    g, node = b.planned(layer).setup.known(AccuracyGeometry), b.plan.graph.nodes[layer]
    size, record = b.shape(b.bottom(layer))[g.axis], node.record
    found = classes(b, layer, 1, size, lambda values: class_labels(record, values, size, g.ignore), g.ignore)
    x, right = scores(b, b.bottom(layer), g.axis, bool(_flat(b, layer))), b.new("right", found.count)
    top_k = int(record.accuracy_param.top_k)
    b.emit(_right(x=x, index=found.found, right=right, count=found.count, top_k=top_k), "right positions")
    whole = b.write_plain(b.top(layer)).flat
    each = b.write_plain(b.top(layer, 1)).flat if len(node.tops) > 1 else NOTHING
    occurs = b.new("occurs", 8 * size) if each else NOTHING
    sizes = {"count": found.count, "size": size}
    b.emit(_shares(index=found.found, right=right, valid=found.valid, whole=whole, each=each, occurs=occurs, **sizes))


def backward(b: Builder, step: Step) -> None:
    raise NotImplementedError("it has no gradient")


FAMILY = Family(("Accuracy",), accepts, forward, backward)
