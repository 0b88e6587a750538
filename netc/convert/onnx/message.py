"""An ONNX graph as the bytes of a file: large arrays are written from where they are, not copied into a message.

In protobuf's wire format the fields of a message may stand in any order and in parts, so a GraphProto without its large
arrays, followed by these, is the whole. https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netc.convert.codes import TOO_LARGE_FOR_ONNX
from netc.convert.model import Parts
from netc.convert.onnx.export import OnnxGraph
from netc.convert.onnx.opsets import IR_VERSIONS, lowered
from netc.convert.onnx.package import package
from netc.errors import Diagnostic, NetError
from netc.layer import Array
from netc.schema.names import as_distinct_utf8, as_utf8
from netc.schema.scan import encode_key, encode_varint

LARGE = 1024  # bytes from which an array is not copied
MOST_BYTES = (1 << 31) - 1  # that a message may have
_GRAPH, _INITIALIZER, _RAW = 7, 5, 9  # numbers of fields: of ModelProto, GraphProto, TensorProto
_BYTES = 2  # the wire type of fields with a length
DOMAINS = {"openvino": "org.openvinotoolkit"}
"""The names of domains whose nodes need one; OpenCV takes its own nodes under ONNX's."""


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX file. parts: its content; names: what each value of the net's graph is called; inputs: what each input
    is called, by its blob's name; outputs: names of the outputs, in order. own: the types of nodes that are not ONNX's.
    """

    parts: Parts
    names: Mapping[int, str]
    inputs: Mapping[str, str]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    def message(self) -> Any:
        """The file as an `onnx.ModelProto`, which holds a copy of all arrays."""
        return package().load_model_from_string(b"".join(self.parts))


def model_of(graph: OnnxGraph, opset: int, metadata: Mapping[str, str]) -> OnnxModel:
    """Put a graph into a file. Raises NetError: CNV003 without the package, CNV018 for a file that is too large."""
    onnx = package()
    graph = replace(graph, operations=lowered(graph.operations, opset, graph.arrays))
    text = _texts(graph)
    small, large = _arrays(graph, text)
    message = _graph_message(graph, text, small)
    domains = sorted({o.domain for o in graph.operations if o.domain})
    opsets = [
        onnx.helper.make_opsetid("", opset),
        *(onnx.helper.make_opsetid(DOMAINS[d], 1) for d in domains if d in DOMAINS),
    ]
    model = onnx.helper.make_model(message, producer_name="netc", opset_imports=opsets, ir_version=IR_VERSIONS[opset])
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=as_utf8(value))
    if not domains:
        _check(model, large)
    names = {v: text[name] for v, name in graph.values.items() if name in text}
    outputs = tuple(o.name for o in message.output)
    inputs = {blob: text[n] for blob, n in graph.blobs.items()}
    own = tuple(dict.fromkeys(o.type for o in graph.operations if o.domain))
    return OnnxModel(_parts(model, large), names, inputs, outputs, graph.notes, own)


def _texts(graph: OnnxGraph) -> Mapping[str, str]:
    """What each name is in the file, which must be UTF-8."""
    used = [name for o in graph.operations for name in (*o.inputs, *o.outputs)]
    ends = [name for name, _ in (*graph.inputs, *graph.outputs)]
    states = [name for state in graph.states for name in (state.before, state.after)]
    found: Mapping[str, str] = as_distinct_utf8([*used, *graph.arrays, *ends, *states])
    return found


def _arrays(graph: OnnxGraph, text: Mapping[str, str]) -> tuple[list[Any], dict[str, Array]]:
    """Small arrays as messages, large ones as they are; only those that an operation or an output reads."""
    onnx = package()
    read = {name for o in graph.operations for name in o.inputs} | {name for name, _ in graph.outputs}
    arrays = {text[name]: np.asarray(array) for name, array in graph.arrays.items() if name in read}
    arrays |= {text[state.before]: np.zeros(state.shape, np.float32) for state in graph.states}
    small = [onnx.numpy_helper.from_array(a, name) for name, a in arrays.items() if a.nbytes < LARGE]
    return small, {name: a for name, a in arrays.items() if a.nbytes >= LARGE}


def _graph_message(graph: OnnxGraph, text: Mapping[str, str], small: list[Any]) -> Any:
    onnx = package()
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    states = [(s.before, s.shape) for s in graph.states], [(s.after, s.shape) for s in graph.states]
    inputs, outputs = (
        [
            helper.make_tensor_value_info(text[name], number, [dim if dim != "" else None for dim in dims])
            for name, dims in ends
        ]
        for ends in ([*graph.inputs, *states[0]], [*graph.outputs, *states[1]])
    )
    nodes = []
    for o in graph.operations:
        domain = DOMAINS.get(o.domain, "")
        names = [text[n] for n in o.inputs], [text[n] for n in o.outputs]
        nodes.append(helper.make_node(o.type, *names, name=names[1][0], domain=domain, **o.attributes))
    return helper.make_graph(nodes, as_utf8(graph.name) or "net", inputs, outputs, small)


def _check(model: Any, large: Mapping[str, Array]) -> None:
    """Check the file as a whole, with its large arrays as inputs: so their sizes are known, their values not read."""
    onnx = package()
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kinds = {np.dtype(np.float32): onnx.TensorProto.FLOAT, np.dtype(np.float16): onnx.TensorProto.FLOAT16}
    for name, array in large.items():
        kind = kinds.get(array.dtype, onnx.TensorProto.INT64)
        if name not in {i.name for i in copy.graph.input}:
            copy.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, array.shape))
    onnx.checker.check_model(copy, full_check=True)


def _parts(model: Any, large: Mapping[str, Array]) -> Parts:
    """The bytes of a model whose graph lacks its large arrays, with these."""
    graph: bytes = model.graph.SerializeToString()
    model.ClearField("graph")
    arrays = [part for name, array in large.items() for part in _tensor(name, array)]
    size = len(graph) + sum(map(len, arrays))
    head = model.SerializeToString() + encode_key(_GRAPH, _BYTES) + encode_varint(size) + graph
    if len(head) + size > MOST_BYTES:
        message = f"the file would have {len(head) + size:,} bytes"
        raise NetError(Diagnostic(TOO_LARGE_FOR_ONNX, message, help=TOO_LARGE_FOR_ONNX.fix))
    return (head, *arrays)


def _tensor(name: str, array: Array) -> Iterable[bytes | memoryview]:
    """A large array as a field of a GraphProto: its beginning, and its values where they are."""
    onnx = package()
    values = np.ascontiguousarray(array)
    kind = onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
    head: bytes = onnx.TensorProto(dims=values.shape, data_type=kind, name=name).SerializeToString()
    head += encode_key(_RAW, _BYTES) + encode_varint(values.nbytes)
    yield encode_key(_INITIALIZER, _BYTES) + encode_varint(len(head) + values.nbytes) + head
    yield values.reshape(-1).view(np.uint8).data
