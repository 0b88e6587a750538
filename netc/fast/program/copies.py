"""bfloat16 copies of blobs: of those that products of bfloat16 numbers read (`netc.fast.machine.bf16`).

A value's copy is made once for all its readers: of its blocked array, or by the launches that make the value. Where
nobody reads anything but the copy there is no other array.
"""

from __future__ import annotations

from dataclasses import replace

from netc.fast.machine.bf16 import WAYS, copy_bytes, copy_of, halved
from netc.fast.machine.launch import Ref
from netc.fast.machine.layout import NO_BLOB, Blocked, Halo, blocked
from netc.fast.machine.moves import clear_halo
from netc.fast.program.builder import Builder
from netc.fast.program.lowered import Key, Thin
from netc.jit import bf16

WHOLE: Thin = (1, 1)


def way(b: Builder) -> int | None:
    """How products of bfloat16 numbers are made; None: the net has none."""
    return WAYS[bf16()] if b.precision == "bf16" else None


def known_way(b: Builder) -> int:
    """The same, of a net that has some."""
    found = way(b)
    assert found is not None
    return found


def want(b: Builder, layer: int, value: int, halo: Halo, thin: Thin = WHOLE) -> None:
    """A layer will read the value's copy, with at least this halo around it."""
    for slots in (b.plan.data, b.plan.backward_data):
        _widen(b, b.key(slots[value]), halo, thin)
    b.copy_readers.setdefault((value, thin), set()).add(layer)


def want_slot(b: Builder, slot: int, halo: Halo) -> None:
    """The same of a gradient, by its slot."""
    _widen(b, b.key(slot), halo, WHOLE)


def _widen(b: Builder, key: Key, halo: Halo, thin: Thin) -> None:
    b.copy_halos[key, thin] = b.copy_halos.get((key, thin), Halo()) | halo


def read(b: Builder, slot: int, thin: Thin = WHOLE) -> Blocked:
    """A slot's copy, filled."""
    copy = _copy(b, slot, thin)
    if not b.holds(slot, thin):
        source = b.read(slot)
        b.emit([*clear_halo(copy), halved(known_way(b), source, copy, thin)], "bf16 copy")
        b.hold(slot, thin)
    return copy


def write(b: Builder, value: int, alone: bool) -> tuple[Blocked, Blocked]:
    """A value's blocked array and its copy, about to be written; NO_BLOB for the one that nobody reads.

    alone: whether the launches can do without the array.
    """
    slot, readers = b.data(value), b.copy_readers.get((value, WHOLE), set())
    if not readers:
        return b.write(slot), NO_BLOB
    copy = _copy(b, slot, WHOLE)
    b.emit(clear_halo(copy), "halo")
    if alone and _suffices(b, value, readers):
        b.fresh(slot, WHOLE)
        return NO_BLOB, copy
    y = b.write(slot)
    b.hold(slot, WHOLE)
    return y, copy


def _suffices(b: Builder, value: int, readers: set[int]) -> bool:
    """Whether the copy is all that is ever read of a value."""
    found, plan = b.plan.graph.values[value], b.plan
    apart = plan.kept or plan.backward_planned or value in plan.graph.outputs or b.is_part(b.data(value))
    return not apart and {reader for reader, _ in found.consumers} <= readers


def _copy(b: Builder, slot: int, thin: Thin) -> Blocked:
    key = b.key(slot)
    if (key, thin) not in b.copies:
        copy = copy_of(blocked(0, key[1], Halo()), 0, b.copy_halos[key, thin], thin)
        array = b.new(f"{b.plan.slots[slot].name} in bf16", copy_bytes(copy)).array
        b.copies[key, thin] = replace(copy, base=Ref(array))
    return b.copies[key, thin]
