"""The way back from a layer to those that made the shapes of its bottoms, as the notes of a diagnostic."""

from __future__ import annotations

from collections.abc import Sequence

from netc.errors import Note
from netc.graph import Graph, Node
from netc.layer import Shape, format_shape

MOST_STEPS = 4  # layers shown for each bottom


def trail(graph: Graph, shapes: Sequence[Shape | None], node: Node) -> tuple[Note, ...]:
    """For each bottom: the layer that made its shape, the layers before that one, up to an input.

    Layers that keep the shape of their first bottom (ReLU, Dropout...) are left out; a layer is shown once.
    """
    notes: list[Note] = []
    shown: set[int] = set()
    for value in node.bottoms:
        notes += _back(graph, shapes, value, shown)
    return tuple(notes)


def _back(graph: Graph, shapes: Sequence[Shape | None], value: int, shown: set[int]) -> list[Note]:
    notes: list[Note] = []
    while len(notes) < MOST_STEPS:
        value = _origin(graph, shapes, value)
        made = graph.values[value]
        maker, shape = graph.nodes[made.producer], shapes[value]
        if value in shown or shape is None:
            break
        shown.add(value)
        whence = ""
        if maker.bottoms:
            known = [format_shape(s) for v in maker.bottoms if (s := shapes[v]) is not None]
            whence = f" from {', '.join(known)}"
        message = f'"{made.name}" is {format_shape(shape)}: layer "{maker.name}" ({maker.type.name}) makes it{whence}'
        notes.append(Note(message, maker.record.span_of("top", made.top)))
        if not maker.bottoms:
            break
        value = maker.bottoms[0]
    return notes


def _origin(graph: Graph, shapes: Sequence[Shape | None], value: int) -> int:
    """The value that first had this shape: back through layers that keep it."""
    while True:
        maker = graph.nodes[graph.values[value].producer]
        if not maker.bottoms or shapes[maker.bottoms[0]] != shapes[value]:
            return value
        value = maker.bottoms[0]
