"""The last pass: what must hold of any plan, checked without trusting the passes before."""

from __future__ import annotations

import numpy as np

from netc.plan.model import Plan


class PlanError(RuntimeError):
    """A mistake of the planner itself, not of the net."""


def verify(plan: Plan) -> None:
    """Raise PlanError unless every bottom has one producer before it, and no two live storages overlap in the arena."""
    _producers(plan)
    _places(plan)


def _producers(plan: Plan) -> None:
    values = plan.graph.values
    for node in plan.graph.nodes:
        for value in node.bottoms:
            if not values[value].producer < node.index:
                raise PlanError(f'layer "{node.name}" reads "{values[value].name}" before it is made')
        for top, value in enumerate(node.tops):
            if (values[value].producer, values[value].top) != (node.index, top):
                raise PlanError(f'"{values[value].name}" has two producers')


def _places(plan: Plan) -> None:
    for slot in plan.slots:
        if slot.offset < 0 or slot.offset + slot.nbytes > plan.reference_arena.planned_bytes:
            raise PlanError(f'"{slot.name}" lies outside the arena')
        if slot.first > slot.last:
            raise PlanError(f'"{slot.name}" is never alive')
    order = sorted(range(len(plan.slots)), key=lambda i: plan.slots[i].offset)
    offset, nbytes, first, last, storage = (
        np.array([getattr(plan.slots[i], name) for i in order], dtype=np.int64)
        for name in ("offset", "nbytes", "first", "last", "storage")
    )
    end = offset + nbytes
    reach = np.searchsorted(offset, end)  # slots from i + 1 to reach[i] - 1 begin inside slot i
    for i in range(len(order)):
        j = slice(i + 1, int(reach[i]))
        if j.start >= j.stop:
            continue
        clash = (first[j] <= last[i]) & (last[j] >= first[i]) & (storage[j] != storage[i]) & (nbytes[j] > 0)
        if clash.any():
            other = plan.slots[order[i + 1 + int(np.argmax(clash))]]
            raise PlanError(f'"{plan.slots[order[i]].name}" and "{other.name}" are alive in the same memory')
