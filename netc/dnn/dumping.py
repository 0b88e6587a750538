"""A net as a graph in DOT, as OpenCV writes it where it joins no layers (`enableFusion(False)`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netc.dnn.figures import Row
from netc.dnn.naming import is_input, named
from netc.graph import Graph, Node
from netc.layer import Shape

WINDOWED = {"convolution", "pooling"}
"""Families of types whose fields are shown."""


def dot(graph: Graph, rows: tuple[Row, ...]) -> str:
    """The text; rows: the layers with their shapes."""
    names = {node.index: name for name, node in named(graph).items()}
    boxes = [_box(names[row.node.index], row.node, row.tops[0]) for row in rows if row.node]
    return "\n".join(("digraph G {", *boxes, "", *_arrows(graph, names), "}", ""))


def _box(name: str, node: Node, shape: Shape) -> str:
    lines = [*_fields(node), "output: " + " x ".join(map(str, shape)), "OCV/CPU"]
    body = "".join(f"{line}\\l" for line in lines[:-1]) + lines[-1]
    return f'\t"{name}" [label="{name}\\n{node.record.type}\\n{body}\\n" fillcolor="#ffffb3" style=filled shape=box]'


def _fields(node: Node) -> Iterator[str]:
    if node.type.role.family not in WINDOWED or not node.type.param:
        return
    p = getattr(node.record, node.type.param)
    yield from _size(p, "kernel_size", "kernel")
    yield from _size(p, "stride", "stride")
    yield from _size(p, "dilation", "dilation")
    if p.has("pad"):
        yield f"pad : {_first(p.pad)}"
    for name in ("pool", "global_pooling", "group"):
        if name in p.message_type.fields and p.has(name):
            yield f"{name}: {int(getattr(p, name)) if name != 'pool' else p.pool}"


def _size(p: Any, one: str, two: str) -> Iterator[str]:
    """A field that is one number, or two under names of their own."""
    high, wide = f"{two}_h", f"{two}_w"
    fields = p.message_type.fields
    if one in fields and p.has(one):
        yield f"{one} : {_first(getattr(p, one))}"
    elif high in fields and p.has(high) and p.has(wide):
        yield f"{two} (HxW): {getattr(p, high)} x {getattr(p, wide)}"


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _arrows(graph: Graph, names: dict[int, str]) -> Iterator[str]:
    """One for each bottom, by the layer that makes it; inputs are `_input`, or `_input_0`, `_input_1`..."""
    inputs = [v for node in graph.nodes if is_input(node) for v in node.tops]
    given = {v: f"_input_{i}" if len(inputs) > 1 else "_input" for i, v in enumerate(inputs)}
    pairs = [
        (-1 if v in given else graph.values[v].producer, node.index, v) for node in graph.nodes for v in node.bottoms
    ]
    for producer, reader, value in sorted(pairs, key=lambda pair: pair[:2]):
        yield f'\t"{names.get(producer) or given[value]}" -> "{names[reader]}"'
