"""What a net needs memory for, step by step, on whichever executor. Sizes are bytes; nothing is allocated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import Literal

from netc.layer import Shape
from netc.plan.allocate import aligned
from netc.plan.model import Param, Plan, SlotKind, Step

Kind = Literal["blob", "gradient", "buffer", "workspace"]
KINDS: dict[SlotKind, Kind] = {
    "data": "blob",
    "diff": "gradient",
    "part": "gradient",
    "buffer": "buffer",
}


@dataclass(frozen=True, slots=True)
class Live:
    """One array of the arena, alive from step `first` to step `last`. layer: which made it, "" if none did."""

    name: str
    kind: Kind
    layer: str
    shape: Shape
    nbytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Usage:
    """All memory of a net on one executor.

    parameters, gradients, history: what lives all the time: parameter blobs, their gradients (where updates wait for
    the end of backward), the solver's memory. arena: planned for `arrays`; steps: what each step is called ("forward
    conv1"). on_reference_kernels: of the fast executor, the layers that it has no kernels of its own for, by key.
    """

    executor: str
    parameters: int
    gradients: int
    history: int
    arena: int
    arrays: tuple[Live, ...]
    steps: tuple[str, ...]
    on_reference_kernels: tuple[str, ...]

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {readable(count)}" for name, count in self.parts.items() if count)
        return f"{self.executor} executor, {readable(self.total)}: {parts}"

    @property
    def parts(self) -> dict[str, int]:
        """What the total is made of, by what it is for: bytes, those of the arena as they are at its peak."""
        alive = {kind: sum(a.nbytes for a in self.alive if a.kind == kind) for kind in ("blob", "gradient", "buffer")}
        return {
            "parameters": self.parameters,
            "gradients of parameters": self.gradients,
            "solver history": self.history,
            "blobs": alive["blob"],
            "gradients in the arena": alive["gradient"],
            "buffers of layers": alive["buffer"],
            "workspace and packed parameters": self.arena - sum(alive.values()),
        }

    @property
    def total(self) -> int:
        """The planned peak of everything."""
        return self.parameters + self.gradients + self.history + self.arena

    @cached_property
    def curve(self) -> tuple[int, ...]:
        """Bytes alive in the arena at each step."""
        change = [0] * (len(self.steps) + 1)
        for array in self.arrays:
            change[array.first] += aligned(array.nbytes)
            change[array.last + 1] -= aligned(array.nbytes)
        return tuple(accumulate(change[:-1]))

    @property
    def peak(self) -> int:
        """The step at which most is alive (the first of them)."""
        return max(range(len(self.steps)), key=lambda step: self.curve[step], default=0)

    @property
    def alive(self) -> list[Live]:
        """The arrays alive at that step, the largest first."""
        at = self.peak
        return sorted((a for a in self.arrays if a.first <= at <= a.last), key=lambda a: -a.nbytes)


def readable(count: int) -> str:
    """Bytes with a unit, powers of 1000."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def of_plan(plan: Plan, histories: int = 0, scale: int = 1) -> Usage:
    """What the reference executor takes. histories: blobs that the solver keeps for each learned one.

    scale: 2 for float64.
    """
    steps = (*plan.forward, *plan.backward)
    stored: dict[int, list[int]] = {}
    for index, slot in enumerate(plan.slots):
        stored.setdefault(slot.storage, []).append(index)
    arrays = [live for members in stored.values() for live in _lives(plan, members, scale, max(0, len(steps) - 1))]
    return Usage(
        executor="reference",
        arena=plan.reference_arena.planned_bytes * scale,
        arrays=tuple(arrays),
        steps=tuple(label(plan, step) for step in steps) or ("nothing",),
        on_reference_kernels=(),
        **fixed(plan, histories, scale),
    )


def fixed(plan: Plan, histories: int, scale: int = 1) -> dict[str, int]:
    """Bytes of parameters, of gradients that live all the time, and of the solver's memory."""
    every = sum(4 * scale * prod(p.shape) for p in plan.params)
    learned = [p for p in plan.params if p.learned and plan.backward_planned]
    history = histories * sum(4 * scale * prod(p.shape) for p in learned)
    return {"parameters": every, "gradients": sum(gradient_bytes(p, 4 * scale) for p in learned), "history": history}


def gradient_bytes(param: Param, item: int = 4) -> int:
    """What a parameter's gradient takes, `item` bytes a value.

    Of a table that is updated by rows: those that a pass reads at most, their numbers, a place for each of all rows.
    """
    if not param.rows:
        return item * prod(param.shape)
    rows = min(param.rows, param.shape[0])
    return rows * (item * prod(param.shape[1:]) + 8) + 8 * param.shape[0]


def label(plan: Plan, step: Step) -> str:
    """What a step of the schedule is called."""
    name = plan.graph.nodes[step.layer].name if step.layer >= 0 else ""
    kind = "recompute" if step.kind == "forward" and step.reader >= 0 else step.kind
    return f"{kind} {name}".strip()


def maker(plan: Plan, kind: SlotKind, owner: int) -> str:
    """The layer that makes what a slot holds."""
    if kind in ("data", "diff", "part"):
        owner = plan.graph.values[owner].producer
    return plan.graph.nodes[owner].name


def _lives(plan: Plan, members: Sequence[int], scale: int, end: int) -> list[Live]:
    """The arrays of one storage as one, for each time that something lives there."""
    slots = sorted((plan.slots[i] for i in members), key=lambda s: s.first)
    found: list[Live] = []
    size = max(s.nbytes for s in slots) * scale
    for s in slots:
        first, last = max(0, s.first), min(max(0, s.last), end)
        if found and first <= found[-1].last + 1:
            old = found[-1]
            found[-1] = Live(old.name, old.kind, old.layer, old.shape, size, old.first, max(old.last, last))
        else:
            found.append(Live(s.name, KINDS[s.kind], maker(plan, s.kind, s.owner), s.shape, size, first, last))
    return found


Measure = Callable[[Plan], Usage]
"""The memory of a plan on the executor that will run it."""
