"""The state of lowering: which layouts each slot's array has, and the program so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import Any

from netc.fast.machine.access import Access, Mode
from netc.fast.machine.emit import LANES
from netc.fast.machine.launch import Launch, Ref, Region, labelled
from netc.fast.machine.layout import Blocked, Halo, Plain, blocked, plain
from netc.fast.machine.moves import clear, clear_halo, copy_padded, pack, unpack
from netc.fast.precision import Precision
from netc.fast.program.constants import constant_layers
from netc.fast.program.lowered import (
    Counted,
    External,
    Home,
    Item,
    Key,
    Layout,
    Memory,
    Part,
    Refusal,
    Rows,
    Thin,
    Updates,
    Values,
    Variant,
)
from netc.layer import Array, Shape
from netc.plan.model import Layer, Plan, Step

Filled = Layout | Halo | Thin
"""What a slot's array may be there as; a halo: a plain copy with that around each plane; a pair: a bfloat16 copy."""
CLOCK_BYTES = 16  # the seed and the iteration, int64s


class Builder:
    """First all families say what they want (halos, parts of larger blobs), then they emit launches.

    A slot's array may exist plain, blocked, or both; `read_*` converts where the layout that is asked for is not there
    yet, `write_*` makes that layout the only one that holds.
    """

    def __init__(self, plan: Plan, threads: int, precision: Precision, updates: Updates | None = None) -> None:
        self.plan = plan
        self.threads = threads
        self.precision = precision
        self.updates = updates
        self.variant: Variant | None = None  # of backward, to which alone launches that are emitted belong
        self.movable: set[int] = set()  # arrays of gradients that live in the arena where backward makes the updates
        self.moved: dict[int, Region] = {}  # and where they are then
        self.updated: set[int] = set()  # parameters whose update has been emitted
        self.memory: list[Memory] = []
        self.items: list[Item] = []
        self.setup: list[Item] = []
        self.constant = constant_layers(plan)
        self.constants: list[Item] = []  # what these layers do, once
        self.persistent: set[int] = set()  # arrays that setup, or a layer that runs once, fills
        self.wave = 0
        self.layer = -1
        self.in_backward = False  # where values may be in other slots than in forward
        self.recomputing = False  # while backward runs a layer's forward
        self.fused: dict[int, int] = {}
        self.sums = {
            s.source: s.target for s in plan.backward if s.kind == "add"
        }  # parts of gradients, and what they are added to
        self.added: set[int] = set()  # those that their family has added already
        self.accepted: set[int] = set()
        self.native: dict[int, Layout] = {}  # of each value
        self.counted: dict[int, Counted] = {}  # by layer
        self.refusals: dict[int, Refusal] = {}  # by layer
        self.buffers: dict[tuple[int, str], int] = {}
        self.backward_buffers: dict[tuple[int, str], int] = {}
        self.weights: dict[tuple[int, int], Region] = {}  # arrays that stand for parameter blobs (groups with zeros)
        self.kept: dict[tuple[int, str], Region] = {}  # arrays that a family keeps from forward to backward
        self.notes: dict[int, Any] = {}  # and whatever else a family keeps, by layer
        self.keep = plan.kept
        self._halos: dict[Key, Halo] = {}
        self._alike: dict[Key, Key] = {}  # arrays whose halo is that of another, by choice
        self._parts: dict[Key, Part] = {}
        self._blocked: dict[Key, Blocked] = {}
        self._plain: dict[int, int] = {}
        self._padded: dict[tuple[int, Halo], Plain] = {}  # copies of slots
        self.copies: dict[tuple[Key, Thin], Blocked] = {}  # bfloat16 ones (`copies`)
        self.copy_halos: dict[tuple[Key, Thin], Halo] = {}
        self.copy_readers: dict[tuple[int, Thin], set[int]] = {}  # of each value: the layers that read it
        self._holds: dict[int, set[Filled]] = {}
        self._clean: set[Key] = set()
        self._written: dict[int, int] = {}  # storage -> the slot that was last written there
        self._external: dict[External, int] = {}
        self.homes: dict[int, Home] = {}

    # ------------------------------------------------------------ the plan

    def planned(self, layer: int) -> Layer:
        return self.plan.layers[layer]

    def data(self, value: int) -> int:
        """The data slot of a value, as forward or (from its first step on) backward sees it."""
        return (self.plan.backward_data if self.in_backward else self.plan.data)[value]

    def shape(self, slot: int) -> Shape:
        return self.plan.slots[slot].shape

    def is_bounded(self, slot: int) -> bool:
        """Whether the shape of a value, or of its gradient, is known only when the net runs."""
        return self.plan.slots[slot].kind != "buffer" and self.plan.slots[slot].owner in self.plan.bounded

    def bottom(self, layer: int, index: int = 0) -> int:
        """The data slot of a bottom."""
        return self.data(self.plan.graph.nodes[layer].bottoms[index])

    def top(self, layer: int, index: int = 0) -> int:
        return self.data(self.plan.graph.nodes[layer].tops[index])

    def absorbed(self, layer: int) -> list[int]:
        """The layers whose work this one's launches do, in order; while it is recomputed, those that are, too."""
        found = sorted(other for other, head in self.fused.items() if head == layer)
        return [other for other in found if other in self.plan.recomputed] if self.recomputing else found

    def last_of(self, layer: int) -> int:
        """The last layer that this one's launches do the work of: itself, if it absorbs none."""
        return max([layer, *self.absorbed(layer)])

    def backward_of(self, layer: int) -> Step | None:
        """A layer's backward step, if it has one."""
        return next((s for s in self.plan.backward if s.kind == "backward" and s.layer == layer), None)

    # ------------------------------------------------------------ wishes

    def want(self, slot: int | None, halo: Halo) -> None:
        """The slot's blocked array needs at least this halo."""
        if slot is not None:
            self._widen(self.key(slot), halo)

    def same_halo(self, value: int, other: int) -> None:
        """The blocked arrays of both values get one halo, so that their pixels are as far apart."""
        for slots in (self.plan.data, self.plan.backward_data):
            mine, theirs = (self._wisher(self.key(slots[v])) for v in (value, other))
            if mine != theirs:
                self._alike[mine] = theirs
                self._widen(theirs, self._halos.pop(mine, Halo()))

    def place_in(self, slot: int, whole: int, first: int) -> None:
        """Let the slot's blocked array be channels `first`... of another's."""
        key, target = self.key(slot), self.key(whole)
        halo = self._halos.pop(key, Halo())
        self._parts[key] = Part(target, first)
        self._widen(target, halo)

    def _widen(self, key: Key, halo: Halo) -> None:
        wisher = self._wisher(key)
        self._halos[wisher] = self._halos.get(wisher, Halo()) | halo

    def _wisher(self, key: Key) -> Key:
        """The array whose halo this one has: the whole that it is a part of, then one for all that have one halo."""
        key = self._root(key)
        while key in self._alike:
            key = self._alike[key]
        return key

    def is_rematerialised_in_place(self, slot: int) -> bool:
        """Whether some value is rematerialised in the slot's own storage, in place."""
        slots, pairs = self.plan.slots, zip(self.plan.data, self.plan.backward_data, strict=True)
        return any(other != data and slots[other].storage == slots[slot].storage for data, other in pairs)

    def is_rematerialised(self, value: int) -> bool:
        return self.plan.backward_data[value] != self.plan.data[value]

    def is_part(self, slot: int) -> bool:
        return self.key(slot) in self._parts

    def same_place(self, slot: int, other: int) -> bool:
        return self.plan.slots[slot].storage == self.plan.slots[other].storage

    def mirror(self) -> None:
        """What has been asked for of a value's array holds for the one that it is rematerialised in, too."""
        for slot, other in zip(self.plan.data, self.plan.backward_data, strict=True):
            mine, theirs = self.key(slot), self.key(other)
            if mine != theirs and theirs not in self._parts:
                self._widen(theirs, self._halos.get(self._wisher(mine), Halo()))

    # ------------------------------------------------------------ arrays

    def new(self, name: str, nbytes: int) -> Region:
        self.memory.append(Memory(name, nbytes))
        return Region(len(self.memory) - 1, 0, nbytes)

    def counted_by(self, layer: int, axis: int) -> Region:
        """Where launches of a dynamic layer, which write its tops, say how large these are along an axis: an int64."""
        cell = self.new("size", 8)
        tops = (self.plain(self.data(value)) for value in self.plan.graph.nodes[layer].tops)
        self.counted[layer] = Counted(cell.array, axis, frozenset(top.base.array for top in tops))
        return cell

    def refused_by(self, layer: int, slot: int, nbytes: int, refuse: Callable[[Array], object]) -> Region:
        """Where launches of a layer's forward say that they cannot use values of a bottom, which is there as plain:
        not all zeros. Then refuse(values) raises what is wrong. What they make of such a value may be anything.
        """
        cells = self.new("refused", nbytes)
        if not self.recomputing:
            self.refusals[layer] = Refusal(cells.array, slot, refuse)
        return cells

    def param(self, layer: int, position: int) -> Region:
        """A parameter blob's values, or what stands for them."""
        if (layer, position) in self.weights:
            return self.weights[layer, position]
        return self.outside(External("param", self.planned(layer).params[position]))

    def param_gradient(self, layer: int, position: int) -> Region | None:
        """A parameter blob's gradient, None if it takes none."""
        index = self.planned(layer).params[position]
        return self.gradient(index) if self.plan.params[index].learned else None

    def gradient(self, index: int) -> Region:
        """A parameter blob's gradient, by its index in the plan."""
        return self.outside(External("gradient", index))

    def clock(self) -> Region:
        """The seed and the iteration, which random draws depend on."""
        return self.outside(External("clock"))

    def outside(self, external: External) -> Region:
        """Memory that is not in the arena."""
        if external not in self._external:
            self._external[external] = len(self.memory)
            self.memory.append(Memory(f"{external.kind} {external.param}", self._bytes(external), external))
        array = self._external[external]
        return Region(array, 0, self.memory[array].nbytes)

    def _bytes(self, external: External) -> int:
        if external.kind in ("clock", "count"):
            return CLOCK_BYTES if external.kind == "clock" else 8
        shape = self.plan.params[external.param].shape
        return 8 * shape[0] if external.kind in ("rows", "places") else 4 * prod(shape)

    def blocked(self, slot: int) -> Blocked:
        """The slot's blocked array."""
        return self._blocked_of(self.key(slot))

    def plain(self, slot: int) -> Plain:
        """The slot's plain array."""
        storage = self.plan.slots[slot].storage
        if storage not in self._plain:
            nbytes = max(s.nbytes for s in self.plan.slots if s.storage == storage)
            self._plain[storage] = self.new(self.plan.slots[slot].name, nbytes).array
        return plain(self._plain[storage], self.key(slot)[1])

    def buffer(self, layer: int, name: str) -> int:
        """The array of a reference layer's buffer."""
        slots = (self.plan.backward_buffers if self.in_backward else self.plan.buffers)[layer]
        found = self.buffers if slots[name] == self.plan.buffers[layer][name] else self.backward_buffers
        if (layer, name) not in found:
            slot = self.plan.slots[slots[name]]
            found[layer, name] = self.new(f"{slot.name} buffer", slot.nbytes).array
        return found[layer, name]

    def key(self, slot: int) -> Key:
        """What a slot's arrays are known by."""
        shape = self.plan.slots[slot].shape
        return self.plan.slots[slot].storage, (*shape, 1, 1, 1, 1)[: max(4, len(shape))]

    def _root(self, key: Key) -> Key:
        while key in self._parts:
            key = self._parts[key].of
        return key

    def _blocked_of(self, key: Key) -> Blocked:
        if key not in self._blocked:
            part = self._parts.get(key)
            if part is None:
                blob = blocked(0, key[1], self._halos.get(self._wisher(key), Halo()))
                made = replace(blob, base=self.new(self.plan.slots[key[0]].name, blob.n * blob.image))
            else:
                made = self._blocked_of(part.of).part(part.first, key[1][1])
            self._blocked[key] = made
        return self._blocked[key]

    # ------------------------------------------------------------ layouts

    def holds(self, slot: int, layout: Filled) -> bool:
        return layout in self._holds.get(slot, ())

    def layouts(self, slot: int) -> frozenset[Layout]:
        """The layouts of the slot's array that are filled."""
        return frozenset(layout for layout in self._holds.get(slot, ()) if isinstance(layout, str))

    def read(self, slot: int) -> Blocked:
        """The slot's blocked array, filled."""
        self.adopt(slot)
        if not self.holds(slot, "blocked"):
            self._clear(slot)
            self.emit(pack(self.plain(slot), self.blocked(slot)), "pack")
            self.hold(slot, "blocked")
        return self.blocked(slot)

    def read_plain(self, slot: int) -> Plain:
        """The slot's plain array, filled."""
        self.adopt(slot)
        if not self.holds(slot, "plain"):
            self.emit(unpack(self.blocked(slot), self.plain(slot)), "unpack")
            self.hold(slot, "plain")
        return self.plain(slot)

    def read_padded(self, slot: int, halo: Halo) -> Plain:
        """A plain copy with a halo, filled; the array itself where no halo is needed."""
        source = self.read_plain(slot)
        if halo == Halo():
            return source
        if (slot, halo) not in self._padded:
            copy = replace(source, halo=halo)
            self._padded[slot, halo] = replace(copy, base=self.new("padded", copy.n * copy.image))
        if not self.holds(slot, halo):
            self.emit(copy_padded(source, self._padded[slot, halo]), "pad")
            self.hold(slot, halo)
        return self._padded[slot, halo]

    def write(self, slot: int) -> Blocked:
        """The slot's blocked array, about to be written; its halo is zero from here on."""
        self._clear(slot)
        self.fresh(slot, "blocked")
        return self.blocked(slot)

    def write_or_add(self, slot: int) -> tuple[Blocked, bool]:
        """A gradient's blocked array, about to be written; or, for a part, what it is added to, to be added to."""
        whole = self.sums.get(slot)
        if whole is None or not self.holds(whole, "blocked") or self.key(whole)[1] != self.key(slot)[1]:
            return self.write(slot), False
        self.added.add(slot)
        return self.write(whole), True

    def write_plain(self, slot: int) -> Plain:
        """The slot's plain array, about to be written."""
        self.fresh(slot, "plain")
        return self.plain(slot)

    def any_layout(self, layer: int) -> Layout | None:
        """The layout of a layer that goes value by value: its bottom's; None: its kernels would not fit a plain one."""
        layout = self.native.get(self.plan.graph.nodes[layer].bottoms[0], "plain")
        return layout if layout == "blocked" or self.is_flat(self.bottom(layer)) else None

    def by_value(self, layer: int) -> tuple[Callable[[int], Blocked], Callable[[int], Blocked]]:
        """How a layer that goes value by value reads slots and writes them: as blobs of one layout."""
        blocked = self.native[self.plan.graph.nodes[layer].tops[0]] == "blocked"
        return (self.read, self.write) if blocked else (self.read_flat, self.write_flat)

    def is_flat(self, slot: int) -> bool:
        """Whether the plain array can be gone over as whole vectors."""
        return prod(self.shape(slot)) % LANES == 0

    def read_flat(self, slot: int) -> Blocked:
        """The slot's plain array, filled, as lines of vectors (for kernels that do not care which value is where)."""
        self.read_plain(slot)
        return self._flat(slot)

    def write_flat(self, slot: int) -> Blocked:
        self.write_plain(slot)
        return self._flat(slot)

    def _flat(self, slot: int) -> Blocked:
        vectors = prod(self.shape(slot)) // LANES
        lines = max(n for n in range(1, 65) if vectors % n == 0)
        return blocked(self.plain(slot).base.array, (1, LANES, lines, vectors // lines), Halo())

    def shares(self, slot: int, other: int) -> None:
        """The first slot is another name for the plain array of the other, which is filled."""
        self.read_plain(other)
        self.hold(slot, "plain")

    def fresh(self, slot: int, layout: Filled) -> None:
        """From here on the slot's array is there only so."""
        self._holds[slot] = set()
        self.hold(slot, layout)
        self._written[self.plan.slots[slot].storage] = slot

    def adopt(self, slot: int) -> None:
        """A slot that no step wrote is another name for what was last written to its storage (Flatten's gradient)."""
        if self._holds.get(slot):
            return
        other = self._written.get(self.plan.slots[slot].storage)
        if other is None:
            return
        if self.shape(other) == self.shape(slot) and self.holds(other, "blocked"):
            self.hold(slot, "blocked")
        else:
            self.shares(slot, other)

    def hold(self, slot: int, layout: Filled) -> None:
        """The slot's array is there so, too."""
        self._holds.setdefault(slot, set()).add(layout)
        home = self.homes.get(slot, Home())
        if layout == "plain":
            self.homes[slot] = replace(home, plain=self.plain(slot))
        elif layout == "blocked":
            self.homes[slot] = replace(home, blocked=self.blocked(slot))

    def _clear(self, slot: int) -> None:
        """Zero the halo once in the life of an array (of the whole, for a part: others may write there first)."""
        root = self._root(self.key(slot))
        if root not in self._clean:
            self._clean.add(root)
            self.emit(clear_halo(self._blocked_of(root)), "halo")

    # ------------------------------------------------------------ the program

    def emit(self, launches: Launch | Iterable[Launch], label: str = "") -> None:
        """The next launches of the program; label: what they are called where times are shown."""
        for launch in labelled(launches, label):
            ours = [ref.array for ref in launch.refs if ref.array in self.movable]
            if ours and self.variant is None:
                self._append(launch, "accumulating")
                for array in ours:
                    self._move(array)
                self._append(launch.shift(self._moved), "updating")
            else:
                self._append(launch, self.variant)
            if launch.wait:
                self.wave += 1

    def _append(self, launch: Launch, variant: Variant | None) -> None:
        for ref in launch.refs:
            self.memory[ref.array].touch(self.wave)
        self.items.append(Item(self.layer, self.wave, launch, variant=variant))

    # ------------------------------------------------------------ updates in backward

    @contextmanager
    def in_variant(self, variant: Variant) -> Iterator[None]:
        """`with b.in_variant("updating"):` what is emitted inside belongs to this variant of backward alone."""
        self.variant = variant
        yield
        self.variant = None

    def _move(self, array: int) -> None:
        """Give a gradient an array of its own in the arena, zero at first."""
        if array not in self.moved:
            memory = self.memory[array]
            self.moved[array] = self.new(memory.name, memory.nbytes)
            self._append(replace(clear(self.moved[array]), label="update"), "updating")
            self.wave += 1

    def _moved(self, ref: Ref) -> Ref:
        target = self.moved.get(ref.array)
        return ref if target is None else target + ref.offset

    def in_parts(self, layer: int, position: int) -> bool:
        """Whether a family may make a parameter's gradient and update part by part (`update`)."""
        index = self.planned(layer).params[position]
        return self.updates is not None and sum(index in x.params for x in self.plan.layers) == 1

    def update(self, index: int, gradient: Ref, part: Values | Rows) -> None:
        """Emit the update of a part of a parameter; gradient: that of the part's first value."""
        assert self.updates is not None
        self.updated.add(index)
        values = self.outside(External("param", index))
        first = values + 4 * part.first if isinstance(part, Values) else values
        with self.in_variant("updating"):
            self.emit(self.updates(index, first, gradient, part))

    def emit_setup(self, launches: Launch | Iterable[Launch], label: str = "") -> None:
        """Launches that depend on parameters only: in a net without backward they run when those have changed."""
        if self.plan.backward_planned:
            self.emit(launches, label)
            return
        for launch in labelled(launches, label):
            self.setup.append(Item(self.layer, 0, launch))
            self.persistent |= {ref.array for ref in launch.refs}

    def call(
        self, step: Step, *, reads: Iterable[int] = (), writes: Iterable[int] = (), updates: Iterable[int] = (),
        scratch: Iterable[int] = (),
    ) -> None:  # fmt: skip
        """A step by the layer's own kernels, on these arrays."""
        if self.items and self.items[-1].wave == self.wave:
            self.wave += 1
        uses = self._uses(("read", reads), ("write", writes), ("update", updates), ("scratch", scratch))
        for use in uses:
            self.memory[use.at.array].touch(self.wave)
        self.items.append(Item(self.layer, self.wave, step=step, uses=uses))
        self.wave += 1

    def call_once(self, step: Step, *, reads: Iterable[int], writes: Iterable[int]) -> None:
        """A step by the layer's own kernels, once, before the first pass; so is what makes the arrays that it reads."""
        uses = self._uses(("read", reads), ("write", writes))
        self.constants.append(Item(self.layer, 0, step=step, uses=uses))
        self.persistent |= {use.at.array for use in uses}

    def _uses(self, *arrays: tuple[Mode, Iterable[int]]) -> tuple[Access, ...]:
        return tuple(Access(mode, Ref(a), self.memory[a].nbytes) for mode, given in arrays for a in given)
