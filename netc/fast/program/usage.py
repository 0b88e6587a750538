"""The memory of a plan on the fast executor, step by step. Nothing is allocated or compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netc.fast.program.lowered import Item, Lowered
from netc.layer import Shape
from netc.plan.model import Plan
from netc.plan.usage import KINDS, Kind, Live, Usage, fixed, gradient_bytes, maker


def of_program(plan: Plan, program: Lowered, histories: int = 0) -> Usage:
    """histories: blobs that the solver keeps for each learned one.

    With updates in backward (`Lowered.updating`), gradients are where that has them.
    """
    items, turn = (*program.forward, *(program.updating or program.backward)), len(program.forward)
    labels: dict[int, str] = {}  # of waves
    users: dict[int, str] = {}  # array -> the first layer that uses it
    for index, item in enumerate(items):
        name = plan.graph.nodes[item.layer].name if item.layer >= 0 else ""
        labels[item.wave] = f"{'forward' if index < turn else 'backward'} {name}".strip()
        for array in _arrays(item):
            users.setdefault(array, name)
    known = _known(plan, program)
    end = max([m.last for m in program.memory if m.external is None] + list(labels), default=0)
    arrays = []
    for index, memory in enumerate(program.memory):
        if memory.external is None and memory.last >= 0:
            what = known.get(index) or Known(memory.name, "workspace", users.get(index, ""), ())
            arrays.append(Live(what.name, what.kind, what.layer, what.shape, memory.nbytes, memory.first, memory.last))
    steps, last = [], "start"
    for wave in range(end + 1):
        last = labels.get(wave, last)
        steps.append(last)
    always = fixed(plan, histories)
    if program.updating:
        always["gradients"] = _kept_gradients(plan, program)
    return Usage(
        executor="fast",
        arena=program.planned_bytes,
        arrays=tuple(arrays),
        steps=tuple(steps),
        on_reference_kernels=_on_reference_kernels(plan, items),
        **always,
    )


def _on_reference_kernels(plan: Plan, items: Sequence[Item]) -> tuple[str, ...]:
    """The layers of which a step runs on their own kernels, in order. Sources have none that would be better."""
    steps = (item.step for item in items if item.step is not None)
    layers = sorted({step.layer for step in steps if step.kind in ("forward", "backward")})
    return tuple(plan.graph.nodes[i].key for i in layers if not plan.graph.nodes[i].type.source)


def _kept_gradients(plan: Plan, program: Lowered) -> int:
    """Gradients of parameters that have memory of their own all the same."""
    used = {array for item in program.updating for array in _arrays(item)}
    outside = (memory.external for index, memory in enumerate(program.memory) if index in used)
    kept = {external.param for external in outside if external is not None and external.kind == "gradient"}
    return sum(gradient_bytes(plan.params[index]) for index in kept)


@dataclass(frozen=True, slots=True)
class Known:
    """What an array is for."""

    name: str
    kind: Kind
    layer: str
    shape: Shape


def _known(plan: Plan, program: Lowered) -> dict[int, Known]:
    """The arrays that hold what the plan speaks of: blobs in some layout, and buffers."""
    found: dict[int, Known] = {}
    for index, memory in enumerate(program.memory):
        word, _, number = memory.name.partition(" ")
        if memory.external is None and word == "gradient" and number.isdecimal():
            param = plan.params[int(number)]
            found[index] = Known(param.name, "gradient", plan.graph.nodes[param.layer].name, param.shape)
    homes = sorted(program.homes.items(), key=lambda one: -plan.slots[one[0]].nbytes)  # a Concat's top before its parts
    for slot, home in homes:
        s = plan.slots[slot]
        for blob in (home.plain, home.blocked):
            if blob is not None:
                found.setdefault(blob.base.array, Known(s.name, KINDS[s.kind], maker(plan, s.kind, s.owner), s.shape))
    for buffers in (program.buffers, program.backward_buffers):
        for (layer, name), array in buffers.items():
            shape = plan.slots[plan.buffers[layer][name]].shape
            found[array] = Known(name, "buffer", plan.graph.nodes[layer].name, shape)
    return found


def _arrays(item: Item) -> list[int]:
    refs = item.launch.refs if item.launch is not None else []
    return [ref.array for ref in refs] + [use.at.array for use in item.uses]
