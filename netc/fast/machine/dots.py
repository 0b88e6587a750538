"""Sums over the planes of blocked blobs: line by line, each line in order, then their sums in order, in one thread."""

from __future__ import annotations

from netc.fast.machine.addresses import floats, zero
from netc.fast.machine.launch import Launch, Region
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.lines import line_of, share
from netc.fast.machine.operands import Read, Scratch, Write, entry


def workspace_bytes(x: Blocked, threads: int) -> int:
    """What `plane_dots` needs: 16 floats for each image and block, and for each thread."""
    return (x.n * x.blocks + threads) * PIXEL


def plane_dots(x: Blocked, dy: Blocked, workspace: Region, below: bool = False) -> tuple[Launch, Region]:
    """Sums of x dy over each plane, and where they then are: 16 floats for each image and block.

    below: only where x is not positive; workspace: `workspace_bytes`.
    """
    sums, scratch = workspace.cut(x.n * x.blocks * PIXEL)
    return _dots(x=x, dy=dy, sums=sums, scratch=scratch, below=below), sums


@entry
def _dots(
    tid: int, nth: int, x: Read[Blocked], dy: Read[Blocked], sums: Write[Region], scratch: Scratch[Region], below: bool
) -> None:
    part = floats(scratch + tid * 64, 16)
    for item in share(x.n * x.blocks, tid, nth):
        zero(sums + item * 64, 64)
        total = floats(sums + item * 64, 16)
        for line in range(x.h):
            at = item // x.blocks, item % x.blocks, line
            values, slopes = line_of(x, at), line_of(dy, at)
            zero(scratch + tid * 64, 64)
            for pixel in range(x.w):
                for lane in range(16):
                    i = pixel * 16 + lane
                    value = values[i] * slopes[i]
                    if below and values[i] > 0:
                        value = slopes[i] * 0
                    part[lane] += value
            for lane in range(16):
                total[lane] += part[lane]
