"""The plan: everything about a net that can be known before memory is allocated.

Each pass of `netc/plan/` fills in one part of it; the executors only read it. Offsets and sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Literal

from netc.errors import Diagnostic
from netc.graph import Graph
from netc.layer import ParamBlob, Setup, Shape


@dataclass(frozen=True, slots=True)
class Field:
    """What one position of a value sees of the net's spatial inputs, per spatial axis (height, width, ...).

    size: R_k = 1 + sum_j (F_j - 1) prod_{i<j} S_i; jump: the distance between neighbours, in input cells; offset: the
    input coordinate of the first cell that position 0 sees (negative: in the pad). `whole` axes see everything.
    """

    size: tuple[int, ...]
    jump: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter blob of the net; several layers may use it (shared by name). The first user owns it."""

    index: int
    name: str  # "conv1/weights", or the name under which it is shared
    layer: int  # the owner
    position: int  # which of the owner's blobs
    blob: ParamBlob
    lr_mult: float
    decay_mult: float
    learned: bool  # takes gradient: the blob is learned, lr_mult is not 0 and this is a net with backward
    rows: int = 0  # if it is updated by rows (`lazy`), how many of them a pass reads at most; 0: it is not

    @property
    def shape(self) -> Shape:
        return self.blob.shape


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of the plan, parallel to `graph.nodes`.

    bottom_gradient: which bottoms get a gradient; needs_backward: whether backward runs at all (some bottom or learned
    parameter wants a gradient and a loss, or the caller's gradient, reaches its tops).
    params: indices into `Plan.params`, in the type's order.
    """

    setup: Setup
    params: tuple[int, ...]
    needs_backward: bool
    bottom_gradient: tuple[bool, ...]
    fields: tuple[Field | None, ...] = ()  # receptive field of each top


SlotKind = Literal["data", "diff", "part", "buffer"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One array in the arena, alive from step `first` to step `last` (inclusive; -1 is before the first step, and
    `Plan.end` after the last).

    Steps count through `Plan.forward`, then `Plan.backward`. kind "data" and "diff" belong to value `owner`; "part" is
    the gradient that one consumer adds to value `owner`'s diff (where a value has several consumers that give gradient,
    the first to run writes the diff itself, later ones write a part that the following "add" step adds); "buffer"
    belongs to layer `owner` and has a `name`.
    Slots that share storage (in place, Reshape, Split) have the same `storage` number and overlap on purpose. Scratch
    that forward and backward both use has two slots with one storage and one offset, as it is free in between.
    """

    kind: SlotKind
    owner: int
    name: str
    shape: Shape
    dtype: str
    offset: int
    nbytes: int
    first: int
    last: int
    storage: int


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the schedule. The executor of a net walks `Plan.forward`, then `Plan.backward`.

    forward: run the layer's forward; there is one such step for each layer, in order (a no-op for sources without
    kernels and for `Plan.skipped`). backward: run its backward; `bottom_diffs` are slot indices to write (None: no
    gradient asked for), `top_diffs` slot indices to read. zero: fill slot `target` with 0 (a top's diff that nothing
    contributes to), or with the caller's gradient if there is one. loss: fill slot `target` with `weight`. add: slot
    `target` += slot `source`. `layer` is the layer whose backward the step belongs to.

    In `Plan.backward`, forward runs a layer again whose values were not kept, since the backward of layer `reader`
    needs them; from then on `Plan.backward_data` says where the rematerialised ones are.
    """

    kind: Literal["forward", "backward", "zero", "loss", "add"]
    layer: int = -1
    bottom_diffs: tuple[int | None, ...] = ()
    top_diffs: tuple[int, ...] = ()
    target: int = -1
    source: int = -1
    weight: float = 0.0
    reader: int = -1


@dataclass(frozen=True, slots=True)
class ArenaSize:
    """Bytes of an arena: as planned, the largest set alive at one step, and what separate arrays would take."""

    planned_bytes: int
    lower_bound_bytes: int
    unshared_bytes: int


@dataclass(frozen=True)
class Plan:
    """A net that will run: layers with shapes, parameters, the schedule, and where everything lies in the arena.

    shapes: of each value of `graph.values`. skipped: layers whose forward is a no-op because tops share storage.
    data: slot index of each value's data; diff: slot index of each value's diff or None.
    recomputed: layers that run again in backward, to rematerialise values that were not kept. backward_data,
    backward_buffers: `data` and `buffers` as backward sees them: rematerialised values have arrays of their own.
    assumed: data layers whose source is not there: the caller has given their shapes, or they are assumed.
    kept: every blob and gradient has memory of its own (`keep`).
    reference_arena: the arena that `slots` lie in, which the reference executor takes. The fast one has an arena of its
    own: `memory` of what `netc.plan` gives is about the one that will run.
    """

    graph: Graph
    layers: tuple[Layer, ...]
    shapes: tuple[Shape, ...]
    params: tuple[Param, ...]
    backward_planned: bool
    slots: tuple[Slot, ...]
    data: tuple[int, ...]
    diff: tuple[int | None, ...]
    buffers: tuple[dict[str, int], ...]  # per layer: buffer name -> slot
    forward: tuple[Step, ...]
    backward: tuple[Step, ...]
    skipped: frozenset[int]
    reference_arena: ArenaSize
    assumed: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    recomputed: frozenset[int] = frozenset()
    backward_data: tuple[int, ...] = ()
    backward_buffers: tuple[dict[str, int], ...] = ()
    kept: bool = False

    def __repr__(self) -> str:
        """A line: what a plan holds takes megabytes."""
        graph, macs = self.graph, sum(layer.setup.macs for layer in self.layers)
        learned = sum(prod(p.shape) for p in self.params if p.blob.learned)
        counted = f"{learned:,} parameters, {macs:,} multiply-adds"
        return f"<plan of {graph.name or 'net'} ({graph.state.phase}): {len(graph.nodes)} layers, {counted}>"

    def is_over(self, slot: int, at: int) -> bool:
        """Whether, after step `at`, something else has been written to a slot's storage: in place, say."""
        first, writes = self.slots[slot].first, self._writes[self.slots[slot].storage]
        return any(first < step <= at and writer != slot for step, writer in writes)

    @cached_property
    def bounded(self) -> frozenset[int]:
        """Values whose shape is the most that they can have: the true one depends on values, and is known in a pass."""
        found: set[int] = set()
        for node, layer in zip(self.graph.nodes, self.layers, strict=True):
            if layer.setup.dynamic or not found.isdisjoint(node.bottoms):
                found.update(node.tops)
        return frozenset(found)

    @cached_property
    def _writes(self) -> dict[int, list[tuple[int, int]]]:
        """By storage: the steps that write there, and the slot that each writes."""
        found: dict[int, list[tuple[int, int]]] = {slot.storage: [] for slot in self.slots}
        for at, step in enumerate((*self.forward, *self.backward)):
            slots: Iterable[int | None] = (step.target,)
            if step.kind == "backward":
                slots = step.bottom_diffs
            elif step.kind == "forward":
                where = self.backward_data if step.reader >= 0 else self.data
                skipped = step.layer in self.skipped
                slots = () if skipped else (where[v] for v in self.graph.nodes[step.layer].tops)
            for slot in slots:
                if slot is not None:
                    found[self.slots[slot].storage].append((at, slot))
        return found

    @property
    def end(self) -> int:
        """The step after the last: what lives then can be read after a pass."""
        return len(self.forward) + len(self.backward)
