"""Copying channels from one blocked blob to another, from any channel to any other."""

from __future__ import annotations

from netc.fast.machine.emit import LANES, arg
from netc.fast.machine.launch import Launch
from netc.fast.machine.layout import Blocked, blocks
from netc.fast.machine.memory import floats
from netc.jit import entry


def copied(x: Blocked, first: int, y: Blocked, start: int, count: int, label: str = "") -> list[Launch]:
    """Channels start... of y = channels first... of x, `count` of them.

    If they are y's last, the lanes behind them become 0.
    """
    end = start + count
    arguments = (
        x.inner, x.image, x.plane, x.line, y.inner, y.image, y.plane, y.line,
        y.n, blocks(end) - start // LANES, y.h, y.w, first, start, end, LANES * blocks(end) if end == y.c else end,
    )  # fmt: skip
    return [Launch(_copied, arguments, label)]


@entry
def _copied(row: int, tid: int, nth: int) -> None:
    """Items are lines of target blocks; a block's lanes come from one or two blocks of the source."""
    planes, height, width = arg(row, 9), arg(row, 10), arg(row, 11)
    shift, begin, end, clear = arg(row, 12) - arg(row, 13), arg(row, 13), arg(row, 14), arg(row, 15)
    items = arg(row, 8) * planes * height
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        y, plane = item % height, item // height
        n, block = plane // planes, plane % planes + begin // 16
        target = floats(arg(row, 4) + n * arg(row, 5) + block * arg(row, 6) + y * arg(row, 7), width * 16)
        source = arg(row, 0) + n * arg(row, 1) + y * arg(row, 3)
        low, high = max(begin, block * 16), min(end, block * 16 + 16)
        while low < high:
            channel = low + shift
            there, run = channel // 16, min(high - low, 16 - channel % 16)
            given = floats(source + there * arg(row, 2), width * 16)
            to, at = low - block * 16, channel % 16
            if run == 16:
                for i in range(width * 16):
                    target[i] = given[i]
            else:
                for pixel in range(width):
                    for lane in range(run):
                        target[pixel * 16 + to + lane] = given[pixel * 16 + at + lane]
            low += run
        for lane in range(min(end, block * 16 + 16) - block * 16, min(clear, block * 16 + 16) - block * 16):
            for pixel in range(width):
                target[pixel * 16 + lane] = 0
