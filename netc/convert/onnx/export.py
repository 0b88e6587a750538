"""A net as an ONNX graph, with the same numbers: layer by layer, in phase TEST.

Types are written by the functions in this package's tables, or by their own (`LayerType.onnx`); every layer that has no
counterpart is named at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from netc.convert.counterparts import writer_of
from netc.convert.onnx import (
    channels,
    detection,
    grid,
    pointwise,
    pooling,
    products,
    regions,
    sequences,
    shaping,
    windows,
)
from netc.convert.onnx.sizes import Sizes, sizes_of
from netc.convert.onnx.writer import LayerWriter, Operation, State, Write, Writer
from netc.convert.predicting import Predicting
from netc.errors import NetError, Report
from netc.graph import Node
from netc.layer import Array, LayerType

WRITERS: dict[LayerType, Write] = {
    **windows.WRITERS,
    **pooling.WRITERS,
    **channels.WRITERS,
    **products.WRITERS,
    **pointwise.WRITERS,
    **shaping.WRITERS,
    **sequences.WRITERS,
    **regions.WRITERS,
    **detection.WRITERS,
    **grid.WRITERS,
}
NamedDims = tuple[int | str, ...]
"""The sizes of an input or output: numbers, and names of those that are free ("" for one without)."""


@dataclass(frozen=True)
class OnnxGraph:
    """The ONNX graph of a net, as names and arrays: what is left is to put it into a message.

    values: what each value of the net's graph is called. inputs, outputs: names and sizes, in order; blobs: what each
    input of the net is called, by its blob's name. notes: what a person should know.
    """

    name: str
    operations: list[Operation]
    arrays: dict[str, Array]
    values: dict[int, str]
    blobs: dict[str, str]
    inputs: list[tuple[str, NamedDims]]
    outputs: list[tuple[str, NamedDims]]
    states: list[State] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def graph_of(it: Predicting, sizes: Sizes | None = None, domain: str = "") -> OnnxGraph:
    """Write every layer. Raises NetError with all that ONNX has nothing for (CNV010, CNV011, CNV016)."""
    return _Export(it, sizes or sizes_of(it.plan), domain).graph()


class _Export:
    """The graph under construction. names: of each value in it, "" after a layer that could not be written.

    final: of each blob, the version that has its name.
    """

    def __init__(self, it: Predicting, sizes: Sizes, domain: str) -> None:
        self.it, self.sizes, self.net = it, sizes, it.graph
        finds = any(layer.setup.dynamic for layer in it.plan.layers)
        self.writer = Writer({v.name for v in self.net.values}, domain, finds)
        self.params = [self.writer.unique(p.name) for p in it.plan.params]
        self.names: dict[int, str] = {}
        self.inputs = [v for n in self.net.nodes if _is_input(n) for v in n.tops]
        self.final = {value.name: value.index for value in self.net.values}
        self.final |= {self.net.values[v].name: v for v in self.inputs}

    def graph(self) -> OnnxGraph:
        report = Report()
        for node in self.net.nodes:
            if _is_input(node):
                self.names |= {value: self.net.values[value].name for value in node.tops}
                continue
            try:
                self.names |= self._written(node)
            except NetError as error:
                report.diagnostics += error.diagnostics
                self.names |= dict.fromkeys(node.tops, "")
        report.finish()
        outputs = [(self._output(v), self._dims(v)) for v in self.it.outputs if v not in self.inputs]
        writer, values = self.writer, self.net.values
        return OnnxGraph(
            self.net.name,
            writer.operations,
            writer.arrays,
            self.names,
            {values[v].name: self.names[v] for v in self.inputs},
            [(self.names[v], self._dims(v)) for v in self.inputs],
            outputs,
            writer.states,
            tuple(writer.notes),
        )

    def _written(self, node: Node) -> dict[int, str]:
        """Write a layer; gives the names of its tops: the blob's for the one in `final`."""
        write = writer_of(node, node.type.onnx, WRITERS, "ONNX")
        since = len(self.writer.operations)
        tops = write(self._layer(node))
        found: dict[int, str] = {}
        made = self.writer.made_since(since)
        for value, name in zip(node.tops, [tops] if isinstance(tops, str) else tops, strict=True):
            blob = self.net.values[value].name
            found[value] = blob if name in made and self.final[blob] == value else name
            if found[value] != name:
                self.writer.rename(name, blob, since)
        return found

    def _layer(self, node: Node) -> LayerWriter:
        planned, shapes = self.it.plan.layers[node.index], self.it.plan.shapes
        return LayerWriter(
            self.writer,
            node,
            planned.setup,
            tuple(self.names[v] for v in node.bottoms),
            tuple(shapes[v] for v in node.bottoms),
            tuple(shapes[v] for v in node.tops),
            self.it.params.get(node.key, ()),
            tuple(self.params[i] for i in planned.params),
            tuple(self.sizes.of[v] for v in node.bottoms),
            tuple(self.sizes.of[v] for v in node.tops),
        )

    def _output(self, value: int) -> str:
        """The name of an output: its blob's, or another one if that is an input's."""
        name = self.net.values[value].name
        if self.names[value] != name:  # the layer made nothing: a Dropout, say
            taken = {self.net.values[v].name for v in self.inputs}
            name = self.writer.unique(name) if name in taken else name
            self.writer.operations.append(Operation("Identity", [self.names[value]], [name], {}))
        return name

    def _dims(self, value: int) -> NamedDims:
        """The sizes that a file says its input or output has: that of an input which is the same has its name."""
        found: list[int | str] = []
        for axis, kind in enumerate(self.sizes.of[value]):
            if len(set(kind)) == 1:
                found.append(kind[0])
                continue
            same = (name for (v, a), name in self.sizes.names.items() if self.sizes.of[v][a] == kind)
            found.append(self.sizes.names.get((value, axis)) or next(same, ""))
        return tuple(found)


def _is_input(node: Node) -> bool:
    """Whether the caller fills the layer's tops."""
    return node.type.source and node.type.forward is None
