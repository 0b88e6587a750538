"""What lowering makes of a plan: rows of compiled steps and calls of reference kernels over one arena."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from netc.fast.machine.access import Access
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.layout import Blocked, Plain
from netc.layer import Shape
from netc.plan.model import Step

Layout = Literal["plain", "blocked"]


@dataclass(frozen=True, slots=True)
class External:
    """Memory that is not in the arena: a parameter blob's values or gradient, by index in `Plan.params`, or the clock
    (the seed and the iteration, two int64s)."""

    kind: Literal["param", "gradient", "clock"]
    param: int = -1


@dataclass(slots=True)
class Memory:
    """One array. `first` and `last` are the groups of items that use it; offset is its place in the arena."""

    name: str
    nbytes: int
    external: External | None = None
    first: int = -1
    last: int = -1
    offset: int = 0

    def touch(self, group: int) -> None:
        self.first = group if self.first < 0 else min(self.first, group)
        self.last = max(self.last, group)


Way = Literal["keeping", "releasing"]
Updates = Callable[[int, Ref, Ref, int, int], Sequence[Launch]]
"""Makes the rows that update values first..first+count-1 of a parameter: (param, data, gradient, first, count). The
references are to the first of these values, and to its gradient."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do: a row of the step table, or a step of the plan by the layer's own kernels.

    layer: the layer it belongs to (for layers that run again, the one whose backward needs that). group: items between
    two barriers, which may run at the same time, share a number.
    uses: what a step reads and writes (launches know it of themselves). only: the way of running
    backward to which it belongs, if not to both.
    """

    layer: int
    group: int
    launch: Launch | None = None
    step: Step | None = None
    uses: tuple[Access, ...] = ()
    only: Way | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """Where the array of a slot is, in each layout that it has at some time."""

    plain: Plain | None = None
    blocked: Blocked | None = None


@dataclass(frozen=True)
class Lowered:
    """The program of a net. `homes`: by slot of the plan; `buffers`: arrays by reference layer and buffer name."""

    setup: tuple[Item, ...]  # to run before forward when parameters have changed
    forward: tuple[Item, ...]
    backward: tuple[Item, ...]  # adds to the parameters' gradients
    releasing: tuple[Item, ...]  # backward that updates each parameter when its gradient is complete; () without rules
    memory: tuple[Memory, ...]
    homes: dict[int, Home]
    holds: dict[int, frozenset[Layout]]  # the layouts of each slot's array that are filled after the last write
    shapes: dict[int, Shape]
    buffers: dict[tuple[int, str], int]
    late_buffers: dict[tuple[int, str], int]  # the same of layers that run again in backward
    fused: dict[int, int]  # layer -> the layer whose rows do its work
    threads: int  # that the workspace is made for
    planned_bytes: int
    lower_bound_bytes: int
    packed_bytes: int  # the end of the arena, which setup fills, and nothing else writes
