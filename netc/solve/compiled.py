"""Update rules as kernels of a step table: updates that run in the middle of backward."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from netc.fast.machine.emit import arg
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.memory import floats
from netc.jit import Entry
from netc.solve.rule import Rule
from netc.solve.update import PREPARED, prepare

PIECE = 4096  # values at a time: they, their gradient and their memory stay in the first-level cache or near it


def rows(rule: Rule, data: Ref, gradient: Ref, count: int, numbers: int, history: Sequence[int]) -> list[Launch]:
    """Update `count` values. numbers: address of the floats that `prepare` and the rule take; history: addresses."""
    return [Launch(_entry(rule), (data, gradient, count, numbers, *history), "update")]


@cache
def _entry(rule: Rule) -> Entry:
    template = {1: _with_one_history, 2: _with_two_histories}[rule.histories]
    return Entry(template, {"update": rule.update})


def update(*arrays: object) -> None:
    """In an entry, the rule's kernel."""


def _with_one_history(row: int, tid: int, nth: int) -> None:
    numbers, lines = floats(arg(row, 3), 16), (arg(row, 2) + 15) // 16
    at, end = lines * tid // nth * 16, min(arg(row, 2), lines * (tid + 1) // nth * 16)
    while at < end:
        count = min(PIECE, end - at)
        data, diff = floats(arg(row, 0) + 4 * at, count), floats(arg(row, 1) + 4 * at, count)
        prepare(data, diff, numbers)
        update(data, diff, floats(arg(row, 4) + 4 * at, count), numbers[PREPARED:])
        at += count


def _with_two_histories(row: int, tid: int, nth: int) -> None:
    numbers, lines = floats(arg(row, 3), 16), (arg(row, 2) + 15) // 16
    at, end = lines * tid // nth * 16, min(arg(row, 2), lines * (tid + 1) // nth * 16)
    while at < end:
        count = min(PIECE, end - at)
        data, diff = floats(arg(row, 0) + 4 * at, count), floats(arg(row, 1) + 4 * at, count)
        first, second = floats(arg(row, 4) + 4 * at, count), floats(arg(row, 5) + 4 * at, count)
        prepare(data, diff, numbers)
        update(data, diff, first, second, numbers[PREPARED:])
        at += count
