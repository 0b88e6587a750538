"""Offsets of all arrays in the reference arena: storages with their lifetimes, placed by best fit."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from netc.plan.allocate import Block, aligned, allocate, lower_bound
from netc.plan.draft import Draft
from netc.plan.model import ArenaSize


def place(draft: Draft) -> None:
    """Fill in every array's offset, and the size of the arena."""
    members: dict[int, list[int]] = {}
    for index, array in enumerate(draft.arrays):
        members.setdefault(array.storage, []).append(index)
    blocks = []
    for indices in members.values():
        size = aligned(max(draft.arrays[i].nbytes for i in indices))
        blocks.append(Block(size, _merged((draft.arrays[i].first + 1, draft.arrays[i].last + 1) for i in indices)))
    if draft.options.reuse:
        offsets, planned = allocate(blocks, len(draft.forward) + 1)
    else:
        *offsets, planned = accumulate((b.size for b in blocks), initial=0)
    for offset, indices in zip(offsets, members.values(), strict=True):
        for index in indices:
            draft.arrays[index].offset = offset
    draft.arena = ArenaSize(planned, lower_bound(blocks), _unshared(draft))


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Intervals as few intervals that cover the same steps."""
    out: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return tuple(out)


def _unshared(draft: Draft) -> int:
    """What separate memory for every value, gradient and buffer takes."""
    return sum(aligned(a.nbytes) for i, a in enumerate(draft.arrays) if a.kind != "buffer" or a.storage == i)
