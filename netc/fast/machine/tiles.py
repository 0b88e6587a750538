"""Which tile a line of pixels is cut into: a function of its length, the channel blocks and the host."""

from __future__ import annotations

from dataclasses import dataclass

from netc.fast.machine.emit import LANES, tile_budget

FEW = (1, 2, 3, 4, 6, 8, 10, 12, 14)
LEAST_CHAINS = 8  # multiply-adds that must be in flight: latency 4 times 2 a cycle


@dataclass(frozen=True, slots=True)
class Cut:
    """`full` tiles of `rows` pixels, then one of `rest` (0: none); each by `vectors` channel blocks."""

    rows: int
    rest: int
    full: int
    vectors: int


def cut_line(length: int, channel_blocks: int) -> Cut:
    """The cut that keeps the multiply-add units busiest, by a count of cycles a step: multiply-adds, loads, latency."""
    budget = tile_budget()
    best: tuple[float, Cut] | None = None
    for vectors in range(1, min(4, channel_blocks, budget) + 1):
        cap = _most_rows(vectors)
        tiles = -(-length // cap)
        rows = -(-length // tiles)
        found = Cut(rows, length % rows, length // rows, vectors)
        cost = found.full * _cycles(rows, vectors) + (_cycles(found.rest, vectors) if found.rest else 0)
        left_over = channel_blocks % vectors
        cost *= channel_blocks // vectors
        if left_over:
            cost += cut_line_with(length, left_over).full * _cycles(cut_line_with(length, left_over).rows, left_over)
        cost += 1e-3 * abs(vectors - 2)
        if best is None or cost < best[0]:
            best = cost, found
    assert best is not None
    return best[1]


def cut_line_with(length: int, vectors: int) -> Cut:
    """The cut for a given number of channel blocks a tile."""
    cap = _most_rows(vectors)
    rows = -(-length // -(-length // cap))
    return Cut(rows, length % rows, length // rows, vectors)


def cut_into_few(length: int, vectors: int) -> tuple[int, int]:
    """Rows of a tile, of which there are few kinds, and how many of them cover a length rounded up to 16 at most.

    For lengths that change from pass to pass (regions, a batch): each kind of tile has machine code of its own.
    """
    room = -(-length // LANES) * LANES
    kinds = [rows for rows in FEW if rows <= _most_rows(vectors) and rows * -(-length // rows) <= room]
    rows = min(kinds, key=lambda rows: (-(-length // rows) * _cycles(rows, vectors), -rows))
    return rows, -(-length // rows)


def _most_rows(vectors: int) -> int:
    rows = max(1, tile_budget() // vectors)
    return min(rows, 6) if vectors == 4 else rows  # 7 x 4 needs 33 registers


def _cycles(rows: int, vectors: int) -> float:
    """Cycles a step of a tile on a machine that multiplies, loads and reads 20 bytes of weights twice a cycle.

    Small tiles of two vectors were measured to take 10 % more than that (LLVM's order of their loads).
    """
    cycles = max(rows * vectors, rows + vectors, LEAST_CHAINS, 6 * vectors) / 2
    return cycles * 1.1 if vectors == 2 and rows <= 8 else cycles
