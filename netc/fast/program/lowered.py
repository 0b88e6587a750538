"""What lowering makes of a plan: launches of compiled kernels and calls of reference kernels over one arena."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from netc.fast.machine.access import Access
from netc.fast.machine.launch import Launch, Ref, Region
from netc.fast.machine.layout import Blocked, Plain
from netc.layer import Array, Shape
from netc.plan.model import Step

Layout = Literal["plain", "blocked"]
Key = tuple[int, Shape]
"""A storage of the plan, and the shape as which it is seen (4 axes)."""
Thin = tuple[int, int]
"""Of a bfloat16 copy: of every so many lines, and pixels of a line, it has one."""


@dataclass(frozen=True, slots=True)
class Part:
    """A blob that lives in some channels of another (Concat)."""

    of: Key
    first: int


@dataclass(frozen=True, slots=True)
class External:
    """Memory that is not in the arena: a parameter blob's values or gradient, by index in `Plan.params`, or the clock
    (the seed and the iteration, two int64s). rows, places, count: of the gradient of a table that is updated by rows,
    arrays of its `RowGradient`, whose values are then the gradient."""

    kind: Literal["param", "gradient", "rows", "places", "count", "clock"]
    param: int = -1


@dataclass(slots=True)
class Memory:
    """One array. `first` and `last` are the waves that use it; offset: bytes from the start of the arena."""

    name: str
    nbytes: int
    external: External | None = None
    first: int = -1
    last: int = -1
    offset: int = 0

    def touch(self, wave: int) -> None:
        self.first = wave if self.first < 0 else min(self.first, wave)
        self.last = max(self.last, wave)


Variant = Literal["accumulating", "updating"]
"""Of backward: it adds to the parameters' own gradients, or it updates each parameter when its gradient is complete."""


@dataclass(frozen=True, slots=True)
class Values:
    """Some values of a parameter, one after the other."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table that its gradient has: which (int64s), how many (an int64), and of how many values each."""

    rows: Region
    count: Region
    size: int


Updates = Callable[[int, Ref, Ref, Values | Rows], Sequence[Launch]]
"""Makes the launches that update a part of a parameter: (param, data, gradient, part). The references are to the first
value of the part, and to its gradient; those of rows to the first of the table, and of the gradient's own rows."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do: a launch, or a step of the plan by the layer's own kernels.

    layer: the layer it belongs to (for layers that are recomputed, the one whose backward needs that). wave: items
    between two barriers, which may run at the same time, share a number. uses: what a step reads and writes (launches
    know it of themselves). variant: of backward, to which alone it belongs; None: to both.
    """

    layer: int
    wave: int
    launch: Launch | None = None
    step: Step | None = None
    uses: tuple[Access, ...] = ()
    variant: Variant | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How large the tops of a dynamic layer are is what its launches have written: an int64 in the array `cell`, the
    size of axis `axis`. tops: their arrays, which no other launch may touch."""

    cell: int
    axis: int
    tops: frozenset[int]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a layer's launches may refuse: values of a bottom, the plain array of `slot`, if they have written anything
    but zeros to the array `cells`. refuse(values) raises what is wrong with them."""

    cells: int
    slot: int
    refuse: Callable[[Array], object]


@dataclass(frozen=True, slots=True)
class Home:
    """Where the array of a slot is, in each layout that it has at some time."""

    plain: Plain | None = None
    blocked: Blocked | None = None


@dataclass(frozen=True)
class Lowered:
    """The program of a net. `homes`: by slot of the plan; `buffers`: arrays by reference layer and buffer name."""

    setup: tuple[Item, ...]  # to run before forward when parameters have changed
    constants: tuple[Item, ...]  # to run before the first forward: what they write is the same in every pass
    forward: tuple[Item, ...]
    backward: tuple[Item, ...]  # adds to the parameters' gradients
    updating: tuple[Item, ...]  # backward that also updates each parameter; () without `Updates`
    memory: tuple[Memory, ...]
    homes: dict[int, Home]
    holds: dict[int, frozenset[Layout]]  # the layouts of each slot's array that are filled after the last write
    shapes: dict[int, Shape]
    bounded: frozenset[int]  # slots whose shape is the most that they can have
    counted: dict[int, Counted]  # by layer: those that launches write; none reads them
    refusals: dict[int, Refusal]  # by layer
    buffers: dict[tuple[int, str], int]
    backward_buffers: dict[tuple[int, str], int]  # those of rematerialised values
    fused: dict[int, int]  # layer -> the layer whose launches do its work
    threads: int  # for which scratch is sized
    planned_bytes: int
    lower_bound_bytes: int
    packed_bytes: int  # the end of the arena, which setup and constants fill, and nothing else writes
