"""What a page shows of a net: layers with shapes, fields and costs, what types compute, memory over the schedule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netc.api.definition import Definition
from netc.api.memory import Planned
from netc.graph import Node
from netc.layer import LayerType, format_shape
from netc.plan.counts import batch_size, count_layer
from netc.plan.model import Field, Plan
from netc.plan.usage import Usage, readable
from netc.report.diagram import Boxes
from netc.report.diff import flat_fields, written
from netc.report.explain import sections
from netc.report.fold import runs
from netc.report.summary import totals
from netc.schema.record import MessageType, Schema

_NOT_SHOWN = ("name", "type", "bottom", "top", "blobs", "include", "exclude", "phase")


def net_data(definition: Definition, plan: Planned) -> dict[str, Any]:
    """A net as JSON-able data."""
    graph = plan.graph
    types = {n.type.name: n.type for n in graph.nodes}
    return {
        "name": graph.name or "net",
        "file": definition.path.name,
        "phase": graph.state.phase,
        "batch": batch_size(plan),
        "totals": [*totals(plan), f"memory: {plan.memory}"],
        "layers": layers_data(plan),
        "types": {name: type_data(known, definition.schema) for name, known in types.items()},
        "inputs": [_input(plan, v) for v in graph.inputs] or [_input(plan, v) for v in _sources(plan)],
        "memory": memory_data(plan.memory),
    }


def layers_data(plan: Plan) -> list[dict[str, Any]]:
    """Each layer of a plan as JSON-able data, in order."""
    return [_layer(plan, node) for node in plan.graph.nodes]


def _sources(plan: Plan) -> Iterator[int]:
    for node in plan.graph.nodes:
        if node.type.source:
            yield from node.tops[:1]


def _input(plan: Plan, value: int) -> dict[str, Any]:
    return {"name": plan.graph.values[value].name, "shape": list(plan.shapes[value])}


def _layer(plan: Plan, node: Node) -> dict[str, Any]:
    values, counts = plan.graph.values, count_layer(plan, node.index)
    layer = plan.layers[node.index]
    params = [plan.params[p] for p in layer.params]
    fields = node.record.replace(**dict.fromkeys(_NOT_SHOWN))
    field = layer.fields[0] if layer.fields else None
    return {
        "name": node.name,
        "type": node.type.name,
        "family": node.type.role.family,
        "bottoms": [[values[v].name, format_shape(plan.shapes[v]), values[v].producer] for v in node.bottoms],
        "tops": [
            [values[v].name, format_shape(plan.shapes[v]), [n for n, _ in values[v].consumers]] for v in node.tops
        ],
        "params": [[p.name, format_shape(p.shape), p.blob.learned and p.lr_mult != 0] for p in params],
        "count": counts.blob_values,
        "macs": counts.macs,
        "bytes": counts.activation_bytes,
        "fields": [[path, written(value)] for path, value in flat_fields(fields)],
        "sees": _sees(field),
        "line": _line(node),
        "runs": [run.callee for run in runs(node)],
    }


def _line(node: Node) -> str:
    """Where the layer is written: the file without its folder, which is nobody else's business."""
    span = node.record.span
    return f"{Path(span.source.path).name}:{span.source.position(span.start)[0]}" if span is not None else ""


def _sees(field: Field | None) -> Any:
    """What the middle position sees: None, "all", or size, step and offset for each axis."""
    if field is None or field.whole:
        return None if field is None else "all"
    return [list(field.size), [float(j) for j in field.jump], [float(o) for o in field.offset]]


def type_data(layer_type: LayerType, schema: Schema) -> dict[str, Any]:
    """What a layer type computes, and what its fields mean."""
    found = sections(layer_type.doc)
    message: MessageType | None = None
    if layer_type.param is not None:
        message = schema.message("LayerParameter").field(layer_type.param).message
    docs = {f.name: f.doc for f in message.declaration.fields} if message is not None else {}
    return {"about": found.pop("", layer_type.name), "sections": found, "fields": docs, "param": layer_type.param}


def memory_data(usage: Usage) -> dict[str, Any]:
    """The arena over the schedule, and what is alive at the peak."""
    alive = [[a.name, a.kind, a.layer, readable(a.nbytes)] for a in usage.alive[:8]]
    parts = [[name, readable(count)] for name, count in usage.parts.items() if count]
    return {
        "executor": usage.executor,
        "steps": list(usage.steps),
        "curve": list(usage.curve),
        "peak": usage.peak,
        "most": readable(usage.curve[usage.peak]),
        "alive": alive,
        "parts": parts,
        "total": readable(usage.total),
    }


def boxes_data(found: Boxes) -> dict[str, Any]:
    """Which layers are in which box of a layout, and in which composites; which values join boxes."""
    return {
        "boxes": [[list(box.layers), list(box.clusters)] for box in found.boxes],
        "clusters": list(found.clusters),
    }
