"""Does a test go over its data once? A test that takes more batches than there are counts some records twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from netc.data.order import Order
from netc.errors import Code, Diagnostic
from netc.layer import Shape
from netc.run import Net

TOO_MANY_BATCHES = Code(
    "SOL020",
    "a test takes more records than its data has",
    why="`test_iter` batches are taken at each test. If these are more records than there are, a test goes on from the "
    "first ones again: some records count twice, and which ones differs from test to test, so that equal nets give "
    "different figures. This is a warning; Caffe does the same without a word.",
    example="netc train nets/digits.net  # with test_iter: 100, where 4 batches of 100 are all there are",
    fix="Give test_iter the number of test records divided by the batch size.",
)


@runtime_checkable
class Ordered(Protocol):
    """A source that goes over a known number of records."""

    order: Order


@runtime_checkable
class Counting(Protocol):
    """A source whose records are not counted by the first axis of its tops."""

    def records_in(self, shape: Shape) -> int:
        """How many records a batch takes whose first top has this shape."""


def too_many_batches(net: Net, iterations: int) -> Iterator[Diagnostic]:
    """A warning (SOL020) for each data layer of a test net that has fewer records than a test takes."""
    for node in net.graph.nodes:
        feed = net.feeds.get(node.key)
        if not isinstance(feed, Ordered) or not node.tops:
            continue
        shape, count = net.plan.shapes[node.tops[0]], feed.order.count
        batch = feed.records_in(shape) if isinstance(feed, Counting) else shape[0]
        if iterations * batch > count:
            message = (
                f'layer "{node.name}": test_iter: {iterations} takes {iterations * batch:,} records '
                f"in batches of {batch}, but there are {count:,}"
            )
            help = f"write test_iter: {max(1, count // batch)}"
            yield Diagnostic(TOO_MANY_BATCHES, message, node.record.span, help=help, severity="warning")
