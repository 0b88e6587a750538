"""A net that says where its data is missing, and which record of it a bad label came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol, runtime_checkable

from netc import data, run
from netc.errors import Diagnostic, NetError, Note
from netc.graph import Graph, Node
from netc.kernels.labels import BadValueError
from netc.layer import SHAPE_UNKNOWN, Array, Phase


@contextmanager
def read_from_data(graphs: Callable[[], Iterable[Graph]]) -> Iterator[None]:
    """Within `with`, a shape that is not known (LAY010) is refused as what it comes from: the data is not there.

    For whoever needs the data itself: a shape that is given would be of no use. graphs: the nets that are planned.
    """
    try:
        yield
    except NetError as error:
        others = [d for d in error.diagnostics if d.code is not SHAPE_UNKNOWN]
        if len(others) == len(error.diagnostics):
            raise
        found = [
            diagnostic
            for graph in graphs()
            for node in graph.nodes
            if data.has_source(node.record.type, node.type.data)
            and data.probe(node.record, graph.state.phase, node.type.data) is None
            for diagnostic in _why_none(node, graph.state.phase)
        ]
        raise NetError(list(dict.fromkeys([*found, *others])) or error.diagnostics) from None


def _why_none(node: Node, phase: Phase) -> tuple[Diagnostic, ...]:
    error = data.why_none(node.record, phase, own=node.type.data)
    return error.diagnostics if error else ()


@runtime_checkable
class Named(Protocol):
    """A source that knows the records of the batch that it gave last."""

    records: list[int]

    def name_of(self, item: int) -> str:
        """The name of the record at a place of that batch."""


class FedNet(run.Net):
    """A net whose diagnostics name the data that is missing, and the record of an item of a batch."""

    def _no_data(self, node: Node) -> NetError:
        pushed = node.type.role.fed == "push"
        why = data.why_none(node.record, self.graph.state.phase, pushed, node.type.data)
        return why or super()._no_data(node)

    def forward(self, start: str | None = None, end: str | None = None) -> dict[str, Array]:
        try:
            return super().forward(start, end)
        except BadValueError as error:
            raise self._named(error) from None

    def _named(self, error: BadValueError) -> NetError:
        notes = tuple(
            Note(f'item {error.item} of the batch that layer "{name}" gave is {feed.name_of(error.item)}')
            for name, feed in self.feeds.items()
            if isinstance(feed, Named) and len(feed.records) == error.items
        )
        return NetError([replace(d, notes=(*d.notes, *notes)) for d in error.diagnostics])
