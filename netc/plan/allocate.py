"""Where blocks of memory lie that live at different times: best fit over lifetimes.

Offline dynamic storage allocation is NP-hard; the plans of nets are kind, though. In training, blocks that live across
the turn from forward to backward nest like brackets, so they are stacked from the bottom in the order of their birth,
and what lives shortly is put into the best gap above them. If that is not tight, blocks are placed one by one in other
orders, what lives longest first; and if none of these is, the best of them is changed here and there.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from random import Random

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

ALIGNMENT = 64
CLOSE_ENOUGH = 1.01  # of the lower bound; then no other order is tried
WORK = 2000  # blocks placed while looking for a better order
TOO_MUCH = 1.04  # of the lower bound: then four times that work is done
HOT = (0.8, 0.5, 0.0)  # of the lower bound: while so much lives, places have to be found with care
Order = Callable[["Block"], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Block:
    """Memory of `size` bytes that is needed in each of `spans`: intervals of steps, both ends included, ascending."""

    size: int
    spans: tuple[tuple[int, int], ...]

    @property
    def first(self) -> int:
        return self.spans[0][0]

    @property
    def last(self) -> int:
        return self.spans[-1][1]


ORDERS: tuple[Order, ...] = (
    lambda b: (b.first - b.last, -b.size),
    lambda b: (b.first, -b.size),
    lambda b: (-b.last, -b.size),
    lambda b: (-b.size, b.first - b.last),
    lambda b: (b.size * (b.first - b.last),),
)


def aligned(size: int) -> int:
    """A size rounded up to whole cache lines."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def lower_bound(blocks: Iterable[Block]) -> int:
    """The largest number of bytes that live at one step: no placement needs less."""
    return max(_alive(blocks), default=0)


def _alive(blocks: Iterable[Block]) -> list[int]:
    """The bytes that live at each step."""
    change = Counter[int]()
    for block in blocks:
        for first, last in block.spans:
            change[first] += block.size
            change[last + 1] -= block.size
    return list(accumulate(change[step] for step in range(max(change, default=0) + 1)))


def allocate(blocks: Sequence[Block], turn: int) -> tuple[list[int], int]:
    """An offset for each block, and the bytes that all take. Sizes must be aligned. `turn`: the first backward step."""
    if not blocks:
        return [], 0
    bound = lower_bound(blocks)
    found = [_stack(blocks, turn)]
    for order in ORDERS:
        if found[-1][1] <= bound * CLOSE_ENOUGH:
            return found[-1]
        found.append(_fit(blocks, _by(order, blocks), bound, set()))
    best = ORDERS[min(range(len(ORDERS)), key=lambda i: found[i + 1][1])]
    for share, order in product(HOT, dict.fromkeys((ORDERS[3], best))):
        if found[-1][1] <= bound * CLOSE_ENOUGH:
            return found[-1]
        found.append(_search(blocks, bound, share, order, WORK))
    if min(peak for _, peak in found) > bound * TOO_MUCH:
        found += [_search(blocks, bound, share, best, 4 * WORK) for share in HOT[1:]]
    return min(found, key=lambda one: one[1])


def _by(order: Order, blocks: Sequence[Block]) -> list[int]:
    return sorted(range(len(blocks)), key=lambda i: order(blocks[i]))


def _search(blocks: Sequence[Block], bound: int, share: float, by: Order, work: int) -> tuple[list[int], int]:
    """Places for the blocks that live when much does, found by trial; then for the others, by best fit around them."""
    alive = _alive(blocks)
    hot = [max(alive[step] for a, z in b.spans for step in range(a, z + 1)) >= share * bound for b in blocks]
    start = _by(by, blocks)
    order, high = _try(blocks, [i for i in start if hot[i]], bound, work)
    return _fit(blocks, order + [i for i in start if not hot[i]], bound, high)


def _try(blocks: Sequence[Block], order: list[int], bound: int, work: int) -> tuple[list[int], set[int]]:
    """The best order, and the blocks to put at the high end of their gap: the result of many tries.

    What did not fit under the bound in the last try comes earlier in the next, or at the other end. The choices are
    random, with a fixed seed: the same blocks always get the same places.
    """
    random, high = Random(0), set[int]()
    best, least = (order, high), -1
    for _ in range(1 + work // len(order)):
        offsets, peak = _fit(blocks, order, bound, high)
        if least < 0 or peak < least:
            best, least = (order, high), peak
        if least <= bound * CLOSE_ENOUGH:
            break
        order, high = list(order), high ^ {random.choice(order)}
        for i in [i for i in order if offsets[i] + blocks[i].size > bound]:
            if random.random() < 0.5:
                high ^= {i}
            at = order.index(i)
            order.insert(random.randrange(at + 1), order.pop(at))
    return best


# ---------------------------------------------------------------- stacking across the turn


def _stack(blocks: Sequence[Block], turn: int) -> tuple[list[int], int]:
    """Blocks that live across the turn at the bottom, in order of birth; the others in gaps above those alive."""
    offsets, peak = [0] * len(blocks), 0
    across = [i for i, b in enumerate(blocks) if any(first < turn <= last for first, last in b.spans)]
    across.sort(key=lambda i: (blocks[i].first, -blocks[i].last))
    for i in across:
        offsets[i] = peak
        peak += blocks[i].size
    floor = _floor([(blocks[i], offsets[i] + blocks[i].size) for i in across], turn, max(b.last for b in blocks) + 1)
    alive: list[list[tuple[int, int]]] = [[] for _ in floor]
    below = set(across)
    rest = sorted((i for i in range(len(blocks)) if i not in below), key=lambda i: (-blocks[i].size, blocks[i].first))
    for i in rest:
        block = blocks[i]
        steps = [step for first, last in block.spans for step in range(first, last + 1)]
        taken = {place for step in steps for place in alive[step]}
        offsets[i] = _best_gap(sorted(taken), block.size, max(floor[step] for step in steps))
        top = offsets[i] + block.size
        peak = max(peak, top)
        for step in steps:
            insort(alive[step], (offsets[i], top))
    return offsets, peak


def _floor(tops: Iterable[tuple[Block, int]], turn: int, steps: int) -> list[int]:
    """At each step, the highest top of the blocks that live then, all of them across the turn."""
    floor = [0] * steps
    for block, top in tops:
        floor[block.first] = max(floor[block.first], top)
        floor[block.last] = max(floor[block.last], top)
    before = accumulate(floor[:turn], max)
    after = accumulate(reversed(floor[turn:]), max)
    return [*before, *reversed(list(after))]


def _best_gap(taken: Iterable[tuple[int, int]], size: int, floor: int) -> int:
    """The start of the smallest gap between taken places that holds a size; above all of them if none does."""
    best, room, at = -1, 0, floor
    for start, end in taken:
        gap = start - at
        if gap >= size and (best < 0 or gap < room):
            best, room = at, gap
        at = max(at, end)
    return at if best < 0 else best


# ---------------------------------------------------------------- best fit over all gaps


def _fit(blocks: Sequence[Block], order: Sequence[int], bound: int, high: set[int]) -> tuple[list[int], int]:
    """Blocks one after the other, each in the smallest gap that is free in all its life; some at its high end."""
    rows = [(i, first, last) for i in order for first, last in blocks[i].spans]
    first, last = (np.array([row[k] for row in rows], np.int64) for k in (1, 2))
    start, end = (np.array([-1] * len(rows), np.int64) for _ in range(2))
    offsets, peak, placed = [0] * len(blocks), 0, 0
    for i in order:
        block = blocks[i]
        meets = np.flatnonzero(_meets(block.spans, first[:placed], last[:placed]))
        meets = meets[np.argsort(start[:placed][meets], kind="stable")]
        at, room = _best_gap_of(start[meets], end[meets], block.size, bound)
        if i in high:
            at += room - block.size
        offsets[i] = at
        peak = max(peak, at + block.size)
        count = len(block.spans)
        start[placed : placed + count] = at
        end[placed : placed + count] = at + block.size
        placed += count
    return offsets, peak


def _meets(spans: Sequence[tuple[int, int]], first: Ints, last: Ints) -> NDArray[np.bool_]:
    found = (first <= spans[0][1]) & (last >= spans[0][0])
    for begin, until in spans[1:]:
        found |= (first <= until) & (last >= begin)
    return found


def _best_gap_of(start: Ints, end: Ints, size: int, bound: int) -> tuple[int, int]:
    """Start and size of the smallest gap below the bound that holds a size; places above all if none does.

    start, end: taken places, sorted by start.
    """
    tops = np.concatenate(([0], np.maximum.accumulate(end)))
    gaps = np.concatenate((start, [bound])) - tops
    fits = np.flatnonzero(gaps >= size)
    if not fits.size:
        return int(tops[-1]), size
    best = fits[np.argmin(gaps[fits])]
    return int(tops[best]), int(gaps[best])
