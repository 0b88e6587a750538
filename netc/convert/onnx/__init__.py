"""A net as ONNX, with the same numbers: layer by layer, in phase TEST, with fixed shapes.

Types are written by the functions in this package's tables; every layer that has no counterpart is named at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from netc.convert.codes import MISSING_PACKAGE
from netc.convert.counterparts import writer_of
from netc.convert.model import Checkable, Format, Made, Model, Options
from netc.convert.onnx import channels, pointwise, sequences, shaping, windows
from netc.convert.onnx.runner import OnnxRuntime
from netc.convert.onnx.writer import OPSET, LayerWriter, Operation, Write, Writer
from netc.convert.predicting import TAKES, build
from netc.errors import Diagnostic, NetError, Report
from netc.graph import Node
from netc.layer import LayerType, Shape
from netc.run.net import Net
from netc.schema.names import as_distinct_utf8, as_utf8

WRITERS: dict[LayerType, Write] = {
    **windows.WRITERS,
    **channels.WRITERS,
    **pointwise.WRITERS,
    **shaping.WRITERS,
    **sequences.WRITERS,
}
IR_VERSION = 8
"""The version of the file format: the one of the operators' version."""


@dataclass(frozen=True)
class Exported:
    """model: an `onnx.ModelProto`. names: what each value of the net's graph is called in it; inputs: what each input
    is, by its blob's name."""

    model: Any
    names: dict[int, str]
    inputs: dict[str, str]


def export(net: Net) -> Exported:
    """The net as ONNX: its inputs, its outputs under their blobs' names, its parameters as arrays.

    Raises NetError: CNV003 without the package, CNV010 and CNV011 for every layer that ONNX has nothing for.
    """
    _onnx()
    writer, report = Writer(names={v.name for v in net.graph.values}), Report()
    params = [writer.unique(p.name) for p in net.plan.params]
    names: dict[int, str] = {}
    inputs: list[int] = []
    final = {value.name: value.index for value in net.graph.values}  # of each blob, the version that has its name
    final |= {net.graph.values[v].name: v for n in net.graph.nodes if _is_input(n) for v in n.tops}
    for node in net.graph.nodes:
        if _is_input(node):
            names.update({value: net.graph.values[value].name for value in node.tops})
            inputs += node.tops
            continue
        try:
            names.update(_write(net, node, writer, names, params, final))
        except NetError as error:
            report.diagnostics += error.diagnostics
            names.update(dict.fromkeys(node.tops, ""))
    report.finish()
    return _model(net, writer, names, inputs, [v for v in net.graph.outputs if v not in inputs])


def _is_input(node: Node) -> bool:
    """Whether the caller fills the layer's tops."""
    return node.type.source and node.type.forward is None


def _write(
    net: Net, node: Node, writer: Writer, names: dict[int, str], params: list[str], final: dict[str, int]
) -> dict[int, str]:
    """Write a layer; gives the names of its tops: the blob's for the one in `final`."""
    write = writer_of(node, node.type.onnx, WRITERS, "ONNX")
    layer = net.plan.layers[node.index]
    shapes, values = net.plan.shapes, net.graph.values
    since = len(writer.operations)
    tops = write(
        LayerWriter(
            writer,
            node,
            layer.setup,
            tuple(names[v] for v in node.bottoms),
            tuple(shapes[v] for v in node.bottoms),
            tuple(shapes[v] for v in node.tops),
            net.params.get(node.key, ()),
            tuple(params[i] for i in layer.params),
        )
    )
    found: dict[int, str] = {}
    made = writer.made_since(since)
    for value, name in zip(node.tops, [tops] if isinstance(tops, str) else tops, strict=True):
        blob = values[value].name
        found[value] = blob if name in made and final[blob] == value else name
        if found[value] != name:
            writer.rename(name, blob, since)
    return found


def _model(net: Net, writer: Writer, names: dict[int, str], inputs: list[int], outputs: list[int]) -> Exported:
    onnx = _onnx()
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    values, shapes = net.graph.values, net.plan.shapes
    given = {values[v].name for v in inputs}
    results: list[tuple[str, Shape]] = []
    for value in outputs:
        name = values[value].name
        if names[value] != name:  # the layer made nothing: a Dropout, say
            name = writer.unique(name) if name in given else name
            writer.operations.append(Operation("Identity", [names[value]], [name], {}))
        results.append((name, shapes[value]))
    used = [name for o in writer.operations for name in (*o.inputs, *o.outputs)]
    text = as_distinct_utf8([*used, *writer.arrays, *(names[v] for v in inputs), *(name for name, _ in results)])
    graph = helper.make_graph(
        [
            helper.make_node(o.type, [text[n] for n in o.inputs], [text[n] for n in o.outputs], **o.attributes)
            for o in writer.operations
        ],
        as_utf8(net.graph.name) or "net",
        [helper.make_tensor_value_info(text[names[v]], number, shapes[v]) for v in inputs],
        [helper.make_tensor_value_info(text[name], number, shape) for name, shape in results],
        [onnx.numpy_helper.from_array(np.asarray(array), text[name]) for name, array in writer.arrays.items()],
    )
    made = helper.make_model(
        graph, producer_name="netc", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(made, full_check=True)
    called = {values[v].name: text[names[v]] for v in inputs}
    return Exported(made, {v: text[name] for v, name in names.items() if name in text}, called)


def _write_file(model: Model, options: Options) -> Made:
    net, notes = build(model, options)
    made = export(net)
    start = partial(OnnxRuntime, made.model, made.names, made.inputs)
    return Made((made.model.SerializeToString(),), notes, checkable=Checkable(net, start))


FORMAT = Format((".onnx",), _write_file, TAKES)


def _onnx() -> Any:
    try:
        import onnx  # noqa: PLC0415 - an extra, and slow to import
        import onnx.checker  # noqa: PLC0415
        import onnx.helper  # noqa: PLC0415
        import onnx.numpy_helper  # noqa: PLC0415
    except ImportError:
        raise NetError(Diagnostic(MISSING_PACKAGE, "onnx is not installed", help="pip install 'netc[onnx]'")) from None
    return onnx
