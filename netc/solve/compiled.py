"""Update rules as kernels of a table: updates that run in the middle of backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from netc.fast.machine.access import Access, box
from netc.fast.machine.addresses import bytes_at, floats
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.operands import Entry, entry, entry_with
from netc.solve.prepare import PREPARED, prepare
from netc.solve.rule import Rule

PIECE = 4096  # values at a time: they, their gradient and their memory stay in the first-level cache or near it


def launches(rule: Rule, data: Ref, gradient: Ref, count: int, numbers: int, history: Sequence[int]) -> list[Launch]:
    """Update `count` values. numbers: address of the floats that `prepare` and the rule take; history: addresses."""
    names = {1: ("history",), 2: ("first", "second")}[rule.histories]
    given: dict[str, Any] = {"data": data, "diff": gradient, "count": count, "numbers": numbers}
    return [_entry(rule)(**given, **dict(zip(names, history, strict=True)))]


def masked(values: Ref, count: int, mask: int) -> Launch:
    """Put 0 where a mask is 0. mask: the address of a byte for each value."""
    return _masked(values=values, count=count, mask=mask)


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
def _entry(rule: Rule) -> Entry[...]:
    template = _TEMPLATES[rule.histories]
    made: Entry[...] = entry_with(update=rule.update)(template)
    made.touches(_updated)
    return made


def _updated(o: Any) -> list[Access]:
    """The numbers of the rule and its memory of gradients are not the program's own arrays."""
    return [box("update", o.data, o.count * 4), box("update", o.diff, o.count * 4)]


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


_TEMPLATES: dict[int, Callable[..., None]] = {1: _with_one_history, 2: _with_two_histories}
