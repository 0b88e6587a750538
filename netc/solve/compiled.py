"""Update rules as kernels of a table: updates that run in the middle of backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from netc.fast.machine.access import Access, box, of
from netc.fast.machine.addresses import bytes_at, floats, integers, prefetch
from netc.fast.machine.launch import Launch, Ref, Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Touches, entry, entry_with
from netc.fast.program.lowered import Rows, Values
from netc.solve.prepare import PREPARED, prepare
from netc.solve.rule import Rule

Templates = tuple[Callable[..., None], Callable[..., None]]  # for rules with one array of memory, and with two
AHEAD = 4  # rows that are asked for before they are needed
PIECE = 4096  # values at a time: they, their gradient and their memory stay in the first-level cache or near it


def launches(
    rule: Rule, data: Ref, gradient: Ref, part: Values | Rows, numbers: int, history: Sequence[int]
) -> list[Launch]:
    """Update a part of a parameter. data, gradient: see `netc.fast.program.lowered.Updates`.

    numbers: address of the floats that `prepare` and the rule take; history: addresses of the parameter's memory.
    """
    names = {1: ("history",), 2: ("first", "second")}[rule.histories]
    given: dict[str, Any] = {"data": data, "diff": gradient, "numbers": numbers}
    if isinstance(part, Rows):
        by_rows = _entry(rule, _BY_ROWS, _rows_updated)
        given |= {"rows": part.rows, "counted": part.count, "size": part.size}
        return [by_rows(**given, **dict(zip(names, history, strict=True)))]
    start = 4 * part.first
    memory = dict(zip(names, (address + start for address in history), strict=True))
    return [_entry(rule, _ALL, _updated)(**given, count=part.count, **memory)]


def masked(values: Ref, part: Values, mask: int) -> Launch:
    """Put 0 where a mask is 0. values: the first of the part; mask: the address of a byte for each of all values."""
    return _masked(values=values, count=part.count, mask=mask + part.first)


@entry
def _masked(tid: int, nth: int, values: Ref, count: int, mask: int) -> None:
    lines = (count + 15) // 16
    at, end = lines * tid // nth * 16, min(count, lines * (tid + 1) // nth * 16)
    given, kept = floats(values, count), bytes_at(mask, count)
    while at < end:
        if kept[at] == 0:
            given[at] = 0.0
        at += 1


@_masked.touches
def _(o: Any) -> list[Access]:
    return [box("update", o.values, o.count * 4)]


@cache
def _entry(rule: Rule, templates: Templates, touches: Touches) -> Entry[...]:
    made: Entry[...] = entry_with(update=rule.update)(templates[rule.histories - 1])
    made.touches(touches)
    return made


def _updated(o: Any) -> list[Access]:
    """The numbers of the rule and its memory of gradients are not the program's own arrays."""
    return [box("update", o.data, o.count * 4), box("update", o.diff, o.count * 4)]


def _rows_updated(o: Any) -> list[Access]:
    return [of("update", o.diff), of("read", o.rows), of("read", o.counted), of("update", o.data)]


def update(*arrays: object) -> None:
    """In an entry, the rule's kernel."""


def _with_one_history(tid: int, nth: int, data: Ref, diff: Ref, count: int, numbers: int, history: int) -> None:
    given, lines = floats(numbers, 16), (count + 15) // 16
    at, end = lines * tid // nth * 16, min(count, lines * (tid + 1) // nth * 16)
    while at < end:
        size = min(PIECE, end - at)
        values, slopes = floats(data + 4 * at, size), floats(diff + 4 * at, size)
        prepare(values, slopes, given)
        update(values, slopes, floats(history + 4 * at, size), given[PREPARED:])
        at += size


def _with_two_histories(
    tid: int, nth: int, data: Ref, diff: Ref, count: int, numbers: int, first: int, second: int
) -> None:
    given, lines = floats(numbers, 16), (count + 15) // 16
    at, end = lines * tid // nth * 16, min(count, lines * (tid + 1) // nth * 16)
    while at < end:
        size = min(PIECE, end - at)
        values, slopes = floats(data + 4 * at, size), floats(diff + 4 * at, size)
        prepare(values, slopes, given)
        update(values, slopes, floats(first + 4 * at, size), floats(second + 4 * at, size), given[PREPARED:])
        at += size


def _rows_with_one_history(
    tid: int, nth: int, data: Region, diff: Region, rows: Region, counted: Region, size: int, numbers: int, history: int
) -> None:
    given, count = floats(numbers, 16), integers(counted, 1)[0]
    listed = integers(rows, count)
    for i in share(count, tid, nth):
        if i + AHEAD < count:
            ahead = 4 * size * listed[i + AHEAD]
            prefetch(data + ahead, 4 * size)
            prefetch(history + ahead, 4 * size)
        at = 4 * size * listed[i]
        values, slopes = floats(data + at, size), floats(diff + 4 * size * i, size)
        prepare(values, slopes, given)
        update(values, slopes, floats(history + at, size), given[PREPARED:])


def _rows_with_two_histories(
    tid: int, nth: int, data: Region, diff: Region, rows: Region, counted: Region, size: int, numbers: int, first: int,
    second: int,
) -> None:  # fmt: skip
    given, count = floats(numbers, 16), integers(counted, 1)[0]
    listed = integers(rows, count)
    for i in share(count, tid, nth):
        if i + AHEAD < count:
            ahead = 4 * size * listed[i + AHEAD]
            prefetch(data + ahead, 4 * size)
            prefetch(first + ahead, 4 * size)
            prefetch(second + ahead, 4 * size)
        at = 4 * size * listed[i]
        values, slopes = floats(data + at, size), floats(diff + 4 * size * i, size)
        prepare(values, slopes, given)
        update(values, slopes, floats(first + at, size), floats(second + at, size), given[PREPARED:])


_ALL: Templates = (_with_one_history, _with_two_histories)
_BY_ROWS: Templates = (_rows_with_one_history, _rows_with_two_histories)
