"""Rows of gates: biases as products take them, and sums over rows."""

from __future__ import annotations

from netc.fast.machine.addresses import floats
from netc.fast.machine.launch import Region
from netc.fast.machine.operands import Read, Update, Write, entry
from netc.fast.recurrent.steps import spread


@entry
def bias(tid: int, nth: int, source: Read[Region], target: Write[Region], gates: int, size: int, room: int) -> None:
    """The biases of each gate, in whole vectors; zeros to the end of the room."""
    if tid == 0:
        part = (size + 15) // 16 * 64
        for gate in range(gates):
            spread(source + gate * size * 4, target + gate * part, size)
        spread(0, target + gates * part, room - gates * part // 4)


@entry
def over_steps(tid: int, nth: int, source: Read[Region], target: Write[Region], steps: int, count: int) -> None:
    """target[i] = the sum of source[step][i] over the steps, in order."""
    first, last = count * tid // nth, count * (tid + 1) // nth
    sums = floats(target + first * 4, last - first)
    for t in range(steps):
        values = floats(source + (t * count + first) * 4, last - first)
        for i in range(last - first):
            sums[i] = values[i] if t == 0 else sums[i] + values[i]


@entry
def over_rows(
    tid: int, nth: int, source: Read[Region], target: Update[Region], rows: int, gates: int, size: int
) -> None:
    """target[gate][i] += the sum over the rows of what they have there."""
    part = (size + 15) // 16 * 16
    first, count = size * tid // nth, size * (tid + 1) // nth - size * tid // nth
    for row in range(rows):
        for gate in range(gates):
            values = floats(source + ((row * gates + gate) * part + first) * 4, count)
            sums = floats(target + (gate * size + first) * 4, count)
            for i in range(count):
                sums[i] += values[i]
