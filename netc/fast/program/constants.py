"""Layers that give the same in every pass: they run once, before the first one, and what they give lives for ever."""

from __future__ import annotations

from netc.graph import Node
from netc.plan.model import Plan


def constant_layers(plan: Plan) -> frozenset[int]:
    """Layers that read no values (`Setup.constant`), and layers that only move what such layers give.

    None in a net that keeps every blob, where a script may write into blobs. A layer whose tops something else
    overwrites, in place, is none.
    """
    if plan.kept:
        return frozenset()
    refused: set[int] = set()
    while True:
        found = _constant(plan, refused)
        overwritten = _written_by_others(plan, found)
        lost = {i for i in found if any(_storage(plan, v) in overwritten for v in plan.graph.nodes[i].tops)}
        if not lost:
            return frozenset(found)
        refused |= lost


def _constant(plan: Plan, refused: set[int]) -> set[int]:
    layers, values = set[int](), set[int]()
    for node in plan.graph.nodes:
        if node.index not in refused and (plan.layers[node.index].setup.constant or _moves(plan, node, values)):
            layers.add(node.index)
            values.update(node.tops)
    return layers


def _moves(plan: Plan, node: Node, constant: set[int]) -> bool:
    """Whether a layer does nothing but move values, all of which are constant."""
    setup = plan.layers[node.index].setup
    plain = not (setup.dynamic or setup.params or setup.buffers or node.type.source or any(node.loss_weights))
    return bool(node.bottoms) and plain and node.type.role.family == "shape" and constant.issuperset(node.bottoms)


def _storage(plan: Plan, value: int) -> int:
    return plan.slots[plan.data[value]].storage


def _written_by_others(plan: Plan, constant: set[int]) -> set[int]:
    """The storages that a step of another layer writes."""
    found: set[int] = set()
    for step in plan.forward:
        if step.layer not in constant and step.layer not in plan.skipped:
            found.update(_storage(plan, v) for v in plan.graph.nodes[step.layer].tops)
    for step in plan.backward:
        slots = (*step.bottom_diffs, step.target if step.target >= 0 else None)
        found.update(plan.slots[slot].storage for slot in slots if slot is not None)
    return found
