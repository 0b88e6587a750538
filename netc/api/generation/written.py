"""What the generate block says: values that make sense, and blobs that are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from netc.api.generation.codes import BAD_GENERATE
from netc.errors import Diagnostic, Span, suggest
from netc.graph import Graph, Node
from netc.schema.record import Record

MOST_ROWS = 1024
"""Texts side by side, at most."""

OF_METHOD = {"SAMPLE": ("temperature", "top_k", "top_p"), "BEAM": ("width", "length_penalty")}
"""The fields that only one method reads."""


def problems(p: Any) -> Iterator[Diagnostic]:
    """Values of the block that make no sense (RUN111)."""
    ranges = (
        ("temperature", not p.temperature >= 0, "it is 0 or more"),
        ("top_p", not 0 < p.top_p <= 1, "it is above 0, and at most 1"),
        ("width", not 1 <= p.width <= MOST_ROWS, f"it is 1 to {MOST_ROWS}"),
        ("most", not p.most >= 1, "it is at least 1"),
        ("length_penalty", not p.length_penalty >= 0, "it is 0 or more"),
    )
    for field, wrong, said in ranges:
        if wrong:
            yield Diagnostic(BAD_GENERATE, f"{field}: {getattr(p, field):g}: {said}", span_of(p, field))
    for method, fields in OF_METHOD.items():
        for field in fields if p.method != method else ():
            if p.has(field):
                message = f"{field} is for method: {method}, not for {p.method}"
                yield Diagnostic(BAD_GENERATE, message, span_of(p, field))


def unknown(p: Record, graph: Graph) -> Iterator[Diagnostic]:
    """Blobs that the net that predicts has not (RUN111)."""
    for field, (known, what) in _names(graph).items():
        name = getattr(p, field)
        if name not in known:
            close = suggest(name, known)
            help = f"did you mean `{close}`?" if close else f"there are {', '.join(known) or 'none'}"
            said = f'{field}: "{name}" is not {what} of the net that predicts' if name else f"needs {field}, {what}"
            yield Diagnostic(BAD_GENERATE, said, span_of(p, field), help=help)


def _names(graph: Graph) -> dict[str, tuple[Mapping[str, int], str]]:
    return {"into": (inputs(graph), "an input"), "from": ({v.name: v.index for v in graph.values}, "a blob")}


def inputs(graph: Graph) -> dict[str, int]:
    """The values that come from outside, by name."""
    return {graph.values[v].name: v for n in graph.nodes if is_input(n) for v in n.tops}


def is_input(node: Node) -> bool:
    """A data layer or Input: its tops come from outside."""
    return node.type.source and node.type.forward is None


def span_of(p: Record, field: str) -> Span | None:
    """Where a field of the block stands, or else the block."""
    return p.span_of(field) if p.has(field) else p.span
