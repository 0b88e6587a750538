"""Copying channels from one blocked blob to another, from any channel to any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netc.fast.machine.access import Access, Mode, box
from netc.fast.machine.addresses import floats
from netc.fast.machine.emit import LANES
from netc.fast.machine.launch import Launch
from netc.fast.machine.layout import PIXEL, Blocked, blocks
from netc.fast.machine.lines import line_at, line_of, share
from netc.fast.machine.operands import entry


def copied(x: Blocked, first: int, y: Blocked, start: int, count: int) -> Launch:
    """Channels start... of y = channels first... of x, `count` of them.

    If they are y's last, the lanes behind them become 0.
    """
    end = start + count
    return _copied(x=x, y=y, first=first, start=start, end=end, clear=LANES * blocks(end) if end == y.c else end)


@entry
def _copied(tid: int, nth: int, x: Blocked, y: Blocked, first: int, start: int, end: int, clear: int) -> None:
    """Items are lines of target blocks; a block's lanes come from one or two blocks of the source.

    Channels end..clear-1 of y become 0.
    """
    planes = (end + 15) // 16 - start // 16
    for item in share(y.n * planes * y.h, tid, nth):
        line, plane = item % y.h, item // y.h
        n, block = plane // planes, plane % planes + start // 16
        target = line_of(y, (n, block, line))
        low, high = max(start, block * 16), min(end, block * 16 + 16)
        while low < high:
            channel = low + first - start
            run = min(high - low, 16 - channel % 16)
            given = floats(line_at(x, (n, channel // 16, line)), y.w * 16)
            to, at = low - block * 16, channel % 16
            if run == 16:
                for i in range(y.w * 16):
                    target[i] = given[i]
            else:
                for pixel in range(y.w):
                    for lane in range(run):
                        target[pixel * 16 + to + lane] = given[pixel * 16 + at + lane]
            low += run
        for lane in range(min(end, block * 16 + 16) - block * 16, min(clear, block * 16 + 16) - block * 16):
            for pixel in range(y.w):
                target[pixel * 16 + lane] = 0


@_copied.touches
def _(o: Any) -> list[Access]:
    return [*_lanes("read", o.x, o.first, o.first + o.end - o.start), *_lanes("write", o.y, o.start, o.clear)]


def _lanes(mode: Mode, blob: Blocked, first: int, end: int) -> Iterator[Access]:
    """Channels first..end-1."""
    for block in range(first // LANES, blocks(end)):
        low, high = max(first, block * LANES), min(end, block * LANES + LANES)
        place = blob.inner + block * blob.plane + low % LANES * 4
        yield box(mode, place, (high - low) * 4, (blob.n, blob.image), (blob.h, blob.line), (blob.w, PIXEL))
