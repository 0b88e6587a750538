"""`netc summary`: layers, shapes, counts and memory, as data for tools and as a table for people."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from netc.layer import Shape, format_shape
from netc.plan.counts import count_layer, count_net
from netc.plan.model import Field, Plan


def summarize(plan: Plan) -> dict[str, object]:
    """The plan as JSON-able data: the machine output of `netc summary --json`."""
    graph = plan.graph
    shapes = {v.index: list(plan.shapes[v.index]) for v in graph.values}
    total = count_net(plan)
    arena = plan.reference_arena
    return {
        "name": graph.name,
        "phase": graph.state.phase,
        "inputs": {graph.values[v].name: shapes[v] for v in graph.inputs},
        "outputs": {graph.values[v].name: shapes[v] for v in graph.outputs},
        "layers": [_layer(plan, index) for index in range(len(graph.nodes))],
        "parameters": total.parameters,
        "blob_values": total.blob_values,
        "macs": total.macs,
        "memory": {
            "reference_arena": {
                "planned_bytes": arena.planned_bytes,
                "lower_bound_bytes": arena.lower_bound_bytes,
                "unshared_bytes": arena.unshared_bytes,
            }
        },
        "assumed": list(plan.assumed),
    }


def _layer(plan: Plan, index: int) -> dict[str, object]:
    node, values = plan.graph.nodes[index], plan.graph.values
    counts = count_layer(plan, index)
    fields = plan.layers[index].fields
    field = fields[0] if fields else None
    return {
        "name": node.name,
        "type": node.record.type,
        "bottoms": [values[v].name for v in node.bottoms],
        "tops": {name: list(shape) for name, shape in _tops(plan, index).items()},
        "parameters": counts.parameters,
        "blob_values": counts.blob_values,
        "macs": counts.macs,
        "receptive_field": _numbers(field, "size"),
        "jump": _numbers(field, "jump"),
    }


def _tops(plan: Plan, index: int) -> dict[str, Shape]:
    """The shapes of a layer's tops, by blob name."""
    return {plan.graph.values[v].name: plan.shapes[v] for v in plan.graph.nodes[index].tops}


def _numbers(field: Field | None, name: str) -> list[float] | None:
    """One number per spatial axis; None where there is no spatial input, or where everything is seen."""
    if field is None or field.whole:
        return None
    return [int(v) if v == int(v) else float(v) for v in getattr(field, name)]


def table(plan: Plan) -> Table:
    """The layers as a table: shapes, parameters, multiply-adds, receptive field."""
    graph = plan.graph
    out = Table(title=f"{graph.name or 'net'} ({graph.state.phase})", title_justify="left", header_style="bold")
    for heading in ("layer", "type", "output"):
        out.add_column(heading, no_wrap=True)
    for heading in ("parameters", "multiply-adds", "sees"):
        out.add_column(heading, justify="right", no_wrap=True)
    for index, node in enumerate(graph.nodes):
        counts = count_layer(plan, index)
        tops = "\n".join(
            f"{name} {format_shape(shape)}" if name != node.name else format_shape(shape)
            for name, shape in _tops(plan, index).items()
        )
        out.add_row(
            Text(node.name),
            Text(node.record.type),
            Text(tops),
            f"{counts.blob_values:,}" if counts.blob_values else "",
            f"{counts.macs:,}" if counts.macs else "",
            _sees(plan.layers[index].fields),
        )
    total = count_net(plan)
    out.add_section()
    out.add_row("total", "", "", f"{total.blob_values:,}", f"{total.macs:,}", "", style="bold")
    return out


def _sees(fields: tuple[Field | None, ...]) -> str:
    field = fields[0] if fields else None
    if field is None:
        return ""
    return "all" if field.whole else format_shape(field.size)
