"""When backward is done with parameters: nothing adds to their gradients any more, and nothing reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import accumulate

from netc.fast.program.lowered import Item, Lowered
from netc.plan.model import Plan


def done_with(program: Lowered, plan: Plan, buckets: Iterable[Collection[int]]) -> list[int]:
    """For each bucket of parameters, by index: how many items of backward must have run for it and those before it."""
    last: dict[int, int] = {}
    for at, item in enumerate(program.backward, 1):
        last |= dict.fromkeys(_used(program, plan, item), at)
    return list(accumulate((max((last.get(param, 0) for param in bucket), default=0) for bucket in buckets), max))


def _used(program: Lowered, plan: Plan, item: Item) -> Iterator[int]:
    """The parameters of which an item touches the values or the gradient."""
    if item.launch is not None:
        found = (program.memory[ref.array].external for ref in item.launch.refs)
        yield from (one.param for one in found if one is not None and one.param >= 0)
    elif item.step is not None and item.step.layer >= 0:
        yield from plan.layers[item.step.layer].params
