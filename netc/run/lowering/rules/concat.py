"""Concat of channels without copies: the bottoms live in the top's blocked array, their diffs in the top's diff."""

from __future__ import annotations

from itertools import accumulate

from netc.kernels.fast.emit import LANES
from netc.plan.model import Step
from netc.run.lowering.builder import Builder
from netc.run.lowering.model import Layout
from netc.run.lowering.rule import Rule
from netc.run.lowering.rules.dropout import is_identity


def accepts(b: Builder, layer: int) -> Layout | None:
    node, axis = b.plan.graph.nodes[layer], b.planned(layer).setup.geometry
    shapes = [b.plan.shapes[v] for v in node.bottoms]
    if axis != 1 or len(shapes) < 2 or len(shapes[0]) != 4 or any(s[1] % LANES for s in shapes[:-1]):
        return None
    if any(b.native.get(v) != "blocked" for v in node.bottoms) or len(set(node.bottoms)) < len(node.bottoms):
        return None
    slots = [b.bottom(layer, i) for i in range(len(node.bottoms))]
    if any(not _free(b, slot) for slot in slots) or not _written_once(b, b.top(layer)):
        return None
    step = next((s for s in b.plan.backward if s.kind == "backward" and s.layer == layer), None)
    diffs = [(i, d) for i, d in enumerate(step.bottom_diffs) if d is not None] if step else []
    if any(not _free(b, d) for _, d in diffs):
        return None
    starts = _starts(b, layer)
    for slot, first in zip(slots, starts, strict=True):
        b.place_in(slot, b.top(layer), first)
    for i, diff in diffs:
        assert step is not None
        b.place_in(diff, step.top_diffs[0], starts[i])
    return "blocked"


def _starts(b: Builder, layer: int) -> list[int]:
    sizes = [b.plan.shapes[v][1] for v in b.plan.graph.nodes[layer].bottoms]
    return [0, *accumulate(sizes[:-1])]


def _free(b: Builder, slot: int) -> bool:
    """Whether the slot's storage can move: it is no part yet, and always seen with one shape."""
    storage = b.plan.slots[slot].storage
    return not b.is_part(slot) and len({s.shape for s in b.plan.slots if s.storage == storage}) == 1


def _written_once(b: Builder, slot: int) -> bool:
    """Whether nothing changes the slot's storage afterwards (the bottoms would change with it)."""
    plan = b.plan
    names = [v for v in plan.graph.values if plan.slots[plan.data[v.index]].storage == plan.slots[slot].storage]
    later = [v.producer for v in names if plan.data[v.index] != slot]
    return all(plan.graph.nodes[i].type.name == "Dropout" and is_identity(b, i) for i in later)


def forward(b: Builder, layer: int) -> None:
    for i in range(len(b.plan.graph.nodes[layer].bottoms)):
        b.read(b.bottom(layer, i))
    b.write(b.top(layer))


def backward(b: Builder, step: Step) -> None:
    b.read(step.top_diffs[0])
    for target in step.bottom_diffs:
        if target is not None:
            b.write(target)


RULE = Rule(("Concat",), accepts, forward, backward)
