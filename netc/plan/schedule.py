"""The steps of forward and backward, the arrays that they read and write, and from when to when each array is needed.

Every value has a data array; a value that a gradient flows through has a diff array. Where several layers give gradient
to a value, the first to run (the last in the file) writes the diff, the others write a part that is then added. What a
layer's backward reads (`Setup.reads`) decides which data lives on after forward; `recompute` gives what is not kept a
second life.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from netc.graph import Node
from netc.layer import Shape
from netc.plan.draft import Array, Draft
from netc.plan.model import SlotKind, Step

BEFORE = -1  # the time before the first step
ITEM_BYTES = {"float32": 4, "int32": 4, "int64": 8, "uint8": 1}


def schedule(draft: Draft) -> None:
    """Fill in the arrays with their lifetimes, and both lists of steps."""
    graph = draft.graph
    draft.skipped = {n.index for n in graph.nodes if _shares(draft, n)}
    for value in graph.values:
        draft.data.append(new_array(draft, "data", value.index, value.name, draft.shape(value.index)))
    draft.diff = [None] * len(graph.values)
    for node in graph.nodes:
        draft.buffers.append({})
        _forward(draft, node)
    draft.backward_data, draft.backward_buffers = list(draft.data), [dict(buffers) for buffers in draft.buffers]
    draft.recomputed = _recomputed(draft)
    _backward(draft)
    _outlive(draft)


def _shares(draft: Draft, node: Node) -> bool:
    """Whether the layer is nothing but other names for the same values."""
    return draft.setup(node.index).shares and draft.options.alias


def new_array(draft: Draft, kind: SlotKind, owner: int, name: str, shape: Shape, dtype: str = "float32") -> int:
    """Add an array that lives at no step yet; returns its index."""
    index = len(draft.arrays)
    nbytes = prod(shape) * ITEM_BYTES[dtype]
    draft.arrays.append(Array(kind, owner, name, shape, dtype, nbytes, index, -2, -2))
    return index


def touch(draft: Draft, arrays: Iterable[int | None], step: int) -> None:
    """Make arrays live at a step (and from their first step until it)."""
    for index in arrays:
        if index is None:
            continue
        array = draft.arrays[index]
        array.first = step if array.first == -2 else min(array.first, step)
        array.last = max(array.last, step)


# ---------------------------------------------------------------- forward


def _forward(draft: Draft, node: Node) -> None:
    step = len(draft.forward)
    draft.forward.append(Step("forward", node.index))
    data = [draft.data[v] for v in (*node.bottoms, *node.tops)]
    touch(draft, data, step)
    if node.type.source:
        touch(draft, (draft.data[v] for v in node.tops), BEFORE)
    for buffer in draft.setup(node.index).buffers:
        dtype = "float32" if buffer.dtype == "float" else buffer.dtype
        index = new_array(draft, "buffer", node.index, buffer.name, buffer.shape, dtype)
        draft.buffers[node.index][buffer.name] = index
        touch(draft, (index,), step)


# ---------------------------------------------------------------- backward


def _backward(draft: Draft) -> None:
    started: set[int] = set()  # values whose diff has been written
    for node in reversed(draft.graph.nodes):
        if not draft.needs_backward[node.index]:
            continue
        for value in node.tops:
            _start(draft, value, started, node.index)
        tops = tuple(_diff(draft, v) for v in node.tops)
        bottoms, parts = _targets(draft, node, started)
        if node.index in draft.skipped and len(tops) == 1 and bottoms[0] is not None:
            _pass_on(draft, tops[0], bottoms[0])
        else:
            _rematerialise(draft, node)
            _step(draft, Step("backward", node.index, bottoms, tops))
        for target, part in parts:
            _step(draft, Step("add", node.index, target=target, source=part))


def _diff(draft: Draft, value: int) -> int:
    found = draft.diff[value]
    if found is None:
        found = new_array(draft, "diff", value, draft.graph.values[value].name, draft.shape(value))
        draft.diff[value] = found
    return found


def _start(draft: Draft, value: int, started: set[int], layer: int) -> None:
    """See that the diff of a value is written before it is read or added to."""
    if value in started:
        return
    made = draft.graph.values[value]
    weight = draft.graph.nodes[made.producer].loss_weights[made.top]
    started.add(value)
    _step(draft, Step("loss" if weight else "zero", layer, target=_diff(draft, value), weight=weight))


def _targets(draft: Draft, node: Node, started: set[int]) -> tuple[tuple[int | None, ...], list[tuple[int, int]]]:
    """Where the gradient of each bottom goes, and which (diff, part) pairs to add up afterwards."""
    targets: list[int | None] = []
    parts: list[tuple[int, int]] = []
    for value, wanted in zip(node.bottoms, draft.bottom_gradient[node.index], strict=True):
        if not wanted:
            targets.append(None)
            continue
        made = draft.graph.values[value]
        if draft.graph.nodes[made.producer].loss_weights[made.top]:
            _start(draft, value, started, made.producer)
        diff = _diff(draft, value)
        if value not in started:
            started.add(value)
            targets.append(diff)
            continue
        part = new_array(draft, "part", value, f"{made.name} from {node.name}", draft.shape(value))
        parts.append((diff, part))
        targets.append(part)
    return tuple(targets), parts


def _pass_on(draft: Draft, top: int, bottom: int) -> None:
    """The bottom's gradient is the top's, in the same storage: from the last step that wrote it on."""
    draft.arrays[bottom].storage = draft.arrays[top].storage
    touch(draft, (bottom,), draft.arrays[top].last)


def _step(draft: Draft, step: Step) -> None:
    at = draft.steps
    draft.backward.append(step)
    if step.kind != "backward":
        touch(draft, (step.target, step.source if step.source >= 0 else None), at)
        return
    node, setup = draft.graph.nodes[step.layer], draft.setup(step.layer)
    touch(draft, (*step.bottom_diffs, *step.top_diffs), at)
    touch(draft, (draft.backward_data[v] for v in _read(draft, node)), at)
    for buffer in setup.buffers:
        index = draft.backward_buffers[step.layer][buffer.name]
        if buffer.kind == "scratch":
            index = _second_life(draft, index)
        touch(draft, (index,), at)


def _read(draft: Draft, node: Node) -> list[int]:
    """The values that a layer's backward reads."""
    reads = draft.setup(node.index).reads
    return [
        v
        for axis, values in (("x", node.bottoms), ("y", node.tops))
        for i, v in enumerate(values)
        if axis in reads or f"{axis}{i}" in reads
    ]


def _second_life(draft: Draft, index: int) -> int:
    """A second life, at the same place, for scratch memory that forward and backward both use."""
    old = draft.arrays[index]
    other = new_array(draft, old.kind, old.owner, old.name, old.shape, old.dtype)
    draft.arrays[other].storage = old.storage
    return other


# ---------------------------------------------------------------- what runs again


def _recomputed(draft: Draft) -> set[int]:
    """The layers that may run again: from values that are kept anyway, or made again, too.

    Where one does, so do the other names of its tops (Flatten, Split).
    """
    nodes, values, found = draft.graph.nodes, draft.graph.values, set[int]()
    kept = {v for node in nodes if draft.needs_backward[node.index] for v in _read(draft, node)}
    for node in nodes:
        there = [
            v in kept or values[v].producer in found or nodes[values[v].producer].type.source for v in node.bottoms
        ]
        if node.index in draft.skipped:
            runs = values[node.bottoms[0]].producer in found
        else:
            runs = node.index in draft.options.recompute and all(there)
        if runs:
            found.add(node.index)
    return found


def _rematerialise(draft: Draft, node: Node) -> None:
    """Before a layer's backward: run again what made the values and the saved buffers that it reads.

    In the order of the forward pass, so that layers which are run together there (a sum in the last of its
    convolutions) can be so here, too, and give the same bits.
    """
    saved = any(b.kind == "saved" for b in draft.setup(node.index).buffers)
    wanted = set[int]()
    for layer in [draft.graph.values[v].producer for v in _read(draft, node)] + [node.index] * saved:
        _want(draft, layer, wanted)
    for layer in sorted(wanted):
        _recompute(draft, layer, node.index)


def _want(draft: Draft, layer: int, wanted: set[int]) -> None:
    """Add a layer that has not run again yet, and what it needs that has not."""
    if layer in draft.recomputed:
        draft.recomputed.discard(layer)
        wanted.add(layer)
        for value in draft.graph.nodes[layer].bottoms:
            _want(draft, draft.graph.values[value].producer, wanted)


def _recompute(draft: Draft, layer: int, reader: int) -> None:
    node = draft.graph.nodes[layer]
    for value in node.tops:
        draft.backward_data[value] = new_array(draft, "data", value, draft.graph.values[value].name, draft.shape(value))
    for buffer in draft.setup(layer).buffers:
        if buffer.kind != "state":
            old = draft.arrays[draft.buffers[layer][buffer.name]]
            index = new_array(draft, old.kind, old.owner, old.name, old.shape, old.dtype)
            draft.backward_buffers[layer][buffer.name] = index
    at = draft.steps
    draft.backward.append(Step("forward", layer, reader=reader))
    touch(draft, (draft.backward_data[v] for v in (*node.bottoms, *node.tops)), at)
    touch(draft, draft.backward_buffers[layer].values(), at)


# ---------------------------------------------------------------- what lives longer than its readers


def _outlive(draft: Draft) -> None:
    """Inputs, outputs and losses stay readable, as do gradients that no layer takes; state stays for ever.

    They live past the last step, whatever other names they have: that step may not work in place on them.
    """
    graph, end = draft.graph, draft.steps
    losses = (v for n in graph.nodes for v, weight in zip(n.tops, n.loss_weights, strict=True) if weight)
    touch(draft, (draft.data[v] for v in (*graph.inputs, *graph.outputs, *losses)), end)
    touch(draft, (draft.diff[v.index] for v in graph.values if not draft.needs_backward[v.producer]), end)
    for node in graph.nodes:
        for buffer in draft.setup(node.index).buffers:
            if buffer.kind == "state":
                index = draft.buffers[node.index][buffer.name]
                touch(draft, (index,), BEFORE)
                touch(draft, (index,), end)
    if draft.options.keep:  # saved buffers too: backward may be asked for again, or for a part of the layers
        setups = ((node.index, draft.setup(node.index)) for node in graph.nodes)
        saved = [draft.buffers[i][b.name] for i, setup in setups for b in setup.buffers if b.kind == "saved"]
        for step in (BEFORE, end):
            touch(draft, (*draft.data, *draft.diff, *saved), step)
