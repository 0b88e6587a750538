"""Lowering: from a plan to a program of compiled steps on blocked blobs, and of reference kernels for the rest.

A pure function of the plan, the host's features, the precision and the number of threads (which decides only about
workspace). What it knows of layer types are their families; a layer without one runs on its own kernels, as does
one that sees blobs whose size depends on values: its call gets arrays of the true size.
"""

from __future__ import annotations

from netc.fast.precision import Precision
from netc.fast.program.adding import add, add_up
from netc.fast.program.builder import Builder
from netc.fast.program.families import family_of
from netc.fast.program.family import Family
from netc.fast.program.lowered import Lowered, Updates
from netc.fast.program.updates import UpdatesInBackward
from netc.graph import Node
from netc.plan.allocate import Block, aligned, allocate, lower_bound
from netc.plan.model import Plan, Step

__all__ = ["Lowered", "lower"]


def lower(plan: Plan, threads: int = 1, precision: Precision = "fast", updates: Updates | None = None) -> Lowered:
    """The program of a plan.

    updates: makes the launches that update parameters; then there is also a backward that does so on the way.
    """
    b = Builder(plan, threads, precision, updates)
    _accept(b)
    _fuse(b)
    b.mirror()
    for step in plan.forward:
        _forward(b, step)
    _outputs(b)
    turn, turn_wave, in_backward = len(b.items), b.wave, UpdatesInBackward(b)
    in_backward.start()
    b.in_backward = True
    for index, step in enumerate(plan.backward):
        _backward(b, step)
        in_backward.after(index)
    in_backward.finish()
    _other_names(b)
    planned, bound, packed = _place(b, turn_wave)
    accumulating = tuple(item for item in b.items[turn:] if item.variant != "updating")
    updating = tuple(item for item in b.items[turn:] if item.variant != "accumulating") if updates is not None else ()
    return Lowered(
        tuple(b.setup), tuple(b.constants), tuple(b.items[:turn]), accumulating, updating, tuple(b.memory), b.homes,
        {slot: b.layouts(slot) for slot in b.homes},
        {i: s.shape for i, s in enumerate(plan.slots)},
        frozenset(slot for slot in range(len(plan.slots)) if b.is_bounded(slot)), b.counted, b.refusals,
        b.buffers, b.backward_buffers, b.fused, b.threads, planned, bound, packed,
    )  # fmt: skip


def _accept(b: Builder) -> None:
    for node in b.plan.graph.nodes:
        own = node.index in b.plan.skipped or node.index in b.constant or _is_sized_late(b, node)
        family = None if own else family_of(node.type)
        layout = family.accepts(b, node.index) if family is not None else None
        if layout is not None:
            b.accepted.add(node.index)
            b.native.update(dict.fromkeys(node.tops, layout))
        elif node.index in b.plan.skipped:
            for value in node.tops:
                same = b.plan.shapes[value] == b.plan.shapes[node.bottoms[0]]
                b.native[value] = b.native.get(node.bottoms[0], "plain") if same else "plain"


def _is_sized_late(b: Builder, node: Node) -> bool:
    """Whether the layer reads blobs of a size that is known only when the net runs: launches have one of their own."""
    return not b.plan.bounded.isdisjoint(node.bottoms)


def _family(b: Builder, layer: int) -> Family:
    """The family that accepts a layer (`Builder.accepted`)."""
    family = family_of(b.plan.graph.nodes[layer].type)
    assert family is not None
    return family


def _fuse(b: Builder) -> None:
    for node in b.plan.graph.nodes:
        if node.index in b.accepted and node.index not in b.fused:
            absorb = _family(b, node.index).absorb
            if absorb is not None:
                absorb(b, node.index)


# ---------------------------------------------------------------- forward


def _forward(b: Builder, step: Step) -> None:
    layer = step.layer
    b.layer = step.reader if b.recomputing else layer
    node = b.plan.graph.nodes[layer]
    if layer in b.fused and not (b.recomputing and b.fused[layer] not in b.plan.recomputed):
        return
    if layer in b.plan.skipped:
        for value in node.tops:
            _skip(b, b.data(value), b.bottom(layer))
    elif layer in b.accepted:
        _family(b, layer).forward(b, layer)
        if layer in b.refusals:  # who refuses values shows them
            b.memory[b.plain(b.refusals[layer].slot).base.array].touch(b.wave)
    else:
        read = () if b.planned(layer).setup.constant else node.bottoms
        inputs = [b.read_plain(b.data(v)).base.array for v in read]
        if layer in b.constant and not b.recomputing:
            b.call_once(step, reads=inputs, writes=[b.write_plain(b.data(v)).base.array for v in node.tops])
            return
        buffers = _buffers(b, layer, back=False)
        outputs = [b.write_plain(b.data(v)).base.array for v in node.tops] + buffers.pop("writes", [])
        b.call(step, reads=inputs, writes=outputs, **buffers)


def _skip(b: Builder, top: int, bottom: int) -> None:
    """Make the top another name for the bottom's values: as blocked if the shape is the same too, else plain."""
    if b.shape(top) == b.shape(bottom) and b.holds(bottom, "blocked"):
        b.write(top)
        if b.holds(bottom, "plain"):
            b.shares(top, bottom)
    else:
        b.shares(top, bottom)


def _buffers(b: Builder, layer: int, back: bool) -> dict[str, list[int]]:
    """A layer's buffers by what its own kernels do with them; arguments of `Builder.call`."""
    found: dict[str, list[int]] = {}
    for buffer in b.planned(layer).setup.buffers:
        use = {"saved": "reads" if back else "writes", "scratch": "scratch", "state": "updates"}[buffer.kind]
        found.setdefault(use, []).append(b.buffer(layer, buffer.name))
    return found


def _outputs(b: Builder) -> None:
    """What callers read after a pass is plain, as is what the net's loss is made of."""
    nodes = b.plan.graph.nodes
    losses = (v for node in nodes for v, weight in zip(node.tops, node.loss_weights, strict=True) if weight)
    for value in dict.fromkeys((*b.plan.graph.outputs, *losses)):
        b.layer = b.plan.graph.values[value].producer
        b.read_plain(b.data(value))


def _other_names(b: Builder) -> None:
    """Gradients that no step wrote, for they are other names of a written one (a Flatten's bottom), can be read too."""
    for value, slot in enumerate(b.plan.diff):
        if slot is not None and slot not in b.homes:
            b.layer = b.plan.graph.values[value].producer
            b.adopt(slot)


# ---------------------------------------------------------------- backward


def _backward(b: Builder, step: Step) -> None:
    if step.kind == "forward":
        b.recomputing = True
        _forward(b, step)
        b.recomputing = False
        return
    b.layer = step.layer
    head = b.fused.get(step.layer, step.layer)
    if step.kind == "backward" and head != step.layer and _family(b, head).both_ways:
        return  # done with the head's
    if step.kind == "add":
        add(b, step)
    elif step.kind != "backward":
        b.call(step, writes=[b.write_plain(step.target).base.array])
    elif step.layer in b.plan.skipped:
        _skip_back(b, step)
    elif step.layer in b.accepted:
        _family(b, step.layer).backward(b, step)
    else:
        _reference_backward(b, step)


def _skip_back(b: Builder, step: Step) -> None:
    """A layer of several tops with shared values (Split): its backward adds."""
    target = step.bottom_diffs[0]
    if target is None:
        return
    if not add_up(b, step.top_diffs, target):
        _reference_backward(b, step)


def _reference_backward(b: Builder, step: Step) -> None:
    node, setup = b.plan.graph.nodes[step.layer], b.planned(step.layer).setup
    reads = [b.read_plain(slot).base.array for slot in step.top_diffs]
    for axis, values in (("x", node.bottoms), ("y", node.tops)):
        for i, value in enumerate(values):
            if axis in setup.reads or f"{axis}{i}" in setup.reads:
                reads.append(b.read_plain(b.data(value)).base.array)
    buffers = _buffers(b, step.layer, back=True)
    reads += buffers.pop("reads", [])
    writes = [b.write_plain(slot).base.array for slot in step.bottom_diffs if slot is not None]
    b.call(step, reads=reads, writes=writes, **buffers)


# ---------------------------------------------------------------- memory


def _place(b: Builder, turn: int) -> tuple[int, int, int]:
    """Offsets of all arrays of the arena; its size, the largest set alive at one time, and what setup fills.

    The latter is at the end: replicas of a net share it.
    """
    _outlive(b, turn, b.wave)
    inside = [(i, m) for i, m in enumerate(b.memory) if m.external is None and m.last >= 0]
    own = [m for i, m in inside if i not in b.persistent]
    blocks = [Block(aligned(m.nbytes), ((m.first, m.last),)) for m in own]
    offsets, planned = allocate(blocks, turn)
    for memory, offset in zip(own, offsets, strict=True):
        memory.offset = offset
    packed = 0
    for memory in (m for i, m in inside if i in b.persistent):
        memory.offset = planned + packed
        packed += aligned(memory.nbytes)
    return planned + packed, lower_bound(blocks) + packed, packed


def _outlive(b: Builder, turn: int, end: int) -> None:
    """What the plan keeps to the end of a pass lives so here too, and state lives for ever.

    In a net that keeps every blob, so does whatever else one layer's launches leave to another's, or to its backward:
    parts of a pass may run again.
    """
    plan = b.plan
    for slot, home in b.homes.items():
        if plan.slots[slot].last < plan.end - 1:  # not in the last step either, which may be several waves
            continue
        for blob in (home.plain, home.blocked):
            if blob is not None:
                b.memory[blob.base.array].touch(end)
                if plan.slots[slot].first < 0:
                    b.memory[blob.base.array].touch(0)
    for array in _passed_on(b, turn) if plan.kept else ():
        b.memory[array].touch(0)
        b.memory[array].touch(end)
    for refusal in b.refusals.values():
        b.memory[refusal.cells].touch(end)
    for array in b.persistent:
        b.memory[array].touch(0)
        b.memory[array].touch(end)
    for (layer, name), array in b.buffers.items():
        if any(x.name == name and x.kind == "state" for x in b.planned(layer).setup.buffers):
            b.memory[array].touch(0)
            b.memory[array].touch(end)


def _passed_on(b: Builder, turn: int) -> list[int]:
    """Arrays that the launches of several layers use, or the forward and the backward of one."""
    users: dict[int, set[tuple[int, bool]]] = {}
    for item in b.items:
        refs = item.launch.refs if item.launch is not None else []
        for array in (*(ref.array for ref in refs), *(use.at.array for use in item.uses)):
            users.setdefault(array, set()).add((item.layer, item.wave >= turn))
    return [array for array, by in users.items() if len(by) > 1 and b.memory[array].external is None]
