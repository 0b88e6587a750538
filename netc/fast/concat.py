"""Concat. Of blocked channels it can be without copies: then the bottoms live in the top's blocked array, their diffs
in its diff. Parts that begin within a block, or that something else needs elsewhere, are copied, as are plain blobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import prod
from typing import Any

from netc.fast import dropout
from netc.fast.machine.access import Access, box
from netc.fast.machine.addresses import floats
from netc.fast.machine.channels import copied
from netc.fast.machine.emit import LANES
from netc.fast.machine.launch import Region, together
from netc.fast.machine.lines import share
from netc.fast.machine.operands import entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.kernels.geometry import Along
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> Layout | None:
    node, axis = b.plan.graph.nodes[layer], b.planned(layer).setup.known(Along).axis
    channels = axis == 1 and len(node.bottoms) > 1 and len(b.plan.shapes[node.bottoms[0]]) == 4
    if not channels or not any(b.native.get(v) == "blocked" for v in node.bottoms):
        return "plain"
    if not _placed(b, layer):
        b.notes[layer] = "copies"
    return "blocked"


def _placed(b: Builder, layer: int) -> bool:
    """Let the bottoms and their diffs live in the top and its diff, if that can be."""
    node = b.plan.graph.nodes[layer]
    shapes = [b.plan.shapes[v] for v in node.bottoms]
    if any(s[1] % LANES for s in shapes[:-1]):
        return False
    if any(b.native.get(v) != "blocked" for v in node.bottoms):
        return False
    slots = [b.bottom(layer, i) for i in range(len(node.bottoms))]
    if not _apart(b, slots):
        return False
    if any(not _free(b, slot) for slot in slots) or any(_changes_after(b, s, layer) for s in (*slots, b.top(layer))):
        return False
    step = next((s for s in b.plan.backward if s.kind == "backward" and s.layer == layer), None)
    diffs = [(i, d) for i, d in enumerate(step.bottom_diffs) if d is not None] if step else []
    if any(not _free(b, d) for _, d in diffs) or not _apart(b, [d for _, d in diffs]):
        return False
    starts = _starts(b, layer)
    for slot, first in zip(slots, starts, strict=True):
        b.place_in(slot, b.top(layer), first)
    for i, diff in diffs:
        assert step is not None
        b.place_in(diff, step.top_diffs[0], starts[i])
    return True


def _starts(b: Builder, layer: int) -> list[int]:
    sizes = [b.plan.shapes[v][1] for v in b.plan.graph.nodes[layer].bottoms]
    return [0, *accumulate(sizes[:-1])]


def _apart(b: Builder, slots: list[int]) -> bool:
    """Whether each has a storage of its own; one blob twice, or two names of one (Split), cannot be in two places."""
    return len({b.plan.slots[slot].storage for slot in slots}) == len(slots)


def _free(b: Builder, slot: int) -> bool:
    """Whether the slot's storage can move: it is no part yet, always seen with one shape, and not made again."""
    storage = b.plan.slots[slot].storage
    shapes = {s.shape for s in b.plan.slots if s.storage == storage}
    return not b.is_part(slot) and not b.is_rematerialised_in_place(slot) and len(shapes) == 1


def _changes_after(b: Builder, slot: int, layer: int) -> bool:
    """Whether a later layer works in place on the slot's storage: then the parts would change with the whole, or the
    whole with its parts."""
    plan = b.plan
    of = [v for v in plan.graph.values if plan.slots[plan.data[v.index]].storage == plan.slots[slot].storage]
    writers = [plan.graph.nodes[v.producer] for v in of if v.producer > layer]
    identities = all(n.type.name in dropout.FAMILY.types and dropout.is_identity(b, n.index) for n in writers)
    return not identities or b.is_rematerialised_in_place(slot)


# ---------------------------------------------------------------- plain blobs


@entry
def _lines(tid: int, nth: int, x: Region, y: Region, count: int, width: int, x_line: int, y_line: int) -> None:
    """y = x: `count` lines of `width` values that are x_line and y_line bytes apart; items are pieces of lines."""
    pieces = (width + 4095) // 4096
    for item in share(count * pieces, tid, nth):
        line, first = item // pieces, item % pieces * 4096
        here = min(4096, width - first)
        source, target = floats(x + line * x_line + first * 4, here), floats(y + line * y_line + first * 4, here)
        for i in range(here):
            target[i] = source[i]


@_lines.touches
def _(o: Any) -> list[Access]:
    width = o.width * 4
    return [box("read", o.x, width, (o.count, o.x_line)), box("write", o.y, width, (o.count, o.y_line))]


def _places(b: Builder, layer: int) -> Iterator[tuple[int, int, int]]:
    """Of each bottom's lines: where they start in the top's, their size, and that of the top's; all in bytes."""
    node, axis = b.plan.graph.nodes[layer], b.planned(layer).setup.known(Along).axis
    sizes = [4 * prod(b.plan.shapes[v][axis:]) for v in node.bottoms]
    for start, size in zip(accumulate(sizes, initial=0), sizes, strict=False):
        yield start, size, sum(sizes)


def _forward_plain(b: Builder, layer: int) -> None:
    bottoms = [b.read_plain(b.bottom(layer, i)).flat for i in range(len(b.plan.graph.nodes[layer].bottoms))]
    y, launches = b.write_plain(b.top(layer)).flat, []
    for x, (start, size, line) in zip(bottoms, _places(b, layer), strict=True):
        _, part = y.cut(start)
        launches.append(_lines(x=x, y=part, count=y.nbytes // line, width=size // 4, x_line=size, y_line=line))
    b.emit(together(launches), "concat")


def _backward_plain(b: Builder, step: Step) -> None:
    dy, launches = b.read_plain(step.top_diffs[0]).flat, []
    for target, (start, size, line) in zip(step.bottom_diffs, _places(b, step.layer), strict=True):
        if target is not None:
            dx, (_, part) = b.write_plain(target).flat, dy.cut(start)
            launches.append(_lines(x=part, y=dx, count=dy.nbytes // line, width=size // 4, x_line=line, y_line=size))
    b.emit(together(launches), "concat gradient")


# ---------------------------------------------------------------- the layer


def _is_plain(b: Builder, layer: int) -> bool:
    return b.native[b.plan.graph.nodes[layer].tops[0]] == "plain"


def forward(b: Builder, layer: int) -> None:
    if _is_plain(b, layer):
        _forward_plain(b, layer)
        return
    bottoms = [b.read(b.bottom(layer, i)) for i in range(len(b.plan.graph.nodes[layer].bottoms))]
    y = b.write(b.top(layer))
    if layer in b.notes or b.recomputing:
        for x, start in zip(bottoms, _starts(b, layer), strict=True):
            b.emit(copied(x, 0, y, start, x.c), "concat")


def backward(b: Builder, step: Step) -> None:
    if _is_plain(b, step.layer):
        _backward_plain(b, step)
        return
    dy = b.read(step.top_diffs[0])
    for target, start in zip(step.bottom_diffs, _starts(b, step.layer), strict=True):
        if target is None:
            continue
        dx = b.write(target)
        if step.layer in b.notes:
            b.emit(copied(dy, start, dx, 0, dx.c), "concat gradient")


FAMILY = Family(("Concat",), accepts, forward, backward)
