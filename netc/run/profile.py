"""Where a pass of the fast executor spends its time, layer by layer, against the peak of the machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import numpy as np

from netc.fast.machine.emit import LANES, tile, tile_budget
from netc.fast.machine.launch import Region, bind
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Scratch, entry
from netc.fast.machine.walk import Team
from netc.fast.program.lowered import Item
from netc.run.fast import Fast

DEPTH = 8  # blocks of 16 steps of the tile that `peak` measures


@dataclass(frozen=True, slots=True)
class Timing:
    """One layer in one pass: the kernels that did its work (and its fused layers'), milliseconds, multiply-adds.

    macs counts what direct kernels would do, so that Winograd may exceed the peak.
    """

    layer: str
    backward: bool
    kernels: tuple[str, ...]
    milliseconds: float
    macs: int

    def share(self, peak: float) -> float:
        """Multiply-adds a second as a share of `peak` (multiply-adds a second)."""
        return self.macs / (self.milliseconds / 1e3) / peak if self.milliseconds else 0.0


def profile(fast: Fast, repeats: int = 5) -> list[Timing]:
    """Run forward and backward layer by layer; the least time of each layer over the repeats."""
    passes = [(False, fast.program.forward), (True, fast.program.backward)]
    parts = [(back, list(run)) for back, items in passes for _, run in groupby(items, lambda item: item.layer)]
    best = [float("inf")] * len(parts)
    fast.set_up()
    for _ in range(max(1, repeats)):
        for i, (_, items) in enumerate(parts):
            segments = fast.cut(items)
            start = time.perf_counter()
            fast.walk(segments)
            best[i] = min(best[i], time.perf_counter() - start)
    return _merged(fast, parts, best)


def _merged(fast: Fast, parts: list[tuple[bool, list[Item]]], seconds: list[float]) -> list[Timing]:
    found: dict[tuple[int, bool], tuple[list[str], float]] = {}
    for (back, items), taken in zip(parts, seconds, strict=True):
        names, total = found.setdefault((items[0].layer, back), ([], 0.0))
        for item in items:
            name = item.launch.label if item.launch else "reference kernel"
            if name not in names:
                names.append(name)
        found[items[0].layer, back] = (names, total + taken)
    nodes = fast.plan.graph.nodes
    return [
        Timing(nodes[layer].name, back, tuple(names), 1e3 * total, _macs(fast, layer, back))
        for (layer, back), (names, total) in found.items()
    ]


def _macs(fast: Fast, layer: int, back: bool) -> int:
    planned = fast.plan.layers[layer]
    if not back:
        return planned.setup.macs
    learned = any(fast.plan.params[p].learned for p in planned.params)
    return planned.setup.macs * (int(learned) + int(any(planned.bottom_gradient)))


def peak(threads: int, seconds: float = 0.2) -> float:
    """Multiply-adds a second that the best tile reaches on data in the first-level cache, over all threads."""
    rows, vectors, tiles = max(1, tile_budget() // 2), min(2, tile_budget()), 4096
    data = [np.ones(1 << 16, np.float32) for _ in range(3)]
    a, w, c = (Region(i, 0, array.nbytes) for i, array in enumerate(data))
    table = bind([_tiles(rows, vectors)(a=a, w=w, c=c, tiles=tiles)], lambda i: int(data[i].ctypes.data))
    team = Team(threads)
    team.run(table)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        team.run(table)
        best = min(best, time.perf_counter() - start)
    team.close()
    return rows * vectors * LANES * LANES * DEPTH * tiles / best


@cache
def _tiles(rows: int, vectors: int) -> Entry[...]:
    """One tile, again and again."""

    @entry
    def body(tid: int, nth: int, a: Read[Region], w: Read[Region], c: Scratch[Region], tiles: int) -> None:
        for _ in share(tiles, tid, nth):
            tile(rows, vectors, LANES, 64, a, w, c, 0, -1, 0, 64, 1024, rows * 64, DEPTH, 0, 0, 1, 0, 0, 1, 0, 0)

    return body
