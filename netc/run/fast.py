"""The fast executor: what lowering made of the plan, as step tables walked by a team of threads.

Layers that lowering does not know run on their own kernels in between, on plain arrays of the same arena.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.fast.machine.launch import Launch, bind
from netc.fast.machine.layout import Blocked
from netc.fast.machine.layout import plain as plain_at
from netc.fast.machine.moves import unpack
from netc.fast.machine.operands import touched
from netc.fast.machine.walk import WALKER, Team
from netc.fast.precision import Precision
from netc.fast.program.done import done_with
from netc.fast.program.lower import Lowered, lower
from netc.fast.program.lowered import Item, Updates
from netc.fast.program.order import starts
from netc.fast.program.verify import verify
from netc.jit import compile_all
from netc.layer import Array, Buffer, Call, Setup, Shape
from netc.plan.model import Step
from netc.run.arena import aligned_bytes
from netc.run.environment import precision as precision_of
from netc.run.environment import useful_threads
from netc.run.executor import Buckets, Executor, Storage
from netc.run.packed import Checksum, Packed
from netc.run.reference import Reference
from netc.run.steps import Steps, one_thread
from netc.run.values import Values, Watch


@dataclass(frozen=True, slots=True)
class Segment:
    """Launches between two calls of reference kernels, or one such call.

    end: the wave that is done after it. told: the layer whose launches then have told something: of what size its tops
    are, or that they cannot use what its bottom holds.
    computes: whether it is a call that does more than copy inputs.
    """

    end: int
    table: NDArray[np.int64] | None = None
    step: Step | None = None
    told: int | None = None
    computes: bool = False


NOWHERE = -2  # before any wave, and before what lives for ever


def executor(storage: Storage, threads: int | None = None, precision: str | None = None) -> Executor:
    """A fast executor; the reference one for other types than float32, for which there are no compiled steps."""
    if storage.dtype != np.dtype(np.float32):
        return Reference(storage)
    return Fast(storage, threads, precision=precision_of(precision))


class Fast(Steps):
    """Runs a lowered plan. Owns the arena, the tables and the threads.

    first: one whose program this one runs too, on blobs of its own (the storage's parameters are the first one's).
    """

    def __init__(
        self, storage: Storage, threads: int | None = None, updates: Updates | None = None, first: Fast | None = None,
        precision: Precision = "fast",
    ) -> None:  # fmt: skip
        super().__init__(storage)
        self.team = Team(useful_threads(self.plan, threads))
        self.precision: Precision = precision if first is None else first.precision
        if first is None:
            self.program: Lowered = lower(self.plan, self.team.threads, precision, updates)
            verify(self.program)
            self.arena = aligned_bytes(self.program.planned_bytes)
            self._packed = Packed(self.arena[self.own_bytes :])
        else:
            self.program, self._packed = first.program, first._packed
            self.arena = aligned_bytes(self.own_bytes)
        self._clock = np.zeros(2, np.int64)
        self._setup: list[Segment] | None = None
        self._watch = Watch(self._read_by_setup(), Checksum(self.team))
        self._written = self._written_by_forward()
        self.at = NOWHERE  # the last wave that was run
        self._step = -1  # the last step of the plan that was
        self._passes: dict[tuple[str, int, int], tuple[list[Segment], int]] = {}  # and the last step of each
        self._cuts: dict[Buckets, list[list[Segment]]] = {}
        self._over: dict[tuple[int, int], bool] = {}
        self._slots: dict[int, Array] = {}  # plain arrays whose shape stays
        self._losses = [node.index for node in self.plan.graph.nodes if any(node.loss_weights)]
        items = (*self.program.constants, *self.program.forward, *self.program.backward)
        steps = [item.step for item in items if item.step is not None]
        for layer in sorted({step.layer for step in steps if step.kind in ("forward", "backward")}):
            self._bind(layer)
        for buffer in self.state().values():
            buffer[...] = 0

    @property
    def planned_bytes(self) -> int:
        """The size of the arena: blobs in all their layouts, packed parameters and workspace."""
        return self.program.planned_bytes

    @property
    def own_bytes(self) -> int:
        """The part of it that replicas do not share."""
        return self.program.planned_bytes - self.program.packed_bytes

    # ------------------------------------------------------------ running

    def forward(self, first: int, last: int) -> float:
        if not self._passes:
            program = self.program
            items = (*program.setup, *program.forward, *program.backward, *program.updating)
            compile_all([WALKER, *(item.launch.kernel for item in items if item.launch is not None)])
        self.set_up()
        self._clock.view(np.uint64)[:] = self.storage.seed % 2**64, self.storage.iteration
        try:
            self._run("forward", self.program.forward, first, last)
        finally:
            for values in self._written:
                values.touch()
        return sum(self._loss(layer) for layer in self._losses if first <= layer <= last)

    def backward(self, first: int, last: int) -> None:
        self._run("backward", self.program.backward, first, last)

    def backward_by_buckets(self, buckets: Buckets, done: Callable[[], None]) -> None:
        """See `Executor`: tables end where a bucket is done."""
        if buckets not in self._cuts:
            items, ends = self.program.backward, done_with(self.program, self.plan, buckets)
            self._cuts[buckets] = [self.cut([*items[a:b]]) for a, b in pairwise((0, *ends, len(items)))]
        for number, segments in enumerate(self._cuts[buckets]):
            if number:
                done()
            self.walk(segments)
        self._step = self.plan.end - 1

    def updating(self, updates: Updates) -> Fast:
        """An executor of the same plan that can make updates in backward; it starts anew."""
        return Fast(self.storage, self.team.threads, updates, precision=self.precision)

    def replica(self, storage: Storage) -> Fast:
        """An executor of the same program on blobs of its own, which makes no updates.

        The storage's parameters are this one's.
        """
        first = None if self.program.updating else self
        return Fast(storage, self.team.threads, first=first, precision=self.precision)

    def backward_and_update(self) -> None:
        """All of backward, and every parameter's update as soon as its gradient is complete."""
        try:
            self._run("updating", self.program.updating, 0, len(self.plan.layers))
        finally:
            for blob in self.storage.parameters.all:
                blob.values.touch()

    def set_up(self) -> None:
        """Before the first pass, and in a net without backward whenever parameters have changed: what is made of them.

        What layers give that give the same in every pass is made with it.
        """
        if not self.program.setup and not self.program.constants:
            return
        if self._setup is None:
            self._setup = self.cut([*self.program.setup, *self.program.constants])
        segments = self._setup
        self._packed.fill(self._watch.stamps(), lambda: self.walk(segments))

    def _read_by_setup(self) -> list[Values]:
        """The parameters that are looked at: what launches read in each pass is as it is then."""
        launches = (item.launch for item in self.program.setup if item.launch is not None)
        arrays = {ref.array for launch in launches for ref in launch.refs}
        return [self.storage.parameters.all[i].values for array, i in self._params().items() if array in arrays]

    def _written_by_forward(self) -> list[Values]:
        """The parameters that a forward pass writes: statistics."""
        params, found = self._params(), set[int]()
        for item in self.program.forward:
            if item.launch is None:
                blobs = zip(self.plan.layers[item.layer].params, self.plan.layers[item.layer].setup.params, strict=True)
                found.update(index for index, blob in blobs if not blob.learned)
            elif any(ref.array in params for ref in item.launch.refs):
                written = (one.at.array for one in touched(item.launch) if one.mode != "read")
                found.update(params[array] for array in written if array in params)
        return [self.storage.parameters.all[index].values for index in sorted(found)]

    def _params(self) -> dict[int, int]:
        """By array, the parameter that it is."""
        externals = enumerate(memory.external for memory in self.program.memory)
        return {array: e.param for array, e in externals if e is not None and e.kind == "param"}

    def _run(self, name: str, items: Iterable[Item], first: int, last: int) -> None:
        key = (name, first, last)
        if key not in self._passes:
            fused = (layer for layer, head in self.program.fused.items() if first <= head <= last)
            step = max(last, *fused, -1) if name == "forward" else self.plan.end - 1
            self._passes[key] = self.cut([i for i in items if first <= i.layer <= last]), step
        segments, step = self._passes[key]
        self.walk(segments)
        self._step = step

    def walk(self, segments: Sequence[Segment]) -> None:
        """Run segments one after the other."""
        if any(segment.computes for segment in segments):
            with one_thread():
                self._walk(segments)
        else:
            self._walk(segments)

    def _walk(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self.at = NOWHERE  # an exception on the way leaves no values that anyone could take for good
            if segment.table is not None:
                self.team.run(segment.table)
                if segment.told is not None:
                    self._listen(segment.told)
            else:
                assert segment.step is not None
                self._do(segment.step)
            self.at = segment.end

    def _listen(self, layer: int) -> None:
        """Do what follows from what a layer's launches have told; raises NetError where they refuse values."""
        if layer in self.program.refusals:
            self._refuse(layer)
        if layer in self.program.counted:
            self._count(layer)

    def _refuse(self, layer: int) -> None:
        refusal = self.program.refusals[layer]
        if self._view(refusal.cells, (self.program.memory[refusal.cells].nbytes,), np.dtype(np.uint8)).any():
            refusal.refuse(self._slot(refusal.slot))

    def _count(self, layer: int) -> None:
        """Give the tops of a layer the size that its launches have told."""
        counted = self.program.counted[layer]
        count = int(self._view(counted.cell, (1,), np.dtype(np.int64))[0])
        shapes = [list(self.plan.shapes[value]) for value in self.plan.graph.nodes[layer].tops]
        for shape in shapes:
            shape[counted.axis] = count
        self.resize(layer, dict(enumerate(map(tuple, shapes))))

    def cut(self, items: list[Item]) -> list[Segment]:
        """Items as tables of launches, and calls between them."""
        segments: list[Segment] = []
        rows: list[Launch] = []
        told = None
        for at, item in enumerate(items):
            if item.launch is None:
                copies = item.step is not None and self._copies(item.step)
                segments.append(Segment(item.wave, step=item.step, computes=not copies))
                continue
            rows.append(item.launch)
            following = items[at + 1] if at + 1 < len(items) else None
            told = item.layer if self._tells(item) else told
            if following is None or following.launch is None or (told is not None and following.layer != told):
                table = bind(rows, self._address, starts(self.program, rows))
                segments.append(Segment(item.wave, table, told=told))
                rows, told = [], None
        return segments

    def _tells(self, item: Item) -> bool:
        """Whether a launch writes what is listened to (`_listen`)."""
        refusal = self.program.refusals.get(item.layer)
        cells = (
            refusal is not None and item.launch is not None and any(r.array == refusal.cells for r in item.launch.refs)
        )
        return cells or item.layer in self.program.counted

    def _copies(self, step: Step) -> bool:
        """Whether it only copies inputs."""
        return step.kind == "forward" and self.plan.graph.nodes[step.layer].type.source

    # ------------------------------------------------------------ arrays

    def value(self, index: int) -> Array | None:
        return self._read(self.plan.data[index])

    def gradient(self, index: int) -> Array | None:
        slot = self.plan.diff[index]
        return None if slot is None else self._read(slot)

    def state(self) -> dict[tuple[int, str], Array]:
        return {
            (layer, b.name): self._buffer(layer, b)
            for layer, planned in enumerate(self.plan.layers)
            for b in planned.setup.buffers
            if b.kind == "state" and (layer, b.name) in self.program.buffers
        }

    def _read(self, slot: int) -> Array | None:
        """The slot's array as plain, from whichever layout is alive."""
        home = self.program.homes.get(slot)
        if home is None or self._is_over(slot):
            return None
        holds = self.program.holds[slot]  # the other layout may be from before the last write
        if home.plain is not None and "plain" in holds and self._alive(home.plain.base.array):
            return self._slot(slot)
        if home.blocked is not None and "blocked" in holds and self._alive(home.blocked.base.array):
            return self._unpacked(home.blocked, self._shape(slot))
        return None

    def _is_over(self, slot: int) -> bool:
        key = slot, self._step
        if key not in self._over:
            self._over[key] = self.plan.is_over(*key)
        return self._over[key]

    def _alive(self, array: int) -> bool:
        memory = self.program.memory[array]
        return memory.first <= self.at <= memory.last

    def _unpacked(self, blob: Blocked, shape: Shape) -> Array:
        result = np.empty(shape, np.float32)
        here = len(self.program.memory)
        launch = unpack(blob, plain_at(here, shape))
        self.team.run(bind([launch], lambda array: result.ctypes.data if array == here else self._address(array)))
        return result

    def _slot(self, slot: int) -> Array:
        found = self._slots.get(slot)
        if found is None:
            home = self.program.homes[slot].plain
            assert home is not None
            found = self._view(home.base.array, self._shape(slot), np.dtype(np.float32))
            if slot not in self.program.bounded:
                self._slots[slot] = found
        return found[...]  # an array of the caller's own, who may give it another shape

    def _shape(self, slot: int) -> Shape:
        """Of a value or its gradient, as it is now."""
        return self.shapes[self.plan.slots[slot].owner] if slot in self.program.bounded else self.program.shapes[slot]

    def _buffer(self, layer: int, buffer: Buffer) -> Array:
        dtype = self.plan.slots[self.plan.buffers[layer][buffer.name]].dtype
        return self._view(self.program.buffers[layer, buffer.name], buffer.shape, np.dtype(dtype))

    def _view(self, array: int, shape: Shape, dtype: np.dtype[Any]) -> Array:
        start, memory = self.program.memory[array].offset, self.arena
        if start >= self.own_bytes:
            start, memory = start - self.own_bytes, self._packed.memory
        return memory[start : start + prod(shape) * dtype.itemsize].view(dtype).reshape(shape)

    def _address(self, array: int) -> int:
        memory = self.program.memory[array]
        if memory.external is None:
            packed = memory.offset - self.own_bytes
            if packed >= 0 and memory.nbytes:
                return int(self._packed.memory.ctypes.data) + packed
            return int(self.arena.ctypes.data) + memory.offset
        if memory.external.kind == "clock":
            return int(self._clock.ctypes.data)
        blob = self.storage.parameters.all[memory.external.param]
        kind = memory.external.kind
        target = blob.array if kind == "param" else blob.added if kind == "gradient" else getattr(blob.rows, kind)
        assert target is not None
        assert target.flags.c_contiguous
        return int(target.ctypes.data)

    # ------------------------------------------------------------ what layers' own kernels see

    def _data(self, value: int) -> Array:
        return self._slot(self.plan.data[value])

    def _bottoms(self, layer: int) -> tuple[Array, ...]:
        """Of a layer that reads none arrays of the right shape, which need not be anywhere."""
        bottoms = self.plan.graph.nodes[layer].bottoms
        if not self.plan.layers[layer].setup.constant:
            return super()._bottoms(layer)
        return tuple(np.broadcast_to(np.float32(np.nan), self.shapes[v]) for v in bottoms)

    def _room(self, value: int) -> Array:
        home = self.program.homes[self.plan.data[value]].plain
        assert home is not None
        return self._view(home.base.array, self.plan.shapes[value], np.dtype(np.float32))

    def _backward_data(self, value: int, seen: Array) -> Array:
        """A rematerialised value's own array only where the layer's own kernels use it."""
        home = self.program.homes.get(self.plan.backward_data[value])
        return seen if home is None or home.plain is None else self._slot(self.plan.backward_data[value])

    def _diff(self, slot: int) -> Array:
        return self._slot(slot)

    def _buffers(self, layer: int, setup: Setup) -> dict[str, Array]:
        return {b.name: self._buffer(layer, b) for b in setup.buffers if (layer, b.name) in self.program.buffers}

    def _backward_buffers(self, layer: int, call: Call) -> dict[str, Array]:
        own = {name: array for (of, name), array in self.program.backward_buffers.items() if of == layer}
        return {
            name: self._view(own[name], buffer.shape, buffer.dtype) if name in own else buffer
            for name, buffer in call.buffers.items()
        }
