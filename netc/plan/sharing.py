"""Which arrays live in one storage: in place, and other names for the same values (Reshape, Flatten, Split).

Writing in place is a matter of memory here, never of meaning: a layer that may write its top over its bottom does so
wherever nobody reads the bottom afterwards, whether the file says so or not, and it does not where somebody does.
"""

from __future__ import annotations

from netc.plan.draft import Array, Draft


def sharing(draft: Draft) -> None:
    """Set `Array.storage` to the array whose memory each array lives in."""
    stores = Storages(draft.arrays)
    if draft.options.alias:
        for step in draft.forward:
            _forward(draft, stores, step.layer, draft.data, step.layer)
        for at, step in enumerate(draft.backward, len(draft.forward)):
            if step.kind == "backward" and draft.setup(step.layer).in_place and step.bottom_diffs:
                bottom, *others = step.bottom_diffs
                _in_place(stores, bottom, step.top_diffs[0], (*others, *step.top_diffs[1:]), at)
            elif step.kind == "forward":
                _forward(draft, stores, step.layer, draft.backward_data, at)
    for index, array in enumerate(draft.arrays):
        array.storage = stores.root(index)


class Storages:
    """Sets of arrays in one storage, and the last step at which something in a set is read."""

    def __init__(self, arrays: list[Array]) -> None:
        self.arrays = arrays
        self._parent = [a.storage for a in arrays]
        self._last = [a.last for a in arrays]
        for index in range(len(arrays)):
            root = self.root(index)
            self._last[root] = max(self._last[root], arrays[index].last)

    def root(self, index: int) -> int:
        while self._parent[index] != index:
            index = self._parent[index]
        return index

    def last(self, index: int) -> int:
        return self._last[self.root(index)]

    def join(self, index: int, other: int) -> None:
        """Put one set into the storage of another."""
        mine, theirs = self.root(index), self.root(other)
        if mine != theirs:
            self._parent[mine] = theirs
            self._last[theirs] = max(self._last[theirs], self._last[mine])


def _forward(draft: Draft, stores: Storages, layer: int, data: list[int], at: int) -> None:
    """data: where values are at step `at`, which runs the layer."""
    node, setup = draft.graph.nodes[layer], draft.setup(layer)
    if not node.bottoms:
        return
    bottom, *others = (data[v] for v in node.bottoms)
    if layer in draft.skipped:
        for value in node.tops:
            stores.join(data[value], bottom)
    elif setup.in_place:
        _in_place(stores, data[node.tops[0]], bottom, others, at)


def _in_place(
    stores: Storages, new: int | None, old: int, others: list[int] | tuple[int | None, ...], step: int
) -> None:
    """Let `new` live in the storage of `old` if all in that storage is dead after the step, and no other operand is."""
    if new is None or stores.arrays[new].nbytes != stores.arrays[old].nbytes:
        return
    root = stores.root(old)
    apart = all(stores.root(other) != root for other in others if other is not None)
    if apart and stores.last(old) <= step:
        stores.join(new, old)
